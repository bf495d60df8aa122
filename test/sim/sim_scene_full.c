/* sim_scene_full.c -- scenes of a queue without room. */
#include "sim_scene_full.h"

static bool is_delivered(const struct sim_stage *s, const void *mail)
{
    return sim_stage_fate(s, mail, 0) == QUEUE_DELIVERED;
}

void sim_scene_queue_full(struct sim_stage *s)
{
    s->options.o.queue_bytes_max = 2 * 1024 * 1024;
    sim_stage_mood(s, s->host, "dead");
    sim_stage_begin(s);
    struct sim_mail *m[30];
    for (size_t i = 0; i < COUNT_OF(m); i++)
        m[i] = sim_stage_submit(s, "u@d.test", 100 * 1024);
    sim_stage_wait(s, 30 * SIM_SECOND_MS);
    unsigned in = 0;
    for (size_t i = 0; i < COUNT_OF(m); i++)
        in += m[i]->state == SIM_MAIL_ACCEPTED;
    sim_stage_expect(s, in >= 10 && in <= 20, "some fit, the others are told 452");
    sim_stage_mood(s, s->host, "good");
    sim_stage_wait_for_rest(s, 3 * SIM_HOUR_MS);
    sim_stage_expect(s, sim_stage_notes(s, NOTE_DELIVERED) > in, "then there is room again");
}

static uint64_t segments(const struct sim_stage *s)
{
    struct journal_usage u = {0};
    if (s->w->journal)
        journal_usage(s->w->journal, &u);
    return u.segments;
}

/* Each start needs a new segment, for the last one's end is in doubt; there must be one even when
 * queue.max_size and the reserve are used up, or nothing would ever go again: what waits keeps
 * every segment, and nothing can be written that would free one. */
void sim_scene_full_restarts(struct sim_stage *s)
{
    enum { CRASHES = 90, AT_ONCE = 5, UP_MS = 100 };
    uint64_t most = 0;
    s->options.o.queue_bytes_max = 2 * 1024 * 1024;
    unsigned dead = sim_stage_domain(s, "e.test");
    sim_stage_mood(s, dead, "dead");
    sim_stage_begin(s);
    for (int i = 0; i < CRASHES; i++) {
        (void)sim_stage_submit(s, "u@e.test", 2000);
        for (int k = 1; k < AT_ONCE; k++)
            (void)sim_stage_submit(s, "u@d.test", 60 * 1024);
        sim_stage_wait(s, UP_MS);
        most = segments(s) > most ? segments(s) : most;
        sim_world_crash(s->w, i % 2 ? SIM_KILL : SIM_POWER_CUT, 10);
    }
    sim_stage_expect(s, most * SIM_SEGMENT_BYTES > s->options.o.queue_bytes_max,
                     "the crashes have used up more than mail may");
    sim_stage_wait(s, SIM_HOUR_MS);
    sim_stage_expect(s, segments(s) <= 7, "the journal is small again, though some still wait");
    struct sim_mail *m = sim_stage_submit(s, "u@d.test", 60 * 1024);
    sim_stage_wait_for(s, is_delivered, m, SIM_HOUR_MS, "mail is taken and delivered again");
    sim_stage_mood(s, dead, "good");
}
