/* resolve.c -- station 4: from a destination's name to the addresses to try, in order.
 *
 *   route: its hosts                         -> A, AAAA of each -> targets
 *   MX:    MX(domain) -> hosts by preference -> A, AAAA of each -> targets
 *          no MX: the domain itself (RFC 5321 5.1); literal: no look-up at all
 *
 * Look-ups go through a cache by TTL, negative answers too; equal questions asked at the same time
 * are one question. "There is no such name" is for good, everything else is tried again. */
#include "home.h"
#include "policy/policy_mx.h"
#include "race.h"

#include <stdio.h>
#include <string.h>

enum {
    HOSTS_MAX = ENGINE_HOSTS_MAX, /* of one domain or route; RFC 5321 5.1 asks for two at least */
    TARGETS_MAX = 40,             /* addresses in all */
    ADDRESSES_MAX = 8,            /* of one host and family */
    CACHE_MAX = 20000,            /* entries */
    TTL_LEAST_S = 5,
    TTL_MOST_S = 3600,
    NEGATIVE_MOST_S = 300,
    TROUBLE_S = 10, /* SERVFAIL, time-out */
    TARGETS_LEAST_MS = 60 * 1000,
};

_Static_assert((int)TARGETS_MAX <= (int)RACE_TARGETS_MAX, "a line knows which it has tried");

struct resolve_host {
    char name[DNS_NAME_BYTES_MAX];
    uint16_t port;
    unsigned rank; /* of an MX: 0 is preferred */
    struct ip v4[ADDRESSES_MAX], v6[ADDRESSES_MAX];
    unsigned v4_count, v6_count;
    bool is_temporary; /* a look-up failed in a way that may pass */
};

/* One destination's look-ups under way. */
struct resolve {
    struct engine *engine;
    struct destination *destination; /* NULL: cancelled, only waits for its answers */
    unsigned pending;
    unsigned host_count;
    int64_t until_ms;
    bool is_private; /* an address was left out */
    struct resolve_host host[HOSTS_MAX];
};

/* A cached answer, or a question under way with those who wait for it. */
struct waiter {
    struct waiter *next;
    struct resolve *resolve;
    int host; /* -1: the MX look-up */
};
struct lookup {
    struct slice key; /* owned: "28 mx.example." */
    struct list in_age;
    bool is_pending;
    bool is_handed_out; /* just now: must stay */
    struct waiter *waiter;
    int64_t until_ms;
    enum dns_type type;
    enum dns_result result;
    unsigned count;
    struct dns_record *record; /* owned */
};

void target_list_unref(struct target_list *t)
{
    if (!t || --t->refs)
        return;
    for (uint32_t i = 0; i < t->count; i++)
        mem_free(t->target[i].host);
    mem_free(t);
}

/* The cache */

static void lookup_free(struct engine *e, struct lookup *l)
{
    map_take(&e->dns_cache, l->key);
    list_remove(&l->in_age);
    while (l->waiter) {
        struct waiter *w = l->waiter;
        l->waiter = w->next;
        mem_free(w);
    }
    mem_free((char *)(uintptr_t)l->key.p);
    mem_free(l->record);
    mem_free(l);
}

static void make_room(struct engine *e)
{
    struct list *next;
    for (struct list *l = e->dns_age.next; l != &e->dns_age && e->dns_cache.count >= CACHE_MAX;
         l = next) {
        next = l->next;
        struct lookup *old = CONTAINER_OF(l, struct lookup, in_age);
        if (!old->is_pending && !old->is_handed_out)
            lookup_free(e, old);
    }
}

static int64_t lives_ms(const struct dns_answer *a)
{
    uint32_t ttl = a->ttl_s;
    switch (a->result) {
    case DNS_OK:
        ttl = ttl < TTL_LEAST_S ? TTL_LEAST_S : ttl > TTL_MOST_S ? TTL_MOST_S : ttl;
        break;
    case DNS_NO_DATA:
    case DNS_NO_NAME:
    case DNS_BAD_NAME:
        ttl = ttl < TTL_LEAST_S ? TTL_LEAST_S : ttl > NEGATIVE_MOST_S ? NEGATIVE_MOST_S : ttl;
        break;
    case DNS_SERVFAIL:
    case DNS_TIMEOUT:
    case DNS_BAD:
    case DNS_TRUNCATED:
        ttl = TROUBLE_S;
        break;
    }
    return (int64_t)ttl * 1000;
}

static void on_mx(struct engine *e, struct resolve *r, const struct lookup *l);
static void on_addresses(struct resolve *r, struct resolve_host *h, const struct lookup *l);
static void finish_if_complete(struct engine *e, struct resolve *r);

