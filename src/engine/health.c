/* health.c -- see the header. */
#include "health.h"

#include "line.h"
#include "policy/policy_retry.h"

enum { LINES_MS = 10 * 60 * 1000 }; /* that an address takes no more of them */

static struct health *find(const struct destination *d, const struct ip_port *address)
{
    for (unsigned i = 0; i < d->health_count; i++)
        if (d->health[i].address.port == address->port &&
            ip_eq(&d->health[i].address.ip, &address->ip))
            return &d->health[i];
    return NULL;
}

/* The one that may be tried soonest makes room. */
static struct health *add(struct destination *d)
{
    if (d->health_count == HEALTH_MAX) {
        struct health *soonest = d->health;
        for (unsigned i = 1; i < d->health_count; i++)
            if (d->health[i].until_ms < soonest->until_ms)
                soonest = &d->health[i];
        return soonest;
    }
    d->health = mem_resize(d->health, (d->health_count + 1) * sizeof *d->health);
    return &d->health[d->health_count++];
}

/* Connections of ours that work there. */
static unsigned lines_at(const struct destination *d, const struct ip_port *address)
{
    unsigned n = 0;
    for (const struct list *i = d->lines.next; i != &d->lines; i = i->next) {
        const struct line *l = CONTAINER_OF(i, struct line, in_destination);
        const struct ip_port *at = &line_target(l)->address;
        n += l->conn && l->state != LINE_CONNECTING && l->state != LINE_TALKING &&
             at->port == address->port && ip_eq(&at->ip, &address->ip);
    }
    return n;
}

void health_failed(struct engine *e, struct destination *d, const struct ip_port *address)
{
    struct policy_retry p = {e->opt->retry_first_ms, e->opt->retry_max_ms, e->opt->retry_factor};
    if (d->host_count) /* of a route: route_host.h */
        return;
    struct health *h = find(d, address);
    unsigned lines = lines_at(d, address);
    if (!h) {
        h = add(d);
        *h = (struct health){.address = *address};
    }
    if (lines) { /* it lives: enough of them */
        h->lines_most = lines;
        h->lines_until_ms = e->now_ms + LINES_MS;
        return;
    }
    if (h->until_ms > e->now_ms && !h->is_probed)
        return; /* a line that was begun before it was known */
    h->is_probed = false;
    h->failures++;
    h->until_ms = e->now_ms + policy_retry_wait_ms(&p, h->failures, &e->rng);
}

void health_well(struct destination *d, const struct ip_port *address)
{
    struct health *h = find(d, address);
    if (!h)
        return;
    h->failures = 0;
    h->until_ms = 0;
    h->is_probed = false;
    if (!h->lines_most)
        *h = d->health[--d->health_count];
}

void health_tried(struct engine *e, struct destination *d, const struct ip_port *address)
{
    struct health *h = find(d, address);
    if (!h || !h->failures)
        return;
    h->is_probed = true;
    int64_t until_ms = e->now_ms + d->limits.connect_ms + d->limits.greeting_ms;
    if (h->until_ms < until_ms)
        h->until_ms = until_ms;
}

static bool is_dead(const struct engine *e, const struct destination *d,
                    const struct ip_port *address)
{
    const struct health *h = find(d, address);
    if (!h)
        return false;
    bool is_full =
        h->lines_most && h->lines_until_ms > e->now_ms && lines_at(d, &h->address) >= h->lines_most;
    return is_full || h->until_ms > e->now_ms;
}

uint64_t health_dead(const struct engine *e, const struct destination *d,
                     const struct target_list *targets)
{
    uint32_t count = targets->count < 64 ? targets->count : 64;
    uint64_t dead = 0, all = count == 64 ? UINT64_MAX : ((uint64_t)1 << count) - 1;
    if (d->failures || !d->health_count) /* the destination's own probe; nothing is known */
        return 0;
    for (uint32_t i = 0, next; i < count; i = next) { /* targets of a host are side by side */
        uint64_t host = 0;
        bool is_whole = true;
        for (next = i;
             next < count && targets->target[next].host_index == targets->target[i].host_index;
             next++) {
            host |= (uint64_t)1 << next;
            is_whole = is_whole && is_dead(e, d, &targets->target[next].address);
        }
        if (is_whole)
            dead |= host;
    }
    return dead == all ? 0 : dead;
}

void health_free(struct destination *d)
{
    mem_free(d->health);
    d->health = NULL;
    d->health_count = 0;
}
