/* store.c -- the loop's side: the pure machine decides, the writer thread and the pool carry out,
 * callbacks tell.
 *
 *   store_append -> machine          store_kick -> pump: machine's ios go to the writer or the pool
 *   writer/pool done (on the loop) -> machine -> pump -> completions are told
 *
 * Completions are told only from the loop's own callbacks, never inside a call of the owner's. */
#include "store_inside.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- said when the disk goes wrong or well again --- */

static void say_ill(struct store *s, bool *is_ill, bool is_each, const struct fault *why)
{
    bool is_news = !*is_ill || is_each;
    *is_ill = true;
    if (is_news && s->cb.trouble)
        s->cb.trouble(s->cb.ctx, why);
}

static void say_well(struct store *s, bool *is_ill, const char *what)
{
    struct fault f = {0};
    if (!*is_ill)
        return;
    *is_ill = false;
    (void)fault_set(&f, ERR_OK, 0, "%s in %s/queue works again", what, s->disk.path);
    if (s->cb.trouble)
        s->cb.trouble(s->cb.ctx, &f);
}

static void say(struct store *s, const struct journal_io *io, enum err err, const struct fault *why)
{
    switch (io->kind) {
    case JOURNAL_IO_NONE:
        break;
    case JOURNAL_IO_WRITE:
    case JOURNAL_IO_SYNC:
    case JOURNAL_IO_ADOPT:
        if (err)
            say_ill(s, &s->is_write_ill, true, why);
        else if (io->kind == JOURNAL_IO_SYNC)
            say_well(s, &s->is_write_ill, "writing");
        break;
    case JOURNAL_IO_MAKE:
        if (err && err != ERR_CLOSED)
            say_ill(s, &s->is_make_ill, false, why);
        else if (!err)
            say_well(s, &s->is_make_ill, "making segments");
        break;
    case JOURNAL_IO_RETIRE:
        if (err && err != ERR_CLOSED)
            say_ill(s, &s->is_retire_ill, false, why);
        else if (!err)
            say_well(s, &s->is_retire_ill, "recycling segments");
        break;
    case JOURNAL_IO_INDEX:
        if (err == ERR_BAD && s->cb.trouble)
            s->cb.trouble(s->cb.ctx, why); /* that segment is, nothing else */
        else if (err && err != ERR_CLOSED && err != ERR_BAD)
            say_ill(s, &s->is_index_ill, false, why);
        else if (!err)
            say_well(s, &s->is_index_ill, "making indices");
        break;
    }
}

void store_io_done(struct store *s, const struct journal_io *io, enum err err,
                   const struct fault *why)
{
    say(s, io, err, why);
    bool is_telling = err == ERR_OK || err == ERR_FULL || err == ERR_CLOSED || err == ERR_BAD;
    enum err told = is_telling ? err : ERR_SYSTEM;
    journal_on_io(s->journal, io, told, wall_ms());
}

/* --- ios out --- */

static void give(struct store *s, const struct journal_io *io)
{
    struct write_job job = {.io = *io, .fd = -1};
    if (io->kind != JOURNAL_IO_ADOPT) {
        s->writing_to = files_use(&s->files, io->segment);
        if (s->writing_to)
            job.fd = s->writing_to->fd;
    }
    s->is_writing = true;
    writer_give(&s->writer, &job);
}

static void on_timer(uv_timer_t *timer);