static void hand_out(struct engine *e, struct lookup *l, struct resolve *r, int host)
{
    if (r->destination) {
        if (l->until_ms < r->until_ms)
            r->until_ms = l->until_ms;
        if (host < 0)
            on_mx(e, r, l);
        else
            on_addresses(r, &r->host[host], l);
    }
    r->pending--;
    finish_if_complete(e, r);
}

struct lookup_key {
    char text[DNS_NAME_BYTES_MAX + 16];
    size_t n;
};

static struct lookup_key key_of(struct slice name, enum dns_type type)
{
    struct lookup_key k;
    k.n = (size_t)snprintf(k.text, sizeof k.text, "%d %.*s", (int)type,
                           SLICE_FMT(slice_head(name, DNS_NAME_BYTES_MAX)));
    for (size_t i = 0; i < k.n; i++)
        k.text[i] = ascii_lower(k.text[i]);
    return k;
}

static void ask(struct engine *e, struct resolve *r, int host, struct slice name,
                enum dns_type type)
{
    struct lookup_key text = key_of(name, type);
    struct slice key = slice_of(text.text, text.n);
    struct lookup *l = map_get(&e->dns_cache, key);
    r->pending++;
    if (l && !l->is_pending && l->until_ms > e->now_ms) {
        hand_out(e, l, r, host);
        return;
    }
    if (l && !l->is_pending) {
        lookup_free(e, l);
        l = NULL;
    }
    bool is_new = !l;
    if (is_new) {
        make_room(e);
        l = mem_new(sizeof *l);
        l->key = slice_of(mem_dup(key.p, key.n), key.n);
        l->type = type;
        l->is_pending = true;
        map_put(&e->dns_cache, l->key, l);
        list_add_last(&e->dns_age, &l->in_age);
    }
    struct waiter *w = mem_new(sizeof *w);
    *w = (struct waiter){l->waiter, r, host};
    l->waiter = w;
    if (!is_new)
        return;
    struct slice kept = engine_keep(e, name);
    uint64_t ticket = ticket_new(e, TICKET_LOOKUP, l, 0, 0);
    struct engine_action *a = engine_do(e, ACTION_LOOKUP);
    a->ticket = ticket;
    a->text = kept;
    a->dns_type = type;
}

void resolve_on_answer(struct engine *e, void *entry, const struct dns_answer *a)
{
    struct lookup *l = entry;
    l->is_pending = false;
    l->result = a->result;
    l->count = a->result == DNS_OK ? a->count : 0;
    l->until_ms = e->now_ms + lives_ms(a);
    if (l->count) {
        l->record = mem_new(l->count * sizeof *l->record);
        memcpy(l->record, a->record, l->count * sizeof *l->record);
    }
    struct waiter *w = l->waiter;
    l->waiter = NULL;
    l->is_handed_out = true;
    while (w) {
        struct waiter *next = w->next;
        hand_out(e, l, w->resolve, w->host);
        mem_free(w);
        w = next;
    }
    l->is_handed_out = false;
}

/* One destination */

static void resolve_free(struct resolve *r)
{
    if (r->destination)
        r->destination->resolve = NULL;
    mem_free(r);
}

static void fail(struct engine *e, struct resolve *r, bool is_permanent, int subject, int detail,
                 const char *why)
{
    struct destination *d = r->destination;
    struct smtp_status status = {is_permanent ? 5 : 4, subject, detail};
    r->destination = NULL;
    d->resolve = NULL;
    d->state = DESTINATION_IDLE;
    if (home_stays(e, d))
        return;
    outcome_unresolved(e, d, is_permanent, status, slice_cstr(why));
}

static void add_host(struct resolve *r, struct slice name, uint16_t port, unsigned rank)
{
    if (r->host_count == HOSTS_MAX || name.n >= DNS_NAME_BYTES_MAX)
        return;
    struct resolve_host *h = &r->host[r->host_count++];
    memcpy(h->name, name.p, name.n);
    h->name[name.n] = 0;
    h->port = port;
    h->rank = rank;
}

static void ask_addresses(struct engine *e, struct resolve *r)
{
    for (unsigned i = 0; i < r->host_count && r->destination; i++) {
        struct resolve_host *h = &r->host[i];
        struct slice name = slice_cstr(h->name);
        struct ip ip;
        if (ip_parse(name, &ip) || ip_literal_parse(name, &ip)) {
            if (ip.family == IP_V4)
                h->v4[h->v4_count++] = ip;
            else
                h->v6[h->v6_count++] = ip;
            continue;
        }
        ask(e, r, (int)i, name, DNS_AAAA);
        ask(e, r, (int)i, name, DNS_A);
    }
}

