/* test_smtp_reply.c -- replies as servers write them: whole, byte by byte, cut short. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "smtp/smtp_reply.h"

static const struct {
    const char *shown;
    const char *in;
    enum parse parse;
    int code;
    size_t used; /* PARSE_BAD: where */
    int lines;
    const char *text; /* smtp_reply_text */
} reply_rows[] = {
    {"one line", "250 ok\r\n", PARSE_DONE, 250, 8, 1, "250 ok"},
    {"a bare code", "250\r\n", PARSE_DONE, 250, 5, 1, "250"},
    {"a bare code, bare LF", "250\n", PARSE_DONE, 250, 4, 1, "250"},
    {"code and blank only", "354 \r\n", PARSE_DONE, 354, 6, 1, "354"},
    {"several lines", "250-a\r\n250-b\r\n250 c\r\n", PARSE_DONE, 250, 21, 3, "250 a b c"},
    {"an empty line in between", "250-a\r\n250-\r\n250 c\r\n", PARSE_DONE, 250, 20, 3, "250 a c"},
    {"the last line is a bare code", "250-a\r\n250\r\n", PARSE_DONE, 250, 12, 2, "250 a"},
    {"bare LF ends lines", "250-a\n250 b\n", PARSE_DONE, 250, 12, 2, "250 a b"},
    {"stops behind the first reply", "250 a\r\n550 b\r\n", PARSE_DONE, 250, 7, 1, "250 a"},
    {"enhanced code said once", "550-5.1.1 no\r\n550 5.1.1 such user\r\n", PARSE_DONE, 550, 35, 2,
     "550 5.1.1 no such user"},
    {"another enhanced code stays", "550-5.1.1 no\r\n550 5.1.2 host\r\n", PARSE_DONE, 550, 30, 2,
     "550 5.1.1 no 5.1.2 host"},
    {"bytes that harm a log", "550 a\tb\x1b[1m\xc3\xa4 \x7f\r\n", PARSE_DONE, 550, 17, 1,
     "550 a?b?[1m?? ?"},
    {"a CR inside is text", "250 a\rb\r\n", PARSE_DONE, 250, 9, 1, "250 a?b"},
    {"nothing yet", "", PARSE_MORE, 0, 0, 0, NULL},
    {"half a code", "25", PARSE_MORE, 0, 0, 0, NULL},
    {"a code without its line end", "250", PARSE_MORE, 0, 0, 0, NULL},
    {"no line end", "250 ok", PARSE_MORE, 0, 0, 0, NULL},
    {"CR without LF", "250 ok\r", PARSE_MORE, 0, 0, 0, NULL},
    {"last line still to come", "250-a\r\n", PARSE_MORE, 0, 0, 0, NULL},
    {"code changes midway", "250-a\r\n550 b\r\n", PARSE_BAD, 0, 7, 0, NULL},
    {"no digits", "HTTP/1.1 400 Bad\r\n", PARSE_BAD, 0, 0, 0, NULL},
    {"first digit out of range", "150 a\r\n", PARSE_BAD, 0, 0, 0, NULL},
    {"first digit too large", "650 a\r\n", PARSE_BAD, 0, 0, 0, NULL},
    {"a letter in the code", "2x0 a\r\n", PARSE_BAD, 0, 1, 0, NULL},
    {"four digits", "2500 a\r\n", PARSE_BAD, 0, 3, 0, NULL},
    {"CR behind the code without LF", "250\rx\n", PARSE_BAD, 0, 4, 0, NULL},
    {"an empty line", "\r\n250 a\r\n", PARSE_BAD, 0, 0, 0, NULL},
    {"garbage on the second line", "250-a\r\nxx\r\n", PARSE_BAD, 0, 7, 0, NULL},
};

static void reply_whole_and_byte_by_byte(void **state)
{
    for (size_t i = 0; i < COUNT_OF(reply_rows); i++) {
        struct slice in = slice_cstr(reply_rows[i].in);
        struct smtp_reply r;
        size_t used;
        enum parse p = smtp_reply_parse(in, &r, &used);
        if (p != reply_rows[i].parse || used != reply_rows[i].used)
            fail_msg("%s: parse %d, used %zu", reply_rows[i].shown, p, used);
        /* Each shorter start wants more, until the same answer comes and stays; a wrong byte is
         * named at the latest with the head of its line. */
        for (size_t n = 0; n <= in.n; n++) {
            enum parse q = smtp_reply_parse(slice_head(in, n), &r, &used);
            if (q == PARSE_MORE
                    ? p != PARSE_MORE && n >= reply_rows[i].used + (p == PARSE_BAD ? 4 : 0)
                    : q != p || used != reply_rows[i].used)
                fail_msg("%s: cut to %zu gives %d, used %zu", reply_rows[i].shown, n, q, used);
        }
        if (p != PARSE_DONE)
            continue;
        assert_int_equal(r.code, reply_rows[i].code);
        assert_int_equal(r.line_count, reply_rows[i].lines);
        struct buf text;
        buf_init(&text, 1000);
        smtp_reply_text(&r, &text, 1000);
        assert_string_equal(buf_cstr(&text), reply_rows[i].text);
        buf_close(&text);
    }
}

