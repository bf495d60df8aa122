/* policy_outcome.c -- see the header. The first row that fits decides. */
#include "policy/policy_outcome.h"

#define HOST BIT(SMTP_SCOPE_HOST)
#define SESSION BIT(SMTP_SCOPE_SESSION)
#define MESSAGE BIT(SMTP_SCOPE_MESSAGE)
#define RECIPIENT BIT(SMTP_SCOPE_RECIPIENT)

enum fact {
    ALWAYS,
    IF_UNSURE = BIT(0),
    IF_REUSED = BIT(1),
    IF_MAY_GO_PLAIN = BIT(2),
    IF_NEXT_HOST = BIT(3),
    IF_CROWDED = BIT(4),
    IF_MAY_GO_BY_DATA = BIT(5),
    IF_OTHERS = BIT(6),
};

enum { NONE = -1 };

static const struct {
    unsigned scopes;
    unsigned facts; /* all of them hold */
    struct {
        int from, to;
    } code; /* to 0: any, and none */
    struct {
        int subject, detail;
    } status; /* 0: any; NONE: none was given */
    enum policy_verdict verdict;
} rows[] = {
    {SESSION, IF_UNSURE, {0}, {0}, POLICY_UNSURE},
    {SESSION, IF_MAY_GO_BY_DATA, {0}, {0}, POLICY_BY_DATA},
    {SESSION, IF_REUSED, {0}, {0}, POLICY_RETURN},
    {HOST, IF_MAY_GO_PLAIN, {0}, {0}, POLICY_IN_PLAIN},
    {HOST | SESSION, IF_NEXT_HOST, {0}, {0}, POLICY_NEXT_HOST},
    {HOST, IF_CROWDED, {0}, {0}, POLICY_RETURN},
    {HOST | SESSION, ALWAYS, {0}, {0}, POLICY_LATER}, /* 5xx, too: nothing was said of the mail */

    {MESSAGE | RECIPIENT, ALWAYS, {200, 299}, {0}, POLICY_DELIVERED},
    {MESSAGE | RECIPIENT, ALWAYS, {421, 421}, {0}, POLICY_NEXT_HOST},
    /* Too many recipients (RFC 5321 section 4.5.3.1.10, RFC 3463 X.5.3). Where none was taken
     * before, a next transaction would hear it again. */
    {RECIPIENT, IF_OTHERS, {400, 599}, {5, 3}, POLICY_NEXT_TRANSACTION},
    {RECIPIENT, IF_OTHERS, {452, 452}, {NONE, 0}, POLICY_NEXT_TRANSACTION},
    {RECIPIENT, IF_OTHERS, {552, 552}, {NONE, 0}, POLICY_NEXT_TRANSACTION},
    /* RFC 5321 section 4.5.3.1.10: 552 is an old way to say too many recipients. Of the size it
     * speaks when it says so. */
    {RECIPIENT, ALWAYS, {552, 552}, {3, 4}, POLICY_BOUNCE},
    {RECIPIENT, ALWAYS, {552, 552}, {2, 3}, POLICY_BOUNCE},
    {RECIPIENT, ALWAYS, {552, 552}, {0}, POLICY_LATER},
    {MESSAGE | RECIPIENT, ALWAYS, {500, 599}, {0}, POLICY_BOUNCE},
    {MESSAGE | RECIPIENT, ALWAYS, {0}, {0}, POLICY_LATER},
};

static unsigned facts_of(const struct policy_answer *a)
{
    return (a->is_unsure ? IF_UNSURE : 0u) | (a->is_reused ? IF_REUSED : 0u) |
           (a->may_go_plain ? IF_MAY_GO_PLAIN : 0u) | (a->has_next_host ? IF_NEXT_HOST : 0u) |
           (a->is_crowded ? IF_CROWDED : 0u) | (a->may_go_by_data ? IF_MAY_GO_BY_DATA : 0u) |
           (a->has_others ? IF_OTHERS : 0u);
}

enum policy_verdict policy_outcome(const struct policy_answer *a)
{
    int code = a->reply ? a->reply->code : 0;
    struct smtp_status status = a->reply ? a->reply->status : (struct smtp_status){0};
    unsigned facts = facts_of(a);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool is_code = !rows[i].code.to || (code >= rows[i].code.from && code <= rows[i].code.to);
        bool is_status =
            rows[i].status.subject == NONE
                ? status.class == 0
                : !rows[i].status.subject || (status.subject == rows[i].status.subject &&
                                              status.detail == rows[i].status.detail);
        if ((rows[i].scopes & BIT(a->scope)) && (rows[i].facts & facts) == rows[i].facts &&
            is_code && is_status)
            return rows[i].verdict;
    }
    CHECK(!"a scope without a last row");
    return POLICY_LATER;
}

struct smtp_status policy_status(const struct policy_answer *a, enum policy_verdict verdict)
{
    int class = verdict == POLICY_BOUNCE ? 5 : 4;
    if (a->reply && a->reply->status.class == class)
        return a->reply->status;
    switch (a->scope) {
    case SMTP_SCOPE_HOST:
        return (struct smtp_status){class, 4, 1}; /* no answer from host */
    case SMTP_SCOPE_SESSION:
        return (struct smtp_status){class, 4, 2}; /* bad connection */
    case SMTP_SCOPE_MESSAGE:
    case SMTP_SCOPE_RECIPIENT:
        break;
    }
    return (struct smtp_status){class, 0, 0};
}
