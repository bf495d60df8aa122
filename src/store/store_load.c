/* store_load.c -- the segments that were found good, record by record, told to the machine and to
 * the owner. What cannot be read is said and kept; everything else loads. */
#include "store_replay.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
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
    int fd = replay_open(r, f->sequence, f->header.segment_bytes, &n, &is_whole, &why);
    if (fd < 0) {
        replay_set_aside(r, f->sequence, why.text);
        return;
    }
    /* After a mere crash of the process the last records stand in memory only: now that somebody is
     * about to act on them they must not vanish. */
    if (is_last && d->sys->fdatasync(fd))
        replay_note(r, "cannot sync segment %016" PRIx64 ": %s", f->sequence, strerror(errno));
    close(fd);
    journal_found_segment(r->store->journal, &f->header);
    if (f->sealed_by)
        journal_found_end(r->store->journal, f->sequence, f->valid_end, f->sealed_by);
    if (!is_whole) {
        replay_note(r, "segment %016" PRIx64 " cannot be read in part (%s)", f->sequence, why.text);
        keep_copy(r, f->sequence);
    }
    walk(r, f, slice_of(r->image, n));
}

void replay_load(struct replay *r)
{
    size_t last = r->survey.count;
    while (last > 0 && r->survey.found[last - 1].verdict != SEGMENT_GOOD)
        last--;
    for (size_t i = 0; i < last; i++) {
        if (r->survey.found[i].verdict == SEGMENT_GOOD)
            load(r, &r->survey.found[i], i + 1 == last);
    }
}
