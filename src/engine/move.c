/* move.c -- a message moves: what stands of it in a segment that is to be emptied is written anew.
 *
 *   whole   fetch accept -> [each chunk in such a segment: fetch, append] -> append a new accept
 *           record with the present state, synced -> queue_moved
 *   state   only an outcome stands there: append one with the present state of all, synced
 *
 * A crash in between leaves two accept records; the later one counts. A message that is in flight
 * is left alone: a line may be reading its chunks. */
#include "engine_core.h"

#include <string.h>

enum { MOVES_MAX = 32, MOVE_BYTES_MAX = 2 * 1024 * 1024 };

struct move {
    struct list in_engine;
    struct queue_message *message; /* named by its pending count */
    struct body *body;             /* NULL: not fetched yet, or a state */
    char *message_id;              /* owned */
    uint32_t next_extent;
    uint32_t bytes;   /* counted against MOVE_BYTES_MAX */
    uint64_t *pinned; /* segments of copied chunks, until the accept record names them; owned */
    uint32_t pinned_count;
};

bool move_may_begin(const struct engine *e)
{
    return e->compact.move_count < MOVES_MAX && e->compact.move_bytes < MOVE_BYTES_MAX;
}

bool move_is_possible(const struct queue_message *m)
{
    for (const struct job *j = m->jobs; j; j = j->next_of_message)
        if (j->line)
            return false;
    return m->waiting_count > 0;
}

static struct move *move_new(struct engine *e, struct queue_message *m, uint32_t bytes)
{
    struct move *v = mem_new(sizeof *v);
    v->message = m;
    v->bytes = bytes;
    m->pending++;
    list_add_last(&e->compact.moves, &v->in_engine);
    e->compact.move_count++;
    e->compact.move_bytes += bytes;
    return v;
}

static void move_free(struct engine *e, struct move *v)
{
    for (uint32_t i = 0; i < v->pinned_count; i++)
        queue_unpin(&e->queue, v->pinned[i]);
    mem_free(v->pinned);
    body_unref(v->body);
    mem_free(v->message_id);
    list_remove(&v->in_engine);
    e->compact.move_count--;
    e->compact.move_bytes -= v->bytes;
    v->message->pending--;
    mem_free(v);
}

static void move_end(struct engine *e, struct move *v)
{
    struct queue_message *m = v->message;
    move_free(e, v);
    spool_settle(e, m);
    compact_on_move_over(e);
}

static void fetch(struct engine *e, struct move *v, struct journal_pos pos)
{
    uint64_t ticket = ticket_new(e, TICKET_MOVE_FETCH, v, 0, v->message->id);
    struct engine_action *a = engine_do(e, ACTION_FETCH);
    a->ticket = ticket;
    a->id = v->message->id;
    a->pos = pos;
}

void move_whole(struct engine *e, struct queue_message *m)
{
    uint32_t at_once = m->accept.bytes > QUEUE_CHUNK_BYTES ? m->accept.bytes : QUEUE_CHUNK_BYTES;
    uint32_t bytes = m->wire_bytes < at_once ? m->wire_bytes : at_once;
    fetch(e, move_new(e, m, bytes), m->accept);
}

