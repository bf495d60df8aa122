/* sim_scene.c -- see the header. A scene says what it shows in its row; what the ledger checks is
 * checked in every one of them. */
#include "sim_scene.h"
#include "sim_scene_address.h"
#include "sim_scene_full.h"
#include "sim_scene_login.h"
#include "sim_scene_order.h"
#include "sim_scene_pool.h"
#include "sim_scene_reuse.h"
#include "sim_scene_route.h"
#include "sim_scene_shape.h"
#include "sim_scene_staging.h"
#include "sim_scene_token.h"
#include "sim_scene_turns.h"

#include "sim_stage.h"

#include <stdio.h>
#include <string.h>

/* --- what to wait for --- */

static bool is_accepted(const struct sim_stage *s, const void *mail)
{
    return ((const struct sim_mail *)mail)->state == SIM_MAIL_ACCEPTED;
}

static bool is_delivered(const struct sim_stage *s, const void *mail)
{
    return sim_stage_fate(s, mail, 0) == QUEUE_DELIVERED;
}

static bool is_taken(const struct sim_stage *s, const void *mail)
{
    return sim_stage_takes(s, mail, 0) > 0;
}

static bool was_put_off(const struct sim_stage *s, const void *unused)
{
    return sim_stage_notes(s, NOTE_DEFERRED) > 0;
}

static bool is_syncing(const struct sim_stage *s, const void *mail)
{
    return ((const struct sim_mail *)mail)->state == SIM_MAIL_SAID && s->w->io[0].is_out &&
           s->w->io[0].io.kind == JOURNAL_IO_SYNC;
}

static bool is_connected(const struct sim_stage *s, const void *unused)
{
    return s->w->net.outgoing > 0;
}

static void expect_delivered(struct sim_stage *s, const struct sim_mail *m, unsigned i)
{
    sim_stage_expect(s, sim_stage_fate(s, m, i) == QUEUE_DELIVERED, "it is delivered");
    sim_stage_expect(s, sim_stage_takes(s, m, i) == 1, "it was taken once");
}

static void expect_failure(struct sim_stage *s, const struct sim_mail *m, unsigned i,
                           enum queue_fate fate, const char *status)
{
    const struct sim_report *r = sim_stage_report(s, m, true);
    sim_stage_expect(s, sim_stage_fate(s, m, i) == fate, "it has failed");
    if (!r)
        return;
    sim_stage_expect(s,
                     r->count == 1 && slice_eq(r->recipient[0], slice_cstr(m->recipient[i].text)),
                     "the report names the recipient and nobody else");
    sim_stage_expect(s, slice_eq(r->status[0], slice_cstr(status)), "the report has the status");
    sim_stage_expect(s, r->has_original || !m->has_header, "the report has the original's header");
}

/* --- delivery --- */

static void plain(struct sim_stage *s)
{
    sim_stage_begin(s);
    struct sim_mail *m = sim_stage_submit(s, "u@d.test", 2000);
    sim_stage_wait_for(s, is_delivered, m, 5 * SIM_SECOND_MS, "delivered within seconds");
    expect_delivered(s, m, 0);
}

static void greylisted(struct sim_stage *s)
{
    sim_stage_begin(s);
    struct sim_mail *m = sim_stage_submit(s, "g@d.test", 2000);
    sim_stage_wait_for(s, was_put_off, NULL, 5 * SIM_SECOND_MS, "put off at first");
    sim_stage_wait_for(s, is_delivered, m, 15 * SIM_MINUTE_MS, "delivered later");
    sim_stage_expect(s, sim_stage_notes(s, NOTE_REPORTED) == 0, "nobody is bothered");
}

static void one_of_three(struct sim_stage *s)
{
    sim_stage_begin(s);
    struct sim_mail *m = sim_stage_submit(s, "u@d.test x@d.test u@d.test", 2000);
    sim_stage_wait_for_rest(s, SIM_MINUTE_MS);
    expect_delivered(s, m, 0);
    expect_delivered(s, m, 2);
    expect_failure(s, m, 1, QUEUE_BOUNCED, "5.1.1");
    const struct sim_report *r = sim_stage_report(s, m, true);
    sim_stage_expect(s, r && slice_starts(r->diagnostic[0], SLICE("550 5.1.1 no such user here")),
                     "the report has the remote's own words");
}

