/* route.c -- see the header. */
#include "route.h"

#include "policy/policy_accept.h"

static bool is_among(const struct slice *logins, unsigned count, const struct engine_user *by)
{
    for (unsigned i = 0; by && i < count; i++)
        if (slice_eq(logins[i], by->name))
            return true;
    return false;
}

enum route_miss route_judge(const struct engine_route *r, const struct route_question *q)
{
    if (r->is_fallback)
        return ROUTE_FALLBACK;
    if (r->recipient_count && !policy_matches_any(r->recipients, r->recipient_count, q->recipient))
        return ROUTE_RECIPIENT;
    if (r->sender_count && !policy_matches_any(r->senders, r->sender_count, q->sender))
        return ROUTE_SENDER;
    if (r->login_count && !is_among(r->logins, r->login_count, q->by))
        return ROUTE_LOGIN;
    if (q->bytes < r->bytes_least)
        return ROUTE_TOO_SMALL;
    if (r->bytes_most && q->bytes > r->bytes_most)
        return ROUTE_TOO_LARGE;
    return ROUTE_TAKEN;
}

int route_find(const struct engine_options *o, const struct route_question *q)
{
    if (q->by && q->by->has_route)
        return (int)q->by->route;
    for (unsigned i = 0; i < o->route_count; i++)
        if (route_judge(&o->routes[i], q) == ROUTE_TAKEN)
            return (int)i;
    return -1;
}

int route_credential(const struct engine_options *o, int route, const struct route_question *q)
{
    for (unsigned i = 0; route >= 0 && i < o->credential_count; i++) {
        const struct engine_credential *c = &o->credentials[i];
        bool is_sender =
            !c->sender_count || policy_matches_any(c->senders, c->sender_count, q->sender);
        bool is_login = !c->login_count || is_among(c->logins, c->login_count, q->by);
        if (c->route == (unsigned)route && is_sender && is_login)
            return (int)i;
    }
    return -1;
}
