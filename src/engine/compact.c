/* compact.c -- keeps the journal small: at most twice what is alive, and a few segments.
 *
 * Two things fill it with what nobody needs: segments of which little is alive, and segments of
 * which nothing is, but whose outcomes must outlive an older segment (see queue.h). When there is
 * too much of it a pass goes over all messages, some at a time:
 *
 *   plan -> walk: [a message with records in a victim moves] [an accept record in a needed segment
 *   is listed] -> moves are over -> checkpoints, one segment at a time -> rest, and plan again
 *
 * Victims are the segments with the least alive in them; the needed ones get a checkpoint. Bytes
 * copied in a second are bounded, and more only when the journal grows all the same. */
#include "engine_core.h"
#include "journal/journal.h"

#include <stdlib.h>

enum {
    SPARE_SEGMENTS = 4, /* held beyond twice the need before a pass begins */
    VICTIMS_MAX = 16,   /* in one pass */
    LISTED_MAX = 8,     /* segments that get a checkpoint in one pass */
    LOOKED_AT_A_STEP = 512,
    REST_MS = 1000, /* between passes; longer after one that freed nothing */
    REST_MOST_MS = 60 * 1000,
    SPENT_MS = 20, /* waited for when the second's bytes are spent */
    BYTES_A_SECOND = 16 * 1024 * 1024,
    BURST_BYTES = 1024 * 1024,
    HURRY_FACTOR = 4, /* when there are half as many again as allowed, or queue.max_size is near */
    HURRY_REST_MS = 100,
    HURRY_REST_MOST_MS = 5000,
};

/* --- how much is too much --- */

static uint64_t segments_most(const struct engine *e)
{
    return e->opt->queue_bytes_max / e->segment_bytes;
}

/* A quarter of queue.max_size is left to mail that comes while a pass is at work. */
static uint64_t allowed(const struct engine *e)
{
    uint64_t needed = (e->queue.live_bytes + e->unsettled_bytes) / e->segment_bytes + 1;
    uint64_t enough = 2 * needed + SPARE_SEGMENTS, most = segments_most(e) / 4 * 3;
    if (enough <= most)
        return enough;
    return most > needed + 1 ? most : needed + 1;
}

static bool is_in_a_hurry(const struct engine *e)
{
    uint64_t count = e->queue.segments.count, enough = allowed(e);
    return count > enough + enough / 2 ||
           (count > enough && count + SPARE_SEGMENTS >= segments_most(e));
}

void compact_consider(struct engine *e)
{
    struct compact *c = &e->compact;
    if (!e->segment_bytes || c->state != COMPACT_RESTS || heap_has(&c->timer.node) ||
        e->queue.segments.count <= allowed(e))
        return;
    timer_set(e, &c->timer, c->rested_ms > e->now_ms ? c->rested_ms : e->now_ms);
}

static void earn(struct engine *e)
{
    struct compact *c = &e->compact;
    int64_t rate = BYTES_A_SECOND;
    if (is_in_a_hurry(e))
        rate *= HURRY_FACTOR;
    int64_t since_ms = e->now_ms - c->earned_ms;
    c->earned_ms = e->now_ms;
    if (since_ms > 1000)
        since_ms = 1000;
    c->budget_bytes += since_ms * rate / 1000;
    if (c->budget_bytes > BURST_BYTES)
        c->budget_bytes = BURST_BYTES;
}

void compact_spend(struct engine *e, uint64_t bytes)
{
    e->compact.budget_bytes -= (int64_t)bytes;
}

/* --- the plan --- */

static struct compact_segment *find(const struct engine *e, uint64_t sequence)
{
    const struct compact *c = &e->compact;
    for (uint32_t i = 0; i < c->segment_count; i++)
        if (c->segment[i].sequence == sequence)
            return &e->compact.segment[i];
    return NULL;
}

bool compact_is_victim(const struct engine *e, uint64_t segment)
{
    const struct compact_segment *s = find(e, segment);
    return s && s->is_victim;
}

static void add(struct engine *e, uint64_t sequence, bool is_victim)
{
    struct compact *c = &e->compact;
    c->segment = mem_resize(c->segment, (c->segment_count + 1) * sizeof *c->segment);
    c->segment[c->segment_count++] =
        (struct compact_segment){.sequence = sequence, .is_victim = is_victim};
}

/* The one with the least alive that is not chosen yet and worth it; NULL: none. */
static const struct queue_segment *emptiest(const struct engine *e)
{
    const struct queue *q = &e->queue;
    const struct queue_segment *best = NULL;
    for (const struct queue_segment *s = queue_segment_after(q, 0); s;
         s = queue_segment_after(q, s->sequence)) {
        if (!s->live || s->sequence >= q->newest_segment ||
            s->live_bytes > e->segment_bytes / 4 * 3 || find(e, s->sequence))
            continue;
        if (!best || s->live_bytes < best->live_bytes)
            best = s;
    }
    return best;
}

/* Copies never take the last of the reserve: with it outcomes and checkpoints are written, and
 * without those nothing that was copied gives its segment back. */
