/* Configurations, good ones with what they come to, bad ones with what is said about them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "../../../src/config/config_table.h"
#include "base/buf.h"
#include "fake_world.h"

enum { TEXT_BYTES_MAX = 8 * 1024 * 1024 };

static struct config *load(const char *text, struct config_mistake **mistakes, unsigned *count)
{
    struct config_world world = fake_world();
    return config_load(slice_cstr(text), &world, mistakes, count);
}

static struct config *load_well_in(const char *text, const struct config_world *world)
{
    struct config_mistake *mistakes;
    unsigned count;
    struct config *c = config_load(slice_cstr(text), world, &mistakes, &count);
    for (unsigned i = 0; i < count; i++)
        print_error("%d:%d: %.*s: %.*s\n", mistakes[i].line, mistakes[i].column,
                    SLICE_FMT(mistakes[i].key), SLICE_FMT(mistakes[i].text));
    if (count)
        fail_msg("%u mistakes in: %s", count, text);
    return c;
}

static struct config *load_well(const char *text)
{
    struct config_world world = fake_world();
    return load_well_in(text, &world);
}

static void assert_slice(struct slice s, const char *wanted)
{
    if (!slice_eq(s, slice_cstr(wanted)))
        fail_msg("\"%.*s\" is not \"%s\"", SLICE_FMT(s), wanted);
}

/* ---- good ones ---- */

static void test_defaults(void **state)
{
    (void)state;
    struct config *c = load_well("");
    struct engine_options o;
    engine_options_default(&o);
    const struct engine_options *e = &c->engine;

    assert_slice(e->hostname, "box.example.org");
    assert_true(c->has_default_listeners);
    assert_int_equal(e->listener_count, 3);
    assert_true(e->listeners[2].is_local);
    assert_slice(e->listeners[2].address, "unix:/run/outpost/submit.sock");
    assert_slice(c->sendmail_drop_dir, "/var/lib/outpost/drop");
    assert_slice(e->listeners[0].address, "127.0.0.1:587");
    assert_slice(e->listeners[1].address, "[::1]:587");
    assert_int_equal(e->listeners[1].tls, LISTENER_TLS_STARTTLS);
    assert_int_equal(e->listeners[1].auth, SMTP_AUTH_REQUIRED);
    assert_slice(e->listeners[0].address, o.listeners[0].address.p);
    assert_int_equal(e->listeners[0].tls, o.listeners[0].tls);
    assert_int_equal(e->listeners[0].auth, o.listeners[0].auth);
    assert_int_equal(e->trusted_network_count, o.trusted_network_count);
    for (unsigned i = 0; i < o.trusted_network_count; i++) {
        assert_true(ip_eq(&e->trusted_networks[i].ip, &o.trusted_networks[i].ip));
        assert_int_equal(e->trusted_networks[i].bits, o.trusted_networks[i].bits);
    }
    assert_int_equal(e->user_count, o.user_count);
    assert_int_equal(e->message_bytes_max, o.message_bytes_max);
    assert_int_equal(e->recipients_max, o.recipients_max);
    assert_int_equal(e->connections_max, o.connections_max);
    assert_int_equal(e->connections_per_address_max, o.connections_per_address_max);
    assert_int_equal(e->transaction_ms, o.transaction_ms);
    assert_int_equal(e->data_rate_min, o.data_rate_min);
    assert_int_equal(e->idle_ms, o.idle_ms);
    assert_int_equal(e->session_recipients_max, o.session_recipients_max);
    assert_int_equal(e->commands_max, o.commands_max);
    assert_int_equal(e->errors_max, o.errors_max);
    assert_int_equal(e->address_messages.count, o.address_messages.count);
    assert_int_equal(e->first_command_ms, o.first_command_ms);
    assert_int_equal(e->tls_ms, o.tls_ms);
    assert_int_equal(e->auth_ms, o.auth_ms);
    assert_int_equal(e->body_ms, o.body_ms);
    assert_int_equal(e->queue_bytes_max, o.queue_bytes_max);
    assert_int_equal(e->lifetime_ms, o.lifetime_ms);
    assert_int_equal(e->warn_after_ms, o.warn_after_ms);
    assert_int_equal(e->history_ms, o.history_ms);
    assert_int_equal(e->retry_first_ms, o.retry_first_ms);
    assert_int_equal(e->retry_max_ms, o.retry_max_ms);
    assert_true(e->retry_factor >= o.retry_factor && e->retry_factor <= o.retry_factor);
    assert_int_equal(e->port, o.port);
    assert_int_equal(e->out_connections_max, o.out_connections_max);
    assert_int_equal(e->limits.connections, o.limits.connections);
    assert_int_equal(e->limits.connection_messages, o.limits.connection_messages);
    assert_int_equal(e->limits.idle_ms, o.limits.idle_ms);
    assert_int_equal(e->delivery_tls, o.delivery_tls);
    assert_int_equal(e->limits.race_ms, o.limits.race_ms);
    assert_int_equal(e->limits.connect_ms, o.limits.connect_ms);
    assert_int_equal(e->limits.greeting_ms, o.limits.greeting_ms);
    assert_int_equal(e->limits.command_ms, o.limits.command_ms);
    assert_int_equal(e->limits.data_ms, o.limits.data_ms);
    assert_int_equal(e->limits.final_ms, o.limits.final_ms);
    assert_int_equal(e->allow_private_mx, o.allow_private_mx);
    assert_int_equal(e->route_count, o.route_count);

    assert_slice(c->state_dir, "/var/lib/outpost");
    assert_slice(c->control_socket, "/run/outpost/control.sock");
    assert_int_equal(c->log_level, LOG_INFO);
    assert_int_equal(c->log_format, LOG_TEXT);
    assert_int_equal(c->tls_certificate.n, 0);
    assert_int_equal(c->tls_key.n, 0);
    assert_slice(c->tls_ca_file, "/etc/ssl/certs/ca-certificates.crt");
    assert_int_equal(c->dns_server_count, 0);
    assert_int_equal(c->dns_timeout_ms, 10000);
    assert_int_equal(c->metrics_listen.n, 0);
    assert_int_equal(c->shutdown_grace_ms, 30000);
    config_free(c);
    config_free(NULL);
}

static void test_defaults_of_a_plain_user(void **state)
{
    (void)state;
    struct config_world world = fake_world();
    world.is_root = false;
    world.home_dir = "/home/u";
    struct config *c = load_well_in("", &world);
    assert_slice(c->state_dir, "/home/u/.local/state/outpost");
    assert_slice(c->control_socket, "/home/u/.local/state/outpost/control.sock");
    config_free(c);

    c = load_well_in("state_dir = '/srv/o'", &world);
    assert_slice(c->control_socket, "/srv/o/control.sock");
    config_free(c);

    world.runtime_dir = "/run/user/1000";
    c = load_well_in("", &world);
    assert_slice(c->control_socket, "/run/user/1000/outpost/control.sock");
    config_free(c);

    world.host_name = "";
    c = load_well_in("control.socket = '/s'", &world);
    assert_slice(c->control_socket, "/s");
    assert_slice(c->engine.hostname, "localhost");
    config_free(c);
}

