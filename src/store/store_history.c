/* store_history.c -- the history's loop side: what waits, what is written when, which file goes.
 *
 *   append -> pending --(a moment, or enough)--> flying --written--> growing file + its index
 *   growing file --(size, age)--> sealing --index written--> sealed --(too old, too much)--> gone
 *
 * Three lanes on the pool, so that a slow one holds up only itself: writes, upkeep (closing and
 * deleting files), look-ups. While a write fails its records stay in `flying` and are tried again
 * at each tick; what comes meanwhile fills `pending`, then is dropped. */
#include "store_history_inside.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- trouble, said once a change --- */

static void ill(struct store_history *h, bool *is_ill, enum err err, const struct fault *why)
{
    if (!*is_ill && h->cb.trouble)
        h->cb.trouble(h->cb.ctx, err, why);
    *is_ill = true;
}

static void well(struct store_history *h, bool *is_ill)
{
    struct fault f = {0};
    if (!*is_ill)
        return;
    *is_ill = false;
    (void)fault_set(&f, ERR_OK, 0, "the history in %s works again", h->disk.path);
    if (h->cb.trouble)
        h->cb.trouble(h->cb.ctx, ERR_OK, &f);
}

static uint64_t file_bytes(const struct store_history *h)
{
    uint64_t n = h->bytes_max / 16;
    n = n < HISTORY_FILE_BYTES_LEAST ? HISTORY_FILE_BYTES_LEAST : n;
    return n > HISTORY_FILE_BYTES_MOST ? HISTORY_FILE_BYTES_MOST : n;
}

/* Not waited for the timer. */
static bool is_enough(const struct store_history *h)
{
    return h->pending.n >= HISTORY_FLUSH_BYTES || h->pending.n >= file_bytes(h);
}

void history_queue_work(struct store_history *h, uv_work_t *work, uv_work_cb run,
                        uv_after_work_cb done)
{
    int r = uv_queue_work(h->loop, work, run, done);
    CHECK(r == 0); /* fails only without a callback */
}

static void forget_growing(struct history_growing *g)
{
    if (g->fd >= 0)
        close(g->fd);
    history_index_close(&g->index);
    *g = (struct history_growing){.fd = -1};
}

/* --- opening --- */

struct open_job {
    uv_work_t work;
    struct store_history *owner;
    struct history_disk disk;
    uint64_t salt[2];
    bool makes;
    struct history_listing listing;
    enum err err;
    struct fault why;
};

static void on_open_work(uv_work_t *work)
{
    struct open_job *job = work->data;
    job->err = history_disk_open(&job->disk, job->makes, job->salt, &job->why);
    if (!job->err)
        job->err = history_disk_list(&job->disk, &job->listing, &job->why);
}

static bool is_known(const struct store_history *h, const struct history_frame *f)
{
    uint32_t offset;
    return f->key_count &&
           history_index_find(&h->growing.index, history_frame_key(f, 0), &offset, 1) > 0;
}

/* What perhaps was in the files, and now is seen not to be. */
static void take_once(struct store_history *h)
{
    struct history_frame f;
    size_t used;
    for (struct slice left = buf_slice(&h->once);
         history_frame_parse(left, &f, &used) == PARSE_DONE; left = slice_from(left, used)) {
        if (is_known(h, &f))
            continue;
        if (h->pending_keys + f.key_count > HISTORY_INDEX_ENTRIES_MAX / 2 ||
            used > h->pending.max - h->pending.n) {
            h->lost++;
            continue;
        }
        buf_add(&h->pending, slice_head(left, used));
        h->pending_count++;
        h->pending_keys += f.key_count;
        h->appended++;
    }
    buf_close(&h->once);
    history_finds_wait(h);
}

