/* store_selftest.c -- see the header.
 *
 * A round: the parent forks a writer, which starts on what its predecessor left, tells what it
 * found, appends records and tells what was confirmed, until it kills itself at a write point drawn
 * before: in front of a system call, behind it, or in the middle of a write. The last one only
 * looks.
 *
 *   parent <- pipe <- writer: FOUND, ..., STARTED, RELEASED, CONFIRMED, ... until it dies
 *
 * A message is in the pipe before the next system call of the store, so the parent knows exactly
 * what was promised. A record's size and bytes follow from its ticket. */
#include "store/store_selftest.h"

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

#include "base/rng.h"
#include "store_inside.h"

enum {
    RECORDS_A_LIFE = 400,
    RECORDS_MAX = RECORDS_A_LIFE * SELFTEST_LIVES,
    RECORD_BYTES_MAX = 24 * 1024,
    KEPT_SEGMENTS = 6, /* older ones are released, and recycled */
    KILL_CALL_MAX = 250,
    EXIT_WRITER_FAILED = 3,
};

/* --- syncs --- */

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static int fill_zeroes(int fd)
{
    static const char zeroes[64 * 1024];
    for (off_t at = 0; at < SELFTEST_SYNC_FILE_BYTES; at += (off_t)sizeof zeroes) {
        if (pwrite(fd, zeroes, sizeof zeroes, at) != (ssize_t)sizeof zeroes)
            return errno ? errno : EIO;
    }
    return fsync(fd) ? errno : 0;
}

static int measure(int fd, unsigned count, int64_t limit_ms, int64_t *took_us, unsigned *done)
{
    char bytes[SELFTEST_WRITE_BYTES];
    uint64_t begin = uv_hrtime();
    memset(bytes, 'x', sizeof bytes);
    for (*done = 0; *done < count; (*done)++) {
        uint64_t from = uv_hrtime();
        if (*done && (int64_t)((from - begin) / 1000000) > limit_ms)
            break;
        off_t at = (off_t)(*done % (SELFTEST_SYNC_FILE_BYTES / sizeof bytes) * sizeof bytes);
        if (pwrite(fd, bytes, sizeof bytes, at) != (ssize_t)sizeof bytes || fdatasync(fd))
            return errno ? errno : EIO;
        took_us[*done] = (int64_t)((uv_hrtime() - from) / 1000);
    }
    return 0;
}

