/* test_smtp_server_body.c -- the body's end: every short text over the bytes that matter, whole and
 * cut anywhere, against a plain reading of RFC 5321 4.1.1.4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../src/smtp/smtp_server_body.h"

#include "base/buf.h"
#include "smtp/smtp_server.h"

#include <string.h>

struct result {
    enum smtp_server_body_found found; /* MORE: the end did not come */
    size_t behind;                     /* bytes behind the end */
};

/* What the text is, byte by byte, with a look at the neighbours. */
static struct result expected(struct slice s, size_t *body_bytes)
{
    *body_bytes = s.n;
    for (size_t i = 0; i < s.n; i++) {
        bool is_line_start = i == 0 || (i >= 2 && s.p[i - 2] == '\r' && s.p[i - 1] == '\n');
        *body_bytes = i;
        if (is_line_start && slice_starts(slice_from(s, i), SLICE(".\r\n")))
            return (struct result){SMTP_SERVER_BODY_DOT, s.n - i - 3};
        if (s.p[i] == '\n' && (i == 0 || s.p[i - 1] != '\r'))
            return (struct result){SMTP_SERVER_BODY_BARE, 0};
        if (s.p[i] == '\r' && i + 1 < s.n && s.p[i + 1] != '\n')
            return (struct result){SMTP_SERVER_BODY_BARE, 0};
        if (s.p[i] == 0)
            return (struct result){SMTP_SERVER_BODY_NUL, 0};
    }
    return (struct result){SMTP_SERVER_BODY_MORE, 0};
}

/* Scans one piece; MORE: all of it was taken. */
static struct result scan(struct smtp_server_body *b, struct slice in, struct buf *body)
{
    for (;;) {
        size_t used;
        struct slice text;
        enum smtp_server_body_found found = smtp_server_body_scan(b, in, &used, &text);
        assert_true(used <= in.n);
        in = slice_from(in, used);
        assert_true((found == SMTP_SERVER_BODY_TEXT) == (text.n > 0));
        if (found == SMTP_SERVER_BODY_TEXT)
            assert_true(buf_add(body, text));
        else if (found != SMTP_SERVER_BODY_MORE)
            return (struct result){found, in.n};
        else if (in.n == 0)
            return (struct result){found, 0};
    }
}

static void check_text(struct slice s, size_t cut, size_t cut2)
{
    struct smtp_server_body b;
    struct buf body;
    size_t body_bytes;
    struct result want = expected(s, &body_bytes);
    smtp_server_body_init(&b);
    buf_init(&body, 64);
    struct slice rest = s;
    const size_t cuts[] = {cut, cut2 - cut, s.n - cut2};
    struct result got = {SMTP_SERVER_BODY_MORE, 0};
    for (size_t i = 0; i < 3 && got.found == SMTP_SERVER_BODY_MORE; i++) {
        got = scan(&b, slice_head(rest, cuts[i]), &body);
        rest = slice_from(rest, cuts[i]);
    }
    assert_int_equal(got.found, want.found);
    assert_true(body.n == 0 || memcmp(body.p, s.p, body.n) == 0);
    if (want.found == SMTP_SERVER_BODY_DOT) {
        assert_int_equal(body.n, body_bytes);
        assert_int_equal(got.behind + rest.n, want.behind);
    } else {
        assert_true(body.n <= body_bytes + 1); /* a bare CR may have been handed on */
    }
    buf_close(&body);
}

static void every_short_text(void **state)
{
    static const char bytes[] = {'\r', '\n', '.', 'x', 0};
    enum { LONGEST = 7 };
    char text[LONGEST];
    for (size_t n = 0; n <= LONGEST; n++) {
        size_t count = 1;
        for (size_t i = 0; i < n; i++)
            count *= sizeof bytes;
        for (size_t number = 0; number < count; number++) {
            for (size_t i = 0, left = number; i < n; i++, left /= sizeof bytes)
                text[i] = bytes[left % sizeof bytes];
            struct slice s = slice_of(text, n);
            for (size_t cut = 0; cut <= n; cut++)
                check_text(s, cut, cut);
            check_text(s, n / 3, n / 3 + (n > 2));
        }
    }
}

static void line_lengths(void **state)
{
    static const struct {
        const char *what;
        size_t text_bytes; /* before CRLF */
        bool is_endless;
    } cases[] = {
        {"far below", 70, false},
        {"one below", SMTP_BODY_LINE_BYTES_MAX - 3, false},
        {"just fits with its CRLF", SMTP_BODY_LINE_BYTES_MAX - 2, false},
        {"one too many", SMTP_BODY_LINE_BYTES_MAX - 1, true},
        {"the limit without CRLF", SMTP_BODY_LINE_BYTES_MAX, true},
        {"far above", 3 * SMTP_BODY_LINE_BYTES_MAX, true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t piece = 1; piece < 200000; piece = piece * 7 + 1) {
            struct smtp_server_body b;
            struct buf in, body;
            smtp_server_body_init(&b);
            buf_init(&in, 1 << 20);
            buf_init(&body, 1 << 20);
            buf_add_cstr(&in, "short\r\n");
            char *line = buf_reserve(&in, cases[i].text_bytes);
            memset(line, 'x', cases[i].text_bytes);
            buf_wrote(&in, cases[i].text_bytes);
            buf_add_cstr(&in, "\r\nshort\r\n.\r\n");
            struct slice rest = buf_slice(&in);
            struct result r = {SMTP_SERVER_BODY_MORE, 0};
            while (rest.n && r.found == SMTP_SERVER_BODY_MORE) {
                r = scan(&b, slice_head(rest, piece), &body);
                rest = slice_from(rest, piece);
            }
            assert_int_equal(r.found, SMTP_SERVER_BODY_DOT);
            assert_int_equal(body.n, in.n - 3);
            if (b.has_endless_line != cases[i].is_endless)
                fail_msg("%s, in pieces of %zu", cases[i].what, piece);
            buf_close(&in);
            buf_close(&body);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_short_text),
        cmocka_unit_test(line_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
