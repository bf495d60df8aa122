/* journal_recover.c -- what a start makes of the segments it finds.
 *
 * A walk that meets something that is no record looks behind it once, over the whole rest: a whole
 * record there that says "before offset S all was synced", with S behind the bad spot, proves
 * damage in the middle, and the walk goes on at the next whole record. Without such a proof nothing
 * from the bad spot on had ever been promised to anybody: a torn tail, which is cut. */
#include "journal/journal_recover.h"

#include "journal_frame.h"
#include "journal_inside.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGN = 8 };

void journal_survey_init(struct journal_survey *s)
{
    *s = (struct journal_survey){0};
}

void journal_survey_close(struct journal_survey *s)
{
    mem_free(s->found);
    mem_free(s->seal);
    mem_free(s->seal_holder);
    *s = (struct journal_survey){0};
}

static bool is_zero(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i])
            return false;
    }
    return true;
}

static void judge(struct journal_found *f, uint64_t installation, struct slice head)
{
    uint32_t version = journal_header_version(head);
    if (version && version != JOURNAL_VERSION) {
        f->verdict = SEGMENT_OTHER_VERSION;
        (void)fault_set(&f->why, ERR_BAD, 0,
                        "segment %016llx has format version %u, this program reads %d",
                        (unsigned long long)f->sequence, version, JOURNAL_VERSION);
        return;
    }
    if (journal_header_parse(head, &f->header, &f->why)) {
        /* Header and seals go out in one write and are synced before anything else: a crash may
         * tear them, but then nothing stands behind. */
        bool is_empty = is_zero(slice_from(head, FIRST_BYTES_MAX + JOURNAL_FRAME_BYTES));
        f->verdict = is_empty ? SEGMENT_SPARE : SEGMENT_BAD;
        return;
    }
    if (f->header.installation != installation) {
        f->verdict = SEGMENT_FOREIGN;
        (void)fault_set(&f->why, ERR_BAD, 0,
                        "segment %016llx belongs to installation %016llx, not to this one "
                        "(%016llx)",
                        (unsigned long long)f->sequence, (unsigned long long)f->header.installation,
                        (unsigned long long)installation);
        return;
    }
    /* The header is written and synced before anything else: an earlier life's header means that
     * nothing was ever written in this one. */
    f->verdict = f->header.sequence == f->sequence ? SEGMENT_GOOD : SEGMENT_SPARE;
}

static void collect_seals(struct journal_survey *s, const struct journal_found *f,
                          struct slice head)
{
    uint32_t at = JOURNAL_HEADER_BYTES;
    struct journal_record r;
    while (journal_record_parse(head, &f->header, at, &r) == JOURNAL_READ_OK &&
           r.type == JOURNAL_TYPE_OWN) {
        at += (uint32_t)journal_record_span(r.payload.n);
        struct journal_seal seal;
        if (!journal_seal_parse(&r, &seal))
            continue;
        if (s->seal_count == s->seal_cap) {
            s->seal_cap = s->seal_cap ? s->seal_cap * 2 : 8;
            s->seal = mem_resize(s->seal, s->seal_cap * sizeof *s->seal);
            s->seal_holder = mem_resize(s->seal_holder, s->seal_cap * sizeof *s->seal_holder);
        }
        s->seal[s->seal_count] = seal;
        s->seal_holder[s->seal_count++] = f->sequence;
    }
}

static int by_sequence(const void *a, const void *b)
{
    uint64_t x = ((const struct journal_found *)a)->sequence;
    uint64_t y = ((const struct journal_found *)b)->sequence;
    return x < y ? -1 : x > y;
}

struct journal_found *journal_survey_find(const struct journal_survey *s, uint64_t sequence)
{
    struct journal_found key = {.sequence = sequence};
    struct journal_found *f =
        s->count ? bsearch(&key, s->found, s->count, sizeof *s->found, by_sequence) : NULL;
    return f && f->verdict == SEGMENT_GOOD ? f : NULL;
}

void journal_survey_add(struct journal_survey *s, uint64_t sequence, uint64_t installation,
                        struct slice head)
{
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 16;
        s->found = mem_resize(s->found, s->cap * sizeof *s->found);
    }
    struct journal_found *f = &s->found[s->count++];
    *f = (struct journal_found){.sequence = sequence, .valid_end = UINT32_MAX};
    judge(f, installation, head);
    if (f->verdict == SEGMENT_GOOD)
        collect_seals(s, f, head);
}

/* Numbers only grow, and a number is never given again: what looks like a spare's next life may be
 * a segment under a wrong name. */
