/* driver_history.c -- finished messages, as the engine tells of them, into the history: found by
 * their keys, redacted as the configuration wants it. */
#include "driver_core.h"

#include <limits.h>
#include <stdio.h>

#include "history/history_key.h"

/* What ended so long before the last write to the history is in it: its outcome was recorded within
 * that time, and the record written at once. */
enum { TOLD_MARGIN_MS = 5000 };

bool driver_history_salt(const struct driver *d, struct history_salt *out)
{
    uint64_t salt[2];
    bool has_salt = store_history_salt(d->history, salt);
    *out = (struct history_salt){salt[0], salt[1]};
    return has_salt;
}

static void keep(struct driver *d, const uint64_t *key, unsigned count, struct slice record)
{
    if (d->is_started)
        (void)store_history_append(d->history, driver_now_ms(d), key, count, record);
    else
        store_history_append_once(d->history, driver_now_ms(d), key, count, record);
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
        keep(d, key, count, record); /* what is dropped is counted there */
        return;
    }
    struct buf redacted;
    buf_init(&redacted, HISTORY_RECORD_BYTES_MAX);
    if (history_redact(&r, d->config->history_redact, &redacted))
        keep(d, key, count, buf_slice(&redacted));
    else
        store_history_drop(d->history);
    buf_close(&redacted);
}

void driver_release(struct driver *d, uint64_t segment)
{
    uint64_t number = store_history_flush(d->history);
    if (list_is_empty(&d->releases) && store_history_has_written(d->history, number)) {
        store_release(d->store, segment);
        return;
    }
    struct held_release *r = mem_new(sizeof *r);
    r->segment = segment;
    r->number = number;
    list_add_last(&d->releases, &r->link);
}

void driver_release_held(struct driver *d, bool is_all)
{
    while (!list_is_empty(&d->releases)) { /* their order stays */
        struct held_release *r = CONTAINER_OF(d->releases.next, struct held_release, link);
        if (!is_all && !store_history_has_written(d->history, r->number))
            return;
        store_release(d->store, r->segment);
        list_remove(&r->link);
        mem_free(r);
    }
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

void driver_history_told(struct driver *d)
{
    struct engine_event event = {.kind = EVENT_TOLD,
                                 .told_ms = store_history_found_ms(d->history) - TOLD_MARGIN_MS};
    driver_tell(d, &event);
}

struct store_history *driver_history(const struct driver *d)
{
    return d->history;
}
