/* store_look.h -- reads a queue directory as it lies there: offline, or under the hands of a
 * running relay. Takes no lock, writes nothing, makes nothing.
 *
 * A relay that runs appends to the newest segment and recycles the oldest ones meanwhile. So each
 * file's bytes are taken in one go, and count only if the file has the same name and header
 * afterwards; whatever looks wrong is read again before it is believed; segments that appeared
 * since are read too. What has been recycled meanwhile is told as STORE_LOOK_GONE.
 *
 * Memory: the largest file, and about 250 bytes a file. Blocking; for commands. */
#pragma once

#include "journal/journal_recover.h"

enum store_look_kind {
    STORE_LOOK_SEGMENT,
    STORE_LOOK_ASIDE, /* SEQ.bad */
    STORE_LOOK_SPARE,
};

enum store_look_state {
    STORE_LOOK_GOOD,   /* its header can be read; for a SEGMENT: a start loads it */
    STORE_LOOK_UNUSED, /* nothing was ever written in this life: a start makes it a spare */
    STORE_LOOK_LOST,   /* its header cannot be read, or is another's: a start sets it aside */
    STORE_LOOK_UNREAD, /* it cannot be opened, or is no file: `why` */
    STORE_LOOK_COPY,   /* ASIDE: the same file as the segment of this number */
    STORE_LOOK_GONE,   /* recycled while we looked */
};

struct store_look_file {
    char name[40];
    enum store_look_kind kind;
    enum store_look_state state;
    uint64_t sequence;            /* of its name */
    uint64_t bytes;               /* of the file */
    struct journal_header header; /* GOOD; LOST: what was found in its place, nonce 0: nothing */
    bool is_foreign;              /* of another installation: a start refuses */
    bool is_cut;                  /* shorter than its header says */
    bool is_other_version;        /* UNREAD for that: a start refuses */
    bool has_index;               /* a start reads that instead, if it is good */
    bool is_newest;               /* of the segments: a relay may be writing to it */
    bool has_followers;           /* a later segment was begun: all of this one was synced before */
    uint32_t valid_end;           /* sealed there; UINT32_MAX: no seal */
    uint64_t sealed_by;           /* 0: none */
    uint32_t end;                 /* where the records end */
    uint32_t torn_bytes;          /* behind it: cut by a start; was confirmed if has_followers */
    bool is_tail_damaged;         /* told as damage: it was confirmed once */
    uint64_t records;             /* that a start loads */
    uint64_t beyond;              /* whole records besides */
    uint64_t damaged_bytes;
    unsigned damages;
    bool is_read_in_part; /* bytes that could not be read counted as zeroes; `why` has the first */
    struct fault why;     /* UNREAD, LOST, is_read_in_part */
};

struct store_look_callbacks {
    void *ctx;
    /* is_certain: a start would load it. Not certain: from a file set aside or without a header,
     * or from behind a torn end. May be NULL. */
    void (*record)(void *ctx, const struct store_look_file *f, const struct journal_record *r,
                   bool is_certain);
    /* A range that cannot be read. May be NULL. */
    void (*damage)(void *ctx, const struct store_look_file *f, uint32_t from, uint32_t to);
    /* After its records; *f is good during the call. May be NULL. */
    void (*file)(void *ctx, const struct store_look_file *f);
};

struct store_look;

/* dir: a state directory, or the queue directory itself. ERR_MISSING: there is no queue. */
MUST_USE enum err store_look_open(struct store_look **out, const char *dir, struct fault *why);
void store_look_close(struct store_look *l);
/* Every file in order of its number, and every record in it; may be called again. */
MUST_USE enum err store_look_walk(struct store_look *l, const struct store_look_callbacks *cb,
                                  struct fault *why);
uint64_t store_look_installation(const struct store_look *l); /* 0: nothing tells it */
const char *store_look_path(const struct store_look *l);      /* of the queue directory */
/* Was there a segment of this number in the last walk that has gone since? */
bool store_look_is_gone(const struct store_look *l, uint64_t segment);
/* One record as it was seen in the last walk; its payload lives in `into`. ERR_MISSING: its segment
 * is not there, or has been recycled; ERR_DAMAGED; ERR_SYSTEM. */
MUST_USE enum err store_look_fetch(struct store_look *l, uint64_t id, struct journal_pos pos,
                                   struct buf *into, struct journal_record *out, struct fault *why);
