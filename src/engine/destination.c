/* destination.c -- where connections go: the hosts of a domain, or a route's; what was learned of
 * them, and how long they are left in peace.
 *
 * A destination that nobody could reach is left in peace for a while (back-off) and then probed by
 * one connection. One that refuses one more connection while others work is only crowded. */
#include "fallback.h"
#include "mail/address.h"
#include "mail/idn.h"
#include "policy/policy_retry.h"
#include "route_host.h"

enum {
    SUCCESSES_PER_LINE = 50, /* before one more connection is tried where one was refused */
    KEPT_MAX = 10000,        /* unused destinations whose trouble is remembered */
};

static char *dup_slice(struct slice s)
{
    return mem_dup(s.p, s.n);
}

/* Nobody uses it; what it was like is worth more than its memory. */
static void set_kept(struct engine *e, struct destination *d, bool is_kept)
{
    e->kept_count += (uint64_t)is_kept - (uint64_t)d->is_kept;
    d->is_kept = is_kept;
}

void destination_free(struct engine *e, struct destination *d)
{
    set_kept(e, d, false);
    map_take(&e->destinations, d->key);
    if (d->failures)
        e->trouble_count--;
    resolve_cancel(e, d);
    timer_stop(e, &d->timer);
    list_remove(&d->in_wanting);
    target_list_unref(d->targets);
    for (unsigned i = 0; i < d->host_count; i++)
        mem_free(d->host[i].name);
    mem_free(d->host);
    mem_free(d->name);
    mem_free(d->trouble);
    mem_free(d->user);
    mem_free(d->password);
    mem_free(d->helo);
    mem_free((char *)(uintptr_t)d->key.p);
    mem_free(d);
}

static void copy_route(struct destination *d, const struct engine_route *r)
{
    d->tls = r->tls;
    d->user = dup_slice(r->user);
    d->password = dup_slice(r->password);
    d->host = mem_new(r->host_count * sizeof *d->host);
    d->host_count = r->host_count;
    for (unsigned i = 0; i < r->host_count; i++)
        d->host[i] = (struct route_host){.name = dup_slice(r->hosts[i].name),
                                         .port = r->hosts[i].port,
                                         .rank = target_rank(r->hosts, r->host_count, i)};
}

/* As the DNS has it: what is no name there stays as it is, and is found to be none. */
static void add_domain(struct buf *out, struct slice domain)
{
    struct buf ascii;
    buf_init(&ascii, MAIL_DOMAIN_BYTES_MAX + 2);
    buf_add(out, mail_domain_to_ascii(domain, &ascii) ? buf_slice(&ascii) : domain);
    buf_close(&ascii);
}

int destination_fallback_of(const struct engine_options *o, int route)
{
    const struct engine_route *r = route >= 0 ? &o->routes[route] : NULL;
    if (r && (r->host_count || r->has_no_fallback))
        return -1;
    if (r && r->has_fallback)
        return (int)r->fallback;
    return o->has_fallback ? (int)o->fallback : -1;
}

static struct destination *destination_new(struct engine *e, int route, struct slice key,
                                           struct slice name, bool requires_tls)
{
    const struct engine_route *r = route >= 0 ? &e->opt->routes[route] : NULL;
    struct destination *d = mem_new(sizeof *d);
    d->key = slice_of(mem_dup(key.p, key.n), key.n);
    d->generation = e->generation;
    d->route = route;
    d->name = dup_slice(name);
    d->helo = dup_slice(e->opt->hostname);
    d->limits = e->opt->limits;
    d->tls = e->opt->delivery_tls;
    if (r)
        copy_route(d, r);
    d->fallback = destination_fallback_of(e->opt, route);
    d->requires_tls = requires_tls;
    if (requires_tls)
        d->tls = DELIVERY_TLS_VERIFY;
    list_init(&d->ready);
    list_init(&d->lines);
    timer_init(&d->timer, TIMER_DESTINATION);
    map_put(&e->destinations, d->key, d);
    return d;
}

static bool is_by_mx(const struct engine *e, int route)
{
    return route < 0 || !e->opt->routes[route].host_count;
}

