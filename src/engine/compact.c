/* compact.c -- keeps the journal small: what is alive in the oldest segments is copied to the
 * newest, so that the old ones, and all that waited for them, can go.
 *
 * Without it one message that stays for days keeps every segment since (see queue.h). A walk starts
 * when records go to a new segment while far more segments are held than the queue's bytes need,
 * and goes over the messages from the oldest on:
 *
 *   fetch accept -> [each chunk in an old segment: fetch, append] -> append a new accept record
 * with the present state, synced -> queue_moved
 *
 * A crash in between leaves two accept records; the later one counts. Messages in flight are left
 * for the next walk: a line may be reading their chunks. */
#include "engine_core.h"

#include <string.h>

enum {
    SPARE_SEGMENTS = 4, /* held beyond twice the need before a walk starts */
    LOOKED_AT_A_STEP = 256,
};

static bool is_in_flight(const struct queue_message *m)
{
    for (const struct job *j = m->jobs; j; j = j->next_of_message)
        if (j->line)
            return true;
    return false;
}

static bool is_old(const struct engine *e, const struct queue_message *m)
{
    for (uint32_t i = 0; i < m->segment_count; i++)
        if (m->segment[i] <= e->compact.target)
            return true;
    return false;
}

/* Ids and segments both grow: behind a message that stands where it was accepted, none is older. */
static bool is_past(const struct engine *e, const struct queue_message *m)
{
    return !m->stale_count && m->accept.segment > e->compact.target;
}

static void forget_copy(struct engine *e)
{
    struct compact *c = &e->compact;
    for (uint32_t i = 0; i < c->pinned_count; i++)
        queue_unpin(&e->queue, c->pinned[i]);
    mem_free(c->pinned);
    c->pinned = NULL;
    c->pinned_count = 0;
    body_unref(c->body);
    mem_free(c->message_id);
    c->body = NULL;
    c->message_id = NULL;
    c->is_moving = false;
}

/* The walk steps to m (NULL: it is over) and lets go of where it was. */
static void walk_to(struct engine *e, struct queue_message *m)
{
    struct queue_message *was = e->compact.at;
    e->compact.at = m;
    if (m)
        m->pending++;
    if (!was)
        return;
    was->pending--;
    spool_settle(e, was);
}

static void fetch(struct engine *e, struct journal_pos pos)
{
    struct queue_message *m = e->compact.at;
    uint64_t ticket = ticket_new(e, TICKET_MOVE_FETCH, NULL, 0, m->id);
    struct engine_action *a = engine_do(e, ACTION_FETCH);
    a->ticket = ticket;
    a->id = m->id;
    a->pos = pos;
}

static void walk(struct engine *e)
{
    struct compact *c = &e->compact;
    for (int i = 0; c->at && !c->is_moving; i++) {
        if (i == LOOKED_AT_A_STEP) {
            timer_set(e, &c->timer, e->now_ms);
            return;
        }
        struct queue_message *m = c->at;
        if (m->waiting_count && is_old(e, m) && !is_in_flight(m)) {
            c->is_moving = true;
            fetch(e, m->accept);
            return;
        }
        walk_to(e, is_past(e, m) ? NULL : queue_after(&e->queue, m));
    }
}

static void next_message(struct engine *e)
{
    forget_copy(e);
    walk_to(e, queue_after(&e->queue, e->compact.at));
    walk(e);
}

void compact_on_segment(struct engine *e)
{
    struct compact *c = &e->compact;
    if (!e->segment_bytes)
        return;
    uint64_t needed = (e->queue.bytes + e->unsettled_bytes) / e->segment_bytes + 1;
    uint64_t allowed = 2 * needed + SPARE_SEGMENTS;
    if (e->queue.segments.count <= allowed)
        return;
    c->target = queue_nth_segment(&e->queue, e->queue.segments.count - allowed);
    if (c->at || !c->target)
        return; /* a walk is on its way */
    walk_to(e, queue_first(&e->queue));
    walk(e);
}

void compact_on_timer(struct engine *e)
{
    walk(e);
}

/* The copy */

static struct slice recipient_of(void *ctx, uint32_t i)
{
    return queue_address(ctx, i);
}

static void state_of(void *ctx, uint32_t i, struct queue_state *out)
{
    queue_get_state(ctx, i, out);
}

static void state_without_reason(void *ctx, uint32_t i, struct queue_state *out)
{
    queue_get_state(ctx, i, out);
    out->reason = SLICE_NONE;
}

