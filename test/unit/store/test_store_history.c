/* test_store_history.c -- what was appended is found by its keys, at once and after a restart; it
 * stays in its bounds of size and age. */
#include "history_owner.h"

static void test_found_at_once_and_later(void **state)
{
    for (uint64_t i = 1; i <= 10; i++)
        assert_true(append(i, i % 3, 50));
    find(1, 100); /* before a tick */
    assert_int_equal(o.count, 4);
    assert_true(o.found[0] == 10 && o.found[1] == 7 && o.found[2] == 4 && o.found[3] == 1);
    assert_false(o.has_more);
    find(1, 2);
    assert_true(o.count == 2 && o.found[0] == 10 && o.found[1] == 7 && o.has_more);
    find(7, 100);
    assert_int_equal(o.count, 0);
    struct store_history_usage u;
    store_history_usage(o.h, &u);
    assert_true(u.records == 10 && u.lost == 0 && u.lookups == 3 && u.files == 1 && u.bytes > 500);
    shut();
    open_with(7 * DAY_MS, 1024 * 1024);
    assert_true(append(11, 1, 50));
    find(1, 100);
    assert_true(o.count == 5 && o.found[0] == 11 && o.found[4] == 1);
    assert_int_equal(files(), 2); /* the salt, and one file that grows on */
}

static void test_several_keys_give_each_record_once(void **state)
{
    const uint64_t keys[] = {1 * 0x9e3779b97f4a7c15, 3 * 0xbf58476d1ce4e5b9 + 1,
                             2 * 0x9e3779b97f4a7c15};
    append(3, 1, 20);
    append(4, 2, 20);
    append(5, 9, 20);
    find_keys(keys, 3, 10);
    assert_true(o.count == 2 && o.found[0] == 4 && o.found[1] == 3);
}

static void test_the_salt_stays(void **state)
{
    uint64_t salt[2];
    assert_true(store_history_salt(o.h, salt));
    assert_true(salt[0] == 1 && salt[1] == 2);
    shut();
    const struct store_history_options options = {
        .state_dir = o.dir, .keep_ms = 1, .bytes_max = 1 << 20, .salt = {8, 9}};
    const struct store_history_callbacks cb = {NULL, on_trouble};
    o.is_closed = false;
    o.h = store_history_new_with(&o.loop, &options, &cb, &faulty);
    assert_true(store_history_salt(o.h, salt));
    assert_true(salt[0] == 1 && salt[1] == 2);
}

static void test_closed_files_are_searched(void **state)
{
    for (uint64_t i = 1; i <= 400; i++) {
        assert_true(append(i, i % 5, 500));
        if (i % 20 == 0)
            tick();
    }
    assert_true(o.h->sealed_count >= 2);
    atomic_store(&faults.made[PREAD], 0);
    find(2, 3);
    assert_true(o.count == 3 && o.found[0] == 397 && o.found[2] == 387 && o.has_more);
    const uint64_t lone = 1 * 0xbf58476d1ce4e5b9 + 1; /* only record 1 has it */
    atomic_store(&faults.made[PREAD], 0);
    find_keys(&lone, 1, 10);
    assert_true(o.count == 1 && o.found[0] == 1);
    assert_true(atomic_load(&faults.made[PREAD]) < 13 * (int)o.h->sealed_count); /* no scan */
    shut();
    open_with(7 * DAY_MS, 1024 * 1024);
    find(2, 1000);
    assert_int_equal(o.count, 80);
    assert_true(o.found[0] == 397 && o.found[79] == 2);
}

/* As a start does: what the journal says was finished, known or not. */
static void test_what_is_perhaps_known_is_taken_once(void **state)
{
    append(1, 1, 50);
    tick();
    shut();
    open_with(7 * DAY_MS, 1024 * 1024);
    assert_true(store_history_found_ms(o.h) > 1600000000000);
    for (uint64_t i = 1; i <= 2; i++) {
        char payload[50] = {0};
        const uint64_t keys[] = {i * 0xbf58476d1ce4e5b9 + 1, 1 * 0x9e3779b97f4a7c15};
        memcpy(payload, &i, 8);
        if (i == 1) /* append() has the keys the other way round */
            store_history_append_once(o.h, o.now_ms, &keys[1], 1, slice_of(payload, 50));
        else
            store_history_append_once(o.h, o.now_ms, keys, 2, slice_of(payload, 50));
    }
    find(1, 10);
    assert_true(o.count == 2 && o.found[0] == 2 && o.found[1] == 1);
}

