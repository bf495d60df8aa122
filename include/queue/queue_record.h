/* queue_record.h -- what stands in a journal record's payload (layouts: doc/journal.md).
 *
 * Pure codecs, no allocation when parsing: slices point into the payload. Unknown versions, flags
 * and lengths over the limits below are PARSE_BAD, so that an older relay never misreads a newer
 * queue, and what parses is built again byte for byte the same. */
#pragma once

#include "base/buf.h"
#include "journal/journal_codec.h"
#include "mail/dsn_request.h"

enum queue_record_type {
    QUEUE_RECORD_CHUNK = 1,      /* a piece of a large body, as on the wire */
    QUEUE_RECORD_ACCEPT = 2,     /* envelope, state, and the body or where its chunks are */
    QUEUE_RECORD_OUTCOME = 3,    /* what became of some recipients */
    QUEUE_RECORD_PAUSES = 4,     /* the whole set of paused destinations */
    QUEUE_RECORD_OPERATOR = 5,   /* what an operator did to a message */
    QUEUE_RECORD_CHECKPOINT = 6, /* which accept records of one segment still count */
};

enum {
    QUEUE_RECIPIENTS_MAX =
        2000, /* of one message: an accept record must fit JOURNAL_RECORD_BYTES_MAX */
    QUEUE_CHUNK_BYTES = 64 * 1024,
    QUEUE_EXTENTS_MAX = 16 * 1024, /* 1 GiB in chunks */
    QUEUE_REASON_BYTES_MAX = 200,  /* of a remote's reply, as remembered while a recipient waits */
    QUEUE_LAST_WORDS_BYTES_MAX = 400,   /* the same, of one that is done: "host[ip]: reply" */
    QUEUE_TEXT_BYTES_MAX = 1024,        /* sender, user, client, Message-ID */
    QUEUE_ORCPT_BYTES_MAX = 128 * 1024, /* of all recipients together, so that the record fits */
    QUEUE_WHO_BYTES_MAX = 100,          /* an operator's name */
    QUEUE_PAUSES_MAX = 1000,
    QUEUE_CHECKPOINT_OFFSETS_MAX = 64 * 1024, /* in one record; more go into several */
};
#define QUEUE_WIRE_BYTES_MAX UINT32_MAX

enum queue_fate {
    QUEUE_WAITING,
    QUEUE_DELIVERED,
    QUEUE_BOUNCED,
    QUEUE_EXPIRED,
    QUEUE_REMOVED,
    QUEUE_FATE_COUNT
};
const char *queue_fate_name(enum queue_fate f);

/* One recipient's state, in accept and outcome records alike. */
struct queue_state {
    enum queue_fate fate;
    bool is_warned; /* a delay report was made */
    uint32_t attempts;
    int64_t next_ms;     /* when it is tried again; of a recipient that is done: when that was */
    struct slice reason; /* last reply or our own words; may be empty */
};

/* What the operator ordered for a message and has not come to its end. */
struct queue_order {
    bool is_held;       /* no attempt, no warning, no expiry */
    bool is_bouncing;   /* who still waits is refused, with a report to the sender */
    bool is_removing;   /* who still waits is removed, without one */
    int64_t since_ms;   /* of the newest hold */
    int64_t held_ms;    /* earlier holds together: they do not count against the lifetime */
    struct slice who;   /* ordered it */
    struct slice words; /* his reason; may be empty */
};

/* What the sender wants to be told of one recipient (RFC 3461). */
struct queue_dsn {
    unsigned notify;    /* enum mail_notify, combined; 0: not said */
    struct slice orcpt; /* "type;xtext" as received; empty: none */
};

struct queue_envelope {
    int64_t accepted_ms;
    uint64_t wire_bytes; /* prefix + chunks + tail */
    bool is_8bit;
    bool is_report; /* a DSN of ours */
    bool is_utf8;   /* SMTPUTF8: addresses or header hold UTF-8 */
    bool requires_tls;
    bool is_binary; /* BODY=BINARYMIME: lines mean nothing in the body, only BDAT can carry it */
    bool has_order;
    enum mail_ret ret;
    struct queue_order order;
    struct slice sender; /* "" = null */
    struct slice user, client, message_id;
    struct slice envid; /* xtext as received; empty: none */
    uint32_t recipient_count;
    uint32_t extent_count;
    uint32_t prefix_bytes;
};