static void judge_other_number(const struct journal_survey *s, struct journal_found *f)
{
    unsigned long long says = f->header.sequence;
    const char *because = NULL;
    if (f->header.sequence > f->sequence)
        because = "it was renamed";
    else if (journal_survey_find(s, f->header.sequence))
        because = "it is a copy of that";
    if (!because)
        return;
    f->verdict = SEGMENT_BAD;
    (void)fault_set(&f->why, ERR_BAD, 0, "its header is of segment %016llx: %s", says, because);
}

void journal_survey_finish(struct journal_survey *s)
{
    if (s->count > 1)
        qsort(s->found, s->count, sizeof *s->found, by_sequence);
    for (size_t i = 0; i < s->count; i++) {
        struct journal_found *f = &s->found[i];
        if (f->verdict == SEGMENT_SPARE && f->header.sequence)
            judge_other_number(s, f);
    }
    for (size_t i = 0; i < s->seal_count; i++) {
        const struct journal_seal *seal = &s->seal[i];
        struct journal_found *f = journal_survey_find(s, seal->segment);
        if (!f || f->header.nonce != seal->nonce)
            continue;
        /* A seal may have moved on: the newest holder of the same word counts. */
        if (seal->valid_end < f->valid_end ||
            (seal->valid_end == f->valid_end && s->seal_holder[i] > f->sealed_by)) {
            f->valid_end = seal->valid_end;
            f->sealed_by = s->seal_holder[i];
        }
    }
}

void journal_walk_init(struct journal_walk *w, struct slice image, const struct journal_header *h,
                       uint32_t valid_end)
{
    size_t end = valid_end < h->segment_bytes ? valid_end : h->segment_bytes;
    *w = (struct journal_walk){
        .image = slice_head(image, end),
        .header = h,
        .offset = JOURNAL_HEADER_BYTES,
    };
}

/* The next whole record at or behind `from`; false: none. */
static bool find_record(const struct journal_walk *w, uint32_t from, struct journal_record *out)
{
    const char *p = w->image.p;
    size_t n = w->image.n;
    for (size_t at = from; at + JOURNAL_FRAME_BYTES <= n; at += ALIGN) {
        uint64_t word;
        memcpy(&word, p + at, sizeof word);
        if (word == 0) /* no frame begins with eight zero bytes; fast over empty space */
            continue;
        if (journal_frame_is_likely(p + at, n - at, w->header->nonce) &&
            journal_record_parse(w->image, w->header, (uint32_t)at, out) == JOURNAL_READ_OK)
            return true;
    }
    return false;
}

static uint32_t end_of(const struct journal_record *r)
{
    return r->pos.offset + (uint32_t)journal_record_span(r->payload.n);
}

/* Once a segment: what do all whole records behind `from` prove? */
static void scan_rest(struct journal_walk *w, uint32_t from)
{
    struct journal_record r;
    while (find_record(w, from, &r)) {
        if (r.synced > w->synced && r.synced <= r.pos.offset)
            w->synced = r.synced;
        from = w->last_valid = end_of(&r);
    }
    w->has_scanned = true;
}

static enum journal_step end_here(struct journal_walk *w, enum journal_read read)
{
    uint32_t at = w->offset;
    if (!w->has_scanned)
        scan_rest(w, at);
    struct journal_record r;
    if (w->synced > at && find_record(w, at + ALIGN, &r)) {
        w->bad_from = at;
        w->bad_to = w->offset = r.pos.offset;
        return JOURNAL_STEP_DAMAGED;
    }
    w->bad_from = at;
    w->bad_to = w->last_valid > at ? w->last_valid : at;
    if (read == JOURNAL_READ_END && w->bad_to == at)
        return JOURNAL_STEP_END;
    /* How far the last write would have gone cannot be known: stale bytes may follow. */
    if (w->bad_to == at)
        w->bad_to = at + JOURNAL_FRAME_BYTES;
    return JOURNAL_STEP_TORN;
}

enum journal_step journal_walk_next(struct journal_walk *w, struct journal_record *out)
{
    for (;;) {
        enum journal_read read = journal_record_parse(w->image, w->header, w->offset, out);
        if (read != JOURNAL_READ_OK)
            return end_here(w, read);
        w->offset = end_of(out);
        if (out->type != JOURNAL_TYPE_OWN)
            return JOURNAL_STEP_RECORD;
    }
}

bool journal_walk_beyond(struct journal_walk *w, struct journal_record *out)
{
    while (find_record(w, w->offset, out)) {
        w->offset = end_of(out);
        if (out->type != JOURNAL_TYPE_OWN)
            return true;
    }
    return false;
}
