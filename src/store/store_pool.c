/* store_pool.c -- what may wait: making and retiring segments, making indices, fetching records. On
 * libuv's pool; at most one of each of the first three, FETCHES_MAX of the last. */
#include "base/heap.h" /* CONTAINER_OF */
#include "store_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* --- segments made, retired, indexed --- */

struct segment_job {
    uv_work_t work;
    struct store *store;
    struct journal_io io;
    struct journal_header header; /* INDEX */
    int fd;                       /* RETIRE: ours to close; -1: none */
    enum err err;
    struct fault why;
};

static enum err run(struct segment_job *job)
{
    struct disk *d = &job->store->disk;
    switch (job->io.kind) {
    case JOURNAL_IO_MAKE:
        return disk_make(d, &job->io, &job->why);
    case JOURNAL_IO_RETIRE:
        return disk_retire(d, &job->io, &job->why);
    case JOURNAL_IO_INDEX:
        return disk_index(d, &job->io, &job->header, job->store->cb.head_bytes, &job->why);
    case JOURNAL_IO_NONE:
    case JOURNAL_IO_WRITE:
    case JOURNAL_IO_SYNC:
    case JOURNAL_IO_ADOPT:
        break;
    }
    CHECK(!"a job for the pool");
}

static void on_segment_work(uv_work_t *work)
{
    struct segment_job *job = work->data;
    job->err = run(job);
    /* The last close of a deleted segment gives back its blocks: nothing for the loop. */
    if (job->fd >= 0)
        close(job->fd);
}

static void on_segment_done(uv_work_t *work, int status)
{
    struct segment_job *job = work->data;
    struct store *s = job->store;
    s->pool_jobs--;
    if (job->io.kind == JOURNAL_IO_MAKE)
        atomic_store(&s->disk.is_hurried, false);
    else if (job->io.kind == JOURNAL_IO_RETIRE)
        files_forget(&s->files, job->io.segment);
    store_io_done(s, &job->io, job->err, &job->why);
    mem_free(job);
    store_listen(s);
}

static void start_segment_job(struct store *s, const struct journal_io *io)
{
    struct segment_job *job = mem_new(sizeof *job);
    job->work.data = job;
    job->store = s;
    job->io = *io;
    job->fd = io->kind == JOURNAL_IO_RETIRE ? files_take(&s->files, io->segment) : -1;
    if (io->kind == JOURNAL_IO_INDEX)
        job->header = *journal_segment(s->journal, io->segment);
    s->pool_jobs++;
    int r = uv_queue_work(s->loop, &job->work, on_segment_work, on_segment_done);
    CHECK(r == 0); /* fails only without a callback */
}

void store_make(struct store *s, const struct journal_io *io)
{
    start_segment_job(s, io);
}

void store_retire(struct store *s, const struct journal_io *io)
{
    start_segment_job(s, io);
}

void store_index(struct store *s, const struct journal_io *io)
{
    start_segment_job(s, io);
}

/* --- fetches --- */

struct fetch {
    uv_work_t work;
    struct list waiting;
    struct store *store;
    uint64_t ticket, id;
    struct journal_pos pos;
    struct journal_header header;
    struct open_file *file; /* in use until done; NULL: the thread opens it */
    int fd;
    char *bytes; /* owned */
    size_t byte_count;
    struct journal_record record;
    enum err err;
    struct fault why;
};

static void on_fetch_work(uv_work_t *work)
{
    struct fetch *f = work->data;
    const struct disk *d = &f->store->disk;
    struct file_name name = segment_name(f->pos.segment);
    if (f->fd < 0)
        f->fd = d->sys->open(d->queue_fd, name.s, O_RDWR, 0);
    if (f->fd < 0) {
        f->err = disk_fault(d, &f->why, errno, "open", name.s);
        return;
    }
    f->bytes = mem_resize(NULL, f->byte_count);
    for (size_t n = 0; n < f->byte_count;) {
        ssize_t got =
            d->sys->pread(f->fd, f->bytes + n, f->byte_count - n, (off_t)f->pos.offset + (off_t)n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            disk_fault(d, &f->why, got < 0 ? errno : ENODATA, "read", name.s);
            f->err = ERR_SYSTEM;
            return;
        }
        n += (size_t)got;
    }
    f->err = journal_record_verify(slice_of(f->bytes, f->byte_count), &f->header, f->pos, f->id,
                                   &f->record, &f->why);
}

static void tell(struct fetch *f)
{
    struct store *s = f->store;
    s->cb.fetched(s->cb.ctx, f->ticket, f->err, f->err ? NULL : &f->record,
                  f->err ? &f->why : NULL);
    mem_free(f->bytes);
    mem_free(f);
}

static void start_fetches(struct store *s);

static void on_fetch_done(uv_work_t *work, int status)
{
    struct fetch *f = work->data;
    struct store *s = f->store;
    bool is_live = s->journal && journal_segment(s->journal, f->pos.segment);
    s->pool_jobs--;
    s->fetching--;
    if (f->file)
        files_done(&s->files, f->file);
    else if (f->fd >= 0 && is_live)
        files_add(&s->files, f->pos.segment, f->fd);
    else if (f->fd >= 0)
        close(f->fd);
    if (f->err && !is_live)
        f->err = fault_set(&f->why, ERR_MISSING, 0, "segment %016llx is gone",
                           (unsigned long long)f->pos.segment);
    if (s->is_closing && f->err == ERR_OK)
        f->err = fault_set(&f->why, ERR_CLOSED, 0, "the store is closing");
    tell(f);
    start_fetches(s);
    store_listen(s);
}

static void on_nothing(uv_work_t *work)
{
}

static void start_fetch(struct store *s, struct fetch *f)
{
    const struct journal_header *h = journal_segment(s->journal, f->pos.segment);
    s->fetching++;
    s->pool_jobs++;
    f->fd = -1;
    bool is_possible = h && f->pos.bytes <= JOURNAL_RECORD_BYTES_MAX;
    if (is_possible) {
        f->header = *h;
        f->byte_count = journal_record_span(f->pos.bytes);
        f->file = files_use(&s->files, f->pos.segment);
        f->fd = f->file ? f->file->fd : -1;
    } else {
        f->err = fault_set(&f->why, ERR_MISSING, 0, "no segment %016llx",
                           (unsigned long long)f->pos.segment);
    }
    int r =
        uv_queue_work(s->loop, &f->work, is_possible ? on_fetch_work : on_nothing, on_fetch_done);
    CHECK(r == 0);
}

static void start_fetches(struct store *s)
{
    while (s->fetching < FETCHES_MAX && !list_is_empty(&s->fetches)) {
        struct list *n = list_take_first(&s->fetches);
        start_fetch(s, CONTAINER_OF(n, struct fetch, waiting));
    }
}

void store_cancel_fetches(struct store *s)
{
    struct list *n;
    while ((n = list_take_first(&s->fetches))) {
        struct fetch *f = CONTAINER_OF(n, struct fetch, waiting);
        f->err = fault_set(&f->why, ERR_CLOSED, 0, "the store is closing");
        tell(f);
    }
}

void store_fetch(struct store *s, uint64_t ticket, uint64_t id, struct journal_pos pos)
{
    struct fetch *f = mem_new(sizeof *f);
    f->work.data = f;
    f->store = s;
    f->ticket = ticket;
    f->id = id;
    f->pos = pos;
    list_add_last(&s->fetches, &f->waiting);
    if (s->is_closing)
        uv_async_send(&s->async);
    else
        start_fetches(s);
}
