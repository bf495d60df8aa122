/* submit_rate.h -- how many messages may come from one place in a time (opt->address_messages).
 *
 * A place is an IPv4 address or an IPv6 /64 (ip_place). Trusted networks are counted like others:
 * their clients need no login, which would have rates of its own. Kept in memory only: a restart
 * begins anew. The table is bounded: the place that sent longest ago makes room. */
#pragma once

#include "engine_core.h"

enum { SUBMIT_RATE_PLACES_MAX = 20000 };

void submit_rate_init(struct engine *e);
void submit_rate_close(struct engine *e);
/* Until the place may send one more message; 0: now. Place 0 is never counted. */
int64_t submit_rate_wait_ms(const struct engine *e, uint64_t place);
void submit_rate_charge(struct engine *e, uint64_t place);
/* The message was not accepted after all. */
void submit_rate_refund(struct engine *e, uint64_t place);
