/* policy_limits.h -- what one destination may be asked for, and how long it is waited for. */
#pragma once

#include "policy/policy_quota.h"

struct policy_limits {
    unsigned connections;         /* at once */
    unsigned connection_messages; /* then a new connection */
    int64_t idle_ms;              /* an open connection waits so long for the next message */
    int64_t connect_ms, greeting_ms, command_ms, data_ms, final_ms;
    struct policy_rate messages; /* count 0: any number; spread evenly, see policy_pace.h */
};

/* What `over` says, the rest as it was: of it, 0 says nothing. */
void policy_limits_overlay(struct policy_limits *to, const struct policy_limits *over);