/* True: answered at once, the machine may have more. */
static bool dispatch(struct store *s, const struct journal_io *io)
{
    switch (io->kind) {
    case JOURNAL_IO_NONE:
        return false;
    case JOURNAL_IO_SYNC:
        if (s->has_sync_result) {
            s->has_sync_result = false;
            store_io_done(s, io, s->sync_result, &s->sync_why);
            return true;
        }
        give(s, io);
        return true;
    case JOURNAL_IO_WRITE:
    case JOURNAL_IO_ADOPT:
        give(s, io);
        return true;
    case JOURNAL_IO_MAKE:
        if (s->is_closing && !journal_is_waiting(s->journal))
            store_io_done(s, io, ERR_CLOSED, NULL);
        else
            store_make(s, io);
        return true;
    case JOURNAL_IO_RETIRE:
        if (s->is_closing)
            store_io_done(s, io, ERR_CLOSED, NULL);
        else
            store_retire(s, io);
        return true;
    case JOURNAL_IO_INDEX:
        if (s->is_closing)
            store_io_done(s, io, ERR_CLOSED, NULL);
        else if (s->cb.head_bytes)
            store_index(s, io);
        else
            store_io_done(s, io, ERR_OK, NULL); /* none, and that is well */
        return true;
    }
    return false;
}

void store_pump(struct store *s)
{
    for (;;) {
        struct journal_io io = journal_next_io(s->journal);
        if (!dispatch(s, &io))
            break;
    }
    atomic_store(&s->disk.is_hurried, journal_is_waiting(s->journal));
    if (!s->is_closing && journal_wants_flush(s->journal) &&
        !uv_is_active((uv_handle_t *)&s->timer))
        uv_timer_start(&s->timer, on_timer, FLUSH_MS, 0);
}

/* --- closing --- */

static void on_handle_closed(uv_handle_t *h)
{
    struct store *s = h->data;
    if (--s->handles > 0)
        return;
    void (*closed)(void *ctx) = s->closed;
    void *ctx = s->closed_ctx;
    mem_free(s);
    if (closed)
        closed(ctx);
}

static void finish_close(struct store *s)
{
    s->is_closed = true;
    writer_stop(&s->writer);
    files_close(&s->files);
    journal_free(s->journal);
    s->journal = NULL;
    disk_close(&s->disk);
    s->handles = 2;
    uv_close((uv_handle_t *)&s->timer, on_handle_closed);
    uv_close((uv_handle_t *)&s->async, on_handle_closed);
}

static void try_close(struct store *s)
{
    struct journal_usage u;
    if (!s->is_closing || s->is_closed)
        return;
    store_cancel_fetches(s);
    if (s->journal) {
        if (!journal_is_idle(s->journal) || s->is_writing)
            return;
        journal_usage(s->journal, &u);
        if (u.unsynced_records) {
            journal_flush(s->journal);
            store_pump(s);
            if (s->is_writing)
                return;
        }
    }
    if (s->pool_jobs == 0)
        finish_close(s);
}

/* --- results in --- */

static void take_result(struct store *s)
{
    struct write_job job;
    if (!writer_take(&s->writer, &job))
        return;
    s->is_writing = false;
    if (s->writing_to)
        files_done(&s->files, s->writing_to);
    else if (job.fd >= 0)
        files_add(&s->files, job.io.segment, job.fd);
    s->writing_to = NULL;
    s->has_sync_result = job.has_synced;
    s->sync_result = job.sync_err;
    if (job.has_synced && job.sync_err)
        s->sync_why = job.why;
    if (job.has_synced || job.io.kind == JOURNAL_IO_SYNC)
        s->last_sync_us = job.took_us;
    store_io_done(s, &job.io, job.err, &job.why);
}

void store_listen(struct store *s)
{
    struct journal_completion c;
    if (s->is_listening || s->is_closed)
        return;
    s->is_listening = true;
    if (s->journal) {
        store_pump(s);
        int told = 0;
        while (told < COMPLETIONS_A_TURN && journal_next_completion(s->journal, &c)) {
            s->cb.appended(s->cb.ctx, &c);
            told++;
        }
        store_pump(s);
        if (told == COMPLETIONS_A_TURN)
            uv_async_send(&s->async); /* the others may have their turn of the loop first */
    }
    s->is_listening = false;
    try_close(s);
}

static void on_async(uv_async_t *async)
{
    struct store *s = async->data;
    if (s->is_closed)
        return;
    take_result(s);
    store_listen(s);
}

