/* policy_where.c -- see the header. */
#include "policy/policy_where.h"

static bool is_any(const struct slice *pattern, unsigned count, struct slice name)
{
    for (unsigned i = 0; i < count; i++)
        if (slice_glob_nocase(pattern[i], name))
            return true;
    return count == 0;
}

bool policy_where_matches(const struct policy_where *w, const struct policy_place *p)
{
    if (!is_any(w->domains, w->domain_count, p->domain) ||
        !is_any(w->routes, w->route_count, p->route))
        return false;
    for (unsigned i = 0; i < p->host_count; i++)
        if (is_any(w->hosts, w->host_count, p->hosts[i]))
            return true;
    return w->host_count == 0;
}
