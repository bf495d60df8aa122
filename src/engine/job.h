/* job.h -- jobs by themselves: made, standing in line, joined, ended. When they go is schedule's.
 */
#pragma once

#include "engine_core.h"

/* The message's job for this domain or route; made if need be. */
struct job *job_get(struct engine *e, struct queue_message *m, struct destination *d);
/* Out of its message, its domain and its destination; recipients still waiting are in no job then.
 */
void job_free(struct engine *e, struct job *j);
bool job_is_kept_back(const struct queue_message *m); /* by the operator: no attempt begins */
/* A queue from before staging, or from another host: it may not go where staging forbids. */
bool job_is_staged_out(const struct engine *e, const struct job *j);
/* Its priority: of whoever handed the message in; -TURNS_PRIORITY_MAX to TURNS_PRIORITY_MAX. */
int job_priority(const struct engine *e, const struct queue_message *m);
/* Into the line where it belongs, unless it is in one, in flight or kept back; and out of it. */
void job_make_ready(struct engine *e, struct job *j, enum turns_place place);
void job_unready(struct engine *e, struct job *j);
/* The recipients of `other`, which is freed, become those of j: of the same message, neither is in
 * flight. */
void job_join(struct engine *e, struct job *j, struct job *other);
/* The message's other jobs that are ready at the same place join it: one transaction for all. */
void job_take_along(struct engine *e, struct job *j);
