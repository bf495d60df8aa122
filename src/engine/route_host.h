/* route_host.h -- the hosts of a route: which one a new connection tries first, how they were
 * lately, and the way back to the better one.
 *
 * A host that fails is tried last for a growing time. Then one connection, with a job, tries it
 * first again; the others go on where they were until it has answered. When it works, connections
 * to worse hosts end: idle ones at once, busy ones after their message. */
#pragma once

#include "line.h"

/* The targets for a new connection, in its order; the caller owns a reference. */
struct target_list *route_host_targets(struct engine *e, struct destination *d);
/* The line's present host has answered up to the end of its greetings. */
void route_host_works(struct engine *e, struct line *l);
/* It was of no use, and why. */
void route_host_fails(struct engine *e, struct line *l, const char *why);
/* Between two messages: should this connection end, because a better host works again or is to be
 * tried again? */
bool route_host_leaves(struct engine *e, const struct line *l);
/* Until when it matters that one of them failed, when there is no mail; 0: none did. */
int64_t route_host_known_until_ms(const struct destination *d);
/* Tried last at present? */
bool route_host_is_failing(const struct route_host *h, int64_t now_ms);
