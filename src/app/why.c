/* why.c -- see why.h.
 *
 *   the queue, some thousand messages a turn -> the history, on the pool -> both told at once
 *
 * In this order, so that a message that finishes meanwhile is found in the second place; when one
 * that was found in the queue has left it by the end, the history is asked once more. */
#include "why.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/msgid.h"
#include "history/history_key.h"
#include "history/history_view.h"
#include "mail/message_id.h"

struct why {
    struct control *control;
    struct driver *driver;
    uint64_t answer;
    bool is_gone, wants_text, is_one; /* is_one: GET /history/ID */
    char *query;                      /* owned */
    unsigned limit;
    struct engine_query live_query; /* points into query */
    uint64_t key[STORE_HISTORY_FIND_KEYS_MAX];
    unsigned key_count;
    uv_idle_t idle;
    bool has_idle;
    uint64_t after;
    uint64_t *live; /* ids; owned, `limit` of them */
    unsigned live_count;
    bool has_more, has_asked_twice;
};

/* --- life --- */

static void free_why(struct why *y)
{
    mem_free(y->query);
    mem_free(y->live);
    mem_free(y);
}

static void on_idle_closed(uv_handle_t *h)
{
    free_why(h->data);
}

/* Nothing of it is out any more. */
static void end(struct why *y)
{
    if (y->has_idle)
        uv_close((uv_handle_t *)&y->idle, on_idle_closed);
    else
        free_why(y);
}

/* --- the telling --- */

static void add_key(struct why *y, uint64_t key)
{
    CHECK(y->key_count < STORE_HISTORY_FIND_KEYS_MAX);
    y->key[y->key_count++] = key;
}

static void add_live(void *ctx, uint64_t id)
{
    struct why *y = ctx;
    for (unsigned i = 0; i < y->live_count; i++)
        if (y->live[i] == id)
            return;
    if (y->live_count == y->limit)
        y->has_more = true;
    else
        y->live[y->live_count++] = id;
}

/* Has one that was found in the queue left it? */
static bool has_live_left(const struct why *y)
{
    for (unsigned i = 0; i < y->live_count; i++)
        if (!engine_has_message(driver_engine(y->driver), y->live[i]))
            return true;
    return false;
}

static unsigned build_live(const struct why *y, struct buf *out)
{
    const struct engine *e = driver_engine(y->driver);
    unsigned count = 0;
    for (unsigned i = 0; i < y->live_count; i++) {
        if (!engine_has_message(e, y->live[i]))
            continue;
        if (count++)
            buf_add_char(out, y->wants_text ? '\n' : ',');
        if (y->wants_text)
            (void)engine_message_text(e, y->live[i], driver_now_ms(y->driver), out);
        else
            (void)engine_message_json(e, y->live[i], driver_now_ms(y->driver), out);
    }
    return count;
}

/* A crash may have told a message twice: the later telling counts, and the queue before both. */
static bool is_news(const struct why *y, const uint64_t *seen, unsigned count, uint64_t id)
{
    for (unsigned i = 0; i < count; i++)
        if (seen[i] == id)
            return false;
    return !engine_has_message(driver_engine(y->driver), id);
}

static unsigned build_finished(const struct why *y, const struct store_history_answer *a,
                               bool has_before, struct buf *out)
{
    uint64_t *seen = mem_new((a->count + 1) * sizeof *seen);
    unsigned count = 0;
    for (unsigned i = 0; i < a->count; i++) {
        struct history_record r;
        if (history_record_parse(a->payload[i], &r) != PARSE_DONE || !is_news(y, seen, count, r.id))
            continue;
        if (y->wants_text) {
            if (count || has_before)
                buf_add_char(out, '\n');
            history_view_text(&r, out);
        } else {
            struct json j;
            if (count)
                buf_add_char(out, ',');
            json_init(&j, out);
            history_view_json(&r, &j);
        }
        seen[count++] = r.id;
        if (y->is_one)
            break;
    }
    mem_free(seen);
    return count;
}

static void fail_unknown(struct why *y, enum err err)
{
    int64_t kept_ms = driver_config(y->driver)->engine.history_ms;
    if (err)
        control_fail(y->control, y->answer, 503,
                     "nothing is known of %s, but the history cannot be read now", y->query);
    else if (!kept_ms)
        control_fail(y->control, y->answer, 404,
                     "no message in the queue for %s, and finished ones are not remembered "
                     "(queue.history = \"0s\")",
                     y->query);
    else
        control_fail(y->control, y->answer, 404,
                     "nothing is known of %s: no such message is in the queue, none finished "
                     "that is still remembered (queue.history, %s)",
                     y->query, history_span_of(kept_ms).s);
}

