/* fallback.h -- the route for mail that the MX hosts of its domain cannot be given.
 *
 * A destination whose hosts could not be reached, or not be looked up, for fallback_after gives its
 * mail to its fallback at once, until it works again. By its back-off one message at a time finds
 * out, and goes by the fallback when it fails. What a host says of a message is no reason: that is
 * its answer. Nothing of this is recorded; after a start direct delivery is tried first. */
#pragma once

#include "engine_core.h"

/* Mail for d goes by its fallback from then on, if nothing changes; INT64_MAX: never. */
int64_t fallback_due_ms(const struct engine *e, const struct destination *d);
/* Does the fallback get the next message for d? */
bool fallback_takes(const struct engine *e, const struct destination *d);
/* What was in trouble and is in use no more is remembered so long; 0: it need not be. */
int64_t fallback_known_until_ms(const struct engine *e, const struct destination *d);
/* When d is to be looked at: its back-off is over, or its fallback begins. */
int64_t fallback_wake_ms(const struct engine *e, const struct destination *d);
/* Its ready jobs go to the fallback, some in this event. False: none is left for d itself, which
 * may be gone. */
bool fallback_move(struct engine *e, struct destination *d);
/* The job, which has just failed there, goes to the fallback. False: it stays. */
bool fallback_take(struct engine *e, struct job *j);
/* By which route d's mail goes at present; NULL: its own. */
const struct engine_route *fallback_in_use(const struct engine *e, const struct destination *d);
/* d works again. */
void fallback_ends(struct engine *e, struct destination *d);
