/* sim_token.c -- see the header. */
#include "sim_world.h"

#include <stdio.h>

struct issue {
    uint64_t life;
    char account[64];
};

static struct slice name_of(char text[32], uint64_t number)
{
    snprintf(text, 32, "token-%llu", (unsigned long long)number);
    return slice_cstr(text);
}

static void issue(struct sim_world *w, void *thing, uint64_t unused)
{
    const struct issue *i = thing;
    struct sim_token_server *s = &w->tokens;
    char text[32];
    struct engine_token token = {.account = slice_cstr(i->account)};
    if (i->life != w->life)
        return; /* the process that asked is no more */
    s->is_out = false;
    switch (s->mood) {
    case SIM_TOKENS_FAIL:
    case SIM_TOKEN_MOODS:
        token.why = SLICE("no answer in time");
        break;
    case SIM_TOKENS_NEED_LOGIN:
        token.why = SLICE("the server says invalid_grant");
        token.needs_login = true;
        break;
    case SIM_TOKENS_GOOD:
    case SIM_TOKENS_STALE:
        s->is_newest_stale = s->mood == SIM_TOKENS_STALE;
        s->until_ms = sim_world_now_ms(w) + s->life_ms;
        token.token = name_of(text, ++s->issued);
        token.until_ms = s->until_ms;
        break;
    }
    sim_trace(w, "token", s->issued, s->mood, token.token);
    struct engine_event ev = {.kind = EVENT_TOKEN, .token = &token};
    sim_world_tell(w, &ev);
}

void sim_token_ask(struct sim_world *w, struct slice account)
{
    struct issue *i = arena_new(&w->arena, sizeof *i);
    struct sim_token_server *s = &w->tokens;
    i->life = w->life;
    snprintf(i->account, sizeof i->account, "%.*s", SLICE_FMT(account));
    if (s->is_out)
        sim_fail(w, "a second token is asked for at once");
    s->is_out = true;
    s->asked++;
    sim_trace(w, "asks for a token", s->asked, 0, account);
    sim_agenda_add(&w->agenda, w->now_us + rng_between(&w->rng, 50000, 20000000), issue, i, 0);
}

void sim_token_revoke(struct sim_world *w)
{
    w->tokens.is_newest_stale = true;
}

bool sim_token_is_good(struct sim_world *w, struct slice response)
{
    struct sim_token_server *s = &w->tokens;
    char text[32], wanted[128];
    int n = snprintf(wanted, sizeof wanted, "user=sim\1auth=Bearer %.*s\1\1",
                     SLICE_FMT(name_of(text, s->issued)));
    bool is_newest = slice_eq(response, slice_of(wanted, (size_t)n));
    bool is_good = is_newest && !s->is_newest_stale && sim_world_now_ms(w) < s->until_ms;
    s->refused += !is_good;
    return is_good;
}
