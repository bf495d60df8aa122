/* cli_selftest.c -- `outpost selftest spool`: may a queue live on this volume? Bounded in time and
 * space, in a directory of its own that goes afterwards. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "cli.h"
#include "queue_dir.h"
#include "store/store_selftest.h"

enum {
    ROUNDS_DEFAULT = 10,
    ROUNDS_MAX = 100000,
    SECONDS_DEFAULT = 30,
    SECONDS_MAX = 86400,
    SYNCS = 300,
    SYNC_LIMIT_MS = 5000, /* for each of the two kinds */
    SUSPICIOUS_US = 20,   /* no disk is so quick, and few batteries are */
    SLOW_US = 20000,      /* one client sees this with each message */
    OUT_BYTES_MAX = 64 * 1024,
    NFTW_FDS = 8,
};

/* File systems that keep nothing, whatever they answer. */
static const struct {
    unsigned long magic;
    const char *says;
} forgetful[] = {
    {0x01021994, "this is a file system in memory (tmpfs): a restart of the machine empties it"},
    {0x858458f6, "this is a file system in memory (ramfs): a restart of the machine empties it"},
    {0x794c7630, "this is a container's own layer (overlayfs): it goes with the container; mount a "
                 "volume"},
};

struct selftest {
    char base[STATE_DIR_BYTES_MAX];
    char dir[STATE_DIR_BYTES_MAX + 32]; /* ours, within base */
    uint64_t rounds_wanted, seconds, rounds;
    unsigned long magic;
    uint64_t free_bytes;
    struct store_selftest_syncs filled, growing;
    struct store_selftest_round sum;
};

/* --- before and after --- */

static volatile sig_atomic_t is_interrupted;

static void on_signal(int number)
{
    is_interrupted = 1;
}

/* The directory is removed all the same. */
static void heed_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    return remove(path);
}

