/* deliver_body.c -- a message's body on its way into a connection: had from the journal, fed piece
 * by piece as the network takes it. */
#include "line.h"

#include <stdio.h>

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
    for (struct slice rest = l->body->tail; rest.n;) { /* a report may be larger than a chunk */
        struct slice piece = slice_head(rest, SMTP_CLIENT_PIECE_BYTES_MAX);
        smtp_client_body(l->smtp, piece);
        line_flush(e, l, false);
        rest = slice_from(rest, piece.n);
    }
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
        smtp_client_body(l->smtp, l->body->prefix);
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
    smtp_client_body(l->smtp, r->payload);
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
