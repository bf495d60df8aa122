/* policy_accept.c -- see the header. */
#include "policy/policy_accept.h"

#include "mail/address.h"

bool policy_is_trusted(const struct ip *peer, const struct ip_net *net, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (ip_in_net(peer, &net[i]))
            return true;
    return false;
}

bool policy_matches_any(const struct slice *pattern, unsigned count, struct slice address)
{
    for (unsigned i = 0; i < count; i++)
        if (mail_address_match(pattern[i], address))
            return true;
    return false;
}

bool policy_may_send_as(const struct slice *pattern, unsigned count, struct slice sender)
{
    return count == 0 || sender.n == 0 || policy_matches_any(pattern, count, sender);
}