static void build_json(struct why *y, const struct store_history_answer *a, struct buf *out,
                       unsigned *count)
{
    struct json j;
    if (y->is_one) {
        *count = build_finished(y, a, false, out);
        buf_add_char(out, '\n');
        return;
    }
    buf_add_cstr(out, "{\"query\":");
    json_init(&j, out);
    json_string(&j, NULL, slice_cstr(y->query));
    buf_add_cstr(out, ",\"live\":[");
    *count = build_live(y, out);
    buf_add_cstr(out, "],\"finished\":[");
    *count += build_finished(y, a, false, out);
    buf_addf(out, "],\"has_more\":%s,\"is_complete\":%s}\n",
             y->has_more || a->has_more ? "true" : "false", a->err ? "false" : "true");
}

static void build_text(struct why *y, const struct store_history_answer *a, struct buf *out,
                       unsigned *count)
{
    *count = y->is_one ? 0 : build_live(y, out);
    *count += build_finished(y, a, *count > 0, out);
    if ((y->has_more || a->has_more) && !y->is_one)
        buf_addf(out, "\n... there are more than %u: --limit N shows up to %u\n", y->limit,
                 (unsigned)STORE_HISTORY_FIND_MAX);
    if (a->err)
        buf_add_cstr(out, "\n... the history could not be read to its end: see the log\n");
}

static void ask_history(struct why *y);

static void on_found(void *ctx, const struct store_history_answer *a)
{
    struct why *y = ctx;
    struct buf out;
    unsigned count = 0;
    if (y->is_gone) {
        end(y);
        return;
    }
    if (has_live_left(y) && !y->has_asked_twice) {
        y->has_asked_twice = true;
        ask_history(y);
        return;
    }
    buf_init(&out, CONTROL_BODY_BYTES_MAX);
    if (y->wants_text)
        build_text(y, a, &out, &count);
    else
        build_json(y, a, &out, &count);
    if (!count)
        fail_unknown(y, a->err);
    else if (out.is_full)
        control_fail(y->control, y->answer, 413,
                     "the answer is too long: ask for less with limit=");
    else
        control_end(y->control, y->answer, buf_slice(&out));
    buf_close(&out);
    end(y);
}

static void ask_history(struct why *y)
{
    if (store_history_find(driver_history(y->driver), y->key, y->key_count, y->limit, on_found, y))
        return;
    control_fail(y->control, y->answer, 503, "too many look-ups at once: try again in a moment");
    end(y);
}

/* --- the queue --- */

static void on_idle(uv_idle_t *idle)
{
    struct why *y = idle->data;
    if (!y->is_gone && !y->has_more &&
        engine_find(driver_engine(y->driver), &y->live_query, &y->after, add_live, y))
        return;
    uv_idle_stop(idle);
    if (y->is_gone)
        end(y);
    else
        ask_history(y);
}

static void on_gone(void *ctx)
{
    struct why *y = ctx;
    y->is_gone = true; /* whoever is out comes back and ends it */
}

/* --- the question --- */

static void add_id(struct why *y, uint64_t id, const struct history_salt *salt)
{
    add_key(y, history_key_id(salt, id));
    if (engine_has_message(driver_engine(y->driver), id))
        add_live(y, id);
}

/* A text with an '@' may be an address, the sender's Message-ID, or one that we made of our id. */
static void understand(struct why *y, const struct history_salt *salt)
{
    struct slice q = mail_message_id_bare(slice_cstr(y->query));
    size_t at = slice_find_last(q, '@');
    uint64_t id;
    if (msgid_parse(slice_head(q, at), &id))
        add_id(y, id, salt);
    if (at == q.n && y->key_count)
        return;
    y->live_query.message_id = q;
    add_key(y, history_key_message_id(salt, q));
    if (at < q.n) {
        y->live_query.address = q;
        add_key(y, history_key_address(salt, q));
    }
}

static struct why *why_new(struct exchange *x, struct slice query, unsigned limit)
{
    struct why *y = mem_new(sizeof *y);
    const struct control_source source = {.ctx = y, .gone = on_gone};
    y->answer = control_later(x, &source);
    if (!y->answer) {
        mem_free(y);
        return NULL;
    }
    y->control = x->control;
    y->driver = x->o->driver;
    y->wants_text = x->wants_text;
    y->query = mem_dup(query.p, query.n);
    y->limit = limit;
    y->live = mem_new(limit * sizeof *y->live);
    return y;
}

void why_answer(struct exchange *x, struct slice query, unsigned limit)
{
    struct history_salt salt;
    struct why *y = why_new(x, query, limit);
    if (!y)
        return;
    (void)driver_history_salt(y->driver, &salt); /* none: nothing was kept, nothing is found */
    understand(y, &salt);
    if (!y->live_query.message_id.n) {
        ask_history(y);
        return;
    }
    uv_idle_init(x->o->loop, &y->idle);
    y->idle.data = y;
    y->has_idle = true;
    uv_idle_start(&y->idle, on_idle);
}

void why_answer_history(struct exchange *x, uint64_t msg)
{
    struct history_salt salt;
    struct why *y = why_new(x, x->id, 2);
    if (!y)
        return;
    y->is_one = true;
    (void)driver_history_salt(y->driver, &salt);
    add_key(y, history_key_id(&salt, msg));
    ask_history(y);
}
