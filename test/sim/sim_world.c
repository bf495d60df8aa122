/* sim_world.c -- see the header. */
#include "sim_world.h"

#include "sim_action.h"
#include "sim_index.h"
#include "sim_recover.h"

#include <stdio.h>
#include <string.h>

enum { STEPS_MAX = 8 * 1000 * 1000, TICKS_MAX = 100 * 1000, STOP_POLL_MS = 50 };

int64_t sim_world_now_ms(const struct sim_world *w)
{
    return w->now_us / 1000;
}

void sim_world_tell(struct sim_world *w, struct engine_event *ev)
{
    const struct engine_action *a;
    if (!w->engine || w->is_crash_due || w->has_failed)
        return;
    ev->now_ms = sim_world_now_ms(w);
    engine_handle(w->engine, ev);
    while ((a = engine_next_action(w->engine))) {
        if (w->crash_in_actions && --w->crash_in_actions == 0) {
            w->is_crash_due = true; /* what else was wanted is never done */
            return;
        }
        sim_action_carry_out(w, a);
    }
    sim_ledger_on_event_over(w);
}

/* --- the journal's machine --- */

static int64_t latency_us(struct sim_world *w, const struct journal_io *io)
{
    if (w->may_sync_slowly && rng_chance(&w->rng, 3))
        return rng_between(&w->rng, 100 * 1000, 3 * 1000 * 1000);
    switch (io->kind) {
    case JOURNAL_IO_WRITE:
        return rng_between(&w->rng, 10, 300) + (int64_t)(io->bytes.n / 500);
    case JOURNAL_IO_SYNC:
        return rng_between(&w->rng, 100, 4000);
    case JOURNAL_IO_MAKE:
        return io->is_quick ? 100 : rng_between(&w->rng, 500, 20000);
    case JOURNAL_IO_ADOPT:
    case JOURNAL_IO_RETIRE:
        return rng_between(&w->rng, 50, 1000);
    case JOURNAL_IO_INDEX:
        return rng_between(&w->rng, 500, 50000);
    case JOURNAL_IO_NONE:
        break;
    }
    return 0;
}

/* Of two released segments the later one may hold the outcome of what the earlier one holds. */
static void check_order(struct sim_world *w, uint64_t leaving)
{
    size_t turn = 0;
    if (map_get_id(&w->empty, leaving))
        return;
    while (turn < w->released_count && w->released[turn] != leaving)
        turn++;
    for (size_t i = 0; turn < w->released_count && i < turn; i++)
        if (!map_get_id(&w->empty, w->released[i]) &&
            sim_disk_find(&w->disk, false, w->released[i]))
            sim_fail(w, "segment %llu goes before %llu, which was released earlier",
                     (unsigned long long)leaving, (unsigned long long)w->released[i]);
}

static void do_io(struct sim_world *w, struct journal_io *io)
{
    bool may_fail = w->disk.fail_percent[io->kind] &&
                    (io->kind == JOURNAL_IO_WRITE || io->kind == JOURNAL_IO_SYNC);
    if (may_fail)
        sim_ledger_before_io(w, io->segment);
    if (io->kind == JOURNAL_IO_RETIRE)
        check_order(w, io->segment);
    enum err e = sim_disk_do(&w->disk, io);
    static const char *const name[] = {"nothing", "writes",  "syncs",  "makes",
                                       "adopts",  "retires", "indexes"};
    char text[64];
    int n = snprintf(text, sizeof text, "%s %llu %s", name[io->kind],
                     (unsigned long long)(io->segment ? io->segment : io->spare), err_name(e));
    sim_trace(w, "disk", io->offset, io->bytes.n, slice_of(text, (size_t)n));
    if (e && may_fail)
        sim_ledger_on_io_failed(w, io->segment);
    if (io->kind == JOURNAL_IO_INDEX && e == ERR_OK)
        io->index_bytes = io->bytes.n;
    journal_on_io(w->journal, io, e, sim_world_now_ms(w));
}

static void io_ends(struct sim_world *w, void *thing, uint64_t life)
{
    struct sim_io *slot = thing;
    if (life != w->life || w->is_crash_due)
        return;
    if (w->crash_in_ios && w->is_started && --w->crash_in_ios == 0) {
        w->is_crash_due = true;
        return;
    }
    slot->is_out = false;
    do_io(w, &slot->io);
}

