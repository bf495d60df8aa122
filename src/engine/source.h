/* source.h -- from which of its addresses this machine calls.
 *
 * A pool is put in order once for each destination: the order depends on the destination's name and
 * the sources' names alone, so that a destination sees the same address for as long as it can be
 * had, over restarts and other changes of the pool (greylisting, reputation). */
#pragma once

#include "engine/engine_options.h"

struct engine;
struct destination;

enum { SOURCES_REFUSED_MAX = 2 * ENGINE_SOURCES_MAX }; /* addresses of them */

struct source_refusals {
    struct source_refusal {
        struct ip ip;
        int64_t until_ms;
    } refusal[SOURCES_REFUSED_MAX];
    unsigned count;
};

/* The pool for direct MX or for this route (-1: none), in this destination's order; gives how many.
 * out: room for ENGINE_SOURCES_MAX. */
unsigned source_pool(const struct engine_options *o, int route, struct slice destination,
                     const struct engine_source **out);
/* The same, copied into the destination and freed with it. */
void source_take_pool(struct engine *e, struct destination *d);
void source_drop_pool(struct destination *d);

/* Its address of the family; IP_NONE when it has none. */
const struct ip *source_ip(const struct engine_source *s, enum ip_family family);
/* It has not been refused lately (IP_NONE: neither). */
bool source_is_usable(const struct engine *e, const struct ip *ip, int64_t now_ms);
/* The first one that has an address of the family and can be used. *out NULL: the system chooses.
 * False: none can be used, and *why says so (static). */
bool source_find(const struct engine *e, const struct destination *d, enum ip_family family,
                 const struct engine_source **out, const char **why);
/* The system does not let us use it: the others come first for a while. why: its words. */
void source_refused(struct engine *e, const struct ip *ip, struct slice why);
void source_forget_refusals(struct engine *e); /* new options: perhaps it was mended */
unsigned source_refused_count(const struct engine *e);
