/* sim_trace.h -- what happened, for the hash and for people; and what went wrong. */
#pragma once

#include "base/slice.h"

struct sim_world;

/* The first reason counts. */
void sim_fail(struct sim_world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Goes into the hash that two runs of a seed must agree on; printed when verbose. */
void sim_trace(struct sim_world *w, const char *what, uint64_t a, uint64_t b, struct slice bytes);