static size_t slot_of(enum journal_io_kind kind)
{
    switch (kind) {
    case JOURNAL_IO_NONE:
    case JOURNAL_IO_WRITE:
    case JOURNAL_IO_SYNC:
    case JOURNAL_IO_ADOPT:
        return 0;
    case JOURNAL_IO_MAKE:
        return 1;
    case JOURNAL_IO_RETIRE:
        return 2;
    case JOURNAL_IO_INDEX:
        return 3;
    }
    return 0;
}

static void begin_io(struct sim_world *w, struct journal_io *io)
{
    size_t slot = slot_of(io->kind);
    CHECK(!w->io[slot].is_out);
    if (io->kind == JOURNAL_IO_INDEX)
        io->bytes = sim_index_make(w, io);
    w->io[slot] = (struct sim_io){true, *io};
    sim_agenda_add(&w->agenda, w->now_us + latency_us(w, io), io_ends, &w->io[slot], w->life);
}

static void flush(struct sim_world *w, void *thing, uint64_t life)
{
    if (life != w->life || !w->journal)
        return;
    w->has_flush = false;
    journal_flush(w->journal);
}

static void on_completion(struct sim_world *w, const struct journal_completion *c)
{
    struct engine_event ev = {
        .kind = EVENT_APPENDED, .ticket = c->ticket, .err = c->err, .pos = c->pos};
    sim_ledger_on_appended(w, c->ticket, c->err, c->pos);
    sim_trace(w, "appended", c->ticket, (uint64_t)c->err, SLICE_NONE);
    sim_world_tell(w, &ev);
}

/* After each happening: what the journal wants and has to say. */
static void pump(struct sim_world *w)
{
    while (w->journal && !w->is_crash_due && !w->has_failed) {
        struct journal_completion c;
        if (journal_next_completion(w->journal, &c)) {
            on_completion(w, &c);
            continue;
        }
        struct journal_io io = journal_next_io(w->journal); /* may end records, too */
        if (io.kind != JOURNAL_IO_NONE)
            begin_io(w, &io);
        else if (!journal_next_completion(w->journal, &c))
            break;
        else
            on_completion(w, &c);
    }
    if (w->journal && !w->has_flush && journal_wants_flush(w->journal)) {
        w->has_flush = true;
        sim_agenda_add(&w->agenda, w->now_us + 1000000, flush, NULL, w->life);
    }
}

/* --- the end of a life, and the next --- */

static void restart(struct sim_world *w, void *thing, uint64_t life)
{
    if (life == w->life && !w->engine)
        sim_world_start(w);
}

static void end_life(struct sim_world *w, enum sim_crash kind, int64_t down_ms)
{
    struct journal_usage u;
    journal_usage(w->journal, &u);
    sim_trace(w, "the process ends", (uint64_t)kind, w->life, SLICE_NONE);
    sim_ledger_on_crash(w, kind, u.unsealed > 0);
    for (size_t i = 0; i < COUNT_OF(w->io); i++)
        if (w->io[i].is_out)
            sim_disk_do_some(&w->disk, &w->io[i].io);
    memset(w->io, 0, sizeof w->io);
    if (kind == SIM_POWER_CUT)
        sim_disk_power_cut(&w->disk);
    engine_free(w->engine);
    journal_free(w->journal);
    w->engine = NULL;
    w->journal = NULL;
    sim_net_engine_gone(w);
    w->life++;
    w->tokens.is_out = false; /* whoever asked is no more */
    w->was_orderly = kind == SIM_ORDERLY;
    w->is_started = w->is_stopping = w->has_flush = w->is_crash_due = false;
    w->crash_in_actions = w->crash_in_ios = 0;
    w->released_count = 0;
    sim_agenda_add(&w->agenda, w->now_us + down_ms * 1000, restart, NULL, w->life);
}

void sim_world_crash(struct sim_world *w, enum sim_crash kind, int64_t down_ms)
{
    if (!w->engine)
        return;
    w->crashes++;
    end_life(w, kind, down_ms);
}

