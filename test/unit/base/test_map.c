/* test_map.c -- maps: against a plain array, through growth and removal; SipHash against its
 * reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/map.h"
#include "base/rng.h"

enum { KEYS = 500 };

static void count_entries(const struct map *m)
{
    size_t at = 0, seen = 0;
    while (map_next(m, &at))
        seen++;
    assert_int_equal(seen, m->count);
}

static void ids_against_an_array(void **state)
{
    static char value[8];
    char *has[KEYS] = {0};
    struct rng r;
    struct map m;
    rng_init(&r, 2);
    map_init(&m, 7);
    assert_null(map_get_id(&m, 0));
    assert_null(map_take_id(&m, 0));
    for (int step = 0; step < 50000; step++) {
        uint64_t k = rng_below(&r, KEYS);
        uint64_t id = k << 22; /* as message ids: low bits all alike */
        if (rng_chance(&r, step / 10000 % 2 ? 30 : 70)) {
            has[k] = &value[rng_below(&r, 8)];
            map_put_id(&m, id, has[k]);
        } else {
            assert_ptr_equal(map_take_id(&m, id), has[k]);
            has[k] = NULL;
        }
        k = rng_below(&r, KEYS);
        assert_ptr_equal(map_get_id(&m, k << 22), has[k]);
        assert_true(m.count <= m.cap / 4 * 3);
    }
    size_t count = 0;
    for (uint64_t k = 0; k < KEYS; k++) {
        assert_ptr_equal(map_get_id(&m, k << 22), has[k]);
        count += has[k] != NULL;
    }
    assert_int_equal(m.count, count);
    count_entries(&m);
    map_close(&m);
    assert_int_equal(m.cap, 0);
}

static void bytes_against_an_array(void **state)
{
    static char text[KEYS][16];
    char *has[KEYS] = {0};
    struct rng r;
    struct map m;
    rng_init(&r, 3);
    map_init(&m, 8);
    for (int i = 0; i < KEYS; i++)
        snprintf(text[i], sizeof text[i], "host%d", i);
    for (int step = 0; step < 30000; step++) {
        uint64_t k = rng_below(&r, KEYS);
        if (rng_chance(&r, step / 10000 % 2 ? 30 : 70)) {
            has[k] = text[k];
            map_put(&m, slice_cstr(text[k]), text[k]);
        } else {
            assert_ptr_equal(map_take(&m, slice_cstr(text[k])), has[k]);
            has[k] = NULL;
        }
    }
    for (uint64_t k = 0; k < KEYS; k++)
        assert_ptr_equal(map_get(&m, slice_cstr(text[k])), has[k]);
    count_entries(&m);
    map_close(&m);
}

static void odd_keys(void **state)
{
    char a[] = "same", b[] = "same";
    struct map m;
    map_init(&m, 0);
    map_put(&m, SLICE_NONE, a);
    assert_ptr_equal(map_get(&m, SLICE("")), a);
    map_put(&m, slice_cstr(a), a);
    map_put(&m, slice_cstr(b), b); /* replaces key and value */
    assert_int_equal(m.count, 2);
    size_t at = 0;
    for (struct map_entry *e; (e = map_next(&m, &at)) != NULL;) {
        if (e->key.n)
            assert_ptr_equal(e->key.p, b);
    }
    assert_null(map_get(&m, SLICE("Same")));
    assert_ptr_equal(map_take(&m, SLICE("same")), b);
    assert_ptr_equal(map_take(&m, SLICE("")), a);
    map_close(&m);
}

/* Rows made by a second implementation whose 2-4 form gives the published vector for the key
 * 00..0f (SipHash paper, appendix A). */
static void siphash(void **state)
{
    static const struct {
        const char *shows;
        struct slice in;
        uint64_t hash;
    } rows[] = {
        {"nothing", SLICE_INIT(""), 0xabac0158050fc4dc},
        {"one byte", SLICE_INIT("a"), 0x1c2697ab786a6237},
        {"seven bytes", SLICE_INIT("abcdefg"), 0x639b490caba831bb},
        {"eight bytes", SLICE_INIT("abcdefgh"), 0x12d8c08c2ee9e620},
        {"nine bytes", SLICE_INIT("abcdefghi"), 0x7e02bfd36e3aa6a2},
        {"a domain", SLICE_INIT("mail.example.com"), 0x0c86c30779f76d5d},
        {"high bytes", SLICE_INIT("\xff\xfe\x80"), 0x33abe43ed08ba8da},
    };
    uint64_t k0 = 0x0706050403020100, k1 = 0x0f0e0d0c0b0a0908;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (hash_sip13(k0, k1, rows[i].in) != rows[i].hash)
            fail_msg("%s", rows[i].shows);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_against_an_array),
        cmocka_unit_test(bytes_against_an_array),
        cmocka_unit_test(odd_keys),
        cmocka_unit_test(siphash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
