/* queue.h -- what we promised, in memory: messages, recipients, and which segments they keep alive.
 *
 * Built by replaying the journal's records at start, then kept in step by the engine. A message is
 * one heap block (struct, recipients, texts), about 250 bytes for one recipient.
 *
 * Segments: each message names the segments in which records of it stand. A segment is dead when no
 * live message names it and no outcome in it is needed to keep a finished message from coming back:
 * the last outcome of a message must outlive every other record of it. That one must hold the state
 * of all recipients (earlier outcomes may die before the accept record does).
 *
 * One old message can so keep many segments: needs run from segment to segment. Moving what is
 * alive out of the oldest segment (queue_moved) lets the whole row go. */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "queue/queue_record.h"

#define QUEUE_NO_RECIPIENT UINT32_MAX     /* the last of its job */
#define QUEUE_UNASSIGNED (UINT32_MAX - 1) /* in no job */

struct queue_recipient {
    uint32_t text_at; /* into the message's texts */
    uint16_t text_bytes;
    uint8_t fate; /* enum queue_fate */
    bool is_warned : 1;
    bool is_reporting : 1; /* its bounce is being stored: no attempt until that is done */
    uint32_t attempts;
    uint32_t next_in_job; /* the engine's: next recipient of the same job, QUEUE_NO_RECIPIENT or
                             _UNASSIGNED */
    int64_t next_ms;
    char *reason; /* owned, NULL: none */
};

struct queue_message {
    uint64_t id;
    int64_t accepted_ms;
    uint64_t wire_bytes;
    struct journal_pos accept;
    struct list in_queue; /* by id */
    uint64_t *segment;    /* with a record of it: those that matter, then the stale ones */
    uint32_t segment_count;
    uint32_t stale_count; /* held an accept record before it was moved, may die before m */
    uint32_t recipient_count, waiting_count;
    uint16_t sender_bytes, user_bytes, client_bytes;
    bool is_8bit : 1;
    bool is_report : 1;
    bool is_removing : 1;   /* the operator deleted it while an attempt was in flight */
    bool is_unrecorded : 1; /* an outcome could not be written yet */
    bool is_fetching : 1;   /* the engine's: its body is on the way from disk */
    uint32_t pending;       /* the engine's: appends, fetches and attempts that still name it */
    void *jobs, *body;      /* the engine's */
    struct queue_recipient *recipient;
    char *texts; /* sender, user, client, then the recipients */
};

struct queue_segment;
struct queue {
    struct map by_id;
    struct list messages; /* oldest id first */
    struct map segments;
    struct list dead;           /* segments to be told with queue_next_dead */
    uint64_t newest_segment;    /* records still go there: never dead */
    uint64_t recipients, bytes; /* waiting recipients; wire bytes */
    bool is_replaying;          /* from the first record to queue_replayed */
    bool is_all_paused;
    struct map pauses;       /* by name; the key is owned by the value */
    uint64_t pauses_segment; /* where the newest pauses record stands; 0: none */
};

void queue_init(struct queue *q, uint64_t seed);
void queue_close(struct queue *q);

/* A message that is on disk. NULL: the id is known already (a second accept record: see
 * queue_moved). */
struct queue_message *queue_add(struct queue *q, uint64_t id, struct journal_pos pos,
                                const struct queue_accept *a);
struct queue_message *queue_find(const struct queue *q, uint64_t id);
struct queue_message *queue_first(const struct queue *q);
struct queue_message *queue_after(const struct queue *q, const struct queue_message *m);

struct slice queue_sender(const struct queue_message *m);
struct slice queue_user(const struct queue_message *m);
struct slice queue_client(const struct queue_message *m);
struct slice queue_address(const struct queue_message *m, uint32_t i);
void queue_set_state(struct queue *q, struct queue_message *m, uint32_t i,
                     const struct queue_state *s);
void queue_get_state(const struct queue_message *m, uint32_t i, struct queue_state *out);
void queue_set_reason(struct queue_recipient *r, struct slice reason);

/* A record of m was written in this segment. */
void queue_in_segment(struct queue *q, struct queue_message *m, uint64_t segment);
/* Compaction: its accept record was written anew, with its present state, and the copy `a` (head is
 * enough) is on disk at pos. Segments that only older records of it stand in may die. */
void queue_moved(struct queue *q, struct queue_message *m, struct journal_pos pos,
                 const struct queue_accept *a);
/* All its recipients have their fate, all of them recorded last in `segment`: forgets and frees m.
 */
void queue_finish(struct queue *q, struct queue_message *m, uint64_t segment);
/* The same without an outcome on disk: only when the segment with its accept record dies by it,
 * because then that is the record. A restart before the segment is gone brings the message back. */
void queue_forget(struct queue *q, struct queue_message *m);
/* Messages and pins that name the segment; 0: none, or still written to. */
uint64_t queue_segment_live(const struct queue *q, uint64_t segment);
/* Records that belong to no message yet (chunks of an upload). */
void queue_pin(struct queue *q, uint64_t segment);
void queue_unpin(struct queue *q, uint64_t segment);
/* Records now go to this segment: older ones may die. */
void queue_newest(struct queue *q, uint64_t segment);
/* The n-th oldest segment (n >= 1) that is not dead; 0: there are fewer. */
uint64_t queue_nth_segment(const struct queue *q, uint64_t n);
/* The next dead segment, each once; 0: none. */
uint64_t queue_next_dead(struct queue *q);

/* Start-up: one record. False: it is of no use (bad payload, unknown type): report it. */
bool queue_replay(struct queue *q, const struct journal_record *r);
/* After the last record: messages that are finished are forgotten, the others put in order. */
void queue_replayed(struct queue *q);

bool queue_is_paused(const struct queue *q, struct slice name);
/* Name: lower case. False: nothing changed, or QUEUE_PAUSES_MAX or QUEUE_TEXT_BYTES_MAX is reached.
 * Empty name: everything. */
bool queue_pause(struct queue *q, struct slice name, bool is_paused);
bool queue_pauses_record(const struct queue *q, struct buf *out);
