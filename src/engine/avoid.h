/* avoid.h -- where IPv6 is of no use at present: it is tried last there, and again later.
 *
 * By the destination's name, so that it outlives the destination; and once for all of them, when
 * this machine has no route for IPv6. */
#pragma once

#include "base/list.h"
#include "base/map.h"

#include <stdint.h>

struct engine;
struct destination;

struct avoid {
    char *name; /* owned; key of the table */
    struct list in_age;
    unsigned losses;  /* in a row */
    unsigned periods; /* in a row: each twice as long as the one before */
    int64_t until_ms;
};
struct avoid_table {
    struct map by_name;
    struct list age;         /* least lately used first */
    struct avoid everywhere; /* no route at all; has no name */
};

void avoid_init(struct engine *e);
void avoid_close(struct engine *e);

/* Shall IPv6 be tried last there, now? */
bool avoid_v6(const struct engine *e, const struct destination *d);
/* Until when, of the destination with this name; may be over. *everywhere: at all of them. */
int64_t avoid_v6_until_ms(const struct engine *e, struct slice name, bool *everywhere);
/* IPv4 answered where IPv6, which was asked first, had not. */
void avoid_lost(struct engine *e, struct destination *d);
/* The host takes no mail over IPv6. why: its words. */
void avoid_refused(struct engine *e, struct destination *d, const char *why);
void avoid_no_route(struct engine *e);
void avoid_connected(struct engine *e);                        /* over IPv6, somewhere */
void avoid_delivered(struct engine *e, struct destination *d); /* over IPv6 */