/* What the world is like is a mistake in no line. */
static void test_defaults_that_cannot_be(void **state)
{
    (void)state;
    char home[200];
    memset(home, 'a', sizeof home);
    home[0] = '/';
    home[sizeof home - 1] = 0;
    const struct {
        const char *host_name, *home_dir, *key;
    } rows[] = {
        {"my_box", "/home/u", "hostname"},
        {"box", NULL, "state_dir"},
        {"box", "u", "state_dir"},
        {"box", home, "control.socket"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct config_world world = fake_world();
        world.is_root = false;
        world.host_name = rows[i].host_name;
        world.home_dir = rows[i].home_dir;
        struct config_mistake *mistakes;
        unsigned count;
        struct config *c = config_load(SLICE(""), &world, &mistakes, &count);
        assert_int_equal(count, 1);
        assert_int_equal(mistakes[0].line, 0);
        assert_slice(mistakes[0].key, rows[i].key);
        config_free(c);
    }
}

/* Every key of the design, but those that are not available yet. */
static const char whole[] =
    "hostname  = \"relay.example.com\"\n"
    "state_dir = \"/var/lib/outpost2\"\n"
    "shutdown_grace = \"5s\"\n"
    "[log]\n"
    "level = \"debug\"              # debug info warn error\n"
    "format = \"json\"             # text json\n"
    "[tls]\n"
    "certificate = \"/etc/outpost/fullchain.pem\"\n"
    "key = \"/etc/outpost/key.pem\"\n"
    "ca_file = \"/etc/ssl/ca.crt\"\n"
    "[[listen]]\n"
    "address = \"0.0.0.0:587\"\n"
    "tls = \"starttls\"\n"
    "auth = \"required\"\n"
    "[[listen]]\n"
    "address = \"[::]:465\"\n"
    "tls = \"implicit\"\n"
    "auth = \"optional\"\n"
    "proxy_networks = [\"192.0.2.10\", \"2001:db8:1::/48\"]\n"
    "[[listen]]\n"
    "address = \"127.0.0.1:25\"\n"
    "tls = \"none\"\n"
    "auth = \"off\"\n"
    "[submission]\n"
    "trusted_networks = [\"10.0.0.0/8\", \"192.0.2.1\", \"::ffff:10.0.0.0/104\"]\n"
    "max_message_size = \"51MiB\"\n"
    "max_recipients = 1001\n"
    "max_connections = 10001\n"
    "max_connections_per_address = 101\n"
    "transaction_timeout = \"3h\"\n"
    "min_data_rate = \"7B\"\n"
    "idle_timeout = \"6m\"\n"
    "max_recipients_per_session = 5000\n"
    "max_commands = 1003\n"
    "max_errors = 23\n"
    "message_rate = \"600/h\"\n"
    "greeting_timeout = \"61s\"\n"
    "tls_timeout = \"62s\"\n"
    "auth_timeout = \"63s\"\n"
    "data_timeout = \"64s\"\n"
    "[[user]]\n"
    "name = \"app\"\n"
    "password = \"$argon2id$...\"\n"
    "senders = [\"*@example.com\", \"root@\"]\n"
    "[[user]]\n"
    "name = \"App\"\n"
    "password_file = \"/run/secrets/hash\"\n"
    "[queue]\n"
    "max_size = 123456789\n"
    "lifetime = \"6d\"\n"
    "warn_after = \"5h\"\n"
    "history = \"30d\"\n"
    "history_max_size = \"1GiB\"\n"
    "history_redact = \"local-part\"\n"
    "[retry]\n"
    "first = \"2m\"\n"
    "factor = 3\n"
    "max = \"2h\"\n"
    "[delivery]\n"
    "port = 26\n"
    "max_connections = 1002\n"
    "max_connections_per_destination = 21\n"
    "tls = \"require\"\n"
    "connect_timeout = \"31s\"\n"
    "race_delay = \"300ms\"\n"
    "sources = [\"out\"]\n"
    "greeting_timeout = \"7m\"\n"
    "command_timeout = \"8m\"\n"
    "data_timeout = \"9m\"\n"
    "final_timeout = \"11m\"\n"
    "allow_private_mx = true\n"
    "[dns]\n"
    "servers = [\"127.0.0.1:5353\", \"::1\"]\n"
    "timeout = \"250ms\"\n"
    "[[source]]\n"
    "name = \"out\"\n"
    "address = \"192.0.2.10\"\n"
    "address6 = \"2001:db8::10\"\n"
    "helo = \"out.example.com\"\n"
    "weight = 3\n"
    "[[source]]\n"
    "name = \"six\"\n"
    "address6 = \"2001:db8::11\"\n"
    "[[route]]\n"
    "sources = [\"six\", \"out\"]\n"
    "recipients = [\"*@example.org\"]\n"
    "[[route]]\n"
    "recipients = [\"*.example.net\"]\n"
    "hosts = [\"127.0.0.1:2525\", \"[::1]:2526\", \"mail_hog\"]\n"
    "tls = \"none\"\n"
    "[[route]]\n"
    "recipients = [\"*\"]\n"
    "hosts = [\"smtp.example.net:588,priority=2, weight=3\"]\n"
    "auth = { user = \"u\", password_file = \"/run/secrets/smtp\" }\n"
    "[control]\n"
    "socket = \"/run/outpost/control2.sock\"\n"
    "[metrics]\n"
    "listen = \"127.0.0.1:9587\"\n";

static void test_whole(void **state)
{
    (void)state;
    struct config *c = load_well(whole);
    const struct engine_options *e = &c->engine;
    assert_slice(e->hostname, "relay.example.com");
    assert_slice(c->state_dir, "/var/lib/outpost2");
    assert_int_equal(c->shutdown_grace_ms, 5000);
    assert_int_equal(c->log_level, LOG_DEBUG);
    assert_int_equal(c->log_format, LOG_JSON);
    assert_slice(c->tls_certificate, "/etc/outpost/fullchain.pem");
    assert_slice(c->tls_key, "/etc/outpost/key.pem");
    assert_slice(c->tls_ca_file, "/etc/ssl/ca.crt");

    assert_false(c->has_default_listeners);
    assert_int_equal(e->listener_count, 4);
    assert_slice(e->listeners[3].address, "unix:/run/outpost/submit.sock");
    assert_slice(e->listeners[1].address, "[::]:465");
    assert_int_equal(e->listeners[1].tls, LISTENER_TLS_IMPLICIT);
    assert_int_equal(e->listeners[1].auth, SMTP_AUTH_OPTIONAL);
    assert_int_equal(e->listeners[0].proxy_network_count, 0);
    assert_int_equal(e->listeners[1].proxy_network_count, 2);
    assert_int_equal(e->listeners[1].proxy_networks[0].bits, 32);
    assert_int_equal(e->listeners[1].proxy_networks[1].bits, 48);
    assert_int_equal(e->listeners[2].proxy_network_count, 0);
    assert_int_equal(e->listeners[2].tls, LISTENER_TLS_NONE);
    assert_int_equal(e->listeners[2].auth, SMTP_AUTH_OFF);

    assert_int_equal(e->trusted_network_count, 3);
    assert_int_equal(e->trusted_networks[0].bits, 8);
    assert_int_equal(e->trusted_networks[1].bits, 32);
    assert_int_equal(e->message_bytes_max, 51u << 20);
    assert_int_equal(e->recipients_max, 1001);
    assert_int_equal(e->connections_max, 10001);
    assert_int_equal(e->connections_per_address_max, 101);
    assert_int_equal(e->transaction_ms, 3 * 3600000);
    assert_int_equal(e->data_rate_min, 7);
    assert_int_equal(e->idle_ms, 360000);
    assert_int_equal(e->session_recipients_max, 5000);
    assert_int_equal(e->commands_max, 1003);
    assert_int_equal(e->errors_max, 23);
    assert_int_equal(e->address_messages.count, 600);
    assert_int_equal(e->address_messages.per_ms, 3600000);
    assert_int_equal(e->first_command_ms, 61000);
    assert_int_equal(e->tls_ms, 62000);
    assert_int_equal(e->auth_ms, 63000);
    assert_int_equal(e->body_ms, 64000);

    assert_int_equal(c->user_count, 2);
    assert_int_equal(e->user_count, 2);
    assert_slice(c->users[0].name, "app");
    assert_slice(c->users[0].passwords[0], "$argon2id$...");
    assert_slice(e->users[0].name, "app");
    assert_int_equal(e->users[0].sender_count, 2);
    assert_slice(e->users[0].senders[1], "root@");
    assert_slice(c->users[1].name, "App");
    assert_slice(c->users[1].passwords[0], "$argon2id$v=19$x");
    assert_int_equal(e->users[1].sender_count, 0);

    assert_int_equal(e->queue_bytes_max, 123456789);
    assert_int_equal(e->lifetime_ms, 6 * 86400000);
    assert_int_equal(e->warn_after_ms, 5 * 3600000);
    assert_int_equal(e->history_ms, 30 * (int64_t)86400000);
    assert_int_equal(c->history_bytes_max, 1 << 30);
    assert_int_equal(c->history_redact, HISTORY_REDACT_LOCAL_PART);
    assert_int_equal(e->retry_first_ms, 120000);
    assert_true(e->retry_factor > 2.99 && e->retry_factor < 3.01);
    assert_int_equal(e->retry_max_ms, 7200000);

    assert_int_equal(e->port, 26);
    assert_int_equal(e->out_connections_max, 1002);
    assert_int_equal(e->limits.connections, 21);
    assert_int_equal(e->delivery_tls, DELIVERY_TLS_REQUIRE);
    assert_int_equal(e->limits.connect_ms, 31000);
    assert_int_equal(e->limits.greeting_ms, 7 * 60000);
    assert_int_equal(e->limits.command_ms, 8 * 60000);
    assert_int_equal(e->limits.data_ms, 9 * 60000);
    assert_int_equal(e->limits.final_ms, 11 * 60000);
    assert_true(e->allow_private_mx);

    assert_int_equal(c->dns_server_count, 2);
    assert_int_equal(c->dns_servers[0].port, 5353);
    assert_int_equal(c->dns_servers[1].port, 53);
    assert_int_equal(c->dns_servers[1].ip.family, IP_V6);
    assert_int_equal(c->dns_timeout_ms, 250);

    assert_int_equal(e->limits.race_ms, 300);
    assert_int_equal(e->source_count, 2);
    assert_slice(e->sources[0].name, "out");
    assert_string_equal(ip_build(&e->sources[0].v4).s, "192.0.2.10");
    assert_string_equal(ip_build(&e->sources[0].v6).s, "2001:db8::10");
    assert_slice(e->sources[0].helo, "out.example.com");
    assert_int_equal(e->sources[0].weight, 3);
    assert_int_equal(e->sources[1].v4.family, IP_NONE);
    assert_int_equal(e->sources[1].helo.n, 0);
    assert_int_equal(e->sources[1].weight, 1);
    assert_int_equal(e->mx_source_count, 1);
    assert_slice(e->mx_sources[0], "out");
    assert_int_equal(e->routes[0].source_count, 2);
    assert_slice(e->routes[0].sources[0], "six");
    assert_int_equal(e->route_count, 3);
    assert_int_equal(e->routes[0].host_count, 0);
    assert_int_equal(e->routes[0].tls, DELIVERY_TLS_OPPORTUNISTIC);
    assert_slice(e->routes[0].name, "mx");
    assert_slice(e->routes[0].recipients[0], "*@example.org");
    assert_int_equal(e->routes[1].host_count, 3);
    assert_slice(e->routes[1].hosts[0].name, "127.0.0.1");
    assert_int_equal(e->routes[1].hosts[0].port, 2525);
    assert_slice(e->routes[1].hosts[1].name, "::1");
    assert_int_equal(e->routes[1].hosts[1].port, 2526);
    assert_slice(e->routes[1].hosts[2].name, "mail_hog");
    assert_int_equal(e->routes[1].hosts[2].port, 587);
    assert_int_equal(e->routes[1].tls, DELIVERY_TLS_NONE);
    assert_slice(e->routes[1].name, "127.0.0.1");
    assert_int_equal(e->routes[1].user.n, 0);
    assert_int_equal(e->routes[2].tls, DELIVERY_TLS_VERIFY);
    assert_int_equal(e->routes[1].hosts[2].priority, 0);
    assert_int_equal(e->routes[2].hosts[0].port, 588);
    assert_int_equal(e->routes[2].hosts[0].priority, 2);
    assert_int_equal(e->routes[2].hosts[0].weight, 3);
    assert_slice(e->routes[2].user, "u");
    assert_slice(e->routes[2].password, "s3cret");
    assert_slice(e->routes[2].name, "smtp.example.net");

    assert_slice(c->control_socket, "/run/outpost/control2.sock");
    assert_slice(c->metrics_listen, "127.0.0.1:9587");
    config_free(c);
}

/* One value of a good configuration. */
static const struct {
    const char *shows, *text;
    int64_t wanted, got_at;
    bool is_u32;
} numbers[] = {
#define ENGINE(member) (int64_t) offsetof(struct config, engine.member)
    {"a short lifetime alone: no warning", "queue.lifetime = '2h'", 0, ENGINE(warn_after_ms), 0},
    {"no longer than the default: none", "queue.lifetime = '4h'", 0, ENGINE(warn_after_ms), 0},
    {"0s is never", "queue.warn_after = '0s'", 0, ENGINE(warn_after_ms), 0},
    {"max follows first", "retry.first = '2h'", 7200000, ENGINE(retry_max_ms), 0},
    {"first follows max", "retry.max = '10s'", 10000, ENGINE(retry_first_ms), 0},
    {"a size in bytes", "submission.max_message_size = 1000", 1000, ENGINE(message_bytes_max), 0},
    {"a size out of the environment", "queue.max_size = '1${EMPTY}MB'", 1000000,
     ENGINE(queue_bytes_max), 0},
    {"an empty list", "submission.trusted_networks = []", 0, ENGINE(trusted_network_count), 1},
    {"tables in one line", "queue = { lifetime = '1d' }", 86400000, ENGINE(lifetime_ms), 0},
    {"a list of tables in one line", "listen = [{ address = '127.0.0.1:0' }]", 2,
     ENGINE(listener_count), 1},
    {"no users", "user = []", 0, ENGINE(user_count), 1},
    {"ephemeral ports may be many", "listen = [{address='[::1]:0'}, {address='[::1]:0'}]", 3,
     ENGINE(listener_count), 1},
    {"the same port on two addresses", "listen = [{address='[::1]:1'}, {address='127.0.0.1:1'}]", 3,
     ENGINE(listener_count), 1},
    {"no sendmail: no socket of its own", "sendmail.enabled = false", 2, ENGINE(listener_count), 1},
    {"a Unix socket among others", "listen = [{address='unix:/run/s,mode=0600'}]", 2,
     ENGINE(listener_count), 1},
};

static void test_numbers(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        struct config *c = load_well(numbers[i].text);
        const char *p = (const char *)c + numbers[i].got_at;
        int64_t got;
        unsigned small;
        memcpy(&got, p, sizeof got);
        memcpy(&small, p, sizeof small);
        if ((numbers[i].is_u32 ? (int64_t)small : got) != numbers[i].wanted)
            fail_msg("%s: %s", numbers[i].shows, numbers[i].text);
        config_free(c);
    }
}

