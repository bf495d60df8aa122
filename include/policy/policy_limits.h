/* policy_limits.h -- what one destination may be asked for, and how long it is waited for. */
#pragma once

#include <stdint.h>

struct policy_limits {
    unsigned connections;         /* at once */
    unsigned connection_messages; /* then a new connection */
    int64_t idle_ms;              /* an open connection waits so long for the next message */
    int64_t race_ms; /* an address is silent for so long: the next one of its host, too */
    int64_t connect_ms, greeting_ms, command_ms, data_ms, final_ms;
};
