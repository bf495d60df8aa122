/* store_index.c -- a segment's index is made: read, boiled down, written beside it. Bounded memory:
 * a window slides along the segment, and entries leave as they come.
 *
 * Written under another name and renamed when whole. Nothing is synced: after a power cut the file
 * may be empty, torn or gone, its checksums tell, and then the start reads the segment. */
#include "journal/journal_index.h"
#include "store_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WINDOW_BYTES = 4 * 1024 * 1024, PIECE_BYTES = 1024 * 1024 };

struct making {
    struct disk *disk;
    struct journal_io *io;
    struct fault *why;
    struct journal_index_builder builder;
    int from, to;
    struct file_name name; /* of the segment */
    char *window;          /* the segment's bytes from builder.offset on */
    size_t held;
    uint64_t written;
};

/* What has become an entry goes, and the window is filled up as far as the segment counts. */
static enum err slide(struct making *m, size_t used)
{
    m->held -= used;
    memmove(m->window, m->window + used, m->held);
    uint64_t rest = m->builder.valid_end - m->builder.offset;
    size_t wanted = rest < WINDOW_BYTES ? (size_t)rest : WINDOW_BYTES;
    while (m->held < wanted) {
        size_t piece = wanted - m->held < PIECE_BYTES ? wanted - m->held : PIECE_BYTES;
        ssize_t n = m->disk->sys->pread(m->from, m->window + m->held, piece,
                                        (off_t)m->builder.offset + (off_t)m->held);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return disk_fault(m->disk, m->why, n < 0 ? errno : ENODATA, "read", m->name.s);
        m->held += (size_t)n;
    }
    return ERR_OK;
}

static enum err drain(struct making *m)
{
    struct buf *out = &m->builder.out;
    enum err e =
        disk_write(m->disk, m->to, buf_slice(out),
                   (uint32_t)(JOURNAL_INDEX_HEADER_BYTES + m->written), INDEXING_NAME, m->why);
    m->written += out->n;
    buf_clear(out);
    return e;
}

/* ERR_CLOSED: nobody wants it any more. */
static enum err boil_down(struct making *m)
{
    uint64_t most = journal_index_bytes_max(m->builder.header.segment_bytes);
    size_t used = 0;
    for (;;) {
        enum err e = slide(m, used);
        if (e)
            return e;
        uint32_t before = m->builder.offset;
        enum parse p = journal_index_add(&m->builder, slice_of(m->window, m->held));
        used = m->builder.offset - before;
        if (p == PARSE_BAD || (p == PARSE_MORE && used == 0))
            return fault_set(m->why, ERR_BAD, 0,
                             "%s/queue/%s is damaged at byte %u: seen while its index was made",
                             m->disk->path, m->name.s, m->builder.offset);
        if (JOURNAL_INDEX_HEADER_BYTES + m->builder.entry_bytes > most)
            return ERR_FULL;
        if (atomic_load(&m->disk->is_ending))
            return ERR_CLOSED;
        e = drain(m);
        if (e || p == PARSE_DONE)
            return e;
    }
}

static enum err finish(struct making *m)
{
    char header[JOURNAL_INDEX_HEADER_BYTES];
    struct file_name name = index_name(m->io->segment);
    journal_index_header(&m->builder, header);
    enum err e =
        disk_write(m->disk, m->to, slice_of(header, sizeof header), 0, INDEXING_NAME, m->why);
    if (e)
        return e;
    if (m->disk->sys->rename(m->disk->queue_fd, INDEXING_NAME, name.s))
        return disk_fault(m->disk, m->why, errno, "rename", INDEXING_NAME);
    m->io->index_bytes = sizeof header + m->written;
    return ERR_OK;
}

/* Not from malloc: each thread of the pool would keep so much for the next time. */
static enum err map_window(struct making *m)
{
    void *p = mmap(NULL, WINDOW_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return fault_set(m->why, ERR_SYSTEM, errno, "no memory to make a segment's index in");
    m->window = p;
    return ERR_OK;
}

static enum err open_both(struct making *m)
{
    struct disk *d = m->disk;
    m->from = d->sys->open(d->queue_fd, m->name.s, O_RDONLY, 0);
    if (m->from < 0)
        return disk_fault(d, m->why, errno, "open", m->name.s);
    m->to = d->sys->open(d->queue_fd, INDEXING_NAME, O_RDWR | O_CREAT | O_TRUNC, 0600);
    return m->to < 0 ? disk_fault(d, m->why, errno, "create", INDEXING_NAME) : ERR_OK;
}

enum err disk_index(struct disk *d, struct journal_io *io, const struct journal_header *h,
                    size_t (*head_bytes)(uint8_t type, struct slice payload), struct fault *why)
{
    struct making m = {.disk = d,
                       .io = io,
                       .why = why,
                       .from = -1,
                       .to = -1,
                       .name = segment_name(io->segment)};
    journal_index_begin(&m.builder, h, io->offset, head_bytes);
    bool is_too_large = false;
    enum err e = map_window(&m);
    if (!e)
        e = open_both(&m);
    if (!e) {
        e = boil_down(&m);
        is_too_large = e == ERR_FULL && why->errnum == 0;
    }
    if (!e)
        e = finish(&m);
    if (m.from >= 0)
        close(m.from);
    if (m.to >= 0)
        close(m.to);
    if (e && m.to >= 0)
        (void)d->sys->unlink(d->queue_fd, INDEXING_NAME);
    journal_index_close(&m.builder);
    if (m.window)
        munmap(m.window, WINDOW_BYTES);
    return is_too_large ? ERR_OK : e;
}
