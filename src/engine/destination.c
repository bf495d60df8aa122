/* destination.c -- where connections go: the hosts of a domain, or a route's; what was learned of
 * them, and how long they are left in peace.
 *
 * A destination that nobody could reach is left in peace for a while (back-off) and then probed by
 * one connection. One that refuses one more connection while others work is only crowded. */
#include "fallback.h"
#include "health.h"
#include "home.h"
#include "mail/address.h"
#include "mail/idn.h"
#include "policy/policy_retry.h"
#include "route_host.h"

enum {
    LINGER_MS = 15 * 60 * 1000,
    LINGERING_MAX = 1000,
    KEPT_MAX = 10000, /* unused destinations whose trouble is remembered */
};

static char *dup_slice(struct slice s)
{
    return mem_dup(s.p, s.n);
}

static void unlinger(struct engine *e, struct destination *d)
{
    if (!list_has(&d->in_lingering))
        return;
    list_remove(&d->in_lingering);
    e->lingering_count--;
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
    home_leave(e, d);
    timer_stop(e, &d->timer);
    list_remove(&d->in_wanting);
    unlinger(e, d);
    target_list_unref(d->targets);
    for (unsigned i = 0; i < d->host_count; i++)
        mem_free(d->host[i].name);
    mem_free(d->host);
    for (unsigned i = 0; i < d->set_count; i++)
        mem_free(d->set[i].name);
    mem_free(d->set);
    mem_free(d->name);
    mem_free(d->domain);
    mem_free(d->trouble);
    shape_close(e, d);
    mem_free(d->user);
    mem_free(d->password);
    mem_free(d->certificate);
    mem_free(d->account);
    mem_free(d->helo);
    source_drop_pool(d);
    health_free(d);
    turns_close(&d->ready);
    mem_free((char *)(uintptr_t)d->key.p);
    mem_free(d);
}

static unsigned mechanism_bits(const enum smtp_sasl *mechanisms, unsigned count)
{
    unsigned bits = 0;
    for (unsigned i = 0; i < count; i++)
        bits |= SMTP_SASL_BIT(mechanisms[i]);
    return bits;
}

static void copy_login(struct destination *d, const struct engine_route *r,
                       const struct engine_credential *c)
{
    d->user = dup_slice(c ? c->user : r->user);
    d->password = dup_slice(c ? c->password : r->password);
    d->certificate = dup_slice(c ? c->certificate : r->certificate);
    struct slice account = c ? c->account : r->account;
    d->account = account.n ? dup_slice(account) : NULL;
    d->mechanisms = c ? mechanism_bits(c->mechanisms, c->mechanism_count)
                      : mechanism_bits(r->mechanisms, r->mechanism_count);
}

static void copy_route(struct destination *d, const struct engine_route *r)
{
    d->tls = r->tls;
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
                                           struct slice name, bool requires_tls, int credential)
{
    const struct engine_route *r = route >= 0 ? &e->opt->routes[route] : NULL;
    struct destination *d = mem_new(sizeof *d);
    d->key = slice_of(mem_dup(key.p, key.n), key.n);
    d->generation = e->generation;
    d->route = route;
    d->name = dup_slice(name);
    d->helo = dup_slice(e->opt->hostname);
    d->tls = e->opt->delivery_tls;
    if (r)
        copy_route(d, r);
    source_take_pool(e, d);
    if (r)
        copy_login(d, r, credential >= 0 ? &e->opt->credentials[credential] : NULL);
    d->fallback = destination_fallback_of(e->opt, route);
    d->fallback = destination_fallback_of(e->opt, route);
    d->requires_tls = requires_tls;
    if (requires_tls)
        d->tls = DELIVERY_TLS_VERIFY;
    shape_limits(e, d);
    turns_init(&e->turns, &d->ready);
    list_init(&d->lines);
    list_init(&d->guests);
    policy_window_init(&d->window);
    timer_init(&d->timer, TIMER_DESTINATION);
    map_put(&e->destinations, d->key, d);
    shape_inherit(e, d);
    return d;
}

static bool is_by_mx(const struct engine *e, int route)
{
    return route < 0 || !e->opt->routes[route].host_count;
}

/* Into key, which is empty; where in it the domain begins, if there is one. */
static size_t build_key(const struct engine *e, int route, struct slice domain, bool requires_tls,
                        int credential, struct buf *key)
{
    buf_init(key, 1024);
    buf_addf(key, "%llu %d %s", (unsigned long long)e->generation, route,
             requires_tls ? "tls " : "");
    if (credential >= 0)
        buf_addf(key, "login %d ", credential);
    size_t head = key->n;
    if (is_by_mx(e, route))
        add_domain(key, domain);
    return head;
}

const struct destination *destination_find(const struct engine *e, int route, struct slice domain,
                                           bool requires_tls, int credential)
{
    struct buf key;
    build_key(e, route, domain, requires_tls, credential, &key);
    const struct destination *d = map_get(&e->destinations, buf_slice(&key));
    buf_close(&key);
    return d;
}

