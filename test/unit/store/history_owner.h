/* history_owner.h -- an owner of a history on a real disk under a real loop, in a directory of its
 * own, with system calls that fail when told to. */
#pragma once

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

static inline bool is_failing(enum call c)
{
    int n = atomic_fetch_add(&faults.made[c], 1) + 1;
    if (n < faults.fail_from[c] || n > faults.fail_to[c])
        return false;
    errno = faults.errnum;
    return true;
}

static inline void break_call(enum call c, int errnum)
{
    faults.errnum = errnum;
    faults.fail_from[c] = 1;
    faults.fail_to[c] = 1 << 30;
}

#define REAL store_real_syscalls
static inline int f_open(int dir, const char *name, int flags, mode_t mode)
{
    return is_failing(OPEN) ? -1 : REAL.open(dir, name, flags, mode);
}
static inline ssize_t f_pread(int fd, void *p, size_t n, off_t at)
{
    return is_failing(PREAD) ? -1 : REAL.pread(fd, p, n, at);
}
static inline ssize_t f_pwrite(int fd, const void *p, size_t n, off_t at)
{
    if (is_failing(PWRITE)) {
        (void)REAL.pwrite(fd, p, n / 2, at); /* a part of it goes out all the same */
        errno = faults.errnum;
        return -1;
    }
    return REAL.pwrite(fd, p, n > 1000 ? 1000 : n, at); /* always short */
}
static inline int f_fdatasync(int fd)
{
    return is_failing(FDATASYNC) ? -1 : REAL.fdatasync(fd);
}
static inline int f_truncate(int fd, off_t bytes)
{
    return is_failing(TRUNCATE) ? -1 : REAL.truncate(fd, bytes);
}
static inline int f_rename(int dir, const char *from, const char *to)
{
    return is_failing(RENAME) ? -1 : REAL.rename(dir, from, to);
}
static inline int f_unlink(int dir, const char *name)
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

static inline void on_trouble(void *ctx, enum err err, const struct fault *why)
{
    assert_false(o.is_inside);
    *(err ? &o.troubles : &o.wells) += 1;
    snprintf(o.trouble, sizeof o.trouble, "%s", why->text);
}

static inline void on_found(void *ctx, const struct store_history_answer *a)
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

static inline void on_closed(void *ctx)
{
    assert_false(o.is_inside);
    o.is_closed = true;
}

static inline void open_with(int64_t keep_ms, uint64_t bytes_max)
{
    const struct store_history_options options = {
        .state_dir = o.dir, .keep_ms = keep_ms, .bytes_max = bytes_max, .salt = {1, 2}};
    const struct store_history_callbacks cb = {NULL, on_trouble};
    o.is_closed = false;
    o.h = store_history_new_with(&o.loop, &options, &cb, &faulty);
}

static inline void turns(void)
{
    for (int i = 0; i < 200; i++) {
        uv_run(&o.loop, UV_RUN_NOWAIT);
        if (!o.h->is_opening && !o.h->is_writing && !o.h->is_keeping && !o.h->finding)
            return;
        usleep(500);
    }
}

static inline void tick(void)
{
    o.is_inside = true;
    store_history_tick(o.h, o.now_ms);
    o.is_inside = false;
    uv_run(&o.loop, UV_RUN_DEFAULT);
}

static inline void shut(void)
{
    o.is_closed = false;
    o.is_inside = true;
    store_history_close(o.h, on_closed, NULL);
    o.is_inside = false;
    uv_run(&o.loop, UV_RUN_DEFAULT);
    assert_true(o.is_closed);
}

/* As a crash of the process: nothing more is written, the files stay as they are. */
static inline void crash(void)
{
    uv_run(&o.loop, UV_RUN_DEFAULT);
    buf_clear(&o.h->pending);
    o.h->pending_count = o.h->pending_keys = 0;
    shut();
}

static inline bool append(uint64_t number, uint64_t key, size_t bytes)
{
    static char payload[70000];
    uint64_t keys[] = {key * 0x9e3779b97f4a7c15, number * 0xbf58476d1ce4e5b9 + 1};
    memcpy(payload, &number, 8);
    o.is_inside = true;
    bool is_taken = store_history_append(o.h, o.now_ms, keys, 2, slice_of(payload, bytes));
    o.is_inside = false;
    return is_taken;
}

static inline void find_keys(const uint64_t *key, unsigned count, unsigned limit)
{
    unsigned before = o.answers;
    o.is_inside = true;
    assert_true(store_history_find(o.h, key, count, limit, on_found, NULL));
    o.is_inside = false;
    uv_run(&o.loop, UV_RUN_DEFAULT);
    assert_int_equal(o.answers, before + 1);
}

static inline void find(uint64_t key, unsigned limit)
{
    const uint64_t hash = key * 0x9e3779b97f4a7c15;
    find_keys(&hash, 1, limit);
}

static inline int set_up(void **state)
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

static inline void each_file(void (*fn)(const char *path))
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
static inline void count_file(const char *path)
{
    file_count++;
}
static inline unsigned files(void)
{
    file_count = 0;
    each_file(count_file);
    return file_count;
}

static inline void delete_file(const char *path)
{
    unlink(path);
}

static inline int tear_down(void **state)
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

static char victim[400];
static inline void choose_log(const char *path)
{
    if (strstr(path, ".log"))
        snprintf(victim, sizeof victim, "%s", path);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
