/* test_store_history_faults.c -- whatever fails, is torn or damaged costs only history, and no more
 * of it than was hit. */
#include "history_owner.h"

static void test_a_torn_tail_is_cut(void **state)
{
    for (uint64_t i = 1; i <= 5; i++)
        append(i, 1, 100);
    tick();
    append(6, 1, 100); /* not written when the process dies */
    crash();
    each_file(choose_log);
    int fd = open(victim, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "\x64\0\0\0garbage that is no frame", 28), 28);
    close(fd);
    open_with(7 * DAY_MS, 1024 * 1024);
    append(7, 1, 100);
    find(1, 10);
    assert_true(o.count == 6 && o.found[0] == 7 && o.found[1] == 5);
    crash();
    open_with(7 * DAY_MS, 1024 * 1024);
    find(1, 10);
    assert_true(o.count == 6 && o.found[0] == 7);
    assert_int_equal(o.troubles, 0);
}

static void test_cut_at_each_byte(void **state)
{
    append(1, 1, 9);
    append(2, 1, 9);
    tick();
    crash();
    each_file(choose_log);
    char bytes[200];
    int fd = open(victim, O_RDONLY);
    ssize_t n = read(fd, bytes, sizeof bytes);
    close(fd);
    assert_int_equal(n, 32 + 2 * 56);
    for (ssize_t cut = n; cut >= 0; cut--) {
        each_file(delete_file);
        fd = open(victim, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        assert_int_equal(write(fd, bytes, (size_t)cut), cut);
        close(fd);
        open_with(7 * DAY_MS, 1024 * 1024);
        append(3, 1, 9);
        find(1, 10);
        assert_int_equal(o.count, 1 + (cut >= 88) + (cut >= 144));
        assert_true(o.found[0] == 3);
        shut();
    }
}

static void test_an_index_that_cannot_be_read_is_made_again(void **state)
{
    for (uint64_t i = 1; i <= 300; i++) {
        append(i, i % 5, 500);
        if (i % 20 == 0)
            tick();
    }
    assert_true(o.h->sealed_count >= 2);
    uint64_t first = o.h->sealed[0].head.sequence;
    shut();
    char path[200];
    snprintf(path, sizeof path, "%s/history/%s", o.dir, history_index_name(first).s);
    assert_int_equal(truncate(path, 100), 0);
    open_with(7 * DAY_MS, 1024 * 1024);
    find(2, 1000);
    assert_int_equal(o.count, 60);
    shut();
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size > 100);
    open_with(7 * DAY_MS, 1024 * 1024);
}

static void test_a_damaged_record_is_left_out(void **state)
{
    for (uint64_t i = 1; i <= 3; i++)
        append(i, 1, 100);
    tick();
    each_file(choose_log);
    int fd = open(victim, O_WRONLY);
    assert_int_equal(pwrite(fd, "X", 1, 32 + 144 + 60), 1); /* in the second */
    close(fd);
    find(1, 10);
    assert_true(o.count == 2 && o.found[0] == 3 && o.found[1] == 1 && o.err == ERR_OK);
}

static void test_a_full_disk_costs_only_history(void **state)
{
    append(1, 1, 100);
    tick();
    break_call(PWRITE, ENOSPC);
    for (uint64_t i = 2; i <= 300; i++) {
        append(i, 1, 60000);
        if (i % 10 == 0)
            tick();
    }
    struct store_history_usage u;
    store_history_usage(o.h, &u);
    assert_true(u.is_failing && u.lost > 100);
    assert_true(u.pending_bytes <= 2 * STORE_HISTORY_PENDING_BYTES_MAX);
    assert_int_equal(o.troubles, 1); /* said once */
    find(1, 10);
    assert_true(o.count == 1 && o.found[0] == 1); /* looking goes on */
    memset(&faults, 0, sizeof faults);
    tick();
    tick();
    assert_int_equal(o.wells, 1);
    assert_true(append(1000, 1, 100));
    find(1, 1);
    assert_true(o.found[0] == 1000);
    store_history_usage(o.h, &u);
    assert_false(u.is_failing);
    crash(); /* what the half-done writes left behind was cut */
    open_with(7 * DAY_MS, 64 * 1024 * 1024);
    find(1, 1);
    assert_true(o.found[0] == 1000);
}

