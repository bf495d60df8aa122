/* policy_limits.c -- see the header. A new limit is a new line. */
#include "policy/policy_limits.h"

void policy_limits_overlay(struct policy_limits *to, const struct policy_limits *over)
{
#define OVERLAY(member)                                                                            \
    if (over->member)                                                                              \
    to->member = over->member
    OVERLAY(connections);
    OVERLAY(connection_messages);
    OVERLAY(recipients);
    OVERLAY(age_ms);
    OVERLAY(idle_ms);
    OVERLAY(race_ms);
    OVERLAY(connect_ms);
    OVERLAY(greeting_ms);
    OVERLAY(command_ms);
    OVERLAY(data_ms);
    OVERLAY(final_ms);
#undef OVERLAY
    if (over->messages.count)
        to->messages = over->messages;
}
