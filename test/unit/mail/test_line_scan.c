/* test_line_scan.c -- what is text though it was declared binary; whole, and cut anywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/buf.h"
#include "mail/line_scan.h"

static const struct {
    const char *shown;
    struct slice in;
    bool is_binary, has_8bit, lacks_end;
} rows[] = {
    {"nothing", SLICE_INIT(""), false, false, false},
    {"lines", SLICE_INIT("a\r\n\r\nb\r\n"), false, false, false},
    {"8bit", SLICE_INIT("a\r\n\xff\r\n"), false, true, false},
    {"no line end at the end", SLICE_INIT("a\r\nb"), false, false, true},
    {"NUL", SLICE_INIT("a\0\r\n"), true, false, false},
    {"a bare LF", SLICE_INIT("a\nb\r\n"), true, false, false},
    {"a bare LF first", SLICE_INIT("\n"), true, false, false},
    {"a bare CR", SLICE_INIT("a\rb\r\n"), true, false, false},
    {"two CR", SLICE_INIT("a\r\r\n"), true, false, false},
    {"CR at the end", SLICE_INIT("a\r"), true, false, false},
    {"NUL behind CR", SLICE_INIT("a\r\0\n"), true, false, false},
};

static void check(struct slice in, size_t cut, bool is_binary, bool has_8bit, bool lacks_end)
{
    struct mail_line_scan s = {0};
    bool lacks;
    mail_line_scan_feed(&s, slice_head(in, cut));
    mail_line_scan_feed(&s, slice_from(in, cut));
    mail_line_scan_end(&s, &lacks);
    assert_int_equal(s.is_binary, is_binary);
    assert_int_equal(lacks, lacks_end);
    if (!is_binary)
        assert_int_equal(s.has_8bit, has_8bit);
}

static void text_and_binary(void **state)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (size_t cut = 0; cut <= rows[i].in.n; cut++)
            check(rows[i].in, cut, rows[i].is_binary, rows[i].has_8bit, rows[i].lacks_end);
}

static void long_lines(void **state)
{
    for (size_t n = 990; n < 1010; n++) {
        struct buf line;
        buf_init(&line, 2000);
        for (size_t i = 0; i < n; i++)
            buf_add_char(&line, 'x');
        buf_add_cstr(&line, "\r\n");
        check(buf_slice(&line), n / 2, n > 998, false, false);
        line.p[0] = '.'; /* doubled: one of them is not the line's */
        check(buf_slice(&line), 1, n > 999, false, false);
        buf_close(&line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_and_binary),
        cmocka_unit_test(long_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
