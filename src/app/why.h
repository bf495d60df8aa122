/* why.h -- the whole story of a message, live or finished: `GET /why`, `GET /history/ID`. */
#pragma once

#include "control_later.h"

enum { WHY_LIMIT_DEFAULT = 20, WHY_QUERY_BYTES_MAX = 1024 };

/* query: a message id, an address, or a Message-ID. The answer comes later. */
void why_answer(struct exchange *x, struct slice query, unsigned limit);
/* One finished message by its id. */
void why_answer_history(struct exchange *x, uint64_t msg);
