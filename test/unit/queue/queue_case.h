/* queue_case.h -- accept records for tests: an envelope with recipients and extents in arrays. */
#pragma once

#include <string.h>

#include "queue/queue_record.h"

enum { CASE_RECIPIENTS_MAX = 8, CASE_EXTENTS_MAX = 8 };

struct accept_case {
    struct queue_envelope envelope;
    struct slice recipient[CASE_RECIPIENTS_MAX];
    struct queue_state state[CASE_RECIPIENTS_MAX];
    struct queue_dsn dsn[CASE_RECIPIENTS_MAX];
    struct journal_pos extent[CASE_EXTENTS_MAX];
    bool has_states;
    struct slice prefix, tail;
};

static inline struct slice case_recipient(void *ctx, uint32_t i)
{
    return ((struct accept_case *)ctx)->recipient[i];
}

static inline void case_state(void *ctx, uint32_t i, struct queue_state *out)
{
    *out = ((struct accept_case *)ctx)->state[i];
}

static inline void case_dsn(void *ctx, uint32_t i, struct queue_dsn *out)
{
    *out = ((struct accept_case *)ctx)->dsn[i];
}

/* The whole payload, prefix and tail behind the head. */
static inline bool case_build(struct accept_case *c, struct buf *out)
{
    c->envelope.prefix_bytes = (uint32_t)c->prefix.n;
    struct queue_accept_source from = {.envelope = &c->envelope,
                                       .ctx = c,
                                       .recipient = case_recipient,
                                       .state = c->has_states ? case_state : NULL,
                                       .dsn = case_dsn,
                                       .extent = c->extent};
    return queue_accept_build(out, &from) && buf_add(out, c->prefix) && buf_add(out, c->tail);
}
