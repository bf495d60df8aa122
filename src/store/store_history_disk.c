/* store_history_disk.c -- the history's files as the pool's threads see them: frames written, an
 * index closed, files deleted, keys searched. */
#include "store_history_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char making[] = "making.idx";

struct history_name history_log_name(uint64_t sequence)
{
    struct history_name n;
    snprintf(n.s, sizeof n.s, "%016" PRIx64 ".log", sequence);
    return n;
}

struct history_name history_index_name(uint64_t sequence)
{
    struct history_name n;
    snprintf(n.s, sizeof n.s, "%016" PRIx64 ".idx", sequence);
    return n;
}

enum err history_fault(const struct history_disk *d, struct fault *why, int errnum,
                       const char *what, const char *name)
{
    enum err e = errnum == ENOSPC || errnum == EDQUOT                     ? ERR_FULL
                 : errnum == ENOENT                                       ? ERR_MISSING
                 : errnum == EACCES || errnum == EPERM || errnum == EROFS ? ERR_DENIED
                                                                          : ERR_SYSTEM;
    return fault_set(why, e, errnum, "cannot %s %s/%s", what, d->path, name);
}

void history_take_frame(struct history_growing *g, const struct history_frame *f, size_t used)
{
    for (uint32_t i = 0; i < f->key_count; i++)
        history_index_add(&g->index, history_frame_key(f, i), (uint32_t)g->bytes);
    if (!g->records || f->time_ms < g->oldest_ms)
        g->oldest_ms = f->time_ms;
    if (!g->records || f->time_ms > g->newest_ms)
        g->newest_ms = f->time_ms;
    g->records++;
    g->bytes += used;
}

