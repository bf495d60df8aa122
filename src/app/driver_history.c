/* driver_history.c -- finished messages, as the engine tells of them, into the history: found by
 * their keys, redacted as the configuration wants it. */
#include "driver_core.h"

#include <limits.h>
#include <stdio.h>

#include "history/history_key.h"

bool driver_history_salt(const struct driver *d, struct history_salt *out)
{
    uint64_t salt[2];
    bool has_salt = store_history_salt(d->history, salt);
    *out = (struct history_salt){salt[0], salt[1]};
    return has_salt;
}

void driver_remember(struct driver *d, struct slice record)
{
    static uint64_t key[HISTORY_KEYS_MAX]; /* the loop's alone */
    struct history_salt salt;
    struct history_record r;
    if (!driver_history_salt(d, &salt) || history_record_parse(record, &r) != PARSE_DONE) {
        store_history_drop(d->history);
        return;
    }
    unsigned count = history_keys(&salt, &r, key);
    if (d->config->history_redact == HISTORY_REDACT_NONE) {
        (void)store_history_append(d->history, driver_now_ms(d), key, count, record);
        return; /* what was dropped is counted there */
    }
    struct buf redacted;
    buf_init(&redacted, HISTORY_RECORD_BYTES_MAX);
    if (history_redact(&r, d->config->history_redact, &redacted))
        (void)store_history_append(d->history, driver_now_ms(d), key, count, buf_slice(&redacted));
    else
        store_history_drop(d->history);
    buf_close(&redacted);
}

/* Said once a change; a warning of its own, because the journal may be well. */
static void on_trouble(void *ctx, enum err err, const struct fault *why)
{
    driver_warn(ctx, "%s%s", err ? "finished messages are not remembered, or not found: " : "",
                why->text);
}

void driver_history_open(struct driver *d, const uint64_t salt[2])
{
    char state_dir[PATH_MAX];
    snprintf(state_dir, sizeof state_dir, "%.*s", SLICE_FMT(d->config->state_dir));
    const struct store_history_options o = {.state_dir = state_dir,
                                            .keep_ms = d->config->engine.history_ms,
                                            .bytes_max = d->config->history_bytes_max,
                                            .salt = {salt[0], salt[1]}};
    const struct store_history_callbacks cb = {d, on_trouble};
    d->history = store_history_new(d->o.loop, &o, &cb);
}

struct store_history *driver_history(const struct driver *d)
{
    return d->history;
}