static void fallback(struct sim_stage *s)
{
    struct sim_domain *d = sim_stage_find(s, "d.test");
    unsigned silent = sim_host_add(s->w, "silent.d.test"), last = sim_host_add(s->w, "c.d.test");
    sim_dns_add_mx(s->w, d, 20, silent);
    sim_dns_add_mx(s->w, d, 30, last);
    sim_stage_mood(s, s->host, "dead");
    sim_stage_mood(s, silent, "silent");
    sim_stage_begin(s);
    struct sim_mail *m = sim_stage_submit(s, "u@d.test", 2000);
    sim_stage_wait_for(s, is_delivered, m, 2 * SIM_MINUTE_MS, "delivered to the third MX");
    sim_stage_expect(s, s->w->host[last].taken == 1, "the third host has it");
    sim_stage_expect(s, sim_stage_notes(s, NOTE_DEFERRED) == 0, "in one attempt");
}

static void null_mx(struct sim_stage *s)
{
    (void)sim_dns_add(s->w, "null.test", SIM_DOMAIN_NULL);
    sim_stage_begin(s);
    struct sim_mail *m = sim_stage_submit(s, "u@null.test", 2000);
    sim_stage_wait_for_rest(s, SIM_MINUTE_MS);
    expect_failure(s, m, 0, QUEUE_BOUNCED, "5.1.10");
}

static void no_such_domain(struct sim_stage *s)
{
    sim_stage_begin(s);
    struct sim_mail *m = sim_stage_submit(s, "u@nowhere.test", 2000);
    sim_stage_wait_for_rest(s, SIM_MINUTE_MS);
    expect_failure(s, m, 0, QUEUE_BOUNCED, "5.1.2");
}

static void own_name(struct sim_stage *s)
{
    /* loop.test: we are as good as its only host. d.test: its first host is better than us, what
     * stands behind us is no way forward. */
    unsigned i = sim_stage_domain(s, "loop.test"), behind = sim_host_add(s->w, "behind.d.test");
    struct sim_domain *loop = sim_stage_find(s, "loop.test"), *d = sim_stage_find(s, "d.test");
    loop->is_own_mx = d->is_own_mx = true;
    loop->own_preference = 10;
    d->own_preference = 20;
    sim_dns_add_mx(s->w, d, 30, behind);
    sim_stage_mood(s, s->host, "dead");
    sim_stage_begin(s);
    struct sim_mail *looping = sim_stage_submit(s, "u@loop.test", 2000);
    struct sim_mail *m = sim_stage_submit(s, "u@d.test", 2000);
    sim_stage_wait(s, SIM_HOUR_MS);
    expect_failure(s, looping, 0, QUEUE_BOUNCED, "5.4.6");
    sim_stage_expect(s, s->w->host[i].connects == 0, "nobody calls the looping domain");
    sim_stage_expect(s, s->w->host[behind].connects == 0, "nobody calls the hosts behind us");
    sim_stage_mood(s, s->host, "good");
    sim_stage_wait_for(s, is_delivered, m, 2 * SIM_HOUR_MS, "the better host gets it");
}

static void large(struct sim_stage *s)
{
    sim_stage_begin(s);
    struct sim_mail *a = sim_stage_submit(s, "u@d.test", 400 * 1024);
    struct sim_mail *b = sim_stage_submit(s, "u@d.test u@d.test", 200 * 1024);
    struct sim_mail *c = sim_stage_submit(s, "u@d.test", 64 * 1024);
    sim_stage_wait_for_rest(s, 5 * SIM_MINUTE_MS);
    expect_delivered(s, a, 0);
    expect_delivered(s, b, 1);
    expect_delivered(s, c, 0);
    /* And once more from the disk, after a restart. */
    sim_stage_mood(s, s->host, "dead");
    struct sim_mail *d = sim_stage_submit(s, "u@d.test", 400 * 1024);
    sim_stage_wait_for(s, is_accepted, d, SIM_MINUTE_MS, "accepted");
    sim_world_crash(s->w, SIM_POWER_CUT, SIM_SECOND_MS);
    sim_stage_mood(s, s->host, "good");
    sim_stage_wait_for(s, is_delivered, d, SIM_HOUR_MS, "delivered after the restart");
}

