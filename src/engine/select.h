/* select.h -- which messages a filter means, looked for page by page. */
#pragma once

#include "engine_core.h"

enum {
    SELECT_LIMIT_MAX = 1000, /* messages of a page */
    SELECT_LOOKS_MAX = 4000, /* messages looked at for it; those with many recipients count more */
    SELECT_RECIPIENTS_A_LOOK = 4,
};

/* What the recipients of this job wait for. */
enum engine_state select_job_state(const struct engine *e, const struct job *j);
bool select_matches(const struct engine *e, const struct queue_message *m,
                    const struct engine_filter *f, int64_t now_ms);

struct select_page {
    uint64_t matched;
    bool has_more;
    uint64_t next; /* id to go on after */
};
/* Tells fn of each message that matches. fn may end or finish that message. False from fn: the page
 * is over, and that message belongs to the next one. */
void select_each(const struct engine *e, const struct engine_filter *f, int64_t now_ms,
                 bool (*fn)(void *ctx, struct queue_message *m), void *ctx,
                 struct select_page *out);
