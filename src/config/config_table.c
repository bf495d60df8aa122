/* config_table.c -- types and sections of the option table, and finding rows in it. */
#include "config_rows.h"

const struct config_type_facts config_type_facts[CONFIG_TYPE_COUNT] = {
    [CONFIG_NAME] = {"a string", sizeof(struct slice), true, false},
    [CONFIG_HOSTNAME] = {"a domain name", sizeof(struct slice), true, false},
    [CONFIG_PATH] = {"an absolute path", sizeof(struct slice), true, false},
    [CONFIG_HASH] = {"a password hash", sizeof(struct slice), true, true},
    [CONFIG_SECRET] = {"a string", sizeof(struct slice), true, true},
    [CONFIG_LISTEN] = {"an address and port", sizeof(struct slice), true, false},
    [CONFIG_ENDPOINT] = {"an address and port, or unix:/path", sizeof(struct slice), true, false},
    [CONFIG_PATTERN] = {"an address pattern", sizeof(struct slice), true, false},
    [CONFIG_GLOB] = {"a name pattern", sizeof(struct slice), true, false},
    [CONFIG_BOOL] = {"true or false", sizeof(bool), false, false},
    [CONFIG_COUNT] = {"a whole number", sizeof(unsigned), false, false},
    [CONFIG_LEVEL] = {"a whole number", sizeof(int), false, false},
    [CONFIG_PORT] = {"a port number", sizeof(uint16_t), false, false},
    [CONFIG_SIZE] = {"a size", sizeof(uint64_t), true, false},
    [CONFIG_DURATION] = {"a duration", sizeof(int64_t), true, false},
    [CONFIG_RATE] = {"a rate", sizeof(struct policy_rate), true, false},
    [CONFIG_FACTOR] = {"a number", sizeof(double), false, false},
    [CONFIG_CHOICE] = {"a word", sizeof(unsigned), true, false},
    [CONFIG_IP] = {"an IP address", sizeof(struct ip), true, false},
    [CONFIG_NETWORK] = {"a network", sizeof(struct ip_net), true, false},
    [CONFIG_RESOLVER] = {"an address", sizeof(struct ip_port), true, false},
    [CONFIG_HOST] = {"a host and port", sizeof(struct engine_host), true, false},
    [CONFIG_ADDRESS] = {"a mail address", sizeof(struct slice), true, false},
    [CONFIG_SHA256] = {"a fingerprint", sizeof(struct engine_fingerprint), true, false},
    [CONFIG_RULE] = {"a rule \"pattern = target\"", sizeof(struct rewrite_rule), true, false},
    [CONFIG_FIELD] = {"a header field \"Name: value\"", sizeof(struct slice), true, false},
    [CONFIG_HEADING] = {"the name of a header field", sizeof(struct slice), true, false},
};