static void smarthost(struct sim_stage *s)
{
    struct sim_options *o = &s->options;
    unsigned smart = sim_host_add(s->w, "smart.test");
    struct sim_host *h = &s->w->host[smart];
    h->tls = SIM_TLS_UNKNOWN;
    h->needs_auth = true;
    o->route_host[0] = (struct engine_host){.name = SLICE("smart.test"), .port = 587};
    o->route = (struct engine_route){.hosts = o->route_host,
                                     .host_count = 1,
                                     .tls = DELIVERY_TLS_VERIFY,
                                     .user = SLICE("sim"),
                                     .password = SLICE("secret"),
                                     .name = SLICE("smart.test")};
    o->o.routes = &o->route;
    o->o.route_count = 1;
    sim_stage_begin(s);
    struct sim_mail *m = sim_stage_submit(s, "u@d.test u@elsewhere.test", 2000);
    sim_stage_wait(s, 10 * SIM_MINUTE_MS);
    sim_stage_expect(s, h->taken == 0 && sim_stage_fate(s, m, 0) == QUEUE_WAITING,
                     "nothing is said to a host that cannot be verified");
    h->tls = SIM_TLS_GOOD;
    sim_stage_wait_for(s, is_delivered, m, SIM_HOUR_MS, "delivered with a login");
    sim_stage_expect(s, h->taken == 1 && s->w->host[s->host].connects == 0,
                     "all of it through the smarthost, in one transaction");
}

/* --- patience --- */

static void servfail(struct sim_stage *s)
{
    struct sim_domain *d = sim_stage_find(s, "d.test");
    d->trouble = DNS_SERVFAIL;
    sim_stage_begin(s);
    struct sim_mail *m = sim_stage_submit(s, "u@d.test", 2000);
    sim_stage_wait(s, SIM_DAY_MS);
    sim_stage_expect(s, sim_stage_fate(s, m, 0) == QUEUE_WAITING, "it waits");
    d->trouble = DNS_OK;
    sim_stage_wait_for(s, is_delivered, m, 2 * SIM_HOUR_MS, "delivered when DNS is back");
    sim_stage_expect(s, s->w->host[s->host].connects == 1, "one connection");
}

/* Lines that fail together are one failure: half a minute of trouble costs minutes, not an hour. */
static void outage(struct sim_stage *s)
{
    sim_stage_mood(s, s->host, "dead");
    sim_stage_begin(s);
    struct sim_mail *m[20];
    for (size_t i = 0; i < COUNT_OF(m); i++)
        m[i] = sim_stage_submit(s, "u@d.test", 500);
    sim_stage_wait(s, 30 * SIM_SECOND_MS);
    sim_stage_mood(s, s->host, "good");
    sim_stage_wait_for_rest(s, 5 * SIM_MINUTE_MS);
    for (size_t i = 0; i < COUNT_OF(m); i++)
        expect_delivered(s, m[i], 0);
}

static void three_days(struct sim_stage *s)
{
    sim_stage_mood(s, s->host, "dead");
    sim_stage_begin(s);
    struct sim_mail *m[20];
    for (size_t i = 0; i < COUNT_OF(m); i++)
        m[i] = sim_stage_submit(s, "u@d.test", 500);
    sim_stage_wait(s, 3 * (int64_t)SIM_DAY_MS);
    sim_stage_expect(s, s->w->host[s->host].connects < 3 * 24 * 2 + 40,
                     "a dead destination is probed, not stormed");
    sim_stage_mood(s, s->host, "good");
    sim_stage_wait_for_rest(s, 3 * SIM_HOUR_MS);
    for (size_t i = 0; i < COUNT_OF(m); i++)
        expect_delivered(s, m[i], 0);
}