static void on_open_done(uv_work_t *work, int status)
{
    struct open_job *job = work->data;
    struct store_history *h = job->owner;
    h->is_opening = false;
    h->disk.fd = job->disk.fd;
    if (!job->err) {
        h->is_open = h->has_salt = true;
        memcpy(h->salt, job->salt, sizeof h->salt);
        h->sealed = job->listing.sealed;
        h->sealed_count = h->sealed_cap = job->listing.sealed_count;
        h->growing = job->listing.growing;
        h->last_sequence = job->listing.last_sequence;
        well(h, &h->is_write_ill);
        take_once(h);
        history_start_write(h); /* what came meanwhile */
    } else if (job->makes || job->err != ERR_MISSING) {
        ill(h, &h->is_write_ill, job->err, &job->why);
    }
    mem_free(job);
    history_pump(h);
}

void history_start_open(struct store_history *h)
{
    struct open_job *job = mem_new(sizeof *job);
    job->work.data = job;
    job->owner = h;
    job->disk = h->disk;
    job->makes = h->keep_ms > 0;
    memcpy(job->salt, h->has_salt ? h->salt : h->fresh_salt, sizeof job->salt);
    h->is_opening = true;
    history_queue_work(h, &job->work, on_open_work, on_open_done);
}

/* --- writing --- */

struct write_work {
    uv_work_t work;
    struct store_history *owner;
    struct history_growing growing; /* a copy; what the thread changes is taken over */
    enum err err;
    struct fault why;
};

static void on_write_work(uv_work_t *work)
{
    struct write_work *job = work->data;
    struct store_history *h = job->owner;
    job->err = history_disk_write(&h->disk, &job->growing, buf_slice(&h->flying), &job->why);
}

/* Some of what was written into the index: much of it at once would hold up the loop. False: there
 * is more. */
static bool take_some(struct store_history *h)
{
    struct history_growing *g = &h->growing;
    struct history_frame f;
    size_t used;
    if (!g->bytes)
        g->bytes = HISTORY_FILE_HEADER_BYTES;
    for (int i = 0; i < HISTORY_TAKEN_A_TURN && h->flying_taken < h->flying.n; i++) {
        struct slice left = slice_from(buf_slice(&h->flying), h->flying_taken);
        CHECK(history_frame_parse(left, &f, &used) == PARSE_DONE); /* we have built it */
        history_take_frame(g, &f, used);
        h->flying_taken += used;
    }
    return h->flying_taken == h->flying.n;
}

static void end_flight(struct store_history *h)
{
    h->flying_taken = 0;
    h->written += h->flying_count;
    h->flying_count = h->flying_keys = 0;
    buf_clear(&h->flying);
    if (h->flying.cap > 2 * HISTORY_FLUSH_BYTES)
        buf_trim(&h->flying);
}

static void on_nothing(uv_work_t *work)
{
}

/* Until all is taken the flight is not over: nothing else is written, the file is not closed. */
static void on_taking(uv_work_t *work, int status)
{
    struct write_work *job = work->data;
    struct store_history *h = job->owner;
    if (!take_some(h)) {
        history_queue_work(h, &job->work, on_nothing, on_taking);
        return;
    }
    end_flight(h);
    h->is_writing = false;
    well(h, &h->is_write_ill);
    mem_free(job);
    history_pump(h);
}

static void on_write_done(uv_work_t *work, int status)
{
    struct write_work *job = work->data;
    struct store_history *h = job->owner;
    h->growing.fd = job->growing.fd;
    h->growing.is_torn = job->growing.is_torn;
    if (!job->err) {
        on_taking(work, status);
        return;
    }
    h->is_writing = false;
    ill(h, &h->is_write_ill, job->err, &job->why);
    mem_free(job);
    history_pump(h);
}

static void seal(struct store_history *h);

static bool has_room(const struct store_history *h)
{
    return history_index_has_room(&h->growing.index, h->flying_keys) &&
           h->growing.bytes + h->flying.n <= HISTORY_FILE_BYTES_CEILING;
}