/* A route that says its hosts only takes no mail of its own accord when it is a fallback. */
static void test_fallbacks(void **state)
{
    (void)state;
    struct config *c = load_well("[delivery]\nfallback = 'b'\non_unsure = 'bounce'\n"
                                 "[[route]]\nname = 'a'\nhosts = ['h.example']\n"
                                 "recipients = ['*@a.example']\n"
                                 "[[route]]\nname = 'b'\nhosts = ['h.example']\n"
                                 "[[route]]\nsenders = ['*@c.example']\nfallback = 'a'\n"
                                 "[[route]]\nsenders = ['*@d.example']\nfallback = 'none'\n"
                                 "[[route]]\nhosts = ['i.example']\n");
    const struct engine_options *e = &c->engine;
    assert_true(e->has_fallback);
    assert_int_equal(e->fallback, 1);
    assert_int_equal(e->on_unsure, DELIVERY_UNSURE_BOUNCE);
    assert_false(e->routes[0].is_fallback); /* it has its own mail, too */
    assert_true(e->routes[1].is_fallback);
    assert_true(e->routes[2].has_fallback);
    assert_int_equal(e->routes[2].fallback, 0);
    assert_true(e->routes[3].has_no_fallback);
    assert_false(e->routes[4].is_fallback || e->routes[4].has_fallback);
    config_free(c);
}

/* ---- environment and secrets ---- */

static const struct {
    const char *shows, *text, *hostname;
} names[] = {
    {"a variable", "hostname = '${NAME}.example.com'", "relay.example.com"},
    {"two of them", "hostname = \"${NAME}.${_Z9}.com\"", "relay.example.com"},
    {"an empty one", "hostname = 'a${EMPTY}b'", "ab"},
    {"in a multi-line string", "hostname = '''${NAME}'''", "relay"},
    {"an address literal", "hostname = '[192.0.2.1]'", "[192.0.2.1]"},
    {"an IPv6 literal", "hostname = '[IPv6:2001:db8::1]'", "[IPv6:2001:db8::1]"},
};

static void test_environment(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct config *c = load_well(names[i].text);
        assert_slice(c->engine.hostname, names[i].hostname);
        config_free(c);
    }
}

static const struct {
    const char *shows, *entry;
    struct slice secret;
} secrets[] = {
    {"in the file itself", "password = 's3cret'", {"s3cret", 6}},
    {"every other dollar is itself", "password = '$a$$b{$c$'", {"$a$$b{$c$", 9}},
    {"an escaped brace", "password = 'a$${NAME}$$${b'", {"a${NAME}$${b", 12}},
    {"not expanded twice", "password = '${DOLLAR}'", {"a${NAME}b", 9}},
    {"any byte of the environment", "password = '${WEIRD}'", {"a\n\xff", 3}},
    {"one LF is dropped", "password_file = '/run/secrets/smtp'", {"s3cret", 6}},
    {"one CRLF is dropped", "password_file = '/run/secrets/crlf'", {"s3cret", 6}},
    {"there may be none", "password_file = '/run/secrets/bare'", {"s3cret", 6}},
    {"only one is dropped", "password_file = '/run/secrets/two'", {"s3cret\n", 7}},
    {"any byte, no expansion", "password_file = '/run/secrets/any'", {"\0\"${X}\\\n#\xff\r", 10}},
    {"a path from the environment", "password_file = '/run/secrets/smtp${EMPTY}'", {"s3cret", 6}},
};

static void test_secrets(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(secrets); i++) {
        char text[512];
        snprintf(text, sizeof text, "[[route]]\nhosts = ['a']\n[route.auth]\nuser = 'u'\n%s",
                 secrets[i].entry);
        struct config *c = load_well(text);
        if (!slice_eq(c->engine.routes[0].password, secrets[i].secret))
            fail_msg("%s", secrets[i].shows);
        config_free(c);
    }
}

/* ---- bad ones ---- */

struct mistake_row {
    const char *shows, *text;
    int line, column;
    const char *key, *says; /* says: a part of the text */
};

#define ASKS "[[listen]]\naddress = '[::1]:1'\nclient_certificates = 'optional'\n"
#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff"
#define USER "[[user]]\nname = 'a'\npassword = '$6$x$y'\n"
#define SOURCE "[[source]]\nname = 'a'\naddress = '192.0.2.1'\n"
#define ACCOUNT                                                                                    \
    "[[oauth2]]\nname = 'office'\nclient_id = 'x'\ntoken_url = 'https://t.example/token'\n"
#define ROUTE "[[route]]\nhosts = ['smtp.example.net']\n"