static void on_mx(struct engine *e, struct resolve *r, const struct lookup *l)
{
    struct slice domain = slice_cstr(r->destination->name);
    struct dns_record record[DNS_RECORDS_MAX];
    unsigned count = l->count;
    switch (l->result) {
    case DNS_OK:
        memcpy(record, l->record, count * sizeof *record);
        break;
    case DNS_NO_DATA: /* the implicit MX */
        if (slice_eq_nocase(domain, e->opt->hostname)) {
            fail(e, r, true, 4, 6, "mail for this domain loops back to ourselves");
            return;
        }
        add_host(r, domain, e->opt->port, 0);
        ask_addresses(e, r);
        return;
    case DNS_NO_NAME:
        fail(e, r, true, 1, 2, "the domain does not exist");
        return;
    case DNS_BAD_NAME:
        fail(e, r, true, 1, 2, "the domain is no valid DNS name");
        return;
    case DNS_SERVFAIL:
        fail(e, r, false, 4, 3, "DNS: the look-up of the domain's MX failed (SERVFAIL)");
        return;
    case DNS_TIMEOUT:
        fail(e, r, false, 4, 3, "DNS: no answer to the look-up of the domain's MX");
        return;
    case DNS_BAD:
    case DNS_TRUNCATED:
        fail(e, r, false, 4, 3, "DNS: the answer with the domain's MX cannot be read");
        return;
    }
    switch (policy_mx_order(record, &count, e->opt->hostname, &e->rng)) {
    case POLICY_MX_NULL:
        fail(e, r, true, 1, 10, "the domain does not accept mail (null MX)");
        return;
    case POLICY_MX_LOOP:
        fail(e, r, true, 4, 6, "mail for this domain loops back to ourselves: we are its best MX");
        return;
    case POLICY_MX_OK:
        break;
    }
    for (unsigned i = 0, rank = 0; i < count; i++) {
        rank += i > 0 && record[i].preference != record[i - 1].preference;
        add_host(r, slice_cstr(record[i].name), e->opt->port, rank);
    }
    ask_addresses(e, r);
}

static void on_addresses(struct resolve *r, struct resolve_host *h, const struct lookup *l)
{
    switch (l->result) {
    case DNS_OK:
        break;
    case DNS_NO_DATA:
    case DNS_NO_NAME:
    case DNS_BAD_NAME:
        return;
    case DNS_SERVFAIL:
    case DNS_TIMEOUT:
    case DNS_BAD:
    case DNS_TRUNCATED:
        h->is_temporary = true;
        return;
    }
    bool is_v4 = l->type == DNS_A;
    struct ip *to = is_v4 ? h->v4 : h->v6;
    unsigned *count = is_v4 ? &h->v4_count : &h->v6_count;
    for (unsigned i = 0; i < l->count && *count < ADDRESSES_MAX; i++)
        to[(*count)++] = l->record[i].ip;
    for (unsigned i = *count; i > 1; i--) { /* round robin of the server or not: spread the load */
        unsigned j = (unsigned)rng_below(&r->engine->rng, i);
        struct ip x = to[i - 1];
        to[i - 1] = to[j];
        to[j] = x;
    }
}

static void add_target(struct engine *e, struct resolve *r, struct target_list *t,
                       const struct resolve_host *h, const struct ip *ip)
{
    if (!r->destination->host_count && !e->opt->allow_private_mx && ip_is_private(ip))
        r->is_private = true;
    else if (t->count < TARGETS_MAX)
        t->target[t->count++] = (struct target){
            {*ip, h->port}, mem_dup(h->name, strlen(h->name)), (unsigned)(h - r->host)};
}

/* The families in turn, IPv6 first (RFC 8305 section 4). */
static void add_targets(struct engine *e, struct resolve *r, struct target_list *t,
                        const struct resolve_host *h)
{
    for (unsigned i = 0; i < h->v6_count || i < h->v4_count; i++) {
        if (i < h->v6_count)
            add_target(e, r, t, h, &h->v6[i]);
        if (i < h->v4_count)
            add_target(e, r, t, h, &h->v4[i]);
    }
}

static void go_home(struct engine *e, struct destination *domain, const struct resolve *r,
                    struct target_list *t, int64_t until_ms)
{
    struct home_host host[HOSTS_MAX];
    for (unsigned i = 0; i < r->host_count; i++)
        host[i] = (struct home_host){slice_cstr(r->host[i].name), r->host[i].rank};
    home_found(e, domain, host, r->host_count, t, until_ms);
}