static void expiry(struct sim_stage *s)
{
    sim_stage_mood(s, s->host, "silent");
    sim_stage_begin(s);
    struct sim_mail *m = sim_stage_submit(s, "u@d.test", 2000);
    sim_stage_wait(s, 5 * (int64_t)SIM_DAY_MS - SIM_HOUR_MS);
    sim_stage_expect(s, sim_stage_fate(s, m, 0) == QUEUE_WAITING, "it is tried to the end");
    sim_stage_wait_for_rest(s, 3 * SIM_HOUR_MS);
    expect_failure(s, m, 0, QUEUE_EXPIRED, "5.4.7");
    const struct sim_fate *f = sim_stage_fate_of(s, m, 0);
    sim_stage_expect(s, f && f->warnings == 1, "one warning before");
}

static void warning(struct sim_stage *s)
{
    sim_stage_mood(s, s->host, "full");
    sim_stage_begin(s);
    struct sim_mail *m = sim_stage_submit(s, "u@d.test", 2000);
    sim_stage_wait(s, 4 * SIM_HOUR_MS - SIM_MINUTE_MS);
    sim_stage_expect(s, sim_stage_notes(s, NOTE_REPORTED) == 0, "silence before four hours");
    sim_stage_wait(s, 10 * SIM_HOUR_MS);
    const struct sim_report *r = sim_stage_report(s, m, false);
    sim_stage_expect(s, r && r->count == 1 && r->status[0].p[0] == '4', "a delay report");
    sim_world_crash(s->w, SIM_KILL, SIM_SECOND_MS);
    sim_stage_wait(s, 10 * SIM_HOUR_MS);
    sim_stage_expect(s, sim_stage_notes(s, NOTE_REPORTED) == 1, "and no other, restart or not");
    sim_stage_mood(s, s->host, "good");
    sim_stage_wait_for(s, is_delivered, m, 2 * SIM_HOUR_MS, "delivered after all");
}

/* --- disk --- */

static void disk_full(struct sim_stage *s)
{
    sim_stage_mood(s, s->host, "dead");
    sim_stage_begin(s);
    struct sim_mail *before = sim_stage_submit(s, "u@d.test", 2000);
    sim_stage_wait_for(s, is_accepted, before, SIM_MINUTE_MS, "accepted");
    s->w->disk.is_full = true;
    s->w->disk.fail_percent[JOURNAL_IO_WRITE] = 100;
    struct sim_mail *m = sim_stage_submit(s, "u@d.test", 2000);
    sim_stage_wait(s, 5 * SIM_SECOND_MS);
    sim_stage_expect(s, m->state == SIM_MAIL_REFUSED, "the client was told 452");
    sim_stage_expect(s, sim_stage_notes(s, NOTE_STORE_FAILED) > 0, "and the log says why");
    sim_stage_mood(s, s->host, "good");
    sim_stage_wait_for(s, is_delivered, before, 10 * SIM_MINUTE_MS,
                       "what is in the queue is delivered");
    s->w->disk.is_full = false;
    s->w->disk.fail_percent[JOURNAL_IO_WRITE] = 0;
    struct sim_mail *after = sim_stage_submit(s, "u@d.test", 2000);
    sim_stage_wait_for(s, is_accepted, after, SIM_MINUTE_MS, "then mail is taken again");
    sim_stage_wait_for_rest(s, 30 * SIM_MINUTE_MS);
}

static void cut_before_sync(struct sim_stage *s)
{
    sim_stage_begin(s);
    struct sim_mail *m = sim_stage_submit(s, "u@d.test", 3000);
    sim_stage_wait_for(s, is_syncing, m, SIM_MINUTE_MS, "written and not yet synced");
    sim_world_crash(s->w, SIM_POWER_CUT, SIM_SECOND_MS);
    sim_stage_wait_for_rest(s, SIM_HOUR_MS);
    sim_stage_expect(s, m->state == SIM_MAIL_SAID, "the client was not told 250");
}

/* The message is on disk and the 250 on its way out: at each action of that moment. */
static void cut_after_sync(struct sim_stage *s)
{
    sim_stage_begin(s);
    for (unsigned i = 1; i <= 12; i++) {
        struct sim_mail *m = sim_stage_submit(s, "u@d.test", 3000);
        sim_stage_wait_for(s, is_syncing, m, SIM_MINUTE_MS, "syncing");
        s->w->crash_in_actions = i;
        s->w->crash_kind = i % 2 ? SIM_POWER_CUT : SIM_KILL;
        sim_stage_wait_for_rest(s, SIM_HOUR_MS);
        sim_stage_expect(s, sim_stage_fate(s, m, 0) == QUEUE_DELIVERED, "it is not lost");
    }
}

