/* config_rules.c -- what one row cannot know: defaults from the world, and rules between keys. */
#include "config_rules_inside.h"

#include "base/map.h"
#include "config_value.h"

const struct toml_spot rules_nowhere = {0, 0};

const struct toml_node *rules_entry(const struct toml_node *table, const char *key)
{
    return table && table->kind == TOML_TABLE ? toml_get(table, slice_cstr(key)) : NULL;
}

const struct toml_node *rules_given(const struct rules *r, const char *section, const char *key)
{
    return rules_entry(*section ? rules_entry(r->tree, section) : r->tree, key);
}

const struct toml_node *rules_nth(const struct rules *r, const char *section, unsigned n)
{
    const struct toml_node *node = rules_entry(r->tree, section);
    if (!node || node->kind != TOML_ARRAY)
        return node;
    for (node = toml_first(node); node && n > 0; n--)
        node = node->next;
    return node;
}

struct toml_spot rules_spot(const struct toml_node *node)
{
    return node ? node->at : rules_nowhere;
}

/* ---- defaults from the world ---- */

/* A default goes through its row like anything else. */
static void set_default(struct rules *r, const char *section, const char *key, struct slice text,
                        const char *from, struct slice *out)
{
    const struct config_option *o = config_option_find(section, slice_cstr(key));
    CHECK(o);
    struct slice said = config_value_set(o, text, &r->c->arena, out);
    if (said.n)
        config_mistakes_add(r->m, rules_nowhere, section, slice_cstr(key), "%s: %.*s; give it here",
                            from, SLICE_FMT(said));
}

static void default_hostname(struct rules *r)
{
    if (rules_given(r, "", "hostname"))
        return;
    struct slice name = slice_cstr(r->world->host_name);
    set_default(r, "", "hostname", name.n ? name : SLICE("localhost"), "the system's host name",
                &r->c->engine.hostname);
}

static void default_state_dir(struct rules *r)
{
    if (rules_given(r, "", "state_dir"))
        return;
    struct slice home = slice_cstr(r->world->home_dir);
    if (!r->world->is_root && !home.n) {
        config_mistakes_add(r->m, rules_nowhere, "", SLICE("state_dir"),
                            "there is no home directory to make it in; set it");
        return;
    }
    struct slice dir = r->world->is_root ? SLICE("/var/lib/outpost")
                                         : arena_printf(&r->c->arena, "%.*s/.local/state/outpost",
                                                        SLICE_FMT(home));
    set_default(r, "", "state_dir", dir, "under the home directory", &r->c->state_dir);
}

static void default_control_socket(struct rules *r)
{
    if (rules_given(r, "control", "socket"))
        return;
    struct slice runtime = slice_cstr(r->world->runtime_dir);
    struct slice path = SLICE("/run/outpost/control.sock");
    const char *from = "in its usual place";
    if (!r->world->is_root && runtime.n) {
        path = arena_printf(&r->c->arena, "%.*s/outpost/control.sock", SLICE_FMT(runtime));
        from = "under $XDG_RUNTIME_DIR";
    } else if (!r->world->is_root) {
        if (!r->c->state_dir.n)
            return; /* told already */
        path = arena_printf(&r->c->arena, "%.*s/control.sock", SLICE_FMT(r->c->state_dir));
        from = "under state_dir";
    }
    set_default(r, "control", "socket", path, from, &r->c->control_socket);
}

/* Next to the control socket, and under the state directory. */
static void default_sendmail(struct rules *r)
{
    struct slice control = r->c->control_socket;
    size_t slash = slice_find_last(control, '/');
    if (!rules_given(r, "sendmail", "socket") && slash < control.n)
        set_default(
            r, "sendmail", "socket",
            arena_printf(&r->c->arena, "%.*s/submit.sock", SLICE_FMT(slice_head(control, slash))),
            "next to the control socket", &r->c->sendmail_socket);
    if (!rules_given(r, "sendmail", "drop_dir") && r->c->state_dir.n)
        set_default(r, "sendmail", "drop_dir",
                    arena_printf(&r->c->arena, "%.*s/drop", SLICE_FMT(r->c->state_dir)),
                    "under state_dir", &r->c->sendmail_drop_dir);
}

