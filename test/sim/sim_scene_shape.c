/* sim_scene_shape.c -- see the header. */
#include "sim_scene_shape.h"

#include <stdio.h>

enum { MANY = 200 };

static struct slice of_d[] = {SLICE_INIT("d.test")};

/* By one client, as fast as it may. */
static void submit_many(struct sim_stage *s, const char *to, unsigned count)
{
    static const struct sim_manners manners = {
        .is_pipelining = true, .quits = true, .messages_a_session = 1000, .pause_ms = 1000};
    struct sim_mail *m[MANY];
    CHECK(count <= MANY);
    for (unsigned i = 0; i < count; i++)
        m[i] = sim_stage_mail(s, to, 300);
    sim_client_add(s->w, &manners, m, count, sim_world_now_ms(s->w) + 10);
}

static const struct sim_host *host_of(const struct sim_stage *s)
{
    return &s->w->host[s->host];
}

/* Twelve a minute; the host's own count fails the world (sim_host_on_mail). */
void sim_scene_rate(struct sim_stage *s)
{
    static struct engine_shape shape = {.where = {.domains = of_d, .domain_count = 1},
                                        .limits = {.messages = {12, SIM_MINUTE_MS}}};
    unsigned other = sim_stage_domain(s, "e.test");
    s->options.o.shapes = &shape;
    s->options.o.shape_count = 1;
    s->w->host[s->host].rate_count = 12;
    s->w->host[s->host].rate_ms = SIM_MINUTE_MS;
    sim_stage_begin(s);
    submit_many(s, "u@d.test", MANY);
    sim_stage_wait(s, 30 * SIM_SECOND_MS);
    submit_many(s, "u@e.test", MANY);
    sim_stage_wait(s, 90 * SIM_SECOND_MS);
    sim_stage_expect(s, s->w->host[other].taken == MANY, "the other destination has all");
    sim_stage_expect(s, host_of(s)->taken >= 22 && host_of(s)->taken <= 25, "twelve a minute");
    sim_stage_mood(s, s->host, "flaky"); /* attempts that fail count, too */
    sim_stage_wait(s, 5 * SIM_MINUTE_MS);
    sim_stage_mood(s, s->host, "good");
    sim_stage_wait(s, 16 * SIM_MINUTE_MS);
    sim_stage_expect(s, host_of(s)->taken >= MANY - 20, "and the rate is used");
    sim_stage_wait_for_rest(s, 3 * SIM_HOUR_MS);
}

void sim_scene_storm(struct sim_stage *s)
{
    static struct policy_reply_rule rule = {.name = SLICE_INIT("storm"),
                                            .code = SLICE_INIT("421"),
                                            .then = POLICY_REPLY_BACK_OFF,
                                            .for_ms = 30 * SIM_MINUTE_MS};
    unsigned other = sim_stage_domain(s, "e.test");
    s->options.o.replies = &rule;
    s->options.o.reply_count = 1;
    s->options.o.limits.connections = 5;
    sim_stage_mood(s, s->host, "storm");
    sim_stage_begin(s);
    submit_many(s, "u@d.test", MANY);
    submit_many(s, "u@e.test", MANY);
    sim_stage_wait(s, 6 * SIM_HOUR_MS);
    /* Five connections are on their way when the first is told; twelve times in six hours. */
    sim_stage_expect(s, host_of(s)->connects <= 5 * 13, "it is left in peace");
    sim_stage_expect(s, host_of(s)->connects >= 10, "and asked again");
    sim_stage_expect(s, sim_stage_notes(s, NOTE_DEFERRED) <= 5 * 13, "by few messages");
    sim_stage_expect(s, s->w->host[other].taken == MANY, "the other destination has all");
    sim_stage_mood(s, s->host, "good");
    sim_stage_wait(s, SIM_HOUR_MS);
    sim_stage_expect(s, host_of(s)->taken >= MANY - 5 * 13, "then it goes");
    sim_stage_wait_for_rest(s, 2 * SIM_HOUR_MS);
    sim_stage_expect(s, host_of(s)->taken == MANY, "all of it");
}

void sim_scene_slowed(struct sim_stage *s)
{
    static struct policy_reply_rule rule = {.name = SLICE_INIT("slower"),
                                            .code = SLICE_INIT("421"),
                                            .then = POLICY_REPLY_SLOW_DOWN,
                                            .for_ms = SIM_HOUR_MS};
    s->options.o.replies = &rule;
    s->options.o.reply_count = 1;
    s->options.o.limits.connections = 16;
    s->options.o.retry_first_ms = s->options.o.retry_max_ms = SIM_MINUTE_MS;
    sim_stage_mood(s, s->host, "storm");
    sim_stage_begin(s);
    submit_many(s, "u@d.test", MANY);
    sim_stage_wait(s, 40 * SIM_MINUTE_MS); /* down to one connection */
    sim_stage_expect(s, sim_stage_notes(s, NOTE_SLOWED) >= 4, "halved and halved again");
    s->w->host[s->host].most_open = s->w->host[s->host].open;
    sim_stage_mood(s, s->host, "good");
    sim_stage_wait(s, 30 * SIM_MINUTE_MS);
    sim_stage_expect(s, host_of(s)->taken == MANY, "one connection is enough");
    sim_stage_expect(s, host_of(s)->most_open <= 1, "and there was one");
    sim_stage_wait(s, 2 * SIM_HOUR_MS);
    submit_many(s, "u@d.test", MANY);
    sim_stage_wait_for_rest(s, SIM_HOUR_MS);
    sim_stage_expect(s, host_of(s)->most_open > 1, "it is forgotten");
}

void sim_scene_greylist_once(struct sim_stage *s)
{
    char to[SIM_ADDRESS_BYTES];
    s->options.o.retry_first_ms = SIM_HOUR_MS;
    s->options.o.retry_max_ms = 2 * SIM_HOUR_MS;
    s->options.o.greylisted_ms = 10 * SIM_MINUTE_MS;
    sim_stage_begin(s);
    for (unsigned i = 0; i < 20; i++) {
        snprintf(to, sizeof to, "g%u@d.test", i);
        sim_stage_submit(s, to, 300);
    }
    sim_stage_wait(s, 15 * SIM_MINUTE_MS);
    sim_stage_expect(s, host_of(s)->taken == 20, "long before the first wait is over");
    sim_stage_expect(s, sim_stage_notes(s, NOTE_DEFERRED) == 20, "in two attempts each");
}
