/* config_oauth.c -- rules for [[oauth2]], and what a preset fills in. */
#include "config_rules_inside.h"

#include "http/http_post.h"

#include <string.h>

struct entry {
    struct rules *r;
    struct oauth_account *a;
    const struct toml_node *node;
};

static void complain(const struct entry *x, const char *key, const char *said)
{
    const struct toml_node *at = rules_entry(x->node, key);
    config_mistakes_add(x->r->m, rules_spot(at ? at : x->node), "oauth2", slice_cstr(key), "%s",
                        said);
}

static bool is_tenant(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_is_alpha(s.p[i]) && !ascii_is_digit(s.p[i]) &&
            (!s.p[i] || !memchr("-._", s.p[i], 3)))
            return false;
    return s.n > 0;
}

/* A preset's address with the tenant in it. */
static struct slice fill_in(const struct entry *x, const char *preset)
{
    struct slice s = slice_cstr(preset), mark = SLICE("{tenant}");
    size_t at = slice_find(s, '{');
    if (at == s.n)
        return s;
    return arena_printf(&x->r->c->arena, "%.*s%.*s%s", (int)at, s.p, SLICE_FMT(x->a->tenant),
                        s.p + at + mark.n);
}

static void fill_in_preset(const struct entry *x)
{
    const struct oauth_preset_facts *f = &oauth_preset_facts[x->a->preset];
    struct oauth_account *a = x->a;
    bool is_client = a->grant == OAUTH_CLIENT_CREDENTIALS;
    if (!a->tenant.n)
        a->tenant = slice_cstr(f->tenant);
    if (!a->scope.n)
        a->scope = slice_cstr(is_client ? f->scope_of_client : f->scope);
    if (!a->token_url.n)
        a->token_url = fill_in(x, f->token_url);
    if (!a->device_url.n)
        a->device_url = fill_in(x, f->device_url);
}

static void check_url(const struct entry *x, const char *key, struct slice text)
{
    struct http_url url;
    if (!rules_entry(x->node, key))
        return;
    if (!http_url_parse(text, &url))
        complain(x, key, "is no such address: write \"https://host/path\"");
    else if (url.is_address)
        complain(x, key, "needs the name of a host: its certificate is verified by it");
}

static void check_grant(const struct entry *x)
{
    const struct oauth_account *a = x->a;
    if (a->grant != OAUTH_CLIENT_CREDENTIALS)
        return;
    if (a->preset == OAUTH_GOOGLE)
        complain(x, "grant", "Google issues none of these for mail: use refresh_token");
    if (!a->client_secret.n)
        complain(x, "client_secret",
                 "is missing: with client_credentials the application proves itself by it");
    if (rules_entry(x->node, "refresh_token") || rules_entry(x->node, "refresh_token_file"))
        complain(x, "grant", "client_credentials use no refresh_token: one of them must go");
    if (a->preset == OAUTH_MICROSOFT && !rules_entry(x->node, "tenant"))
        complain(x, "tenant",
                 "is missing: with client_credentials it must be said whose directory");
}

static void check_name(const struct entry *x, unsigned n)
{
    const struct config *c = x->r->c;
    if (!x->a->name.n)
        return; /* told already */
    if (!oauth_name_is_valid(x->a->name))
        complain(x, "name", "may hold letters, digits and \"-_.@+\", and not begin with a dot");
    for (unsigned i = 0; i < n; i++) {
        if (!slice_eq(c->accounts[i].name, x->a->name))
            continue;
        config_mistakes_add(x->r->m, rules_spot(rules_entry(x->node, "name")), "oauth2",
                            SLICE("name"), "the account on line %d is named so already",
                            rules_spot(rules_nth(x->r, "oauth2", i)).line);
        break;
    }
}

static void check_account(const struct entry *x)
{
    const struct oauth_account *a = x->a;
    if (rules_entry(x->node, "tenant") && a->preset != OAUTH_MICROSOFT)
        complain(x, "tenant", "is for preset = \"microsoft\" only");
    else if (a->tenant.n && !is_tenant(a->tenant))
        complain(x, "tenant", "must be the directory's id or a domain");
    check_url(x, "token_url", a->token_url);
    check_url(x, "device_url", a->device_url);
    if (!a->token_url.n)
        complain(x, "token_url",
                 "is missing: write token_url = \"https://host/path\", or preset = \"microsoft\" "
                 "or \"google\"");
    check_grant(x);
}

void config_oauth_check(struct rules *r)
{
    for (unsigned i = 0; i < r->c->account_count; i++) {
        const struct entry x = {r, &r->c->accounts[i], rules_nth(r, "oauth2", i)};
        if (!x.node || x.node->kind != TOML_TABLE)
            continue; /* told already */
        check_name(&x, i);
        fill_in_preset(&x);
        check_account(&x);
    }
}

const struct oauth_account *config_account(const struct config *c, struct slice name)
{
    for (unsigned i = 0; i < c->account_count; i++)
        if (slice_eq(c->accounts[i].name, name))
            return &c->accounts[i];
    return NULL;
}

void config_oauth_check_login(struct rules *r, const char *section, struct slice account,
                              const struct toml_node *login)
{
    const struct toml_node *node = rules_entry(login, "oauth2");
    bool has_password = rules_entry(login, "password") || rules_entry(login, "password_file");
    bool is_of_route = slice_eq(slice_cstr(section), SLICE("route.auth"));
    if (has_password && node && is_of_route)
        config_mistakes_add(r->m, rules_spot(node), section, SLICE("oauth2"),
                            "stands for a password: one of them must go");
    if (account.n && !config_account(r->c, account))
        config_mistakes_add(r->m, rules_spot(node), section, SLICE("oauth2"),
                            "there is no such account: write an [[oauth2]] with name = \"%.*s\"",
                            SLICE_FMT(account));
}