static void test_each_call_may_fail(void **state)
{
    static const struct {
        const char *shown;
        enum call call;
        int errnum;
    } row[] = {
        {"a file cannot be made", OPEN, ENOSPC},  {"no more inodes or files", OPEN, EMFILE},
        {"a write fails", PWRITE, EIO},           {"a sync fails", FDATASYNC, EIO},
        {"an index is not renamed", RENAME, EIO}, {"nothing can be deleted", UNLINK, EPERM},
        {"nothing can be read", PREAD, EIO},      {"a file cannot be cut", TRUNCATE, EIO},
    };
    turns();
    uint64_t number = 1;
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        break_call(row[i].call, row[i].errnum);
        for (int k = 0; k < 300; k++) {
            append(number++, 1, 500);
            if (k % 20 == 0)
                tick();
        }
        find(1, 5);
        memset(&faults, 0, sizeof faults);
        for (int k = 0; k < 4; k++)
            tick();
        assert_true(append(number++, 1, 500));
        find(1, 1);
        if (o.count != 1 || o.found[0] != number - 1)
            fail_msg("%s: found %u, %llu", row[i].shown, o.count, (unsigned long long)o.found[0]);
    }
    struct store_history_usage u;
    store_history_usage(o.h, &u);
    assert_false(u.is_failing);
    assert_true(o.troubles >= 4);
}

/* The closed file's index cannot be written, for so long that the next one is full of keys. */
static void test_look_ups_go_on_when_nothing_can_be_closed(void **state)
{
    static uint64_t key[HISTORY_FRAME_KEYS_MAX];
    turns();
    break_call(RENAME, EIO);
    for (uint64_t i = 1; i <= 3 * HISTORY_INDEX_ENTRIES_MAX / HISTORY_FRAME_KEYS_MAX; i++) {
        for (unsigned k = 0; k < HISTORY_FRAME_KEYS_MAX; k++)
            key[k] = i << 20 | k;
        (void)store_history_append(o.h, o.now_ms, key, HISTORY_FRAME_KEYS_MAX,
                                   slice_of(&i, sizeof i));
        tick();
    }
    struct store_history_usage u;
    store_history_usage(o.h, &u);
    assert_true(u.is_failing && u.pending_bytes > 0 && o.troubles == 1);
    const uint64_t first = 1 << 20;
    find_keys(&first, 1, 10);
    assert_true(o.count == 1 && o.found[0] == 1);
    memset(&faults, 0, sizeof faults);
    for (int i = 0; i < 10; i++)
        tick();
    assert_true(append(1000, 1, 50));
    find(1, 10);
    assert_true(o.count == 1 && o.found[0] == 1000);
    store_history_usage(o.h, &u);
    assert_false(u.is_failing);
}

static void test_a_directory_that_cannot_be_made(void **state)
{
    shut();
    each_file(delete_file);
    char path[100];
    snprintf(path, sizeof path, "%s/history", o.dir);
    rmdir(path);
    int fd = open(path, O_WRONLY | O_CREAT, 0600); /* a file stands in the way; also for root */
    close(fd);
    open_with(7 * DAY_MS, 1024 * 1024);
    assert_false(append(1, 1, 50));
    find(1, 10);
    assert_true(o.err != ERR_OK && o.count == 0 && o.troubles == 1);
    tick();
    assert_int_equal(o.troubles, 1);
    unlink(path);
    tick();
    assert_int_equal(o.wells, 1);
    assert_true(append(2, 1, 50));
    find(1, 10);
    assert_int_equal(o.count, 1);
}

static void test_other_files_are_left_alone(void **state)
{
    char path[200];
    append(1, 1, 50);
    shut();
    snprintf(path, sizeof path, "%s/history/%s", o.dir, history_log_name(900).s);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "of another version, and long enough to have a header", 52), 52);
    close(fd);
    snprintf(path, sizeof path, "%s/history/%s", o.dir, history_index_name(5).s);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    close(fd);
    open_with(7 * DAY_MS, 1024 * 1024);
    append(2, 1, 50);
    find(1, 10);
    assert_true(o.count == 2 && o.h->last_sequence > 900);
    assert_int_equal(access(path, F_OK), -1); /* an index without a file */
    snprintf(path, sizeof path, "%s/history/%s", o.dir, history_log_name(900).s);
    assert_int_equal(access(path, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_a_torn_tail_is_cut),
        CASE(test_cut_at_each_byte),
        CASE(test_an_index_that_cannot_be_read_is_made_again),
        CASE(test_a_damaged_record_is_left_out),
        CASE(test_a_full_disk_costs_only_history),
        CASE(test_each_call_may_fail),
        CASE(test_look_ups_go_on_when_nothing_can_be_closed),
        CASE(test_a_directory_that_cannot_be_made),
        CASE(test_other_files_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