/* Accept payload in two steps: the head (everything before the prefix) is built into `out`; prefix
 * and tail follow as parts of their own. recipient(), state() and dsn() give the i-th; state may be
 * NULL: waiting, untried; dsn too: nothing was asked for. */
struct queue_accept_source {
    const struct queue_envelope *envelope;
    void *ctx;
    struct slice (*recipient)(void *ctx, uint32_t i);
    void (*state)(void *ctx, uint32_t i, struct queue_state *out);
    void (*dsn)(void *ctx, uint32_t i, struct queue_dsn *out);
    const struct journal_pos *extent;
};
/* False: out is full, or an address is longer than QUEUE_TEXT_BYTES_MAX (user, client and
 * Message-ID are cut there). */
bool queue_accept_build(struct buf *out, const struct queue_accept_source *from);

struct queue_accept {
    struct queue_envelope envelope;
    struct slice recipients; /* walk with queue_accept_next */
    struct slice dsn;     /* walk with queue_accept_next_dsn, as many steps; empty: nothing of it */
    struct slice extents; /* queue_accept_extent(i) */
    size_t head_bytes;    /* of the payload, before the prefix */
    struct slice prefix, tail;
};
MUST_USE enum parse queue_accept_parse(struct slice payload, struct queue_accept *out);
/* Only what stands before the prefix: prefix and tail are left empty. */
MUST_USE enum parse queue_accept_parse_head(struct slice payload, struct queue_accept *out);
/* Next recipient; `rest` starts as accept.recipients. queue_accept_parse has checked them all. */
bool queue_accept_next(struct slice *rest, struct slice *address, struct queue_state *state);
bool queue_accept_next_dsn(struct slice *rest, struct queue_dsn *dsn);
struct journal_pos queue_accept_extent(const struct queue_accept *a, uint32_t i);

/* How much of a record's payload queue_replay wants to see: what stands in a segment's index. Any
 * thread. A payload that cannot be read counts whole, so that replay says so. */
size_t queue_record_head_bytes(uint8_t type, struct slice payload);

/* Outcome payload: time, then states by recipient index. */
bool queue_outcome_begin(struct buf *out, int64_t time_ms, uint32_t count);
bool queue_outcome_add(struct buf *out, uint32_t index, const struct queue_state *state);
struct queue_outcome {
    int64_t time_ms;
    uint32_t count;
    struct slice states;
};
MUST_USE enum parse queue_outcome_parse(struct slice payload, struct queue_outcome *out);
bool queue_outcome_next(struct slice *rest, uint32_t *index, struct queue_state *state);

/* Operator payload. A retry changes no state: its record, of id 0 when it was for many, only tells.
 */
enum queue_verb {
    QUEUE_VERB_HOLD = 1,
    QUEUE_VERB_RELEASE,
    QUEUE_VERB_RETRY,
    QUEUE_VERB_BOUNCE,
    QUEUE_VERB_DELETE,
    QUEUE_VERB_END
};
struct queue_operator {
    enum queue_verb verb;
    int64_t time_ms;
    struct slice who, words;
};
/* who and words are cut at QUEUE_WHO_BYTES_MAX and QUEUE_REASON_BYTES_MAX. False: out is full. */
bool queue_operator_build(struct buf *out, const struct queue_operator *op);
MUST_USE enum parse queue_operator_parse(struct slice payload, struct queue_operator *out);

/* Pauses payload. */
bool queue_pauses_begin(struct buf *out, bool is_all, uint32_t count);
bool queue_pauses_add(struct buf *out, struct slice domain);
struct queue_pauses {
    bool is_all;
    uint32_t count;
    struct slice names;
};
MUST_USE enum parse queue_pauses_parse(struct slice payload, struct queue_pauses *out);
bool queue_pauses_next(struct slice *rest, struct slice *domain);

/* Checkpoint payload: in this segment, of the accept records from offset `from` to before `to`,
 * these count; messages of the others had finished. */
bool queue_checkpoint_begin(struct buf *out, uint64_t segment, uint32_t from, uint32_t to,
                            uint32_t count);
bool queue_checkpoint_add(struct buf *out, uint32_t offset); /* ascending, count times */
struct queue_checkpoint {
    uint64_t segment;
    uint32_t from, to, count;
    struct slice offsets; /* count times u32 */
};
MUST_USE enum parse queue_checkpoint_parse(struct slice payload, struct queue_checkpoint *out);
