/* test_slice.c -- slices: comparing, finding, cutting, numbers, globs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/slice.h"

static void comparing(void **state)
{
    assert_true(slice_eq(SLICE("abc"), SLICE("abc")));
    assert_false(slice_eq(SLICE("abc"), SLICE("abC")));
    assert_false(slice_eq(SLICE("abc"), SLICE("ab")));
    assert_true(slice_eq(SLICE_NONE, SLICE("")));
    assert_true(slice_eq(slice_cstr(NULL), SLICE_NONE));
    assert_false(slice_eq(SLICE("a\0b"), SLICE("a\0c")));
    assert_true(slice_eq_nocase(SLICE("aBc["), SLICE("AbC[")));
    assert_false(slice_eq_nocase(SLICE("[@`{"), SLICE("{`@["))); /* only letters fold */
    assert_false(slice_eq_nocase(SLICE("\xc3\x84"), SLICE("\xc3\xa4")));
    assert_true(slice_starts(SLICE("EHLO x"), SLICE("EHLO")));
    assert_false(slice_starts(SLICE("EHL"), SLICE("EHLO")));
    assert_true(slice_starts(SLICE("x"), SLICE_NONE));
    assert_true(slice_starts_nocase(SLICE("ehlo x"), SLICE("EHLO")));
    assert_true(slice_ends_nocase(SLICE("a.Example.COM"), SLICE(".example.com")));
    assert_false(slice_ends_nocase(SLICE("com"), SLICE(".com")));
}

static void finding_and_cutting(void **state)
{
    struct slice s = SLICE("a:b:c");
    assert_int_equal(slice_find(s, ':'), 1);
    assert_int_equal(slice_find_last(s, ':'), 3);
    assert_int_equal(slice_find(s, 'x'), s.n);
    assert_int_equal(slice_find_last(s, 'x'), s.n);
    assert_int_equal(slice_find(SLICE_NONE, 'x'), 0);
    assert_true(slice_eq(slice_from(s, 2), SLICE("b:c")));
    assert_true(slice_eq(slice_from(s, 99), SLICE("")));
    assert_true(slice_eq(slice_from(SLICE_NONE, 99), SLICE("")));
    assert_true(slice_eq(slice_head(s, 1), SLICE("a")));
    assert_true(slice_eq(slice_head(s, 99), s));
    assert_true(slice_eq(slice_trim(SLICE(" \t a b\t ")), SLICE("a b")));
    assert_true(slice_eq(slice_trim(SLICE(" \t ")), SLICE("")));
    assert_true(slice_eq(slice_trim(SLICE("\na\n")), SLICE("\na\n")));
}

static void numbers(void **state)
{
    static const struct {
        const char *shows, *in;
        bool is_number;
        uint64_t value;
    } rows[] = {
        {"zero", "0", true, 0},
        {"leading zeros", "007", true, 7},
        {"largest", "18446744073709551615", true, UINT64_MAX},
        {"one too large", "18446744073709551616", false, 0},
        {"far too large", "99999999999999999999999", false, 0},
        {"nothing", "", false, 0},
        {"sign", "-1", false, 0},
        {"blank", " 1", false, 0},
        {"letter behind", "1a", false, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t v = 0;
        if (slice_to_u64(slice_cstr(rows[i].in), &v) != rows[i].is_number || v != rows[i].value)
            fail_msg("%s: %s", rows[i].shows, rows[i].in);
    }
}

static void globs(void **state)
{
    static const struct {
        const char *shows, *pattern, *text;
        bool does_match;
    } rows[] = {
        {"itself", "abc", "ABC", true},
        {"too short", "abc", "ab", false},
        {"too long", "abc", "abcd", false},
        {"star alone", "*", "", true},
        {"star at the end", "a*", "abc", true},
        {"star at the start", "*.example.com", "mx.Example.com", true},
        {"star needs the dot", "*.example.com", "example.com", false},
        {"star goes back", "*aab", "aaaaab", true},
        {"two stars", "*a*b", "xxaxxbxb", true},
        {"two stars, no end", "*a*b", "xxaxxbxbc", false},
        {"many stars", "***a***", "a", true},
        {"empty pattern", "", "a", false},
        {"both empty", "", "", true},
        {"star in the text", "a*", "*", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (slice_glob_nocase(slice_cstr(rows[i].pattern), slice_cstr(rows[i].text)) !=
            rows[i].does_match)
            fail_msg("%s: %s on %s", rows[i].shows, rows[i].pattern, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparing),
        cmocka_unit_test(finding_and_cutting),
        cmocka_unit_test(numbers),
        cmocka_unit_test(globs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
