/* submit_struck.h -- a limit of clients has struck: one line of the log and one count, by its name.
 */
#pragma once

#include "session.h"

/* What the machine answered by itself since the last time. */
void submit_struck_by_machine(struct engine *e, struct session *s);
/* The session ends for it; why: for a person. */
void submit_struck_end(struct engine *e, struct session *s, enum note_limit limit,
                       struct slice why);
/* The client took too long: what it and the log are told. */
const char *submit_struck_late(struct engine *e, struct session *s, enum note_limit limit);
