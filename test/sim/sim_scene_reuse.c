/* sim_scene_reuse.c -- see the header. That LIMITS are kept and nothing is taken twice is the
 * host's and the ledger's to see. */
#include "sim_scene_reuse.h"

#include <string.h>

enum { RECIPIENTS = 40, BURST = 30 };

static bool are_all_delivered(const struct sim_stage *s, const void *mail)
{
    const struct sim_mail *m = mail;
    for (unsigned i = 0; i < m->recipient_count; i++)
        if (sim_stage_fate(s, m, i) != QUEUE_DELIVERED)
            return false;
    return true;
}

static struct sim_host *host(struct sim_stage *s)
{
    return &s->w->host[s->host];
}

static void to_many(struct sim_stage *s, uint64_t transactions, uint64_t most_connects)
{
    char to[RECIPIENTS * 16] = "u@d.test";
    for (int i = 1; i < RECIPIENTS; i++)
        strcat(to, " u@d.test");
    sim_stage_begin(s);
    struct sim_mail *m = sim_stage_submit(s, to, 2000);
    sim_stage_wait_for(s, are_all_delivered, m, 10 * SIM_SECOND_MS, "delivered within seconds");
    sim_stage_expect(s, sim_stage_notes(s, NOTE_DEFERRED) == 0, "nobody is put off");
    sim_stage_expect(s, host(s)->taken == transactions, "in as many transactions as it takes");
    sim_stage_expect(s, host(s)->connects <= most_connects, "over few connections");
}

void sim_scene_limits(struct sim_stage *s)
{
    host(s)->recipients_max = 7;
    to_many(s, 6, 1);
}

void sim_scene_told_limits(struct sim_stage *s)
{
    host(s)->recipients_max = 4;
    host(s)->mails_max = 3;
    host(s)->tells_limits = host(s)->offers_chunking = true;
    to_many(s, 10, 4);
}

/* They wait together for the host to come back; then one connection serves them. */
static void deliver_burst(struct sim_stage *s)
{
    s->options.o.limits.connections = 1;
    s->options.o.limits.idle_ms =
        SIM_MINUTE_MS; /* the one that was tried first waits a little longer */
    sim_stage_mood(s, s->host, "dead");
    sim_stage_begin(s);
    for (unsigned i = 0; i < BURST; i++)
        (void)sim_stage_submit(s, "u@d.test", 2000);
    sim_stage_wait(s, 20 * SIM_SECOND_MS);
    sim_stage_expect(s, host(s)->taken == 0, "it takes nothing yet");
    host(s)->connects = 0;
    sim_stage_mood(s, s->host, "good");
    sim_stage_wait_for_rest(s, 10 * SIM_MINUTE_MS);
    sim_stage_expect(s, host(s)->taken == BURST, "each was taken once");
    sim_stage_expect(s, sim_stage_notes(s, NOTE_UNSURE) == 0, "none in doubt");
}

void sim_scene_ends_early(struct sim_stage *s)
{
    host(s)->mails_max = 3;
    deliver_burst(s);
    sim_stage_expect(s, host(s)->connects == BURST / 3, "over no more connections than it takes");
}

void sim_scene_chunks(struct sim_stage *s)
{
    host(s)->offers_chunking = true;
    deliver_burst(s);
    sim_stage_expect(s, host(s)->chunks == BURST, "as one chunk each");
    sim_stage_expect(s, host(s)->connects == 1, "over one connection");
}

void sim_scene_no_chunks(struct sim_stage *s)
{
    host(s)->offers_chunking = host(s)->knows_no_bdat = true;
    sim_stage_begin(s);
    struct sim_mail *m = sim_stage_submit(s, "u@d.test", 2000);
    sim_stage_wait_for(s, are_all_delivered, m, 5 * SIM_SECOND_MS, "delivered within seconds");
    sim_stage_expect(s, sim_stage_notes(s, NOTE_DEFERRED) == 0, "in one attempt");
    sim_stage_expect(s, host(s)->chunks == 0 && host(s)->connects == 2, "by DATA, the second time");
}
