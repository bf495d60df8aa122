/* sim_dns.c -- see the header. */
#include "sim_world.h"

#include <stdio.h>
#include <string.h>

enum { TIME_OUT_MS = 10 * 1000, TTL_S = 600, TTL_NEGATIVE_S = 120 };

struct question {
    uint64_t ticket, life;
    enum dns_type type;
    char name[DNS_NAME_BYTES_MAX];
};

struct sim_domain *sim_dns_add(struct sim_world *w, const char *name, enum sim_domain_kind kind)
{
    CHECK(w->domain_count < SIM_DOMAINS_MAX);
    struct sim_domain *d = &w->domain[w->domain_count];
    *d = (struct sim_domain){.kind = kind, .trouble_percent = 100, .group = w->domain_count};
    w->domain_count++;
    snprintf(d->name, sizeof d->name, "%s", name);
    return d;
}

void sim_dns_add_mx(struct sim_world *w, struct sim_domain *d, uint16_t preference, unsigned host)
{
    CHECK(d->mx_count < SIM_MX_MAX && host < w->host_count);
    d->mx[d->mx_count].preference = preference;
    d->mx[d->mx_count++].host = host;
}

struct sim_domain *sim_dns_find(struct sim_world *w, struct slice name)
{
    for (unsigned i = 0; i < w->domain_count; i++)
        if (slice_eq_nocase(slice_cstr(w->domain[i].name), name))
            return &w->domain[i];
    return NULL;
}

static const struct sim_host *find_host(struct sim_world *w, struct slice name)
{
    for (unsigned i = 0; i < w->host_count; i++)
        if (slice_eq_nocase(slice_cstr(w->host[i].name), name))
            return &w->host[i];
    return NULL;
}

static void add_addresses(const struct sim_host *h, enum dns_type type, struct dns_answer *out)
{
    enum ip_family family = type == DNS_A ? IP_V4 : IP_V6;
    for (unsigned i = 0; i < h->ip_count; i++)
        if (h->ip[i].family == family && out->count < DNS_RECORDS_MAX)
            out->record[out->count++].ip = h->ip[i];
    out->result = out->count ? DNS_OK : DNS_NO_DATA;
}

static void add_mx(struct dns_answer *out, uint16_t preference, const char *name)
{
    struct dns_record *r = &out->record[out->count++];
    r->preference = preference;
    snprintf(r->name, sizeof r->name, "%s", name);
}

static void add_hosts(struct sim_world *w, const struct sim_domain *d, struct dns_answer *out)
{
    for (unsigned i = 0; i < d->mx_count; i++)
        add_mx(out, d->mx[i].preference, w->host[d->mx[i].host].name);
    if (d->is_own_mx)
        add_mx(out, d->own_preference, "relay.test");
    out->result = out->count ? DNS_OK : DNS_NO_DATA;
}

static void answer_domain(struct sim_world *w, const struct sim_domain *d, enum dns_type type,
                          struct dns_answer *out)
{
    switch (d->kind) {
    case SIM_DOMAIN_MX:
        if (type == DNS_MX)
            add_hosts(w, d, out);
        break;
    case SIM_DOMAIN_IMPLICIT:
        if (type != DNS_MX)
            add_addresses(&w->host[d->mx[0].host], type, out);
        break;
    case SIM_DOMAIN_NULL:
        if (type == DNS_MX) {
            add_mx(out, 0, "");
            out->result = DNS_OK;
        }
        break;
    case SIM_DOMAIN_MISSING:
        out->result = DNS_NO_NAME;
        break;
    case SIM_DOMAIN_BARE:
        break;
    }
}

static void fill(struct sim_world *w, const struct question *q, struct dns_answer *out)
{
    struct slice name = slice_cstr(q->name);
    const struct sim_domain *d = sim_dns_find(w, name);
    const struct sim_host *h = d ? NULL : find_host(w, name);
    out->result = DNS_NO_DATA;
    out->count = 0;
    if (d && d->trouble != DNS_OK && rng_chance(&w->rng, d->trouble_percent)) {
        out->result = d->trouble;
    } else if (d) {
        answer_domain(w, d, q->type, out);
    } else if (h && h->dns_trouble != DNS_OK) {
        out->result = h->dns_trouble;
    } else if (h) {
        if (q->type == DNS_A || q->type == DNS_AAAA)
            add_addresses(h, q->type, out);
    } else {
        out->result = DNS_NO_NAME;
    }
    out->ttl_s = out->result == DNS_OK ? TTL_S : TTL_NEGATIVE_S;
}

static void answer(struct sim_world *w, void *thing, uint64_t result)
{
    static struct dns_answer a; /* large; only one at a time */
    struct question *q = thing;
    if (q->life == w->life) {
        memset(&a, 0, offsetof(struct dns_answer, record));
        memset(a.record, 0, 8 * sizeof *a.record);
        if (result == DNS_OK)
            fill(w, q, &a);
        else
            a.result = (enum dns_result)result;
        struct engine_event ev = {.kind = EVENT_ANSWER, .ticket = q->ticket, .answer = &a};
        sim_world_tell(w, &ev);
    }
}

void sim_dns_lookup(struct sim_world *w, uint64_t ticket, struct slice name, enum dns_type type)
{
    struct question *q = arena_new(&w->arena, sizeof *q);
    q->ticket = ticket;
    q->life = w->life;
    q->type = type;
    snprintf(q->name, sizeof q->name, "%.*s", SLICE_FMT(name));
    const struct sim_domain *d = sim_dns_find(w, name);
    bool is_lost = d && d->trouble == DNS_TIMEOUT && rng_chance(&w->rng, d->trouble_percent);
    int64_t after_us = is_lost ? TIME_OUT_MS * 1000 : rng_between(&w->rng, 100, 80000);
    sim_agenda_add(&w->agenda, w->now_us + after_us, answer, q, is_lost ? DNS_TIMEOUT : DNS_OK);
}
