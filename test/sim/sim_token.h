/* sim_token.h -- the false server that issues access tokens. The newest token is good until it
 * ends; hosts with needs_token take no other. */
#pragma once

#include "sim_net.h"

enum sim_token_mood {
    SIM_TOKENS_GOOD,
    SIM_TOKENS_FAIL,       /* no token, for want of an answer */
    SIM_TOKENS_STALE,      /* it gives out tokens that no host takes */
    SIM_TOKENS_NEED_LOGIN, /* invalid_grant */
    SIM_TOKEN_MOODS
};

struct sim_token_server {
    enum sim_token_mood mood;
    int64_t life_ms, until_ms; /* of new tokens; of the newest one */
    uint64_t issued;
    bool is_newest_stale, is_out; /* one at a time is to be asked for */
    uint64_t asked, refused;      /* by hosts: tokens that were not good */
};

void sim_token_ask(struct sim_world *w, struct slice account);
/* What hosts know of the newest one is not true any more: a password was changed. */
void sim_token_revoke(struct sim_world *w);
/* Of AUTH XOAUTH2: the decoded response. */
bool sim_token_is_good(struct sim_world *w, struct slice response);
