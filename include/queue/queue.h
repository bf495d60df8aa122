/* queue.h -- what we promised, in memory: messages, recipients, and which segments they keep alive.
 *
 * Built by replaying the journal's records at start, then kept in step by the engine. A message is
 * one heap block (struct, recipients, texts), about 180 bytes for one recipient, and 17 bytes in
 * the order of ids; replies that many recipients got are kept once.
 *
 * Segments: a message *holds* the segment with its accept record, those with its chunks, and those
 * with outcomes that no later outcome repeats. A segment is dead when nobody holds it and no
 * outcome in it is needed to keep a finished message from coming back: the last outcome of a
 * message must outlive every accept record of it (there may be stale ones, left behind by
 * compaction). That outcome must hold the state of all recipients (earlier ones may die before the
 * accept record does).
 *
 * One old message can so keep many segments: needs run from segment to segment. Two things end
 * that: moving what is alive out of a segment (queue_moved), and a checkpoint, a record that says
 * of one segment which of its accept records still count (queue_checkpointed). */
#pragma once

#include "base/map.h"
#include "base/sorted.h"
#include "queue/queue_record.h"

#define QUEUE_NO_RECIPIENT UINT32_MAX     /* the last of its job */
#define QUEUE_UNASSIGNED (UINT32_MAX - 1) /* in no job */

enum { QUEUE_REASONS_SHARED_MAX = 4096 }; /* different replies kept once; more: each its own */

struct queue_recipient {
    uint32_t text_at; /* into the message's texts */
    uint16_t text_bytes;
    uint8_t fate; /* enum queue_fate */
    bool is_warned : 1;
    bool is_reporting : 1; /* its bounce is being stored: no attempt until that is done */
    bool has_orcpt : 1;    /* see queue_orcpt */
    uint8_t notify : 4;    /* see queue_notify */
    uint32_t attempts;
    uint32_t next_in_job; /* the engine's: next recipient of the same job, QUEUE_NO_RECIPIENT or
                             _UNASSIGNED */
    int64_t next_ms;
    const char *reason; /* the queue's, shared; NULL: none. Set by queue_set_reason alone */
};

/* What stands of a message outside of its accept record. */
struct queue_hold {
    uint64_t segment;
    uint32_t bytes; /* of records */
    enum queue_hold_kind {
        QUEUE_HOLD_CHUNKS,
        QUEUE_HOLD_STATE, /* an outcome, not repeated by a later one */
        QUEUE_HOLD_ORDER, /* an operator's record */
        QUEUE_HOLD_STALE, /* an accept record before it was moved: may die before the message */
    } kind;
};
struct queue_trail {
    uint32_t count, cap;
    struct queue_hold hold[];
};

struct queue_message {
    uint64_t id;
    int64_t accepted_ms;
    struct journal_pos accept;
    void *jobs, *body;         /* the engine's */
    struct queue_trail *trail; /* owned; NULL: nothing but the accept record */
    uint32_t wire_bytes;       /* QUEUE_WIRE_BYTES_MAX at most */
    uint32_t pending;          /* the engine's: appends, fetches and attempts that still name it */
    uint32_t recipient_count, waiting_count;
    uint16_t sender_bytes, user_bytes, client_bytes;
    bool is_8bit : 1;
    bool is_report : 1;
    bool has_order : 1; /* queue_order_of() tells more; the next three are of it */
    bool is_held : 1;
    bool is_bouncing : 1;               /* the operator bounced or */
    bool is_removing : 1;               /* deleted it: what is in flight is finished first */
    bool is_unrecorded : 1;             /* an outcome could not be written yet */
    bool is_fetching : 1;               /* the engine's: its body is on the way from disk */
    bool is_utf8 : 1;                   /* SMTPUTF8 was asked for, and its header needs it */
    bool requires_tls : 1;              /* REQUIRETLS was asked for (RFC 8689) */
    bool is_binary : 1;                 /* BINARYMIME: only BDAT can carry it */
    bool has_envid : 1;                 /* see queue_envid */
    uint8_t ret : 2;                    /* enum mail_ret */
    struct queue_recipient recipient[]; /* behind the last: sender, user, client,
                                           hash of the Message-ID, [ENVID with its length],
                                           each address with [ORCPT with its length] */
};

/* Segments that hold something of the queue's. */
struct queue_segment {
    uint64_t sequence;
    uint64_t live;       /* messages, twice if need be, and pins that hold it */
    uint64_t live_bytes; /* of records, pins aside */
    struct queue_need {  /* segments that must die before this one */
        uint64_t segment;
        uint64_t pass; /* of queue_pass(), when it was last needed */
    } * need;
    uint32_t need_count, need_cap;
    bool is_dead; /* and waits to be told with queue_next_dead */
    bool is_seen; /* start-up: a record of it came. One that lives without is missing */
};

