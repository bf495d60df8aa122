/* token_fetch.h -- fetches access tokens: reads the account's refresh token, asks its server over
 * HTTPS, keeps a new refresh token, and tells what came of it.
 *
 * Files are read and written by the thread pool. A new refresh token that cannot be written is kept
 * in memory, used, and written with the next one. */
#pragma once

#include <uv.h>

#include "config/config.h"
#include "net/resolver.h"
#include "net/tls.h"
#include "oauth/oauth_answer.h"

struct token_fetch_callbacks {
    void *ctx;
    /* The fetch of an account has ended; on the loop, never inside a call. */
    void (*fetched)(void *ctx, struct slice account, const struct oauth_answer *answer);
    void (*warn)(void *ctx, const char *text);
};

struct token_fetch;
MUST_USE struct token_fetch *token_fetch_new(uv_loop_t *loop,
                                             const struct token_fetch_callbacks *cb);
/* Borrowed until the next call; NULL trust: fetches wait for it while is_loading. */
void token_fetch_configure(struct token_fetch *f, const struct config *config);
void token_fetch_trust(struct token_fetch *f, struct tls_trust *trust, bool is_loading);
/* A refresh token that is only in memory is forgotten: the file has a newer one. */
void token_fetch_forget(struct token_fetch *f, struct slice account);
/* Exactly one `fetched` follows, unless token_fetch_close comes first. */
void token_fetch_start(struct token_fetch *f, struct slice account);
/* Fetches under way are dropped, but for a new refresh token that is being written. */
void token_fetch_close(struct token_fetch *f, void (*closed)(void *ctx), void *ctx);
