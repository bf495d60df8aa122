/* store_survey.c -- which files lie in the queue directory, and what each of them is. */
#include "journal/journal_index.h"
#include "store_replay.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIZE_UNIT = 4096 }; /* of segments */

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
    /* Half, so that new numbers stay below the limit. */
    if (sequence > r->gone && sequence <= FILE_NUMBER_MAX / 2)
        r->gone = sequence;
}

/* --- what is there --- */

static void found_name(void *ctx, const char *name)
{
    struct replay *r = ctx;
    struct disk *d = &r->store->disk;
    uint64_t n;
    switch (file_kind_of(name, &n)) {
    case FILE_STRANGE:
        break;
    case FILE_UNFINISHED:
        (void)d->sys->unlink(d->queue_fd, name);
        break;
    case FILE_SPARE:
        add(&r->spare, &r->spare_count, &r->spare_cap, n);
        if (n >= r->next_spare)
            r->next_spare = n + 1;
        break;
    case FILE_SEGMENT:
        add(&r->sequence, &r->sequence_count, &r->sequence_cap, n);
        break;
    case FILE_INDEX:
        add(&r->index, &r->index_count, &r->index_cap, n);
        break;
    case FILE_BAD:
        gone(r, n);
        break;
    }
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

enum err replay_list(struct replay *r, struct fault *why)
{
    struct disk *d = &r->store->disk;
    int errnum = file_names_list(d->queue_fd, r, found_name);
    if (r->sequence_count)
        qsort(r->sequence, r->sequence_count, sizeof *r->sequence, by_number);
    return errnum ? disk_fault(d, why, errnum, "list", "") : ERR_OK;
}

/* --- judging --- */

void replay_set_aside(struct replay *r, uint64_t sequence, const char *because)
{
    struct disk *d = &r->store->disk;
    struct file_name name = segment_name(sequence), bad = bad_name(sequence);
    gone(r, sequence);
    if (d->sys->rename(d->queue_fd, name.s, bad.s))
        replay_note(r, "segment %s/queue/%s cannot be used (%s) and cannot be renamed: %s", d->path,
                    name.s, because, strerror(errno));
    else
        replay_note(r, "segment %s/queue/%s cannot be used (%s): set aside as %s", d->path, name.s,
                    because, bad.s);
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

/* Without a header nothing was ever written in it, if all of it is empty. One that was cut may have
 * been anything; of no length at all is what a power cut leaves of a sparse one. */
static bool is_empty(struct replay *r, uint64_t sequence)
{
    struct fault ignored;
    size_t n;
    bool is_whole;
    int fd = replay_open(r, sequence, JOURNAL_SEGMENT_BYTES_MOST, &n, &is_whole, &ignored);
    if (fd < 0)
        return false;
    close(fd);
    if (n % SIZE_UNIT)
        return false;
    for (size_t at = JOURNAL_SURVEY_BYTES; at < n; at++) {
        if (r->image.p[at])
            return false;
    }
    return is_whole;
}

void replay_survey(struct replay *r)
{
    struct store *s = r->store;
    for (size_t i = 0; i < r->sequence_count; i++) {
        struct fault why;
        size_t n;
        bool is_whole;
        int fd = replay_open(r, r->sequence[i], JOURNAL_SURVEY_BYTES, &n, &is_whole, &why);
        if (fd >= 0)
            close(fd);
        if (fd < 0 || !is_whole) {
            replay_set_aside(r, r->sequence[i], why.text);
            continue;
        }
        struct journal_header h;
        struct slice head = slice_of(r->image.p, n);
        /* The file that names the installation is lost: the oldest segment knows. */
        if (!s->installation && journal_header_parse(head, &h, NULL) == ERR_OK)
            s->installation = h.installation;
        journal_survey_add(&r->survey, r->sequence[i], s->installation, head);
    }
    journal_survey_finish(&r->survey);
}

/* A segment's index goes before it becomes a spare. So one whose index is still there was none, and
 * has its new name from somebody else. */
static bool is_renamed(struct replay *r, const struct journal_found *f)
{
    struct journal_index index;
    struct slice file = replay_index(r, f->header.sequence);
    return journal_index_open(&index, file, &f->header) == ERR_OK;
}

static void look_closer(struct replay *r, struct journal_found *f)
{
    if (f->header.sequence == 0 && !is_empty(r, f->sequence)) {
        f->verdict = SEGMENT_BAD;
    } else if (f->header.sequence && is_renamed(r, f)) {
        f->verdict = SEGMENT_BAD;
        (void)fault_set(&f->why, ERR_BAD, 0,
                        "its header is of segment %016" PRIx64
                        ", which has an index: it was renamed",
                        f->header.sequence);
    }
}

/* Before any file with a header is touched. */
static enum err refuse(const struct replay *r, struct fault *why)
{
    const char *path = r->store->disk.path;
    for (size_t i = 0; i < r->survey.count; i++) {
        const struct journal_found *f = &r->survey.found[i];
        if (f->verdict == SEGMENT_FOREIGN)
            return fault_set(why, ERR_BAD, 0,
                             "%s/queue: %s. A queue of another relay was put here: give it back, "
                             "or remove the file installation to adopt it",
                             path, f->why.text);
        if (f->verdict == SEGMENT_OTHER_VERSION)
            return fault_set(why, ERR_BAD, 0,
                             "%s/queue: %s. Run the other program until its queue is empty, or "
                             "move the file away",
                             path, f->why.text);
    }
    return ERR_OK;
}

enum err replay_judge(struct replay *r, struct fault *why)
{
    enum err e = refuse(r, why);
    if (e)
        return e;
    for (size_t i = 0; i < r->survey.count; i++) {
        struct journal_found *f = &r->survey.found[i];
        if (f->verdict == SEGMENT_SPARE)
            look_closer(r, f);
        if (f->verdict == SEGMENT_SPARE)
            make_spare(r, f->sequence);
        else if (f->verdict == SEGMENT_BAD)
            replay_set_aside(r, f->sequence, f->why.text);
    }
    return ERR_OK;
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
    bool is_read = replay_read(r, fd, JOURNAL_HEADER_BYTES, &ignored);
    close(fd);
    if (is_read &&
        journal_header_parse(slice_of(r->image.p, JOURNAL_HEADER_BYTES), &h, NULL) == ERR_OK)
        journal_found_gone(r->store->journal, h.sequence);
    return is_read;
}

void replay_keep_spares(struct replay *r)
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

/* True: whatever name it has, its file is there. */
static bool has_file(const struct replay *r, uint64_t sequence)
{
    for (size_t i = 0; i < r->sequence_count; i++) {
        if (r->sequence[i] == sequence)
            return true;
    }
    return false;
}

void replay_drop_orphans(struct replay *r)
{
    struct disk *d = &r->store->disk;
    for (size_t i = 0; i < r->index_count; i++) {
        uint64_t n = r->index[i];
        struct journal_header h;
        struct journal_index index;
        if (journal_segment(r->store->journal, n))
            continue;
        struct slice file = replay_index(r, n);
        if (!has_file(r, n) && journal_index_owner(file, &h) == ERR_OK && h.sequence == n &&
            journal_index_open(&index, file, &h) == ERR_OK)
            replay_note(r,
                        "segment %016" PRIx64
                        " is missing: its index is there, and knows of %" PRIu32 " records in it",
                        n, index.count);
        gone(r, n);
        (void)d->sys->unlink(d->queue_fd, index_name(n).s);
    }
}
