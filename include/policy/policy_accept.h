/* policy_accept.h -- who may hand in what (DESIGN promise 5), and which route a recipient takes. */
#pragma once

#include "base/ip.h"
#include "base/slice.h"

bool policy_is_trusted(const struct ip *peer, const struct ip_net *net, unsigned count);
/* May this user send as this address? patterns: mail_address_match; none: anyone. The null sender
 * is always allowed. */
bool policy_may_send_as(const struct slice *pattern, unsigned count, struct slice sender);
bool policy_matches_any(const struct slice *pattern, unsigned count, struct slice address);
