/* store_owner.h -- a store on a real disk under a real loop, in a directory of its own, with system
 * calls that fail when told to, and an owner that knows what it was told. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../src/store/store_inside.h"

enum { SEGMENT = 64 * 1024, TICKETS_MAX = 20000 };

/* --- system calls that fail when told to --- */

enum call { OPEN, PREAD, PWRITE, FDATASYNC, FSYNC, ALLOCATE, TRUNCATE, RENAME, UNLINK, CALLS };

static struct {
    atomic_int made[CALLS];
    int fail_from[CALLS], fail_to[CALLS]; /* n-th to m-th call */
    int errnum;
    size_t short_bytes; /* 0: whole */
} faults;

static inline bool is_failing(enum call c)
{
    int n = atomic_fetch_add(&faults.made[c], 1) + 1;
    if (n < faults.fail_from[c] || n > faults.fail_to[c])
        return false;
    errno = faults.errnum;
    return true;
}

static inline void faults_clear(void)
{
    memset(&faults, 0, sizeof faults);
}

static const struct store_syscalls *real = &store_real_syscalls;

static inline int f_open(int dir, const char *name, int flags, mode_t mode)
{
    return is_failing(OPEN) ? -1 : real->open(dir, name, flags, mode);
}
static inline ssize_t f_pread(int fd, void *p, size_t n, off_t at)
{
    return is_failing(PREAD) ? -1 : real->pread(fd, p, n, at);
}
static inline ssize_t f_pwrite(int fd, const void *p, size_t n, off_t at)
{
    if (is_failing(PWRITE)) {
        if (n > 1) /* a part of it goes out all the same */
            (void)real->pwrite(fd, p, n / 2, at);
        errno = faults.errnum;
        return -1;
    }
    if (faults.short_bytes && n > faults.short_bytes)
        n = faults.short_bytes;
    return real->pwrite(fd, p, n, at);
}
static inline int f_fdatasync(int fd)
{
    return is_failing(FDATASYNC) ? -1 : real->fdatasync(fd);
}
static inline int f_fsync(int fd)
{
    return is_failing(FSYNC) ? -1 : real->fsync(fd);
}
static inline int f_allocate(int fd, off_t bytes)
{
    return is_failing(ALLOCATE) ? -1 : real->allocate(fd, bytes);
}
static inline int f_truncate(int fd, off_t bytes)
{
    return is_failing(TRUNCATE) ? -1 : real->truncate(fd, bytes);
}
static inline int f_rename(int dir, const char *from, const char *to)
{
    return is_failing(RENAME) ? -1 : real->rename(dir, from, to);
}
static inline int f_unlink(int dir, const char *name)
{
    return is_failing(UNLINK) ? -1 : real->unlink(dir, name);
}

static const struct store_syscalls faulty = {f_open,     f_pread,    f_pwrite, f_fdatasync, f_fsync,
                                             f_allocate, f_truncate, f_rename, f_unlink};

/* --- an owner --- */

struct known {
    bool is_done, is_found, is_fetched;
    enum err err, fetch_err;
    struct journal_pos pos;
    uint64_t id;
    size_t bytes;
};

struct owner {
    char dir[64];
    uv_loop_t loop;
    struct store *store;
    struct known *known; /* by ticket */
    uint64_t tickets, completed, fetched, last_found;
    unsigned troubles, notes, records;
    bool is_inside_call, is_closed;
    char note[600];
    struct fault trouble;
    size_t (*head_bytes)(uint8_t type, struct slice payload); /* NULL: no indices */
};

static inline void fill(char *p, size_t n, uint64_t ticket)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (char)(uint8_t)(ticket * 131 + i * 17 + (i >> 8));
    if (n >= 8)
        memcpy(p, &ticket, 8);
}

static inline void check_payload(const struct journal_record *r, uint64_t ticket)
{
    char *expected = malloc(r->payload.n + 1);
    fill(expected, r->payload.n, ticket);
    assert_memory_equal(expected, r->payload.p, r->payload.n);
    free(expected);
}

static inline void on_appended(void *ctx, const struct journal_completion *c)
{
    struct owner *o = ctx;
    assert_false(o->is_inside_call);
    assert_int_equal(c->ticket, o->completed + 1);
    o->completed++;
    o->known[c->ticket].is_done = true;
    o->known[c->ticket].err = c->err;
    o->known[c->ticket].pos = c->pos;
}

static inline void on_fetched(void *ctx, uint64_t ticket, enum err err,
                              const struct journal_record *r, const struct fault *why)
{
    struct owner *o = ctx;
    assert_false(o->is_inside_call);
    assert_false(o->known[ticket].is_fetched);
    o->known[ticket].is_fetched = true;
    o->known[ticket].fetch_err = err;
    o->fetched++;
    assert_int_equal(err == ERR_OK, r != NULL);
    assert_int_equal(err == ERR_OK, why == NULL);
    if (r)
        check_payload(r, ticket);
}

static inline void on_trouble(void *ctx, const struct fault *why)
{
    struct owner *o = ctx;
    assert_false(o->is_inside_call);
    o->troubles++;
    o->trouble = *why;
}

static inline void on_record(void *ctx, const struct journal_record *r)
{
    struct owner *o = ctx;
    uint64_t ticket = 0;
    assert_true(r->payload.n >= 8);
    memcpy(&ticket, r->payload.p, 8);
    assert_true(ticket > o->last_found && ticket < TICKETS_MAX);
    o->last_found = ticket;
    check_payload(r, ticket);
    o->known[ticket].is_found = true;
    o->known[ticket].pos = r->pos;
    o->known[ticket].id = r->id;
    o->records++;
}