/* The store's orderly end: all that was appended is written and synced; nobody is told. */
static void close_journal(struct sim_world *w)
{
    bool has_flushed = false;
    for (;;) {
        struct journal_completion c;
        struct journal_io io;
        bool is_moving = false;
        while (journal_next_completion(w->journal, &c)) {
            sim_ledger_on_appended(w, c.ticket, c.err, c.pos);
            is_moving = true;
        }
        for (size_t i = 0; i < COUNT_OF(w->io); i++) {
            if (!w->io[i].is_out)
                continue;
            w->io[i].is_out = false;
            do_io(w, &w->io[i].io);
            is_moving = true;
        }
        while ((io = journal_next_io(w->journal)).kind != JOURNAL_IO_NONE) {
            if (io.kind == JOURNAL_IO_INDEX)
                journal_on_io(w->journal, &io, ERR_CLOSED, sim_world_now_ms(w));
            else
                do_io(w, &io);
            is_moving = true;
        }
        if (is_moving)
            continue;
        if (has_flushed)
            return;
        journal_flush(w->journal);
        has_flushed = true;
    }
}

static void poll_stop(struct sim_world *w, void *thing, uint64_t life)
{
    if (life != w->life || !w->engine)
        return;
    bool is_over = sim_world_now_ms(w) >= w->grace_until_ms;
    if (!is_over && !(engine_is_quiet(w->engine) && journal_is_idle(w->journal))) {
        sim_agenda_add(&w->agenda, w->now_us + STOP_POLL_MS * 1000, poll_stop, NULL, life);
        return;
    }
    if (is_over)
        w->crashes++; /* what was in flight may happen again */
    close_journal(w);
    /* Out of patience it is a kill: what the disk was slow to say is in no history yet. */
    end_life(w, is_over ? SIM_KILL : SIM_ORDERLY, w->down_ms);
}

void sim_world_stop(struct sim_world *w, int64_t grace_ms, int64_t down_ms)
{
    if (!w->engine || !w->is_started || w->is_stopping)
        return;
    w->is_stopping = true;
    w->grace_until_ms = sim_world_now_ms(w) + grace_ms;
    w->down_ms = down_ms;
    sim_trace(w, "stop", 0, 0, SLICE_NONE);
    struct engine_event ev = {.kind = EVENT_STOP};
    sim_world_tell(w, &ev);
    sim_agenda_add(&w->agenda, w->now_us, poll_stop, NULL, w->life);
}

/* A shape may allow more than the rest of the options. */
static void raise_mails_max(struct sim_world *w, const struct engine_options *o)
{
    if (o->limits.connection_messages > w->mails_max)
        w->mails_max = o->limits.connection_messages;
    for (unsigned i = 0; i < o->shape_count; i++)
        if (o->shapes[i].limits.connection_messages > w->mails_max)
            w->mails_max = o->shapes[i].limits.connection_messages;
}

void sim_world_start(struct sim_world *w)
{
    CHECK(!w->engine && !w->journal);
    sim_trace(w, "start", w->life, 0, SLICE_NONE);
    w->engine = engine_new(w->options, rng_u64(&w->rng));
    w->out_max = w->options->out_connections_max;
    w->out_each_max = w->options->limits.connections;
    w->mails_max = 0;
    raise_mails_max(w, w->options);
    w->recipients_max = w->options->limits.recipients;
    sim_recover(w);
    sim_ledger_after_recovery(w);
    if (w->crash_at_start_percent && rng_chance(&w->rng, w->crash_at_start_percent)) {
        w->crash_in_actions = (unsigned)rng_between(&w->rng, 1, 20);
        w->crash_kind = rng_chance(&w->rng, 50) ? SIM_POWER_CUT : SIM_KILL;
    }
    struct engine_event ev = {.kind = EVENT_STARTED, .segment_bytes = w->disk.file_bytes};
    sim_world_tell(w, &ev);
    w->is_started = true;
    if (!w->is_crash_due)
        sim_ledger_after_start(w);
}

static void use(struct sim_world *w, const struct engine_options *options)
{
    w->options = options;
    if (options->lifetime_ms > w->lifetime_most_ms)
        w->lifetime_most_ms = options->lifetime_ms;
    for (unsigned i = 0; i < w->used_count; i++)
        if (w->used[i] == options)
            return;
    CHECK(w->used_count < SIM_OPTIONS_MAX);
    w->used[w->used_count++] = options;
}