static const struct {
    const char *shown;
    const char *in;
    bool is_status;
    int class, subject, detail;
    size_t used;
} status_rows[] = {
    {"with text", "5.1.1 no such user", true, 5, 1, 1, 6},
    {"alone", "2.0.0", true, 2, 0, 0, 5},
    {"three digits", "4.123.999 x", true, 4, 123, 999, 10},
    {"a tab behind", "4.7.1\tx", true, 4, 7, 1, 6},
    {"no class 3", "3.1.1 x", false, 0, 0, 0, 0},
    {"four digits", "4.1234.1 x", false, 0, 0, 0, 0},
    {"four digits at the end", "4.1.1234 x", false, 0, 0, 0, 0},
    {"an address", "5.6.7.8 is listed", false, 0, 0, 0, 0},
    {"cut behind a dot", "5.1.", false, 0, 0, 0, 0},
    {"cut behind the class", "5", false, 0, 0, 0, 0},
    {"two numbers", "5.1 x", false, 0, 0, 0, 0},
    {"a letter behind", "5.1.1x", false, 0, 0, 0, 0},
    {"nothing", "", false, 0, 0, 0, 0},
};

static void status_there_and_back(void **state)
{
    for (size_t i = 0; i < COUNT_OF(status_rows); i++) {
        struct smtp_status s;
        size_t used;
        struct slice in = slice_cstr(status_rows[i].in);
        if (smtp_status_parse(in, &s, &used) != status_rows[i].is_status ||
            used != status_rows[i].used || s.class != status_rows[i].class ||
            s.subject != status_rows[i].subject || s.detail != status_rows[i].detail)
            fail_msg("%s: %d.%d.%d used %zu", status_rows[i].shown, s.class, s.subject, s.detail,
                     used);
        if (!status_rows[i].is_status)
            continue;
        struct smtp_status_text text = smtp_status_build(s);
        assert_memory_equal(text.s, in.p, strlen(text.s));
    }
}

static void reply_takes_the_status_that_fits_its_code(void **state)
{
    static const struct {
        const char *shown, *in;
        int class;
    } rows[] = {
        {"agrees", "550 5.1.1 x\r\n", 5},
        {"contradicts", "550 4.1.1 x\r\n", 0},
        {"none", "550 x\r\n", 0},
        {"only on the second line", "550-x\r\n550 5.1.1 x\r\n", 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct smtp_reply r;
        size_t used;
        assert_int_equal(smtp_reply_parse(slice_cstr(rows[i].in), &r, &used), PARSE_DONE);
        if (r.status.class != rows[i].class)
            fail_msg("%s: class %d", rows[i].shown, r.status.class);
    }
}

static void ceilings_hold(void **state)
{
    static char line[SMTP_REPLY_LINE_BYTES_MAX + 8];
    struct smtp_reply r;
    size_t used;
    memset(line, 'x', sizeof line);
    memcpy(line, "250 ", 4);
    line[SMTP_REPLY_LINE_BYTES_MAX - 1] = '\n';
    assert_int_equal(smtp_reply_parse(slice_of(line, sizeof line), &r, &used), PARSE_DONE);
    assert_int_equal(used, SMTP_REPLY_LINE_BYTES_MAX);
    line[SMTP_REPLY_LINE_BYTES_MAX - 1] = 'x';
    line[SMTP_REPLY_LINE_BYTES_MAX] = '\n';
    assert_int_equal(smtp_reply_parse(slice_of(line, sizeof line), &r, &used), PARSE_BAD);
    assert_int_equal(used, SMTP_REPLY_LINE_BYTES_MAX);
    /* An endless line is refused before it ends. */
    assert_int_equal(smtp_reply_parse(slice_of(line, SMTP_REPLY_LINE_BYTES_MAX - 1), &r, &used),
                     PARSE_MORE);
    assert_int_equal(smtp_reply_parse(slice_of(line, SMTP_REPLY_LINE_BYTES_MAX), &r, &used),
                     PARSE_BAD);

    struct buf in;
    buf_init(&in, 4096);
    for (int i = 0; i < SMTP_REPLY_LINES_MAX - 1; i++)
        buf_add_cstr(&in, "250-x\r\n");
    size_t full = in.n;
    buf_add_cstr(&in, "250 x\r\n");
    assert_int_equal(smtp_reply_parse(buf_slice(&in), &r, &used), PARSE_DONE);
    assert_int_equal(r.line_count, SMTP_REPLY_LINES_MAX);
    in.p[full + 3] = '-';
    buf_add_cstr(&in, "250 x\r\n");
    assert_int_equal(smtp_reply_parse(buf_slice(&in), &r, &used), PARSE_BAD);
    assert_int_equal(used, full + 7);
    buf_close(&in);
}

static void text_is_cut_at_max(void **state)
{
    struct smtp_reply r;
    size_t used;
    assert_int_equal(smtp_reply_parse(SLICE("550-no\r\n550 way\r\n"), &r, &used), PARSE_DONE);
    const char *whole = "550 no way";
    for (size_t max = 0; max <= 12; max++) {
        struct buf out;
        buf_init(&out, 100);
        buf_add_cstr(&out, "reply=");
        smtp_reply_text(&r, &out, max);
        size_t n = max < strlen(whole) ? max : strlen(whole);
        assert_int_equal(out.n, 6 + n);
        assert_memory_equal(out.p + 6, whole, n);
        buf_close(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reply_whole_and_byte_by_byte),
        cmocka_unit_test(status_there_and_back),
        cmocka_unit_test(reply_takes_the_status_that_fits_its_code),
        cmocka_unit_test(ceilings_hold),
        cmocka_unit_test(text_is_cut_at_max),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