static bool build_head(const struct engine *e, struct buf *head)
{
    const struct compact *c = &e->compact;
    struct queue_message *m = c->at;
    struct queue_envelope v = {.accepted_ms = m->accepted_ms,
                               .wire_bytes = m->wire_bytes,
                               .is_8bit = m->is_8bit,
                               .is_report = m->is_report,
                               .sender = queue_sender(m),
                               .user = queue_user(m),
                               .client = queue_client(m),
                               .message_id = slice_cstr(c->message_id),
                               .recipient_count = m->recipient_count,
                               .extent_count = c->body->extent_count,
                               .prefix_bytes = (uint32_t)c->body->prefix.n};
    struct queue_accept_source from = {.envelope = &v,
                                       .ctx = m,
                                       .recipient = recipient_of,
                                       .state = state_of,
                                       .extent = c->body->extent};
    size_t most = JOURNAL_RECORD_BYTES_MAX - c->body->prefix.n - c->body->tail.n;
    buf_init(head, most);
    if (queue_accept_build(head, &from))
        return true;
    buf_clear(head); /* many recipients, long replies: those are the first to go */
    from.state = state_without_reason;
    return queue_accept_build(head, &from);
}

static void append_accept(struct engine *e)
{
    struct compact *c = &e->compact;
    struct buf head;
    bool fits = build_head(e, &head);
    struct slice kept = engine_keep(e, buf_slice(&head));
    buf_close(&head);
    if (!fits || is_in_flight(c->at) || !c->at->waiting_count) {
        next_message(e);
        return;
    }
    uint64_t ticket = ticket_new(e, TICKET_MOVE, NULL, 0, c->at->id);
    struct engine_action *a = engine_do(e, ACTION_APPEND);
    engine_hold(e, c->body);
    a->ticket = ticket;
    a->type = QUEUE_RECORD_ACCEPT;
    a->id = c->at->id;
    a->part[0] = kept;
    a->part[1] = c->body->prefix;
    a->part[2] = c->body->tail;
    a->part_count = 3;
    a->needs_sync = true; /* before the old ones may go */
}

/* The next chunk that stands in an old segment, or the accept record when none is left. */
static void next_chunk(struct engine *e)
{
    struct compact *c = &e->compact;
    while (c->next_extent < c->body->extent_count &&
           c->body->extent[c->next_extent].segment > c->target)
        c->next_extent++;
    if (c->next_extent < c->body->extent_count)
        fetch(e, c->body->extent[c->next_extent]);
    else
        append_accept(e);
}

static void copy_chunk(struct engine *e, struct slice bytes)
{
    struct queue_message *m = e->compact.at;
    uint64_t ticket = ticket_new(e, TICKET_MOVE_CHUNK, NULL, 0, m->id);
    struct slice kept = engine_keep(e, bytes);
    struct engine_action *a = engine_do(e, ACTION_APPEND);
    a->ticket = ticket;
    a->type = QUEUE_RECORD_CHUNK;
    a->id = m->id;
    a->part[0] = kept;
    a->part_count = 1;
}

void compact_on_fetched(struct engine *e, enum err err, const struct journal_record *r)
{
    struct compact *c = &e->compact;
    if (!err && c->body) {
        copy_chunk(e, r->payload);
        return;
    }
    struct queue_accept a;
    if (err || queue_accept_parse_head(r->payload, &a) != PARSE_DONE) {
        next_message(e); /* a delivery will meet the same and say so */
        return;
    }
    c->body = body_parse(r->payload);
    c->message_id = mem_dup(a.envelope.message_id.p, a.envelope.message_id.n);
    c->next_extent = 0;
    if (c->body)
        next_chunk(e);
    else
        next_message(e);
}

void compact_on_chunk(struct engine *e, enum err err, struct journal_pos pos)
{
    struct compact *c = &e->compact;
    if (err) {
        next_message(e);
        return;
    }
    c->pinned = mem_resize(c->pinned, (c->pinned_count + 1) * sizeof *c->pinned);
    c->pinned[c->pinned_count++] = pos.segment;
    queue_pin(&e->queue, pos.segment);
    c->body->extent[c->next_extent++] = pos;
    next_chunk(e);
}

void compact_on_moved(struct engine *e, enum err err, struct journal_pos pos)
{
    struct compact *c = &e->compact;
    struct queue_message *m = c->at;
    if (!err) {
        struct buf head;
        struct queue_accept a;
        CHECK(build_head(e, &head));
        CHECK(queue_accept_parse_head(buf_slice(&head), &a) == PARSE_DONE);
        queue_moved(&e->queue, m, pos, &a);
        buf_close(&head);
        body_cool(e, m); /* what is in memory says where the chunks were */
        (void)engine_note(e, NOTE_MOVED, m->id);
    }
    next_message(e);
}

void compact_init(struct engine *e)
{
    timer_init(&e->compact.timer, TIMER_COMPACT);
}

void compact_close(struct engine *e)
{
    forget_copy(e);
    if (e->compact.at)
        e->compact.at->pending--;
    e->compact.at = NULL;
}