struct queue_checkpoint_list;
struct queue {
    struct sorted by_id;        /* messages */
    struct sorted segments;     /* by sequence */
    uint64_t dead_count;        /* segments to be told with queue_next_dead */
    uint64_t newest_segment;    /* records still go there: never dead */
    uint64_t recipients, bytes; /* waiting recipients; wire bytes */
    uint64_t live_bytes;        /* of records, in all segments */
    uint64_t pass;              /* see queue_pass */
    struct map reasons;         /* shared ones, by text */
    struct sorted orders;       /* by id: what the operator ordered, for the few that have it */
    uint64_t held_count;
    struct queue_checkpoint_list *checkpoints; /* read at start, until queue_replayed; owned */
    /* Start-up: m is finished according to the journal and about to be forgotten. NULL: nobody
     * wants to know. */
    void (*finished)(void *ctx, const struct queue_message *m);
    void *finished_ctx;
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
/* The first one with a higher id. */
struct queue_message *queue_after_id(const struct queue *q, uint64_t id);
struct queue_message *queue_after(const struct queue *q, const struct queue_message *m);

struct slice queue_sender(const struct queue_message *m);
struct slice queue_user(const struct queue_message *m);
struct slice queue_client(const struct queue_message *m);
struct slice queue_address(const struct queue_message *m, uint32_t i);
/* All that is kept of the Message-ID (mail_message_id_hash); 0: it has none. */
uint32_t queue_message_id_hash(const struct queue_message *m);
/* RFC 3461, as received (xtext); empty, 0: not given. */
struct slice queue_envid(const struct queue_message *m);
struct slice queue_orcpt(const struct queue_message *m, uint32_t i);
unsigned queue_notify(const struct queue_message *m, uint32_t i); /* enum mail_notify, combined */
void queue_set_state(struct queue *q, struct queue_message *m, uint32_t i,
                     const struct queue_state *s);
void queue_get_state(const struct queue_message *m, uint32_t i, struct queue_state *out);
void queue_set_reason(struct queue *q, struct queue_recipient *r, struct slice reason);

/* What the operator did takes effect on the message's order (a retry has none). */
void queue_operate(struct queue *q, struct queue_message *m, const struct queue_operator *op);
/* NULL: the operator never held, bounced or deleted it. */
const struct queue_order *queue_order_of(const struct queue *q, const struct queue_message *m);
/* The first message with a higher id that has an order; NULL: none. */
struct queue_message *queue_ordered_after(const struct queue *q, uint64_t id);
/* When its life begins to count: accepted, later by the time it was held. */
int64_t queue_born_ms(const struct queue *q, const struct queue_message *m);

/* An operator's record of m was written at pos. */
void queue_ordered(struct queue *q, struct queue_message *m, struct journal_pos pos);
/* An outcome of m was written at pos; is_whole: it holds the state of all recipients, so that
 * earlier outcomes of m are of no use any more. */
void queue_recorded(struct queue *q, struct queue_message *m, struct journal_pos pos,
                    bool is_whole);
/* Compaction: its accept record was written anew, with its present state, and the copy `a` (head is
 * enough) is on disk at pos. Segments that only older records of it stand in may die. */
void queue_moved(struct queue *q, struct queue_message *m, struct journal_pos pos,
                 const struct queue_accept *a);
/* All its recipients have their fate, and the last outcome told with queue_recorded says so of all
 * of them (or the accept record does): forgets and frees m. */
void queue_finish(struct queue *q, struct queue_message *m);
/* The same without an outcome on disk: only when the segment with its accept record dies by it,
 * because then that is the record. A restart before the segment is gone brings the message back. */
void queue_forget(struct queue *q, struct queue_message *m);
/* The i-th segment that m holds; a segment may come twice. 0: no more. */
uint64_t queue_held(const struct queue_message *m, uint32_t i);
bool queue_has_stale(const struct queue_message *m);

/* How many hold the segment; 0: nobody, or it is still written to. */
uint64_t queue_segment_live(const struct queue *q, uint64_t segment);
/* Nobody holds it, but others must die first. */
bool queue_segment_is_stuck(const struct queue *q, const struct queue_segment *s);
struct queue_segment *queue_segment_find(const struct queue *q, uint64_t segment);
struct queue_segment *queue_segment_after(const struct queue *q, uint64_t segment); /* 0: first */
/* Records that belong to no message yet (chunks of an upload). */
void queue_pin(struct queue *q, uint64_t segment);
void queue_unpin(struct queue *q, uint64_t segment);
/* Records now go to this segment: older ones may die. */
void queue_newest(struct queue *q, uint64_t segment);
/* The next dead segment, each once; 0: none. */
uint64_t queue_next_dead(struct queue *q);

/* Checkpoints. First a pass begins; then whoever makes it goes over all messages and lists, for
 * some segments older than the newest, the offsets of the accept records that count
 * (m->accept); then it writes the lists. A message that finishes after the pass began may be
 * listed or not: what was needed since then stays needed. */
void queue_pass(struct queue *q);
/* A part of a checkpoint of `segment` is on disk in `holder`, which from now on outlives it. */
void queue_checkpoint_part(struct queue *q, uint64_t segment, uint64_t holder);
/* All parts are, as listed in the present pass: what was needed of it before is forgotten. */
void queue_checkpointed(struct queue *q, uint64_t segment);

/* Start-up: one record; of its payload the head is enough (queue_record_head_bytes). False: it is
 * of no use (bad payload, unknown type): report it. */
bool queue_replay(struct queue *q, const struct journal_record *r);
/* After the last record: messages that are finished, or that checkpoints say are, are forgotten. */
void queue_replayed(struct queue *q);

bool queue_is_paused(const struct queue *q, struct slice name);
/* Name: lower case. False: nothing changed, or QUEUE_PAUSES_MAX or QUEUE_TEXT_BYTES_MAX is reached.
 * Empty name: everything. */
bool queue_pause(struct queue *q, struct slice name, bool is_paused);
bool queue_pauses_record(const struct queue *q, struct buf *out);
