/* policy_family.h -- does a remote refuse us for the address family we came by? */
#pragma once

#include "smtp/smtp_reply.h"

/* A refusal of mail over IPv6 as such: no PTR record for the address, guidelines for senders by
 * IPv6, "no mail over IPv6". The same mail is mostly welcome over IPv4. */
bool policy_refuses_v6(const struct smtp_reply *r);
