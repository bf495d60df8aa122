/* queue_replay.c -- the start: the journal's records in order make the queue again.
 *
 * Of an accept record only the head is looked at, so that a start need not read bodies. */
#include "queue_inside.h"

static void finish(struct queue *q, struct queue_message *m)
{
    if (q->finished)
        q->finished(q->finished_ctx, m);
    queue_finish(q, m);
}

static bool replay_accept(struct queue *q, const struct journal_record *r)
{
    struct queue_accept a;
    if (queue_accept_parse_head(r->payload, &a) != PARSE_DONE ||
        a.head_bytes + a.envelope.prefix_bytes > r->pos.bytes)
        return false;
    struct queue_message *m = queue_find(q, r->id);
    if (!m)
        return queue_add(q, r->id, r->pos, &a) != NULL;
    /* A copy made by compaction: newer, and it carries the state with it. */
    if (a.envelope.recipient_count != m->recipient_count)
        return false;
    struct slice rest = a.recipients, address;
    struct queue_state state;
    for (uint32_t i = 0; queue_accept_next(&rest, &address, &state); i++)
        queue_set_state(q, m, i, &state);
    if (a.envelope.has_order)
        queue_order_set(q, m, &a.envelope.order);
    queue_moved(q, m, r->pos, &a);
    return true;
}

static bool replay_outcome(struct queue *q, const struct journal_record *r)
{
    struct queue_outcome o;
    if (queue_outcome_parse(r->payload, &o) != PARSE_DONE)
        return false;
    struct queue_message *m = queue_find(q, r->id);
    if (!m)
        return true; /* finished and gone: its accept record's segment was recycled */
    uint32_t index;
    struct queue_state state;
    for (struct slice rest = o.states; queue_outcome_next(&rest, &index, &state);)
        if (index >= m->recipient_count)
            return false;
    while (queue_outcome_next(&o.states, &index, &state))
        queue_set_state(q, m, index, &state);
    queue_recorded(q, m, r->pos, o.count == m->recipient_count);
    if (m->waiting_count == 0)
        finish(q, m);
    return true;
}

static bool replay_operator(struct queue *q, const struct journal_record *r)
{
    struct queue_operator op;
    if (queue_operator_parse(r->payload, &op) != PARSE_DONE)
        return false;
    struct queue_message *m = queue_find(q, r->id);
    if (!m || !m->waiting_count || op.verb == QUEUE_VERB_RETRY)
        return true;
    queue_operate(q, m, &op);
    queue_ordered(q, m, r->pos);
    return true;
}

static bool replay_pauses(struct queue *q, const struct journal_record *r)
{
    struct queue_pauses p;
    if (queue_pauses_parse(r->payload, &p) != PARSE_DONE)
        return false;
    size_t at = 0;
    for (struct map_entry *e; (e = map_next(&q->pauses, &at)); at = 0)
        mem_free(map_take(&q->pauses, e->key));
    struct slice name;
    q->is_all_paused = p.is_all;
    while (queue_pauses_next(&p.names, &name))
        if (name.n)
            (void)queue_pause(q, name, true);
    if (q->pauses_segment)
        queue_unpin(q, q->pauses_segment);
    q->pauses_segment = r->pos.segment;
    queue_pin(q, q->pauses_segment);
    return true;
}

bool queue_replay(struct queue *q, const struct journal_record *r)
{
    queue_newest(q, r->pos.segment);
    segment_get(q, r->pos.segment)->is_seen = true;
    switch ((enum queue_record_type)r->type) {
    case QUEUE_RECORD_CHUNK:
        return true; /* alive only if an accept record names it */
    case QUEUE_RECORD_ACCEPT:
        return replay_accept(q, r);
    case QUEUE_RECORD_OUTCOME:
        return replay_outcome(q, r);
    case QUEUE_RECORD_PAUSES:
        return replay_pauses(q, r);
    case QUEUE_RECORD_OPERATOR:
        return replay_operator(q, r);
    case QUEUE_RECORD_CHECKPOINT:
        return checkpoints_add(&q->checkpoints, r);
    }
    return false;
}

/* Copies made when their last outcome was on the way say that nobody waits. */
static void finish_done(struct queue *q)
{
    for (struct queue_message *m = queue_first(q); m;) {
        uint64_t id = m->id;
        if (!m->waiting_count)
            finish(q, m);
        m = queue_after_id(q, id);
    }
}

void queue_replayed(struct queue *q)
{
    checkpoints_apply(q);
    finish_done(q);
    /* Nothing is ever appended to a segment found at start. */
    queue_newest(q, q->newest_segment + 1);
}