static void remove_tree(const char *dir)
{
    (void)nftw(dir, remove_one, NFTW_FDS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static bool read_number(const char *text, uint64_t most, uint64_t normal, uint64_t *out)
{
    *out = normal;
    return !text || (slice_to_u64(slice_cstr(text), out) && *out >= 1 && *out <= most);
}

static enum err prepare(struct selftest *t, struct fault *why)
{
    struct statfs fs;
    if (statfs(t->base, &fs) != 0)
        return fault_set(why, ERR_SYSTEM, errno, "cannot use %s", t->base);
    t->magic = (unsigned long)fs.f_type;
    t->free_bytes = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
    if (t->free_bytes < 2 * (uint64_t)SELFTEST_BYTES_MAX)
        return fault_set(why, ERR_FULL, 0,
                         "%s has %" PRIu64 " MiB free: twice the %d MiB of this test are wanted",
                         t->base, t->free_bytes >> 20, SELFTEST_BYTES_MAX >> 20);
    snprintf(t->dir, sizeof t->dir, "%s/selftest-XXXXXX", t->base);
    if (!mkdtemp(t->dir)) /* new, 0700, nobody else's */
        return fault_set(why, ERR_SYSTEM, errno, "cannot make a directory in %s", t->base);
    return ERR_OK;
}

/* --- the test --- */

static enum err one_round(struct selftest *t, struct fault *why)
{
    struct store_selftest_round r;
    char dir[sizeof t->dir + 16];
    uint64_t seed;
    randombytes_buf(&seed, sizeof seed);
    snprintf(dir, sizeof dir, "%s/round", t->dir);
    if (mkdir(dir, 0700) != 0)
        return fault_set(why, ERR_SYSTEM, errno, "cannot make %s", dir);
    enum err e = store_selftest_round(dir, seed, &r, why);
    remove_tree(dir);
    if (e)
        return e;
    t->rounds++;
    t->sum.kills += r.kills;
    t->sum.confirmed += r.confirmed;
    t->sum.checked += r.checked;
    t->sum.lost += r.lost;
    t->sum.altered += r.altered;
    t->sum.notes += r.notes;
    return ERR_OK;
}

static enum err run(struct selftest *t, struct fault *why)
{
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    enum err e = store_selftest_measure(t->dir, true, SYNCS, SYNC_LIMIT_MS, &t->filled, why);
    if (!e)
        e = store_selftest_measure(t->dir, false, SYNCS, SYNC_LIMIT_MS, &t->growing, why);
    while (!e && !is_interrupted && t->rounds < t->rounds_wanted) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        if ((uint64_t)(now.tv_sec - begin.tv_sec) >= t->seconds)
            break;
        e = one_round(t, why);
    }
    return e;
}

/* --- what it means --- */

static const char *volume_says(const struct selftest *t)
{
    for (size_t i = 0; i < COUNT_OF(forgetful); i++) {
        if (forgetful[i].magic == t->magic)
            return forgetful[i].says;
    }
    if (t->filled.median_us < SUSPICIOUS_US)
        return "a sync takes no time: unless a battery stands behind it, this volume says that "
               "data is on disk before it is, and a power cut takes mail that was answered 250";
    if (t->filled.median_us > SLOW_US)
        return "syncs are slow: one client alone waits this long for each message (many share one "
               "sync)";
    return "syncs take the time that a disk needs";
}

static bool keeps_word(const struct selftest *t)
{
    return !t->sum.lost && !t->sum.altered;
}

static int64_t commits_per_s(const struct store_selftest_syncs *s)
{
    return s->median_us ? 1000000 / s->median_us : 1000000;
}

static void print_syncs(const char *what, const struct store_selftest_syncs *s)
{
    printf("  %-22s min %" PRId64 ", median %" PRId64 ", 99 of 100 within %" PRId64 ", max %" PRId64
           " us: %" PRId64 " commits/s\n",
           what, s->min_us, s->median_us, s->p99_us, s->max_us, commits_per_s(s));
}

static void print_text(const struct selftest *t)
{
    printf("write 5 KiB and sync, in %s\n", t->base);
    print_syncs("over a file of zeroes", &t->filled);
    print_syncs("over a growing file", &t->growing);
    printf("  %s\n", volume_says(t));
    printf("%" PRIu64 " rounds: the writer was killed %" PRIu64 " times, %" PRIu64
           " records were confirmed,\nlooked for %" PRIu64 " times after a start: %" PRIu64
           " lost, %" PRIu64 " altered\n",
           t->rounds, t->sum.kills, t->sum.confirmed, t->sum.checked, t->sum.lost, t->sum.altered);
    puts(keeps_word(t) ? "what was confirmed survived (of a power cut a kill says nothing)"
                       : "what was confirmed did NOT survive: do not keep a queue here");
}

static void add_syncs(struct json *j, const char *key, const struct store_selftest_syncs *s)
{
    json_object(j, key);
    json_int(j, "count", s->count);
    json_int(j, "min_us", s->min_us);
    json_int(j, "median_us", s->median_us);
    json_int(j, "p99_us", s->p99_us);
    json_int(j, "max_us", s->max_us);
    json_int(j, "commits_per_s", commits_per_s(s));
    json_end(j, '}');
}

static void print_json(const struct selftest *t)
{
    struct buf out;
    struct json j;
    buf_init(&out, OUT_BYTES_MAX);
    json_init(&j, &out);
    json_object(&j, NULL);
    json_string(&j, "directory", slice_cstr(t->base));
    add_syncs(&j, "sync_filled", &t->filled);
    add_syncs(&j, "sync_growing", &t->growing);
    json_string(&j, "volume", slice_cstr(volume_says(t)));
    json_bool(&j, "suspicious", t->filled.median_us < SUSPICIOUS_US);
    json_int(&j, "rounds", (int64_t)t->rounds);
    json_int(&j, "kills", (int64_t)t->sum.kills);
    json_int(&j, "confirmed", (int64_t)t->sum.confirmed);
    json_int(&j, "checked", (int64_t)t->sum.checked);
    json_int(&j, "lost", (int64_t)t->sum.lost);
    json_int(&j, "altered", (int64_t)t->sum.altered);
    json_int(&j, "torn_tails", (int64_t)t->sum.notes);
    json_bool(&j, "good", keeps_word(t));
    json_end(&j, '}');
    puts(buf_cstr(&out));
    buf_close(&out);
}

int cli_selftest_spool(const struct cli *c)
{
    struct selftest t = {0};
    struct fault why = {0};
    if (!read_number(c->rounds, ROUNDS_MAX, ROUNDS_DEFAULT, &t.rounds_wanted))
        return cli_fail(EXIT_USAGE, "--rounds needs a number from 1 to %d", ROUNDS_MAX);
    if (!read_number(c->seconds, SECONDS_MAX, SECONDS_DEFAULT, &t.seconds))
        return cli_fail(EXIT_USAGE, "--seconds needs a number from 1 to %d", SECONDS_MAX);
    if (sodium_init() < 0)
        return cli_fail(EXIT_FAILED, "no random numbers can be had from this system");
    int status = queue_dir_find(c, t.base);
    if (status)
        return status;
    heed_signals();
    if (prepare(&t, &why) != ERR_OK)
        return cli_fail(EXIT_FAILED, "%s", why.text);
    if (!c->is_json) {
        printf("testing in %s, with at most %d MiB and about %" PRIu64 " s\n", t.dir,
               SELFTEST_BYTES_MAX >> 20, t.seconds);
        fflush(stdout); /* before writers are forked */
    }
    enum err e = run(&t, &why);
    remove_tree(t.dir);
    if (e)
        return cli_fail(EXIT_FAILED, "%s", why.text);
    if (c->is_json)
        print_json(&t);
    else
        print_text(&t);
    return keeps_word(&t) ? EXIT_GOOD : EXIT_FAILED;
}
