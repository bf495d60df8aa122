/* test_store_history.c -- the history on a real disk under a real loop: what was appended is found
 * by its keys, also after a restart and a crash; it stays in its bounds; and whatever fails costs
 * only history. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../src/store/store_history_inside.h"

enum { DAY_MS = 86400000, NOW_MS = 1700000000 };

/* --- system calls that fail when told to --- */

enum call { OPEN, PREAD, PWRITE, FDATASYNC, TRUNCATE, RENAME, UNLINK, CALLS };

static struct {
    atomic_int made[CALLS];
    int fail_from[CALLS], fail_to[CALLS];
    int errnum;
} faults;

static bool is_failing(enum call c)
{
    int n = atomic_fetch_add(&faults.made[c], 1) + 1;
    if (n < faults.fail_from[c] || n > faults.fail_to[c])
        return false;
    errno = faults.errnum;
    return true;
}

static void break_call(enum call c, int errnum)
{
    faults.errnum = errnum;
    faults.fail_from[c] = 1;
    faults.fail_to[c] = 1 << 30;
}

#define REAL store_real_syscalls
static int f_open(int dir, const char *name, int flags, mode_t mode)
{
    return is_failing(OPEN) ? -1 : REAL.open(dir, name, flags, mode);
}
static ssize_t f_pread(int fd, void *p, size_t n, off_t at)
{
    return is_failing(PREAD) ? -1 : REAL.pread(fd, p, n, at);
}
static ssize_t f_pwrite(int fd, const void *p, size_t n, off_t at)
{
    if (is_failing(PWRITE)) {
        (void)REAL.pwrite(fd, p, n / 2, at); /* a part of it goes out all the same */
        errno = faults.errnum;
        return -1;
    }
    return REAL.pwrite(fd, p, n > 1000 ? 1000 : n, at); /* always short */
}
static int f_fdatasync(int fd)
{
    return is_failing(FDATASYNC) ? -1 : REAL.fdatasync(fd);
}
static int f_truncate(int fd, off_t bytes)
{
    return is_failing(TRUNCATE) ? -1 : REAL.truncate(fd, bytes);
}
static int f_rename(int dir, const char *from, const char *to)
{
    return is_failing(RENAME) ? -1 : REAL.rename(dir, from, to);
}
static int f_unlink(int dir, const char *name)
{
    return is_failing(UNLINK) ? -1 : REAL.unlink(dir, name);
}

static const struct store_syscalls faulty = {.open = f_open,
                                             .pread = f_pread,
                                             .pwrite = f_pwrite,
                                             .fdatasync = f_fdatasync,
                                             .truncate = f_truncate,
                                             .rename = f_rename,
                                             .unlink = f_unlink};

/* --- an owner --- */

static struct owner {
    char dir[64];
    uv_loop_t loop;
    struct store_history *h;
    int64_t now_ms;
    unsigned troubles, wells, answers;
    bool is_closed, is_inside;
    enum err err;
    bool has_more;
    unsigned count;
    uint64_t found[STORE_HISTORY_FIND_MAX]; /* the number in each payload */
    char trouble[300];
} o;

static void on_trouble(void *ctx, enum err err, const struct fault *why)
{
    assert_false(o.is_inside);
    *(err ? &o.troubles : &o.wells) += 1;
    snprintf(o.trouble, sizeof o.trouble, "%s", why->text);
}

static void on_found(void *ctx, const struct store_history_answer *a)
{
    assert_false(o.is_inside);
    o.answers++;
    o.err = a->err;
    o.count = a->count;
    o.has_more = a->has_more;
    for (unsigned i = 0; i < a->count; i++) {
        assert_true(a->payload[i].n >= 8);
        memcpy(&o.found[i], a->payload[i].p, 8);
    }
}

static void on_closed(void *ctx)
{
    assert_false(o.is_inside);
    o.is_closed = true;
}

static void open_with(int64_t keep_ms, uint64_t bytes_max)
{
    const struct store_history_options options = {
        .state_dir = o.dir, .keep_ms = keep_ms, .bytes_max = bytes_max, .salt = {1, 2}};
    const struct store_history_callbacks cb = {NULL, on_trouble};
    o.is_closed = false;
    o.h = store_history_new_with(&o.loop, &options, &cb, &faulty);
}

