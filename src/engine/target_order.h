/* target_order.h -- in which order a new connection tries hosts of unequal rank.
 *
 * Those that lately failed come last; before that the lower priority goes first, and hosts of equal
 * priority share the connections by their weights, as RFC 2782 has it for SRV records. */
#pragma once

#include "base/rng.h"
#include "engine/engine_options.h"

struct target_rank {
    unsigned priority; /* lower is better */
    unsigned weight;   /* of a draw between equals; at least 1 */
    bool is_failing;   /* tried when all others were of no use */
};

/* What a route says of its host i. Hosts of which nothing is said go in the order of the list; when
 * one of them has a priority or a weight, those without have priority 1 and weight 1. */
struct target_rank target_rank(const struct engine_host *hosts, unsigned count, unsigned i);
/* Into order[]: the indices of rank[], the one to be tried first in front. */
void target_order(const struct target_rank *rank, unsigned count, struct rng *rng, unsigned *order);
