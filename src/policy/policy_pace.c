/* policy_pace.c -- see the header: the generic cell rate algorithm, in microseconds, rounded so
 * that the rate is never exceeded. */
#include "policy/policy_pace.h"

static int64_t step_us(const struct policy_rate *r, unsigned slowed)
{
    int64_t per_us = r->per_ms * 1000;
    return (per_us + r->count - 1) / r->count * (slowed ? slowed : 1);
}

int64_t policy_pace_next_ms(const struct policy_pace *p, const struct policy_rate *r,
                            unsigned slowed)
{
    if (!r->count || !p->free_us)
        return 0;
    int64_t grain_us = POLICY_PACE_GRAIN_MS * 1000;
    int64_t early_us = step_us(r, slowed) < grain_us ? grain_us : 0;
    int64_t from_us = p->free_us - early_us;
    return from_us > 0 ? (from_us + 999) / 1000 : 0;
}

void policy_pace_take(struct policy_pace *p, const struct policy_rate *r, unsigned slowed,
                      int64_t now_ms)
{
    int64_t now_us = now_ms * 1000;
    if (r->count)
        p->free_us = (p->free_us > now_us ? p->free_us : now_us) + step_us(r, slowed);
}
