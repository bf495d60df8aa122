/* test_json.c -- JSON: commas, nesting, and strings of any bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "base/json.h"

static void a_document(void **state)
{
    struct buf b;
    struct json j;
    buf_init(&b, 1000);
    json_init(&j, &b);
    json_object(&j, NULL);
    json_string(&j, "name", SLICE("x"));
    json_array(&j, "list");
    json_int(&j, NULL, INT64_MIN);
    json_object(&j, NULL);
    json_end(&j, '}');
    json_array(&j, NULL);
    json_end(&j, ']');
    json_null(&j, NULL);
    json_end(&j, ']');
    json_bool(&j, "yes", true);
    json_bool(&j, "no", false);
    json_double(&j, "half", 0.5);
    json_double(&j, "tenth", 0.1);
    json_double(&j, "large", 1e300);
    json_double(&j, "nan", NAN);
    json_double(&j, "infinite", -INFINITY);
    json_end(&j, '}');
    assert_string_equal(buf_cstr(&b),
                        "{\"name\":\"x\",\"list\":[-9223372036854775808,{},[],null],"
                        "\"yes\":true,\"no\":false,\"half\":0.5,\"tenth\":0.1,\"large\":1e+300,"
                        "\"nan\":null,\"infinite\":null}");
    buf_close(&b);
}

static void strings(void **state)
{
    static const struct {
        const char *shows;
        struct slice in;
        const char *out;
    } rows[] = {
        {"empty", SLICE_INIT(""), "\"\""},
        {"quote and backslash", SLICE_INIT("a\"b\\c/"), "\"a\\\"b\\\\c/\""},
        {"controls", SLICE_INIT("\0\x1f\r\n\t\x7f"), "\"\\u0000\\u001f\\r\\n\\t\\u007f\""},
        {"UTF-8 stays", SLICE_INIT("\xc3\xa4\xf0\x9f\x93\xa7"), "\"\xc3\xa4\xf0\x9f\x93\xa7\""},
        {"what is none is marked", SLICE_INIT("a\xffz\xc3"), "\"a\xef\xbf\xbdz\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf b;
        struct json j;
        buf_init(&b, 100);
        json_init(&j, &b);
        json_string(&j, NULL, rows[i].in);
        if (!slice_eq(buf_slice(&b), slice_cstr(rows[i].out)))
            fail_msg("%s: %s", rows[i].shows, buf_cstr(&b));
        buf_close(&b);
    }
}

static void depth(void **state)
{
    struct buf b;
    struct json j;
    buf_init(&b, 100);
    json_init(&j, &b);
    for (int i = 1; i < JSON_DEPTH_MAX; i++)
        json_array(&j, NULL);
    for (int i = 1; i < JSON_DEPTH_MAX; i++)
        json_end(&j, ']');
    assert_string_equal(buf_cstr(&b), "[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]");
    buf_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document),
        cmocka_unit_test(strings),
        cmocka_unit_test(depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