enum err store_selftest_measure(const char *dir, bool is_filled, unsigned count, int64_t limit_ms,
                          struct store_selftest_syncs *out, struct fault *why)
{
    char path[4096];
    int64_t took_us[SELFTEST_SYNCS_MAX];
    unsigned n = 0;
    *out = (struct store_selftest_syncs){0};
    snprintf(path, sizeof path, "%s/syncs", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fault_set(why, ERR_SYSTEM, errno, "cannot create %s", path);
    int errnum = is_filled ? fill_zeroes(fd) : 0;
    if (count > SELFTEST_SYNCS_MAX)
        count = SELFTEST_SYNCS_MAX;
    if (!errnum)
        errnum = measure(fd, count, limit_ms, took_us, &n);
    close(fd);
    (void)unlink(path);
    if (errnum || !n)
        return fault_set(why, errnum == ENOSPC ? ERR_FULL : ERR_SYSTEM, errnum,
                         "cannot write and sync %s", path);
    qsort(took_us, n, sizeof *took_us, by_value);
    *out = (struct store_selftest_syncs){n, took_us[0], took_us[n / 2], took_us[(n - 1) * 99 / 100],
                                   took_us[n - 1]};
    return ERR_OK;
}

/* --- records --- */

static size_t record_bytes(uint64_t ticket)
{
    uint64_t h = hash_sip13(1, 2, slice_of(&ticket, sizeof ticket));
    return sizeof ticket + (h & 7 ? h % 3000 : h % (RECORD_BYTES_MAX - sizeof ticket));
}

static void record_fill(char *p, size_t n, uint64_t ticket)
{
    struct rng rng;
    rng_init(&rng, ticket);
    memcpy(p, &ticket, sizeof ticket);
    for (size_t at = sizeof ticket; at < n; at += sizeof ticket) {
        uint64_t v = rng_u64(&rng);
        memcpy(p + at, &v, n - at < sizeof v ? n - at : sizeof v);
    }
}

static bool is_synced_one(uint64_t ticket)
{
    return ticket % 3 != 0;
}

/* --- the writer's side --- */

enum word { FOUND = 1, ALTERED, NOTE, STARTED, RELEASED, CONFIRMED, FAILED };

struct message {
    uint64_t word, ticket, segment;
};

static struct {
    const struct store_syscalls *sys; /* beneath: the real ones, unless a test wants losses */
    int pipe;
    int calls_left; /* the call at which it dies; 0: never */
    bool is_after;  /* behind that call */
    struct rng rng;
} self;

static void tell(enum word word, uint64_t ticket, uint64_t segment)
{
    struct message m = {word, ticket, segment};
    if (write(self.pipe, &m, sizeof m) != (ssize_t)sizeof m) /* shorter than PIPE_BUF: whole */
        _exit(EXIT_WRITER_FAILED);
}

static _Noreturn void die(void)
{
    (void)kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* True: this call is the last one, die behind it. The writer's thread and the pool both come here;
 * whichever is last by this count dies. */
static bool count_call(void)
{
    static atomic_int made;
    if (!self.calls_left || atomic_fetch_add(&made, 1) + 1 != self.calls_left)
        return false;
    if (!self.is_after)
        die();
    return true;
}

#define LAST_CALL(type, call)                                                                      \
    do {                                                                                           \
        bool is_last = count_call();                                                               \
        type result = (call);                                                                      \
        if (is_last)                                                                               \
            die();                                                                                 \
        return result;                                                                             \
    } while (0)

static int k_open(int dir, const char *name, int flags, mode_t mode)
{
    LAST_CALL(int, self.sys->open(dir, name, flags, mode));
}
static ssize_t k_pwrite(int fd, const void *p, size_t n, off_t at)
{
    if (count_call()) {
        (void)self.sys->pwrite(fd, p, rng_below(&self.rng, n + 1), at);
        die();
    }
    return self.sys->pwrite(fd, p, n, at);
}
static int k_fdatasync(int fd)
{
    LAST_CALL(int, self.sys->fdatasync(fd));
}
static int k_fsync(int fd)
{
    LAST_CALL(int, self.sys->fsync(fd));
}
static int k_allocate(int fd, off_t bytes)
{
    LAST_CALL(int, self.sys->allocate(fd, bytes));
}
static int k_truncate(int fd, off_t bytes)
{
    LAST_CALL(int, self.sys->truncate(fd, bytes));
}
static int k_rename(int dir, const char *from, const char *to)
{
    LAST_CALL(int, self.sys->rename(dir, from, to));
}
static int k_unlink(int dir, const char *name)
{
    LAST_CALL(int, self.sys->unlink(dir, name));
}

struct writer_life {
    struct store *store;
    uint64_t out; /* appended, not completed */
    uint64_t segment[RECORDS_MAX];
    size_t segment_count;
};

static void on_record(void *ctx, const struct journal_record *r)
{
    struct writer_life *w = ctx;
    static char wanted[RECORD_BYTES_MAX];
    size_t n = record_bytes(r->id);
    record_fill(wanted, n, r->id);
    bool is_whole = r->payload.n == n && memcmp(r->payload.p, wanted, n) == 0;
    tell(is_whole ? FOUND : ALTERED, r->id, r->pos.segment);
    if ((!w->segment_count || w->segment[w->segment_count - 1] != r->pos.segment) &&
        w->segment_count < COUNT_OF(w->segment))
        w->segment[w->segment_count++] = r->pos.segment;
}

static void on_note(void *ctx, const char *text)
{
    tell(NOTE, 0, 0);
}

static void on_appended(void *ctx, const struct journal_completion *c)
{
    struct writer_life *w = ctx;
    w->out--;
    if (c->err)
        tell(FAILED, c->ticket, 0);
    else if (is_synced_one(c->ticket))
        tell(CONFIRMED, c->ticket, c->pos.segment);
}

static void on_fetched(void *ctx, uint64_t ticket, enum err err, const struct journal_record *r,
                       const struct fault *why)
{
}

static void append_some(struct writer_life *w, uint64_t *ticket, uint64_t last)
{
    static char bytes[RECORD_BYTES_MAX];
    for (uint64_t n = 1 + rng_below(&self.rng, 12); n && *ticket <= last; n--, (*ticket)++) {
        size_t size = record_bytes(*ticket);
        struct slice part = slice_of(bytes, size);
        record_fill(bytes, size, *ticket);
        if (store_append(w->store, *ticket, 1, *ticket, &part, 1, is_synced_one(*ticket), true))
            tell(FAILED, *ticket, 0);
        else
            w->out++;
    }
    store_kick(w->store);
}

/* tickets from `first` on; none: it only looks. */
static _Noreturn void writer_run(const char *dir, uint64_t first, uint64_t last, uint64_t seed)
{
    static struct store_syscalls calls;
    static struct writer_life w;
    uv_loop_t loop;
    struct fault why = {0};
    struct store_options o = {dir, SELFTEST_SEGMENT_BYTES,
                              (uint64_t)SELFTEST_SEGMENTS * SELFTEST_SEGMENT_BYTES};
    struct store_callbacks cb = {.ctx = &w, .appended = on_appended, .fetched = on_fetched};
    calls = (struct store_syscalls){k_open,     self.sys->pread, k_pwrite, k_fdatasync, k_fsync,
                                    k_allocate, k_truncate,      k_rename, k_unlink};
    if (uv_loop_init(&loop) || store_open_with(&w.store, &loop, &o, &cb, seed, &calls, &why) ||
        store_replay(w.store, &w, on_record, on_note, &why)) {
        fprintf(stderr, "outpost: %s\n", why.text);
        _exit(EXIT_WRITER_FAILED);
    }
    tell(STARTED, 0, 0);
    for (size_t i = 0; i + KEPT_SEGMENTS < w.segment_count; i++) {
        tell(RELEASED, 0, w.segment[i]);
        store_release(w.store, w.segment[i]);
    }
    while (first <= last || w.out) {
        if (first <= last && w.out < 64)
            append_some(&w, &first, last);
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
    _exit(0);
}

/* --- the parent's side --- */

struct promise {
    uint64_t segment; /* 0: nothing was promised, or it was released */
    bool is_found;
};

struct judge {
    struct promise promise[RECORDS_MAX + 1]; /* by ticket */
    uint64_t failed;
    bool has_started;
    struct store_selftest_round *out;
};

/* A start is over: all that was promised before must have been found. */
static void judge_start(struct judge *j)
{
    j->has_started = true;
    for (size_t i = 1; i <= RECORDS_MAX; i++) {
        if (!j->promise[i].segment)
            continue;
        j->out->checked++;
        if (!j->promise[i].is_found) {
            j->out->lost++;
            j->promise[i].segment = 0; /* said once */
        }
    }
}

static void hear(struct judge *j, const struct message *m)
{
    struct promise *p = &j->promise[m->ticket <= RECORDS_MAX ? m->ticket : 0];
    switch ((enum word)m->word) {
    case FOUND:
        p->is_found = true;
        break;
    case ALTERED:
        p->is_found = true;
        j->out->altered++;
        break;
    case NOTE:
        j->out->notes++;
        break;
    case STARTED:
        judge_start(j);
        break;
    case RELEASED:
        for (size_t i = 1; i <= RECORDS_MAX; i++) {
            if (j->promise[i].segment == m->segment)
                j->promise[i].segment = 0;
        }
        break;
    case CONFIRMED:
        p->segment = m->segment;
        j->out->confirmed++;
        break;
    case FAILED:
        j->failed++;
        break;
    }
}

static void hear_all(struct judge *j, int fd)
{
    struct message m;
    size_t have = 0;
    for (;;) {
        ssize_t n = read(fd, (char *)&m + have, sizeof m - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        have += (size_t)n;
        if (have == sizeof m) {
            hear(j, &m);
            have = 0;
        }
    }
}

static enum err one_life(struct judge *j, const char *dir, unsigned life, struct rng *rng,
                         struct fault *why)
{
    int ends[2], status = 0;
    bool is_last = life + 1 == SELFTEST_LIVES;
    uint64_t first = (uint64_t)life * RECORDS_A_LIFE + 1;
    uint64_t last = is_last ? 0 : first + RECORDS_A_LIFE - 1;
    j->has_started = false;
    for (size_t i = 0; i <= RECORDS_MAX; i++)
        j->promise[i].is_found = false;
    if (pipe(ends))
        return fault_set(why, ERR_SYSTEM, errno, "cannot make a pipe");
    self.rng = *rng;
    (void)rng_u64(rng);
    self.calls_left = is_last ? 0 : 1 + (int)rng_below(rng, KILL_CALL_MAX);
    self.is_after = rng_below(rng, 2) == 1;
    uint64_t seed = rng_u64(rng);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        self.pipe = ends[1];
        writer_run(dir, first, last, seed);
    }
    close(ends[1]);
    if (pid > 0) {
        hear_all(j, ends[0]);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    close(ends[0]);
    if (pid < 0)
        return fault_set(why, ERR_SYSTEM, errno, "cannot start a writer");
    bool was_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    j->out->kills += was_killed;
    if (!was_killed && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
        return fault_set(why, ERR_SYSTEM, 0, "the writer failed (status %d)", status);
    if (is_last && !j->has_started)
        return fault_set(why, ERR_SYSTEM, 0, "the last writer did not start");
    return ERR_OK;
}

static enum err check_own(const char *dir, struct fault *why)
{
    struct stat st;
    DIR *d = lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) ? opendir(dir) : NULL;
    if (!d)
        return fault_set(why, ERR_SYSTEM, errno, "cannot open %s", dir);
    bool is_empty = true;
    for (struct dirent *entry; (entry = readdir(d));)
        is_empty &= strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    closedir(d);
    if (st.st_uid != geteuid() || !is_empty)
        return fault_set(why, ERR_DENIED, 0, "%s is not an empty directory of our own", dir);
    return ERR_OK;
}

enum err store_selftest_round_with(const char *dir, uint64_t seed, const struct store_syscalls *sys,
                             struct store_selftest_round *out, struct fault *why)
{
    struct rng rng;
    self.sys = sys;
    *out = (struct store_selftest_round){0};
    enum err e = check_own(dir, why);
    if (e)
        return e;
    struct judge *j = mem_new(sizeof *j);
    j->out = out;
    rng_init(&rng, seed);
    for (unsigned life = 0; !e && life < SELFTEST_LIVES; life++)
        e = one_life(j, dir, life, &rng, why);
    if (!e && j->failed)
        e = fault_set(why, ERR_SYSTEM, 0, "%llu records could not be written",
                      (unsigned long long)j->failed);
    mem_free(j);
    return e;
}

enum err store_selftest_round(const char *dir, uint64_t seed, struct store_selftest_round *out,
                        struct fault *why)
{
    return store_selftest_round_with(dir, seed, &store_real_syscalls, out, why);
}
