/* queue_inside.h -- the queue's parts: messages (queue.c), segments and what keeps them
 * (queue_segment.c), checkpoints read at start (queue_checkpoint.c), the start (queue_replay.c),
 * pauses (queue_pause.c), the operator's orders (queue_order.c). */
#pragma once

#include "queue/queue.h"

/* --- segments --- */

struct queue_segment *segment_get(struct queue *q, uint64_t sequence);
void segment_hold(struct queue *q, uint64_t sequence, uint64_t bytes);
void segment_drop(struct queue *q, uint64_t sequence, uint64_t bytes);
void segment_weigh(struct queue *q, uint64_t sequence, uint64_t bytes); /* more of what holds it */
/* `other` must die before s; nothing when it is dead already. */
void segment_needs(struct queue *q, struct queue_segment *s, uint64_t other);
void segment_consider(struct queue *q, struct queue_segment *s);
void segments_close(struct queue *q);

/* --- messages --- */

/* Drops what it holds, takes it out, frees it. */
void message_end(struct queue *q, struct queue_message *m);

/* --- orders (queue_order.c) --- */

void queue_order_set(struct queue *q, struct queue_message *m, const struct queue_order *o);
void queue_order_forget(struct queue *q, struct queue_message *m);
void queue_orders_close(struct queue *q);

/* --- checkpoints --- */

/* Kept until the end of the replay; the list begins as NULL. False: bad payload. */
bool checkpoints_add(struct queue_checkpoint_list **list, const struct journal_record *r);
void checkpoints_sort(struct queue_checkpoint_list *l); /* after the last one; NULL is fine */
/* One of them says of this accept record that it does not count. */
bool checkpoints_deny(const struct queue_checkpoint_list *l, struct journal_pos pos);
void checkpoints_close(struct queue_checkpoint_list **list);
/* What they deny is forgotten. */
void checkpoints_apply(struct queue *q);
