/* policy_outcome.h -- what a remote's answer, or its silence, means for a recipient. One table.
 *
 * It is drawn in doc/outcomes.md; what a verdict entails (back-off, records, reports) is the
 * engine's. */
#pragma once

#include "smtp/smtp_client.h"

enum policy_verdict {
    POLICY_DELIVERED,
    POLICY_LATER,            /* temporary: this message again, by its schedule */
    POLICY_NEXT_HOST,        /* the host's trouble, not the message's: the next one, at once */
    POLICY_IN_PLAIN,         /* the same host, at once, without TLS */
    POLICY_BY_DATA,          /* the same host, at once, without BDAT */
    POLICY_NEXT_TRANSACTION, /* too many recipients for this one: in the next, at once */
    POLICY_RETURN, /* the connection's trouble: another one takes the job, which has lost nothing */
    POLICY_UNSURE, /* it may have been taken: later, and never at another host at once */
    POLICY_BOUNCE, /* permanent */
};

/* What happened, and what is left to do. The booleans matter in scopes HOST and SESSION only, but
 * for the last one. */
struct policy_answer {
    enum smtp_scope scope;
    const struct smtp_reply *reply; /* NULL: none */
    bool is_unsure;                 /* the line died after the final dot */
    bool is_reused;      /* the connection had carried mail before, and decided nothing of
                          * this: the remote ended what we kept open */
    bool may_go_plain;   /* the handshake failed, and TLS was only an opportunity */
    bool may_go_by_data; /* BDAT was refused as a command that is not known */
    bool has_next_host;
    bool is_crowded; /* others of our connections work there: one more is too many */
    bool has_others; /* RECIPIENT: some of the transaction were taken before it */
};
enum policy_verdict policy_outcome(const struct policy_answer *a);

/* The enhanced status for the report: the remote's own where its class is the verdict's; else
 * "5.0.0", "4.0.0", "4.4.1" (host), "4.4.2" (session). */
struct smtp_status policy_status(const struct policy_answer *a, enum policy_verdict verdict);