struct sim_world *sim_world_new(uint64_t seed, const struct engine_options *options,
                                size_t segment_bytes)
{
    struct sim_world *w = mem_new(sizeof *w);
    w->seed = seed;
    rng_init(&w->rng, seed);
    w->begin_ms = 1800000000000;
    w->now_us = w->begin_ms * 1000;
    use(w, options);
    w->installation = seed * 2 + 1;
    w->local = (struct ip_port){{IP_V4, {81, 2, 69, 1}}, 25000};
    w->mail_count = 1;
    arena_init(&w->arena, 16 * 1024);
    buf_init(&w->line, 64 * 1024);
    map_init(&w->grey, 4);
    map_init(&w->empty, 5);
    sim_disk_init(&w->disk, &w->rng, segment_bytes);
    sim_net_init(w);
    sim_ledger_init(w);
    return w;
}

void sim_world_free(struct sim_world *w)
{
    engine_free(w->engine);
    journal_free(w->journal);
    sim_remote_close(w);
    sim_net_close_all(w);
    sim_client_close(w);
    sim_ledger_close(w);
    sim_disk_close(&w->disk);
    sim_agenda_close(&w->agenda);
    for (uint64_t i = 1; i < w->mail_count; i++)
        sim_mail_free(w->mail[i]);
    mem_free(w->mail);
    mem_free(w->released);
    map_close(&w->empty);
    arena_close(&w->arena);
    buf_close(&w->line);
    buf_close(&w->index);
    mem_free(w);
}

/* --- time --- */

static int64_t tick_us(const struct sim_world *w)
{
    int64_t ms = w->engine ? engine_deadline_ms(w->engine) : INT64_MAX;
    return ms >= INT64_MAX / 1000 ? INT64_MAX : ms * 1000;
}

static void tick(struct sim_world *w)
{
    struct engine_event ev = {.kind = EVENT_TICK};
    if (++w->ticks_here > TICKS_MAX)
        sim_fail(w, "the engine asks for ticks without end");
    sim_world_tell(w, &ev);
}

bool sim_world_step(struct sim_world *w, int64_t until_ms)
{
    if (w->has_failed)
        return false;
    int64_t due = sim_agenda_due_us(&w->agenda), at = tick_us(w), until = until_ms * 1000;
    if (at < w->now_us)
        at = w->now_us;
    int64_t next = at < due ? at : due;
    if (next > until) {
        w->now_us = until > w->now_us ? until : w->now_us;
        return false;
    }
    if (next > w->now_us)
        w->ticks_here = 0;
    if (++w->steps > STEPS_MAX)
        sim_fail(w, "this never ends");
    if (at < due) {
        /* A busy loop looks at its timers late. */
        w->now_us = at;
        tick(w);
    } else {
        struct sim_happening h = sim_agenda_take(&w->agenda);
        w->now_us = h.at_us > w->now_us ? h.at_us : w->now_us;
        h.run(w, h.thing, h.arg);
    }
    pump(w);
    if (w->is_crash_due && w->engine)
        sim_world_crash(w, w->crash_kind, rng_between(&w->rng, 100, 60 * 1000));
    return true;
}

void sim_world_run(struct sim_world *w, int64_t until_ms)
{
    while (sim_world_step(w, until_ms))
        ;
}

/* --- people --- */

void sim_world_reload(struct sim_world *w, const struct engine_options *options)
{
    use(w, options);
    if (!w->engine)
        return;
    w->reloads++;
    /* Lines of the old configuration live on for a while beside those of the new one. */
    if (options->out_connections_max > w->out_max)
        w->out_max = options->out_connections_max;
    w->out_each_max += options->limits.connections;
    raise_mails_max(w, options);
    if (options->limits.recipients > w->recipients_max)
        w->recipients_max = options->limits.recipients;
    sim_trace(w, "reload", 0, 0, SLICE_NONE);
    struct engine_event ev = {.kind = EVENT_OPTIONS, .options = options};
    sim_world_tell(w, &ev);
}

static void journal_looks(struct sim_world *w, void *thing, uint64_t unused)
{
}

static void tell_order(struct sim_world *w, const struct engine_operator *op)
{
    struct engine_event ev = {.kind = EVENT_OPERATOR, .op = op};
    w->order_now = op->answer;
    sim_world_tell(w, &ev);
    w->order_now = 0;
    /* Outside of a step nobody asks the journal what it wants. */
    sim_agenda_add(&w->agenda, w->now_us, journal_looks, NULL, w->life);
}

