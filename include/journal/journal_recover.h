/* journal_recover.h -- read segments back after a start: which files are what, how far each counts,
 * and the walk over its records. Pure; store feeds it from disk, the simulator from a false one.
 *
 *   1. journal_survey_add() for each segment file, with its first bytes (the whole image or at
 *      least JOURNAL_SURVEY_BYTES of it); then journal_survey_finish().
 *   2. For each file that is SEGMENT_GOOD, in order of sequence: journal_walk_init() over its whole
 *      image, then journal_walk_next() until it says END or TORN.
 *   3. Tell the machine (journal_found_segment, journal_found_end) what was found.
 *
 * Rules: doc/journal.md, "Recovery". */
#pragma once

#include "journal/journal_codec.h"

enum { JOURNAL_SURVEY_BYTES = 4096 };

enum journal_verdict {
    SEGMENT_GOOD,    /* header and file name agree */
    SEGMENT_SPARE,   /* adopted, but never written in this life: zeroes or another life's header */
    SEGMENT_BAD,     /* the header cannot be read, or belongs to another file: set it aside */
    SEGMENT_FOREIGN, /* written by another installation: refuse to run on it */
    SEGMENT_OTHER_VERSION, /* written by another program than this: refuse, too */
};

struct journal_found {
    uint64_t sequence; /* of the file's name */
    enum journal_verdict verdict;
    struct journal_header header;
    uint32_t valid_end; /* nothing from here on counts; UINT32_MAX: no seal stands against it */
    uint64_t sealed_by; /* the segment with that seal; 0: none */
    struct fault why;   /* unless GOOD or SPARE */
};

struct journal_survey {
    struct journal_found *found; /* owned; sorted by sequence after finish */
    size_t count, cap;
    struct journal_seal *seal; /* owned; inside only */
    uint64_t *seal_holder;
    size_t seal_count, seal_cap;
};

void journal_survey_init(struct journal_survey *s);
void journal_survey_close(struct journal_survey *s);
/* head: the file's first bytes. Without a readable header it is SPARE when head is empty behind the
 * place of header and seals; header.sequence is 0 then, and the caller should look whether the rest
 * of the file is zero, too, and take it for BAD if not. */
void journal_survey_add(struct journal_survey *s, uint64_t sequence, uint64_t installation,
                        struct slice head);
void journal_survey_finish(struct journal_survey *s);
/* After that: the good segment of this number; NULL: none. */
struct journal_found *journal_survey_find(const struct journal_survey *s, uint64_t sequence);

enum journal_step {
    JOURNAL_STEP_RECORD,  /* *out is a record of the owner's */
    JOURNAL_STEP_DAMAGED, /* bytes from bad_from to bad_to cannot be read; records follow */
    JOURNAL_STEP_END,     /* a regular end; `offset` is where */
    JOURNAL_STEP_TORN,    /* the tail from `offset` on was never synced and is cut: bad_from to
                           * bad_to is what does not count */
};

struct journal_walk {
    struct slice image;
    const struct journal_header *header; /* borrowed */
    uint32_t offset;
    uint32_t bad_from, bad_to;
    uint32_t synced;     /* what records behind a bad spot prove to have been synced */
    uint32_t last_valid; /* end of the last whole record seen behind a bad spot */
    bool has_scanned;
};

/* image is cut at valid_end. */
void journal_walk_init(struct journal_walk *w, struct slice image, const struct journal_header *h,
                       uint32_t valid_end);
enum journal_step journal_walk_next(struct journal_walk *w, struct journal_record *out);
/* Behind a torn end: the next whole record of this life, though nothing proves that it was ever
 * confirmed. For salvage; a start never asks. False: no more. */
bool journal_walk_beyond(struct journal_walk *w, struct journal_record *out);
