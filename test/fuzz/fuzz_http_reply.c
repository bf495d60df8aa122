/* fuzz_http_reply.c -- any bytes as an HTTP server's reply: whole and in pieces they mean the same,
 * and nothing grows beyond its ceiling. */
#include "http/http_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_MAX = 4096 };

static enum parse feed(struct http_reply *r, struct slice in, size_t piece)
{
    enum parse p = PARSE_MORE;
    http_reply_init(r, BODY_MAX);
    while (in.n) {
        p = http_reply_feed(r, slice_head(in, piece));
        in = slice_from(in, piece < in.n ? piece : in.n);
        CHECK(r->body.n <= BODY_MAX && r->line.n <= HTTP_REPLY_LINE_BYTES_MAX);
    }
    enum parse q = http_reply_end(r);
    CHECK(q != PARSE_MORE && (p == PARSE_MORE || p == q));
    return q;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_reply whole, pieces;
    struct slice in = slice_of(data, size);
    size_t piece = size ? data[size - 1] % 7 + 1u : 1;
    enum parse p = feed(&whole, in, size + 1), q = feed(&pieces, in, piece);
    CHECK(p == q && whole.at == pieces.at);
    CHECK((p == PARSE_BAD) == (whole.flaw != NULL));
    if (p == PARSE_DONE)
        CHECK(whole.status >= 200 && whole.status <= 599 && whole.status == pieces.status &&
              slice_eq(buf_slice(&whole.body), buf_slice(&pieces.body)));
    http_reply_close(&whole);
    http_reply_close(&pieces);
    return 0;
}
