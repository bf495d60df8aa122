/* policy_outcome.c -- see the header. */
#include "policy/policy_outcome.h"

enum policy_verdict policy_outcome(enum smtp_scope scope, int code)
{
    int class = code / 100;
    switch (scope) {
    case SMTP_SCOPE_SESSION:
        return POLICY_NEXT_HOST;
    case SMTP_SCOPE_RECIPIENT:
        if (code == 552) /* RFC 5321 4.5.3.1.10: an old way to say too many recipients */
            return POLICY_LATER;
        /* fall through */
    case SMTP_SCOPE_MESSAGE:
        if (class == 2)
            return POLICY_DELIVERED;
        if (code == 421)
            return POLICY_NEXT_HOST;
        return class == 5 ? POLICY_BOUNCE : POLICY_LATER;
    }
    return POLICY_LATER;
}

struct smtp_status policy_status(const struct smtp_reply *reply, bool is_permanent)
{
    int class = is_permanent ? 5 : 4;
    if (reply && reply->status.class == class)
        return reply->status;
    return (struct smtp_status){class, 0, 0};
}