static void on_timer(uv_timer_t *timer)
{
    struct store *s = timer->data;
    if (!s->journal || s->is_closed)
        return;
    journal_flush(s->journal);
    store_listen(s);
}

/* --- the door --- */

enum err store_open_with(struct store **out, uv_loop_t *loop, const struct store_options *o,
                         const struct store_callbacks *cb, uint64_t seed,
                         const struct store_syscalls *sys, struct fault *why)
{
    struct store *s = mem_new(sizeof *s);
    s->loop = loop;
    s->cb = *cb;
    s->options = *o;
    s->options.state_dir = NULL; /* disk.path has its own copy */
    s->seed = seed;
    s->disk = (struct disk){.sys = sys,
                            .state_fd = -1,
                            .queue_fd = -1,
                            .lock_fd = -1,
                            .segment_bytes = o->segment_bytes};
    list_init(&s->fetches);
    enum err e = disk_open(&s->disk, o, &s->installation, why);
    if (e)
        goto memory;
    int r = uv_async_init(loop, &s->async, on_async);
    if (r) {
        e = fault_set(why, ERR_SYSTEM, -r, "cannot make a wake-up handle");
        goto disk;
    }
    s->async.data = s;
    r = uv_timer_init(loop, &s->timer);
    CHECK(r == 0); /* cannot fail */
    s->timer.data = s;
    r = writer_start(&s->writer, &s->disk, &s->async);
    CHECK(r == 0); /* no thread at start-up: nothing can be done without it */
    files_init(&s->files, seed);
    *out = s;
    return ERR_OK;

disk:
    disk_close(&s->disk);
memory:
    mem_free(s);
    return e;
}

enum err store_open(struct store **out, uv_loop_t *loop, const struct store_options *o,
                    const struct store_callbacks *cb, uint64_t seed, struct fault *why)
{
    return store_open_with(out, loop, o, cb, seed, &store_real_syscalls, why);
}

enum err store_append(struct store *s, uint64_t ticket, uint8_t type, uint64_t id,
                      const struct slice *part, int part_count, bool needs_sync, bool is_admission)
{
    CHECK(s->journal != NULL); /* store_replay comes first */
    if (s->is_closing)
        return ERR_CLOSED;
    enum err e =
        journal_append(s->journal, ticket, type, id, part, part_count, needs_sync, is_admission);
    if (e == ERR_FULL)
        uv_async_send(&s->async); /* the machine may want to try for space once more */
    return e;
}

void store_kick(struct store *s)
{
    if (s->is_closed || !s->journal)
        return;
    store_pump(s);
    if (!s->is_writing)
        uv_async_send(&s->async); /* there may be completions without any writing */
}

void store_release(struct store *s, uint64_t segment)
{
    journal_release(s->journal, segment);
    uv_async_send(&s->async);
}

void store_usage(const struct store *s, struct journal_usage *out)
{
    if (s->journal)
        journal_usage(s->journal, out);
    else
        *out = (struct journal_usage){0};
}

uint64_t store_segment_bytes(const struct store *s)
{
    return s->disk.segment_bytes;
}

struct store_recovery store_recovery(const struct store *s)
{
    return s->recovery;
}

int64_t store_last_sync_us(const struct store *s)
{
    return s->last_sync_us;
}

bool store_is_idle(const struct store *s)
{
    return !s->journal || (journal_is_idle(s->journal) && !s->is_writing && s->fetching == 0 &&
                           list_is_empty(&s->fetches));
}

void store_close(struct store *s, void (*closed)(void *ctx), void *ctx)
{
    CHECK(!s->is_closing);
    s->is_closing = true;
    s->closed = closed;
    s->closed_ctx = ctx;
    uv_timer_stop(&s->timer);
    if (!s->journal || !journal_is_waiting(s->journal))
        atomic_store(&s->disk.is_ending, true);
    uv_async_send(&s->async);
}
