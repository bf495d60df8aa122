/* sim_host.c -- see the header. */
#include "sim_host.h"

#include "sim_world.h"

#include <stdio.h>
#include <string.h>

unsigned sim_host_add(struct sim_world *w, const char *name)
{
    CHECK(w->host_count < SIM_HOSTS_MAX);
    unsigned i = w->host_count++;
    struct sim_host *h = &w->host[i];
    *h = (struct sim_host){.mood = sim_mood_named("good"), .group = UINT32_MAX};
    snprintf(h->name, sizeof h->name, "%s", name);
    h->ip[h->ip_count++] = (struct ip){IP_V4, {11, 1, (uint8_t)(i >> 8), (uint8_t)(i & 255)}};
    return i;
}

void sim_host_add_v6(struct sim_world *w, unsigned host)
{
    struct sim_host *h = &w->host[host];
    CHECK(h->ip_count < SIM_HOST_ADDRESSES_MAX);
    h->ip[h->ip_count++] = (struct ip){
        IP_V6,
        {0x26, 0x06, 0,
         1, [13] = (uint8_t)(host >> 8), [14] = (uint8_t)host, [15] = (uint8_t)h->ip_count}};
}

void sim_host_add_v4(struct sim_world *w, unsigned host)
{
    struct sim_host *h = &w->host[host];
    CHECK(h->ip_count < SIM_HOST_ADDRESSES_MAX);
    h->ip[h->ip_count] =
        (struct ip){IP_V4, {11, (uint8_t)(1 + h->ip_count), (uint8_t)(host >> 8), (uint8_t)host}};
    h->ip_count++;
}

static unsigned index_of(const struct sim_host *h, const struct ip *ip)
{
    unsigned i = 0;
    while (i < h->ip_count && !ip_eq(&h->ip[i], ip))
        i++;
    CHECK(i < h->ip_count);
    return i;
}

enum sim_reach sim_host_reach(const struct sim_host *h, const struct ip *ip)
{
    return h->reach[index_of(h, ip)];
}

int64_t sim_host_slow_ms(const struct sim_host *h, const struct ip *ip)
{
    return h->slow_ms[index_of(h, ip)];
}

static void join(struct sim_world *w, unsigned a, unsigned b)
{
    for (unsigned i = 0; i < w->domain_count; i++)
        if (w->domain[i].group == a)
            w->domain[i].group = b;
    for (unsigned i = 0; i < w->host_count; i++)
        if (w->host[i].group == a)
            w->host[i].group = b;
}

/* Both name the same hosts, as good as one another in the same way: one destination. Whether the
 * relay cuts the list at its own name is not looked into. */
static bool is_same_set(const struct sim_domain *a, const struct sim_domain *b)
{
    bool is_mx = a->kind == SIM_DOMAIN_MX && b->kind == SIM_DOMAIN_MX;
    if (!is_mx || a->is_own_mx || b->is_own_mx || a->mx_count != b->mx_count)
        return false;
    for (unsigned i = 0; i < a->mx_count; i++) {
        unsigned k = 0, better_a = 0, better_b = 0;
        while (k < b->mx_count && b->mx[k].host != a->mx[i].host)
            k++;
        if (k == b->mx_count)
            return false;
        for (unsigned n = 0; n < a->mx_count; n++) {
            better_a += a->mx[n].preference < a->mx[i].preference;
            better_b += b->mx[n].preference < b->mx[k].preference;
        }
        if (better_a != better_b)
            return false;
    }
    return true;
}

static bool has_twin_before(const struct sim_world *w, unsigned domain)
{
    for (unsigned i = 0; i < domain; i++)
        if (w->domain[i].group == w->domain[domain].group &&
            is_same_set(&w->domain[i], &w->domain[domain]) &&
            is_same_set(&w->domain[domain], &w->domain[i])) /* a host may stand there twice */
            return true;
    return false;
}

void sim_host_group(struct sim_world *w)
{
    memset(w->group_sets, 0, sizeof w->group_sets);
    for (unsigned i = 0; i < w->domain_count; i++) {
        for (unsigned k = 0; k < w->domain[i].mx_count; k++) {
            struct sim_host *h = &w->host[w->domain[i].mx[k].host];
            if (h->group == UINT32_MAX)
                h->group = w->domain[i].group;
            else if (h->group != w->domain[i].group)
                join(w, h->group, w->domain[i].group);
        }
    }
    for (unsigned i = 0; i < w->domain_count; i++)
        w->group_sets[w->domain[i].group] += !has_twin_before(w, i);
}

static struct sim_host *host_at(struct sim_world *w, const struct ip *ip)
{
    for (unsigned i = 0; i < w->host_count; i++)
        for (unsigned k = 0; k < w->host[i].ip_count; k++)
            if (ip_eq(&w->host[i].ip[k], ip))
                return &w->host[i];
    return NULL;
}

void sim_host_on_dialled(struct sim_world *w, struct sim_conn *c)
{
    struct sim_host *h = host_at(w, &c->address.ip);
    c->host = h;
    if (w->net.outgoing > w->out_max)
        sim_fail(w, "%u connections go out, %u are allowed", w->net.outgoing, w->out_max);
    if (c->source.family != IP_NONE && c->source.family != c->address.ip.family)
        sim_fail(w, "a source of the wrong family");
    if (!h)
        return;
    h->connects++;
    h->connects_v6 += c->address.ip.family == IP_V6;
    if (h->source.family == c->source.family && !ip_eq(&h->source, &c->source))
        h->source_changes++;
    h->source = c->source;
    if (++h->open > h->most_open)
        h->most_open = h->open;
    if (h->group == UINT32_MAX)
        return;
    unsigned open = ++w->group_open[h->group], most = w->out_each_max * w->group_sets[h->group];
    if (open > most)
        sim_fail(w, "%u connections to the hosts of %s, %u are allowed", open, h->name, most);
}

void sim_host_on_hung_up(struct sim_world *w, struct sim_conn *c)
{
    struct sim_host *h = c->host;
    if (!h)
        return;
    h->open--;
    if (h->group != UINT32_MAX)
        w->group_open[h->group]--;
}

void sim_host_on_mail(struct sim_world *w, struct sim_host *h)
{
    CHECK(h->rate_count <= SIM_HOST_RATE_MAX);
    uint64_t n = h->mails++;
    if (!h->rate_count)
        return;
    int64_t now_ms = sim_world_now_ms(w), *then = &h->mail_ms[n % h->rate_count];
    if (n >= h->rate_count && now_ms - *then < h->rate_ms - SIM_HOST_RATE_SLACK_MS)
        sim_fail(w, "%s sees %u messages in %lld ms", h->name, h->rate_count + 1,
                 (long long)(now_ms - *then));
    *then = now_ms;
}

bool sim_host_takes_tls(struct sim_world *w, struct sim_conn *c, bool needs_verify)
{
    const struct sim_host *h = c->host;
    if (!h || !c->has_peer)
        return false;
    switch (h->tls) {
    case SIM_TLS_NONE:
    case SIM_TLS_REFUSED:
    case SIM_TLS_BROKEN:
        return false;
    case SIM_TLS_GOOD:
        return true;
    case SIM_TLS_UNKNOWN:
        return !needs_verify;
    }
    return false;
}
