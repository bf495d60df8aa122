/* submit_rate.c -- see the header. */
#include "submit_rate.h"

struct place_rate {
    struct list link; /* in engine.rate_age, charged longest ago first */
    uint64_t place;
    struct policy_usage used;
};

static struct policy_quota quota_of(const struct engine *e)
{
    return (struct policy_quota){.messages = e->opt->address_messages};
}

void submit_rate_init(struct engine *e)
{
    map_init(&e->rates, rng_u64(&e->rng));
    list_init(&e->rate_age);
}

static void drop(struct engine *e, struct place_rate *r)
{
    map_take_id(&e->rates, r->place);
    list_remove(&r->link);
    mem_free(r);
}

void submit_rate_close(struct engine *e)
{
    while (!list_is_empty(&e->rate_age))
        drop(e, CONTAINER_OF(e->rate_age.next, struct place_rate, link));
    map_close(&e->rates);
}

int64_t submit_rate_wait_ms(const struct engine *e, uint64_t place)
{
    int64_t wait_ms = 0;
    const struct place_rate *r = place ? map_get_id(&e->rates, place) : NULL;
    const struct policy_quota q = quota_of(e);
    if (!r || policy_quota_judge(&q, &r->used, 0, e->now_ms, &wait_ms) == POLICY_LIMIT_NONE)
        return 0;
    return wait_ms;
}

void submit_rate_charge(struct engine *e, uint64_t place)
{
    const struct policy_quota q = quota_of(e);
    if (!place || !q.messages.count)
        return;
    struct place_rate *r = map_get_id(&e->rates, place);
    if (r) {
        list_remove(&r->link);
    } else {
        if (e->rates.count >= SUBMIT_RATE_PLACES_MAX)
            drop(e, CONTAINER_OF(e->rate_age.next, struct place_rate, link));
        r = mem_new(sizeof *r);
        r->place = place;
        map_put_id(&e->rates, place, r);
    }
    list_add_last(&e->rate_age, &r->link);
    policy_quota_charge(&q, &r->used, 0, e->now_ms);
}

void submit_rate_refund(struct engine *e, uint64_t place)
{
    const struct policy_quota q = quota_of(e);
    struct place_rate *r = map_get_id(&e->rates, place);
    if (r)
        policy_quota_refund(&q, &r->used, 0, e->now_ms);
}
