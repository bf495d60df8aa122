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

/* --- a file of another size than its header says: no relay makes such --- */

static uint64_t file_bytes(const struct disk *d, uint64_t sequence)
{
    struct stat st;
    bool is_there = fstatat(d->queue_fd, segment_name(sequence).s, &st, 0) == 0;
    return is_there && st.st_size > 0 ? (uint64_t)st.st_size : 0;
}

/* known_end: where its records ended, as its index says; 0: that is not known. False: it is cut. */
static bool check_size(struct replay *r, const struct journal_found *f, uint32_t known_end)
{
    uint64_t bytes = file_bytes(&r->store->disk, f->sequence), whole = f->header.segment_bytes;
    if (bytes == whole)
        return true;
    if (bytes > whole) {
        replay_note(r,
                    "segment %016" PRIx64 " has %" PRIu64 " bytes, its header says %" PRIu64
                    ": what stands behind is not looked at",
                    f->sequence, bytes, whole);
        return true;
    }
    if (known_end > bytes)
        replay_note(r,
                    "segment %016" PRIx64 " is cut short: %" PRIu64 " of %" PRIu64
                    " bytes are left; its index knows what messages it held, but bodies up to byte "
                    "%" PRIu32 " are lost; what is left is kept",
                    f->sequence, bytes, whole, known_end);
    else
        replay_note(r,
                    "segment %016" PRIx64 " is cut short: %" PRIu64 " of %" PRIu64
                    " bytes are left; %s; what is left is kept",
                    f->sequence, bytes, whole,
                    known_end ? "its records are all there" : "what stood behind is lost");
    keep_copy(r, f->sequence);
    return false;
}

/* --- out of its index --- */

static bool load_index(struct replay *r, const struct journal_found *f)
{
    struct journal *j = r->store->journal;
    struct journal_index index;
    struct journal_record record;
    if (!r->store->cb.head_bytes || f->sealed_by)
        return false;
    struct slice file = replay_index(r, f->sequence);
    if (journal_index_open(&index, file, &f->header) != ERR_OK)
        return false;
    journal_found_segment(j, &f->header);
    journal_found_indexed(j, f->sequence, index.valid_end, file.n);
    (void)check_size(r, f, index.valid_end);
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

struct look {
    struct slice image;
    bool is_known; /* that something is missing, and it was said: a torn tail is no news */
    bool is_safe;  /* what is read is whole and on disk */
    bool is_last;
};

static void walk(struct replay *r, const struct journal_found *f, const struct look *look)
{
    struct journal *j = r->store->journal;
    struct journal_walk w;
    struct journal_record record;
    uint64_t records = 0;
    bool is_damaged = false, is_over = false;
    journal_walk_init(&w, look->image, &f->header, f->valid_end);
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
            /* A segment is synced before the next one is begun. */
            if (!look->is_last && !f->sealed_by) {
                replay_note(r,
                            "segment %016" PRIx64 " is damaged from byte %u to its end, or a "
                            "failed sync has lost that: cut there, a copy is kept",
                            f->sequence, w.offset);
                is_damaged = true;
            } else if (!look->is_known) {
                replay_note(
                    r, "cut a torn tail of segment %016" PRIx64 " at byte %u (never confirmed)",
                    f->sequence, w.offset);
            }
            if (!f->sealed_by)
                journal_found_end(j, f->sequence, w.offset, 0);
            is_over = true;
            break;
        case JOURNAL_STEP_END:
            if (look->is_safe && !is_damaged)
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
    bool is_cut = !check_size(r, f, 0);
    bool is_lacking = is_cut || !is_whole;
    struct look look = {.image = slice_of(r->image.p, n),
                        .is_known = is_lacking,
                        .is_safe = is_synced && !is_lacking,
                        .is_last = is_last || is_lacking};
    walk(r, f, &look);
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
