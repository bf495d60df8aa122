/* destination.c -- where connections go: the hosts of a domain, or a route's; what was learned of
 * them, and how long they are left in peace.
 *
 * A destination that nobody could reach is left in peace for a while (back-off) and then probed by
 * one connection. One that refuses one more connection while others work is only crowded. */
#include "health.h"
#include "home.h"
#include "mail/address.h"
#include "mail/idn.h"
#include "policy/policy_retry.h"

static char *dup_slice(struct slice s)
{
    return mem_dup(s.p, s.n);
}

void destination_free(struct engine *e, struct destination *d)
{
    map_take(&e->destinations, d->key);
    if (d->failures)
        e->trouble_count--;
    resolve_cancel(e, d);
    home_leave(e, d);
    timer_stop(e, &d->timer);
    list_remove(&d->in_wanting);
    target_list_unref(d->targets);
    for (unsigned i = 0; i < d->host_count; i++)
        mem_free(d->host[i].name);
    mem_free(d->host);
    for (unsigned i = 0; i < d->set_count; i++)
        mem_free(d->set[i].name);
    mem_free(d->set);
    mem_free(d->name);
    mem_free(d->trouble);
    mem_free(d->user);
    mem_free(d->password);
    mem_free(d->helo);
    source_drop_pool(d);
    health_free(d);
    turns_close(&d->ready);
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
        d->host[i] = (struct route_host){dup_slice(r->hosts[i].name), r->hosts[i].port};
}

/* As the DNS has it: what is no name there stays as it is, and is found to be none. */
static void add_domain(struct buf *out, struct slice domain)
{
    struct buf ascii;
    buf_init(&ascii, MAIL_DOMAIN_BYTES_MAX + 2);
    buf_add(out, mail_domain_to_ascii(domain, &ascii) ? buf_slice(&ascii) : domain);
    buf_close(&ascii);
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
    source_take_pool(e, d);
    d->requires_tls = requires_tls;
    if (requires_tls)
        d->tls = DELIVERY_TLS_VERIFY;
    turns_init(&e->turns, &d->ready);
    list_init(&d->lines);
    policy_window_init(&d->window);
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
    return d;
}

struct destination *destination_get_set(struct engine *e, const struct destination *domain,
                                        const struct home_host *host, unsigned count)
{
    struct buf key;
    buf_init(&key, 8192);
    buf_addf(&key, "%llu %d %smx", (unsigned long long)domain->generation, domain->route,
             domain->requires_tls ? "tls " : "");
    for (unsigned i = 0; i < count; i++) {
        buf_addf(&key, " %u ", host[i].rank);
        for (size_t k = 0; k < host[i].name.n; k++)
            buf_add_char(&key, ascii_lower(host[i].name.p[k]));
    }
    struct destination *d = map_get(&e->destinations, buf_slice(&key));
    if (!d) {
        d = destination_new(e, domain->route, buf_slice(&key), host[0].name, domain->requires_tls);
        d->set = mem_new(count * sizeof *d->set);
        d->set_count = count;
        for (unsigned i = 0; i < count; i++)
            d->set[i] = (struct set_host){dup_slice(host[i].name), host[i].rank};
    }
    buf_close(&key);
    return d;
}

void destination_drop_if_unused(struct engine *e, struct destination *d)
{
    if (!d->job_count && !d->line_count && !d->guest_count)
        destination_free(e, d);
}

bool destination_is_paused(const struct engine *e, const struct destination *d)
{
    return queue_is_paused(&e->queue, slice_cstr(d->name));
}

bool job_is_paused(const struct engine *e, const struct job *j)
{
    return destination_is_paused(e, j->domain) ||
           (j->destination != j->domain && destination_is_paused(e, j->destination));
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
    return d->window.most < most ? d->window.most : most;
}

void destination_trouble(struct engine *e, struct destination *d, struct slice why)
{
    struct policy_retry p = {e->opt->retry_first_ms, e->opt->retry_max_ms, e->opt->retry_factor};
    if (d->backoff_until_ms > e->now_ms)
        return; /* a line that was begun before the first one failed: the same trouble, once */
    if (!d->failures)
        e->trouble_count++;
    d->failures++;
    d->backoff_until_ms = e->now_ms + policy_retry_wait_ms(&p, d->failures, &e->rng);
    d->targets_until_ms = 0; /* look again before the next try */
    policy_window_init(&d->window);
    mem_free(d->trouble);
    d->trouble = dup_slice(slice_head(why, QUEUE_REASON_BYTES_MAX));
    timer_set(e, &d->timer, d->backoff_until_ms);
}

void destination_well(struct engine *e, struct destination *d)
{
    if (d->failures)
        e->trouble_count--;
    d->failures = 0;
    d->backoff_until_ms = 0;
    mem_free(d->trouble);
    d->trouble = NULL;
}

void destination_crowded(struct engine *e, struct destination *d)
{
    CHECK(d->line_count > 1);
    policy_window_crowded(&d->window, d->line_count - 1);
}

void destination_strained(struct engine *e, struct destination *d)
{
    (void)policy_window_trouble(&d->window, d->line_count, e->now_ms);
}

void destination_success(struct engine *e, struct destination *d)
{
    unsigned before = d->window.most;
    policy_window_success(&d->window, d->line_count, d->limits.connections);
    if (d->window.most > before && !turns_is_empty(&d->ready))
        schedule_want(e, d);
}