static void test_size_is_kept(void **state)
{
    for (uint64_t i = 1; i <= 4000; i++) {
        append(i, 1, 900);
        if (i % 20 == 0)
            tick();
    }
    for (int i = 0; i < 10; i++)
        tick();
    struct store_history_usage u;
    store_history_usage(o.h, &u);
    assert_true(u.bytes <= 1024 * 1024 + 2 * HISTORY_FILE_BYTES_LEAST);
    assert_true(u.bytes > 512 * 1024);
    assert_int_equal(u.lost, 0);
    find(1, 1);
    assert_true(o.found[0] == 4000);
    const uint64_t old = 1 * 0xbf58476d1ce4e5b9 + 1;
    find_keys(&old, 1, 1);
    assert_int_equal(o.count, 0);
    store_history_configure(o.h, 7 * DAY_MS, 128 * 1024);
    for (int i = 0; i < 10; i++)
        tick();
    store_history_usage(o.h, &u);
    assert_true(u.bytes <= 128 * 1024);
}

static void test_age_is_kept(void **state)
{
    for (uint64_t day = 1; day <= 20; day++) {
        append(day, 1, 50);
        o.now_ms += DAY_MS;
        tick();
    }
    find(1, 100);
    assert_true(o.count >= 7 && o.count <= 9);
    assert_true(o.found[0] == 20);
    o.now_ms += 9 * DAY_MS;
    for (int i = 0; i < 5; i++)
        tick();
    find(1, 100);
    assert_int_equal(o.count, 0);
    assert_int_equal(files(), 1); /* the salt */
}

static void test_off(void **state)
{
    append(1, 1, 50);
    tick();
    store_history_configure(o.h, 0, 1024 * 1024);
    o.now_ms += 1000;
    for (int i = 0; i < 4; i++)
        tick();
    assert_false(append(2, 1, 50));
    find(1, 10);
    assert_true(o.count == 0 && o.err == ERR_OK);
    assert_int_equal(files(), 1);
    shut();
    each_file(delete_file);
    char path[100];
    snprintf(path, sizeof path, "%s/history", o.dir);
    rmdir(path);
    open_with(0, 1024 * 1024); /* nothing is made */
    tick();
    find(1, 10);
    assert_true(o.count == 0 && o.err == ERR_OK && o.troubles == 0);
    assert_int_equal(access(path, F_OK), -1);
    store_history_configure(o.h, DAY_MS, 1024 * 1024); /* and on again */
    tick();
    assert_true(append(3, 1, 50));
    find(1, 10);
    assert_true(o.count == 1 && o.found[0] == 3);
}

static void test_a_clock_that_goes_back(void **state)
{
    append(1, 1, 50);
    tick();
    o.now_ms -= 2 * DAY_MS;
    append(2, 1, 50);
    tick();
    assert_true(o.h->growing.newest_ms == NOW_MS && o.h->growing.oldest_ms == o.now_ms);
    find(1, 10);
    assert_int_equal(o.count, 2);
}

static void test_bounds(void **state)
{
    static uint64_t key[HISTORY_FRAME_KEYS_MAX + 1];
    turns();
    assert_false(store_history_append(o.h, 0, key, HISTORY_FRAME_KEYS_MAX + 1, SLICE_NONE));
    unsigned taken = 0;
    while (store_history_append(o.h, 0, key, HISTORY_FRAME_KEYS_MAX, SLICE("12345678")))
        taken++;
    assert_true(taken >= HISTORY_INDEX_ENTRIES_MAX / 2 / HISTORY_FRAME_KEYS_MAX - 1);
    assert_true(o.h->pending.n <= STORE_HISTORY_PENDING_BYTES_MAX);
    for (int i = 0; i < STORE_HISTORY_FINDS_MAX; i++)
        assert_true(store_history_find(o.h, key, 1, 1, on_found, NULL));
    assert_false(store_history_find(o.h, key, 1, 1, on_found, NULL));
    shut(); /* and each is answered */
    assert_int_equal(o.answers, STORE_HISTORY_FINDS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_found_at_once_and_later),
        CASE(test_several_keys_give_each_record_once),
        CASE(test_the_salt_stays),
        CASE(test_closed_files_are_searched),
        CASE(test_what_is_perhaps_known_is_taken_once),
        CASE(test_size_is_kept),
        CASE(test_age_is_kept),
        CASE(test_off),
        CASE(test_a_clock_that_goes_back),
        CASE(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
