/* sim_ledger_order.c -- what the operator ordered: once he was told that it is on disk, no attempt
 * begins for a message that is held, bounced or deleted, whatever crashes come, until it is
 * released. Attempts that were in flight then may end as they like. */
#include "sim_ledger_inside.h"

#include <string.h>

static bool is_in_flight(struct sim_world *w, uint64_t id)
{
    struct buf out;
    buf_init(&out, 1024 * 1024);
    bool is = engine_message_json(w->engine, id, sim_world_now_ms(w), &out) &&
              strstr(buf_cstr(&out), "\"state\":\"in flight\"");
    buf_close(&out);
    return is;
}

void sim_ledger_on_order(struct sim_world *w, const struct engine_action *a, struct slice payload)
{
    struct queue_operator op;
    struct sim_parcel *p = sim_ledger_find(w, a->id);
    if (queue_operator_parse(payload, &op) != PARSE_DONE || (a->id && !p)) {
        sim_fail(w, "an operator record that cannot be read, or of an unknown message");
        return;
    }
    if (!a->needs_sync)
        sim_fail(w, "an operator record without a sync");
    if (!p || op.verb == QUEUE_VERB_RETRY || !w->order_now) /* the last: written once more */
        return;
    bool is_stop = op.verb != QUEUE_VERB_RELEASE;
    p->is_delete_ordered |= op.verb == QUEUE_VERB_DELETE;
    p->order = (struct sim_order){.ticket = a->ticket,
                                  .answer = w->order_now,
                                  .is_stop = is_stop,
                                  .is_hold = op.verb == QUEUE_VERB_HOLD,
                                  .may_take = is_stop && is_in_flight(w, a->id)};
    map_put_id(&w->ledger.orders, a->ticket, p);
}

void sim_ledger_order_appended(struct sim_world *w, uint64_t ticket, enum err err,
                               struct journal_pos pos)
{
    struct sim_parcel *p = map_take_id(&w->ledger.orders, ticket);
    if (!p || p->order.ticket != ticket || err)
        return;
    p->order.is_written = true;
    p->order.pos = pos;
}

void sim_ledger_on_operated(struct sim_world *w, uint64_t answer, bool is_on_disk)
{
    for (size_t i = 0; i < w->ledger.count && is_on_disk; i++) {
        struct sim_order *o = &w->ledger.all[i]->order;
        if (o->answer != answer)
            continue;
        if (!o->is_written || !sim_disk_is_safe(&w->disk, o->pos))
            sim_fail(w, "an order is called recorded and is not on disk");
        o->is_sure = true;
    }
}

void sim_ledger_orders_on_crash(struct sim_world *w)
{
    for (size_t i = 0; i < w->ledger.count; i++)
        w->ledger.all[i]->order.may_take = false;
    map_close(&w->ledger.orders);
    map_init(&w->ledger.orders, 4);
}

void sim_ledger_check_order(struct sim_world *w, const struct sim_parcel *p, const char *what)
{
    const struct sim_order *o = &p->order;
    if (o->is_sure && o->is_stop && !o->may_take)
        sim_fail(w, "message %llu was %s, though it is %s", U(p->mail->number), what,
                 o->is_hold ? "held" : "bounced or deleted");
}
