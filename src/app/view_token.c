/* view_token.c -- see view_token.h. */
#include "view_token.h"

#include <inttypes.h>

#include "base/json.h"

static bool is_well(const struct engine_token_view *t)
{
    return t->has_token && !t->trouble.n;
}

static int64_t seconds_until(int64_t at_ms, int64_t now_ms)
{
    return at_ms > now_ms ? (at_ms - now_ms) / 1000 : 0;
}

static bool is_meant(const struct engine_token_view *t, struct slice account)
{
    return !account.n || slice_eq(t->account, account);
}

static const char *state_of(const struct engine_token_view *t)
{
    return t->needs_login ? "needs login"
           : t->trouble.n ? "failing"
           : t->has_token ? "well"
                          : "fetching";
}

bool view_tokens_json(const struct engine *e, struct slice account, int64_t now_ms, struct buf *out)
{
    struct engine_token_view t;
    struct json j;
    bool are_well = true;
    json_init(&j, out);
    json_object(&j, NULL);
    json_array(&j, "accounts");
    for (size_t at = 0; engine_token_next(e, &at, &t);) {
        if (!is_meant(&t, account))
            continue;
        are_well &= is_well(&t);
        json_object(&j, NULL);
        json_string(&j, "account", t.account);
        json_string(&j, "state", slice_cstr(state_of(&t)));
        json_bool(&j, "has_token", t.has_token);
        json_int(&j, "expires_s", seconds_until(t.until_ms, now_ms));
        if (!t.is_asked && t.next_ms != INT64_MAX)
            json_int(&j, "next_fetch_s", seconds_until(t.next_ms, now_ms));
        json_int(&j, "fetches", (int64_t)t.fetch_count);
        json_int(&j, "failures", (int64_t)t.failure_count);
        if (t.trouble.n)
            json_string(&j, "reason", t.trouble);
        json_end(&j, '}');
    }
    json_end(&j, ']');
    json_end(&j, '}');
    buf_add_char(out, '\n');
    return are_well;
}

static void add_line(const struct engine_token_view *t, int64_t now_ms, struct buf *out)
{
    buf_addf(out, "%-20.*s %s", SLICE_FMT(t->account), state_of(t));
    if (t->has_token)
        buf_addf(out, ", token good for %" PRId64 " s", seconds_until(t->until_ms, now_ms));
    if (t->is_asked)
        buf_add_cstr(out, ", being fetched");
    else if (t->next_ms != INT64_MAX)
        buf_addf(out, ", next fetch in %" PRId64 " s", seconds_until(t->next_ms, now_ms));
    if (t->trouble.n)
        buf_addf(out, ": %.*s", SLICE_FMT(t->trouble));
    buf_add_char(out, '\n');
}

bool view_tokens_text(const struct engine *e, struct slice account, int64_t now_ms, struct buf *out)
{
    struct engine_token_view t;
    bool are_well = true;
    for (size_t at = 0; engine_token_next(e, &at, &t);) {
        if (!is_meant(&t, account))
            continue;
        are_well &= is_well(&t);
        add_line(&t, now_ms, out);
    }
    return are_well;
}

void view_tokens_status(const struct engine *e, int64_t now_ms, struct buf *out)
{
    struct engine_token_view t;
    unsigned count = 0, failing = 0;
    for (size_t at = 0; engine_token_next(e, &at, &t); count++)
        failing += t.trouble.n > 0;
    if (!count)
        return;
    buf_addf(out, "tokens        %u account%s, %u failing\n", count, count == 1 ? "" : "s",
             failing);
    for (size_t at = 0; engine_token_next(e, &at, &t);)
        if (t.trouble.n) {
            buf_add_cstr(out, "  ");
            add_line(&t, now_ms, out);
        }
}

static void series(const struct engine *e, int64_t now_ms, const char *name,
                   int64_t (*figure)(const struct engine_token_view *t, int64_t now_ms),
                   struct buf *out)
{
    struct engine_token_view t;
    for (size_t at = 0; engine_token_next(e, &at, &t);)
        buf_addf(out, "outpost_%s{account=\"%.*s\"} %" PRId64 "\n", name, SLICE_FMT(t.account),
                 figure(&t, now_ms));
}

static int64_t expiry_of(const struct engine_token_view *t, int64_t now_ms)
{
    return seconds_until(t->until_ms, now_ms);
}

static int64_t fetches_of(const struct engine_token_view *t, int64_t now_ms)
{
    return (int64_t)t->fetch_count;
}

static int64_t failures_of(const struct engine_token_view *t, int64_t now_ms)
{
    return (int64_t)t->failure_count;
}

static int64_t trouble_of(const struct engine_token_view *t, int64_t now_ms)
{
    return t->trouble.n > 0;
}

void view_tokens_metrics(const struct engine *e, int64_t now_ms, struct buf *out)
{
    static const struct {
        const char *name, *type, *help;
        int64_t (*figure)(const struct engine_token_view *t, int64_t now_ms);
    } rows[] = {
        {"token_expiry_seconds", "gauge", "Until the account's access token ends; 0: it has none.",
         expiry_of},
        {"token_fetches_total", "counter", "Access tokens fetched for the account.", fetches_of},
        {"token_fetch_failures_total", "counter", "Fetches for the account that failed.",
         failures_of},
        {"token_failing", "gauge", "1 while the account's tokens fail or are refused.", trouble_of},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        buf_addf(out, "# HELP outpost_%s %s\n# TYPE outpost_%s %s\n", rows[i].name, rows[i].help,
                 rows[i].name, rows[i].type);
        series(e, now_ms, rows[i].name, rows[i].figure, out);
    }
}
