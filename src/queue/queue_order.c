/* queue_order.c -- what the operator ordered: kept in a table beside the messages, because one in
 * ten thousand has an order and each byte of a message counts a million times.
 *
 *   hold -> held -> release -> (nothing, but the time held is remembered)
 *   bounce, delete: a hold is over; they stay until nobody waits any more
 *
 * The same steps are taken when it happens and when its record is replayed. */
#include "queue_inside.h"

#include <string.h>

struct entry {
    uint64_t id;
    struct queue_order order;
    char texts[]; /* who, words */
};

const struct queue_order *queue_order_of(const struct queue *q, const struct queue_message *m)
{
    return m->has_order ? &((struct entry *)sorted_get(&q->orders, m->id))->order : NULL;
}

struct queue_message *queue_ordered_after(const struct queue *q, uint64_t id)
{
    const struct entry *next = sorted_after(&q->orders, id);
    return next ? queue_find(q, next->id) : NULL;
}

int64_t queue_born_ms(const struct queue *q, const struct queue_message *m)
{
    return m->accepted_ms + (m->has_order ? queue_order_of(q, m)->held_ms : 0);
}

void queue_order_set(struct queue *q, struct queue_message *m, const struct queue_order *o)
{
    struct entry *old = sorted_take(&q->orders, m->id);
    struct slice who = slice_head(o->who, QUEUE_WHO_BYTES_MAX);
    struct slice words = slice_head(o->words, QUEUE_REASON_BYTES_MAX);
    struct entry *new = mem_new(sizeof *new + who.n + words.n + 1);
    new->id = m->id;
    new->order = *o;
    if (who.n)
        memcpy(new->texts, who.p, who.n);
    if (words.n)
        memcpy(new->texts + who.n, words.p, words.n);
    new->order.who = slice_of(new->texts, who.n);
    new->order.words = slice_of(new->texts + who.n, words.n);
    bool is_alone = sorted_put(&q->orders, m->id, new);
    CHECK(is_alone);
    mem_free(old); /* o may point into it */
    q->held_count += (uint64_t)o->is_held - (uint64_t)m->is_held;
    m->has_order = true;
    m->is_held = o->is_held;
    m->is_bouncing = o->is_bouncing;
    m->is_removing = o->is_removing;
}

void queue_order_forget(struct queue *q, struct queue_message *m)
{
    if (!m->has_order)
        return;
    mem_free(sorted_take(&q->orders, m->id));
    q->held_count -= m->is_held;
    m->has_order = m->is_held = m->is_bouncing = m->is_removing = false;
}

void queue_orders_close(struct queue *q)
{
    for (struct entry *e; (e = sorted_first(&q->orders));)
        mem_free(sorted_take(&q->orders, e->id));
    sorted_close(&q->orders);
}

static void end_hold(struct queue_order *o, int64_t now_ms)
{
    if (o->is_held && now_ms > o->since_ms) /* the codec keeps both far from overflow */
        o->held_ms += now_ms - o->since_ms;
    o->is_held = false;
}

void queue_operate(struct queue *q, struct queue_message *m, const struct queue_operator *op)
{
    struct queue_order o = {0};
    if (m->has_order)
        o = *queue_order_of(q, m);
    switch (op->verb) {
    case QUEUE_VERB_HOLD:
        if (!o.is_held)
            o.since_ms = op->time_ms;
        o.is_held = true;
        break;
    case QUEUE_VERB_RELEASE:
        end_hold(&o, op->time_ms);
        break;
    case QUEUE_VERB_BOUNCE:
        end_hold(&o, op->time_ms);
        o.is_bouncing = true;
        break;
    case QUEUE_VERB_DELETE:
        end_hold(&o, op->time_ms);
        o.is_bouncing = false;
        o.is_removing = true;
        break;
    case QUEUE_VERB_RETRY:
    case QUEUE_VERB_END:
        return;
    }
    o.who = op->who;
    o.words = op->words;
    queue_order_set(q, m, &o);
}
