/* rng.c -- xoshiro256** by Blackman and Vigna, seeded through splitmix64. */
#include "base/rng.h"

static inline uint64_t rotl(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

void rng_init(struct rng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15u;
        uint64_t z = seed;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        r->s[i] = z ^ z >> 31;
    }
}

uint64_t rng_u64(struct rng *r)
{
    uint64_t result = rotl(r->s[1] * 5, 7) * 9;
    uint64_t t = r->s[1] << 17;
    r->s[2] ^= r->s[0];
    r->s[3] ^= r->s[1];
    r->s[1] ^= r->s[2];
    r->s[0] ^= r->s[3];
    r->s[2] ^= t;
    r->s[3] = rotl(r->s[3], 45);
    return result;
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
    CHECK(n > 0);
    uint64_t reject = (0 - n) % n; /* 2^64 mod n: the uneven rest */
    uint64_t v = rng_u64(r);
    while (v < reject)
        v = rng_u64(r);
    return v % n;
}

int64_t rng_between(struct rng *r, int64_t least, int64_t most)
{
    CHECK(least <= most);
    uint64_t span = (uint64_t)most - (uint64_t)least;
    uint64_t step = span == UINT64_MAX ? rng_u64(r) : rng_below(r, span + 1);
    return (int64_t)((uint64_t)least + step);
}

bool rng_chance(struct rng *r, unsigned percent)
{
    return rng_below(r, 100) < percent;
}
