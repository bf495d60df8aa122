/* test_crc32c.c -- CRC-32C: known answers (RFC 3720 B.4), table against instruction, carried on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/crc32c.h"
#include "base/rng.h"

static void known_answers(void **state)
{
    char zeros[32] = {0}, ones[32], up[32];
    memset(ones, 0xff, sizeof ones);
    for (int i = 0; i < 32; i++)
        up[i] = (char)i;
    const struct {
        const char *shows;
        struct slice in;
        uint32_t crc;
    } rows[] = {
        {"nothing", SLICE_NONE, 0},
        {"the check value", SLICE("123456789"), 0xe3069283},
        {"32 zeros", {zeros, 32}, 0x8a9136aa},
        {"32 ones", {ones, 32}, 0x62a8ab43},
        {"32 counting up", {up, 32}, 0x46dd794e},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (crc32c(0, rows[i].in) != rows[i].crc || crc32c_by_table(0, rows[i].in) != rows[i].crc)
            fail_msg("%s", rows[i].shows);
    }
}

static void ways_agree(void **state)
{
    char bytes[300];
    struct rng r;
    rng_init(&r, 4);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)rng_u64(&r);
    for (size_t n = 0; n <= sizeof bytes; n++) {
        size_t from = n % 9 < n ? n % 9 : 0; /* odd starts */
        struct slice s = slice_of(bytes + from, n - from);
        uint32_t crc = crc32c(0, s);
        assert_int_equal(crc, crc32c_by_table(0, s));
        size_t cut = s.n / 3;
        assert_int_equal(crc, crc32c(crc32c(0, slice_head(s, cut)), slice_from(s, cut)));
        assert_int_equal(crc, crc32c_by_table(crc32c(0, slice_head(s, cut)), slice_from(s, cut)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(ways_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
