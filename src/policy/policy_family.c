/* policy_family.c -- see the header.
 *
 * X.7.25 is "reverse DNS validation failed" (RFC 7372). Whoever has no code for it says IPv6 in
 * words; an address literal, "[IPv6:2001:db8::1]", says nothing. A reply with an enhanced code of
 * another subject than security and policy speaks of something else, whatever its words. */
#include "policy/policy_family.h"

static bool says_v6(struct slice text)
{
    static const struct slice word = SLICE_INIT("ipv6");
    for (size_t i = 0; i + word.n <= text.n; i++)
        if (slice_starts_nocase(slice_from(text, i), word) &&
            (i + word.n == text.n || text.p[i + word.n] != ':'))
            return true;
    return false;
}

bool policy_refuses_v6(const struct smtp_reply *r)
{
    enum { SECURITY_OR_POLICY = 7, REVERSE_DNS = 25 };
    if (r->code < 400 || (r->status.class && r->status.subject != SECURITY_OR_POLICY))
        return false;
    if (r->status.class && r->status.detail == REVERSE_DNS)
        return true;
    for (int i = 0; i < r->line_count; i++)
        if (says_v6(r->line[i]))
            return true;
    return false;
}
