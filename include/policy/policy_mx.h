/* policy_mx.h -- in which order the hosts of a domain are tried (RFC 5321 section 5.1). */
#pragma once

#include "base/rng.h"
#include "dns/dns_message.h"

enum policy_mx {
    POLICY_MX_OK,
    POLICY_MX_NULL, /* the domain takes no mail (RFC 7505): 5.1.10 */
    POLICY_MX_LOOP, /* we are its best host ourselves: 5.4.6 */
};

/* Sorts records by preference, shuffles equal ones, drops duplicates, cuts the list at our own
 * name: hosts of the same or a worse preference than ours are not tried. *count shrinks. */
enum policy_mx policy_mx_order(struct dns_record *record, unsigned *count, struct slice own_name,
                               struct rng *rng);
