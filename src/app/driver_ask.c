/* driver_ask.c -- what the control socket asks of the driver and is told later: that an order is on
 * disk, and records out of the journal. The engine knows nothing of the second.
 *
 * Answers are given once a turn of the loop, when the engine is at rest: whoever is told may ask
 * again at once. */
#include "driver_core.h"

/* Tickets of fetches that are not the engine's; its own count up from 1. */
static const uint64_t own_ticket = (uint64_t)1 << 63;

struct ask {
    struct list in_done; /* linked: it is on disk, or not */
    bool is_recorded;
    void (*recorded)(void *ctx, bool is_on_disk);
    void (*fetched)(void *ctx, enum err err, const struct journal_record *record, const char *why);
    void *ctx;
};

static struct ask *ask_new(struct driver *d, void *ctx, uint64_t *number)
{
    struct ask *a = mem_new(sizeof *a);
    a->ctx = ctx;
    *number = own_ticket | ++d->last_ask;
    map_put_id(&d->asks, *number, a);
    return a;
}

void driver_operator(struct driver *d, struct engine_operator *op,
                     void (*recorded)(void *ctx, bool is_on_disk), void *ctx)
{
    struct ask *a = ask_new(d, ctx, &op->answer);
    a->recorded = recorded;
    struct engine_event event = {.kind = EVENT_OPERATOR, .op = op};
    driver_tell(d, &event);
    if (!op->result->is_recording) {
        map_take_id(&d->asks, op->answer);
        mem_free(a);
    }
}

void driver_fetch(struct driver *d, uint64_t id, struct journal_pos pos,
                  void (*fetched)(void *ctx, enum err err, const struct journal_record *record,
                                  const char *why),
                  void *ctx)
{
    uint64_t ticket;
    ask_new(d, ctx, &ticket)->fetched = fetched;
    store_fetch(d->store, ticket, id, pos);
}

void driver_operated(struct driver *d, uint64_t answer, bool is_on_disk)
{
    struct ask *a = map_take_id(&d->asks, answer);
    CHECK(a);
    a->is_recorded = is_on_disk;
    list_add_last(&d->asks_done, &a->in_done);
}

bool driver_fetched(struct driver *d, uint64_t ticket, enum err err,
                    const struct journal_record *record, const char *why)
{
    if (!(ticket & own_ticket))
        return false;
    struct ask *a = map_take_id(&d->asks, ticket);
    CHECK(a);
    a->fetched(a->ctx, err, record, why);
    mem_free(a);
    return true;
}

void driver_tell_asked(struct driver *d)
{
    /* Those that come meanwhile wait for the next turn. */
    struct list *last = d->asks_done.prev;
    while (!list_is_empty(&d->asks_done)) {
        struct list *l = list_take_first(&d->asks_done);
        struct ask *a = CONTAINER_OF(l, struct ask, in_done);
        a->recorded(a->ctx, a->is_recorded);
        mem_free(a);
        if (l == last)
            return;
    }
}

void driver_drop_asks(struct driver *d)
{
    size_t at = 0;
    driver_tell_asked(d);
    for (struct map_entry *e; (e = map_next(&d->asks, &at)); at = 0) {
        struct ask *a = map_take_id(&d->asks, e->hash);
        if (a->recorded)
            a->recorded(a->ctx, false);
        else
            a->fetched(a->ctx, ERR_CLOSED, NULL, "the relay stops");
        mem_free(a);
    }
    map_close(&d->asks);
}
