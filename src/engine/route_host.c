/* route_host.c -- see the header. */
#include "route_host.h"

#include "policy/policy_retry.h"

#include <string.h>

enum {
    SKIP_FIRST_MS = 30 * 1000, /* or retry.first and retry.max, where they are less */
    SKIP_MOST_MS = 10 * 60 * 1000,
    KNOWN_MS = 60 * 60 * 1000, /* then a host is as good as new */
    YIELD_MS = 10 * 1000,      /* for the connection that ends to make place for a trial */
};

bool route_host_is_failing(const struct route_host *h, int64_t now_ms)
{
    return h->failures && (now_ms < h->failing_until_ms || now_ms < h->trial_until_ms);
}

int64_t route_host_known_until_ms(const struct destination *d)
{
    int64_t until_ms = 0;
    for (unsigned i = 0; d->host_count > 1 && i < d->host_count; i++)
        if (d->host[i].failures && d->host[i].failing_until_ms + KNOWN_MS > until_ms)
            until_ms = d->host[i].failing_until_ms + KNOWN_MS;
    return until_ms;
}

static bool is_on_trial(const struct route_host *h, int64_t now_ms)
{
    return h->failures && !route_host_is_failing(h, now_ms);
}

static struct route_host *host_of(const struct line *l)
{
    return &l->destination->host[line_target(l)->host_index];
}

struct target_list *route_host_targets(struct engine *e, struct destination *d)
{
    struct target_list *all = d->targets;
    if (d->host_count < 2) {
        all->refs++;
        return all;
    }
    struct target_rank rank[ENGINE_HOSTS_MAX];
    unsigned order[ENGINE_HOSTS_MAX];
    CHECK(d->host_count <= ENGINE_HOSTS_MAX);
    for (unsigned i = 0; i < d->host_count; i++) {
        rank[i] = d->host[i].rank;
        rank[i].is_failing = route_host_is_failing(&d->host[i], e->now_ms);
    }
    target_order(rank, d->host_count, &e->rng, order);
    struct target_list *t = mem_new(sizeof *t + all->count * sizeof *t->target);
    t->refs = 1;
    for (unsigned i = 0; i < d->host_count; i++)
        for (uint32_t j = 0; j < all->count; j++)
            if (all->target[j].host_index == order[i]) {
                struct target *to = &t->target[t->count++];
                *to = all->target[j];
                to->host = mem_dup(to->host, strlen(to->host));
            }
    struct route_host *first = &d->host[t->target[0].host_index];
    if (is_on_trial(first, e->now_ms))
        first->trial_until_ms = e->now_ms + d->limits.connect_ms + d->limits.greeting_ms;
    return t;
}

static bool is_better(const struct route_host *a, const struct route_host *b)
{
    return a->rank.priority < b->rank.priority;
}

/* Since the line took its order, a better host than its own has come back. */
static bool is_outdone(const struct line *l)
{
    const struct destination *d = l->destination;
    for (unsigned i = 0; i < d->host_count; i++)
        if (is_better(&d->host[i], host_of(l)) && !d->host[i].failures &&
            d->host[i].back_at_conn >= l->ordered_at_conn)
            return true;
    return false;
}

static struct line *idle_outdone(const struct destination *d)
{
    for (struct list *i = d->lines.next; i != &d->lines; i = i->next) {
        struct line *l = CONTAINER_OF(i, struct line, in_destination);
        if (l->state == LINE_IDLE && is_outdone(l))
            return l;
    }
    return NULL;
}

void route_host_works(struct engine *e, struct line *l)
{
    struct destination *d = l->destination;
    if (!d->host_count || !host_of(l)->failures)
        return;
    struct route_host *h = host_of(l);
    h->failures = 0;
    h->failing_until_ms = h->trial_until_ms = h->yield_until_ms = 0;
    h->back_at_conn = e->last_conn;
    if (d->host_count < 2)
        return;
    line_note(e, l, NOTE_HOST_BACK, NULL);
    for (struct line *worse; (worse = idle_outdone(d));)
        deliver_quit(e, worse);
}

/* Another connection of ours works there: it has enough of them, but it is not down. */
static bool works_for_others(const struct line *l)
{
    const struct destination *d = l->destination;
    for (const struct list *i = d->lines.next; i != &d->lines; i = i->next) {
        const struct line *other = CONTAINER_OF(i, struct line, in_destination);
        if (other != l && other->smtp && other->messages &&
            line_target(other)->host_index == line_target(l)->host_index)
            return true;
    }
    return false;
}

/* Its other addresses are still to come. */
static bool has_more_addresses(const struct line *l)
{
    return l->target + 1 < l->targets->count &&
           l->targets->target[l->target + 1].host_index == line_target(l)->host_index;
}

void route_host_fails(struct engine *e, struct line *l, const char *why)
{
    const struct destination *d = l->destination;
    if (!d->host_count || has_more_addresses(l) || works_for_others(l))
        return;
    struct route_host *h = host_of(l);
    if (h->failures && e->now_ms < h->failing_until_ms)
        return; /* a connection that was begun before the first one failed */
    struct policy_retry p = {e->opt->retry_first_ms, e->opt->retry_max_ms, 2.0};
    if (p.first_ms > SKIP_FIRST_MS)
        p.first_ms = SKIP_FIRST_MS;
    if (p.max_ms > SKIP_MOST_MS)
        p.max_ms = SKIP_MOST_MS;
    h->failures++;
    h->trial_until_ms = h->yield_until_ms = 0;
    h->failing_until_ms = e->now_ms + policy_retry_wait_ms(&p, h->failures, &e->rng);
    if (h->failures == 1 && d->host_count > 1)
        line_note(e, l, NOTE_HOST_SKIPPED, why);
}

bool route_host_leaves(struct engine *e, const struct line *l)
{
    struct destination *d = l->destination;
    if (d->host_count < 2)
        return false;
    if (is_outdone(l))
        return true;
    for (unsigned i = 0; i < d->host_count; i++) {
        struct route_host *h = &d->host[i];
        if (!is_better(h, host_of(l)) || !is_on_trial(h, e->now_ms) ||
            e->now_ms < h->yield_until_ms)
            continue;
        h->yield_until_ms = e->now_ms + YIELD_MS;
        return true;
    }
    return false;
}
