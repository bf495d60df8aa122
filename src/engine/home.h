/* home.h -- where a domain's mail goes: the destination of its set of MX hosts.
 *
 * Domains with the same hosts in the same order of preference are guests of one destination, the
 * set: its connections, limits, back-off and what was learned of it are theirs together, so that a
 * thousand hosted domains are one destination. A domain keeps what is its own: whether it exists,
 * its MX answer and how long that holds, and its name for the operator's pause.
 *
 *   new domain: its jobs wait with it -> MX, addresses -> home found -> its jobs move there
 *   the MX answer has expired: the old one serves until the new one is there (a probe of dead hosts
 *   must not wait for it); a job whose domain has moved meanwhile follows when it would be taken
 *
 * A job belongs to one domain (or route) for as long as it lives, and stands in the line of its
 * destination: the home, or the domain itself while that has none or is paused. */
#pragma once

#include "engine_core.h"

struct home_host {
    struct slice name; /* borrowed */
    unsigned rank;     /* 0: preferred; equal ones share the load */
};

/* The domain's hosts are known, with their addresses: a reference of targets is taken over. Its
 * jobs move, in steps. */
void home_found(struct engine *e, struct destination *domain, const struct home_host *host,
                unsigned count, struct target_list *targets, int64_t until_ms);
/* They cannot be found just now. True: it has a home, and stays there. */
bool home_stays(struct engine *e, struct destination *domain);
/* Where a job of this domain or route stands in line. */
struct destination *home_of(const struct engine *e, struct destination *domain);
/* Not in flight: it stands where it belongs now. True: it has moved. */
bool home_place(struct engine *e, struct job *j);
/* A step: jobs that wait with the domain move to its home. True: there are more. */
bool home_move(struct engine *e, struct destination *domain);
/* A step of the same for a set that a guest has left: who belongs elsewhere goes there. */
bool home_sift(struct engine *e, struct destination *set);
/* A set's hosts are dead: have some of those that wait there moved away? */
void home_look_again(struct engine *e, struct destination *set);
/* Its answer has expired: it is to be asked for anew. */
bool home_is_stale(const struct engine *e, const struct destination *domain);
void home_leave(struct engine *e, struct destination *domain);