struct destination *destination_get(struct engine *e, int route, struct slice domain,
                                    bool requires_tls, int credential)
{
    struct buf key;
    size_t head = build_key(e, route, domain, requires_tls, credential, &key);
    struct destination *d = map_get(&e->destinations, buf_slice(&key));
    if (!d)
        d = destination_new(e, route, buf_slice(&key),
                            is_by_mx(e, route) ? slice_from(buf_slice(&key), head)
                                               : e->opt->routes[route].name,
                            requires_tls, credential);
    shape_used(e, d);
    buf_close(&key);
    set_kept(e, d, false);
    return d;
}

struct destination *destination_get_set(struct engine *e, const struct destination *domain,
                                        const struct home_host *host, unsigned count)
{
    struct buf key;
    buf_init(&key, 8192);
    buf_addf(&key, "%llu %d %smx", (unsigned long long)domain->generation, domain->route,
             domain->requires_tls ? "tls " : "");
    shape_add_class(e, domain, &key); /* domains that are treated otherwise do not share */
    for (unsigned i = 0; i < count; i++) {
        buf_addf(&key, " %u ", host[i].rank);
        for (size_t k = 0; k < host[i].name.n; k++)
            buf_add_char(&key, ascii_lower(host[i].name.p[k]));
    }
    struct destination *d = map_get(&e->destinations, buf_slice(&key));
    if (d) {
        unlinger(e, d);
        set_kept(e, d, false);
        shape_used(e, d);
    } else {
        d = destination_new(e, domain->route, buf_slice(&key), host[0].name, domain->requires_tls,
                            -1);
        d->domain = dup_slice(slice_cstr(domain->name));
        d->set = mem_new(count * sizeof *d->set);
        d->set_count = count;
        for (unsigned i = 0; i < count; i++)
            d->set[i] = (struct set_host){dup_slice(host[i].name), host[i].rank};
        shape_limits(e, d);
    }
    buf_close(&key);
    return d;
}

bool destination_is_unused(const struct destination *d)
{
    return !d->job_count && !d->line_count && !d->guest_count;
}

static bool is_worth_keeping(const struct engine *e, const struct destination *d)
{
    return d->health_count && d->set_count && !d->failures && d->generation == e->generation;
}

void destination_drop_lingering(struct engine *e)
{
    while (!list_is_empty(&e->lingering)) {
        struct destination *d = CONTAINER_OF(e->lingering.next, struct destination, in_lingering);
        if (d->linger_until_ms > e->now_ms && e->lingering_count <= LINGERING_MAX &&
            d->generation == e->generation)
            return;
        destination_free(e, d);
    }
}

void destination_drop_if_unused(struct engine *e, struct destination *d)
{
    if (!destination_is_unused(d) || list_has(&d->in_lingering) || shape_keeps(e, d))
        return;
    int64_t until_ms = route_host_known_until_ms(d);
    int64_t fallen_ms = fallback_known_until_ms(e, d->home ? d->home : d);
    if (until_ms < fallen_ms)
        until_ms = fallen_ms;
    if (d->generation == e->generation && until_ms > e->now_ms &&
        (d->is_kept || e->kept_count < KEPT_MAX)) {
        set_kept(e, d, true);
        timer_set(e, &d->timer, until_ms);
        return;
    }
    if (!is_worth_keeping(e, d)) {
        destination_free(e, d);
        return;
    }
    d->linger_until_ms = e->now_ms + LINGER_MS;
    list_add_last(&e->lingering, &d->in_lingering);
    e->lingering_count++;
    destination_drop_lingering(e);
}

void destination_on_options(struct engine *e)
{
    size_t at = 0;
    for (struct map_entry *m; (m = map_next(&e->destinations, &at));) {
        struct destination *d = m->value;
        if (destination_is_unused(d))
            timer_set(e, &d->timer, e->now_ms); /* is forgotten when it fires */
    }
}

bool destination_has_login(const struct destination *d)
{
    return (d->user && d->user[0]) || (d->certificate && d->certificate[0]);
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
    uint32_t most = shape_lines_most(e, d, d->limits.connections);
    if (d->failures)
        return 1; /* a probe */
    if (destination_has_login(d) && !d->is_login_good)
        return 1; /* many wrong logins at once would lock the user out */
    return d->window.most < most ? d->window.most : most;
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
    policy_window_init(&d->window);
    mem_free(d->trouble);
    d->trouble = dup_slice(slice_head(why, QUEUE_REASON_BYTES_MAX));
    timer_set(e, &d->timer, fallback_wake_ms(e, d));
    home_look_again(e, d);
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
    policy_window_crowded(&d->window, d->line_count - 1);
}

void destination_strained(struct engine *e, struct destination *d)
{
    (void)policy_window_trouble(&d->window, d->line_count, e->now_ms);
}

void destination_success(struct engine *e, struct destination *d)
{
    shape_proved(e, d);
    unsigned before = d->window.most;
    policy_window_success(&d->window, d->line_count, d->limits.connections);
    if (d->window.most > before && !turns_is_empty(&d->ready))
        schedule_want(e, d);
}