static void kill_before_outcome(struct sim_stage *s)
{
    sim_stage_begin(s);
    struct sim_mail *m = sim_stage_submit(s, "u@d.test", 2000);
    sim_stage_wait_for(s, is_taken, m, SIM_MINUTE_MS, "taken");
    sim_world_crash(s->w, SIM_KILL, SIM_SECOND_MS);
    sim_stage_wait_for_rest(s, SIM_HOUR_MS);
    sim_stage_expect(s, sim_stage_fate(s, m, 0) == QUEUE_DELIVERED, "it is delivered");
    sim_stage_expect(s, sim_stage_takes(s, m, 0) == 2, "twice: nobody could know");
}

static void reply_lost(struct sim_stage *s)
{
    sim_stage_mood(s, s->host, "lost");
    sim_stage_begin(s);
    struct sim_mail *m = sim_stage_submit(s, "u@d.test", 2000);
    sim_stage_wait_for(s, is_taken, m, SIM_MINUTE_MS, "taken");
    sim_stage_mood(s, s->host, "good");
    sim_stage_wait_for(s, is_delivered, m, SIM_HOUR_MS, "delivered");
    sim_stage_expect(s, sim_stage_notes(s, NOTE_UNSURE) == 1, "the log says that it is unsure");
    sim_stage_expect(s, sim_stage_takes(s, m, 0) == 2, "a duplicate, as it must be");
}

/* One message that stays for days does not keep the segments of all that came after it. */
static void compaction(struct sim_stage *s)
{
    enum { WAITING = 3, OTHERS = 200 };
    struct sim_mail *m[WAITING];
    struct journal_usage u;
    unsigned dead = sim_stage_domain(s, "e.test");
    sim_stage_mood(s, dead, "dead");
    sim_stage_begin(s);
    for (size_t i = 0; i < WAITING; i++)
        m[i] = sim_stage_submit(s, "u@e.test u@d.test x@d.test", i ? 2000 : 200 * 1024);
    for (int i = 0; i < OTHERS; i++) {
        (void)sim_stage_submit(s, "u@d.test", 20 * 1024);
        if (i % 50 == 49)
            sim_world_crash(s->w, i % 100 == 99 ? SIM_KILL : SIM_POWER_CUT, SIM_SECOND_MS);
        if (i % 10 == 9) /* an outcome stands in another segment than its message, often */
            sim_stage_wait(s, 10 * SIM_SECOND_MS);
    }
    sim_stage_wait(s, SIM_HOUR_MS);
    journal_usage(s->w->journal, &u);
    sim_stage_expect(s, sim_stage_notes(s, NOTE_CHECKPOINT) >= 1, "it is said who still counts");
    sim_stage_expect(s, u.segments <= 10, "a few segments for a few messages");
    sim_world_crash(s->w, SIM_POWER_CUT, SIM_SECOND_MS);
    sim_stage_mood(s, dead, "good");
    sim_stage_wait_for_rest(s, 3 * SIM_HOUR_MS);
    for (size_t i = 0; i < WAITING; i++)
        expect_delivered(s, m[i], 0);
}

