/* control_later.h -- answers of the control socket that come later, and in pieces.
 *
 * An answer function that cannot answer at once (a search on disk, a list without end) copies what
 * it needs of the request, calls control_later() and returns. From then on the exchange is a
 * number that is never used twice; a call about one that is over does nothing:
 *
 *   control_later -> [control_piece -> more() -> control_piece ...] -> control_end or control_fail
 *
 * One piece is on its way at a time: the next is asked for with more() when the last has left, so
 * that memory is bounded by one piece, however slowly the client reads. An answer that is ended
 * without a piece before has a Content-Length; one in pieces is chunked (HTTP/1.1) or ends with the
 * connection. When it fails in the middle the connection is cut: no client takes it for whole. */
#pragma once

#include "control_route.h"

enum {
    CONTROL_LATER_MAX = 16,      /* answers out at once; beyond: 503 */
    CONTROL_LATER_MS = 30000,    /* for each piece to come; then 504, or cut */
    CONTROL_DRAIN_MS = 60000,    /* for the client to read a piece */
    CONTROL_PIECE_BYTES = 65536, /* what a piece should have, about */
};

struct control_source {
    void *ctx;
    /* The last piece has left: give the next, now or later. Once a turn of the loop at most. NULL:
     * the answer comes in one piece. */
    void (*more)(void *ctx, uint64_t answer);
    /* The client is gone or time is over: nothing is wanted any more. Called once, never after
     * control_end or control_fail, and never inside a call of this header. May be NULL. */
    void (*gone)(void *ctx);
};

/* From an answer function; x->status, type and next are sent as they are when it returns. 0: too
 * many are out, and x says so (503). */
MUST_USE uint64_t control_later(struct exchange *x, const struct control_source *source);
bool control_is_wanted(const struct control *c, uint64_t answer);
/* Only when one is owed: after control_later() or more(). At most CONTROL_BODY_BYTES_MAX. */
void control_piece(struct control *c, uint64_t answer, struct slice piece);
/* The same, and it is the last; may be empty. */
void control_end(struct control *c, uint64_t answer, struct slice last);
/* Nothing sent yet: an error of this status as the answer. Else the connection is cut. */
void control_fail(struct control *c, uint64_t answer, int status, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