static void default_listeners(struct rules *r)
{
    static const char *const address[] = {"127.0.0.1:587", "[::1]:587"};
    struct engine_options *e = &r->c->engine;
    if (rules_given(r, "", "listen"))
        return;
    e->listeners = arena_new(&r->c->arena, COUNT_OF(address) * sizeof *e->listeners);
    e->listener_count = COUNT_OF(address);
    for (size_t i = 0; i < COUNT_OF(address); i++)
        e->listeners[i] = (struct engine_listener){.address = slice_cstr(address[i]),
                                                   .tls = LISTENER_TLS_STARTTLS,
                                                   .auth = SMTP_AUTH_REQUIRED};
    r->c->has_default_listeners = true;
}

/* The socket of sendmail(1) is a listener like the others, behind those of the file. */
static void add_local_listener(struct rules *r)
{
    struct engine_options *e = &r->c->engine;
    if (!r->c->has_sendmail || !r->c->sendmail_socket.n)
        return;
    struct engine_listener *all =
        arena_new(&r->c->arena, (e->listener_count + 1) * sizeof *e->listeners);
    for (unsigned i = 0; i < e->listener_count; i++)
        all[i] = e->listeners[i];
    all[e->listener_count++] = (struct engine_listener){
        .address = arena_printf(&r->c->arena, "unix:%.*s", SLICE_FMT(r->c->sendmail_socket)),
        .tls = LISTENER_TLS_NONE,
        .auth = SMTP_AUTH_OFF,
        .is_local = true,
    };
    e->listeners = all;
}

/* ---- rules between keys ---- */

static void check_tls(struct rules *r)
{
    const struct toml_node *certificate = rules_given(r, "tls", "certificate");
    const struct toml_node *key = rules_given(r, "tls", "key");
    if (!certificate == !key)
        return;
    config_mistakes_add(r->m, rules_spot(certificate ? certificate : key), "tls",
                        certificate ? SLICE("certificate") : SLICE("key"),
                        "%s is missing: certificate and key come together",
                        certificate ? "key" : "certificate");
}

static struct slice socket_path(struct slice address)
{
    struct slice path = slice_from(address, sizeof "unix:" - 1);
    size_t comma = slice_find_last(path, ',');
    return slice_starts(slice_from(path, comma), SLICE(",mode=")) ? slice_head(path, comma) : path;
}

static void check_unix_listener(struct rules *r, unsigned i)
{
    struct engine_listener *l = r->c->engine.listeners;
    const struct toml_node *node = rules_nth(r, "listen", i), *tls = rules_entry(node, "tls");
    struct slice path = socket_path(l[i].address);
    if (tls && l[i].tls != LISTENER_TLS_NONE)
        config_mistakes_add(r->m, rules_spot(tls), "listen", SLICE("tls"),
                            "a Unix socket has no TLS: write \"none\", or leave it out");
    if (rules_entry(node, "proxy_networks"))
        config_mistakes_add(r->m, rules_spot(rules_entry(node, "proxy_networks")), "listen",
                            SLICE("proxy_networks"),
                            "the clients of a Unix socket have no address: let the proxy connect "
                            "to a listener with address and port");
    l[i].tls = LISTENER_TLS_NONE;
    bool is_taken = slice_eq(path, r->c->control_socket) ||
                    (r->c->has_sendmail && slice_eq(path, r->c->sendmail_socket));
    if (is_taken)
        config_mistakes_add(r->m, rules_spot(rules_entry(node, "address")), "listen",
                            SLICE("address"),
                            "control.socket or sendmail.socket has this path already");
    for (unsigned k = 0; k < i && !is_taken; k++) {
        if (!slice_starts(l[k].address, SLICE("unix:")) ||
            !slice_eq(socket_path(l[k].address), path))
            continue;
        config_mistakes_add(r->m, rules_spot(rules_entry(node, "address")), "listen",
                            SLICE("address"), "the listener on line %d has it already",
                            rules_spot(rules_nth(r, "listen", k)).line);
        break;
    }
}

