/* control_body.c -- GET /queue/ID/body: the message as it is sent, whatever its size, straight out
 * of the journal.
 *
 *   accept record: prefix, extents, tail -> prefix -> each chunk, fetched when the client has taken
 *   the last one -> tail
 *
 * On disk dots at line starts are doubled (RFC 5321 4.5.2); here they are undone. Compaction may
 * move the message meanwhile: then its accept record is read anew and the same piece tried again.
 * A piece that cannot be read ends the answer with an error; the client never takes half a message
 * for a whole one. */
#include "control_operate.h"

#include <string.h>

#include "control_core.h"
#include "queue/queue_record.h"

struct body_reader {
    struct control *control;
    struct driver *driver;
    uint64_t answer; /* 0: nobody wants it any more */
    uint64_t msg;
    struct journal_pos accept;  /* of the copy we read from */
    char *record;               /* its payload; owned */
    struct queue_accept parsed; /* points into it */
    uint32_t next;              /* the piece: 0 prefix, then the chunks, then the tail */
    bool is_fetching;
    enum { LINE_START, IN_LINE, AFTER_CR } at; /* in the body, over the pieces */
};

static void reader_free(struct body_reader *b)
{
    mem_free(b->record);
    mem_free(b);
}

static void on_gone(void *ctx)
{
    struct body_reader *b = ctx;
    b->answer = 0;
    if (!b->is_fetching)
        reader_free(b);
}

static void on_fetched(void *ctx, enum err err, const struct journal_record *r, const char *why);

static void fetch(struct body_reader *b, struct journal_pos pos)
{
    b->is_fetching = true;
    driver_fetch(b->driver, b->msg, pos, on_fetched, b);
}

static void fail(struct body_reader *b, const char *why)
{
    control_fail(b->control, b->answer, 500, "the message cannot be read from the queue: %s", why);
    reader_free(b);
}

/* Gives one piece with its dots undone. */
static void give(struct body_reader *b, struct slice in)
{
    struct buf out;
    buf_init(&out, in.n + 1);
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];
        bool is_doubled = c == '.' && b->at == LINE_START;
        if (!is_doubled)
            buf_add_char(&out, c);
        /* CRLF alone is a line's end: the body of BINARYMIME may hold others. */
        if (c == '\r')
            b->at = AFTER_CR;
        else
            b->at = c == '\n' && b->at == AFTER_CR ? LINE_START : IN_LINE;
    }
    uint64_t answer = b->answer;
    bool is_last = b->next == b->parsed.envelope.extent_count + 1;
    b->next++;
    if (is_last) {
        struct control *control = b->control;
        reader_free(b);
        control_end(control, answer, buf_slice(&out));
    } else {
        control_piece(b->control, answer, buf_slice(&out));
    }
    buf_close(&out);
}

static void go_on(struct body_reader *b)
{
    uint32_t extents = b->parsed.envelope.extent_count;
    if (b->next == 0)
        give(b, b->parsed.prefix);
    else if (b->next <= extents)
        fetch(b, queue_accept_extent(&b->parsed, b->next - 1));
    else
        give(b, b->parsed.tail);
}

static void on_more(void *ctx, uint64_t answer)
{
    go_on(ctx);
}

static bool has_moved(const struct body_reader *b, struct journal_pos *now)
{
    return engine_message_pos(driver_engine(b->driver), b->msg, now) &&
           (now->segment != b->accept.segment || now->offset != b->accept.offset);
}

static bool take_accept(struct body_reader *b, struct slice payload)
{
    uint32_t extents = b->parsed.envelope.extent_count;
    bool is_first = !b->record;
    mem_free(b->record);
    b->record = mem_dup(payload.p, payload.n);
    return queue_accept_parse(slice_of(b->record, payload.n), &b->parsed) == PARSE_DONE &&
           (is_first || b->parsed.envelope.extent_count == extents);
}

static void on_fetched(void *ctx, enum err err, const struct journal_record *r, const char *why)
{
    struct body_reader *b = ctx;
    struct journal_pos now;
    b->is_fetching = false;
    if (!b->answer) {
        reader_free(b);
    } else if (err && has_moved(b, &now)) {
        b->accept = now;
        fetch(b, now);
    } else if (err) {
        fail(b, engine_has_message(driver_engine(b->driver), b->msg)
                    ? why
                    : "it has left the queue meanwhile");
    } else if (r->type == QUEUE_RECORD_CHUNK) {
        give(b, r->payload);
    } else if (take_accept(b, r->payload)) {
        go_on(b);
    } else {
        fail(b, "the record is no message");
    }
}

void control_body(struct exchange *x)
{
    struct body_reader *b = mem_new(sizeof *b);
    const struct control_source source = {.ctx = b, .more = on_more, .gone = on_gone};
    *b = (struct body_reader){.control = x->control, .driver = x->o->driver, .msg = x->msg};
    x->type = "message/rfc822";
    b->answer = control_later(x, &source);
    if (!b->answer || !engine_message_pos(driver_engine(b->driver), b->msg, &b->accept)) {
        mem_free(b); /* the route has found the message; the other case says 503 */
        return;
    }
    fetch(b, b->accept);
}
