/* store_replay.h -- start-up in three parts: what lies there (store_survey.c), its records
 * (store_load.c), and the order of things (store_replay.c). */
#pragma once

#include "journal/journal_recover.h"
#include "store_inside.h"

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
    uint64_t *index; /* of index files; owned */
    size_t index_count, index_cap;
    uint64_t next_spare, gone; /* the highest number of a file that is no segment any more */
    struct image image;        /* one segment at a time */
};

/* --- store_replay.c --- */

void replay_note(struct replay *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The file's first n bytes. What cannot be read becomes zeroes; false then. */
bool replay_read(struct replay *r, int fd, size_t n, struct fault *why);
/* Opens a segment and reads at most `most` bytes of it. -1: could not be opened. */
int replay_open(struct replay *r, uint64_t sequence, size_t most, size_t *n, bool *is_whole,
                struct fault *why);

/* The whole index file in r->image; empty: there is none, or none that can be read. */
struct slice replay_index(struct replay *r, uint64_t sequence);

/* --- store_survey.c --- */

MUST_USE enum err replay_list(struct replay *r, struct fault *why);
void replay_survey(struct replay *r);
MUST_USE enum err replay_judge(struct replay *r, struct fault *why);
void replay_set_aside(struct replay *r, uint64_t sequence, const char *because);
/* Spares of another size, never filled, unreadable, or too many: away. */
void replay_keep_spares(struct replay *r);
/* Indices without a segment: away, and said where somebody took the segment. */
void replay_drop_orphans(struct replay *r);

/* --- store_load.c --- */

void replay_load(struct replay *r);
