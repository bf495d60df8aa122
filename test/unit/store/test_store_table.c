/* test_store_table.c -- the recovery decision table (doc/journal.md) on a real directory: every
 * combination of ../journal/recovery_case.h is put there and read by store_replay; what is loaded,
 * said and kept is held against rules written down here once more. */
#include "../journal/recovery_case.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../src/store/store_inside.h"

enum { NOTES_MAX = 8, OFTEN = 4 /* notes about one segment at most */ };

/* --- a disk on which one file is sick, and nothing takes long --- */

static const struct store_syscalls *real = &store_real_syscalls;
static enum file_kind sickness;
static atomic_int sick_fd;

static int t_open(int dir, const char *name, int flags, mode_t mode)
{
    bool is_sick = strcmp(name, segment_name(CASE_NUMBER).s) == 0;
    if (is_sick && sickness == F_CLOSED) {
        errno = EIO;
        return -1;
    }
    int fd = real->open(dir, name, flags, mode);
    if (is_sick && sickness == F_BAD_PAGE)
        atomic_store(&sick_fd, fd);
    else if (fd >= 0 && fd == atomic_load(&sick_fd))
        atomic_store(&sick_fd, -1);
    return fd;
}

static ssize_t t_pread(int fd, void *p, size_t n, off_t at)
{
    if (fd == atomic_load(&sick_fd) && at < CASE_SEALED_END && at + (off_t)n > 4096) {
        errno = EIO;
        return -1;
    }
    return real->pread(fd, p, n, at);
}

static int t_sync(int fd)
{
    return 0;
}

static struct store_syscalls syscalls(void)
{
    struct store_syscalls s = *real;
    s.open = t_open;
    s.pread = t_pread;
    s.fdatasync = s.fsync = t_sync;
    return s;
}

/* --- what was told --- */

struct told {
    char dir[64];
    char records[16]; /* of the segment in question */
    unsigned others;  /* of its neighbours */
    unsigned notes;
    char note[NOTES_MAX][512];
    bool is_refused;
    struct fault why;
    struct store_recovery how;
};

static size_t head_bytes(uint8_t type, struct slice payload)
{
    return payload.n < CASE_HEAD ? payload.n : CASE_HEAD;
}

static void on_record(void *ctx, const struct journal_record *r)
{
    struct told *t = ctx;
    assert_true(r->payload.n >= CASE_HEAD);
    assert_int_equal(r->payload.p[0], (char)(r->id + 1));
    if (r->id > 200 && r->id < 300) {
        size_t n = strlen(t->records);
        assert_int_equal(r->pos.segment, CASE_NUMBER);
        assert_int_equal(r->pos.offset, case_offset[r->id - 201]);
        assert_int_equal(r->pos.bytes, case_offset[r->id - 200] - r->pos.offset - 24);
        t->records[n] = (char)('0' + (int)(r->id - 200));
        t->records[n + 1] = 0;
    } else {
        t->others++;
    }
}

static void on_note(void *ctx, const char *text)
{
    struct told *t = ctx;
    assert_true(t->notes < NOTES_MAX);
    snprintf(t->note[t->notes++], sizeof t->note[0], "%s", text);
}

static void on_appended(void *ctx, const struct journal_completion *c)
{
}

static void on_fetched(void *ctx, uint64_t ticket, enum err err, const struct journal_record *r,
                       const struct fault *why)
{
}

/* --- the directory --- */

static void path_of(const struct told *t, const char *name, char *path, size_t n)
{
    snprintf(path, n, "%s/queue/%s", t->dir, name);
}

static void put_file(const struct told *t, const char *name, const char *bytes, size_t n)
{
    char path[128];
    path_of(t, name, path, sizeof path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), n);
    close(fd);
}

static bool has_file(const struct told *t, const char *name)
{
    char path[128];
    path_of(t, name, path, sizeof path);
    return access(path, F_OK) == 0;
}

