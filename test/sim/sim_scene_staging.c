/* sim_scene_staging.c -- see the header. The ledger fails it where anybody outside of the list gets
 * mail (sim_ledger_take.c), the header is not rewritten or a promise is broken. */
#include "sim_scene_staging.h"

enum { STAGED_MAILS = 40 };

static bool was_put_off(const struct sim_stage *s, const void *unused)
{
    return sim_stage_notes(s, NOTE_DEFERRED) > 0;
}

static void stage(struct engine_options *o)
{
    static struct slice allow[] = {SLICE_INIT("*@d.test"), SLICE_INIT("*@s.test")};
    o->rewrite.environment = REWRITE_STAGING;
    o->rewrite.staging_mailbox = SLICE(SIM_STAGING_MAILBOX);
    o->rewrite.staging_allow = allow;
    o->rewrite.staging_allow_count = COUNT_OF(allow);
    o->lifetime_ms = 5 * (int64_t)SIM_DAY_MS;
}

/* A queue from before, cuts and kills meanwhile, and back to production. */
void sim_scene_staging(struct sim_stage *s)
{
    struct sim_mail *m[STAGED_MAILS];
    unsigned other = sim_stage_domain(s, "e.test");
    stage(&s->other.o);
    sim_stage_mood(s, other, "dead");
    sim_stage_begin(s);
    struct sim_mail *before = sim_stage_submit(s, "u@e.test u@d.test", 2000);
    sim_stage_wait_for(s, was_put_off, NULL, SIM_MINUTE_MS, "put off");
    sim_world_reload(s->w, &s->other.o);
    sim_stage_mood(s, other, "good");
    for (unsigned i = 0; i < STAGED_MAILS; i++) {
        m[i] = sim_stage_submit(s, "u@d.test u@e.test x@e.test", i % 7 ? 3000 : 200000);
        m[i]->recipient[1].is_staged = m[i]->recipient[2].is_staged = true;
        sim_stage_wait(s, 700);
        if (i % 10 == 9)
            sim_world_crash(s->w, i % 20 == 9 ? SIM_POWER_CUT : SIM_KILL, SIM_SECOND_MS);
    }
    sim_stage_wait(s, 6 * SIM_HOUR_MS);
    for (unsigned i = 0; i < STAGED_MAILS; i++) {
        if (m[i]->state != SIM_MAIL_ACCEPTED)
            continue;
        sim_stage_expect(s, sim_stage_fate(s, m[i], 0) == QUEUE_DELIVERED, "the allowed has it");
        sim_stage_expect(s, sim_stage_fate(s, m[i], 1) == QUEUE_DELIVERED, "the mailbox has it");
    }
    sim_stage_expect(s, m[0]->state == SIM_MAIL_ACCEPTED && m[1]->state == SIM_MAIL_ACCEPTED,
                     "mail is taken");
    sim_stage_expect(s, s->w->host[other].taken == 0, "nobody else has anything");
    sim_stage_expect(s, sim_stage_fate(s, before, 0) == QUEUE_WAITING, "the old one waits");
    sim_world_reload(s->w, &s->options.o);
    sim_stage_wait_for_rest(s, 6 * SIM_HOUR_MS);
    sim_stage_expect(s, sim_stage_fate(s, before, 0) == QUEUE_DELIVERED, "and goes on");
    sim_stage_expect(s, s->w->host[other].taken == 1, "alone");
}