/* A listener that asks, and somebody who could answer. */
static void check_certificates(struct rules *r, unsigned i)
{
    const struct engine_listener *l = &r->c->engine.listeners[i];
    const struct toml_node *node = rules_entry(rules_nth(r, "listen", i), "client_certificates");
    bool is_of_somebody = false;
    if (l->certificates == LISTENER_CERTIFICATES_NONE)
        return;
    for (unsigned k = 0; k < r->draft->user_count && !is_of_somebody; k++) {
        const struct toml_node *user = rules_nth(r, "user", k);
        is_of_somebody =
            rules_entry(user, "certificates") || rules_entry(user, "certificate_names");
    }
    if (l->tls == LISTENER_TLS_NONE)
        config_mistakes_add(r->m, rules_spot(node), "listen", SLICE("client_certificates"),
                            "there are none without TLS");
    else if (!is_of_somebody)
        config_mistakes_add(r->m, rules_spot(node), "listen", SLICE("client_certificates"),
                            "no user has any: give a [[user]] certificates or certificate_names");
}

static void check_listeners(struct rules *r)
{
    const struct engine_options *e = &r->c->engine;
    struct ip_port at[CONFIG_LISTENERS_MAX] = {0};
    for (unsigned i = 0; i < e->listener_count; i++) {
        if (slice_starts(e->listeners[i].address, SLICE("unix:")))
            check_unix_listener(r, i);
        check_certificates(r, i);
        if (!ip_port_parse(e->listeners[i].address, 0, &at[i]))
            continue;
        for (unsigned k = 0; k < i; k++) {
            if (at[i].port == 0 || at[k].port != at[i].port || !ip_eq(&at[k].ip, &at[i].ip))
                continue;
            config_mistakes_add(r->m, rules_spot(rules_entry(rules_nth(r, "listen", i), "address")),
                                "listen", SLICE("address"),
                                "the listener on line %d has it already",
                                rules_spot(rules_nth(r, "listen", k)).line);
            break;
        }
    }
}

/* The route that a user names, and only it. */
static void check_user_route(struct rules *r, struct config_user_item *u,
                             const struct toml_node *node)
{
    const struct engine_options *e = &r->c->engine;
    for (unsigned i = 0; u->route.n && i < e->route_count && !u->engine.has_route; i++) {
        u->engine.has_route = slice_eq(e->routes[i].name, u->route);
        u->engine.route = i;
    }
    if (u->route.n && !u->engine.has_route)
        config_mistakes_add(r->m, rules_spot(rules_entry(node, "route")), "user", SLICE("route"),
                            "there is no such route: give one of them name = \"%.*s\"",
                            SLICE_FMT(u->route));
}

_Static_assert(sizeof(struct engine_fingerprint) == 33, "a key without padding");

/* Nobody's fingerprint may be somebody else's, too. */
static void check_fingerprints(struct rules *r)
{
    const struct config_user_item *u = r->draft->users;
    struct map owners;
    map_init(&owners, 0);
    for (unsigned i = 0; i < r->draft->user_count; i++)
        for (unsigned k = 0; k < u[i].engine.certificate_count; k++) {
            const struct engine_fingerprint *f = &u[i].engine.certificates[k];
            const struct config_user_item *owner = map_get(&owners, slice_of(f, sizeof *f));
            if (!owner)
                map_put(&owners, slice_of(f, sizeof *f), (void *)&u[i]);
            else if (owner != &u[i])
                config_mistakes_add(
                    r->m, rules_spot(rules_entry(rules_nth(r, "user", i), "certificates")), "user",
                    SLICE("certificates"), "the user on line %d has one of them",
                    rules_spot(rules_nth(r, "user", (unsigned)(owner - u))).line);
        }
    map_close(&owners);
}