static void lay_out(const struct recovery_case *c, struct told *t)
{
    static char image[2 * CASE_SEGMENT + 4096];
    char index[1024], path[128];
    snprintf(path, sizeof path, "%s/queue", t->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/installation", t->dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "%016x\n", CASE_INSTALLATION);
    fclose(f);
    if (c->position != P_ONLY) {
        case_neighbour(image, CASE_BEFORE, 0);
        put_file(t, segment_name(CASE_BEFORE).s, image, CASE_SEGMENT);
    }
    if (c->position == P_MIDDLE) {
        case_neighbour(image, CASE_AFTER, case_seal_nonce(c));
        put_file(t, segment_name(CASE_AFTER).s, image, CASE_SEGMENT);
    }
    size_t n = case_image(c, image);
    if (c->file != F_GONE)
        put_file(t, segment_name(CASE_NUMBER).s, image, n);
    n = case_index(index, CASE_NUMBER, case_segment_bytes(c), c->index == I_OTHER_LIFE);
    if (c->index == I_TORN)
        index[n / 2] ^= 4;
    if (c->index != I_NONE)
        put_file(t, index_name(CASE_NUMBER).s, index, n);
    n = case_index(index, 5, CASE_SEGMENT, false);
    if (c->header == H_INDEXED)
        put_file(t, index_name(5).s, index, n);
}

static void start(struct told *t)
{
    const struct store_syscalls sys = syscalls();
    struct store_options options = {t->dir, CASE_SEGMENT, 64 * CASE_SEGMENT};
    struct store_callbacks cb = {t, on_appended, on_fetched, NULL, head_bytes};
    struct store *store;
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(store_open_with(&store, &loop, &options, &cb, 1, &sys, &t->why), ERR_OK);
    enum err e = store_replay(store, t, on_record, on_note, &t->why);
    assert_true(e == ERR_OK || e == ERR_BAD);
    t->is_refused = e != ERR_OK;
    t->how = store_recovery(store);
    store_close(store, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* --- the rules, from the top: the first that fits decides --- */

struct expected {
    const char *records; /* of the segment in question */
    const char *note[OFTEN];
    enum { STAYS, IS_COPIED, IS_SET_ASIDE, BECOMES_SPARE, REFUSED, IS_GONE } file;
    bool is_indexed;
};

static struct expected of_good_header(const struct recovery_case *c)
{
    bool is_indexed = c->index == I_GOOD && c->seal != S_OURS;
    struct expected e = {.records = "1234", .file = STAYS, .is_indexed = is_indexed};
    const struct walked *w = case_walk(c);
    unsigned n = 0;
    if (c->file == F_BAD_PAGE && !is_indexed)
        e.note[n++] = "cannot be read in part";
    if (c->file == F_CUT)
        e.note[n++] = is_indexed ? "up to byte 9216 are lost" : "is cut short: 6000 of";
    if (c->file == F_LONGER)
        e.note[n++] = "is not looked at";
    if (is_indexed) {
        e.file = c->file == F_CUT ? IS_COPIED : STAYS;
        return e;
    }
    e.records = w->records;
    if (w->is_damaged)
        e.note[n++] = "is damaged from byte";
    bool is_cut = w->is_torn && c->file != F_CUT && c->file != F_BAD_PAGE;
    bool was_synced = c->position == P_MIDDLE && c->seal != S_OURS;
    if (is_cut)
        e.note[n++] = was_synced ? "to its end, or a failed sync" : "cut a torn tail";
    if (w->is_damaged || (is_cut && was_synced) || c->file == F_CUT || c->file == F_BAD_PAGE)
        e.file = IS_COPIED;
    return e;
}

static struct expected expect(const struct recovery_case *c)
{
    if (c->file == F_GONE && (c->index == I_GOOD || c->index == I_OTHER_LIFE))
        return (struct expected){"", {"is missing"}, IS_GONE, false};
    if (c->file == F_GONE)
        return (struct expected){"", {0}, IS_GONE, false};
    if (c->file == F_CLOSED) {
        struct expected e = {"", {"cannot be used"}, IS_SET_ASIDE, false};
        if (c->header == H_INDEXED)
            e.note[1] = "is missing"; /* what has its number, as far as anybody can see */
        return e;
    }
    switch (c->header) {
    case H_VERSION:
        return (struct expected){"", {0}, REFUSED, false};
    case H_INSTALLATION:
        return (struct expected){"", {0}, REFUSED, false};
    case H_ZERO_EMPTY:
    case H_TORN_EMPTY:
        if (c->file != F_CUT && c->file != F_BAD_PAGE)
            return (struct expected){"", {0}, BECOMES_SPARE, false};
        return (struct expected){"", {"cannot be used"}, IS_SET_ASIDE, false};
    case H_ZERO:
    case H_TORN:
        return (struct expected){"", {"cannot be used"}, IS_SET_ASIDE, false};
    case H_STALE:
        return (struct expected){"", {0}, BECOMES_SPARE, false};
    case H_INDEXED:
        return (struct expected){
            "", {"which has an index: it was renamed", "is missing"}, IS_SET_ASIDE, false};
    case H_COPY:
        return (struct expected){"", {"it is a copy of that"}, IS_SET_ASIDE, false};
    case H_LATER:
        return (struct expected){"", {"0000000000000019: it was renamed"}, IS_SET_ASIDE, false};
    case H_GOOD:
    case H_OTHER_SIZE:
    case HEADERS:
        break;
    }
    return of_good_header(c);
}

static bool is_said(const struct told *t, const char *part)
{
    for (unsigned i = 0; i < t->notes; i++) {
        if (strstr(t->note[i], part))
            return true;
    }
    return false;
}

static void check_notes(const struct recovery_case *c, const struct told *t,
                        const struct expected *e)
{
    unsigned n = 0;
    for (; n < OFTEN && e->note[n]; n++) {
        if (!is_said(t, e->note[n]))
            case_fail(c, e->note[n]);
    }
    if (t->notes != n)
        case_fail(c, t->notes ? t->note[t->notes - 1] : "too few notes");
}

static void check(const struct recovery_case *c, const struct told *t)
{
    const struct expected e = expect(c);
    unsigned others = c->position == P_ONLY ? 0 : c->position == P_LAST ? 2 : 4;
    if (t->is_refused != (e.file == REFUSED))
        case_fail(c, t->why.text);
    if (t->is_refused &&
        !strstr(t->why.text, c->header == H_VERSION ? "version 2" : "installation"))
        case_fail(c, t->why.text);
    if (strcmp(t->records, e.records) != 0)
        case_fail(c, t->records);
    if (t->others != (t->is_refused ? 0 : others))
        case_fail(c, "a neighbour suffers");
    check_notes(c, t, &e);
    if (t->how.indexed != e.is_indexed)
        case_fail(c, "its index is believed, or not");
    bool has_segment = e.file == STAYS || e.file == IS_COPIED || e.file == REFUSED;
    bool has_bad = e.file == IS_COPIED || e.file == IS_SET_ASIDE;
    if (has_file(t, segment_name(CASE_NUMBER).s) != has_segment)
        case_fail(c, "the file stays, or does not");
    if (has_file(t, bad_name(CASE_NUMBER).s) != has_bad)
        case_fail(c, "something is kept, or is not");
    if (!has_segment && has_file(t, index_name(CASE_NUMBER).s))
        case_fail(c, "an index is left without its segment");
}

static void remove_all(const char *dir)
{
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (e->d_name[0] != '.' && unlink(path) != 0)
            remove_all(path);
    }
    closedir(d);
    assert_int_equal(rmdir(dir), 0);
}

static void try_one(const struct recovery_case *c)
{
    static struct told t;
    memset(&t, 0, sizeof t);
    /* Thousands of directories: where they cost nothing, if there is such a place. */
    strcpy(t.dir,
           access("/dev/shm", W_OK) == 0 ? "/dev/shm/test_table.XXXXXX" : "/tmp/test_table.XXXXXX");
    assert_non_null(mkdtemp(t.dir));
    lay_out(c, &t);
    sickness = c->file;
    atomic_store(&sick_fd, -1);
    start(&t);
    check(c, &t);
    remove_all(t.dir);
}

static bool next(struct recovery_case *c)
{
    static const int count[] = {HEADERS, FILES, TAILS, SEALS, INDICES, POSITIONS};
    int digit[] = {(int)c->header, (int)c->file,  (int)c->tail,
                   (int)c->seal,   (int)c->index, (int)c->position};
    for (size_t i = 0; i < COUNT_OF(count); i++) {
        if (++digit[i] < count[i]) {
            *c = (struct recovery_case){(enum header_kind)digit[0], (enum file_kind)digit[1],
                                        (enum tail_kind)digit[2],   (enum seal_kind)digit[3],
                                        (enum index_kind)digit[4],  (enum position)digit[5]};
            return true;
        }
        digit[i] = 0;
    }
    return false;
}

static void every_combination_is_decided_as_written(void **state)
{
    struct recovery_case c = {0};
    unsigned tried = 0, impossible = 0;
    do {
        if (case_impossible(&c)) {
            impossible++;
        } else {
            try_one(&c);
            tried++;
        }
    } while (next(&c));
    assert_int_equal(tried + impossible, HEADERS * FILES * TAILS * SEALS * INDICES * POSITIONS);
    print_message("%u combinations, %u are impossible\n", tried, impossible);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_combination_is_decided_as_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
