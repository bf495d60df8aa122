/* sim_scene_route.c -- scenes of several smarthosts, and of mail that takes another way. */
#include "sim_scene_route.h"

enum {
    EVERY_MS = 4 * SIM_SECOND_MS,
    SKIP_MOST_MS = 12 * SIM_MINUTE_MS, /* a host is left alone at most so long, jitter included */
};

static bool is_delivered(const struct sim_stage *s, const void *mail)
{
    return sim_stage_fate(s, mail, 0) == QUEUE_DELIVERED;
}

static bool is_accepted(const struct sim_stage *s, const void *mail)
{
    return ((const struct sim_mail *)mail)->state == SIM_MAIL_ACCEPTED;
}

/* better.test before worse.test, for all mail. */
static void two_smarthosts(struct sim_stage *s, unsigned host[2])
{
    struct sim_options *o = &s->options;
    host[0] = sim_host_add(s->w, "better.test");
    host[1] = sim_host_add(s->w, "worse.test");
    o->route_host[0] = (struct engine_host){.name = SLICE("better.test"), .port = 587};
    o->route_host[1] = (struct engine_host){.name = SLICE("worse.test"), .port = 587};
    o->route =
        (struct engine_route){.hosts = o->route_host, .host_count = 2, .name = SLICE("smart")};
    o->o.routes = &o->route;
    o->o.route_count = 1;
}

/* A client that says one after the other, so that connections are seldom idle for long. */
static void steady_mail(struct sim_stage *s, int64_t ms)
{
    enum { MAILS = 1000 };
    static const struct sim_manners manners = {
        .quits = true, .messages_a_session = 1, .pause_ms = 2 * EVERY_MS};
    struct sim_mail *m[MAILS];
    unsigned count = (unsigned)(ms / EVERY_MS);
    CHECK(count <= MAILS);
    for (unsigned i = 0; i < count; i++)
        m[i] = sim_stage_mail(s, "u@d.test", 2000);
    sim_client_add(s->w, &manners, m, count, sim_world_now_ms(s->w));
    sim_stage_wait(s, ms);
}

void sim_scene_better_host(struct sim_stage *s)
{
    static const char *const moods[] = {"dead", "silent", "closed", "busy"};
    unsigned host[2];
    two_smarthosts(s, host);
    const struct sim_host *better = &s->w->host[host[0]], *worse = &s->w->host[host[1]];
    s->options.o.limits.connect_ms = 10 * SIM_SECOND_MS;
    sim_stage_begin(s);
    steady_mail(s, SIM_MINUTE_MS);
    sim_stage_expect(s, worse->connects == 0, "nobody calls the worse one without need");
    for (unsigned i = 0; i < COUNT_OF(moods); i++) {
        sim_stage_mood(s, host[0], moods[i]);
        steady_mail(s, (i + 1) * 8 * SIM_MINUTE_MS);
        if (i == 1)
            sim_world_crash(s->w, SIM_POWER_CUT, SIM_SECOND_MS);
        sim_stage_mood(s, host[0], "good");
        steady_mail(s, SKIP_MOST_MS);
        uint64_t calls = worse->connects, taken = better->taken;
        steady_mail(s, 5 * SIM_MINUTE_MS);
        sim_stage_expect(s, worse->connects == calls && worse->open == 0,
                         "all connections are with the better one again");
        sim_stage_expect(s, better->taken >= taken + 40, "which takes all mail");
    }
    sim_stage_expect(s, sim_stage_notes(s, NOTE_BOUNCED) == 0, "nothing came back");
}

/* Each fails now and then, and one message at a time; nothing is lost and nothing hammers. */
void sim_scene_half_dead_smarthosts(struct sim_stage *s)
{
    unsigned host[2];
    two_smarthosts(s, host);
    s->options.route_host[0].weight = 3;
    s->options.route_host[1].weight = 1;
    sim_stage_mood(s, host[0], "busy");
    sim_stage_mood(s, host[1], "rude");
    sim_stage_begin(s);
    steady_mail(s, SIM_HOUR_MS);
    sim_stage_wait(s, 2 * SIM_HOUR_MS);
    uint64_t connects = s->w->host[host[0]].connects + s->w->host[host[1]].connects;
    sim_stage_expect(s, connects < 2 * 900, "fewer than two calls for a message");
    sim_stage_expect(s, sim_stage_notes(s, NOTE_BOUNCED) == 0, "nothing came back");
    sim_stage_mood(s, host[0], "good");
    sim_stage_mood(s, host[1], "good");
}

/* Port 25 is a black hole, except to one's own smarthost. */
void sim_scene_fallback(struct sim_stage *s)
{
    struct sim_options *o = &s->options;
    unsigned other = sim_stage_domain(s, "e.test"), smart = sim_host_add(s->w, "smart.test");
    const struct sim_host *h = &s->w->host[smart], *direct = &s->w->host[s->host];
    o->route_host[0] = (struct engine_host){.name = SLICE("smart.test"), .port = 587};
    o->route = (struct engine_route){
        .hosts = o->route_host, .host_count = 1, .is_fallback = true, .name = SLICE("smart")};
    o->o.routes = &o->route;
    o->o.route_count = 1;
    o->o.has_fallback = true;
    sim_stage_mood(s, s->host, "silent");
    sim_stage_begin(s);
    struct sim_mail *m[200];
    for (size_t i = 0; i < COUNT_OF(m); i++)
        m[i] = sim_stage_submit(s, "u@d.test v@d.test", 2000);
    struct sim_mail *fine = sim_stage_submit(s, "u@e.test", 2000);
    sim_stage_wait(s, o->o.fallback_after_ms - SIM_MINUTE_MS);
    sim_stage_expect(s, h->taken == 0, "direct delivery gets its time");
    sim_stage_expect(s, is_delivered(s, fine) && s->w->host[other].taken == 1,
                     "and where it works nothing changes");
    sim_stage_wait(s, 4 * SIM_MINUTE_MS);
    for (size_t i = 0; i < COUNT_OF(m); i++)
        sim_stage_expect(s, is_delivered(s, m[i]), "then all goes by the fallback");
    sim_stage_expect(s, h->taken == COUNT_OF(m), "each message once, for both recipients");
    uint64_t calls = direct->connects;
    for (int i = 0; i < 100; i++) {
        m[0] = sim_stage_submit(s, "u@d.test", 2000);
        sim_stage_wait_for(s, is_delivered, m[0], 3 * SIM_MINUTE_MS, "later mail at once");
        sim_stage_wait(s, SIM_MINUTE_MS);
    }
    sim_stage_expect(s, direct->connects - calls <= 12, "the direct way is tried now and then");

    struct sim_mail *last = sim_stage_submit(s, "u@d.test", 2000);
    sim_stage_wait_for(s, is_accepted, last, SIM_MINUTE_MS, "accepted");
    sim_world_crash(s->w, SIM_POWER_CUT, SIM_SECOND_MS);
    sim_stage_wait_for(s, is_delivered, last, SIM_HOUR_MS, "after a crash it is found out anew");

    sim_stage_mood(s, s->host, "good");
    for (int i = 0; i < 80; i++) {
        (void)sim_stage_submit(s, "u@d.test", 2000);
        sim_stage_wait(s, SIM_MINUTE_MS);
    }
    uint64_t taken = h->taken;
    m[0] = sim_stage_submit(s, "u@d.test", 2000);
    sim_stage_wait_for(s, is_delivered, m[0], SIM_MINUTE_MS, "directly again");
    sim_stage_expect(s, h->taken == taken, "and not by the fallback");
}
