/* sim_scene_order.c -- scenes of what an operator does. */
#include "sim_scene_order.h"

static bool is_delivered(const struct sim_stage *s, const void *mail)
{
    return sim_stage_fate(s, mail, 0) == QUEUE_DELIVERED;
}

static bool is_accepted(const struct sim_stage *s, const void *mail)
{
    return ((const struct sim_mail *)mail)->state == SIM_MAIL_ACCEPTED;
}

static bool was_put_off(const struct sim_stage *s, const void *unused)
{
    return sim_stage_notes(s, NOTE_DEFERRED) > 0;
}

void sim_scene_paused(struct sim_stage *s)
{
    (void)sim_stage_domain(s, "e.test");
    sim_stage_begin(s);
    sim_world_operate(s->w, OPERATOR_PAUSE, 0, "d.test");
    struct sim_mail *m = sim_stage_submit(s, "u@d.test", 2000);
    struct sim_mail *other = sim_stage_submit(s, "u@e.test", 2000);
    sim_stage_wait(s, SIM_HOUR_MS);
    sim_stage_expect(s, is_delivered(s, other), "the other domain is served");
    sim_world_crash(s->w, SIM_POWER_CUT, SIM_SECOND_MS);
    sim_stage_wait(s, SIM_HOUR_MS);
    sim_stage_expect(s, s->w->host[s->host].connects == 0, "nobody calls, also after a restart");
    sim_world_operate(s->w, OPERATOR_RESUME, 0, "d.test");
    sim_stage_wait_for(s, is_delivered, m, SIM_MINUTE_MS, "delivered at once when resumed");
}

void sim_scene_deleted(struct sim_stage *s)
{
    sim_stage_mood(s, s->host, "full");
    sim_stage_begin(s);
    struct sim_mail *m = sim_stage_submit(s, "u@d.test u@d.test", 2000);
    sim_stage_wait_for(s, was_put_off, NULL, SIM_MINUTE_MS, "put off");
    m->is_deleted = true;
    sim_world_operate(s->w, OPERATOR_DELETE, m->id, NULL);
    sim_stage_wait_for_rest(s, SIM_MINUTE_MS);
    sim_stage_expect(s, sim_stage_fate(s, m, 0) == QUEUE_REMOVED, "removed");
    sim_stage_expect(s, sim_stage_notes(s, NOTE_REPORTED) == 0, "without a report");
}

/* Held, whatever crashes, and beyond its lifetime; then it goes. */
void sim_scene_held(struct sim_stage *s)
{
    sim_stage_mood(s, s->host, "full");
    sim_stage_begin(s);
    struct sim_mail *m = sim_stage_submit(s, "u@d.test", 2000);
    struct sim_mail *other = sim_stage_submit(s, "v@d.test", 90000);
    sim_stage_wait_for(s, was_put_off, NULL, SIM_MINUTE_MS, "put off");
    sim_stage_wait(s, SIM_MINUTE_MS);
    struct engine_filter to = {.to = SLICE("*@d.test")};
    sim_stage_expect(s, sim_world_order(s->w, OPERATOR_HOLD, to) == 2, "both are held");
    sim_stage_wait(s, SIM_SECOND_MS);
    sim_stage_mood(s, s->host, "good");
    for (int i = 0; i < 3; i++) {
        sim_world_crash(s->w, i % 2 ? SIM_KILL : SIM_POWER_CUT, SIM_SECOND_MS);
        sim_stage_wait(s, 3 * SIM_DAY_MS);
        sim_world_operate(s->w, OPERATOR_RETRY, 0, NULL);
    }
    sim_stage_expect(s, sim_stage_fate(s, m, 0) == QUEUE_WAITING, "neither tried nor expired");
    sim_stage_expect(s, sim_stage_notes(s, NOTE_REPORTED) == 0, "nor warned of");
    sim_world_operate(s->w, OPERATOR_RELEASE, m->id, NULL);
    sim_stage_wait_for(s, is_delivered, m, SIM_MINUTE_MS, "delivered when released");
    sim_stage_expect(s, sim_stage_fate(s, other, 0) == QUEUE_WAITING, "the other waits");
    sim_world_order(s->w, OPERATOR_RELEASE, (struct engine_filter){.state = ENGINE_STATE_HELD});
}

/* Returned to the sender with a report, though the relay dies when the order was given. */
void sim_scene_bounced(struct sim_stage *s)
{
    sim_stage_mood(s, s->host, "full");
    sim_stage_begin(s);
    struct sim_mail *m = sim_stage_submit(s, "u@d.test x@d.test", 2000);
    sim_stage_wait_for(s, was_put_off, NULL, SIM_MINUTE_MS, "put off");
    sim_world_operate(s->w, OPERATOR_HOLD, m->id, NULL);
    sim_world_operate(s->w, OPERATOR_BOUNCE, m->id, NULL);
    sim_stage_wait(s, 1);
    sim_world_crash(s->w, SIM_KILL, SIM_SECOND_MS);
    sim_stage_wait_for_rest(s, SIM_MINUTE_MS);
    sim_stage_expect(s, sim_stage_fate(s, m, 0) == QUEUE_BOUNCED, "bounced");
    sim_stage_expect(s, sim_stage_notes(s, NOTE_REPORTED) >= 1, "with a report");
}

/* Among many that come and go, so that compaction moves it, with a crash now and then. */
void sim_scene_held_and_moved(struct sim_stage *s)
{
    enum { ALL = 300, STAYS_EVERY = 8 };
    struct sim_mail *m[ALL / STAYS_EVERY + 1];
    unsigned count = 0;
    sim_stage_begin(s);
    for (int i = 0; i < ALL; i++) {
        if (i % STAYS_EVERY == 0) {
            struct sim_mail *one = m[count++] = sim_stage_submit(s, "h@d.test", 20 * 1024);
            sim_world_operate(s->w, OPERATOR_PAUSE, 0, "d.test");
            sim_stage_wait_for(s, is_accepted, one, SIM_MINUTE_MS, "accepted");
            sim_world_operate(s->w, OPERATOR_HOLD, one->id, NULL);
            sim_world_operate(s->w, OPERATOR_RESUME, 0, "d.test");
        } else {
            (void)sim_stage_submit(s, "u@d.test", 20 * 1024);
        }
        sim_stage_wait(s, SIM_SECOND_MS);
        if (i % 100 == 99)
            sim_world_crash(s->w, i % 200 == 199 ? SIM_KILL : SIM_POWER_CUT, SIM_SECOND_MS);
        sim_stage_wait(s, SIM_SECOND_MS);
    }
    sim_stage_wait(s, SIM_HOUR_MS);
    sim_stage_expect(s, sim_stage_notes(s, NOTE_MOVED) >= 10, "some move on");
    sim_world_crash(s->w, SIM_POWER_CUT, SIM_SECOND_MS);
    sim_stage_wait(s, SIM_HOUR_MS);
    for (unsigned i = 0; i < count; i++)
        sim_stage_expect(s, sim_stage_takes(s, m[i], 0) == 0, "held all the time");
    (void)sim_world_order(s->w, OPERATOR_RELEASE, (struct engine_filter){0});
    sim_stage_wait_for_rest(s, SIM_HOUR_MS);
    for (unsigned i = 0; i < count; i++)
        sim_stage_expect(s, is_delivered(s, m[i]), "delivered when released");
}
