/* config_routes.c -- rules for [[route]]. */
#include "config_rules_inside.h"

static bool has_more_conditions(const struct toml_node *node)
{
    return rules_entry(node, "senders") || rules_entry(node, "logins") ||
           rules_entry(node, "min_size") || rules_entry(node, "max_size");
}

static bool has_conditions(const struct toml_node *node)
{
    return rules_entry(node, "recipients") || has_more_conditions(node);
}

/* Which route is meant. */
static bool find_fallback(struct rules *r, struct slice name, const struct toml_node *value,
                          const char *section, unsigned *out)
{
    struct engine_options *e = &r->c->engine;
    unsigned i = 0;
    while (i < e->route_count && !slice_eq(e->routes[i].name, name))
        i++;
    if (i == e->route_count)
        config_mistakes_add(r->m, rules_spot(value), section, SLICE("fallback"),
                            "there is no such route: give one of them name = \"%.*s\"",
                            SLICE_FMT(name));
    else if (!e->routes[i].host_count)
        config_mistakes_add(r->m, rules_spot(value), section, SLICE("fallback"),
                            "the route on line %d has no hosts: a fallback needs some",
                            rules_spot(rules_nth(r, "route", i)).line);
    else
        e->routes[i].is_fallback = !has_conditions(rules_nth(r, "route", i));
    *out = i;
    return i < e->route_count && e->routes[i].host_count;
}

static void check_fallbacks(struct rules *r)
{
    struct engine_options *e = &r->c->engine;
    if (e->fallback_name.n)
        e->has_fallback = find_fallback(r, e->fallback_name, rules_given(r, "delivery", "fallback"),
                                        "delivery", &e->fallback);
    for (unsigned i = 0; i < e->route_count; i++) {
        struct engine_route *route = &e->routes[i];
        const struct toml_node *value = rules_entry(rules_nth(r, "route", i), "fallback");
        route->has_no_fallback = slice_eq(route->fallback_name, SLICE("none"));
        if (!route->fallback_name.n || route->has_no_fallback)
            continue;
        if (route->host_count)
            config_mistakes_add(r->m, rules_spot(value), "route", SLICE("fallback"),
                                "is for routes without hosts: name more hosts here");
        else
            route->has_fallback =
                find_fallback(r, route->fallback_name, value, "route", &route->fallback);
    }
}

static bool takes_all(const struct engine_route *route, const struct toml_node *node)
{
    if (route->is_fallback || has_more_conditions(node))
        return false;
    if (!rules_entry(node, "recipients"))
        return true;
    for (unsigned i = 0; i < route->recipient_count; i++) {
        if (slice_eq(route->recipients[i], SLICE("*")) ||
            slice_eq(route->recipients[i], SLICE("*@*")))
            return true;
    }
    return false;
}

/* Does a user name it, or somebody whose fallback it is? */
static bool is_named(const struct rules *r, const struct engine_route *route)
{
    const struct config_user_item *u = r->draft->users;
    for (unsigned i = 0; route->name.n && i < r->draft->user_count; i++)
        if (slice_eq(u[i].route, route->name))
            return true;
    for (unsigned i = 0; route->name.n && i < r->c->engine.route_count; i++)
        if (slice_eq(r->c->engine.routes[i].fallback_name, route->name))
            return true;
    return route->name.n && slice_eq(r->c->engine.fallback_name, route->name);
}

static void check_route_name(struct rules *r, unsigned n)
{
    struct engine_route *route = r->c->engine.routes;
    for (unsigned i = 0; route[n].name.n && i < n; i++)
        if (slice_eq(route[i].name, route[n].name))
            config_mistakes_add(r->m, rules_spot(rules_entry(rules_nth(r, "route", n), "name")),
                                "route", SLICE("name"), "the route on line %d is named so already",
                                rules_spot(rules_nth(r, "route", i)).line);
}

/* In a users_file anybody may come later. */
static void check_route_logins(struct rules *r, const struct engine_route *route,
                               const struct toml_node *node)
{
    const struct config_user_item *u = r->draft->users;
    for (unsigned i = 0; i < route->login_count && !r->c->users_file.n; i++) {
        unsigned at = 0;
        while (at < r->draft->user_count && !slice_eq(u[at].engine.name, route->logins[i]))
            at++;
        if (at == r->draft->user_count)
            config_mistakes_add(r->m, rules_spot(rules_entry(node, "logins")), "route",
                                SLICE("logins"), "there is no [[user]] named \"%.*s\"",
                                SLICE_FMT(route->logins[i]));
    }
}

static void check_route_sizes(struct rules *r, const struct engine_route *route,
                              const struct toml_node *node)
{
    if (route->bytes_most && route->bytes_least > route->bytes_most)
        config_mistakes_add(r->m, rules_spot(rules_entry(node, "min_size")), "route",
                            SLICE("min_size"), "is more than max_size: no message is so");
}

/* Those that were given none, when all else has been judged. */
static void name_routes(struct rules *r)
{
    struct engine_options *e = &r->c->engine;
    for (unsigned i = 0; i < e->route_count; i++)
        if (!e->routes[i].name.n)
            e->routes[i].name = e->routes[i].host_count ? e->routes[i].hosts[0].name : SLICE("mx");
}

void config_routes_check(struct rules *r)
{
    struct engine_options *e = &r->c->engine;
    const struct toml_node *catch_all = NULL;
    check_fallbacks(r);
    for (unsigned i = 0; i < e->route_count; i++) {
        struct engine_route *route = &e->routes[i];
        const struct toml_node *node = rules_nth(r, "route", i);
        if (!rules_entry(node, "tls"))
            route->tls = config_logins_has(r, i) ? DELIVERY_TLS_VERIFY : DELIVERY_TLS_OPPORTUNISTIC;
        check_route_name(r, i);
        check_route_logins(r, route, node);
        check_route_sizes(r, route, node);
        if (catch_all && !is_named(r, route))
            config_mistakes_add(r->m, rules_spot(node), "route", SLICE_NONE,
                                "can never be used: the route on line %d takes every recipient",
                                rules_spot(catch_all).line);
        else if (takes_all(route, node))
            catch_all = node;
    }
    config_logins_check(r);
    name_routes(r);
}
