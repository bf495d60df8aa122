/* test_store_selftest.c -- the self-test finds nothing where nothing is lost, and finds a disk that
 * loses or alters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../../src/store/store_inside.h"

static char dir[64];

static void make(void)
{
    strcpy(dir, "/tmp/test_selftest.XXXXXX");
    assert_non_null(mkdtemp(dir));
}

static void unmake(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
}

static void nothing_is_lost_on_a_good_disk(void **state)
{
    uint64_t kills = 0;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct store_selftest_round r;
        struct fault why;
        make();
        if (store_selftest_round(dir, seed, &r, &why) != ERR_OK)
            fail_msg("seed %d: %s", (int)seed, why.text);
        assert_true(r.lost == 0 && r.altered == 0);
        assert_true(r.confirmed > 0 && r.checked > r.confirmed);
        kills += r.kills;
        unmake();
    }
    assert_true(kills >= 8);
}

/* Says it wrote, and did not: each hundredth time. */
static ssize_t forgetful_pwrite(int fd, const void *p, size_t n, off_t at)
{
    static atomic_int calls;
    return atomic_fetch_add(&calls, 1) % 100 == 60 ? (ssize_t)n : pwrite(fd, p, n, at);
}

static void a_forgetful_disk_is_found_out(void **state)
{
    struct store_syscalls sys = store_real_syscalls;
    uint64_t lost = 0;
    sys.pwrite = forgetful_pwrite;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct store_selftest_round r;
        struct fault why;
        make();
        enum err e = store_selftest_round_with(dir, seed, &sys, &r, &why);
        lost += e ? 0 : r.lost;
        unmake();
    }
    assert_true(lost > 0);
}

static void only_an_empty_directory_of_ours(void **state)
{
    struct store_selftest_round r;
    struct fault why;
    char path[96];
    make();
    snprintf(path, sizeof path, "%s/somebody's", dir);
    close(open(path, O_WRONLY | O_CREAT, 0600));
    assert_int_equal(store_selftest_round(dir, 1, &r, &why), ERR_DENIED);
    assert_int_equal(access(path, F_OK), 0);
    snprintf(path, sizeof path, "%s/none", dir);
    assert_int_equal(store_selftest_round(path, 1, &r, &why), ERR_SYSTEM);
    unmake();
}

static void syncs_are_measured(void **state)
{
    struct store_selftest_syncs s;
    struct fault why;
    make();
    for (int is_filled = 0; is_filled < 2; is_filled++) {
        assert_int_equal(store_selftest_measure(dir, is_filled, 50, 5000, &s, &why), ERR_OK);
        assert_in_range(s.count, 1, 50);
        assert_true(s.min_us <= s.median_us && s.median_us <= s.p99_us && s.p99_us <= s.max_us);
    }
    assert_int_equal(store_selftest_measure(dir, true, 100000, 100, &s, &why), ERR_OK);
    assert_in_range(s.count, 1, SELFTEST_SYNCS_MAX);
    assert_int_equal(rmdir(dir), 0); /* nothing is left */
    assert_int_equal(store_selftest_measure(dir, true, 5, 100, &s, &why), ERR_SYSTEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_on_a_good_disk),
        cmocka_unit_test(a_forgetful_disk_is_found_out),
        cmocka_unit_test(only_an_empty_directory_of_ours),
        cmocka_unit_test(syncs_are_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
