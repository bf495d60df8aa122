/* test_base64.c -- base64: RFC 4648 section 10, there and back, and what is no base64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base64.h"

static void there_and_back(void **state)
{
    static const struct {
        struct slice bytes, text;
    } rows[] = {
        {SLICE_INIT(""), SLICE_INIT("")},
        {SLICE_INIT("f"), SLICE_INIT("Zg==")},
        {SLICE_INIT("fo"), SLICE_INIT("Zm8=")},
        {SLICE_INIT("foo"), SLICE_INIT("Zm9v")},
        {SLICE_INIT("foob"), SLICE_INIT("Zm9vYg==")},
        {SLICE_INIT("fooba"), SLICE_INIT("Zm9vYmE=")},
        {SLICE_INIT("foobar"), SLICE_INIT("Zm9vYmFy")},
        {SLICE_INIT("\0\xff\xfe\xfb"), SLICE_INIT("AP/++w==")},
        {SLICE_INIT("\0user\0pass"), SLICE_INIT("AHVzZXIAcGFzcw==")},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf b;
        buf_init(&b, 100);
        assert_true(base64_build(rows[i].bytes, &b));
        assert_true(slice_eq(buf_slice(&b), rows[i].text));
        buf_clear(&b);
        assert_true(base64_parse(rows[i].text, &b));
        assert_true(slice_eq(buf_slice(&b), rows[i].bytes));
        for (size_t n = 1; n < rows[i].text.n; n++) { /* cut short */
            if (n % 4)
                assert_false(base64_parse(slice_head(rows[i].text, n), &b));
        }
        buf_close(&b);
    }
}

static void refused(void **state)
{
    static const struct {
        const char *shows, *in;
    } rows[] = {
        {"no padding", "Zg"},
        {"padding too long", "Z==="},
        {"only padding", "===="},
        {"padding inside", "Zg==Zg=="},
        {"one pad inside", "Zm8=Zm8="},
        {"blank", "Zm 9"},
        {"line break", "Zm9v\r\n"},
        {"url alphabet", "-_-_"},
        {"bits left over, one", "Zh=="},
        {"bits left over, two", "Zm9="},
        {"pad before digit", "Zg=v"},
        {"8 bit", "Zm9\xc3"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf b;
        buf_init(&b, 100);
        if (base64_parse(slice_cstr(rows[i].in), &b))
            fail_msg("%s", rows[i].shows);
        buf_close(&b);
    }
}

static void full(void **state)
{
    struct buf b;
    buf_init(&b, 3);
    assert_false(base64_build(SLICE("f"), &b));
    buf_clear(&b);
    assert_true(base64_parse(SLICE("Zm9v"), &b));
    assert_false(base64_parse(SLICE("Zg=="), &b));
    buf_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(refused),
        cmocka_unit_test(full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
