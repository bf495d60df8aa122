/* http_reply.h -- read one reply of an HTTP/1.1 server (RFC 9112) out of received bytes.
 *
 * Pure. Its body may come whole, in chunks, or up to the end of the connection; its length has a
 * ceiling. Fields that do not say where the body ends are passed over. */
#pragma once

#include "base/buf.h"

enum {
    HTTP_REPLY_LINE_BYTES_MAX = 8192,
    HTTP_REPLY_HEAD_BYTES_MAX = 65536, /* of all heads, chunk sizes and trailers together */
};

struct http_reply {
    int status; /* 200..599, when done */
    struct buf body;
    const char *flaw; /* PARSE_BAD: what is wrong; static */

    enum http_reply_at {
        HTTP_AT_STATUS,
        HTTP_AT_FIELDS,
        HTTP_AT_BODY, /* `left` bytes of it */
        HTTP_AT_REST, /* up to the end of the connection */
        HTTP_AT_CHUNK_SIZE,
        HTTP_AT_CHUNK,     /* `left` bytes of it */
        HTTP_AT_CHUNK_END, /* its CRLF */
        HTTP_AT_TRAILER,
        HTTP_AT_END,
        HTTP_AT_FLAW,
    } at;
    struct buf line;
    size_t head_bytes;
    uint64_t left;
    bool has_length, is_chunked;
};

void http_reply_init(struct http_reply *r, size_t body_bytes_max);
void http_reply_close(struct http_reply *r);
/* PARSE_DONE: status and body are there; what comes behind them is ignored. */
MUST_USE enum parse http_reply_feed(struct http_reply *r, struct slice in);
/* The connection has ended. */
MUST_USE enum parse http_reply_end(struct http_reply *r);