static bool asks_certificates(const struct engine_options *e)
{
    for (unsigned i = 0; i < e->listener_count; i++)
        if (e->listeners[i].certificates != LISTENER_CERTIFICATES_NONE)
            return true;
    return false;
}

static void check_user_certificates(struct rules *r, unsigned i, const struct toml_node *node)
{
    const struct engine_user *u = &r->draft->users[i].engine;
    const char *key = u->certificate_count ? "certificates" : "certificate_names";
    if (!u->certificate_count && !u->certificate_name_count)
        return;
    if (!asks_certificates(&r->c->engine))
        config_mistakes_add(r->m, rules_spot(rules_entry(node, key)), "user", slice_cstr(key),
                            "no listener asks for certificates: give one of them "
                            "client_certificates = \"optional\"");
    if (u->certificate_name_count && !r->c->tls_client_ca_file.n)
        config_mistakes_add(r->m, rules_spot(rules_entry(node, "certificate_names")), "user",
                            SLICE("certificate_names"),
                            "needs tls.client_ca_file: the authorities that sign such names");
}

static void check_user(struct rules *r, unsigned i)
{
    struct config_user_item *u = &r->draft->users[i];
    const struct toml_node *node = rules_nth(r, "user", i);
    if (!node || node->kind != TOML_TABLE)
        return; /* told already */
    check_user_certificates(r, i, node);
    if (!u->password_count && !rules_entry(node, "password") &&
        !rules_entry(node, "password_file") && !rules_entry(node, "passwords") &&
        !rules_entry(node, "certificates") && !rules_entry(node, "certificate_names"))
        config_mistakes_add(r->m, rules_spot(node), "user", SLICE("password"),
                            "is missing: write password = \"$argon2id$...\" or password_file = "
                            "\"/path\"; `outpost passwd` makes the hash");
    if (u->engine.message_bytes_max > r->c->engine.message_bytes_max)
        config_mistakes_add(r->m, rules_spot(rules_entry(node, "max_message_size")), "user",
                            SLICE("max_message_size"),
                            "must not be larger than submission.max_message_size");
    check_user_route(r, u, node);
}

static void check_users(struct rules *r)
{
    const struct config_user_item *u = r->draft->users;
    for (unsigned i = 0; i < r->draft->user_count; i++) {
        for (unsigned k = 0; u[i].engine.name.n && k < i; k++) {
            if (!slice_eq(u[i].engine.name, u[k].engine.name))
                continue;
            config_mistakes_add(r->m, rules_spot(rules_entry(rules_nth(r, "user", i), "name")),
                                "user", SLICE("name"), "the user on line %d is named so already",
                                rules_spot(rules_nth(r, "user", k)).line);
            break;
        }
        check_user(r, i);
    }
    check_fingerprints(r);
}

static void check_queue(struct rules *r)
{
    struct engine_options *e = &r->c->engine;
    const struct toml_node *warn_after = rules_given(r, "queue", "warn_after");
    if (e->warn_after_ms < e->lifetime_ms)
        return;
    if (warn_after)
        config_mistakes_add(r->m, rules_spot(warn_after), "queue", SLICE("warn_after"),
                            "must be less than lifetime; \"0s\" means never");
    e->warn_after_ms = 0;
}

static void check_retry(struct rules *r)
{
    struct engine_options *e = &r->c->engine;
    const struct toml_node *first = rules_given(r, "retry", "first");
    const struct toml_node *max = rules_given(r, "retry", "max");
    if (e->retry_first_ms <= e->retry_max_ms)
        return;
    if (first && max)
        config_mistakes_add(r->m, rules_spot(first), "retry", SLICE("first"),
                            "must not be longer than max");
    else if (first)
        e->retry_max_ms = e->retry_first_ms;
    else
        e->retry_first_ms = e->retry_max_ms;
}

/* ---- rewriting ---- */