static int write_all(const struct history_disk *d, int fd, struct slice s, uint64_t at)
{
    while (s.n) {
        ssize_t n = d->sys->pwrite(fd, s.p, s.n, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : EIO;
        s = slice_from(s, (size_t)n);
        at += (uint64_t)n;
    }
    return 0;
}

static bool read_all(const struct history_disk *d, int fd, uint64_t at, char *to, size_t n)
{
    while (n) {
        ssize_t got = d->sys->pread(fd, to, n, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        to += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return true;
}

/* --- writing --- */

enum err history_disk_write(const struct history_disk *d, struct history_growing *g,
                            struct slice frames, struct fault *why)
{
    struct history_name name = history_log_name(g->sequence);
    struct buf head;
    int errnum = 0;
    if (g->fd < 0)
        g->fd = d->sys->open(d->fd, name.s, O_RDWR | O_CREAT, 0600);
    if (g->fd < 0)
        return history_fault(d, why, errno, "open", name.s);
    if (g->is_torn && d->sys->truncate(g->fd, (off_t)g->bytes) != 0)
        return history_fault(d, why, errno, "cut", name.s);
    g->is_torn = true; /* until it is whole */
    buf_init(&head, HISTORY_FILE_HEADER_BYTES);
    if (!g->bytes)
        history_file_begin(g->sequence, &head);
    errnum = write_all(d, g->fd, buf_slice(&head), 0);
    if (!errnum)
        errnum = write_all(d, g->fd, frames, g->bytes + head.n);
    buf_close(&head);
    if (errnum)
        return history_fault(d, why, errnum, "write", name.s);
    g->is_torn = false;
    return ERR_OK;
}

enum err history_disk_seal(const struct history_disk *d, const struct history_growing *g,
                           struct history_sealed *out, struct fault *why)
{
    struct history_name name = history_index_name(g->sequence);
    struct buf image;
    int fd = -1, errnum = 0;
    out->head = (struct history_index_head){.sequence = g->sequence,
                                            .log_bytes = g->bytes,
                                            .entries = g->index.count,
                                            .records = g->records,
                                            .oldest_ms = g->oldest_ms,
                                            .newest_ms = g->newest_ms};
    buf_init(&image, HISTORY_INDEX_BYTES_MAX);
    CHECK(history_index_build(&g->index, &out->head, &image));
    out->bytes = g->bytes + image.n;
    /* Synced, log first: an index in place is believed at the next start. Nobody waits for it. */
    if (d->sys->fdatasync(g->fd) != 0)
        errnum = errno;
    if (!errnum && (fd = d->sys->open(d->fd, making, O_RDWR | O_CREAT | O_TRUNC, 0600)) < 0)
        errnum = errno;
    if (!errnum)
        errnum = write_all(d, fd, buf_slice(&image), 0);
    if (!errnum && d->sys->fdatasync(fd) != 0)
        errnum = errno;
    if (!errnum && d->sys->rename(d->fd, making, name.s) != 0)
        errnum = errno;
    if (fd >= 0)
        close(fd);
    buf_close(&image);
    return errnum ? history_fault(d, why, errnum, "write", name.s) : ERR_OK;
}

void history_disk_retire(const struct history_disk *d, uint64_t sequence)
{
    /* In this order: an index without its log is swept away at the next start. */
    (void)d->sys->unlink(d->fd, history_log_name(sequence).s);
    (void)d->sys->unlink(d->fd, history_index_name(sequence).s);
}

/* --- searching --- */

static int newest_first(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x > y ? -1 : x < y;
}

unsigned history_sort_offsets(uint32_t *offset, unsigned count)
{
    unsigned kept = 0;
    qsort(offset, count, sizeof *offset, newest_first);
    for (unsigned i = 0; i < count; i++)
        if (!kept || offset[kept - 1] != offset[i])
            offset[kept++] = offset[i];
    return kept;
}

static bool has_a_key(const struct history_search *s, const struct history_frame *f)
{
    for (uint32_t i = 0; i < f->key_count; i++)
        for (unsigned k = 0; k < s->key_count; k++)
            if (history_frame_key(f, i) == s->key[k])
                return true;
    return false;
}

/* One frame into the answer. What cannot be read or is damaged is left out. */
static void take_frame(const struct history_disk *d, struct history_search *s, int fd,
                       uint32_t offset)
{
    char head[HISTORY_FRAME_HEADER_BYTES];
    struct history_frame f;
    size_t used;
    if (!read_all(d, fd, offset, head, sizeof head))
        return;
    struct reader r = {.in = slice_of(head, sizeof head)};
    uint32_t payload_bytes = read_u32(&r);
    (void)read_bytes(&r, 12);
    uint32_t key_count = read_u32(&r);
    if (key_count > HISTORY_FRAME_KEYS_MAX || payload_bytes > HISTORY_FRAME_PAYLOAD_BYTES_MAX)
        return;
    size_t n = (sizeof head + 8 * (size_t)key_count + payload_bytes + 7) & ~(size_t)7;
    char *bytes = mem_new(n);
    if (read_all(d, fd, offset, bytes, n) &&
        history_frame_parse(slice_of(bytes, n), &f, &used) == PARSE_DONE && has_a_key(s, &f)) {
        if (s->count == s->limit || !buf_add(&s->bytes, f.payload))
            s->has_more = true;
        else /* where it begins is said at the end: the buffer may move */
            s->payload[s->count++].n = f.payload.n;
    }
    mem_free(bytes);
}

static int open_log(const struct history_disk *d, uint64_t sequence)
{
    return d->sys->open(d->fd, history_log_name(sequence).s, O_RDONLY, 0);
}

static enum err take_frames(const struct history_disk *d, struct history_search *s,
                            uint64_t sequence, const uint32_t *offset, unsigned count,
                            struct fault *why)
{
    if (!count)
        return ERR_OK;
    int fd = open_log(d, sequence);
    if (fd < 0 && errno == ENOENT)
        return ERR_OK; /* deleted meanwhile: too old */
    if (fd < 0)
        return history_fault(d, why, errno, "open", history_log_name(sequence).s);
    for (unsigned i = 0; i < count && !s->has_more; i++)
        take_frame(d, s, fd, offset[i]);
    close(fd);
    return ERR_OK;
}

struct index_file {
    const struct history_disk *d;
    int fd;
};

static bool read_index(void *ctx, uint64_t at, void *to, size_t n)
{
    const struct index_file *f = ctx;
    return read_all(f->d, f->fd, at, to, n);
}

static enum err search_sealed(const struct history_disk *d, struct history_search *s,
                              const struct history_index_head *head, uint32_t *offset,
                              struct fault *why)
{
    struct history_name name = history_index_name(head->sequence);
    struct index_file f = {d, d->sys->open(d->fd, name.s, O_RDONLY, 0)};
    const struct history_index_source from = {&f, read_index};
    unsigned wanted = s->limit - s->count + 1, count = 0;
    if (f.fd < 0 && errno == ENOENT)
        return ERR_OK;
    if (f.fd < 0)
        return history_fault(d, why, errno, "open", name.s);
    bool is_read = true;
    for (unsigned k = 0; k < s->key_count && is_read; k++) {
        unsigned found;
        is_read = history_index_search(&from, head, s->key[k], offset + count, wanted, &found);
        count += found;
    }
    close(f.fd);
    if (!is_read)
        return history_fault(d, why, EIO, "read", name.s);
    return take_frames(d, s, head->sequence, offset, history_sort_offsets(offset, count), why);
}

enum err history_disk_search(const struct history_disk *d, struct history_search *s,
                             struct fault *why)
{
    enum err e = ERR_OK, one;
    uint32_t *offset = mem_new((size_t)s->key_count * (s->limit + 1) * sizeof *offset);
    buf_init(&s->bytes, HISTORY_FIND_BYTES_MAX);
    s->payload = mem_new((s->limit + 1) * sizeof *s->payload);
    for (int i = 0; i < 2 && !s->has_more; i++) {
        one = take_frames(d, s, s->hot[i].sequence, s->hot[i].offset, s->hot[i].count, why);
        e = one ? one : e;
    }
    for (size_t i = s->sealed_count; i-- > 0 && !s->has_more;) { /* the others may be well */
        one = search_sealed(d, s, &s->sealed[i], offset, why);
        e = one ? one : e;
    }
    size_t at = 0;
    for (unsigned i = 0; i < s->count; i++) {
        s->payload[i].p = s->bytes.p + at;
        at += s->payload[i].n;
    }
    mem_free(offset);
    return e;
}