/* A few that stay among many that go: they move together. */
static void emptied(struct sim_stage *s)
{
    enum { ALL = 400, STAYS_EVERY = 8 };
    struct journal_usage u;
    unsigned dead = sim_stage_domain(s, "e.test");
    sim_stage_mood(s, dead, "dead");
    sim_stage_begin(s);
    struct sim_mail *m[ALL / STAYS_EVERY];
    for (int i = 0; i < ALL; i++) {
        bool stays = i % STAYS_EVERY == 0;
        struct sim_mail *one = sim_stage_submit(s, stays ? "u@e.test" : "u@d.test", 20 * 1024);
        if (stays)
            m[i / STAYS_EVERY] = one;
        sim_stage_wait(s, SIM_SECOND_MS);
        if (i % 100 == 99)
            sim_world_crash(s->w, i % 200 == 199 ? SIM_KILL : SIM_POWER_CUT, SIM_SECOND_MS);
        sim_stage_wait(s, SIM_SECOND_MS);
    }
    sim_stage_wait(s, SIM_HOUR_MS);
    journal_usage(s->w->journal, &u);
    sim_stage_expect(s, sim_stage_notes(s, NOTE_MOVED) >= 10, "some move on");
    uint64_t alive = COUNT_OF(m) * (uint64_t)(20 * 1024 + 1024);
    sim_stage_expect(s, u.segments * SIM_SEGMENT_BYTES <= 2 * alive + 8 * SIM_SEGMENT_BYTES,
                     "at most twice what is alive, and a few segments");
    sim_world_crash(s->w, SIM_POWER_CUT, SIM_SECOND_MS);
    sim_stage_mood(s, dead, "good");
    sim_stage_wait_for_rest(s, 3 * SIM_HOUR_MS);
    for (size_t i = 0; i < COUNT_OF(m); i++)
        expect_delivered(s, m[i], 0);
}

/* --- people: most of it stands in sim_scene_order.c --- */

static void reload(struct sim_stage *s)
{
    struct sim_options *o = &s->other;
    unsigned smart = sim_host_add(s->w, "smart.test");
    o->route_host[0] = (struct engine_host){.name = SLICE("smart.test"), .port = 25};
    o->route = (struct engine_route){.hosts = o->route_host,
                                     .host_count = 1,
                                     .tls = DELIVERY_TLS_OPPORTUNISTIC,
                                     .name = SLICE("smart.test")};
    o->o.routes = &o->route;
    o->o.route_count = 1;
    s->options.o.limits.connections = 1;
    sim_stage_mood(s, s->host, "slow");
    sim_stage_begin(s);
    struct sim_mail *first = sim_stage_submit(s, "u@d.test", 2000);
    sim_stage_wait_for(s, is_connected, NULL, SIM_MINUTE_MS, "the first one is in flight");
    struct sim_mail *second = sim_stage_submit(s, "u@d.test", 2000);
    sim_stage_wait_for(s, is_accepted, second, SIM_MINUTE_MS, "the second one waits behind it");
    sim_world_reload(s->w, &o->o);
    struct sim_mail *third = sim_stage_submit(s, "u@d.test", 2000);
    sim_stage_wait_for_rest(s, 2 * SIM_HOUR_MS);
    expect_delivered(s, first, 0);
    expect_delivered(s, second, 0);
    expect_delivered(s, third, 0);
    sim_stage_expect(s, s->w->host[s->host].taken == 1, "the first goes where it was going");
    sim_stage_expect(s, s->w->host[smart].taken == 2, "the others go the new way");
}

static void stop(struct sim_stage *s)
{
    sim_stage_begin(s);
    struct sim_mail *m[40];
    for (size_t i = 0; i < COUNT_OF(m); i++)
        m[i] = sim_stage_submit(s, "u@d.test", 20 * 1024);
    for (int i = 0; i < 5; i++) {
        sim_stage_wait(s, 40);
        sim_world_stop(s->w, 30 * SIM_SECOND_MS, SIM_SECOND_MS);
        sim_stage_wait(s, 40 * SIM_SECOND_MS);
    }
    sim_stage_wait_for_rest(s, SIM_HOUR_MS);
    for (size_t i = 0; i < COUNT_OF(m); i++)
        if (m[i]->state == SIM_MAIL_ACCEPTED)
            expect_delivered(s, m[i], 0);
}

/* --- many --- */

