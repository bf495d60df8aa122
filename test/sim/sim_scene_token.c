/* sim_scene_token.c -- see the header. That one token at a time is asked for, and that no password
 * leaves in plain, is checked in each of them. */
#include "sim_scene_token.h"

enum { MAILS = 20 };

static bool is_delivered(const struct sim_stage *s, const void *mail)
{
    return sim_stage_fate(s, mail, 0) == QUEUE_DELIVERED;
}

static struct sim_host *begin(struct sim_stage *s)
{
    struct sim_options *o = &s->options;
    struct sim_host *h = &s->w->host[sim_host_add(s->w, "smart.test")];
    h->tls = SIM_TLS_GOOD;
    h->needs_auth = h->needs_token = true;
    s->w->tokens.life_ms = SIM_HOUR_MS;
    o->route_host[0] = (struct engine_host){.name = SLICE("smart.test"), .port = 587};
    o->route = (struct engine_route){.hosts = o->route_host,
                                     .host_count = 1,
                                     .tls = DELIVERY_TLS_VERIFY,
                                     .user = SLICE("sim"),
                                     .account = SLICE("office"),
                                     .name = SLICE("smart.test")};
    o->o.routes = &o->route;
    o->o.route_count = 1;
    return h;
}

/* A server that fails for hours costs few questions, no attempt, and no mail; a day of mail needs a
 * token an hour. */
void sim_scene_token(struct sim_stage *s)
{
    struct sim_mail *m[MAILS];
    struct sim_host *h = begin(s);
    struct sim_token_server *t = &s->w->tokens;
    t->mood = SIM_TOKENS_FAIL;
    sim_stage_begin(s);
    for (unsigned i = 0; i < MAILS; i++)
        m[i] = sim_stage_submit(s, "u@d.test", 2000);
    sim_stage_wait(s, 6 * SIM_HOUR_MS);
    sim_stage_expect(s, h->connects == 0, "nobody calls without a token");
    sim_stage_expect(s, t->asked >= 10 && t->asked < 25, "the server is asked less and less often");
    sim_stage_expect(s, sim_stage_notes(s, NOTE_TOKEN_FAILED) == 1, "said once");
    t->mood = SIM_TOKENS_NEED_LOGIN;
    sim_stage_wait(s, 12 * SIM_HOUR_MS);
    sim_stage_expect(s, sim_stage_notes(s, NOTE_TOKEN_FAILED) == 2, "and that a login is needed");
    sim_stage_expect(s, sim_stage_notes(s, NOTE_DEFERRED) == 0, "no attempt was spent");
    t->mood = SIM_TOKENS_GOOD;
    struct engine_event enrolled = {.kind = EVENT_ENROLLED, .text = SLICE("office")};
    sim_world_tell(s->w, &enrolled);
    sim_stage_wait_for_rest(s, SIM_MINUTE_MS);
    for (unsigned i = 0; i < MAILS; i++)
        sim_stage_expect(s, sim_stage_fate(s, m[i], 0) == QUEUE_DELIVERED,
                         "delivered at once then");
    uint64_t before = t->issued;
    for (unsigned i = 0; i < 24; i++) {
        struct sim_mail *later = sim_stage_submit(s, "u@d.test", 2000);
        sim_stage_wait_for(s, is_delivered, later, SIM_MINUTE_MS, "no wait for a token");
        sim_stage_wait(s, SIM_HOUR_MS);
    }
    sim_stage_expect(s, t->issued >= before + 24 && t->issued <= before + 30, "one an hour");
    sim_stage_expect(s, t->refused == 0, "none too late");
}

/* A token that the host refuses is fetched anew at once; when that is refused, too, less and less
 * often; a crash in between forgets nothing but the token. */
void sim_scene_token_refused(struct sim_stage *s)
{
    struct sim_host *h = begin(s);
    struct sim_token_server *t = &s->w->tokens;
    sim_stage_begin(s);
    struct sim_mail *m = sim_stage_submit(s, "u@d.test", 2000);
    sim_stage_wait_for(s, is_delivered, m, SIM_MINUTE_MS, "delivered");
    sim_stage_wait(s, 5 * SIM_MINUTE_MS);
    sim_token_revoke(s->w);
    m = sim_stage_submit(s, "u@d.test", 2000);
    sim_stage_wait_for(s, is_delivered, m, SIM_MINUTE_MS, "with a new token, at once");
    sim_stage_expect(s, t->issued == 2 && t->refused == 1, "by one refusal");
    sim_stage_expect(s, sim_stage_notes(s, NOTE_DEFERRED) == 0, "which was no attempt");
    sim_stage_wait(s, 5 * SIM_MINUTE_MS);
    t->mood = SIM_TOKENS_STALE;
    sim_token_revoke(s->w);
    m = sim_stage_submit(s, "u@d.test", 2000);
    uint64_t connects = h->connects;
    sim_stage_wait(s, 12 * SIM_HOUR_MS);
    sim_stage_expect(s, h->connects - connects < 40, "no storm of logins");
    sim_stage_expect(s, sim_stage_fate(s, m, 0) == QUEUE_WAITING, "it waits");
    sim_stage_expect(s, sim_stage_notes(s, NOTE_TOKEN_FAILED) == 1, "said once");
    t->mood = SIM_TOKENS_GOOD;
    sim_world_crash(s->w, SIM_POWER_CUT, SIM_SECOND_MS);
    sim_stage_wait_for(s, is_delivered, m, 3 * SIM_HOUR_MS, "delivered when they are good again");
}
