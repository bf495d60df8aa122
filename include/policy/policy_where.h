/* policy_where.h -- which destinations and hosts a rule is for: globs of domains, of MX hosts and
 * of routes. What is given must all hold; of each list one pattern is enough. */
#pragma once

#include "base/slice.h"

struct policy_where {
    const struct slice *domains; /* of the recipient, as A-labels; none: any */
    unsigned domain_count;
    const struct slice *hosts; /* names of MX hosts, or of a route's hosts; none: any */
    unsigned host_count;
    const struct slice *routes; /* names; none: any, and none */
    unsigned route_count;
};

/* A destination, or one host of it. */
struct policy_place {
    struct slice domain;       /* empty: not known, matches "*" only */
    struct slice route;        /* empty: by MX without any */
    const struct slice *hosts; /* none known: a list of patterns of hosts does not match */
    unsigned host_count;
};

bool policy_where_matches(const struct policy_where *w, const struct policy_place *p);