static bool is_cramped(const struct engine *e)
{
    return e->queue.segments.count > segments_most(e) + 1;
}

static bool may_move(const struct engine *e)
{
    return !is_cramped(e) || e->compact.is_cramped;
}

/* What a pass may copy before it has freed anything: half of what copies may make the journal grow.
 */
static uint64_t room_bytes(const struct engine *e)
{
    uint64_t count = e->queue.segments.count, most = segments_most(e) + 2;
    return (count < most ? most - count : 1) * e->segment_bytes / 2;
}

static void choose_victims(struct engine *e, uint64_t to_free)
{
    uint64_t bytes = 0, copied = 0;
    int most = e->compact.is_cramped ? 1 : VICTIMS_MAX;
    for (int i = 0; i < most && bytes < to_free * e->segment_bytes; i++) {
        const struct queue_segment *s = emptiest(e);
        if (!s || ((i || e->compact.is_cramped) && copied + s->live_bytes > room_bytes(e)))
            return;
        bytes += e->segment_bytes - s->live_bytes;
        copied += s->live_bytes;
        add(e, s->sequence, true);
    }
}

/* Those that keep segments in which nothing is alive; returns how many it keeps. */
static uint64_t choose_listed(struct engine *e)
{
    const struct queue *q = &e->queue;
    uint64_t stuck = 0, listed = 0;
    for (const struct queue_segment *s = queue_segment_after(q, 0); s;
         s = queue_segment_after(q, s->sequence)) {
        if (!queue_segment_is_stuck(q, s))
            continue;
        stuck++;
        for (uint32_t i = 0; i < s->need_count && listed < LISTED_MAX; i++) {
            if (queue_segment_live(q, s->need[i].segment) && !find(e, s->need[i].segment)) {
                add(e, s->need[i].segment, false);
                listed++;
            }
        }
    }
    return stuck;
}

static void rest(struct engine *e)
{
    struct compact *c = &e->compact;
    for (uint32_t i = 0; i < c->segment_count; i++)
        mem_free(c->segment[i].offset);
    mem_free(c->segment);
    c->segment = NULL;
    c->segment_count = 0;
    c->state = COMPACT_RESTS;
    uint64_t came = e->queue.newest_segment - c->newest_before;
    bool is_good = e->queue.segments.count < c->count_before + came, is_hurry = is_in_a_hurry(e);
    c->rest_ms = !is_good ? 2 * c->rest_ms + REST_MS : is_hurry ? HURRY_REST_MS : REST_MS;
    int64_t most_ms = is_hurry ? HURRY_REST_MOST_MS : REST_MOST_MS;
    if (c->rest_ms > most_ms)
        c->rest_ms = most_ms;
    c->rested_ms = e->now_ms + c->rest_ms;
    compact_consider(e);
}

static void plan(struct engine *e)
{
    struct compact *c = &e->compact;
    uint64_t count = e->queue.segments.count, most = allowed(e);
    if (count <= most || e->is_stopping)
        return;
    c->count_before = count;
    c->newest_before = e->queue.newest_segment;
    c->is_cramped = is_cramped(e);
    uint64_t stuck = choose_listed(e);
    if (c->is_cramped && stuck) {
        /* first what costs nothing */
    } else if (count - stuck > most) /* and some of what comes meanwhile */
        choose_victims(e, count - stuck - most + 1 + (is_in_a_hurry(e) ? most / 4 : 0));
    if (!c->segment_count) {
        rest(e); /* uploads and pauses hold the rest: later */
        return;
    }
    queue_pass(&e->queue);
    c->at_id = 0;
    c->state = COMPACT_WALKS;
}

/* --- the walk --- */

static void list_it(struct compact_segment *s, uint32_t offset)
{
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 1024;
        s->offset = mem_resize(s->offset, s->cap * sizeof *s->offset);
    }
    s->offset[s->count++] = offset;
}

/* What of m stands in victims: nothing, outcomes alone, or more. */
static enum {
    STAYS,
    STATE_MOVES,
    ALL_MOVES
} what_moves(const struct engine *e, const struct queue_message *m)
{
    if (compact_is_victim(e, m->accept.segment))
        return ALL_MOVES;
    bool has_state = false;
    for (uint32_t i = 0; m->trail && i < m->trail->count; i++) {
        const struct queue_hold *h = &m->trail->hold[i];
        if (h->kind == QUEUE_HOLD_STALE || !compact_is_victim(e, h->segment))
            continue;
        if (h->kind == QUEUE_HOLD_CHUNKS || h->kind == QUEUE_HOLD_ORDER)
            return ALL_MOVES; /* an order goes along in the accept record */
        has_state = true;
    }
    return has_state ? STATE_MOVES : STAYS;
}

