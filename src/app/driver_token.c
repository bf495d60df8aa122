/* driver_token.c -- access tokens for the engine: what it asks for is fetched, what comes is told.
 */
#include "driver_core.h"

static void on_fetched(void *ctx, struct slice account, const struct oauth_answer *a)
{
    struct driver *d = ctx;
    const struct engine_token token = {
        .account = account,
        .token = a->is_good ? buf_slice(&a->token) : SLICE_NONE,
        .until_ms = driver_now_ms(d) + a->expires_s * 1000,
        .why = slice_cstr(a->words),
        .needs_login = a->needs_login,
    };
    struct engine_event event = {.kind = EVENT_TOKEN, .token = &token};
    driver_tell(d, &event);
}

static void on_warning(void *ctx, const char *text)
{
    driver_warn(ctx, "%s", text);
}

void driver_token_open(struct driver *d)
{
    const struct token_fetch_callbacks cb = {d, on_fetched, on_warning};
    d->token_fetch = token_fetch_new(d->o.loop, &cb);
    token_fetch_configure(d->token_fetch, d->config);
}

void driver_token_trust(struct driver *d)
{
    token_fetch_trust(d->token_fetch, d->trust, d->is_trust_loading);
}

bool driver_enrolled(struct driver *d, struct slice account, bool is_new)
{
    if (!config_account(d->config, account))
        return false;
    if (is_new)
        token_fetch_forget(d->token_fetch, account);
    struct engine_event event = {.kind = EVENT_ENROLLED, .text = account};
    driver_tell(d, &event);
    return true;
}