/* Into key, which is empty; where in it the domain begins, if there is one. */
static size_t build_key(const struct engine *e, int route, struct slice domain, bool requires_tls,
                        struct buf *key)
{
    buf_init(key, 1024);
    buf_addf(key, "%llu %d %s", (unsigned long long)e->generation, route,
             requires_tls ? "tls " : "");
    size_t head = key->n;
    if (is_by_mx(e, route))
        add_domain(key, domain);
    return head;
}

const struct destination *destination_find(const struct engine *e, int route, struct slice domain,
                                           bool requires_tls)
{
    struct buf key;
    build_key(e, route, domain, requires_tls, &key);
    const struct destination *d = map_get(&e->destinations, buf_slice(&key));
    buf_close(&key);
    return d;
}

struct destination *destination_get(struct engine *e, int route, struct slice domain,
                                    bool requires_tls)
{
    struct buf key;
    size_t head = build_key(e, route, domain, requires_tls, &key);
    struct destination *d = map_get(&e->destinations, buf_slice(&key));
    if (!d)
        d = destination_new(e, route, buf_slice(&key),
                            is_by_mx(e, route) ? slice_from(buf_slice(&key), head)
                                               : e->opt->routes[route].name,
                            requires_tls);
    buf_close(&key);
    set_kept(e, d, false);
    return d;
}

void destination_drop_if_unused(struct engine *e, struct destination *d)
{
    if (d->job_count || d->line_count)
        return;
    int64_t until_ms = route_host_known_until_ms(d), fallen_ms = fallback_known_until_ms(e, d);
    if (until_ms < fallen_ms)
        until_ms = fallen_ms;
    bool has_room = d->is_kept || e->kept_count < KEPT_MAX;
    if (d->generation != e->generation || until_ms <= e->now_ms || !has_room) {
        destination_free(e, d);
        return;
    }
    set_kept(e, d, true);
    timer_set(e, &d->timer, until_ms);
}

void destination_on_options(struct engine *e)
{
    size_t at = 0;
    for (struct map_entry *m; (m = map_next(&e->destinations, &at));) {
        struct destination *d = m->value;
        if (!d->job_count && !d->line_count)
            timer_set(e, &d->timer, e->now_ms); /* is forgotten when it fires */
    }
}

bool destination_is_paused(const struct engine *e, const struct destination *d)
{
    return queue_is_paused(&e->queue, slice_cstr(d->name));
}

bool destination_needs_targets(const struct engine *e, const struct destination *d)
{
    return !d->targets || (d->targets_until_ms <= e->now_ms && !d->line_count);
}

uint32_t destination_lines_most(const struct engine *e, const struct destination *d)
{
    uint32_t most = d->limits.connections;
    if (d->failures)
        return 1; /* a probe */
    return d->lines_most && d->lines_most < most ? d->lines_most : most;
}

void destination_trouble(struct engine *e, struct destination *d, struct slice why)
{
    struct policy_retry p = {e->opt->retry_first_ms, e->opt->retry_max_ms, e->opt->retry_factor};
    if (d->backoff_until_ms > e->now_ms)
        return; /* a line that was begun before the first one failed: the same trouble, once */
    if (!d->failures) {
        e->trouble_count++;
        d->trouble_since_ms = e->now_ms;
    }
    d->failures++;
    d->backoff_until_ms = e->now_ms + policy_retry_wait_ms(&p, d->failures, &e->rng);
    d->targets_until_ms = 0; /* look again before the next try */
    mem_free(d->trouble);
    d->trouble = dup_slice(slice_head(why, QUEUE_REASON_BYTES_MAX));
    timer_set(e, &d->timer, fallback_wake_ms(e, d));
}

void destination_well(struct engine *e, struct destination *d)
{
    if (d->failures)
        e->trouble_count--;
    fallback_ends(e, d);
    d->failures = 0;
    d->backoff_until_ms = 0;
    mem_free(d->trouble);
    d->trouble = NULL;
}

void destination_crowded(struct engine *e, struct destination *d)
{
    CHECK(d->line_count > 1);
    d->lines_most = d->line_count - 1;
    d->successes = 0;
}

void destination_success(struct engine *e, struct destination *d)
{
    if (!d->lines_most || ++d->successes < SUCCESSES_PER_LINE)
        return;
    d->successes = 0;
    d->lines_most++;
}
