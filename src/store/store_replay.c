/* store_replay.c -- start-up: what lies in the queue directory, told to the machine and, record by
 * record, to the owner. What cannot be read is set aside and said; everything else loads. */
#include "journal/journal_recover.h"
#include "store_inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 1024 * 1024, HUGE_PAGE_BYTES = 2 * 1024 * 1024 };

/* No relay lives to make so many files: such a name was put there, and counting on from it would
 * run over. */
static const uint64_t NUMBER_MAX = UINT64_MAX / 2;

struct replay {
    struct store *store;
    void *ctx;
    void (*record)(void *ctx, const struct journal_record *r);
    void (*note)(void *ctx, const char *text);
    struct journal_survey survey;
    uint64_t *sequence; /* of segment files; owned */
    size_t sequence_count, sequence_cap;
    uint64_t *spare; /* owned */
    size_t spare_count, spare_cap;
    uint64_t next_spare, gone; /* the highest number of a file that is no segment any more */
    char *image;               /* one segment at a time */
    size_t image_cap;
};

static void note(struct replay *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void note(struct replay *r, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (r->note)
        r->note(r->ctx, text);
}

static void add(uint64_t **list, size_t *count, size_t *cap, uint64_t v)
{
    if (*count == *cap) {
        *cap = *cap ? *cap * 2 : 16;
        *list = mem_resize(*list, *cap * sizeof **list);
    }
    (*list)[(*count)++] = v;
}

static void gone(struct replay *r, uint64_t sequence)
{
    if (sequence > r->gone && sequence <= NUMBER_MAX / 2) /* so that new numbers stay below it */
        r->gone = sequence;
}

/* --- what is there --- */

/* One number must not come in twice: what is not spelt as we spell it is not ours. */
static bool is_spelt(const char *name, struct file_name ours)
{
    return strcmp(name, ours.s) == 0;
}

static void found_name(struct replay *r, const char *name)
{
    struct store *s = r->store;
    if (strcmp(name, "making") == 0) {
        (void)s->disk.sys->unlink(s->disk.queue_fd, name);
        return;
    }
    bool is_spare = strncmp(name, "spare-", 6) == 0;
    uint64_t n = is_spare ? strtoull(name + 6, NULL, 10) : strtoull(name, NULL, 16);
    if (n == 0 || n > NUMBER_MAX)
        return;
    if (is_spare && is_spelt(name, spare_name(n))) {
        add(&r->spare, &r->spare_count, &r->spare_cap, n);
        if (n >= r->next_spare)
            r->next_spare = n + 1;
    } else if (is_spelt(name, segment_name(n))) {
        add(&r->sequence, &r->sequence_count, &r->sequence_cap, n);
    } else if (is_spelt(name, bad_name(n))) {
        gone(r, n);
    }
}

static enum err list_names(struct replay *r, struct fault *why)
{
    struct disk *d = &r->store->disk;
    int fd = openat(d->queue_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int errnum = errno;
        if (fd >= 0)
            close(fd);
        return disk_fault(d, why, errnum, "list", "");
    }
    struct dirent *entry;
    errno = 0;
    while ((entry = readdir(dir))) {
        found_name(r, entry->d_name);
        errno = 0;
    }
    int errnum = errno;
    closedir(dir);
    return errnum ? disk_fault(d, why, errnum, "list", "") : ERR_OK;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* --- reading --- */

static void make_room(struct replay *r, size_t n)
{
    if (n <= r->image_cap)
        return;
    free(r->image);
    r->image_cap = (n + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    r->image = aligned_alloc(HUGE_PAGE_BYTES, r->image_cap);
    CHECK(r->image != NULL);
    (void)madvise(r->image, r->image_cap, MADV_HUGEPAGE); /* a wish: fewer page faults */
}

/* The file's first n bytes. What cannot be read becomes zeroes; false then. */
static bool read_image(struct replay *r, int fd, size_t n, struct fault *why)
{
    const struct store_syscalls *sys = r->store->disk.sys;
    bool is_good = true;
    make_room(r, n);
    for (size_t at = 0; at < n;) {
        size_t want = n - at < READ_BYTES ? n - at : READ_BYTES;
        ssize_t got = sys->pread(fd, r->image + at, want, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            (void)fault_set(why, ERR_SYSTEM, got < 0 ? errno : ENODATA, "offset %zu", at);
            memset(r->image + at, 0, want);
            is_good = false;
            got = (ssize_t)want;
        }
        at += (size_t)got;
    }
    return is_good;
}

/* Opens a segment and reads at most `most` bytes of it. -1: could not be opened. */
static int open_image(struct replay *r, uint64_t sequence, size_t most, size_t *n, bool *is_whole,
                      struct fault *why)
{
    struct disk *d = &r->store->disk;
    struct file_name name = segment_name(sequence);
    struct stat st;
    int fd = d->sys->open(d->queue_fd, name.s, O_RDWR, 0);
    if (fd < 0) {
        (void)disk_fault(d, why, errno, "open", name.s);
        return -1;
    }
    *n = fstat(fd, &st) == 0 && st.st_size > 0 ? (size_t)st.st_size : 0;
    if (*n > most)
        *n = most;
    *is_whole = read_image(r, fd, *n, why);
    return fd;
}

/* --- judging --- */

static void set_aside(struct replay *r, uint64_t sequence, const char *because)
{
    struct disk *d = &r->store->disk;
    struct file_name name = segment_name(sequence), bad = bad_name(sequence);
    gone(r, sequence);
    if (d->sys->rename(d->queue_fd, name.s, bad.s))
        note(r, "segment %s/queue/%s cannot be read (%s) and cannot be renamed: %s", d->path,
             name.s, because, strerror(errno));
    else
        note(r, "segment %s/queue/%s cannot be read (%s): set aside as %s", d->path, name.s,
             because, bad.s);
}

/* The damaged original stays for salvage under a second name. */
static void keep_copy(struct replay *r, uint64_t sequence)
{
    struct disk *d = &r->store->disk;
    struct file_name name = segment_name(sequence), bad = bad_name(sequence);
    if (linkat(d->queue_fd, name.s, d->queue_fd, bad.s, 0) != 0 && errno != EEXIST)
        note(r, "cannot keep %s/queue/%s as %s: %s", d->path, name.s, bad.s, strerror(errno));
    journal_found_damage(r->store->journal, sequence);
}

static void make_spare(struct replay *r, uint64_t sequence)
{
    struct disk *d = &r->store->disk;
    struct file_name name = segment_name(sequence), spare = spare_name(r->next_spare);
    struct stat st;
    gone(r, sequence);
    if (fstatat(d->queue_fd, name.s, &st, 0) == 0 && (uint64_t)st.st_size == d->segment_bytes &&
        d->sys->rename(d->queue_fd, name.s, spare.s) == 0)
        add(&r->spare, &r->spare_count, &r->spare_cap, r->next_spare++);
    else
        (void)d->sys->unlink(d->queue_fd, name.s);
}

/* Without a header nothing was ever written in it, if all of it is empty. */
static bool is_empty(struct replay *r, uint64_t sequence)
{
    struct fault ignored;
    size_t n;
    bool is_whole;
    int fd = open_image(r, sequence, JOURNAL_SEGMENT_BYTES_MOST, &n, &is_whole, &ignored);
    if (fd < 0)
        return false;
    close(fd);
    for (size_t at = JOURNAL_SURVEY_BYTES; at < n; at++) {
        if (r->image[at])
            return false;
    }
    return is_whole;
}

static void survey(struct replay *r)
{
    struct store *s = r->store;
    for (size_t i = 0; i < r->sequence_count; i++) {
        struct fault why;
        size_t n;
        bool is_whole;
        int fd = open_image(r, r->sequence[i], JOURNAL_SURVEY_BYTES, &n, &is_whole, &why);
        if (fd >= 0)
            close(fd);
        if (fd < 0 || !is_whole) {
            set_aside(r, r->sequence[i], why.text);
            continue;
        }
        struct journal_header h;
        struct slice head = slice_of(r->image, n);
        /* The file that names the installation is lost: the oldest segment knows. */
        if (!s->installation && journal_header_parse(head, &h, NULL) == ERR_OK)
            s->installation = h.installation;
        journal_survey_add(&r->survey, r->sequence[i], s->installation, head);
    }
    journal_survey_finish(&r->survey);
}

static enum err judge(struct replay *r, struct fault *why)
{
    for (size_t i = 0; i < r->survey.count; i++) {
        const struct journal_found *f = &r->survey.found[i];
        if (f->verdict == SEGMENT_FOREIGN)
            return fault_set(why, ERR_BAD, 0,
                             "%s/queue: %s. A queue of another relay was put here: give it back, "
                             "or remove the file installation to adopt it",
                             r->store->disk.path, f->why.text);
    }
    for (size_t i = 0; i < r->survey.count; i++) {
        struct journal_found *f = &r->survey.found[i];
        if (f->verdict == SEGMENT_SPARE && f->header.sequence == 0 && !is_empty(r, f->sequence))
            f->verdict = SEGMENT_BAD;
        if (f->verdict == SEGMENT_SPARE)
            make_spare(r, f->sequence);
        else if (f->verdict == SEGMENT_BAD)
            set_aside(r, f->sequence, f->why.text);
    }
    return ERR_OK;
}

/* --- loading --- */

static void walk(struct replay *r, const struct journal_found *f, struct slice image)
{
    struct journal *j = r->store->journal;
    struct journal_walk w;
    struct journal_record record;
    uint64_t records = 0;
    bool is_damaged = false, is_over = false;
    journal_walk_init(&w, image, &f->header, f->valid_end);
    while (!is_over) {
        switch (journal_walk_next(&w, &record)) {
        case JOURNAL_STEP_RECORD:
            r->record(r->ctx, &record);
            records++;
            break;
        case JOURNAL_STEP_DAMAGED:
            note(r, "segment %016" PRIx64 " is damaged from byte %u to %u: skipped, a copy is kept",
                 f->sequence, w.bad_from, w.bad_to);
            is_damaged = true;
            break;
        case JOURNAL_STEP_TORN:
            note(r, "cut a torn tail of segment %016" PRIx64 " at byte %u (never confirmed)",
                 f->sequence, w.offset);
            if (!f->sealed_by)
                journal_found_end(j, f->sequence, w.offset, 0);
            is_over = true;
            break;
        case JOURNAL_STEP_END:
            is_over = true;
            break;
        }
    }
    if (is_damaged)
        keep_copy(r, f->sequence);
    if (records == 0)
        journal_found_empty(j, f->sequence);
}

static void load(struct replay *r, const struct journal_found *f, bool is_last)
{
    struct disk *d = &r->store->disk;
    struct fault why;
    size_t n;
    bool is_whole;
    int fd = open_image(r, f->sequence, f->header.segment_bytes, &n, &is_whole, &why);
    if (fd < 0) {
        set_aside(r, f->sequence, why.text);
        return;
    }
    /* After a mere crash of the process the last records stand in memory only: now that somebody is
     * about to act on them they must not vanish. */
    if (is_last && d->sys->fdatasync(fd))
        note(r, "cannot sync segment %016" PRIx64 ": %s", f->sequence, strerror(errno));
    close(fd);
    journal_found_segment(r->store->journal, &f->header);
    if (f->sealed_by)
        journal_found_end(r->store->journal, f->sequence, f->valid_end, f->sealed_by);
    if (!is_whole) {
        note(r, "segment %016" PRIx64 " cannot be read in part (%s)", f->sequence, why.text);
        keep_copy(r, f->sequence);
    }
    walk(r, f, slice_of(r->image, n));
}

static void load_all(struct replay *r)
{
    size_t last = r->survey.count;
    while (last > 0 && r->survey.found[last - 1].verdict != SEGMENT_GOOD)
        last--;
    for (size_t i = 0; i < last; i++) {
        if (r->survey.found[i].verdict == SEGMENT_GOOD)
            load(r, &r->survey.found[i], i + 1 == last);
    }
}

/* The number of a spare's earlier life is never given again: with its old header and old records it
 * would pass for that segment until the new header is written. */
static bool read_earlier_life(struct replay *r, const char *name)
{
    struct disk *d = &r->store->disk;
    struct journal_header h;
    struct fault ignored;
    int fd = d->sys->open(d->queue_fd, name, O_RDWR, 0);
    if (fd < 0)
        return false;
    bool is_read = read_image(r, fd, JOURNAL_HEADER_BYTES, &ignored);
    close(fd);
    if (is_read &&
        journal_header_parse(slice_of(r->image, JOURNAL_HEADER_BYTES), &h, NULL) == ERR_OK)
        journal_found_gone(r->store->journal, h.sequence);
    return is_read;
}

/* Spares of another size, never filled, unreadable, or too many: away. */
static void keep_spares(struct replay *r)
{
    struct disk *d = &r->store->disk;
    for (size_t i = 0; i < r->spare_count; i++) {
        struct file_name name = spare_name(r->spare[i]);
        struct stat st;
        if (fstatat(d->queue_fd, name.s, &st, 0) != 0 || (uint64_t)st.st_size != d->segment_bytes ||
            st.st_blocks == 0 || !read_earlier_life(r, name.s) ||
            !journal_found_spare(r->store->journal, r->spare[i]))
            (void)d->sys->unlink(d->queue_fd, name.s);
    }
}

static enum err replay(struct replay *r, struct fault *why)
{
    struct store *s = r->store;
    struct rng rng;
    bool is_known = s->installation != 0;
    rng_init(&rng, s->seed);
    uint64_t drawn = rng_u64(&rng);
    enum err e = list_names(r, why);
    if (e)
        return e;
    if (r->sequence_count)
        qsort(r->sequence, r->sequence_count, sizeof *r->sequence, by_number);
    survey(r);
    if (!s->installation)
        s->installation = rng_u64(&rng) | 1;
    e = judge(r, why);
    if (!e && !is_known)
        e = disk_keep_installation(&s->disk, s->installation, why);
    if (e)
        return e;
    struct journal_options options = {s->disk.segment_bytes, s->options.bytes_max, s->installation};
    s->journal = journal_new(&options, drawn);
    load_all(r);
    journal_found_gone(s->journal, r->gone);
    keep_spares(r);
    return ERR_OK;
}

enum err store_replay(struct store *s, void *ctx,
                      void (*record)(void *ctx, const struct journal_record *r),
                      void (*say)(void *ctx, const char *text), struct fault *why)
{
    CHECK(s->journal == NULL && !s->is_closing);
    struct replay r = {.store = s, .ctx = ctx, .record = record, .note = say, .next_spare = 1};
    journal_survey_init(&r.survey);
    enum err e = replay(&r, why);
    journal_survey_close(&r.survey);
    mem_free(r.sequence);
    mem_free(r.spare);
    free(r.image);
    if (e)
        return e;
    journal_started(s->journal);
    store_pump(s);
    return ERR_OK;
}
