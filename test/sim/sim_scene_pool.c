/* sim_scene_pool.c -- see the header. That the limits hold is checked in every scene: all domains
 * with the same hosts have one destination's connections together (sim_host.c). */
#include "sim_scene_pool.h"

#include <stdio.h>

enum { DOMAINS = 40, MAILS = 120, LINES_MOST = 6 };

/* DOMAINS domains that name both hosts, the first before the second. */
static void provider(struct sim_stage *s, unsigned host[2])
{
    char name[SIM_NAME_BYTES];
    host[0] = sim_host_add(s->w, "mx1.pool.test");
    host[1] = sim_host_add(s->w, "mx2.pool.test");
    for (unsigned i = 0; i < DOMAINS; i++) {
        snprintf(name, sizeof name, "p%u.test", i);
        struct sim_domain *d = sim_dns_add(s->w, name, SIM_DOMAIN_MX);
        sim_dns_add_mx(s->w, d, (uint16_t)(1 + i), host[0]);
        sim_dns_add_mx(s->w, d, (uint16_t)(100 + i), host[1]);
    }
    s->options.o.limits.connections = LINES_MOST;
}

static struct sim_mail *submit(struct sim_stage *s, unsigned domain)
{
    char to[64];
    snprintf(to, sizeof to, "u@p%u.test", domain % DOMAINS);
    return sim_stage_submit(s, to, 500);
}

static void submit_all(struct sim_stage *s, struct sim_mail *m[MAILS])
{
    for (unsigned i = 0; i < MAILS; i++)
        m[i] = submit(s, i);
}

static void expect_once_each(struct sim_stage *s, struct sim_mail *m[MAILS])
{
    for (unsigned i = 0; i < MAILS; i++)
        sim_stage_expect(
            s, sim_stage_fate(s, m[i], 0) == QUEUE_DELIVERED && sim_stage_takes(s, m[i], 0) == 1,
            "each is delivered, once");
}

void sim_scene_shared(struct sim_stage *s)
{
    struct sim_mail *m[MAILS];
    unsigned host[2];
    provider(s, host);
    sim_stage_begin(s);
    submit_all(s, m);
    sim_stage_wait_for_rest(s, SIM_MINUTE_MS);
    expect_once_each(s, m);
    const struct sim_host *h = &s->w->host[host[0]];
    sim_stage_expect(s, h->most_open <= LINES_MOST, "forty domains have one destination's lines");
    sim_stage_expect(s, h->connects <= 3 * LINES_MOST, "which are used again for one another");
    uint64_t taken = h->taken;
    (void)sim_stage_submit(s, "u@p1.test u@p2.test x@p3.test u@p4.test", 500);
    sim_stage_wait_for_rest(s, SIM_MINUTE_MS);
    sim_stage_expect(s, h->taken == taken + 1, "four domains, one transaction");
}

/* One of two hosts is silent: who has to wait for it is one connection now and then. */
void sim_scene_silent_host(struct sim_stage *s)
{
    struct sim_mail *m[MAILS];
    unsigned host[2];
    provider(s, host);
    sim_stage_mood(s, host[0], "silent");
    sim_stage_begin(s);
    submit_all(s, m);
    sim_stage_wait_for_rest(s, 5 * SIM_MINUTE_MS);
    expect_once_each(s, m);
    sim_stage_expect(s, sim_stage_notes(s, NOTE_DEFERRED) == 0, "the other takes all of it");
    for (unsigned i = 0; i < 6 * 20; i++) {
        (void)submit(s, i);
        sim_stage_wait(s, 3 * SIM_MINUTE_MS);
    }
    sim_stage_expect(s, s->w->host[host[0]].connects <= 40, "the silent one is probed, rarely");
    sim_stage_mood(s, host[0], "good");
    sim_stage_wait(s, SIM_HOUR_MS);
    uint64_t taken = s->w->host[host[0]].taken;
    submit_all(s, m);
    sim_stage_wait_for_rest(s, SIM_MINUTE_MS);
    submit_all(s, m);
    sim_stage_wait_for_rest(s, SIM_MINUTE_MS);
    sim_stage_expect(s, s->w->host[host[0]].taken > taken, "and has its mail when it is back");
}

/* Every second look-up fails, for a day, in one way or the other. */
void sim_scene_flapping(struct sim_stage *s)
{
    struct sim_mail *m[MAILS];
    unsigned host[2];
    char name[SIM_NAME_BYTES];
    provider(s, host);
    sim_stage_begin(s);
    for (unsigned i = 0; i < DOMAINS; i++) {
        snprintf(name, sizeof name, "p%u.test", i);
        struct sim_domain *d = sim_stage_find(s, name);
        d->trouble = i % 2 ? DNS_SERVFAIL : DNS_TIMEOUT;
        d->trouble_percent = 50;
    }
    for (unsigned i = 0; i < MAILS; i++) {
        m[i] = submit(s, i);
        sim_stage_wait(s, SIM_DAY_MS / MAILS);
    }
    unsigned delivered = 0;
    for (unsigned i = 0; i < MAILS; i++)
        delivered += sim_stage_fate(s, m[i], 0) == QUEUE_DELIVERED;
    sim_stage_expect(s, delivered > MAILS * 3 / 4, "most of it is delivered all the same");
    for (unsigned i = 0; i < DOMAINS; i++) {
        snprintf(name, sizeof name, "p%u.test", i);
        sim_stage_find(s, name)->trouble = DNS_OK;
    }
    sim_stage_wait_for_rest(s, 6 * SIM_HOUR_MS);
    expect_once_each(s, m);
    sim_stage_expect(s, sim_stage_notes(s, NOTE_BOUNCED) == 0, "and nothing comes back");
}

/* The hosts are dead for three days; on the second day half of the domains move away from them. */
void sim_scene_moved(struct sim_stage *s)
{
    struct sim_mail *m[MAILS];
    unsigned host[2];
    char name[SIM_NAME_BYTES];
    provider(s, host);
    unsigned other = sim_host_add(s->w, "new.pool.test");
    sim_stage_mood(s, host[0], "dead");
    sim_stage_mood(s, host[1], "silent");
    sim_stage_begin(s);
    submit_all(s, m);
    sim_stage_wait(s, SIM_DAY_MS);
    for (unsigned i = 0; i < DOMAINS; i += 2) {
        snprintf(name, sizeof name, "p%u.test", i);
        struct sim_domain *d = sim_stage_find(s, name);
        d->mx_count = 0;
        sim_dns_add_mx(s->w, d, 10, other);
    }
    sim_stage_wait(s, 6 * SIM_HOUR_MS);
    for (unsigned i = 0; i < MAILS; i++)
        sim_stage_expect(s, sim_stage_fate(s, m[i], 0) == (i % 2 ? QUEUE_WAITING : QUEUE_DELIVERED),
                         "what has moved is delivered, the rest waits");
    sim_stage_wait(s, 3 * (int64_t)SIM_DAY_MS - SIM_DAY_MS);
    uint64_t probes = s->w->host[host[0]].connects;
    sim_stage_expect(s, probes <= MAILS + 4 * 24 * 2, "the dead are probed, not stormed");
    sim_stage_mood(s, host[0], "good");
    sim_stage_wait_for_rest(s, 6 * SIM_HOUR_MS);
    expect_once_each(s, m);
    sim_stage_expect(s, s->w->host[other].taken == MAILS / 2, "each where it belongs");
}
