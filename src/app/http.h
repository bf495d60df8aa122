/* http.h -- the little of HTTP/1.1 that the control socket speaks (RFC 9112), as pure functions.
 *
 * Requests with a Content-Length or without a body; no chunked bodies, no upgrades. A first line
 * that is one bare word ("stats") is a request too. Slices point into the input. */
#pragma once

#include "base/buf.h"

enum { HTTP_REQUEST_BYTES_MAX = 16384, HTTP_HEADERS_MAX = 64 };

struct http_request {
    struct slice word;   /* a bare word: all else is empty */
    struct slice method; /* "GET" */
    struct slice path;   /* "/queue/x", not decoded, without the query */
    struct slice query;  /* behind the '?', not decoded */
    struct slice accept; /* value of Accept */
    struct slice body;
    bool keeps_alive;
    bool may_chunk;      /* HTTP/1.1: the answer's length need not be known at its start */
    const char *mistake; /* PARSE_BAD: what is wrong, one line */
    int status;          /* PARSE_BAD: 400, 413, 431, 501, 505 */
};

/* One request from the start of in. PARSE_DONE: *used bytes belong to it. PARSE_BAD: answer
 * out->status and close. */
MUST_USE enum parse http_request_parse(struct slice in, struct http_request *out, size_t *used);

/* The value of a key in a query, decoded (%XX and '+'), added to out. False: no such key, or out is
 * full. */
bool http_query_get(struct slice query, const char *key, struct buf *out);
/* s with %XX for what does not stand for itself in a query or path segment. */
void http_escape(struct slice s, struct buf *out);

enum http_framing {
    HTTP_FRAMING_LENGTH,  /* body is all */
    HTTP_FRAMING_CHUNKED, /* what follows the head is made with http_chunk_build */
    HTTP_FRAMING_CLOSE,   /* the body ends with the connection */
};

struct http_response {
    int status;
    const char *type;  /* "application/json" */
    const char *next;  /* X-Outpost-Next: where a list continues; NULL: no such field */
    struct slice body; /* FRAMING_LENGTH only */
    enum http_framing framing;
    bool keeps_alive;
    bool is_head; /* the body is announced and not sent */
};
void http_response_build(const struct http_response *r, struct buf *out);
/* One piece of a chunked body; an empty one is the last. */
void http_chunk_build(struct slice piece, struct buf *out);

/* The client's side: the head of a response first, then its body piece by piece as it comes. */
struct http_answer {
    int status;
    struct slice next, body;
    enum http_framing framing;
    uint64_t left; /* of the body (LENGTH), of the chunk (CHUNKED) */
    bool is_over;  /* CHUNKED: the last chunk was seen */
};
/* PARSE_DONE: *used bytes are the head, the body follows. */
MUST_USE enum parse http_answer_head(struct slice in, struct http_answer *out, size_t *used);
/* The next piece of the body. PARSE_DONE: *piece is it, *used bytes of `in` are done with; empty:
 * the body is over (never with FRAMING_CLOSE: the end of input is). */
MUST_USE enum parse http_answer_piece(struct http_answer *a, struct slice in, struct slice *piece,
                                      size_t *used);
/* A whole response as received until the peer closed; a chunked body is put together in place. */
bool http_answer_parse(char *in, size_t n, struct http_answer *out);