/* False: not now; the walk waits at m. */
static bool visit(struct engine *e, struct queue_message *m)
{
    struct compact_segment *s = find(e, m->accept.segment);
    int what = what_moves(e, m);
    if (what != STAYS && move_is_possible(m) && may_move(e)) {
        if (!move_may_begin(e) || e->compact.budget_bytes <= 0)
            return false;
        compact_spend(e, journal_record_span(what == ALL_MOVES ? m->accept.bytes : 0));
        what == ALL_MOVES ? move_whole(e, m) : move_state(e, m);
    }
    if (s && !s->is_victim)
        list_it(s, m->accept.offset);
    return true;
}

static void walk(struct engine *e)
{
    struct compact *c = &e->compact;
    for (int i = 0; i < LOOKED_AT_A_STEP; i++) {
        struct queue_message *m = queue_after_id(&e->queue, c->at_id);
        if (!m) {
            c->state = COMPACT_LISTS;
            break;
        }
        if (!visit(e, m)) {
            if (c->budget_bytes <= 0)
                timer_set(e, &c->timer, e->now_ms + SPENT_MS);
            return; /* or until a move is over */
        }
        c->at_id = m->id;
    }
    timer_set(e, &c->timer, e->now_ms + STEP_MS);
}

/* --- checkpoints --- */

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void append_part(struct engine *e, const struct compact_segment *s, uint32_t first,
                        uint32_t from, uint32_t to, uint32_t count)
{
    struct buf out;
    buf_init(&out, JOURNAL_RECORD_BYTES_MAX);
    queue_checkpoint_begin(&out, s->sequence, from, to, count);
    for (uint32_t i = 0; i < count; i++)
        queue_checkpoint_add(&out, s->offset[first + i]);
    CHECK(!out.is_full);
    struct slice kept = engine_keep(e, buf_slice(&out));
    buf_close(&out);
    uint64_t ticket = ticket_new(e, TICKET_CHECKPOINT, NULL, 0, s->sequence);
    struct engine_action *a = engine_do(e, ACTION_APPEND);
    a->ticket = ticket;
    a->type = QUEUE_RECORD_CHECKPOINT;
    a->part[0] = kept;
    a->part_count = 1;
    a->needs_sync = true; /* before what was needed may go */
    compact_spend(e, kept.n);
}

static void append_checkpoint(struct engine *e, struct compact_segment *s)
{
    if (s->count)
        qsort(s->offset, s->count, sizeof *s->offset, by_value);
    uint32_t from = 0;
    for (uint32_t first = 0; from != UINT32_MAX; first += QUEUE_CHECKPOINT_OFFSETS_MAX) {
        uint32_t count = s->count - first;
        bool is_last = count <= QUEUE_CHECKPOINT_OFFSETS_MAX;
        count = is_last ? count : QUEUE_CHECKPOINT_OFFSETS_MAX;
        uint32_t to = is_last ? UINT32_MAX : s->offset[first + count];
        append_part(e, s, first, from, to, count);
        s->parts_out++;
        from = to;
    }
    s->is_written = true;
}

/* One segment a step. */
static void write_lists(struct engine *e)
{
    struct compact *c = &e->compact;
    if (c->move_count)
        return; /* the last one comes back here */
    for (uint32_t i = 0; i < c->segment_count; i++) {
        struct compact_segment *s = &c->segment[i];
        if (s->parts_out)
            return;
        if (s->is_victim || s->is_written)
            continue;
        append_checkpoint(e, s);
        return;
    }
    rest(e);
}

void compact_on_checkpoint(struct engine *e, uint64_t segment, enum err err, struct journal_pos pos)
{
    struct compact_segment *s = find(e, segment);
    CHECK(s && s->parts_out > 0);
    s->parts_out--;
    s->has_failed |= err != ERR_OK;
    if (!err)
        queue_checkpoint_part(&e->queue, segment, pos.segment);
    if (s->parts_out)
        return;
    if (!s->has_failed) {
        queue_checkpointed(&e->queue, segment);
        struct note *n = engine_note(e, NOTE_CHECKPOINT, 0);
        note_number(n, "segment", (int64_t)segment);
        note_number(n, "messages", s->count);
    }
    timer_set(e, &e->compact.timer, e->now_ms + STEP_MS);
}

/* --- life --- */

void compact_on_timer(struct engine *e)
{
    earn(e);
    switch (e->compact.state) {
    case COMPACT_RESTS:
        plan(e);
        if (e->compact.state == COMPACT_WALKS)
            walk(e);
        break;
    case COMPACT_WALKS:
        if (!e->is_stopping)
            walk(e);
        break;
    case COMPACT_LISTS:
        write_lists(e);
        break;
    }
}

void compact_on_move_over(struct engine *e)
{
    if (e->compact.state != COMPACT_RESTS && !heap_has(&e->compact.timer.node))
        timer_set(e, &e->compact.timer, e->now_ms);
}

void compact_init(struct engine *e)
{
    timer_init(&e->compact.timer, TIMER_COMPACT);
    list_init(&e->compact.moves);
}

void compact_close(struct engine *e)
{
    move_close(e);
    timer_stop(e, &e->compact.timer);
    for (uint32_t i = 0; i < e->compact.segment_count; i++)
        mem_free(e->compact.segment[i].offset);
    mem_free(e->compact.segment);
}