void history_start_write(struct store_history *h)
{
    struct history_growing *g = &h->growing;
    if (!h->is_open || h->is_writing || (!h->flying_count && !h->pending_count))
        return;
    if (!h->flying_count) {
        struct buf empty = h->flying;
        h->flying = h->pending;
        h->pending = empty;
        h->flying_count = h->pending_count;
        h->flying_keys = h->pending_keys;
        h->pending_count = h->pending_keys = 0;
    }
    if (!has_room(h))
        seal(h);
    if (!has_room(h))
        return; /* the file before this one is not closed yet */
    if (!g->sequence) {
        *g = (struct history_growing){.sequence = ++h->last_sequence, .fd = -1};
        history_index_init(&g->index);
    }
    struct write_work *job = mem_new(sizeof *job);
    job->work.data = job;
    job->owner = h;
    job->growing = *g;
    h->is_writing = true;
    history_queue_work(h, &job->work, on_write_work, on_write_done);
}

/* --- upkeep --- */

struct keep_work {
    uv_work_t work;
    struct store_history *owner;
    bool is_seal;
    struct history_sealed sealed;
    uint64_t sequence[HISTORY_RETIRE_AT_ONCE];
    unsigned count;
    enum err err;
    struct fault why;
};

static void on_keep_work(uv_work_t *work)
{
    struct keep_work *job = work->data;
    struct store_history *h = job->owner;
    if (job->is_seal)
        job->err = history_disk_seal(&h->disk, &h->sealing, &job->sealed, &job->why);
    for (unsigned i = 0; i < job->count; i++)
        history_disk_retire(&h->disk, job->sequence[i]);
}

static void add_sealed(struct store_history *h, const struct history_sealed *s)
{
    if (h->sealed_count == h->sealed_cap) {
        h->sealed_cap = h->sealed_cap ? 2 * h->sealed_cap : 16;
        h->sealed = mem_resize(h->sealed, h->sealed_cap * sizeof *h->sealed);
    }
    h->sealed[h->sealed_count++] = *s;
}

static void on_keep_done(uv_work_t *work, int status)
{
    struct keep_work *job = work->data;
    struct store_history *h = job->owner;
    h->is_keeping = false;
    if (job->is_seal && job->err) {
        ill(h, &h->is_keep_ill, job->err, &job->why); /* again at the next tick */
    } else if (job->is_seal) {
        well(h, &h->is_keep_ill);
        add_sealed(h, &job->sealed);
        forget_growing(&h->sealing);
    }
    bool is_well = !job->err;
    mem_free(job);
    if (is_well || h->is_closing)
        history_pump(h);
}

static struct keep_work *start_keep(struct store_history *h)
{
    struct keep_work *job = mem_new(sizeof *job);
    job->work.data = job;
    job->owner = h;
    h->is_keeping = true;
    return job;
}

/* The growing file takes no more; its index goes to disk when the upkeep's lane is free. */
static void seal(struct store_history *h)
{
    if (h->sealing.sequence || h->is_writing || !h->growing.records)
        return;
    h->sealing = h->growing;
    h->growing = (struct history_growing){.fd = -1};
}

static void seal_if_due(struct store_history *h)
{
    const struct history_growing *g = &h->growing;
    int64_t part_ms = h->keep_ms / HISTORY_FILES_OF_AGE;
    if (g->bytes >= file_bytes(h) || (g->records && h->now_ms - g->oldest_ms > part_ms))
        seal(h);
}

static uint64_t all_bytes(const struct store_history *h)
{
    uint64_t n = h->growing.bytes + h->sealing.bytes;
    for (size_t i = 0; i < h->sealed_count; i++)
        n += h->sealed[i].bytes;
    return n;
}