static void thousand(struct sim_stage *s)
{
    enum { DOMAINS = 1000, LIVE_EVERY = 10, CLIENTS = 10, MAILS = 2 * DOMAINS / CLIENTS };
    static const struct sim_manners manners = {
        .is_pipelining = true, .quits = true, .messages_a_session = 1000, .pause_ms = 1000};
    s->options.o.out_connections_max = 50;
    s->options.o.limits.connections = 5;
    unsigned host[DOMAINS];
    char name[SIM_NAME_BYTES];
    for (unsigned i = 0; i < DOMAINS; i++) {
        snprintf(name, sizeof name, "d%u.test", i);
        host[i] = sim_stage_domain(s, name);
        if (i % LIVE_EVERY)
            sim_stage_mood(s, host[i], i % 3 ? "silent" : "dead");
    }
    sim_stage_begin(s);
    for (unsigned c = 0; c < CLIENTS; c++) {
        struct sim_mail *m[MAILS];
        for (unsigned k = 0; k < MAILS; k++) {
            snprintf(name, sizeof name, "u@d%u.test", (c + k * CLIENTS) % DOMAINS);
            m[k] = sim_stage_mail(s, name, 300);
        }
        sim_client_add(s->w, &manners, m, MAILS, sim_world_now_ms(s->w) + 10);
    }
    sim_stage_wait(s, 20 * SIM_MINUTE_MS);
    unsigned served = 0;
    for (unsigned i = 0; i < DOMAINS; i += LIVE_EVERY)
        served += s->w->host[host[i]].taken == 2;
    sim_stage_expect(s, served == DOMAINS / LIVE_EVERY, "the living do not wait for the dead");
    for (unsigned i = 0; i < DOMAINS; i++)
        sim_stage_mood(s, host[i], "good");
    sim_stage_wait_for_rest(s, 6 * SIM_HOUR_MS);
}

/* --- all of them --- */

static const struct {
    const char *name;
    void (*run)(struct sim_stage *s);
    const char *shows;
} scenes[] = {
    {"plain", plain, "a message is delivered"},
    {"greylisted", greylisted, "450 at first, delivered later"},
    {"one-of-three", one_of_three, "one of three recipients is refused: a report about that one"},
    {"fallback", fallback, "dead and silent MX hosts: the third takes it in the same attempt"},
    {"v6-hole", sim_scene_v6_hole, "an IPv6 black hole costs nothing, and is left alone"},
    {"v6-refused", sim_scene_v6_refused, "mail refused for coming by IPv6 goes by IPv4 at once"},
    {"no-v6", sim_scene_no_v6, "a machine without IPv6 finds out once"},
    {"half-dead", sim_scene_half_dead, "half of the addresses dead: delivered within seconds"},
    {"slow-host", sim_scene_slow_host, "a slow host is waited for"},
    {"sources", sim_scene_sources, "a destination keeps the address it is called from"},
    {"null-mx", null_mx, "a domain that takes no mail: 5.1.10 at once"},
    {"no-such-domain", no_such_domain, "NXDOMAIN: 5.1.2 at once"},
    {"own-name", own_name, "our own name among the MX: no loop"},
    {"large", large, "bodies over several chunks, from memory and from disk"},
    {"smarthost", smarthost, "a route with verified TLS and a login"},
    {"servfail", servfail, "DNS fails for a day, then all is well"},
    {"outage", outage, "twenty lines fail at once: back within minutes"},
    {"three-days", three_days, "a destination is down for three days, and probed meanwhile"},
    {"expiry", expiry, "five days in vain: a report, and one warning before"},
    {"warning", warning, "one delay report, also over a restart"},
    {"disk-full", disk_full, "452 while the disk is full, deliveries go on"},
    {"cut-before-sync", cut_before_sync, "power cut between write and sync: no 250 was said"},
    {"cut-after-sync", cut_after_sync, "a crash at each step between sync and 250: nothing lost"},
    {"kill-before-outcome", kill_before_outcome, "killed between the remote's 250 and our record"},
    {"reply-lost", reply_lost, "the final reply is lost: unsure, and tried again"},
    {"queue-full", sim_scene_queue_full, "452 when the queue is full, room again later"},
    {"full-restarts", sim_scene_full_restarts, "a crash loop with a full queue: it drains later"},
    {"compaction", compaction, "messages that wait for days do not hold the journal"},
    {"emptied", emptied, "segments with little alive are emptied"},
    {"paused", sim_scene_paused, "pause outlives a power cut, resume delivers"},
    {"limits", sim_scene_limits, "many recipients, to a host that takes few at a time, at once"},
    {"told-limits", sim_scene_told_limits, "LIMITS are kept, though they cost connections"},
    {"ends-early", sim_scene_ends_early, "a host that ends each connection after three messages"},
    {"chunks", sim_scene_chunks, "BDAT where it is offered, by several over one connection"},
    {"no-chunks", sim_scene_no_chunks, "BDAT is offered and not known: by DATA, at once"},
    {"turns", sim_scene_turns, "one message behind 300 of another sender's: it goes in its turn"},
    {"deleted", sim_scene_deleted, "the operator removes a message: no report"},
    {"held", sim_scene_held, "held over crashes and beyond its lifetime, then delivered"},
    {"held-moved", sim_scene_held_and_moved, "compaction takes the hold along"},
    {"bounced", sim_scene_bounced, "returned by the operator, and he is told once that is sure"},
    {"reload", reload, "new routes while a message is in flight"},
    {"each login", sim_scene_login_each, "LOGIN, PLAIN, CRAM-MD5, SCRAM-SHA-256: the best is used"},
    {"wrong login", sim_scene_login_wrong, "a wrong password is seldom tried, nothing is lost"},
    {"flaky login", sim_scene_login_flaky, "a login that is put off is tried again"},
    {"token", sim_scene_token, "mail waits for its access token, untried and unharmed"},
    {"token-refused", sim_scene_token_refused, "a refused token is fetched anew, then patiently"},
    {"staging", sim_scene_staging, "nobody outside of the list gets mail, whatever falls over"},
    {"stop", stop, "orderly stops in the middle of traffic: nothing lost, nothing twice"},
    {"rate", sim_scene_rate, "a rate is never exceeded, and delays nobody else"},
    {"storm", sim_scene_storm, "421 to everybody for hours: few attempts, then all goes"},
    {"slowed", sim_scene_slowed, "half the connections where it is told to slow down"},
    {"greylist-once", sim_scene_greylist_once, "what is greylisted goes soon, and once"},
    {"better-host", sim_scene_better_host,
     "a smarthost fails and comes back: all connections are there again within minutes"},
    {"half-dead-smarthosts", sim_scene_half_dead_smarthosts,
     "two that fail half the time: all is delivered, with few calls"},
    {"fallback-route", sim_scene_fallback,
     "port 25 is a black hole: the fallback takes over, and gives back"},
    {"shared", sim_scene_shared, "forty domains with the same hosts: one destination"},
    {"silent-host", sim_scene_silent_host,
     "one of two hosts is silent: left out, probed, used again"},
    {"flapping", sim_scene_flapping, "every second look-up fails: mail goes on, nothing bounces"},
    {"moved", sim_scene_moved, "down for three days, and half of the domains move away"},
    {"thousand", thousand, "1000 destinations, 900 dead: limits kept, the living served"},
};