static const struct mistake_row bad[] = {
    {"TOML first", "hostname = \n[log", 1, 0, "", ""},
    {"an unknown key", "hostnme = 'a'", 1, 1, "hostnme", "did you mean hostname?"},
    {"case does not hide it", "[log]\nLEVEL = 'info'", 2, 1, "log.LEVEL", "did you mean level?"},
    {"too far from all: the list", "[tls]\nxyz = 1", 2, 1, "tls.xyz",
     "[tls] knows certificate, key, ca_file"},
    {"at the top too", "wonderful = 1", 1, 1, "wonderful",
     "the file knows hostname, state_dir, shutdown_grace, environment, users_file, [log]"},
    {"staging fails closed", "environment = 'staging'", 1, 0, "environment",
     "staging needs a mailbox"},
    {"aliases in a circle", "[rewrite]\naliases = ['a = b', 'b = a']", 2, 0, "rewrite.aliases",
     "a leads back to itself"},
    {"an alias with a domain", "[rewrite]\naliases = ['a@b = c@d.example']", 2, 0,
     "rewrite.aliases", "the name of an alias is a local part"},
    {"two targets of a map", "[rewrite]\nsenders = ['a@b = c@d.example, e@f.example']", 2, 0,
     "rewrite.senders", "needs one target"},
    {"a map without a domain", "[rewrite]\nrecipients = ['a@b = c']", 2, 0, "rewrite.recipients",
     "needs one target with a domain"},
    {"no rule", "[rewrite]\nrecipients = ['a@b']", 2, 0, "rewrite.recipients",
     "write \"pattern = target\""},
    {"no target", "[rewrite]\naliases = ['a = b@c.example,']", 2, 0, "rewrite.aliases",
     "is no target"},
    {"a line end in a target", "[rewrite]\naliases = [\"a = b@c.example\\r\\nBcc: x\"]", 2, 0,
     "rewrite.aliases", ""},
    {"no header field", "[rewrite]\nadd_headers = ['X-A']", 2, 0, "rewrite.add_headers",
     "is no header field"},
    {"a header field without a value", "[rewrite]\nadd_headers = ['X-A: ']", 2, 0,
     "rewrite.add_headers", "is no header field"},
    {"a name with a blank", "[rewrite]\nadd_headers = ['X A: b']", 2, 0, "rewrite.add_headers",
     "is no header field"},
    {"a line end in a header field", "[rewrite]\nadd_headers = [\"X-A: b\\r\\nBcc: x\"]", 2, 0,
     "rewrite.add_headers", ""},
    {"8-bit in a header field", "[rewrite]\nadd_headers = ['X-A: \xc3\xbc']", 2, 0,
     "rewrite.add_headers", "in ASCII"},
    {"From is another key's", "[rewrite]\nadd_headers = ['from: a@b.example']", 2, 0,
     "rewrite.add_headers", "use rewrite.from"},
    {"the trace stays", "[rewrite]\nremove_headers = ['received']", 2, 0, "rewrite.remove_headers",
     "the trace of a message must stay"},
    {"no name", "[rewrite]\nremove_headers = ['X-A:']", 2, 0, "rewrite.remove_headers",
     "is no name of a header field"},
    {"two targets of From", "[rewrite]\nfrom = ['* = a@b.example, c@d.example']", 2, 0,
     "rewrite.from", "needs one target"},
    {"From without a rule", "[rewrite]\nfrom = ['a@b.example']", 2, 0, "rewrite.from",
     "write \"pattern = target\""},
    {"an unknown word for signatures", "[rewrite]\non_signed = 'break'", 2, 0, "rewrite.on_signed",
     "write \"keep\", \"change\" or \"refuse\""},
    {"a mailbox without a domain", "[staging]\nmailbox = 'ops'", 2, 0, "staging.mailbox",
     "is not a mail address"},
    {"an unknown table", "[submision]\nx = 1", 1, 0, "submision", "did you mean [submission]?"},
    {"an unknown array of tables", "[[users]]\nname = 'a'", 1, 0, "users",
     "did you mean [[user]]?"},
    {"under an inner table", ROUTE "auth = { user = 'a', pasword = 'x', password = 'y' }", 3, 0,
     "route.auth.pasword", "did you mean password?"},
    {"a key of another table", "max_message_size = 1", 1, 1, "max_message_size",
     "it belongs to [submission]"},
    {"a key of the top", "[log]\nhostname = 'a'", 2, 1, "log.hostname",
     "it belongs to the top of the file"},
    {"a table of the top", "[log]\n[log.queue]", 2, 0, "log.queue",
     "it belongs to the top of the file"},
    {"a key that no shell would like", "\"a\\nb\" = 1", 1, 1, "\"a?b\"", "there is no such key"},
    {"a key without a name", "[tls]\n'' = 1", 2, 1, "tls", "there is no such key"},

    {"[] for [[]]", "[listen]\naddress = '[::1]:1'", 1, 1, "listen",
     "write [[listen]] instead of [listen]"},
    {"[[]] for []", "[[queue]]\nlifetime = '1d'", 1, 0, "queue",
     "write [queue] instead of [[queue]]"},
    {"no table", "queue = 5", 1, 9, "queue", "must be a table: write [queue]"},
    {"no array of tables", "user = ['a']", 1, 9, "user", "must be a table: write [[user]]"},
    {"no array of tables", "route = 'a'", 1, 9, "route", "must be a table: write [[route]]"},
    {"no inner table", ROUTE "auth = 'a'", 3, 8, "route.auth", "must be a table such as { user"},
    {"no listener", "listen = []", 1, 10, "listen", "at least one [[listen]]"},

    {"a number for a string", "hostname = 5", 1, 12, "hostname",
     "must be a domain name such as \"relay.example.com\", not an integer"},
    {"a number for a duration", "[retry]\nmax = 30", 2, 7, "retry.max",
     "must be a duration such as \"1h\", not an integer"},
    {"a string for a number", "delivery.port = '25'", 1, 17, "delivery.port",
     "must be a port number such as 25, not a string"},
    {"a string for a boolean", "delivery.allow_private_mx = 'no'", 1, 29,
     "delivery.allow_private_mx", "must be true or false, not a string"},
    {"a string for a list", "dns.servers = '127.0.0.1'", 1, 15, "dns.servers",
     "must be a list such as [\"127.0.0.1:53\"], not a string"},
    {"a number in a list", "submission.trusted_networks = ['::1/128', 7]", 1, 43,
     "submission.trusted_networks", "each item must be a network such as \"127.0.0.0/8\", not an"},
    {"a float for a count", "submission.max_recipients = 1.5", 1, 29, "submission.max_recipients",
     "must be a whole number such as 1000, not a float"},
    {"a table for a string", "[hostname]", 1, 1, "hostname", "not a table"},

    {"an enumeration", "log.level = 'loud'", 1, 13, "log.level",
     "\"loud\" is not known here: write \"debug\", \"info\", \"warn\" or \"error\""},
    {"what is not there yet is not offered", "delivery.tls = 'maybe'", 1, 16, "delivery.tls",
     "write \"none\", \"opportunistic\", \"require\" or \"verify\""},
    {"DANE", "delivery.tls = 'dane'", 1, 16, "delivery.tls", "DANE is not available yet"},
    {"DANE", ROUTE "tls = 'dane'", 3, 7, "route.tls", "DANE is not available yet"},
    {"DKIM", "[[dkim]]\ndomain = 'a'", 1, 0, "dkim", "not available yet"},

    {"no duration", "retry.max = '1 hour'", 1, 13, "retry.max",
     "\"1 hour\" is not a duration: write a whole number and a unit"},
    {"no size", "queue.max_size = '10G'", 1, 18, "queue.max_size", "\"10G\" is not a size"},
    {"below the least", "queue.max_size = 1", 1, 18, "queue.max_size",
     "must be from 64KiB to 1000TiB"},
    {"a size below nothing", "submission.max_message_size = -1", 1, 31,
     "submission.max_message_size", "\"-1\" is not a size"},
    {"above the most", "retry.max = '31d'", 1, 13, "retry.max", "must be from 10ms to 30d"},
    {"port 0", "delivery.port = 0", 1, 17, "delivery.port", "must be from 1 to 65535"},
    {"port 65536", "delivery.port = 65536", 1, 17, "delivery.port", "must be from 1 to 65535"},
    {"a negative count", "submission.max_recipients = -5", 1, 29, "submission.max_recipients",
     "must be from 1 to 100000"},
    {"a small factor", "retry.factor = 0.5", 1, 16, "retry.factor", "must be from 1.0 to 100.0"},
    {"an endless factor", "retry.factor = inf", 1, 16, "retry.factor", "must be from 1.0 to"},
    {"no factor at all", "retry.factor = nan", 1, 16, "retry.factor", "must be from 1.0 to"},
    {"a negative factor", "retry.factor = -2", 1, 16, "retry.factor", "must be from 1.0 to"},

    {"no host name", "hostname = 'my relay'", 1, 12, "hostname", "is not a domain name"},
    {"no host name", "hostname = ''", 1, 12, "hostname", "is empty"},
    {"a bare address", "hostname = '192.0.2.1:25'", 1, 12, "hostname", "is not a domain name"},
    {"a relative path", "state_dir = 'queue'", 1, 13, "state_dir",
     "\"queue\" is not an absolute path"},
    {"a path with a line in it", "state_dir = \"/a\\nb\"", 1, 13, "state_dir", "control character"},
    {"a path with a NUL in it", "state_dir = \"/a\\u0000b\"", 1, 13, "state_dir",
     "control character"},
    {"a socket path too long",
     "control.socket = "
     "'/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'",
     1, 18, "control.socket", "is longer than 107 bytes"},

    {"a listener without an address", "[[listen]]\ntls = 'none'", 1, 1, "listen.address",
     "is missing: write address = \"0.0.0.0:587\""},
    {"a name to listen on", "[[listen]]\naddress = 'localhost:587'", 2, 11, "listen.address",
     "\"localhost:587\" is not a numeric address"},
    {"no port", "[[listen]]\naddress = '127.0.0.1'", 2, 11, "listen.address",
     "has no port: write \"127.0.0.1:587\""},
    {"no port behind IPv6", "[[listen]]\naddress = '::1'", 2, 11, "listen.address",
     "has no port: write \"[::1]:587\""},
    {"a star", "[[listen]]\naddress = '*:587'", 2, 11, "listen.address",
     "for all addresses, \"0.0.0.0:587\""},
    {"a Unix socket without a full path", "[[listen]]\naddress = 'unix:run/s'", 2, 11,
     "listen.address", "a Unix socket needs an absolute path"},
    {"a Unix socket with a bad mode", "[[listen]]\naddress = 'unix:/run/s,mode=0669'", 2, 11,
     "listen.address", "mode is four octal digits"},
    {"a Unix socket whose path is too long",
     "[[listen]]\naddress = "
     "'unix:/"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaa,mode=0600'",
     2, 11, "listen.address", "at most 107 bytes"},
    {"TLS in a Unix socket", "[[listen]]\naddress = 'unix:/run/s'\ntls = 'starttls'", 3, 7,
     "listen.tls", "a Unix socket has no TLS"},
    {"a proxy at a Unix socket",
     "[[listen]]\naddress = 'unix:/run/s'\nproxy_networks = ['192.0.2.1']", 3, 18,
     "listen.proxy_networks", "a listener with address and port"},
    {"proxies anywhere", "[[listen]]\naddress = '[::1]:1'\nproxy_networks = ['0.0.0.0/0']", 3, 19,
     "listen.proxy_networks", "would make an open relay"},
    {"proxies nowhere", "[[listen]]\naddress = '[::1]:1'\nproxy_networks = []", 3, 18,
     "listen.proxy_networks", "is empty; without the key it is none"},
    {"a proxy by name", "[[listen]]\naddress = '[::1]:1'\nproxy_networks = ['haproxy']", 3, 19,
     "listen.proxy_networks", "is not a network"},
    {"one proxy without a list", "[[listen]]\naddress = '[::1]:1'\nproxy_networks = '192.0.2.1'", 3,
     18, "listen.proxy_networks", "must be a list"},
    {"a Unix socket twice",
     "[[listen]]\naddress = 'unix:/run/s,mode=0600'\n[[listen]]\naddress = 'unix:/run/s'", 4, 11,
     "listen.address", "the listener on line 1 has it already"},
    {"the control socket as a listener",
     "control.socket = '/run/s'\n[[listen]]\naddress = 'unix:/run/s'", 3, 11, "listen.address",
     "control.socket or sendmail.socket has this path already"},
    {"metrics on a Unix socket", "metrics.listen = 'unix:/run/s'", 1, 18, "metrics.listen",
     "a Unix socket cannot be used here"},
    {"the same twice", "[[listen]]\naddress = '[::1]:1'\n[[listen]]\naddress = '[0::1]:01'", 4, 11,
     "listen.address", "the listener on line 1 has it already"},
    {"metrics without a port", "metrics.listen = '127.0.0.1'", 1, 18, "metrics.listen",
     "has no port"},

    {"an open relay", "submission.trusted_networks = ['0.0.0.0/0']", 1, 32,
     "submission.trusted_networks", "\"0.0.0.0/0\" would make an open relay"},
    {"half an open relay", "submission.trusted_networks = ['128.0.0.0/7']", 1, 32,
     "submission.trusted_networks", "would make an open relay"},
    {"an open relay in IPv6", "submission.trusted_networks = ['2000::/15']", 1, 32,
     "submission.trusted_networks", "would make an open relay"},
    {"IPv4 in IPv6's clothes", "submission.trusted_networks = ['::ffff:0.0.0.0/96']", 1, 32,
     "submission.trusted_networks", "would make an open relay"},
    {"bits behind the mask", "submission.trusted_networks = ['10.1.2.3/8']", 1, 32,
     "submission.trusted_networks", "write \"10.0.0.0/8\""},
    {"no network", "submission.trusted_networks = ['lan']", 1, 32, "submission.trusted_networks",
     "is not a network"},

    {"a user without a name", "[[user]]\npassword = '$6$x$y'", 1, 1, "user.name", "is missing"},
    {"a user without a password", "[[user]]\nname = 'a'", 1, 1, "user.password",
     "or password_file = \"/path\""},
    {"a password in clear", "[[user]]\nname = 'a'\npassword = 'hunter2'", 3, 12, "user.password",
     "`outpost passwd`"},
    {"a password that looks like a hash", "[[user]]\nname = 'a'\npassword = '$ecret'", 3, 12,
     "user.password", "`outpost passwd`"},
    {"a password in clear in a file", "[[user]]\nname = 'a'\npassword_file = '/run/secrets/plain'",
     3, 17, "user.password_file", "\"/run/secrets/plain\": is not a password hash"},
    {"both", USER "password_file = '/run/secrets/hash'", 4, 17, "user.password_file",
     "password is given too"},
    {"a hash of Apache's own", "[[user]]\nname = 'a'\npassword = '$apr1$x$y'", 3, 12,
     "user.password", "`htpasswd -B`"},
    {"a SCRAM secret cut short",
     "[[user]]\nname = 'a'\npassword = 'SCRAM-SHA-256$4096:AAAA$AAAA:AAAA'", 3, 12, "user.password",
     "`outpost passwd --scram`"},
    {"one of several is none", USER "passwords = ['$6$x$z', 'hunter2']", 4, 24, "user.passwords",
     "is not a password hash"},
    {"a list has no file", USER "passwords_file = '/run/secrets/hash'", 4, 1, "user.passwords_file",
     "there is no such key"},
    {"half a fingerprint", ASKS USER "certificates = ['sha256:00ff']", 7, 17, "user.certificates",
     "\"sha256:00ff\" is not a fingerprint: write \"sha256:\""},
    {"a fingerprint of another kind", ASKS USER "certificates = ['md5:" HEX "']", 7, 17,
     "user.certificates", "is not a fingerprint"},
    {"a digit too many", ASKS USER "certificates = ['sha256:" HEX "0']", 7, 17, "user.certificates",
     "is not a fingerprint"},
    {"a colon at the end", ASKS USER "certificates = ['sha256:" HEX ":']", 7, 17,
     "user.certificates", "is not a fingerprint"},
    {"no digit", ASKS USER "certificates = ['sha256:g" HEX "']", 7, 17, "user.certificates",
     "is not a fingerprint"},
    {"nobody asks for it", USER "certificates = ['sha256:" HEX "']", 4, 16, "user.certificates",
     "no listener asks for certificates"},
    {"nobody signs it", ASKS USER "certificate_names = ['a.example']", 7, 21,
     "user.certificate_names", "needs tls.client_ca_file"},
    {"nobody has any", "[[listen]]\naddress = '[::1]:1'\nclient_certificates = 'required'", 3, 23,
     "listen.client_certificates", "no user has any"},
    {"certificates without TLS",
     "[[listen]]\naddress = '[::1]:1'\ntls = 'none'\nclient_certificates = 'optional'", 4, 23,
     "listen.client_certificates", "there are none without TLS"},
    {"a certificate of two users",
     "[[listen]]\naddress = '[::1]:1'\nclient_certificates = 'optional'\n"
     "[[user]]\nname = 'a'\ncertificates = ['sha256:" HEX "']\n"
     "[[user]]\nname = 'b'\ncertificates = ['spki-sha256:" HEX "', 'sha256:" HEX "']",
     9, 16, "user.certificates", "the user on line 4 has one of them"},
    {"a rate without a time", USER "message_rate = '100'", 4, 16, "user.message_rate",
     "write a whole number up to 1000000 and a time"},
    {"a rate of nothing", USER "message_rate = '0/h'", 4, 16, "user.message_rate", "is not a rate"},
    {"a rate of a moment", USER "recipient_rate = '5/10ms'", 4, 18, "user.recipient_rate",
     "from a second"},
    {"a rate of a number", USER "recipient_rate = 5", 4, 18, "user.recipient_rate",
     "must be a rate such as"},
    {"a priority too high", USER "priority = 10", 4, 12, "user.priority", "must be from -9 to 9"},
    {"a priority too low", USER "priority = -10", 4, 12, "user.priority", "must be from -9 to 9"},
    {"a priority in words", USER "priority = 'high'", 4, 12, "user.priority",
     "must be a whole number"},
    {"no quota at all", USER "daily_quota = 0", 4, 15, "user.daily_quota", "must be from 1"},
    {"larger than anybody's", USER "max_message_size = '51MiB'", 4, 20, "user.max_message_size",
     "must not be larger than submission.max_message_size"},
    {"a route that is not there", USER "route = 'bulk'", 4, 9, "user.route",
     "there is no such route: give one of them name = \"bulk\""},
    {"a host is not a route's name", USER "route = 'h.example'\n[[route]]\nhosts = ['h.example']",
     4, 9, "user.route", "there is no such route"},
    {"two routes of a name",
     "[[route]]\nname = 'r'\nrecipients = ['*@a']\n[[route]]\nname = 'r'\nrecipients = ['*@b']", 5,
     8, "route.name", "the route on line 1 is named so already"},
    {"a name helps no route that nobody names",
     "[[route]]\nhosts = ['h.example']\n[[route]]\nname = 'r'\nhosts = ['i.example']", 3, 1,
     "route", "can never be used"},
    {"a route for a login that nobody has", USER "[[route]]\nlogins = ['a', 'b']", 5, 10,
     "route.logins", "there is no [[user]] named \"b\""},
    {"no message is so", "[[route]]\nmin_size = '2MiB'\nmax_size = '1MiB'", 2, 12, "route.min_size",
     "is more than max_size"},
    {"a source without an address", "[[source]]\nname = 'a'", 1, 1, "source",
     "needs an address: write address ="},
    {"a source without a name", "[[source]]\naddress = '192.0.2.1'", 1, 1, "source.name", ""},
    {"an IPv6 address in the wrong place", "[[source]]\nname = 'a'\naddress = '2001:db8::1'", 3, 11,
     "source.address", "is an IPv6 address: that is address6"},
    {"an IPv4 address in the wrong place", "[[source]]\nname = 'a'\naddress6 = '192.0.2.1'", 3, 12,
     "source.address6", "is an IPv4 address: that is address"},
    {"a source with a port", "[[source]]\nname = 'a'\naddress = '192.0.2.1:25'", 3, 11,
     "source.address", "is not a numeric address: write one such as"},
    {"a source that is a group", "[[source]]\nname = 'a'\naddress = '239.1.1.1'", 3, 11,
     "source.address", "is not the address of one host"},
    {"a source that is anything", "[[source]]\nname = 'a'\naddress6 = '::'", 3, 12,
     "source.address6", "is not the address of one host"},
    {"two sources of a name", SOURCE SOURCE, 5, 8, "source.name",
     "the source on line 1 is named so already"},
    {"a source that is not there", SOURCE "[delivery]\nsources = ['a', 'b']", 5, 11,
     "delivery.sources", "there is no [[source]] named \"b\""},
    {"a route's source that is not there", "[[route]]\nsources = ['b']", 2, 11, "route.sources",
     "there is no [[source]] named \"b\""},
    {"a source twice", SOURCE "[delivery]\nsources = ['a', 'a']", 5, 11, "delivery.sources",
     "names \"a\" twice: give it a weight instead"},
    {"no sources at all", "[delivery]\nsources = []", 2, 11, "delivery.sources", "is empty"},
    {"a source as heavy as all", SOURCE "weight = 101", 4, 10, "source.weight", ""},
    {"two of a name", USER USER, 5, 8, "user.name", "the user on line 1 is named so already"},
    {"no senders at all", USER "senders = []", 4, 11, "user.senders",
     "is empty; without the key it is anyone"},
    {"a sender with brackets", USER "senders = ['<a@b>']", 4, 12, "user.senders",
     "is not an address pattern"},

    {"a file that is not there", ROUTE "auth = { user = 'u', password_file = '/no' }", 3, 0,
     "route.auth.password_file", "\"/no\" cannot be read: no such file"},
    {"a relative file", ROUTE "auth = { user = 'u', password_file = 'no' }", 3, 0,
     "route.auth.password_file", "is not an absolute path"},
    {"an empty file", ROUTE "auth = { user = 'u', password_file = '/run/secrets/empty' }", 3, 0,
     "route.auth.password_file", "\"/run/secrets/empty\": is empty"},
    {"a large file", ROUTE "auth = { user = 'u', password_file = '/run/secrets/large' }", 3, 0,
     "route.auth.password_file", "is longer than 4096 bytes"},
    {"a number for a file", ROUTE "auth = { user = 'u', password_file = 5 }", 3, 0,
     "route.auth.password_file", "must be an absolute path"},
    {"_file of what is no secret", "hostname_file = '/etc/hostname'", 1, 1, "hostname_file",
     "there is no such key"},
    {"auth without a user", ROUTE "auth = { password = 'x' }", 3, 8, "route.auth.user",
     "is missing"},
    {"auth without a password", ROUTE "auth = { user = 'x' }", 3, 8, "route.auth.password",
     "is missing"},
    {"auth with a name alone", ROUTE "auth = { mechanisms = ['PLAIN'] }", 3, 0, "route.auth.user",
     "user and password, or certificate and key"},
    {"a certificate without its key", ROUTE "auth = { certificate = '/c' }", 3, 8, "route.auth.key",
     "a certificate needs its private key"},
    {"a key without a certificate", ROUTE "auth = { user = 'x', password = 'y', key = '/k' }", 3, 8,
     "route.auth.certificate", "the key belongs to one"},
    {"a certificate in clear",
     "[[route]]\nhosts = ['127.0.0.1:25']\ntls = 'none'\n"
     "auth = { certificate = '/c', key = '/k' }",
     3, 7, "route.tls", "in TLS only"},
    {"an unknown mechanism",
     ROUTE "auth = { user = 'x', password = 'y', mechanisms = ['DIGEST-MD5'] }", 3, 0,
     "route.auth.mechanisms", "SCRAM-SHA-256"},
    {"a mechanism that cannot be used",
     ROUTE "auth = { user = 'x', password = 'y', mechanisms = ['EXTERNAL'] }", 3, 8,
     "route.auth.mechanisms", "EXTERNAL needs a certificate"},
    {"a credential without a route", "[[credential]]\nuser = 'x'\npassword = 'y'", 1, 0,
     "credential.route", "is missing"},
    {"a credential of no route", ROUTE "[[credential]]\nroute = 'x'\nuser = 'x'\npassword = 'y'", 4,
     9, "credential.route", "there is no such route: give one of them name = \"x\""},
    {"a credential for MX hosts",
     "[[route]]\nname = 'x'\n[[credential]]\nroute = 'x'\nuser = 'x'\npassword = 'y'", 4, 9,
     "route.auth", "needs hosts"},
    {"a credential in clear",
     ROUTE "name = 'x'\ntls = 'none'\n[[credential]]\nroute = 'x'\nuser = 'x'\npassword = 'y'", 4,
     7, "route.tls", "a password would leave unencrypted"},
    {"a credential without a password", ROUTE "name = 'x'\n[[credential]]\nroute = 'x'\nuser = 'x'",
     4, 1, "credential.password", "is missing"},
    {"a credential of nobody's login",
     ROUTE "name = 'x'\n[[credential]]\nroute = 'x'\nuser = 'x'\npassword = 'y'\nlogins = ['z']", 8,
     0, "credential.logins", "there is no [[user]] named \"z\""},
    {"a credential that is never reached",
     ROUTE "name = 'x'\n[[credential]]\nroute = 'x'\nuser = 'x'\npassword = 'y'\n"
           "[[credential]]\nroute = 'x'\nuser = 'v'\npassword = 'w'\nsenders = ['*@a.example']",
     8, 1, "credential", "the one on line 4 is for all mail of the route"},
    {"auth at an MX", "[[route]]\nauth = { user = 'x', password = 'y' }", 2, 0, "route.auth",
     "needs hosts"},
    {"auth in clear", ROUTE "tls = 'none'\nauth = { user = 'x', password = 'y' }", 3, 7,
     "route.tls", "a password would leave unencrypted"},
    {"a password and a token",
     ACCOUNT ROUTE "auth = { user = 'x', password = 'y', oauth2 = 'office' }", 7, 0,
     "route.auth.oauth2", "one of them must go"},
    {"a token of nobody", ROUTE "auth = { user = 'x', oauth2 = 'office' }", 3, 0,
     "route.auth.oauth2", "write an [[oauth2]] with name = \"office\""},
    {"an account without an application", "[[oauth2]]\nname = 'office'\npreset = 'google'", 1, 1,
     "oauth2.client_id", "is missing"},
    {"an account that is no file",
     "[[oauth2]]\npreset = 'google'\nclient_id = 'x'\n"
     "name = '../passwd'",
     4, 8, "oauth2.name", "may hold letters"},
    {"an account that begins with a dot",
     "[[oauth2]]\npreset = 'google'\nclient_id = 'x'\n"
     "name = '.x'",
     4, 8, "oauth2.name", "not begin with a dot"},
    {"an account twice", ACCOUNT ACCOUNT, 6, 8, "oauth2.name", "the account on line 1"},
    {"an account of nowhere", "[[oauth2]]\nname = 'office'\nclient_id = 'x'", 1, 1,
     "oauth2.token_url", "or preset = \"microsoft\""},
    {"tokens in clear",
     "[[oauth2]]\nname = 'office'\nclient_id = 'x'\ntoken_url = 'http://h.example/'", 4, 13,
     "oauth2.token_url", "https://host/path"},
    {"tokens of an address",
     "[[oauth2]]\nname = 'office'\nclient_id = 'x'\ntoken_url = 'https://127.0.0.1:8443/t'", 4, 13,
     "oauth2.token_url", "needs the name of a host"},
    {"a tenant elsewhere", ACCOUNT "tenant = 'x'\npreset = 'google'", 5, 10, "oauth2.tenant",
     "preset = \"microsoft\" only"},
    {"a tenant that is a path", ACCOUNT "tenant = 'x/y'\npreset = 'microsoft'", 5, 10,
     "oauth2.tenant", "must be the directory's id"},
    {"client credentials of Google",
     ACCOUNT "preset = 'google'\ngrant = 'client_credentials'\nclient_secret = 'hunter2'", 6, 9,
     "oauth2.grant", "Google issues none"},
    {"client credentials of nobody", ACCOUNT "grant = 'client_credentials'", 1, 1,
     "oauth2.client_secret", "is missing"},
    {"client credentials of any tenant",
     ACCOUNT "preset = 'microsoft'\ngrant = 'client_credentials'\nclient_secret = 'hunter2'", 1, 1,
     "oauth2.tenant", "whose directory"},
    {"client credentials and a refresh token",
     ACCOUNT "grant = 'client_credentials'\nclient_secret = 'x'\nrefresh_token = 'hunter2'", 5, 9,
     "oauth2.grant", "one of them must go"},
    {"a route that is never reached", ROUTE ROUTE, 3, 1, "route",
     "the route on line 1 takes every recipient"},
    {"nobody's route", ROUTE "recipients = []", 3, 14, "route.recipients",
     "is empty; without the key it is everybody"},
    {"Postfix brackets", "[[route]]\nhosts = ['[smtp.example.net]:587']", 2, 10, "route.hosts",
     "without an MX lookup"},
    {"a fallback that is not there", "[delivery]\nfallback = 'r'", 2, 12, "delivery.fallback",
     "there is no such route"},
    {"a fallback without hosts", "[delivery]\nfallback = 'r'\n[[route]]\nname = 'r'", 2, 12,
     "delivery.fallback", "has no hosts"},
    {"a route's fallback that is not there", "[[route]]\nfallback = 'r'", 2, 12, "route.fallback",
     "there is no such route"},
    {"a fallback of a fallback", "[[route]]\nname = 'r'\nhosts = ['h.example']\nfallback = 'r'", 4,
     12, "route.fallback", "name more hosts here"},
    {"a host's weight", "[[route]]\nhosts = ['smtp.example.net,weight=0']", 2, 10, "route.hosts",
     "each from 1 to 1000"},
    {"a weight twice", "[[route]]\nhosts = ['smtp.example.net:25,weight=1,weight=2']", 2, 10,
     "route.hosts", "priority and weight"},
    {"something else of a host", "[[route]]\nhosts = ['smtp.example.net,cost=3']", 2, 10,
     "route.hosts", "priority and weight"},
    {"nothing of a host", "[[route]]\nhosts = ['smtp.example.net,']", 2, 10, "route.hosts",
     "priority and weight"},
    {"no host before its weight", "[[route]]\nhosts = [',weight=2']", 2, 10, "route.hosts",
     "is not a host"},
    {"a host's port", "[[route]]\nhosts = ['smtp.example.net:0']", 2, 10, "route.hosts",
     "the port must be from 1 to 65535"},
    {"no host", "[[route]]\nhosts = ['a b:25']", 2, 10, "route.hosts", "is not a host"},
    {"a URL", "[[route]]\nhosts = ['smtp://a:25']", 2, 10, "route.hosts", "the port must be"},

    {"half a certificate", "tls.certificate = '/c'", 1, 19, "tls.certificate", "key is missing"},
    {"the other half", "tls.key = '/k'", 1, 11, "tls.key", "certificate is missing"},
    {"a late warning", "[queue]\nlifetime = '1h'\nwarn_after = '1h'", 3, 14, "queue.warn_after",
     "must be less than lifetime"},
    {"first over max", "[retry]\nfirst = '2h'\nmax = '1h'", 2, 9, "retry.first",
     "must not be longer than max"},
    {"a resolver's name", "dns.servers = ['localhost']", 1, 16, "dns.servers",
     "is not a numeric address"},
    {"too many resolvers", "dns.servers = ['::1','::1','::1','::1','::1','::1','::1']", 1, 15,
     "dns.servers", "has 7 items; 6 are the most"},

    {"an unset variable", "hostname = '${NO_SUCH}'", 1, 12, "hostname",
     "the environment variable NO_SUCH is not set"},
    {"a variable cut short", "hostname = '${NAME'", 1, 12, "hostname", "write \"$${\""},
    {"a variable without a name", "hostname = '${}'", 1, 12, "hostname", "write \"$${\""},
    {"a variable with a digit first", "hostname = '${1A}'", 1, 12, "hostname", "write \"$${\""},
    {"a variable with a default", "hostname = '${A:-b}'", 1, 12, "hostname", "write \"$${\""},
    {"what a variable holds counts", "hostname = '${WEIRD}'", 1, 12, "hostname",
     "control character"},
    {"too much of it", "hostname = '${LARGE}${LARGE}'", 1, 12, "hostname",
     "is longer than 65536 bytes"},
};

