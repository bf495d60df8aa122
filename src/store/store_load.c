/* store_load.c -- the segments that were found good, record by record, told to the machine and to
 * the owner: out of the segment's index where there is a good one, else out of the segment. What
 * cannot be read is said and kept; everything else loads. */
#include "journal/journal_index.h"
#include "store_replay.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- out of its index --- */

/* A segment whose file was cut is looked at itself. */
static bool is_segment_whole(const struct disk *d, const struct journal_found *f)
{
    struct stat st;
    return fstatat(d->queue_fd, segment_name(f->sequence).s, &st, 0) == 0 &&
           (uint64_t)st.st_size == f->header.segment_bytes;
}

/* The whole index in r->image; 0: there is none, or none that can be read. */
static size_t read_index(struct replay *r, uint64_t sequence, uint64_t segment_bytes)
{
    struct disk *d = &r->store->disk;
    struct stat st;
    struct fault ignored;
    size_t n = 0;
    int fd = d->sys->open(d->queue_fd, index_name(sequence).s, O_RDONLY, 0);
    if (fd < 0)
        return 0;
    if (fstat(fd, &st) == 0 && st.st_size >= JOURNAL_INDEX_HEADER_BYTES &&
        (uint64_t)st.st_size <= JOURNAL_INDEX_HEADER_BYTES + segment_bytes &&
        replay_read(r, fd, (size_t)st.st_size, &ignored))
        n = (size_t)st.st_size;
    close(fd);
    return n;
}

static bool load_index(struct replay *r, const struct journal_found *f)
{
    struct journal *j = r->store->journal;
    struct disk *d = &r->store->disk;
    struct journal_index index;
    struct journal_record record;
    if (!r->store->cb.head_bytes || f->sealed_by || !is_segment_whole(d, f))
        return false;
    size_t n = read_index(r, f->sequence, f->header.segment_bytes);
    if (n == 0 || journal_index_open(&index, slice_of(r->image, n), &f->header) != ERR_OK)
        return false;
    journal_found_segment(j, &f->header);
    journal_found_indexed(j, f->sequence, index.valid_end, n);
    if (index.count == 0)
        journal_found_empty(j, f->sequence);
    while (journal_index_next(&index, &record))
        r->record(r->ctx, &record);
    return true;
}

/* Asked for while the one before is read: with a cold cache the disk need not wait for us. */
static void ask_for_index(struct replay *r, uint64_t sequence)
{
    struct disk *d = &r->store->disk;
    int fd = openat(d->queue_fd, index_name(sequence).s, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
    close(fd);
}

/* --- out of the segment --- */

/* The damaged original stays for salvage under a second name. */
static void keep_copy(struct replay *r, uint64_t sequence)
{
    struct disk *d = &r->store->disk;
    struct file_name name = segment_name(sequence), bad = bad_name(sequence);
    if (linkat(d->queue_fd, name.s, d->queue_fd, bad.s, 0) != 0 && errno != EEXIST)
        replay_note(r, "cannot keep %s/queue/%s as %s: %s", d->path, name.s, bad.s,
                    strerror(errno));
    journal_found_damage(r->store->journal, sequence);
}

/* is_safe: what is read here is whole and on disk. */
static void walk(struct replay *r, const struct journal_found *f, struct slice image, bool is_safe)
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
            replay_note(
                r, "segment %016" PRIx64 " is damaged from byte %u to %u: skipped, a copy is kept",
                f->sequence, w.bad_from, w.bad_to);
            is_damaged = true;
            break;
        case JOURNAL_STEP_TORN:
            replay_note(r, "cut a torn tail of segment %016" PRIx64 " at byte %u (never confirmed)",
                        f->sequence, w.offset);
            if (!f->sealed_by)
                journal_found_end(j, f->sequence, w.offset, 0);
            is_over = true;
            break;
        case JOURNAL_STEP_END:
            if (is_safe && !is_damaged)
                journal_found_clean(j, f->sequence, w.offset);
            is_over = true;
            break;
        }
    }
    if (is_damaged)
        keep_copy(r, f->sequence);
    if (records == 0)
        journal_found_empty(j, f->sequence);
}

static void load_segment(struct replay *r, const struct journal_found *f, bool is_last)
{
    struct disk *d = &r->store->disk;
    struct fault why;
    size_t n;
    bool is_whole;
    int fd = replay_open(r, f->sequence, f->header.segment_bytes, &n, &is_whole, &why);
    if (fd < 0) {
        replay_set_aside(r, f->sequence, why.text);
        return;
    }
    /* After a mere crash of the process the last records stand in memory only: now that somebody is
     * about to act on them they must not vanish. */
    bool is_synced = !is_last || d->sys->fdatasync(fd) == 0;
    if (!is_synced)
        replay_note(r, "cannot sync segment %016" PRIx64 ": %s", f->sequence, strerror(errno));
    close(fd);
    journal_found_segment(r->store->journal, &f->header);
    if (f->sealed_by)
        journal_found_end(r->store->journal, f->sequence, f->valid_end, f->sealed_by);
    if (!is_whole) {
        replay_note(r, "segment %016" PRIx64 " cannot be read in part (%s)", f->sequence, why.text);
        keep_copy(r, f->sequence);
    }
    walk(r, f, slice_of(r->image, n), is_whole && is_synced);
}

/* The next one after i that is good; count: none. */
static size_t next_good(const struct journal_survey *s, size_t i)
{
    while (i < s->count && s->found[i].verdict != SEGMENT_GOOD)
        i++;
    return i;
}

void replay_load(struct replay *r)
{
    const struct journal_survey *s = &r->survey;
    struct store_recovery *how = &r->store->recovery;
    for (size_t i = next_good(s, 0), next; i < s->count; i = next) {
        next = next_good(s, i + 1);
        bool is_last = next == s->count;
        if (!is_last)
            ask_for_index(r, s->found[next].sequence);
        /* The last one never has an index while its tail may still be torn. */
        if (load_index(r, &s->found[i])) {
            how->indexed++;
        } else {
            how->walked++;
            load_segment(r, &s->found[i], is_last);
        }
    }
}
