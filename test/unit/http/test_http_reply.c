/* Replies of HTTP servers: whole, byte by byte, cut short. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "http/http_reply.h"

enum { BODY_MAX = 32 };

#define OK "HTTP/1.1 200 OK\r\n"

static const struct {
    const char *shows, *text;
    enum parse whole; /* after all of it, and the end of the connection */
    bool needs_end;   /* without the end there is more to come */
    int status;
    const char *body; /* or the flaw */
} rows[] = {
    {"a length", OK "Content-Length: 5\r\n\r\nhello", PARSE_DONE, false, 200, "hello"},
    {"names in any case", OK "CONTENT-length:5\r\n\r\nhello", PARSE_DONE, false, 200, "hello"},
    {"bare line feeds", "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", PARSE_DONE, false, 200, "hi"},
    {"no reason", "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", PARSE_DONE, false, 404, ""},
    {"HTTP/1.0, up to the end", "HTTP/1.0 400 Bad Request\r\n\r\nno", PARSE_DONE, true, 400, "no"},
    {"chunks", OK "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n",
     PARSE_DONE, false, 200, "hello"},
    {"chunks with a trailer",
     OK "Transfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n", PARSE_DONE, false,
     200, "0123456789"},
    {"100 first", "HTTP/1.1 100 Continue\r\nA: b\r\n\r\n" OK "Content-Length: 1\r\n\r\nx",
     PARSE_DONE, false, 200, "x"},
    {"204", "HTTP/1.1 204 No Content\r\n\r\n", PARSE_DONE, false, 204, ""},
    {"bytes behind it", OK "Content-Length: 1\r\n\r\nxyz", PARSE_DONE, false, 200, "x"},
    {"the same length twice", OK "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", PARSE_DONE,
     false, 200, "x"},
    {"two lengths", OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxy", PARSE_BAD, false, 0,
     "usable length"},
    {"a length and chunks", OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     PARSE_BAD, false, 0, "two lengths"},
    {"a negative length", OK "Content-Length: -1\r\n\r\n", PARSE_BAD, false, 0, "usable length"},
    {"too long a length", OK "Content-Length: 33\r\n\r\n", PARSE_BAD, false, 0, "too long"},
    {"a huge length", OK "Content-Length: 99999999999999999999\r\n\r\n", PARSE_BAD, false, 0,
     "usable length"},
    {"too long to the end", OK "\r\n0123456789012345678901234567890123", PARSE_BAD, false, 0,
     "too long"},
    {"too long a chunk", OK "Transfer-Encoding: chunked\r\n\r\n21\r\n", PARSE_BAD, false, 0,
     "too long"},
    {"a huge chunk", OK "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", PARSE_BAD, false,
     0, "without a size"},
    {"a chunk without a size", OK "Transfer-Encoding: chunked\r\n\r\n\r\n", PARSE_BAD, false, 0,
     "without a size"},
    {"a chunk longer than its size", OK "Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n", PARSE_BAD,
     false, 0, "longer than its size"},
    {"compressed", OK "Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", PARSE_BAD, false, 0,
     "compressed"},
    {"encoded twice", OK "Transfer-Encoding: gzip, chunked\r\n\r\n", PARSE_BAD, false, 0,
     "encoded"},
    {"a blank before the colon", OK "Content-Length : 1\r\n\r\nx", PARSE_BAD, false, 0, "none"},
    {"no colon", OK "hello\r\n\r\n", PARSE_BAD, false, 0, "none"},
    {"SMTP", "220 mail.example ESMTP\r\n", PARSE_BAD, false, 0, "speak HTTP"},
    {"HTTP/2", "HTTP/2 200\r\n\r\n", PARSE_BAD, false, 0, "speak HTTP"},
    {"a code of four digits", "HTTP/1.1 2000 x\r\n\r\n", PARSE_BAD, false, 0, "speak HTTP"},
    {"cut in the head", OK "Content-", PARSE_BAD, true, 0, "before its answer was whole"},
    {"cut in the body", OK "Content-Length: 5\r\n\r\nhel", PARSE_BAD, true, 0, "before its answer"},
    {"cut in a chunk", OK "Transfer-Encoding: chunked\r\n\r\n3\r\nhe", PARSE_BAD, true, 0,
     "before"},
    {"nothing at all", "", PARSE_BAD, true, 0, "before its answer was whole"},
};

static void run(size_t i, size_t piece)
{
    struct http_reply r;
    struct slice in = slice_cstr(rows[i].text);
    enum parse p = PARSE_MORE;
    http_reply_init(&r, BODY_MAX);
    while (in.n) {
        p = http_reply_feed(&r, slice_head(in, piece));
        in = slice_from(in, piece < in.n ? piece : in.n);
    }
    if (rows[i].needs_end != (p == PARSE_MORE))
        fail_msg("%s, %zu at a time: before the end", rows[i].shows, piece);
    p = http_reply_end(&r);
    bool is_good = p == rows[i].whole && (p == PARSE_BAD || r.status == rows[i].status) &&
                   (p == PARSE_BAD ? strstr(r.flaw, rows[i].body) != NULL
                                   : slice_eq(buf_slice(&r.body), slice_cstr(rows[i].body)));
    if (!is_good)
        fail_msg("%s, %zu at a time: %s", rows[i].shows, piece, r.flaw ? r.flaw : "not as wanted");
    http_reply_close(&r);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        run(i, 1);
        run(i, 3);
        run(i, 1000);
    }
}

/* What a server can make us keep before the body. */
static void test_heads_are_bounded(void **state)
{
    (void)state;
    static char much[HTTP_REPLY_HEAD_BYTES_MAX];
    struct http_reply r;
    memset(much, 'x', sizeof much);
    http_reply_init(&r, BODY_MAX);
    assert_int_equal(http_reply_feed(&r, SLICE(OK)), PARSE_MORE);
    assert_int_equal(http_reply_feed(&r, slice_of(much, HTTP_REPLY_LINE_BYTES_MAX)), PARSE_MORE);
    assert_int_equal(http_reply_feed(&r, slice_of(much, 1)), PARSE_BAD);
    http_reply_close(&r);
    http_reply_init(&r, BODY_MAX);
    enum parse p = http_reply_feed(&r, SLICE(OK));
    size_t fields = 0;
    for (; p == PARSE_MORE; fields++)
        p = http_reply_feed(&r, SLICE("A: b\r\n"));
    assert_int_equal(p, PARSE_BAD);
    assert_true(fields <= HTTP_REPLY_HEAD_BYTES_MAX / 6 + 1);
    http_reply_close(&r);
    http_reply_init(&r, BODY_MAX); /* nor by ever more interim replies */
    p = PARSE_MORE;
    for (fields = 0; p == PARSE_MORE; fields++)
        p = http_reply_feed(&r, SLICE("HTTP/1.1 102 Wait\r\n\r\n"));
    assert_int_equal(p, PARSE_BAD);
    http_reply_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_heads_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