static bool contains(struct slice s, const char *part)
{
    size_t n = strlen(part);
    for (size_t i = 0; i + n <= s.n; i++) {
        if (memcmp(s.p + i, part, n) == 0)
            return true;
    }
    return false;
}

static void test_bad(void **state)
{
    (void)state;
    unsigned failures = 0;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        const struct mistake_row *row = &bad[i];
        struct config_mistake *m;
        unsigned count;
        struct config *c = load(row->text, &m, &count);
        bool is_as_wanted = count == 1 && m[0].line == row->line &&
                            (m[0].column == row->column || row->column == 0) &&
                            slice_eq(m[0].key, slice_cstr(row->key)) &&
                            contains(m[0].text, row->says);
        for (unsigned k = 0; !is_as_wanted && k < count; k++)
            print_error("%d:%d: %.*s: %.*s\n", m[k].line, m[k].column, SLICE_FMT(m[k].key),
                        SLICE_FMT(m[k].text));
        if (!is_as_wanted) {
            print_error("not as wanted: %s: %s\n", row->shows, row->text);
            failures++;
        }
        assert_false(contains(m[0].text, "hunter2")); /* secrets stay secret */
        assert_false(contains(m[0].text, "\n"));
        config_free(c);
    }
    assert_int_equal(failures, 0);
}

