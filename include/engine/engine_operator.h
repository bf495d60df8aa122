/* engine_operator.h -- what an operator may order, and of which messages.
 *
 * By id, or by a filter: then one event looks at a bounded number of messages and says where the
 * next one goes on, so that no order stalls the others, however long the queue is. */
#pragma once

#include "base/buf.h"

enum operator_verb {
    OPERATOR_RETRY = 1, /* try now; without msg and filter the whole queue, step by step */
    OPERATOR_HOLD,      /* no attempt, no warning, no expiry until it is released */
    OPERATOR_RELEASE,
    OPERATOR_BOUNCE, /* who still waits is refused, with a report to the sender */
    OPERATOR_DELETE, /* who still waits is removed, without one */
    OPERATOR_PAUSE,  /* domain; empty: everything */
    OPERATOR_RESUME, /* domain; empty: everything */
    OPERATOR_END
};
const char *engine_verb_name(enum operator_verb verb);

/* What a recipient that waits is waiting for. */
enum engine_state {
    ENGINE_STATE_ANY,
    ENGINE_STATE_READY,
    ENGINE_STATE_RESOLVING,
    ENGINE_STATE_IN_FLIGHT,
    ENGINE_STATE_DEFERRED,
    ENGINE_STATE_BACKING_OFF,
    ENGINE_STATE_PAUSED,
    ENGINE_STATE_HELD,
    ENGINE_STATE_REPORTING,
    ENGINE_STATE_COUNT
};
const char *engine_state_name(enum engine_state state); /* "in flight" */
/* A hyphen may stand for the blank. False: there is no such state. */
bool engine_state_parse(struct slice s, enum engine_state *out);

struct engine_filter {
    struct slice from, to;    /* patterns of mail_address_match; empty: any */
    struct slice domain;      /* of a recipient; empty: any */
    enum engine_state state;  /* of some recipient */
    int64_t older_ms;         /* accepted at least that long ago */
    enum operator_verb would; /* only those that this verb would change; 0: any */
    uint64_t after, until;    /* only ids greater than after, and up to until; 0: no bound */
    unsigned limit;           /* at most this many */
};
/* The filter in words, "domain=example.org older=2h"; "all" when it lets everything through. */
void engine_filter_text(const struct engine_filter *f, struct buf *out);

struct engine_operated {
    uint64_t matched; /* messages that passed the filter */
    uint64_t done;    /* of them changed; the others are so already, or finished */
    bool has_more;    /* go on with after = next; next may be where this page began */
    uint64_t next;
    uint64_t newest;   /* the last id given: a page's until, so that bulk work has an end */
    bool is_recording; /* ACTION_OPERATED follows when it is on disk */
};

struct engine_operator {
    enum operator_verb verb;
    uint64_t msg;                       /* 0: filter, or none */
    const struct engine_filter *filter; /* NULL: everything */
    struct slice domain;
    struct slice words;             /* why; a bounce tells the sender */
    struct slice who;               /* for log and journal: "uid=0" */
    uint64_t answer;                /* of ACTION_OPERATED; 0: nobody waits */
    struct engine_operated *result; /* filled during the call; NULL: nobody asks */
};