static void retire(struct store_history *h)
{
    uint64_t bytes = all_bytes(h);
    unsigned count = 0;
    while (count < h->sealed_count && count < HISTORY_RETIRE_AT_ONCE) {
        const struct history_sealed *s = &h->sealed[count];
        bool is_old = h->now_ms && s->head.newest_ms < h->now_ms - h->keep_ms;
        if (!is_old && bytes <= h->bytes_max && h->keep_ms)
            break;
        bytes -= s->bytes;
        count++;
    }
    if (!count)
        return;
    struct keep_work *job = start_keep(h);
    for (unsigned i = 0; i < count; i++)
        job->sequence[i] = h->sealed[i].head.sequence;
    job->count = count;
    h->sealed_count -= count;
    memmove(h->sealed, h->sealed + count, h->sealed_count * sizeof *h->sealed);
    history_queue_work(h, &job->work, on_keep_work, on_keep_done);
}

static void upkeep(struct store_history *h)
{
    if (!h->is_open || h->is_closing || h->is_keeping)
        return;
    seal_if_due(h);
    if (h->sealing.sequence) {
        struct keep_work *job = start_keep(h);
        job->is_seal = true;
        history_queue_work(h, &job->work, on_keep_work, on_keep_done);
    } else {
        retire(h);
    }
}

/* --- the end --- */

static void on_flush_closed(uv_handle_t *timer)
{
    struct store_history *h = timer->data;
    void (*closed)(void *) = h->closed;
    void *ctx = h->closed_ctx;
    mem_free(h);
    if (closed)
        closed(ctx);
}

static void free_all(struct store_history *h)
{
    forget_growing(&h->growing);
    forget_growing(&h->sealing);
    mem_free(h->sealed);
    buf_close(&h->pending);
    buf_close(&h->flying);
    buf_close(&h->once);
    if (h->disk.fd >= 0)
        close(h->disk.fd);
    mem_free(h->disk.path);
    uv_close((uv_handle_t *)&h->flush, on_flush_closed);
}

/* The last words: what waits is written, once; look-ups are told. */
static void pump_end(struct store_history *h)
{
    history_tell_all(h, ERR_CLOSED);
    if (!h->is_write_ill)
        history_start_write(h);
    if (!h->is_opening && !h->is_writing && !h->is_keeping && !h->finding && !h->is_ending)
        free_all(h);
}

struct end_work {
    uv_work_t work;
    struct store_history *owner;
};

static void on_ending(uv_work_t *work, int status)
{
    struct end_work *job = work->data;
    struct store_history *h = job->owner;
    mem_free(job);
    h->is_ending = false;
    pump_end(h);
}

/* After each job, and whenever something is to be done. */
void history_pump(struct store_history *h)
{
    if (h->is_closing) {
        pump_end(h);
        return;
    }
    bool is_waited_for = !list_is_empty(&h->finds) || is_enough(h);
    if (is_waited_for && !h->is_write_ill)
        history_start_write(h);
    history_start_finds(h); /* after that: they wait for a write that is out */
    upkeep(h);
}

/* --- the door --- */

struct store_history *store_history_new_with(uv_loop_t *loop, const struct store_history_options *o,
                                             const struct store_history_callbacks *cb,
                                             const struct store_syscalls *sys)
{
    struct store_history *h = mem_new(sizeof *h);
    size_t n = strlen(o->state_dir);
    h->loop = loop;
    h->cb = *cb;
    h->keep_ms = o->keep_ms;
    h->bytes_max = o->bytes_max;
    memcpy(h->fresh_salt, o->salt, sizeof h->fresh_salt);
    h->disk = (struct history_disk){.sys = sys, .fd = -1, .path = mem_new(n + sizeof "/history")};
    snprintf(h->disk.path, n + sizeof "/history", "%s/history", o->state_dir);
    h->growing.fd = h->sealing.fd = -1;
    buf_init(&h->pending, STORE_HISTORY_PENDING_BYTES_MAX);
    buf_init(&h->flying, STORE_HISTORY_PENDING_BYTES_MAX);
    buf_init(&h->once, HISTORY_ONCE_BYTES_MAX);
    list_init(&h->finds);
    uv_timer_init(loop, &h->flush);
    uv_unref((uv_handle_t *)&h->flush); /* nobody stays for it: the end writes what waits */
    h->flush.data = h;
    struct fault why = {0};
    memcpy(h->salt, h->fresh_salt, sizeof h->salt);
    h->has_salt = history_disk_open(&h->disk, h->keep_ms > 0, h->salt, &why) == ERR_OK;
    h->found_ms = history_disk_newest_ms(&h->disk);
    history_start_open(h); /* which says what is wrong, from the loop */
    return h;
}

