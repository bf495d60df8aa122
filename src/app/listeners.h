/* listeners.h -- which addresses are open, and how that changes with the configuration.
 *
 * An address that stays in the configuration keeps its socket, whatever its place in the list. */
#pragma once

#include "engine/engine_options.h"
#include "net/net.h"

enum { LISTENERS_MAX = 65 }; /* the configuration's, and the local one */

struct listener {
    char *address;  /* owned; NULL: the place is free */
    unsigned index; /* into engine_options.listeners */
    bool is_fresh;  /* opened by the call under way */
};
struct listeners {
    struct net *net;
    struct listener at[LISTENERS_MAX]; /* the place is net's number of it */
    struct fault trouble; /* of the last call, with the local listener; empty text: none */
};

void listeners_init(struct listeners *l, struct net *net);
/* Opens what is missing, closes what is gone. On failure all is as before, as far as the system
 * allows. */
MUST_USE enum err listeners_apply(struct listeners *l, const struct engine_options *o,
                                  struct fault *why);
void listeners_stop(struct listeners *l); /* closes all */
/* The configuration's index of net's number; false: it is closed. */
bool listeners_find(const struct listeners *l, unsigned number, unsigned *index);
