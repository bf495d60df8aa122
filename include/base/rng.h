/* rng.h -- deterministic random numbers (xoshiro256**) from a seed that somebody outside drew.
 * For jitter, shuffling and the simulator; never for secrets. */
#pragma once

#include "base/err.h"

struct rng {
    uint64_t s[4];
};

void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_u64(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n);                   /* 0 .. n-1; n > 0 */
int64_t rng_between(struct rng *r, int64_t least, int64_t most); /* both ends included */
bool rng_chance(struct rng *r, unsigned percent);