/* A set's hosts, equal ones in any order. */
static void add_set(struct engine *e, struct resolve *r, const struct destination *d)
{
    unsigned order[HOSTS_MAX];
    for (unsigned i = 0; i < d->set_count; i++) {
        unsigned from = i, to;
        while (from > 0 && d->set[from - 1].rank == d->set[i].rank)
            from--;
        to = from + (unsigned)rng_below(&e->rng, i - from + 1);
        order[i] = order[to];
        order[to] = i;
    }
    for (unsigned i = 0; i < d->set_count; i++) {
        const struct set_host *h = &d->set[order[i]];
        add_host(r, slice_cstr(h->name), e->opt->port, h->rank);
    }
}

/* All answers are there: the targets, or why there are none. */
static void finish(struct engine *e, struct resolve *r)
{
    struct destination *d = r->destination;
    struct target_list *t = mem_new(sizeof *t + TARGETS_MAX * sizeof *t->target);
    t->refs = 1;
    bool is_temporary =
        d->host_count > 0; /* a smarthost's name is the operator's: never bounce for it */
    for (unsigned i = 0; i < r->host_count; i++) {
        const struct resolve_host *h = &r->host[i];
        is_temporary |= h->is_temporary;
        add_targets(e, r, t, h);
    }
    if (t->count) {
        int64_t least = e->now_ms + TARGETS_LEAST_MS;
        int64_t until = r->until_ms < least ? least : r->until_ms;
        r->destination = NULL;
        d->resolve = NULL;
        if (d->host_count || d->set_count)
            schedule_on_targets(e, d, t, until);
        else
            go_home(e, d, r, t, until);
        return;
    }
    target_list_unref(t);
    if (is_temporary)
        fail(e, r, false, 4, 3,
             d->host_count ? "DNS: no address of the smarthost can be found"
                           : "DNS: the addresses of the domain's hosts cannot be looked up");
    else if (r->is_private)
        fail(e, r, true, 4, 4,
             "all hosts of the domain have private addresses (see delivery.allow_private_mx)");
    else
        fail(e, r, true, 4, 4, "no host of the domain has an address");
}

static void finish_if_complete(struct engine *e, struct resolve *r)
{
    if (r->pending)
        return;
    if (r->destination)
        finish(e, r);
    resolve_free(r);
}

void resolve_destination(struct engine *e, struct destination *d)
{
    struct resolve *r = mem_new(sizeof *r);
    r->engine = e;
    r->destination = d;
    r->until_ms = INT64_MAX / 2;
    r->pending = 1; /* ours, until all questions are asked */
    d->resolve = r;
    struct slice name = slice_cstr(d->name);
    for (unsigned i = 0; i < d->host_count; i++)
        add_host(r, slice_cstr(d->host[i].name), d->host[i].port, 0);
    add_set(e, r, d);
    if (d->host_count || d->set_count) {
        ask_addresses(e, r);
    } else if (name.n > 2 && name.p[0] == '[' && name.p[name.n - 1] == ']') {
        add_host(r, slice_of(name.p + 1, name.n - 2), e->opt->port, 0);
        ask_addresses(e, r);
    } else {
        ask(e, r, -1, name, DNS_MX);
    }
    r->pending--;
    finish_if_complete(e, r);
}

void resolve_cancel(struct engine *e, struct destination *d)
{
    if (!d->resolve)
        return;
    d->resolve->destination = NULL; /* freed with its last answer */
    d->resolve = NULL;
}

const struct dns_record *resolve_known(const struct engine *e, struct slice name,
                                       enum dns_type type, int64_t now_ms, unsigned *count)
{
    struct lookup_key key = key_of(name, type);
    const struct lookup *l = map_get(&e->dns_cache, slice_of(key.text, key.n));
    bool is_known = l && !l->is_pending && l->until_ms > now_ms && l->result == DNS_OK;
    *count = is_known ? l->count : 0;
    return is_known ? l->record : NULL;
}

uint64_t resolve_cache_count(const struct engine *e)
{
    return e->dns_cache.count;
}

void resolve_init(struct engine *e)
{
    map_init(&e->dns_cache, rng_u64(&e->rng));
    list_init(&e->dns_age);
}

void resolve_close(struct engine *e)
{
    size_t at = 0;
    for (struct map_entry *m; (m = map_next(&e->dns_cache, &at)); at = 0) {
        struct lookup *l = m->value;
        for (struct waiter *w = l->waiter; w; w = w->next)
            if (--w->resolve->pending == 0)
                resolve_free(w->resolve);
        lookup_free(e, l);
    }
    map_close(&e->dns_cache);
}
