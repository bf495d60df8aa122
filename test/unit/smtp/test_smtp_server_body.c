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
    smtp_server_body_init(&b, false);
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

/* Chunks: the same plainly. A dot at a line's start is doubled; in binary, behind the empty line,
 * everything goes. */
static enum smtp_server_body_found expected_chunks(struct slice s, bool is_binary, struct buf *wire)
{
    bool in_header = true;
    for (size_t i = 0; i < s.n; i++) {
        bool is_line_start = i == 0 || (i >= 2 && s.p[i - 2] == '\r' && s.p[i - 1] == '\n');
        bool is_free = is_binary && !in_header;
        if (!is_free && (s.p[i] == '\n') != (i > 0 && s.p[i - 1] == '\r'))
            return SMTP_SERVER_BODY_BARE;
        if (s.p[i] == 0 && !is_free)
            return SMTP_SERVER_BODY_NUL;
        if (is_line_start && s.p[i] == '.')
            buf_add_char(wire, '.');
        buf_add_char(wire, s.p[i]);
        bool is_empty_line = s.p[i] == '\n' && (i == 1 || (i >= 3 && s.p[i - 2] == '\n'));
        in_header = in_header && !is_empty_line;
    }
    if (is_binary && !in_header)
        return SMTP_SERVER_BODY_MORE;
    if (s.n && s.p[s.n - 1] == '\r')
        return SMTP_SERVER_BODY_BARE;
    if (s.n && s.p[s.n - 1] != '\n')
        buf_add_cstr(wire, "\r\n");
    return SMTP_SERVER_BODY_MORE;
}

static void check_chunks(struct slice s, bool is_binary, size_t cut, size_t cut2)
{
    struct smtp_server_body b;
    struct buf got, want;
    struct slice rest = s, text;
    buf_init(&got, 64);
    buf_init(&want, 64);
    enum smtp_server_body_found wanted = expected_chunks(s, is_binary, &want);
    enum smtp_server_body_found found = SMTP_SERVER_BODY_MORE;
    smtp_server_body_init(&b, is_binary);
    const size_t cuts[] = {cut, cut2 - cut, s.n - cut2};
    for (size_t i = 0; i < 3; i++) {
        struct slice piece = slice_head(rest, cuts[i]);
        rest = slice_from(rest, cuts[i]);
        while (piece.n && found == SMTP_SERVER_BODY_MORE) {
            size_t used;
            found = smtp_server_body_scan_chunk(&b, piece, &used, &text);
            piece = slice_from(piece, used);
            assert_true(buf_add(&got, text));
            found = found == SMTP_SERVER_BODY_TEXT ? SMTP_SERVER_BODY_MORE : found;
        }
    }
    if (found == SMTP_SERVER_BODY_MORE) {
        found = smtp_server_body_end_chunks(&b, &text);
        buf_add(&got, text);
        found = found == SMTP_SERVER_BODY_TEXT ? SMTP_SERVER_BODY_MORE : found;
    }
    assert_int_equal(found, wanted);
    if (wanted == SMTP_SERVER_BODY_MORE)
        assert_true(slice_eq(buf_slice(&got), buf_slice(&want)));
    buf_close(&got);
    buf_close(&want);
}

static void every_short_text_in_chunks(void **state)
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
            for (size_t cut = 0; cut <= n; cut++) {
                check_chunks(slice_of(text, n), false, cut, cut);
                check_chunks(slice_of(text, n), true, cut, cut);
            }
            check_chunks(slice_of(text, n), true, n / 3, n / 3 + (n > 2));
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
            smtp_server_body_init(&b, false);
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
        cmocka_unit_test(every_short_text_in_chunks),
        cmocka_unit_test(line_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