struct store_history *store_history_new(uv_loop_t *loop, const struct store_history_options *o,
                                        const struct store_history_callbacks *cb)
{
    return store_history_new_with(loop, o, cb, &store_real_syscalls);
}

bool store_history_salt(const struct store_history *h, uint64_t out[2])
{
    memcpy(out, h->salt, sizeof h->salt);
    return h->has_salt;
}

void store_history_drop(struct store_history *h)
{
    h->lost++;
}

void store_history_append_once(struct store_history *h, int64_t now_ms, const uint64_t *key,
                               unsigned key_count, struct slice payload)
{
    CHECK(!h->is_open); /* before the loop runs */
    if (!h->keep_ms || !h->has_salt ||
        !history_frame_build(now_ms, key, key_count, payload, &h->once))
        h->lost++;
}

uint64_t store_history_flush(struct store_history *h)
{
    if (!h->is_write_ill)
        history_start_write(h);
    return h->appended;
}

bool store_history_has_written(const struct store_history *h, uint64_t number)
{
    return (h->written >= number && !h->once.n) || h->is_write_ill;
}

int64_t store_history_found_ms(const struct store_history *h)
{
    return h->found_ms;
}

static void on_flush(uv_timer_t *timer)
{
    history_start_write(timer->data);
}

bool store_history_append(struct store_history *h, int64_t now_ms, const uint64_t *key,
                          unsigned key_count, struct slice payload)
{
    uint64_t keys = (uint64_t)h->pending_keys + key_count;
    if (!h->keep_ms || !h->has_salt || h->is_closing || keys > HISTORY_INDEX_ENTRIES_MAX / 2 ||
        !history_frame_build(now_ms, key, key_count, payload, &h->pending)) {
        h->lost++;
        return false;
    }
    h->pending_count++;
    h->pending_keys += key_count;
    h->appended++;
    if (h->is_write_ill)
        return true; /* the tick tries again */
    if (is_enough(h))
        history_start_write(h);
    else if (!uv_is_active((uv_handle_t *)&h->flush))
        uv_timer_start(&h->flush, on_flush, HISTORY_FLUSH_MS, 0);
    return true;
}

void store_history_tick(struct store_history *h, int64_t now_ms)
{
    h->now_ms = now_ms;
    if (h->is_closing)
        return;
    if (!h->is_open && !h->is_opening && h->keep_ms)
        history_start_open(h);
    history_start_write(h);
    upkeep(h);
}

void store_history_configure(struct store_history *h, int64_t keep_ms, uint64_t bytes_max)
{
    h->keep_ms = keep_ms;
    h->bytes_max = bytes_max;
}

void store_history_usage(const struct store_history *h, struct store_history_usage *out)
{
    *out = (struct store_history_usage){
        .records = h->written,
        .lost = h->lost,
        .lookups = h->lookups,
        .bytes = all_bytes(h),
        .files = h->sealed_count + (h->growing.records > 0) + (h->sealing.records > 0),
        .pending_bytes = h->pending.n + h->flying.n,
        .is_failing = h->is_write_ill || h->is_keep_ill,
    };
}

void store_history_close(struct store_history *h, void (*closed)(void *ctx), void *ctx)
{
    h->is_closing = true;
    h->closed = closed;
    h->closed_ctx = ctx;
    h->is_ending = true; /* the rest happens in the loop's own time */
    struct end_work *job = mem_new(sizeof *job);
    job->work.data = job;
    job->owner = h;
    history_queue_work(h, &job->work, on_nothing, on_ending);
}
