/* deliver_body.c -- a message's body on its way into a connection: had from the journal, fed piece
 * by piece as the network takes it. */
#include "line.h"

#include <stdio.h>

enum { DOWNGRADED_BYTES = 4096 }; /* at once: the output has room for what comes of them */

void deliver_body_judge(struct engine *e, struct line *l)
{
    struct smtp_client_message *m = &l->message;
    bool is_wide = m->is_binary ? !smtp_client_takes_binary(l->smtp)
                                : m->is_8bit && !smtp_client_takes_8bit(l->smtp);
    mail_downgrade_free(l->downgrade);
    l->downgrade = NULL;
    if (!is_wide)
        return;
    if (e->opt->on_no_8bitmime == DELIVERY_8BIT_BOUNCE) {
        m->needs_8bit = m->is_8bit;
        return;
    }
    if (e->opt->on_no_8bitmime == DELIVERY_8BIT_SEND && !m->is_binary)
        return;
    l->downgrade = mail_downgrade_new(m->is_binary);
    m->is_8bit = m->is_binary = false;
}

static void say_pieces(struct engine *e, struct line *l, struct slice body)
{
    while (body.n) {
        struct slice piece = slice_head(body, SMTP_CLIENT_PIECE_BYTES_MAX);
        body = slice_from(body, piece.n);
        smtp_client_body(l->smtp, piece);
        if (body.n)
            line_flush(e, l, false);
    }
}

/* The next bytes of the body; none: it is whole. */
static void say(struct engine *e, struct line *l, struct slice body)
{
    if (!l->downgrade) {
        say_pieces(e, l, body);
        return;
    }
    struct buf out;
    buf_init(&out, MAIL_DOWNGRADE_OUT_BASE + DOWNGRADED_BYTES * MAIL_DOWNGRADE_OUT_EACH);
    bool is_end = !body.n;
    while (body.n || is_end) {
        struct slice part = slice_head(body, DOWNGRADED_BYTES);
        body = slice_from(body, part.n);
        if (is_end)
            mail_downgrade_end(l->downgrade, &out);
        else
            mail_downgrade_feed(l->downgrade, part, &out);
        CHECK(!out.is_full);
        say_pieces(e, l, buf_slice(&out));
        if (body.n)
            line_flush(e, l, false);
        buf_clear(&out);
        is_end = false;
    }
    buf_close(&out);
}

/* The body, piece by piece; large ones from disk, one chunk ahead of the network at most. */
static void fetch_piece(struct engine *e, struct line *l)
{
    l->is_fetching = true;
    struct journal_pos pos = l->body->extent[l->piece++];
    uint64_t ticket = ticket_new(e, TICKET_PIECE, NULL, l->conn, l->job->message->id);
    struct engine_action *a = engine_do(e, ACTION_FETCH);
    a->ticket = ticket;
    a->id = l->job->message->id;
    a->pos = pos;
}

static void end_body(struct engine *e, struct line *l)
{
    l->piece = UINT32_MAX;
    if (l->body->tail.n)
        say(e, l, l->body->tail);
    line_flush(e, l, false);
    if (l->downgrade)
        say(e, l, SLICE_NONE);
    smtp_client_body_end(l->smtp);
    line_flush(e, l, false);
}

/* The next piece, when there is room for it: in the network, and among a binary message's chunks.
 */
static void feed(struct engine *e, struct line *l)
{
    if (l->piece == UINT32_MAX || l->is_fetching || l->waits_drain ||
        !smtp_client_takes_body(l->smtp))
        return;
    if (l->piece < l->body->extent_count)
        fetch_piece(e, l);
    else
        end_body(e, l);
}

void deliver_body_due(struct engine *e, struct line *l)
{
    if (!l->has_begun) {
        l->has_begun = true;
        l->piece = 0;
        if (l->body->prefix.n)
            say(e, l, l->body->prefix);
        if (l->body->extent_count)
            line_flush(e, l, false);
    }
    feed(e, l);
}

void deliver_on_piece(struct engine *e, uint64_t conn, enum err err, const struct journal_record *r,
                      struct slice why)
{
    struct line *l = map_get_id(&e->lines, conn);
    if (!l || !l->is_fetching)
        return;
    l->is_fetching = false;
    if (!l->body || l->state != LINE_BUSY)
        return;
    if (err) {
        body_unreadable(e, l->job->message, err, why);
        /* Never half a message: cut the line, whatever the remote makes of it. */
        char reason[300];
        snprintf(reason, sizeof reason, "the message cannot be read from the queue: %.*s",
                 SLICE_FMT(slice_head(why, 200)));
        line_decide_rest(l, ATTEMPT_LATER, (struct smtp_status){4, 3, 0}, reason);
        line_hang_up(e, l, true);
        line_end_attempt(e, l);
        line_free(e, l);
        return;
    }
    if (r->payload.n)
        say(e, l, r->payload);
    l->waits_drain = true;
    line_flush(e, l, true);
    line_watch(e, l);
}

void deliver_on_drained(struct engine *e, struct line *l)
{
    if (l->state != LINE_BUSY || !l->body || !l->waits_drain)
        return;
    l->waits_drain = false;
    feed(e, l);
    deliver_pump(e, l);
}

static struct line *line_waiting_for(const struct queue_message *m)
{
    for (const struct job *j = m->jobs; j; j = j->next_of_message)
        if (j->line && j->line->waits_body)
            return j->line;
    return NULL;
}

void deliver_on_body(struct engine *e, struct queue_message *m, enum err err, struct slice why)
{
    m->is_fetching = false;
    /* Each step may end jobs of m: look again from the start. */
    for (struct line *l; !m->is_fetching && (l = line_waiting_for(m));) {
        l->waits_body = false;
        if (!err) {
            deliver_carry(e, l);
        } else {
            char reason[300];
            snprintf(reason, sizeof reason, "the message cannot be read from the queue: %.*s",
                     SLICE_FMT(slice_head(why, 200)));
            line_decide_rest(l, ATTEMPT_LATER, (struct smtp_status){4, 3, 0}, reason);
            line_end_attempt(e, l);
            deliver_on_ready(e, l);
        }
        deliver_pump(e, l);
    }
}
