/* policy_reply.h -- rules about what remotes say: a reply that fits one changes what becomes of the
 * recipient, or how its destination is treated.
 *
 * They stand behind policy_outcome's table and can only move a refusal: what was delivered, what
 * may have been, and what nobody said anything about stays as the table has it. The first rule that
 * fits decides: the operator's, then our own for large providers (policy_reply_builtin). */
#pragma once

#include "policy/policy_outcome.h"
#include "policy/policy_where.h"

enum {
    POLICY_REPLY_TEXT_BYTES_MAX = 1000, /* of a reply, all lines; what is behind is not looked at */
};

enum policy_reply_then {
    POLICY_REPLY_BACK_OFF,  /* temporary; the destination is left in peace for a while */
    POLICY_REPLY_SLOW_DOWN, /* temporary; half the connections, half the rate, for a while */
    POLICY_REPLY_PERMANENT,
    POLICY_REPLY_TEMPORARY,
    POLICY_REPLY_NEXT_HOST, /* at once; later, when there is none */
    POLICY_REPLY_THEN_COUNT
};
extern const char *const policy_reply_then_word[POLICY_REPLY_THEN_COUNT]; /* "back_off" */

struct policy_reply_rule {
    struct slice name;
    struct policy_where where;
    struct slice code;   /* "421", "4??"; empty: any refusal */
    struct slice status; /* glob of the enhanced code, "4.7.*"; empty: any, and none */
    struct slice text;   /* glob of what is said behind the codes, case ignored; empty: any */
    enum policy_reply_then then;
    int64_t for_ms; /* BACK_OFF, SLOW_DOWN */
    bool is_builtin;
};

/* Our own, by provider; doc/shaping.md lists them. */
extern const struct policy_reply_rule policy_reply_builtin[];
extern const unsigned policy_reply_builtin_count;

/* What a reply says behind its codes: lines joined by blanks, without the enhanced code at the head
 * of each, other bytes than printable ASCII as '?'. out: POLICY_REPLY_TEXT_BYTES_MAX. */
void policy_reply_text(const struct smtp_reply *r, struct buf *out);

/* The first of them that fits; NULL: none. text: policy_reply_text's. Only refusals (4xx, 5xx) fit
 * any. */
const struct policy_reply_rule *policy_reply_find(const struct policy_reply_rule *rule,
                                                  unsigned count, const struct policy_place *p,
                                                  const struct smtp_reply *r, struct slice text);

/* May a rule speak here at all? Not where the table says delivered or unsure, where the connection
 * gives its job back, or goes on in plain, and not where there is no refusal. */
bool policy_reply_may_judge(const struct policy_answer *a, enum policy_verdict v);
/* The verdict in v's place, where it may judge. */
enum policy_verdict policy_reply_verdict(const struct policy_reply_rule *rule,
                                         const struct policy_answer *a, enum policy_verdict v);
/* The status for the report where a rule has made the verdict: the remote's own, in the verdict's
 * class; without one x.7.1, for it is a refusal by policy. */
struct smtp_status policy_reply_status(const struct smtp_reply *r, enum policy_verdict v);