static void test_presets(void **state)
{
    (void)state;
    struct config_mistake *m;
    unsigned count;
    struct config *c = load("[[oauth2]]\nname = 'a'\npreset = 'microsoft'\nclient_id = 'x'\n"
                            "[[oauth2]]\nname = 'b'\npreset = 'microsoft'\nclient_id = 'x'\n"
                            "tenant = 'corp.example'\ngrant = 'client_credentials'\n"
                            "client_secret = 'y'\n"
                            "[[oauth2]]\nname = 'c'\npreset = 'google'\nclient_id = 'x'\n"
                            "scope = 'mine'\n" ROUTE "auth = { user = 'u', oauth2 = 'b' }\n",
                            &m, &count);
    assert_int_equal(count, 0);
    assert_int_equal(c->account_count, 3);
    const struct oauth_account *a = c->accounts;
    assert_string_equal(a[0].token_url.p,
                        "https://login.microsoftonline.com/organizations/oauth2/v2.0/token");
    assert_string_equal(a[0].scope.p, "https://outlook.office.com/SMTP.Send offline_access");
    assert_string_equal(a[1].device_url.p,
                        "https://login.microsoftonline.com/corp.example/oauth2/v2.0/devicecode");
    assert_string_equal(a[1].scope.p, "https://outlook.office365.com/.default");
    assert_string_equal(a[2].token_url.p, "https://oauth2.googleapis.com/token");
    assert_string_equal(a[2].scope.p, "mine");
    assert_string_equal(c->engine.routes[0].account.p, "b");
    assert_int_equal(c->engine.routes[0].tls, DELIVERY_TLS_VERIFY);
    assert_ptr_equal(config_account(c, SLICE("b")), &a[1]);
    assert_null(config_account(c, SLICE("d")));
    config_free(c);
}

