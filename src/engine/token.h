/* token.h -- access tokens of OAuth2 accounts that routes log in with: when one is fetched, which
 * one a line says, and what waits meanwhile.
 *
 * The driver fetches (ACTION_TOKEN -> EVENT_TOKEN) and knows the secrets; here are only the tokens
 * and their time. One fetch an account at a time; before a token ends; after a failure the next one
 * later and later. Mail for a route without a token waits in its destination, untried. */
#pragma once

#include "line.h"

void token_init(struct engine *e);
void token_close(struct engine *e);
/* The accounts that the options' routes name; tokens of those that stay are kept. */
void token_on_options(struct engine *e);
void token_on_started(struct engine *e);
void token_on_fetched(struct engine *e, const struct engine_token *t);
/* Somebody has enrolled the account anew: fetch now. */
void token_on_enrolled(struct engine *e, struct slice account);
void token_on_timer(struct engine *e, struct timer *t);

/* May a connection be made? False: the destination waits for its account's token, and is pumped
 * when it comes. */
bool token_is_at_hand(struct engine *e, struct destination *d);
/* A line is up: its token, owned by the line; NULL when the account has none any more. */
char *token_lend(struct engine *e, const struct destination *d);
/* Its server took the token. */
void token_on_taken(struct engine *e, const struct line *l);
/* A line fails: because of its token, so that the job is to wait for another one, as if it had
 * never been taken? A refused token is dropped, the first time fetched anew at once. */
bool token_is_blamed(struct engine *e, const struct line *l, const struct policy_answer *a);