static const struct toml_node *nth_item(const struct toml_node *list, unsigned n)
{
    if (!list || list->kind != TOML_ARRAY)
        return list;
    for (list = toml_first(list); list && n > 0; n--)
        list = list->next;
    return list;
}

static void check_aliases(struct rules *r)
{
    const struct rewrite_options *o = &r->c->engine.rewrite;
    const struct toml_node *list = rules_given(r, "rewrite", "aliases");
    for (unsigned i = 0; i < o->alias_count; i++) {
        struct slice name = o->aliases[i].pattern;
        if (slice_find(name, '@') < name.n || slice_find(name, '*') < name.n)
            config_mistakes_add(r->m, rules_spot(nth_item(list, i)), "rewrite", SLICE("aliases"),
                                "the name of an alias is a local part, such as root: rules with "
                                "'@' or '*' belong to recipients");
    }
    unsigned at = rewrite_find_loop(o, r->c->engine.hostname);
    if (at < o->alias_count)
        config_mistakes_add(r->m, rules_spot(nth_item(list, at)), "rewrite", SLICE("aliases"),
                            "%.*s leads back to itself, or to more than %d names",
                            SLICE_FMT(o->aliases[at].pattern), REWRITE_TARGETS_MAX);
}

static void check_maps(struct rules *r, const char *key, const struct rewrite_rule *rule,
                       unsigned count)
{
    const struct toml_node *list = rules_given(r, "rewrite", key);
    for (unsigned i = 0; i < count; i++) {
        if (!rule[i].target_count || !rule[i].targets[0].n)
            continue; /* told already */
        struct slice target = rule[i].targets[0];
        if (rule[i].target_count > 1 || slice_find(target, '@') == target.n)
            config_mistakes_add(r->m, rules_spot(nth_item(list, i)), "rewrite", slice_cstr(key),
                                "needs one target with a domain; several are for aliases");
    }
}

static uint64_t *keys_of(struct rules *r, const struct rewrite_rule *rule, unsigned count)
{
    uint64_t *key = arena_new(&r->c->arena, (count + 1) * sizeof *key);
    for (unsigned i = 0; i < count; i++)
        key[i] = rewrite_key(rule[i].pattern);
    return key;
}

static void add_keys(struct rules *r)
{
    struct rewrite_options *o = &r->c->engine.rewrite;
    o->sender_keys = keys_of(r, o->senders, o->sender_count);
    o->recipient_keys = keys_of(r, o->recipients, o->recipient_count);
    o->from_keys = keys_of(r, o->from, o->from_count);
}

static void check_staging(struct rules *r)
{
    const struct rewrite_options *o = &r->c->engine.rewrite;
    if (o->environment == REWRITE_STAGING && !o->staging_mailbox.n)
        config_mistakes_add(r->m, rules_spot(rules_given(r, "", "environment")), "",
                            SLICE("environment"),
                            "staging needs a mailbox that gets the mail: write [staging] and "
                            "mailbox = \"...\"");
}

void config_rules_apply(struct config_draft *d, const struct toml_node *tree,
                        const struct config_world *world, struct config_mistakes *m)
{
    struct rules r = {.draft = d, .c = &d->config, .tree = tree, .world = world, .m = m};
    default_hostname(&r);
    default_state_dir(&r);
    default_control_socket(&r);
    default_sendmail(&r);
    default_listeners(&r);
    check_tls(&r);
    check_listeners(&r);
    add_local_listener(&r);
    check_users(&r);
    check_queue(&r);
    check_retry(&r);
    check_aliases(&r);
    check_maps(&r, "senders", r.c->engine.rewrite.senders, r.c->engine.rewrite.sender_count);
    check_maps(&r, "recipients", r.c->engine.rewrite.recipients,
               r.c->engine.rewrite.recipient_count);
    check_maps(&r, "from", r.c->engine.rewrite.from, r.c->engine.rewrite.from_count);
    add_keys(&r);
    check_staging(&r);
    config_oauth_check(&r);
    config_routes_check(&r);
    config_sources_check(&r);
    config_shapes_check(&r);
}