static inline void on_note(void *ctx, const char *text)
{
    struct owner *o = ctx;
    o->notes++;
    snprintf(o->note, sizeof o->note, "%s", text);
}

static inline void owner_init(struct owner *o)
{
    memset(o, 0, sizeof *o);
    faults_clear();
    strcpy(o->dir, "/tmp/test_store.XXXXXX");
    assert_non_null(mkdtemp(o->dir));
    o->known = calloc(TICKETS_MAX, sizeof *o->known);
    assert_int_equal(uv_loop_init(&o->loop), 0);
}

static inline enum err owner_open(struct owner *o, uint64_t bytes_max, struct fault *why)
{
    struct store_options options = {o->dir, SEGMENT, bytes_max};
    struct store_callbacks cb = {o, on_appended, on_fetched, on_trouble, o->head_bytes};
    return store_open_with(&o->store, &o->loop, &options, &cb, o->tickets + 12345, &faulty, why);
}

static inline enum err owner_replay(struct owner *o, struct fault *why)
{
    o->last_found = o->records = o->notes = 0;
    for (size_t i = 0; i < TICKETS_MAX; i++)
        o->known[i].is_found = false;
    return store_replay(o->store, o, on_record, on_note, why);
}

static inline void owner_start(struct owner *o, uint64_t segments)
{
    struct fault why;
    enum err e = owner_open(o, segments * SEGMENT, &why);
    if (!e)
        e = owner_replay(o, &why);
    if (e)
        fail_msg("%s", why.text);
}

static inline void on_closed(void *ctx)
{
    struct owner *o = ctx;
    o->is_closed = true;
}

static inline void owner_stop(struct owner *o)
{
    o->is_closed = false;
    store_close(o->store, on_closed, o);
    assert_false(o->is_closed);
    uv_run(&o->loop, UV_RUN_DEFAULT);
    assert_true(o->is_closed);
    assert_int_equal(o->completed, o->tickets);
    o->store = NULL;
}

static inline void owner_close(struct owner *o)
{
    char command[128];
    if (o->store)
        owner_stop(o);
    assert_int_equal(uv_loop_close(&o->loop), 0);
    snprintf(command, sizeof command, "rm -rf '%s'", o->dir);
    assert_int_equal(system(command), 0);
    free(o->known);
}

static inline enum err try_append(struct owner *o, uint64_t id, size_t n, bool needs_sync)
{
    char *p = malloc(n);
    uint64_t ticket = o->tickets + 1;
    fill(p, n, ticket);
    struct slice part = slice_of(p, n);
    o->is_inside_call = true;
    enum err e = store_append(o->store, ticket, 1, id, &part, 1, needs_sync, true);
    o->is_inside_call = false;
    free(p);
    if (e)
        return e;
    o->known[ticket].id = id;
    o->known[ticket].bytes = n;
    o->tickets++;
    return ERR_OK;
}

static inline void append(struct owner *o, uint64_t id, size_t n, bool needs_sync)
{
    assert_int_equal(try_append(o, id, n, needs_sync), ERR_OK);
}

static inline void kick(struct owner *o)
{
    o->is_inside_call = true;
    store_kick(o->store);
    o->is_inside_call = false;
}

static inline void wait_for(struct owner *o, const uint64_t *count, uint64_t n)
{
    uint64_t until = uv_hrtime() + 20 * UINT64_C(1000000000);
    while (*count < n) {
        assert_true(uv_hrtime() < until);
        uv_run(&o->loop, UV_RUN_ONCE);
    }
}

/* Runs the loop until a condition holds. */
#define WAIT(o, condition)                                                                         \
    do {                                                                                           \
        uint64_t wait_until = uv_hrtime() + 20 * UINT64_C(1000000000);                             \
        while (!(condition)) {                                                                     \
            assert_true(uv_hrtime() < wait_until);                                                 \
            uv_run(&(o)->loop, UV_RUN_NOWAIT);                                                     \
            usleep(500);                                                                           \
        }                                                                                          \
    } while (0)

static inline uint64_t spares(const struct owner *o)
{
    struct journal_usage u;
    store_usage(o->store, &u);
    return u.spare_segments;
}

static inline uint64_t segments(const struct owner *o)
{
    struct journal_usage u;
    store_usage(o->store, &u);
    return u.segments;
}

static inline void run_for(struct owner *o, uint64_t ms)
{
    uint64_t until = uv_hrtime() + ms * 1000000;
    while (uv_hrtime() < until) {
        uv_run(&o->loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
}

static inline enum err append_one(struct owner *o, uint64_t id, size_t n)
{
    enum err e = try_append(o, id, n, true);
    if (e) {
        run_for(o, 5); /* it tries to make room */
        return e;
    }
    kick(o);
    wait_for(o, &o->completed, o->tickets);
    return o->known[o->tickets].err;
}

static inline unsigned count_files(const struct owner *o, const char *part)
{
    char path[128];
    unsigned n = 0;
    snprintf(path, sizeof path, "%s/queue", o->dir);
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        n += strstr(e->d_name, part) != NULL;
    closedir(d);
    return n;
}

static inline void patch(const struct owner *o, const char *file, off_t at, const char *bytes,
                         size_t n)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", o->dir, file);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, n, at), n);
    close(fd);
}
