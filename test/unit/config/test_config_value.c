/* Values of the configuration: sizes, durations, numbers, and the quoting of what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../src/config/config_value.h"

static const struct {
    const char *shows, *text;
    bool is_good;
    uint64_t bytes;
} sizes[] = {
    {"bare digits are bytes", "1048576", true, 1048576},
    {"nothing", "0", true, 0},
    {"bytes", "1048576B", true, 1048576},
    {"binary units", "64KiB", true, 65536},
    {"binary units", "50MiB", true, 50ull << 20},
    {"binary units", "10GiB", true, 10ull << 30},
    {"binary units", "3TiB", true, 3ull << 40},
    {"decimal units", "5KB", true, 5000},
    {"decimal units", "50MB", true, 50000000},
    {"decimal units", "7GB", true, 7000000000},
    {"decimal units", "1TB", true, 1000000000000},
    {"the largest", "9223372036854775807", true, INT64_MAX},
    {"over it", "9223372036854775808", false, 0},
    {"over it with a unit", "9007199254740992KiB", false, 0},
    {"digits that do not fit", "99999999999999999999", false, 0},
    {"no number", "MiB", false, 0},
    {"nothing at all", "", false, 0},
    {"a sign", "-1", false, 0},
    {"a fraction", "1.5MiB", false, 0},
    {"a blank", "50 MiB", false, 0},
    {"half a unit", "50M", false, 0},
    {"half a unit", "50Mi", false, 0},
    {"more than a unit", "50MiBs", false, 0},
    {"the wrong case", "50mib", false, 0},
};

static void test_size(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        uint64_t v = 0;
        bool is_good = config_value_parse_size(slice_cstr(sizes[i].text), &v);
        if (is_good != sizes[i].is_good || v != sizes[i].bytes)
            fail_msg("%s: \"%s\" gave %d, %llu", sizes[i].shows, sizes[i].text, is_good,
                     (unsigned long long)v);
    }
}

static const struct {
    const char *shows, *text;
    bool is_good;
    int64_t ms;
} durations[] = {
    {"milliseconds", "250ms", true, 250}, {"seconds", "30s", true, 30000},
    {"minutes", "5m", true, 300000},      {"hours", "4h", true, 14400000},
    {"days", "5d", true, 432000000},      {"nothing, with a unit", "0s", true, 0},
    {"no unit", "30", false, 0},          {"no unit", "0", false, 0},
    {"no number", "s", false, 0},         {"nothing at all", "", false, 0},
    {"two of them", "1h30m", false, 0},   {"a word", "30sec", false, 0},
    {"a sign", "-30s", false, 0},         {"too long", "106751991168d", false, 0},
};

static void test_duration(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(durations); i++) {
        int64_t v = 0;
        bool is_good = config_value_parse_duration(slice_cstr(durations[i].text), &v);
        if (is_good != durations[i].is_good || v != durations[i].ms)
            fail_msg("%s: \"%s\" gave %d, %lld", durations[i].shows, durations[i].text, is_good,
                     (long long)v);
    }
}

static const struct {
    const char *shows, *text;
    bool is_good;
    double v;
} decimals[] = {
    {"whole", "2", true, 2},
    {"with a fraction", "1.5", true, 1.5},
    {"small", "0.125", true, .125},
    {"nothing before the point", ".5", false, 0},
    {"nothing behind", "5.", false, 0},
    {"two points", "1.2.3", false, 0},
    {"an exponent", "1e3", false, 0},
    {"nothing", "", false, 0},
    {"endless", "1.1234567890123456", false, 0},
};

static void test_decimal(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(decimals); i++) {
        double v = 0;
        bool is_good = config_value_parse_decimal(slice_cstr(decimals[i].text), &v);
        if (is_good != decimals[i].is_good || v < decimals[i].v || v > decimals[i].v)
            fail_msg("%s: \"%s\" gave %d, %f", decimals[i].shows, decimals[i].text, is_good, v);
    }
}

static const struct {
    const char *shows;
    struct slice text;
    const char *quoted;
} quotes[] = {
    {"as it is", {"a b", 3}, "\"a b\""},
    {"nothing", {"", 0}, "\"\""},
    {"control characters", {"a\n\0\x7f", 4}, "\"a???\""},
    {"C1 controls and line separators", {"\xc2\x85\xe2\x80\xa8", 5}, "\"??\""},
    {"invalid UTF-8", {"\xff\xc3", 2}, "\"??\""},
    {"UTF-8", {"gr\xc3\xbc\xc3\x9f", 6}, "\"gr\xc3\xbc\xc3\x9f\""},
    {"cut",
     {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 61},
     "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\""},
    {"not cut",
     {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 60},
     "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\""},
};

static void test_quote(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1024);
    for (size_t i = 0; i < COUNT_OF(quotes); i++) {
        struct slice q = config_value_quote(&a, quotes[i].text);
        if (!slice_eq(q, slice_cstr(quotes[i].quoted)))
            fail_msg("%s: %.*s", quotes[i].shows, SLICE_FMT(q));
    }
    arena_close(&a);
}

/* Every row of the table is sound in itself. */
static void test_rows(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 4096);
    for (const struct config_option *o = config_option_next(NULL); o; o = config_option_next(o)) {
        const char *text[] = {o->normal, o->sample};
        _Alignas(16) char out[64];
        if (!o->normal && !o->sample)
            fail_msg("%s has neither default nor sample", o->path);
        if (!o->normal && !o->normal_said && !o->is_required)
            fail_msg("%s: the default is not said", o->path);
        assert_true(config_type_facts[o->type].bytes <= sizeof out);
        for (size_t k = 0; k < COUNT_OF(text); k++) {
            if (!text[k] || (o->is_list && slice_find(slice_cstr(text[k]), ' ') < 64))
                continue;
            struct slice said = config_value_set(o, slice_cstr(text[k]), &a, out);
            if (said.n)
                fail_msg("%s = %s: %.*s", o->path, text[k], SLICE_FMT(said));
        }
        for (const struct config_option *k = config_option_next(NULL); k != o;
             k = config_option_next(k))
            assert_string_not_equal(o->path, k->path);
    }
    arena_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_size),    cmocka_unit_test(test_duration),
        cmocka_unit_test(test_decimal), cmocka_unit_test(test_quote),
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
