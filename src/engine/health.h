/* health.h -- which hosts of a destination are dead: passed over for a growing time, then
 * probed by one connection, while the others take the mail.
 *
 * An address fails when no session comes of it (connect, greeting, EHLO, TLS, AUTH). When all are
 * dead none is passed over: the destination is left in peace as a whole, and its probe tries each.
 */
#pragma once

#include "engine_core.h"

enum { HEALTH_MAX = 64 }; /* addresses of one destination that are kept in mind */

void health_failed(struct engine *e, struct destination *d, const struct ip_port *address);
void health_well(struct destination *d, const struct ip_port *address);
/* An attempt begins: if the address was dead, it is the probe, and others keep away meanwhile. */
void health_tried(struct engine *e, struct destination *d, const struct ip_port *address);
/* Those to be passed over now, by their index; at most 64. */
uint64_t health_dead(const struct engine *e, const struct destination *d,
                     const struct target_list *targets);
void health_free(struct destination *d);
