/* policy_retry.h -- when to try again: exponential, with jitter. */
#pragma once

#include "base/rng.h"

struct policy_retry {
    int64_t first_ms, max_ms;
    double factor;
};

/* The wait after the n-th failed attempt (n >= 1): first * factor^(n-1), at most max, then 0.8
 * .. 1.2 of it. */
int64_t policy_retry_wait_ms(const struct policy_retry *p, unsigned attempts, struct rng *rng);
