/* policy_retry.c -- see the header. */
#include "policy/policy_retry.h"

enum { STEPS_MAX = 1000 }; /* a factor near 1 must not make a long loop of many attempts */

int64_t policy_retry_wait_ms(const struct policy_retry *p, unsigned attempts, struct rng *rng)
{
    double wait = (double)p->first_ms, most = (double)p->max_ms;
    unsigned steps = attempts < STEPS_MAX ? attempts : STEPS_MAX;
    for (unsigned i = 1; i < steps && wait < most; i++)
        wait *= p->factor;
    if (wait > most)
        wait = most;
    /* Jitter: a thousand messages deferred in one second must not come back in one second. */
    int64_t ms = rng_between(rng, (int64_t)(wait * 0.8), (int64_t)(wait * 1.2));
    return ms > 0 ? ms : 1;
}
