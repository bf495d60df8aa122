/* config_logins.c -- rules for what we log in with at smarthosts: route.auth and [[credential]]. */
#include "config_rules_inside.h"

static bool are_loopback(const struct engine_route *route)
{
    for (unsigned i = 0; i < route->host_count; i++) {
        struct ip ip;
        if (!ip_parse(route->hosts[i].name, &ip) || !ip_is_loopback(&ip))
            return false;
    }
    return true;
}

/* One of them, wherever it stands. */
struct login {
    const char *section;
    const struct toml_node *node;
    struct slice user, password, certificate, key;
    const enum smtp_sasl *mechanisms;
    unsigned mechanism_count;
    struct slice account;
};

static void complain(struct rules *r, const struct login *l, struct slice key, const char *what)
{
    config_mistakes_add(r->m, rules_spot(l->node), l->section, key, "%s", what);
}

static bool can_use(const struct login *l, enum smtp_sasl m)
{
    if (m == SMTP_SASL_OAUTHBEARER || m == SMTP_SASL_XOAUTH2)
        return l->user.n && l->account.n;
    return m == SMTP_SASL_EXTERNAL ? l->certificate.n > 0 : l->user.n && l->password.n;
}

/* Where all else is right: a word that could not be read would be judged, too. */
static void check_mechanisms(struct rules *r, const struct login *l)
{
    if (!l->mechanism_count || r->m->count)
        return;
    for (unsigned i = 0; i < l->mechanism_count; i++)
        if (can_use(l, l->mechanisms[i]))
            return;
    complain(r, l, SLICE("mechanisms"),
             "has none that can be used with what is given: EXTERNAL needs a certificate, "
             "OAUTHBEARER and XOAUTH2 an oauth2 account, all others user and password");
}

static void check_parts(struct rules *r, const struct login *l)
{
    bool has_password = rules_entry(l->node, "password") || rules_entry(l->node, "password_file");
    if (rules_entry(l->node, "user") && !has_password && !l->certificate.n && !l->account.n)
        complain(
            r, l, SLICE("password"),
            "is missing: write password = \"secret\" or password_file = \"/path\", or oauth2 = "
            "\"NAME\" of an [[oauth2]]");
    config_oauth_check_login(r, l->section, l->account, l->node);
    if (l->account.n && !rules_entry(l->node, "user"))
        complain(r, l, SLICE("user"), "is missing: whose token is it?");
    if (has_password && !rules_entry(l->node, "user"))
        complain(r, l, SLICE("user"), "is missing: whose password is it?");
    if (rules_entry(l->node, "certificate") && !rules_entry(l->node, "key"))
        complain(r, l, SLICE("key"), "is missing: a certificate needs its private key");
    if (rules_entry(l->node, "key") && !rules_entry(l->node, "certificate"))
        complain(r, l, SLICE("certificate"), "is missing: the key belongs to one");
    if (!rules_entry(l->node, "user") && !has_password && !rules_entry(l->node, "certificate"))
        complain(r, l, SLICE("user"), "is missing: user and password, or certificate and key");
    check_mechanisms(r, l);
}

/* Where it is told: what is wrong with the route for a login. */
static void check_way(struct rules *r, const struct login *l, const struct engine_route *route,
                      const struct toml_node *route_node, struct toml_spot at)
{
    const struct toml_node *tls = rules_entry(route_node, "tls");
    if (!rules_entry(route_node, "hosts"))
        config_mistakes_add(r->m, at, "route", SLICE("auth"),
                            "needs hosts: we log in at a smarthost only");
    if (route->tls != DELIVERY_TLS_NONE || !tls)
        return;
    if (!are_loopback(route))
        config_mistakes_add(r->m, rules_spot(tls), "route", SLICE("tls"),
                            "with auth, a password would leave unencrypted: write \"verify\" or, "
                            "for a certificate that cannot be verified, \"require\"");
    else if (l->certificate.n)
        config_mistakes_add(r->m, rules_spot(tls), "route", SLICE("tls"),
                            "a certificate can be shown in TLS only");
}

static int route_named(const struct rules *r, struct slice name)
{
    const struct engine_options *e = &r->c->engine;
    for (unsigned i = 0; i < e->route_count; i++)
        if (name.n && slice_eq(e->routes[i].name, name))
            return (int)i;
    return -1;
}

bool config_logins_has(const struct rules *r, unsigned route)
{
    const struct engine_options *e = &r->c->engine;
    bool has = rules_entry(rules_nth(r, "route", route), "auth");
    for (unsigned i = 0; i < e->credential_count && !has; i++)
        has = route_named(r, e->credentials[i].route_name) == (int)route;
    return has;
}

static void check_route_auth(struct rules *r, unsigned n)
{
    const struct engine_route *route = &r->c->engine.routes[n];
    const struct toml_node *node = rules_nth(r, "route", n);
    const struct toml_node *auth = rules_entry(node, "auth");
    if (!auth || auth->kind != TOML_TABLE)
        return;
    struct login l = {"route.auth",       auth,
                      route->user,        route->password,
                      route->certificate, route->certificate_key,
                      route->mechanisms,  route->mechanism_count,
                      route->account};
    check_way(r, &l, route, node, auth->key_at);
    check_parts(r, &l);
}

static void check_credential_logins(struct rules *r, const struct engine_credential *c,
                                    const struct toml_node *node)
{
    const struct config_user_item *u = r->draft->users;
    for (unsigned i = 0; i < c->login_count && !r->c->users_file.n; i++) {
        unsigned at = 0;
        while (at < r->draft->user_count && !slice_eq(u[at].engine.name, c->logins[i]))
            at++;
        if (at == r->draft->user_count)
            config_mistakes_add(r->m, rules_spot(rules_entry(node, "logins")), "credential",
                                SLICE("logins"), "there is no [[user]] named \"%.*s\"",
                                SLICE_FMT(c->logins[i]));
    }
}

static void check_credential(struct rules *r, unsigned n)
{
    struct engine_credential *c = &r->c->engine.credentials[n];
    const struct toml_node *node = rules_nth(r, "credential", n);
    struct login l = {"credential",   node,
                      c->user,        c->password,
                      c->certificate, c->certificate_key,
                      c->mechanisms,  c->mechanism_count,
                      c->account};
    int route = route_named(r, c->route_name);
    if (c->route_name.n && route < 0)
        config_mistakes_add(
            r->m, rules_spot(rules_entry(node, "route")), "credential", SLICE("route"),
            "there is no such route: give one of them name = \"%.*s\"", SLICE_FMT(c->route_name));
    if (route >= 0) {
        c->route = (unsigned)route;
        check_way(r, &l, &r->c->engine.routes[route], rules_nth(r, "route", c->route),
                  rules_spot(rules_entry(node, "route")));
    }
    check_parts(r, &l);
    check_credential_logins(r, c, node);
    for (unsigned i = 0; i < n; i++) {
        const struct engine_credential *before = &r->c->engine.credentials[i];
        if (!before->sender_count && !before->login_count && c->route_name.n &&
            slice_eq(before->route_name, c->route_name)) {
            config_mistakes_add(
                r->m, rules_spot(node), "credential", SLICE_NONE,
                "can never be used: the one on line %d is for all mail of the route",
                rules_spot(rules_nth(r, "credential", i)).line);
            return;
        }
    }
}

void config_logins_check(struct rules *r)
{
    for (unsigned i = 0; i < r->c->engine.route_count; i++)
        check_route_auth(r, i);
    for (unsigned i = 0; i < r->c->engine.credential_count; i++)
        check_credential(r, i);
}
