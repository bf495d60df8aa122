/* One object, read by names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json_read.h"

static void test_objects(void **state)
{
    (void)state;
    static const struct {
        const char *shows, *text;
        bool is_object;
    } rows[] = {
        {"an empty one", "{}", true},
        {"blanks around", " \r\n{ \"a\" : 1 }\t", true},
        {"all kinds", "{\"a\":null,\"b\":[1,-2.5e+3,{\"c\":[]}],\"d\":\"x\\n\\u20ac\",\"e\":true}",
         true},
        {"as deep as may be", "{\"a\":[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]}", true},
        {"too deep", "{\"a\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}", false},
        {"nothing", "", false},
        {"an array", "[1]", false},
        {"text behind", "{}x", false},
        {"cut short", "{\"a\":1", false},
        {"a string cut short", "{\"a\":\"x", false},
        {"a string cut in an escape", "{\"a\":\"x\\", false},
        {"a comma too many", "{\"a\":1,}", false},
        {"a comma too few", "{\"a\":1 \"b\":2}", false},
        {"no colon", "{\"a\" 1}", false},
        {"no key", "{1:2}", false},
        {"the wrong bracket", "{\"a\":[1}}", false},
        {"a number with a zero in front", "{\"a\":01}", false},
        {"a number without digits", "{\"a\":-}", false},
        {"a point without digits", "{\"a\":1.}", false},
        {"a line end in a string", "{\"a\":\"x\ny\"}", false},
        {"a word", "{\"a\":nul}", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (json_read_is_object(slice_cstr(rows[i].text)) != rows[i].is_object)
            fail_msg("%s: %s", rows[i].shows, rows[i].text);
}

static void test_strings(void **state)
{
    (void)state;
    static const struct {
        const char *shows, *text, *value; /* NULL: none */
    } rows[] = {
        {"plain", "{\"b\":1,\"a\":\"x y\"}", "x y"},
        {"escapes", "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "\"\\/\b\f\n\r\t"},
        {"Unicode", "{\"a\":\"\\u00e4\\u20AC\\ud83d\\ude00\"}", "ä€😀"},
        {"half a pair", "{\"a\":\"\\ud83d\"}", NULL},
        {"the wrong half", "{\"a\":\"\\ude00\\ud83d\"}", NULL},
        {"no hex", "{\"a\":\"\\u00g0\"}", NULL},
        {"an escape of no kind", "{\"a\":\"\\x\"}", NULL},
        {"a name that is escaped", "{\"\\u0061\":\"x\"}", "x"},
        {"the first of two", "{\"a\":\"x\",\"a\":\"y\"}", "x"},
        {"one inside counts not", "{\"b\":{\"a\":\"x\"}}", NULL},
        {"a number is none", "{\"a\":1}", NULL},
        {"none", "{}", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf b;
        buf_init(&b, 64);
        bool is_there = json_read_string(slice_cstr(rows[i].text), "a", &b);
        if (is_there != (rows[i].value != NULL) ||
            (is_there && !slice_eq(buf_slice(&b), slice_cstr(rows[i].value))))
            fail_msg("%s: %s", rows[i].shows, rows[i].text);
        buf_close(&b);
    }
}

static void test_a_string_that_does_not_fit(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 3);
    assert_false(json_read_string(SLICE("{\"a\":\"1234\"}"), "a", &b));
    buf_close(&b);
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_there;
        int64_t value;
    } rows[] = {
        {"{\"a\":3599}", true, 3599},
        {"{\"a\":\"3599\"}", true, 3599},
        {"{\"a\":0}", true, 0},
        {"{\"a\":-5}", true, -5},
        {"{\"a\":12.9}", true, 12},
        {"{\"a\":99999999999999999999}", true, INT64_MAX},
        {"{\"a\":-99999999999999999999}", true, INT64_MIN},
        {"{\"a\":1e9}", false, 0},
        {"{\"a\":\"soon\"}", false, 0},
        {"{\"a\":\"\"}", false, 0},
        {"{\"a\":null}", false, 0},
        {"{}", false, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t v = 0;
        bool is_there = json_read_int(slice_cstr(rows[i].text), "a", &v);
        if (is_there != rows[i].is_there || v != rows[i].value)
            fail_msg("%s", rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_a_string_that_does_not_fit),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
