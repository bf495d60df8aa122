/* test_msgid.c -- message ids: text there and back, order kept, always greater than the last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/msgid.h"
#include "base/rng.h"

static void text(void **state)
{
    static const struct {
        const char *shows, *in;
        bool is_id;
        uint64_t id;
    } rows[] = {
        {"least", "0000000000000", true, 0},
        {"greatest", "fzzzzzzzzzzzz", true, UINT64_MAX},
        {"upper case", "FZZZZZZZZZZZZ", true, UINT64_MAX},
        {"one bit too many", "g000000000000", false, 0},
        {"one short", "000000000000", false, 0},
        {"one long", "00000000000000", false, 0},
        {"letter i", "000000000000i", false, 0},
        {"letter l", "000000000000l", false, 0},
        {"letter o", "000000000000o", false, 0},
        {"letter u", "000000000000u", false, 0},
        {"sign", "-000000000000", false, 0},
        {"nothing", "", false, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t id = 0;
        if (msgid_parse(slice_cstr(rows[i].in), &id) != rows[i].is_id || id != rows[i].id)
            fail_msg("%s", rows[i].shows);
    }
    struct rng r;
    rng_init(&r, 5);
    for (int i = 0; i < 1000; i++) {
        uint64_t a = rng_u64(&r), b = rng_u64(&r) >> (i % 64), back;
        struct msgid_text ta = msgid_build(a), tb = msgid_build(b);
        assert_int_equal(strlen(ta.s), MSGID_CHARS);
        assert_true(msgid_parse(slice_cstr(ta.s), &back) && back == a);
        assert_true((strcmp(ta.s, tb.s) < 0) == (a < b));
    }
}

static void next(void **state)
{
    uint64_t now = (uint64_t)1795308462123;
    uint64_t id = msgid_next(0, (int64_t)now);
    assert_true(id == now << 22);
    assert_true(msgid_next(id, (int64_t)now) == id + 1);
    assert_true(msgid_next(id, (int64_t)now - 1000) == id + 1); /* the clock went back */
    assert_true(msgid_next(id, -1) == id + 1);
    assert_true(msgid_next(id, (int64_t)now + 1) == (now + 1) << 22);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(text), cmocka_unit_test(next)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
