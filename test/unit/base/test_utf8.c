/* test_utf8.c -- UTF-8: every code point there and back, and all that RFC 3629 forbids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/utf8.h"

static void every_code_point(void **state)
{
    for (uint32_t code = 0; code <= 0x110000; code++) {
        char text[4];
        bool is_scalar = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
        int n = utf8_build(code, text);
        assert_int_equal(n > 0, is_scalar);
        if (!is_scalar)
            continue;
        uint32_t back = 0;
        if (utf8_next(slice_of(text, (size_t)n), &back) != n || back != code)
            fail_msg("U+%x", (unsigned)code);
        for (int cut = 0; cut < n; cut++)
            assert_int_equal(utf8_next(slice_of(text, (size_t)cut), &back), 0);
    }
}

static void forbidden(void **state)
{
    static const struct {
        const char *shows, *in;
    } rows[] = {
        {"lone continuation", "\x80"},
        {"overlong slash, two", "\xc0\xaf"},
        {"overlong, c1", "\xc1\xbf"},
        {"overlong slash, three", "\xe0\x80\xaf"},
        {"overlong, four", "\xf0\x80\x80\xaf"},
        {"surrogate", "\xed\xa0\x80"},
        {"over U+10FFFF", "\xf4\x90\x80\x80"},
        {"five bytes", "\xf8\x88\x80\x80\x80"},
        {"cut short", "a\xe2\x82"},
        {"second byte is no continuation", "\xe2\x28\xa1"},
        {"third byte is no continuation", "\xe2\x82\x28"},
        {"ff", "\xff"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (utf8_is_valid(slice_cstr(rows[i].in)))
            fail_msg("%s", rows[i].shows);
    }
    assert_true(utf8_is_valid(SLICE_NONE));
    assert_true(utf8_is_valid(SLICE("a\0\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xa7")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point),
        cmocka_unit_test(forbidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