/* Fine, though it looks like one of the above. */
static void test_good(void **state)
{
    (void)state;
    static const char *const good[] = {
        ROUTE "tls = 'require'\nauth = { user = 'x', password = 'y' }",
        "[[route]]\nhosts = ['127.0.0.1:25', '[::1]']\ntls = 'none'\n"
        "auth = { user = 'x', password = 'y' }",
        "[[route]]\nrecipients = ['a@b']\n[[route]]\n",
        "submission.trusted_networks = ['172.0.0.0/8', 'fd00::/16', '::ffff:10.0.0.0/104']",
        "[queue]\nlifetime = '1h'\nwarn_after = '59m'",
        "retry = { first = '1h', max = '1h', factor = 1 }",
        "shutdown_grace = '0s'",
        USER "senders = ['*']",
        "# nothing but a comment",
    };
    for (size_t i = 0; i < COUNT_OF(good); i++)
        config_free(load_well(good[i]));
}

static void test_all_at_once_in_order(void **state)
{
    (void)state;
    struct config_mistake *m;
    unsigned count;
    struct config *c =
        load("queue.warn_after = '6d'\nhostnam = 1\nlog = { level = 1, format = 2 }\n"
             "[tls]\nkey = '/k'\n[[user]]\n[[route]]\nhosts = ['a b', 'c', 'd e']\n",
             &m, &count);
    static const struct {
        int line;
        const char *key;
    } wanted[] = {
        {1, "queue.warn_after"}, {2, "hostnam"},     {3, "log.level"},
        {3, "log.format"},       {5, "tls.key"},     {6, "user.name"},
        {6, "user.password"},    {8, "route.hosts"}, {8, "route.hosts"},
    };
    assert_int_equal(count, COUNT_OF(wanted));
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        assert_int_equal(m[i].line, wanted[i].line);
        assert_slice(m[i].key, wanted[i].key);
    }
    assert_true(m[2].column < m[3].column);
    assert_true(m[7].column < m[8].column);
    config_free(c);
}

/* ---- ceilings ---- */

/* The piece so many times; "%u" in it counts. */
static struct config *load_many(const char *head, const char *piece, unsigned times,
                                const char *tail, struct config_mistake **m, unsigned *count)
{
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    buf_add_cstr(&text, head);
    for (unsigned i = 0; i < times; i++) {
        struct slice rest = slice_cstr(piece);
        size_t at = slice_find(rest, '%');
        buf_add(&text, slice_head(rest, at));
        if (at < rest.n)
            buf_addf(&text, "%u", i);
        buf_add(&text, slice_from(rest, at + 1));
    }
    buf_add_cstr(&text, tail);
    assert_false(text.is_full);
    struct config *c = load(buf_cstr(&text), m, count);
    buf_close(&text);
    return c;
}

static const struct {
    const char *shows, *head, *piece, *tail;
    unsigned most;
} ceilings[] = {
    {"listeners", "", "[[listen]]\naddress = '[::1]:5%'\n", "", CONFIG_LISTENERS_MAX},
    {"users", "", "[[user]]\nname = 'u%'\npassword = '$6$x$y'\n", "", CONFIG_USERS_MAX},
    {"sources", "", "[[source]]\naddress = '192.0.2.1'\nname = 's%'\n", "", ENGINE_SOURCES_MAX},
    {"routes", "", "[[route]]\nrecipients = ['r%']\n", "", CONFIG_ROUTES_MAX},
    {"networks", "submission.trusted_networks = [", "'10.1.1.%',", "]", CONFIG_NETWORKS_MAX},
    {"senders", USER "senders = [", "'s%',", "]", CONFIG_PATTERNS_MAX},
    {"recipients", "[[route]]\nrecipients = [", "'s%',", "]", CONFIG_PATTERNS_MAX},
    {"certificates", ASKS USER "certificates = [", "'sha256:" HEX "',", "]",
     CONFIG_CERTIFICATES_MAX},
    {"names of certificates", "tls.client_ca_file = '/ca'\n" ASKS USER "certificate_names = [",
     "'n%',", "]", CONFIG_CERTIFICATES_MAX},
    {"hosts", "[[route]]\nhosts = [", "'h%',", "]", CONFIG_HOSTS_MAX},
    {"resolvers", "dns.servers = [", "'10.1.1.%',", "]", CONFIG_DNS_SERVERS_MAX},
    {"bytes", "#", "x", "\n", CONFIG_BYTES_MAX - 2},
    {"bytes of a string", "[[route]]\nhosts = ['h']\nauth = { user = 'u', password = '", "x",
     "' }\n", CONFIG_STRING_BYTES_MAX},
};