/* In the order of the example. */
const struct config_section config_sections[] = {
    {.path = "", .shape = CONFIG_ONE, .meaning = "Keys above the first table."},
    {.path = "log", .shape = CONFIG_ONE, .meaning = "The log goes to standard error."},
    {.path = "tls",
     .shape = CONFIG_ONE,
     .meaning = "The certificate that listeners show, and whom we believe when we verify others."},
    {.path = "listen",
     .shape = CONFIG_MANY,
     .item_bytes = sizeof(struct engine_listener),
     .at = ENGINE(listeners),
     .count_at = ENGINE(listener_count),
     .items_least = 1,
     .items_most = CONFIG_LISTENERS_MAX,
     .meaning = "Where submissions are taken; one table for each listener. Without any, there are "
                "two: 127.0.0.1:587 and [::1]:587."},
    {.path = "submission", .shape = CONFIG_ONE, .meaning = "What clients may do."},
    {.path = "user",
     .shape = CONFIG_MANY,
     .item_bytes = sizeof(struct config_user_item),
     .at = offsetof(struct config_draft, users),
     .count_at = offsetof(struct config_draft, user_count),
     .items_most = CONFIG_USERS_MAX,
     .meaning = "Who may log in; one table for each user."},
    {.path = "rewrite",
     .shape = CONFIG_ONE,
     .meaning =
         "Addresses of envelope and header: completed, mapped, sent to others; fields of the "
         "header added and removed. doc/rewriting.md tells the order."},
    {.path = "staging",
     .shape = CONFIG_ONE,
     .meaning = "With environment = \"staging\": who still gets mail, and who gets that of all "
                "others."},
    {.path = "queue", .shape = CONFIG_ONE, .meaning = "Messages that wait."},
    {.path = "retry",
     .shape = CONFIG_ONE,
     .meaning = "When a deferred recipient is tried again: first, then factor times as long each "
                "time, up to max."},
    {.path = "delivery", .shape = CONFIG_ONE, .meaning = "Connections to other mail servers."},
    {.path = "dns", .shape = CONFIG_ONE, .meaning = "Whom we ask for MX and address records."},
    {.path = "source",
     .shape = CONFIG_MANY,
     .item_bytes = sizeof(struct engine_source),
     .at = ENGINE(sources),
     .count_at = ENGINE(source_count),
     .items_most = ENGINE_SOURCES_MAX,
     .meaning = "Addresses of this machine to deliver from, each with the name it says in EHLO; "
                "delivery.sources and route.sources name the ones to use. doc/addresses.md tells "
                "how one is chosen."},
    {.path = "route",
     .shape = CONFIG_MANY,
     .item_bytes = sizeof(struct engine_route),
     .at = ENGINE(routes),
     .count_at = ENGINE(route_count),
     .items_most = CONFIG_ROUTES_MAX,
     .meaning = "Mail that goes to a smarthost; the first route of which all holds wins. "
                "Recipients without a route go to the MX hosts of their domain."},
    {.path = "route.auth",
     .shape = CONFIG_INNER,
     .meaning = "How we log in at this route's hosts: user and password, or certificate and key. "
                "Nothing of it leaves over an unencrypted connection, except to a loopback "
                "address. doc/smarthost-login.md has more.",
     .sample = "{ user = \"relay\", password_file = \"/run/secrets/smtp\" }"},
    {.path = "shape",
     .shape = CONFIG_MANY,
     .item_bytes = sizeof(struct engine_shape),
     .at = ENGINE(shapes),
     .count_at = ENGINE(shape_count),
     .items_most = CONFIG_SHAPES_MAX,
     .meaning = "Limits for some destinations. What is said of where must all hold; for each limit "
                "the first [[shape]] that holds and has it decides. doc/shaping.md tells more."},
    {.path = "reply",
     .shape = CONFIG_MANY,
     .item_bytes = sizeof(struct policy_reply_rule),
     .at = ENGINE(replies),
     .count_at = ENGINE(reply_count),
     .items_most = CONFIG_REPLIES_MAX,
     .meaning = "What refusals of some hosts mean. The first that fits decides; behind them stand "
                "rules of our own, see delivery.builtin_rules."},
    {.path = "credential",
     .shape = CONFIG_MANY,
     .item_bytes = sizeof(struct engine_credential),
     .at = ENGINE(credentials),
     .count_at = ENGINE(credential_count),
     .items_most = CONFIG_CREDENTIALS_MAX,
     .meaning = "What some mail logs in with at a route's hosts, in place of route.auth; the first "
                "of which all holds wins. Mail of different credentials shares no connection. "
                "doc/smarthost-login.md has more."},
    {.path = "oauth2",
     .shape = CONFIG_MANY,
     .item_bytes = sizeof(struct oauth_account),
     .at = TOP(accounts),
     .count_at = TOP(account_count),
     .items_most = CONFIG_ACCOUNTS_MAX,
     .meaning = "Accounts whose access tokens stand for a password at a smarthost; the relay "
                "fetches them. doc/oauth2.md tells how to enrol them."},
    {.path = "control",
     .shape = CONFIG_ONE,
     .meaning = "The socket for `outpost status`, `outpost queue` and the rest."},
    {.path = "sendmail",
     .shape = CONFIG_ONE,
     .meaning =
         "How sendmail(1) hands over mail of local users: through a Unix socket, and through "
         "a drop directory while the relay is down."},
    {.path = "metrics", .shape = CONFIG_ONE, .meaning = "Prometheus metrics over HTTP."},
};
const size_t config_section_count = COUNT_OF(config_sections);

static const struct config_rows *const all_rows[] = {&config_rows_in, &config_rows_out,
                                                     &config_rows_shape, &config_rows_oauth};

const struct config_option *config_option_next(const struct config_option *o)
{
    if (!o)
        return all_rows[0]->row;
    for (size_t i = 0; i < COUNT_OF(all_rows); i++) {
        if (o != all_rows[i]->row + all_rows[i]->count - 1)
            continue;
        return i + 1 < COUNT_OF(all_rows) ? all_rows[i + 1]->row : NULL;
    }
    return o + 1;
}

const struct config_later config_laters[] = {
    {"dkim", "signing with DKIM is not available yet; let the sender or the smarthost sign"},
};
const size_t config_later_count = COUNT_OF(config_laters);

/* How many bytes of a path are its section. */
static size_t section_bytes(struct slice path)
{
    size_t dot = slice_find_last(path, '.');
    return dot == path.n ? 0 : dot;
}

static bool is_in(const char *path, const char *section)
{
    struct slice s = slice_cstr(path);
    return s.n > 0 && slice_eq(slice_head(s, section_bytes(s)), slice_cstr(section));
}

static bool is_named(const char *path, const char *section, struct slice key)
{
    return is_in(path, section) && slice_eq(slice_cstr(config_last_part(path)), key);
}

const struct config_option *config_option_find(const char *section, struct slice key)
{
    for (const struct config_option *o = config_option_next(NULL); o; o = config_option_next(o)) {
        if (is_named(o->path, section, key))
            return o;
    }
    return NULL;
}

const struct config_section *config_section_find(const char *section, struct slice key)
{
    for (size_t i = 0; i < config_section_count; i++) {
        if (is_named(config_sections[i].path, section, key))
            return &config_sections[i];
    }
    return NULL;
}

const struct config_later *config_later_find(const char *section, struct slice key)
{
    for (size_t i = 0; i < config_later_count; i++) {
        if (is_named(config_laters[i].path, section, key))
            return &config_laters[i];
    }
    return NULL;
}

bool config_option_is_in(const struct config_option *o, const char *section)
{
    return is_in(o->path, section);
}

bool config_section_is_in(const struct config_section *s, const char *section)
{
    return is_in(s->path, section);
}

const char *config_last_part(const char *path)
{
    struct slice s = slice_cstr(path);
    size_t dot = slice_find_last(s, '.');
    return dot == s.n ? path : path + dot + 1;
}
