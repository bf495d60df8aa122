/* sim_recover.c -- see the header. The order of things is src/store/store_replay.c's. */
#include "sim_recover.h"

#include "journal/journal_recover.h"
#include "sim_index.h"
#include "sim_world.h"

#include <stdio.h>

static bool is_empty(const struct sim_world *w, const struct sim_file *f)
{
    for (size_t i = JOURNAL_SURVEY_BYTES; i < w->disk.file_bytes; i++)
        if (f->now[i])
            return false;
    return true;
}

/* The engine may know less than the ledger. */
static void tell(struct sim_world *w, const struct journal_record *head,
                 const struct journal_record *whole)
{
    char text[64];
    int n = snprintf(text, sizeof text, "type %d in segment %llu", head->type,
                     (unsigned long long)head->pos.segment);
    sim_trace(w, "recovers", head->id, head->payload.n, slice_of(text, (size_t)n));
    sim_ledger_on_recovered(w, whole);
    struct engine_event ev = {.kind = EVENT_RECORD, .record = head};
    sim_world_tell(w, &ev);
}

static void found_empty(struct sim_world *w, uint64_t sequence)
{
    map_put_id(&w->empty, sequence, w);
    journal_found_empty(w->journal, sequence);
}

static void load(struct sim_world *w, const struct journal_found *f, bool is_last)
{
    struct sim_file *file = sim_disk_find(&w->disk, false, f->sequence);
    struct journal_walk walk;
    struct journal_record r;
    unsigned records = 0;
    CHECK(file);
    if (sim_index_load(w, f, tell)) {
        w->segments_indexed++;
        return;
    }
    w->segments_walked++;
    if (is_last)
        sim_disk_sync(file);
    journal_found_segment(w->journal, &f->header);
    if (f->sealed_by)
        journal_found_end(w->journal, f->sequence, f->valid_end, f->sealed_by);
    journal_walk_init(&walk, slice_of(file->now, w->disk.file_bytes), &f->header, f->valid_end);
    for (bool is_over = false; !is_over;) {
        switch (journal_walk_next(&walk, &r)) {
        case JOURNAL_STEP_RECORD:
            tell(w, &r, &r);
            records++;
            break;
        case JOURNAL_STEP_DAMAGED:
            sim_fail(w, "a crash looks like damage: segment %llu, bytes %u to %u",
                     (unsigned long long)f->sequence, walk.bad_from, walk.bad_to);
            break;
        case JOURNAL_STEP_TORN:
            if (!f->sealed_by)
                journal_found_end(w->journal, f->sequence, walk.offset, 0);
            is_over = true;
            break;
        case JOURNAL_STEP_END:
            journal_found_clean(w->journal, f->sequence, walk.offset);
            is_over = true;
            break;
        }
    }
    if (!records)
        found_empty(w, f->sequence);
}

static uint64_t next_spare(const struct sim_world *w)
{
    uint64_t n = 1;
    for (size_t i = 0; i < w->disk.count; i++)
        if (w->disk.file[i].is_spare && w->disk.file[i].number >= n)
            n = w->disk.file[i].number + 1;
    return n;
}

static uint64_t load_all(struct sim_world *w, const struct journal_survey *s)
{
    size_t last = 0;
    uint64_t gone = 0;
    for (size_t i = 0; i < s->count; i++)
        if (s->found[i].verdict == SEGMENT_GOOD)
            last = i;
    for (size_t i = 0; i < s->count; i++) {
        const struct journal_found *f = &s->found[i];
        if (f->verdict == SEGMENT_GOOD) {
            load(w, f, i == last);
            continue;
        }
        struct sim_file *file = sim_disk_find(&w->disk, false, f->sequence);
        if (f->verdict != SEGMENT_SPARE || (f->header.sequence == 0 && !is_empty(w, file)))
            sim_fail(w, "a segment cannot be read after a crash: %s", f->why.text);
        gone = f->sequence > gone ? f->sequence : gone;
        sim_disk_rename(&w->disk, false, f->sequence, next_spare(w));
    }
    return gone;
}

void sim_recover(struct sim_world *w)
{
    struct journal_options o = {w->disk.file_bytes, w->options->queue_bytes_max, w->installation};
    struct journal_survey s;
    w->journal = journal_new(&o, rng_u64(&w->rng));
    map_close(&w->empty);
    map_init(&w->empty, 5);
    journal_survey_init(&s);
    for (size_t i = 0; i < w->disk.count; i++)
        if (!w->disk.file[i].is_spare)
            journal_survey_add(&s, w->disk.file[i].number, w->installation,
                               slice_of(w->disk.file[i].now, JOURNAL_SURVEY_BYTES));
    journal_survey_finish(&s);
    /* What the history has of it: all, or nothing. Orderly stops leave nothing untold. */
    struct engine_event told = {.kind = EVENT_TOLD,
                                .told_ms = rng_chance(&w->rng, 50) ? INT64_MAX : 0};
    if (!w->was_orderly)
        sim_world_tell(w, &told);
    uint64_t gone = load_all(w, &s);
    if (gone)
        journal_found_gone(w->journal, gone);
    journal_survey_close(&s);
    sim_index_drop_orphans(w);
    for (size_t i = 0; i < w->disk.count;) {
        struct sim_file *f = &w->disk.file[i];
        struct journal_header h;
        /* The number of its earlier life must not be given again. */
        if (f->is_spare &&
            journal_header_parse(slice_of(f->now, JOURNAL_HEADER_BYTES), &h, NULL) == ERR_OK)
            journal_found_gone(w->journal, h.sequence);
        if (f->is_spare && !journal_found_spare(w->journal, f->number))
            sim_disk_delete(&w->disk, f);
        else
            i++;
    }
    journal_started(w->journal);
}