static void test_ceilings(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ceilings); i++) {
        for (unsigned over = 0; over < 2; over++) {
            struct config_mistake *m;
            unsigned count;
            struct config *c = load_many(ceilings[i].head, ceilings[i].piece,
                                         ceilings[i].most + over, ceilings[i].tail, &m, &count);
            if (count != over)
                fail_msg("%s: %u mistakes with %u: %.*s", ceilings[i].shows, count,
                         ceilings[i].most + over, SLICE_FMT(m[0].text));
            config_free(c);
        }
    }
}

static void test_mistakes_are_bounded(void **state)
{
    (void)state;
    struct config_mistake *m;
    unsigned count;
    struct config *c = load_many("", "nobody_knows_% = 1\n", CONFIG_MISTAKES_MAX, "", &m, &count);
    assert_int_equal(count, CONFIG_MISTAKES_MAX);
    assert_slice(m[CONFIG_MISTAKES_MAX - 1].key, "nobody_knows_199");
    config_free(c);

    c = load_many("", "nobody_knows_% = 1\n", CONFIG_MISTAKES_MAX + 100, "", &m, &count);
    assert_int_equal(count, CONFIG_MISTAKES_MAX + 1);
    assert_true(contains(m[CONFIG_MISTAKES_MAX].text, "there are more mistakes"));
    config_free(c);
}

/* Cut anywhere, a file is loaded or refused, and what is refused has a reason. */
static void test_cut_short(void **state)
{
    (void)state;
    struct config_world world = fake_world();
    for (size_t n = 0; n < sizeof whole; n++) {
        struct config_mistake *m;
        unsigned count;
        char *exact = mem_dup(whole, n);
        struct config *c = config_load(slice_of(exact, n), &world, &m, &count);
        for (unsigned i = 0; i < count; i++)
            assert_true(m[i].text.n > 0 && m[i].line > 0);
        config_free(c);
        mem_free(exact);
    }
}

#define SCRAM                                                                                      \
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"    \
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

static void test_users(void **state)
{
    static const char text[] =
        "[[route]]\nhosts = ['h.example']\n"
        "[[route]]\nname = 'bulk'\nhosts = ['i.example']\n"
        "[[user]]\nname = 'a'\npassword = '$6$x$1'\npasswords = ['$6$x$2', '" SCRAM "']\n"
        "recipients = ['*@b.example']\nmax_message_size = '1MiB'\nmessage_rate = '10/15m'\n"
        "recipient_rate = '100/h'\ndaily_quota = 5000\nroute = 'bulk'\npriority = -9\n"
        "[[user]]\nname = 'b'\npasswords = ['$6$x$4']\npriority = 9\n";
    const struct config_world world = fake_world();
    struct config_mistake *mistakes;
    unsigned count;
    struct config *c = config_load(slice_cstr(text), &world, &mistakes, &count);
    assert_int_equal(count, 0);
    const struct engine_user *u = &c->engine.users[0];
    assert_int_equal(c->users[0].password_count, 3);
    assert_slice(c->users[0].passwords[0], "$6$x$1");
    assert_slice(c->users[0].passwords[2], SCRAM);
    assert_true(u->has_scram);
    assert_false(c->engine.users[1].has_scram);
    assert_int_equal(u->recipient_count, 1);
    assert_int_equal(u->message_bytes_max, 1 << 20);
    assert_int_equal(u->quota.messages.count, 10);
    assert_int_equal(u->quota.messages.per_ms, 15 * 60 * 1000);
    assert_int_equal(u->quota.recipients.per_ms, 3600 * 1000);
    assert_int_equal(u->quota.daily, 5000);
    assert_true(u->has_route);
    assert_int_equal(u->route, 1);
    assert_int_equal(u->priority, -9);
    assert_int_equal(c->engine.users[1].priority, 9);
    assert_slice(c->engine.routes[0].name, "h.example");
    assert_slice(c->engine.routes[1].name, "bulk");
    assert_int_equal(c->users[1].password_count, 1);
    assert_false(c->engine.users[1].has_route);
    assert_int_equal(c->engine.users[1].quota.messages.count, 0);
    config_free(c);
}

static void test_certificates(void **state)
{
    static const char text[] =
        "tls.client_ca_file = '/ca'\n"
        "[[listen]]\naddress = '[::1]:1'\nclient_certificates = 'required'\n"
        "[[listen]]\naddress = '[::1]:2'\n"
        "[[user]]\nname = 'a'\ncertificates = ['sha256:" HEX "', 'spki-sha256:00:01:02:03:04:05:"
        "06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1a:1B:1C:1D:1E:FF']\n"
        "[[user]]\nname = 'b'\ncertificate_names = ['*.example']\n";
    uint8_t wanted[32];
    for (int i = 0; i < 32; i++)
        wanted[i] = (uint8_t)(i == 31 ? 0xff : i);
    struct config *c = load_well(text);
    const struct engine_options *e = &c->engine;
    assert_slice(c->tls_client_ca_file, "/ca");
    assert_int_equal(e->listeners[0].certificates, LISTENER_CERTIFICATES_REQUIRED);
    assert_int_equal(e->listeners[1].certificates, LISTENER_CERTIFICATES_NONE);
    assert_int_equal(e->users[0].certificate_count, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(e->users[0].certificates[i].is_of_key, i);
        assert_memory_equal(e->users[0].certificates[i].sha256, wanted, 32);
    }
    assert_int_equal(c->users[0].password_count, 0);
    assert_int_equal(e->users[1].certificate_name_count, 1);
    assert_slice(e->users[1].certificate_names[0], "*.example");
    config_free(c);
}

static void test_users_file(void **state)
{
    static const char text[] = "users_file = '/etc/outpost/users'\n"
                               "[[user]]\nname = 'app'\npassword = '$6$x$old'\ndaily_quota = 5\n";
    const struct config_world world = fake_world();
    struct config_mistake *mistakes;
    unsigned count;
    struct config *c = config_load(slice_cstr(text), &world, &mistakes, &count);
    assert_int_equal(count, 0);
    assert_int_equal(c->user_count, 3);
    assert_int_equal(c->engine.user_count, 3);
    assert_slice(c->users[0].name, "app"); /* both of its passwords, and its limits */
    assert_int_equal(c->users[0].password_count, 2);
    assert_slice(c->users[0].passwords[1], "$6$x$new");
    assert_int_equal(c->engine.users[0].quota.daily, 5);
    assert_slice(c->users[1].name, "alice");
    assert_slice(c->users[1].passwords[0], "$2y$05$x");
    assert_slice(c->engine.users[2].name, "bob");
    assert_slice(c->users[2].passwords[0], "$6$x$y:z");
    config_free(c);

    c = config_load(SLICE("users_file = '/etc/outpost/users'\n[[user]]\nname = 'app'"), &world,
                    &mistakes, &count);
    assert_int_equal(count, 0); /* the password may stand there alone */
    config_free(c);
    c = config_load(SLICE("users_file = '/etc/outpost/users'\n[[user]]\nname = 'other'"), &world,
                    &mistakes, &count);
    assert_int_equal(count, 1);
    config_free(c);

    static const char *const said[] = {"line 2: has no colon", "line 3: a name has 1 to 255 bytes",
                                       "line 4: the name stands there",
                                       "line 5: is not a password hash", "line 6: a name has"};
    c = config_load(SLICE("users_file = '/etc/outpost/bad'"), &world, &mistakes, &count);
    assert_int_equal(count, COUNT_OF(said));
    for (size_t i = 0; i < COUNT_OF(said); i++) {
        assert_slice(mistakes[i].key, "users_file");
        assert_true(slice_starts(mistakes[i].text, slice_cstr(said[i])));
    }
    config_free(c);
}

/* One more than there may be is told, and nothing is written behind the end. */
static enum err many_users(void *ctx, struct slice path, struct arena *arena, struct slice *out,
                           struct fault *why)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    for (int i = 0; i <= 5000; i++)
        buf_addf(&text, "u%d:$6$x$y\n", i);
    *out = arena_copy(arena, buf_slice(&text));
    buf_close(&text);
    return ERR_OK;
}

static void test_users_file_is_bounded(void **state)
{
    struct config_world world = fake_world();
    struct config_mistake *mistakes;
    unsigned count;
    world.read_file = many_users;
    struct config *c = config_load(SLICE("users_file = '/u'"), &world, &mistakes, &count);
    assert_int_equal(count, 1);
    assert_slice(mistakes[0].text, "line 5001: is one user too many: 5000 are the most");
    assert_int_equal(c->user_count, 5000);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_defaults_of_a_plain_user),
        cmocka_unit_test(test_defaults_that_cannot_be),
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_fallbacks),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_users),
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_users_file),
        cmocka_unit_test(test_users_file_is_bounded),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_presets),
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_all_at_once_in_order),
        cmocka_unit_test(test_ceilings),
        cmocka_unit_test(test_mistakes_are_bounded),
        cmocka_unit_test(test_cut_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
