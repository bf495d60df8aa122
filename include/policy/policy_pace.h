/* policy_pace.h -- a rate kept towards others: "100/m" is one message each 600 ms, never a burst of
 * 100. Any minute, counted from any moment, has 100 at most.
 *
 * policy_quota's buckets may be emptied at once; what is asked of us there is only fair use. A
 * receiver that counts by the minute would see twice the rate. Where more than one message goes
 * within PACE_GRAIN_MS a grain's worth may go together: timers are no finer. */
#pragma once

#include "policy/policy_quota.h"

enum { POLICY_PACE_GRAIN_MS = 10 };

struct policy_pace {
    int64_t free_us; /* the next one is due then; 0: at once */
};

/* From when on one more may go; now or earlier: at once. slowed: so many times as slow. */
int64_t policy_pace_next_ms(const struct policy_pace *p, const struct policy_rate *r,
                            unsigned slowed);
/* One has gone. */
void policy_pace_take(struct policy_pace *p, const struct policy_rate *r, unsigned slowed,
                      int64_t now_ms);
