/* sim_scene_turns.c -- see the header. */
#include "sim_scene_turns.h"

enum { BULK = 300, SINGLES = 20, TURNS = 4 };

static bool is_accepted(const struct sim_stage *s, const void *mail)
{
    return ((const struct sim_mail *)mail)->state == SIM_MAIL_ACCEPTED;
}

static bool is_delivered(const struct sim_stage *s, const void *mail)
{
    return sim_stage_fate(s, mail, 0) == QUEUE_DELIVERED;
}

static struct sim_mail *say(struct sim_stage *s, const char *sender, unsigned count)
{
    static const struct sim_manners manners = {
        .is_pipelining = true, .quits = true, .messages_a_session = BULK};
    const char *address = "u@d.test";
    struct sim_wish wish = {&address, 1, sender, 500};
    struct sim_mail *m[BULK];
    for (unsigned i = 0; i < count; i++)
        m[i] = sim_world_mail(s->w, &wish);
    sim_client_add(s->w, &manners, m, count, sim_world_now_ms(s->w) + 10);
    return m[count - 1];
}

/* All of it waits for the host; then one after the other comes from somebody else, and each goes
 * when what was under way and one more of the bulk have gone; while the client reads its 250, and
 * the outcome is noted, one more each. */
void sim_scene_turns(struct sim_stage *s)
{
    struct sim_host *host = &s->w->host[s->host];
    s->options.o.limits.connections = 1;
    sim_stage_mood(s, s->host, "dead");
    sim_stage_begin(s);
    sim_stage_wait_for(s, is_accepted, say(s, "bulk.test", BULK), SIM_MINUTE_MS, "accepted");
    const struct sim_mail *first = say(s, "shop.test", 1);
    sim_stage_wait_for(s, is_accepted, first, SIM_MINUTE_MS, "accepted behind them");
    sim_stage_mood(s, s->host, "good");
    sim_stage_wait_for(s, is_delivered, first, 10 * SIM_MINUTE_MS, "the first single one goes");
    sim_stage_expect(s, host->taken <= TURNS, "before nearly all of the bulk");
    for (int i = 1; i < SINGLES; i++) {
        const struct sim_mail *m = say(s, "shop.test", 1);
        sim_stage_wait_for(s, is_accepted, m, SIM_MINUTE_MS, "accepted meanwhile");
        uint64_t before = host->taken;
        sim_stage_wait_for(s, is_delivered, m, SIM_MINUTE_MS, "the next single one goes");
        sim_stage_expect(s, host->taken - before <= TURNS, "in its turn");
    }
    sim_stage_expect(s, host->taken < BULK, "the bulk was in the way all the time");
    sim_stage_wait_for_rest(s, 10 * SIM_MINUTE_MS);
    sim_stage_expect(s, host->taken == BULK + SINGLES, "each was taken once");
}
