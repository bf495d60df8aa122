/* view_wishes.h -- what a sender asked for beyond delivery, as lists show it: SMTPUTF8, REQUIRETLS,
 * BINARYMIME and the parameters of RFC 3461. Nothing is shown where nothing was asked for. */
#pragma once

#include "base/json.h"
#include "queue/queue.h"

void view_wishes_json(struct json *j, const struct queue_message *m);
void view_wishes_text(struct buf *out, const struct queue_message *m);
/* Of the i-th recipient. */
void view_wish_json(struct json *j, const struct queue_message *m, uint32_t i);
void view_wish_text(struct buf *out, const struct queue_message *m, uint32_t i);