void sim_world_operate(struct sim_world *w, enum operator_verb verb, uint64_t msg,
                       const char *domain)
{
    if (!w->engine || !w->is_started)
        return;
    struct engine_operated result = {0};
    struct engine_operator op = {.verb = verb,
                                 .msg = msg,
                                 .domain = slice_cstr(domain),
                                 .who = SLICE("uid=0"),
                                 .answer = ++w->orders,
                                 .result = &result};
    w->operator_retries += verb == OPERATOR_RETRY;
    sim_trace(w, "operator", (uint64_t)verb, msg, op.domain);
    tell_order(w, &op);
}

uint64_t sim_world_order(struct sim_world *w, enum operator_verb verb, struct engine_filter f)
{
    uint64_t done = 0;
    struct engine_operated result = {.has_more = true};
    while (w->engine && w->is_started && !w->has_failed && result.has_more) {
        struct engine_operator op = {.verb = verb,
                                     .filter = &f,
                                     .words = SLICE("so it is"),
                                     .who = SLICE("uid=0"),
                                     .answer = ++w->orders,
                                     .result = &result};
        sim_trace(w, "order", (uint64_t)verb, f.after, f.from);
        result.has_more = false; /* a crash may come first */
        tell_order(w, &op);
        done += result.done;
        w->operator_retries += verb == OPERATOR_RETRY;
        if (result.has_more && result.next == f.after)
            break; /* busy with reports: an operator comes again later */
        f.after = result.next;
        f.until = f.until ? f.until : result.newest;
    }
    return done;
}

static void keep_mail(struct sim_world *w, struct sim_mail *m)
{
    if (w->mail_count >= w->mail_cap) {
        w->mail_cap = w->mail_cap ? w->mail_cap * 2 : 64;
        w->mail = mem_resize(w->mail, w->mail_cap * sizeof *w->mail);
    }
    w->mail[0] = NULL;
    w->mail[w->mail_count++] = m;
}

struct sim_mail *sim_world_mail(struct sim_world *w, const struct sim_wish *wish)
{
    struct sim_mail *m = sim_mail_new(&w->rng, w->mail_count, wish);
    keep_mail(w, m);
    return m;
}

struct sim_mail *sim_world_again(struct sim_world *w, const struct sim_mail *m)
{
    struct sim_mail *again = sim_mail_again(&w->rng, w->mail_count, m);
    keep_mail(w, again);
    return again;
}

/* --- rest --- */

bool sim_world_is_at_rest(struct sim_world *w)
{
    struct engine_stats s;
    if (!w->engine || !w->is_started || !journal_is_idle(w->journal))
        return false;
    for (unsigned i = 0; i < w->client_count; i++)
        if (!sim_client_is_done(w->client[i]))
            return false;
    engine_stats(w->engine, &s);
    return !s.messages && !s.out_connections && !s.sessions;
}

void sim_world_check_rest(struct sim_world *w)
{
    struct engine_stats s;
    struct journal_usage u;
    engine_stats(w->engine, &s);
    journal_usage(w->journal, &u);
    if (s.messages || s.recipients || s.bytes || s.ready || s.deferred || s.in_flight ||
        s.destinations || s.sessions || s.out_connections || s.out_idle || s.hot_bytes)
        sim_fail(w,
                 "left at rest: %llu messages, %llu recipients, %llu bytes, %llu ready, %llu "
                 "deferred, %llu in flight, %llu destinations, %llu sessions, %llu connections, "
                 "%llu hot bytes",
                 (unsigned long long)s.messages, (unsigned long long)s.recipients,
                 (unsigned long long)s.bytes, (unsigned long long)s.ready,
                 (unsigned long long)s.deferred, (unsigned long long)s.in_flight,
                 (unsigned long long)s.destinations, (unsigned long long)s.sessions,
                 (unsigned long long)s.out_connections, (unsigned long long)s.hot_bytes);
    sim_trace(w, "journal", u.segments, u.spare_segments, SLICE_NONE);
    sim_trace(w, "journal", u.bytes, u.unsealed, SLICE_NONE);
    if (u.segments > 4)
        sim_fail(w, "%llu segments are kept for an empty queue", (unsigned long long)u.segments);
}
