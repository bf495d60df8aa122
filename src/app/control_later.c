/* control_later.c -- see control_later.h.
 *
 *   owed --piece--> leaving --drained--> hungry --more()--> owed ...
 *     '--end/fail--> over                (gone at any time)
 *
 * A source is asked for more only from the idle handle, once a turn of the loop: a source that
 * answers at once and a client that reads at once must not keep everybody else waiting. */
#include "control_core.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static struct control_conn *find(const struct control *c, uint64_t answer)
{
    for (size_t i = 0; i < CONTROL_PLACES && answer; i++)
        if (c->at[i].late.id == answer)
            return (struct control_conn *)(uintptr_t)&c->at[i];
    return NULL;
}

uint64_t control_later(struct exchange *x, const struct control_source *source)
{
    struct control *c = x->control;
    struct control_conn *k = x->conn;
    CHECK(!k->late.id);
    if (c->later_count == CONTROL_LATER_MAX) {
        control_refuse(x, 503, "%u answers are being made already: try again in a moment",
                       c->later_count);
        return 0;
    }
    c->later_count++;
    x->is_late = true;
    k->late = (struct control_late){
        .id = ++c->last_later,
        .source = *source,
        .is_owed = true,
        .may_chunk = x->request->may_chunk,
        .is_word = x->request->word.n > 0,
        .is_head = slice_eq(x->request->method, SLICE("HEAD")),
        .keeps_alive = x->request->keeps_alive,
        .wants_text = x->wants_text,
        .status = x->status,
        .type = x->type,
    };
    memcpy(k->late.next, x->next, sizeof k->late.next);
    control_give_time(c, k, CONTROL_LATER_MS);
    return k->late.id;
}

bool control_is_wanted(const struct control *c, uint64_t answer)
{
    return find(c, answer) != NULL;
}

static void forget(struct control *c, struct control_conn *k)
{
    k->late = (struct control_late){0};
    c->later_count--;
}

/* --- framing --- */

static void add_head(struct buf *out, const struct control_late *l, bool is_whole,
                     struct slice body)
{
    if (l->is_word)
        return;
    const struct http_response r = {
        .status = l->status,
        .type = l->type,
        .next = l->next[0] ? l->next : NULL,
        .body = body,
        .framing = is_whole       ? HTTP_FRAMING_LENGTH
                   : l->may_chunk ? HTTP_FRAMING_CHUNKED
                                  : HTTP_FRAMING_CLOSE,
        .keeps_alive = l->keeps_alive && (is_whole || l->may_chunk),
        .is_head = l->is_head,
    };
    http_response_build(&r, out);
}

static void add_piece(struct buf *out, const struct control_late *l, struct slice piece)
{
    if (l->is_head)
        return;
    if (l->may_chunk && !l->is_word)
        http_chunk_build(piece, out);
    else
        buf_add(out, piece);
}

void control_piece(struct control *c, uint64_t answer, struct slice piece)
{
    struct control_conn *k = find(c, answer);
    if (!k)
        return;
    struct control_late *l = &k->late;
    CHECK(l->is_owed && l->source.more && piece.n <= CONTROL_BODY_BYTES_MAX);
    buf_clear(&c->out);
    if (!l->has_begun)
        add_head(&c->out, l, false, SLICE_NONE);
    if (piece.n) /* an empty chunk would be the last */
        add_piece(&c->out, l, piece);
    l->has_begun = true;
    l->is_owed = false;
    control_give_time(c, k, CONTROL_DRAIN_MS);
    control_send(c, k, buf_slice(&c->out));
    if (!k->is_sending)
        control_later_drained(c, k);
}

/* The exchange is over; the connection goes on or ends. */
static void finish(struct control *c, struct control_conn *k, bool keeps_alive)
{
    forget(c, k);
    k->is_ending = !keeps_alive;
    control_give_time(c, k, k->is_sending ? CONTROL_DRAIN_MS : CONTROL_REQUEST_MS);
    if (k->is_ending && !k->is_sending)
        control_drop(c, k, false);
    else if (!k->is_sending && !k->is_working)
        control_work(c, k);
}

void control_end(struct control *c, uint64_t answer, struct slice last)
{
    struct control_conn *k = find(c, answer);
    if (!k)
        return;
    struct control_late *l = &k->late;
    CHECK(l->is_owed && last.n <= CONTROL_BODY_BYTES_MAX);
    bool is_whole = !l->has_begun;
    bool keeps_alive = l->keeps_alive && !l->is_word && (is_whole || l->may_chunk);
    buf_clear(&c->out);
    if (is_whole) {
        add_head(&c->out, l, true, last);
        if (l->is_word)
            buf_add(&c->out, last);
    } else {
        if (last.n)
            add_piece(&c->out, l, last);
        if (l->may_chunk && !l->is_word)
            add_piece(&c->out, l, SLICE_NONE);
    }
    control_send(c, k, buf_slice(&c->out));
    finish(c, k, keeps_alive);
}

/* The text of an error, as control_refuse() writes it. */
static void refuse(struct control *c, struct control_conn *k, int status, const char *text)
{
    struct control_late *l = &k->late;
    struct http_request none = {0};
    struct exchange x = {.request = &none, .wants_text = l->wants_text, .body = &c->body};
    control_refuse(&x, status, "%s", text);
    l->status = x.status;
    l->type = x.type;
    l->next[0] = 0;
    l->is_owed = true;
    control_end(c, l->id, buf_slice(&c->body));
}

void control_fail(struct control *c, uint64_t answer, int status, const char *fmt, ...)
{
    struct control_conn *k = find(c, answer);
    if (!k)
        return;
    if (k->late.has_begun) {
        forget(c, k);
        control_drop(c, k, true);
        return;
    }
    char text[512];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    refuse(c, k, status, n < 0 ? "" : text);
}

/* --- asking for more, and the end --- */

static bool is_hungry(const struct control_conn *k)
{
    return k->late.id && !k->late.is_owed && !k->is_sending;
}

static void on_hungry(uv_idle_t *idle)
{
    struct control *c = idle->data;
    bool is_left = false;
    for (size_t i = 0; i < CONTROL_PLACES; i++) {
        struct control_conn *k = &c->at[i];
        if (!is_hungry(k))
            continue;
        k->late.is_owed = true;
        control_give_time(c, k, CONTROL_LATER_MS);
        k->late.source.more(k->late.source.ctx, k->late.id);
    }
    for (size_t i = 0; i < CONTROL_PLACES; i++)
        is_left |= is_hungry(&c->at[i]);
    if (!is_left)
        uv_idle_stop(idle);
}

void control_later_init(struct control *c)
{
    uv_idle_init(c->o.loop, &c->hungry);
    c->hungry.data = c;
}

void control_later_drained(struct control *c, struct control_conn *k)
{
    if (is_hungry(k))
        uv_idle_start(&c->hungry, on_hungry);
}

void control_later_gone(struct control *c, struct control_conn *k)
{
    if (!k->late.id)
        return;
    const struct control_source source = k->late.source;
    forget(c, k);
    if (source.gone)
        source.gone(source.ctx);
}

bool control_later_expired(struct control *c, struct control_conn *k)
{
    const struct control_late *l = &k->late;
    if (!l->id || l->has_begun)
        return false;
    const struct control_source source = l->source;
    refuse(c, k, 504, "the answer took too long to make");
    if (source.gone)
        source.gone(source.ctx);
    return true;
}
