/* usage.h -- what each login has used of its rates and of its daily quota.
 *
 * Kept by name, for configured users only: that bounds it. The app saves the text now and then and
 * hands it back at the start; what was used since the last save before a crash is forgotten. */
#pragma once

#include "engine_core.h"
#include "policy/policy_quota.h"

void usage_init(struct engine *e);
void usage_close(struct engine *e);
/* Its counters, made if need be. */
struct policy_usage *usage_of(struct engine *e, struct slice name);
void usage_on_saved(struct engine *e, struct slice text); /* at start-up */
void usage_on_options(struct engine *e);                  /* whoever is gone is forgotten */
