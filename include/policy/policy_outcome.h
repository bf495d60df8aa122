/* policy_outcome.h -- what a remote's reply means for a recipient. One table. */
#pragma once

#include "smtp/smtp_client.h"

enum policy_verdict {
    POLICY_DELIVERED,
    POLICY_LATER,     /* temporary: this message again, by its schedule */
    POLICY_NEXT_HOST, /* the host's trouble, not the message's */
    POLICY_BOUNCE,    /* permanent */
};
enum policy_verdict policy_outcome(enum smtp_scope scope, int code);

/* The enhanced status for the report when the remote gave none: "5.0.0", "4.4.1"... */
struct smtp_status policy_status(const struct smtp_reply *reply, bool is_permanent);
