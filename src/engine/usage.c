/* usage.c -- see the header. The text has one line a login, its name last as it may hold blanks:
 *
 *   outpost-usage 1
 *   DAY RECIPIENTS MESSAGES_FULL_US RECIPIENTS_FULL_US NAME */
#include "usage.h"

#include "engine/engine_view.h"

#include <string.h>

static const char heading[] = "outpost-usage 1";

struct usage {
    struct policy_usage used;
    size_t name_bytes;
    char name[];
};

void usage_init(struct engine *e)
{
    map_init(&e->usage, rng_u64(&e->rng));
}

void usage_close(struct engine *e)
{
    size_t at = 0;
    for (struct map_entry *m; (m = map_next(&e->usage, &at));)
        mem_free(m->value);
    map_close(&e->usage);
}

struct policy_usage *usage_of(struct engine *e, struct slice name)
{
    struct usage *u = map_get(&e->usage, name);
    if (!u) {
        u = mem_new(sizeof *u + name.n);
        u->name_bytes = name.n;
        memcpy(u->name, name.p, name.n);
        map_put(&e->usage, slice_of(u->name, u->name_bytes), u);
    }
    return &u->used;
}

static bool take_number(struct slice *line, uint64_t *out)
{
    size_t n = slice_find(*line, ' ');
    bool is_number = n < line->n && slice_to_u64(slice_head(*line, n), out) && *out <= INT64_MAX;
    *line = slice_from(*line, n + 1);
    return is_number;
}

static void take_line(struct engine *e, struct slice line)
{
    uint64_t day, count, messages, recipients;
    if (!take_number(&line, &day) || !take_number(&line, &count) ||
        !take_number(&line, &messages) || !take_number(&line, &recipients))
        return;
    if (!engine_options_user(e->opt, line))
        return;
    *usage_of(e, line) = (struct policy_usage){
        .day = (int64_t)day,
        .day_count = count,
        .messages_full_us = (int64_t)messages,
        .recipients_full_us = (int64_t)recipients,
    };
}

void usage_on_saved(struct engine *e, struct slice text)
{
    for (bool is_first = true; text.n; is_first = false) {
        size_t n = slice_find(text, '\n');
        struct slice line = slice_head(text, n);
        if (is_first && !slice_eq(line, slice_cstr(heading)))
            return; /* of a newer relay: counting begins anew */
        if (!is_first)
            take_line(e, line);
        text = slice_from(text, n + 1);
    }
}

void usage_on_options(struct engine *e)
{
    /* Removal changes the table: look again from the start. */
    size_t at = 0;
    for (struct map_entry *m; (m = map_next(&e->usage, &at));) {
        if (engine_options_user(e->opt, m->key))
            continue;
        mem_free(map_take(&e->usage, m->key));
        at = 0;
    }
}

void engine_usage(const struct engine *e, struct buf *out)
{
    buf_addf(out, "%s\n", heading);
    for (unsigned i = 0; i < e->opt->user_count; i++) {
        struct slice name = e->opt->users[i].name;
        const struct usage *u = map_get(&e->usage, name);
        if (!u || policy_usage_is_idle(&u->used, e->now_ms))
            continue;
        buf_addf(out, "%lld %llu %lld %lld %.*s\n", (long long)u->used.day,
                 (unsigned long long)u->used.day_count, (long long)u->used.messages_full_us,
                 (long long)u->used.recipients_full_us, SLICE_FMT(name));
    }
}
