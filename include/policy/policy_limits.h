/* policy_limits.h -- what one destination may be asked for, and how long it is waited for. */
#pragma once

#include <stdbool.h>

#include "policy/policy_quota.h"

struct policy_limits {
    unsigned connections;         /* at once */
    unsigned connection_messages; /* then a new connection */
    int64_t age_ms;               /* of a connection; then a new one */
    int64_t idle_ms; /* an open connection waits so long for the next message; 0: it does not */
    int64_t race_ms; /* an address is silent for so long: the next one of its host, too */
    int64_t connect_ms, greeting_ms, command_ms, data_ms, final_ms;
    struct policy_rate messages; /* count 0: any number; spread evenly, see policy_pace.h */
    unsigned recipients;         /* of a transaction; the rest in the next one */
    bool chunking;               /* BDAT where it is offered; overlaid by nothing */
};

/* What `over` says, the rest as it was: of it, 0 says nothing. */
void policy_limits_overlay(struct policy_limits *to, const struct policy_limits *over);