static bool run_scene(size_t i, bool is_verbose)
{
    struct sim_stage s;
    sim_stage_open(&s, is_verbose);
    scenes[i].run(&s);
    sim_stage_wait_for_rest(&s, 6 * SIM_HOUR_MS);
    sim_stage_wait(&s, SIM_MINUTE_MS);
    if (!s.w->has_failed) {
        sim_ledger_check_end(s.w);
        sim_world_check_rest(s.w);
    }
    bool is_good = !s.w->has_failed;
    printf("%-6s %-20s %s%s%s\n", is_good ? "ok" : "FAILED", scenes[i].name, scenes[i].shows,
           is_good ? "" : ": ", s.w->failure);
    fflush(stdout);
    sim_stage_close(&s);
    return is_good;
}

int sim_scene_run(int count, char **name)
{
    bool is_verbose = count > 0 && strcmp(name[0], "-v") == 0;
    unsigned passed = 0, failed = 0;
    for (size_t i = 0; i < COUNT_OF(scenes); i++) {
        bool is_wanted = count == is_verbose;
        for (int k = is_verbose; k < count; k++)
            is_wanted |= strcmp(name[k], scenes[i].name) == 0;
        if (!is_wanted)
            continue;
        if (run_scene(i, is_verbose))
            passed++;
        else
            failed++;
    }
    printf("sim: %u scenes passed, %u failed\n", passed, failed);
    return failed || !passed ? 1 : 0;
}
