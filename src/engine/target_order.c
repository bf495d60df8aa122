/* target_order.c -- see the header. */
#include "target_order.h"

static bool is_ranked(const struct engine_host *hosts, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (hosts[i].priority || hosts[i].weight)
            return true;
    return false;
}

struct target_rank target_rank(const struct engine_host *hosts, unsigned count, unsigned i)
{
    unsigned unsaid = is_ranked(hosts, count) ? 1 : i + 1;
    return (struct target_rank){
        .priority = hosts[i].priority ? hosts[i].priority : unsaid,
        .weight = hosts[i].weight ? hosts[i].weight : 1,
    };
}

static bool are_equal(const struct target_rank *a, const struct target_rank *b)
{
    return a->is_failing == b->is_failing && a->priority == b->priority;
}

static bool is_before(const struct target_rank *a, const struct target_rank *b)
{
    return a->is_failing != b->is_failing ? b->is_failing : a->priority < b->priority;
}

static void swap(unsigned *a, unsigned *b)
{
    unsigned x = *a;
    *a = *b;
    *b = x;
}

/* One after the other is drawn from those that are left, each with its weight. */
static void draw(const struct target_rank *rank, unsigned *order, unsigned count, struct rng *rng)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < count; i++)
        sum += rank[order[i]].weight;
    for (unsigned at = 0; at + 1 < count; at++) {
        uint64_t drawn = rng_below(rng, sum);
        unsigned i = at;
        while (drawn >= rank[order[i]].weight)
            drawn -= rank[order[i++]].weight;
        swap(&order[at], &order[i]);
        sum -= rank[order[at]].weight;
    }
}

void target_order(const struct target_rank *rank, unsigned count, struct rng *rng, unsigned *order)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned j = i;
        for (; j > 0 && is_before(&rank[i], &rank[order[j - 1]]); j--)
            order[j] = order[j - 1];
        order[j] = i;
    }
    for (unsigned from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && are_equal(&rank[order[from]], &rank[order[to]]);)
            to++;
        draw(rank, order + from, to - from, rng);
    }
}