void move_state(struct engine *e, struct queue_message *m)
{
    spool_state(e, m, ticket_new(e, TICKET_MOVE_STATE, move_new(e, m, 0), 0, m->id));
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

static void dsn_of(void *ctx, uint32_t i, struct queue_dsn *out)
{
    *out = (struct queue_dsn){.notify = queue_notify(ctx, i), .orcpt = queue_orcpt(ctx, i)};
}

static bool build_head(const struct engine *e, const struct move *v, struct buf *head)
{
    struct queue_message *m = v->message;
    struct queue_envelope envelope = {.accepted_ms = m->accepted_ms,
                                      .wire_bytes = m->wire_bytes,
                                      .is_8bit = m->is_8bit,
                                      .is_report = m->is_report,
                                      .is_utf8 = m->is_utf8,
                                      .requires_tls = m->requires_tls,
                                      .is_binary = m->is_binary,
                                      .ret = (enum mail_ret)m->ret,
                                      .envid = queue_envid(m),
                                      .has_order = m->has_order,
                                      .sender = queue_sender(m),
                                      .user = queue_user(m),
                                      .client = queue_client(m),
                                      .message_id = slice_cstr(v->message_id),
                                      .recipient_count = m->recipient_count,
                                      .extent_count = v->body->extent_count,
                                      .prefix_bytes = (uint32_t)v->body->prefix.n};
    if (m->has_order)
        envelope.order = *queue_order_of(&e->queue, m);
    struct queue_accept_source from = {.envelope = &envelope,
                                       .ctx = m,
                                       .recipient = recipient_of,
                                       .state = state_of,
                                       .dsn = dsn_of,
                                       .extent = v->body->extent};
    size_t most = JOURNAL_RECORD_BYTES_MAX - v->body->prefix.n - v->body->tail.n;
    buf_init(head, most);
    if (queue_accept_build(head, &from))
        return true;
    buf_clear(head); /* many recipients, long replies: those are the first to go */
    from.state = state_without_reason;
    return queue_accept_build(head, &from);
}

static void append_accept(struct engine *e, struct move *v)
{
    struct buf head;
    bool fits = build_head(e, v, &head);
    struct slice kept = engine_keep(e, buf_slice(&head));
    buf_close(&head);
    if (!fits || !move_is_possible(v->message)) {
        move_end(e, v);
        return;
    }
    uint64_t ticket = ticket_new(e, TICKET_MOVE, v, 0, v->message->id);
    struct engine_action *a = engine_do(e, ACTION_APPEND);
    engine_hold(e, v->body);
    a->ticket = ticket;
    a->type = QUEUE_RECORD_ACCEPT;
    a->id = v->message->id;
    a->part[0] = kept;
    a->part[1] = v->body->prefix;
    a->part[2] = v->body->tail;
    a->part_count = 3;
    a->needs_sync = true; /* before the old ones may go */
}

/* The next chunk that has to leave its segment, or the accept record when none is left. */
static void next_chunk(struct engine *e, struct move *v)
{
    while (v->next_extent < v->body->extent_count &&
           !compact_is_victim(e, v->body->extent[v->next_extent].segment))
        v->next_extent++;
    if (v->next_extent < v->body->extent_count)
        fetch(e, v, v->body->extent[v->next_extent]);
    else
        append_accept(e, v);
}

static void copy_chunk(struct engine *e, struct move *v, struct slice bytes)
{
    uint64_t ticket = ticket_new(e, TICKET_MOVE_CHUNK, v, 0, v->message->id);
    struct slice kept = engine_keep(e, bytes);
    struct engine_action *a = engine_do(e, ACTION_APPEND);
    a->ticket = ticket;
    a->type = QUEUE_RECORD_CHUNK;
    a->id = v->message->id;
    a->part[0] = kept;
    a->part_count = 1;
    compact_spend(e, bytes.n);
}

void move_on_fetched(struct engine *e, struct move *v, enum err err, const struct journal_record *r)
{
    if (!err && v->body) {
        copy_chunk(e, v, r->payload);
        return;
    }
    struct queue_accept a;
    if (err || queue_accept_parse_head(r->payload, &a) != PARSE_DONE) {
        move_end(e, v); /* a delivery will meet the same and say so */
        return;
    }
    v->body = body_parse(r->payload);
    v->message_id = mem_dup(a.envelope.message_id.p, a.envelope.message_id.n);
    if (v->body)
        next_chunk(e, v);
    else
        move_end(e, v);
}

void move_on_chunk(struct engine *e, struct move *v, enum err err, struct journal_pos pos)
{
    if (err) {
        move_end(e, v);
        return;
    }
    v->pinned = mem_resize(v->pinned, (v->pinned_count + 1) * sizeof *v->pinned);
    v->pinned[v->pinned_count++] = pos.segment;
    queue_pin(&e->queue, pos.segment);
    v->body->extent[v->next_extent++] = pos;
    next_chunk(e, v);
}

void move_on_accept(struct engine *e, struct move *v, enum err err, struct journal_pos pos)
{
    struct queue_message *m = v->message;
    if (!err) {
        struct buf head;
        struct queue_accept a;
        CHECK(build_head(e, v, &head));
        CHECK(queue_accept_parse_head(buf_slice(&head), &a) == PARSE_DONE);
        queue_moved(&e->queue, m, pos, &a);
        buf_close(&head);
        body_cool(e, m); /* what is in memory says where the chunks were */
        (void)engine_note(e, NOTE_MOVED, m->id);
    }
    move_end(e, v);
}

void move_on_state(struct engine *e, struct move *v, enum err err, struct journal_pos pos)
{
    if (!err)
        queue_recorded(&e->queue, v->message, pos, true);
    move_end(e, v);
}

void move_close(struct engine *e)
{
    for (struct list *l; (l = e->compact.moves.next) != &e->compact.moves;)
        move_free(e, CONTAINER_OF(l, struct move, in_engine));
}
