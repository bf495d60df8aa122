/* policy_quota.h -- how much one login may send: a rate of messages, a rate of recipients, and
 * recipients a day (UTC).
 *
 * A rate "100/h" is a bucket of 100 that fills up again within an hour. All that is kept of one is
 * the moment when it would be full (it is empty when that is a whole period away), in Unix time, so
 * that a restart neither loses nor gives anything. */
#pragma once

#include "base/slice.h"

struct policy_rate {
    unsigned count; /* 0: no limit */
    int64_t per_ms;
};

struct policy_quota {
    struct policy_rate messages, recipients;
    unsigned daily; /* recipients; 0: no limit */
};

/* What was used of it. */
struct policy_usage {
    int64_t messages_full_us, recipients_full_us; /* when the bucket is full again */
    int64_t day;                                  /* since 1970, of day_count */
    uint64_t day_count;
};

enum policy_limit {
    POLICY_LIMIT_NONE,
    POLICY_LIMIT_MESSAGES,
    POLICY_LIMIT_RECIPIENTS,
    POLICY_LIMIT_DAILY
};

/* Would one message to so many recipients be too much now? *wait_ms: until it would fit. */
enum policy_limit policy_quota_judge(const struct policy_quota *q, const struct policy_usage *u,
                                     unsigned recipients, int64_t now_ms, int64_t *wait_ms);
/* Takes it out; also what did not fit. */
void policy_quota_charge(const struct policy_quota *q, struct policy_usage *u, unsigned recipients,
                         int64_t now_ms);
/* The message was not accepted after all. */
void policy_quota_refund(const struct policy_quota *q, struct policy_usage *u, unsigned recipients,
                         int64_t now_ms);
/* Nothing of it counts any more. */
bool policy_usage_is_idle(const struct policy_usage *u, int64_t now_ms);
