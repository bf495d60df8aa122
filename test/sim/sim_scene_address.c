/* sim_scene_address.c -- scenes of hosts with several addresses, of which some are of no use. */
#include "sim_scene_address.h"

#include <stdio.h>
#include <string.h>

static bool is_delivered(const struct sim_stage *s, const void *mail)
{
    return sim_stage_fate(s, mail, 0) == QUEUE_DELIVERED;
}

static bool is_quiet(const struct sim_stage *s, const void *unused)
{
    return s->w->net.outgoing == 0;
}

/* One message, within so long, and no connection is left open. */
static void deliver(struct sim_stage *s, const char *to, int64_t most_ms)
{
    struct sim_mail *m = sim_stage_submit(s, to, 2000);
    sim_stage_wait_for(s, is_delivered, m, most_ms, "delivered in time");
    sim_stage_wait_for(s, is_quiet, NULL, SIM_MINUTE_MS, "the connection ends");
}

static struct sim_host *host_of(struct sim_stage *s)
{
    return &s->w->host[s->host];
}

void sim_scene_v6_hole(struct sim_stage *s)
{
    struct sim_host *h = host_of(s);
    sim_host_add_v6(s->w, s->host);
    h->reach[1] = SIM_REACH_HOLE;
    sim_stage_begin(s);
    for (int i = 0; i < 10; i++)
        deliver(s, "u@d.test", 5 * SIM_SECOND_MS);
    /* Three times first, then where IPv4 is slow to answer. */
    sim_stage_expect(s, h->connects_v6 >= 3 && h->connects_v6 <= 5, "it is left alone");
    h->reach[1] = SIM_REACH_WELL;
    sim_stage_wait(s, 15 * SIM_MINUTE_MS);
    for (int i = 0; i < 5 && !h->taken_v6; i++) {
        deliver(s, "u@d.test", 5 * SIM_SECOND_MS);
        sim_stage_wait(s, 30 * SIM_MINUTE_MS);
    }
    sim_stage_expect(s, h->taken_v6 > 0, "IPv6 is used again when it works again");
    sim_stage_expect(s, sim_stage_notes(s, NOTE_DEFERRED) == 0, "nothing was put off");
}

void sim_scene_v6_refused(struct sim_stage *s)
{
    struct sim_host *h = host_of(s);
    sim_host_add_v6(s->w, s->host);
    h->refuses_v6 = true;
    sim_stage_begin(s);
    for (int i = 0; i < 5; i++)
        deliver(s, "u@d.test", 5 * SIM_SECOND_MS);
    sim_stage_expect(s, h->taken == 5 && !h->taken_v6, "all of it over IPv4");
    sim_stage_expect(s, h->connects_v6 <= 2, "and IPv6 is left alone");
    sim_stage_expect(s, !sim_stage_notes(s, NOTE_BOUNCED) && !sim_stage_notes(s, NOTE_DEFERRED),
                     "no message minds");
}

/* Twenty destinations, all with IPv6, and a machine without. */
void sim_scene_no_v6(struct sim_stage *s)
{
    enum { DOMAINS = 20 };
    unsigned host[DOMAINS];
    uint64_t calls = 0;
    char name[SIM_NAME_BYTES];
    for (unsigned i = 0; i < DOMAINS; i++) {
        snprintf(name, sizeof name, "d%u.test", i);
        host[i] = sim_stage_domain(s, name);
        sim_host_add_v6(s->w, host[i]);
        s->w->host[host[i]].reach[1] = SIM_REACH_NO_ROUTE;
    }
    sim_stage_begin(s);
    for (unsigned i = 0; i < DOMAINS; i++) {
        snprintf(name, sizeof name, "u@d%u.test", i);
        deliver(s, name, 5 * SIM_SECOND_MS);
        calls += s->w->host[host[i]].connects_v6;
    }
    sim_stage_expect(s, sim_stage_notes(s, NOTE_V6_AVOIDED) == 1, "found out once for all");
    sim_stage_expect(s, calls >= 3 && calls <= 6, "it is left alone");
}

/* Two hosts of eight addresses; half of them are dead one way or another, the better host's first
 * ones, too. */
void sim_scene_half_dead(struct sim_stage *s)
{
    unsigned host[2] = {s->host, sim_host_add(s->w, "b.d.test")};
    sim_dns_add_mx(s->w, sim_stage_find(s, "d.test"), 20, host[1]);
    for (unsigned k = 0; k < 2; k++) {
        struct sim_host *h = &s->w->host[host[k]];
        while (h->ip_count < SIM_HOST_ADDRESSES_MAX)
            h->ip_count % 2 ? sim_host_add_v6(s->w, host[k]) : sim_host_add_v4(s->w, host[k]);
    }
    sim_stage_begin(s);
    struct sim_host *h = host_of(s);
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < SIM_HOST_ADDRESSES_MAX; i++)
            h->reach[i] = (round * 37 + i * 11) % 8 < 4 ? SIM_REACH_WELL
                          : i % 3                       ? SIM_REACH_HOLE
                                                        : SIM_REACH_REFUSED;
        deliver(s, "u@d.test", 12 * SIM_SECOND_MS);
    }
    sim_stage_expect(s, h->taken == 20, "by the better host, each time");
    for (unsigned i = 0; i < SIM_HOST_ADDRESSES_MAX; i++)
        h->reach[i] = SIM_REACH_HOLE;
    deliver(s, "u@d.test", 40 * SIM_SECOND_MS);
    sim_stage_expect(s, s->w->host[host[1]].taken == 1, "or by the other one, when it is a hole");
    sim_stage_expect(s, sim_stage_notes(s, NOTE_DEFERRED) == 0, "nothing was put off");
}

/* A host that takes long to answer is waited for when it is the only one. */
void sim_scene_slow_host(struct sim_stage *s)
{
    struct sim_host *h = host_of(s);
    h->slow_ms[0] = 20 * SIM_SECOND_MS;
    sim_host_add_v6(s->w, s->host);
    h->slow_ms[1] = 25 * SIM_SECOND_MS;
    sim_stage_begin(s);
    for (int i = 0; i < 3; i++)
        deliver(s, "u@d.test", 40 * SIM_SECOND_MS);
    sim_stage_expect(s, sim_stage_notes(s, NOTE_DEFERRED) == 0, "nothing was put off");
}

void sim_scene_sources(struct sim_stage *s)
{
    sim_options_add_sources(&s->options);
    struct sim_host *h = host_of(s);
    sim_stage_begin(s);
    for (int i = 0; i < 5; i++)
        deliver(s, "u@d.test", 5 * SIM_SECOND_MS);
    sim_world_crash(s->w, SIM_KILL, SIM_SECOND_MS);
    deliver(s, "u@d.test", SIM_MINUTE_MS);
    sim_stage_expect(s, h->source.family == IP_V4 && !h->source_changes,
                     "a destination has its source, also over a restart");
    char first[SIM_NAME_BYTES];
    snprintf(first, sizeof first, "%s", h->hello);
    s->w->bad_source = h->source;
    deliver(s, "u@d.test", 5 * SIM_SECOND_MS);
    sim_stage_expect(s, h->source_changes == 1 && strcmp(first, h->hello) != 0,
                     "the other one when it is gone, by its own name");
    sim_stage_expect(s, sim_stage_notes(s, NOTE_SOURCE_REFUSED) == 1, "and the log says so once");
    sim_stage_expect(s, sim_stage_notes(s, NOTE_DEFERRED) == 0, "nothing was put off");
    s->w->bad_source = (struct ip){.family = IP_NONE};
}