static void turns(void)
{
    for (int i = 0; i < 200; i++) {
        uv_run(&o.loop, UV_RUN_NOWAIT);
        if (!o.h->is_opening && !o.h->is_writing && !o.h->is_keeping && !o.h->finding)
            return;
        usleep(500);
    }
}

static void tick(void)
{
    o.is_inside = true;
    store_history_tick(o.h, o.now_ms);
    o.is_inside = false;
    uv_run(&o.loop, UV_RUN_DEFAULT);
}

static void shut(void)
{
    o.is_closed = false;
    o.is_inside = true;
    store_history_close(o.h, on_closed, NULL);
    o.is_inside = false;
    uv_run(&o.loop, UV_RUN_DEFAULT);
    assert_true(o.is_closed);
}

/* As a crash of the process: nothing more is written, the files stay as they are. */
static void crash(void)
{
    uv_run(&o.loop, UV_RUN_DEFAULT);
    buf_clear(&o.h->pending);
    o.h->pending_count = o.h->pending_keys = 0;
    shut();
}

static bool append(uint64_t number, uint64_t key, size_t bytes)
{
    static char payload[70000];
    uint64_t keys[] = {key * 0x9e3779b97f4a7c15, number * 0xbf58476d1ce4e5b9 + 1};
    memcpy(payload, &number, 8);
    o.is_inside = true;
    bool is_taken = store_history_append(o.h, o.now_ms, keys, 2, slice_of(payload, bytes));
    o.is_inside = false;
    return is_taken;
}

static void find_keys(const uint64_t *key, unsigned count, unsigned limit)
{
    unsigned before = o.answers;
    o.is_inside = true;
    assert_true(store_history_find(o.h, key, count, limit, on_found, NULL));
    o.is_inside = false;
    uv_run(&o.loop, UV_RUN_DEFAULT);
    assert_int_equal(o.answers, before + 1);
}

static void find(uint64_t key, unsigned limit)
{
    const uint64_t hash = key * 0x9e3779b97f4a7c15;
    find_keys(&hash, 1, limit);
}

static int set_up(void **state)
{
    memset(&o, 0, sizeof o);
    memset(&faults, 0, sizeof faults);
    strcpy(o.dir, "/tmp/test_history.XXXXXX");
    assert_non_null(mkdtemp(o.dir));
    uv_loop_init(&o.loop);
    o.now_ms = NOW_MS;
    open_with(7 * DAY_MS, 1024 * 1024);
    return 0;
}

static void each_file(void (*fn)(const char *path))
{
    char path[400];
    snprintf(path, sizeof path, "%s/history", o.dir);
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/history/%s", o.dir, e->d_name);
        fn(path);
    }
    if (dir)
        closedir(dir);
}

static unsigned file_count;
static void count_file(const char *path)
{
    file_count++;
}
static unsigned files(void)
{
    file_count = 0;
    each_file(count_file);
    return file_count;
}

static void delete_file(const char *path)
{
    unlink(path);
}

static int tear_down(void **state)
{
    char path[100];
    memset(&faults, 0, sizeof faults);
    if (o.h && !o.is_closed)
        shut();
    assert_int_equal(uv_loop_close(&o.loop), 0);
    each_file(delete_file);
    snprintf(path, sizeof path, "%s/history", o.dir);
    rmdir(path);
    chmod(o.dir, 0700);
    assert_int_equal(rmdir(o.dir), 0);
    return 0;
}

/* --- cases --- */

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

static char victim[400];
static void choose_log(const char *path)
{
    if (strstr(path, ".log"))
        snprintf(victim, sizeof victim, "%s", path);
}

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

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_found_at_once_and_later),
        CASE(test_several_keys_give_each_record_once),
        CASE(test_the_salt_stays),
        CASE(test_closed_files_are_searched),
        CASE(test_size_is_kept),
        CASE(test_age_is_kept),
        CASE(test_off),
        CASE(test_a_torn_tail_is_cut),
        CASE(test_cut_at_each_byte),
        CASE(test_an_index_that_cannot_be_read_is_made_again),
        CASE(test_a_damaged_record_is_left_out),
        CASE(test_a_full_disk_costs_only_history),
        CASE(test_each_call_may_fail),
        CASE(test_a_directory_that_cannot_be_made),
        CASE(test_bounds),
        CASE(test_other_files_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
