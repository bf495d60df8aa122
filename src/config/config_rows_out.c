/* config_rows_out.c -- the options of the queue, of delivery, and of what the operator sees. */
#include "config_rows.h"

static const struct config_choice redactions[] = {
    {"none", HISTORY_REDACT_NONE, NULL},
    {"local-part", HISTORY_REDACT_LOCAL_PART, NULL},
    {"all", HISTORY_REDACT_ALL, NULL},
    {0},
};

static const struct config_choice outgoing_tls[] = {
    {"none", DELIVERY_TLS_NONE, NULL},        {"opportunistic", DELIVERY_TLS_OPPORTUNISTIC, NULL},
    {"require", DELIVERY_TLS_REQUIRE, NULL},  {"verify", DELIVERY_TLS_VERIFY, NULL},
    {"dane", 0, "DANE is not available yet"}, {0},
};

static const struct config_choice eight_bit[] = {
    {"convert", DELIVERY_8BIT_CONVERT, NULL},
    {"send", DELIVERY_8BIT_SEND, NULL},
    {"bounce", DELIVERY_8BIT_BOUNCE, NULL},
    {0},
};

static const struct config_choice mechanisms[] = {
    {"EXTERNAL", SMTP_SASL_EXTERNAL, NULL},
    {"SCRAM-SHA-256-PLUS", SMTP_SASL_SCRAM_SHA_256_PLUS, NULL},
    {"SCRAM-SHA-256", SMTP_SASL_SCRAM_SHA_256, NULL},
    {"OAUTHBEARER", SMTP_SASL_OAUTHBEARER, NULL},
    {"XOAUTH2", SMTP_SASL_XOAUTH2, NULL},
    {"CRAM-MD5", SMTP_SASL_CRAM_MD5, NULL},
    {"PLAIN", SMTP_SASL_PLAIN, NULL},
    {"LOGIN", SMTP_SASL_LOGIN, NULL},
    {0},
};

static const struct config_choice unsure[] = {
    {"retry", DELIVERY_UNSURE_RETRY, NULL},
    {"bounce", DELIVERY_UNSURE_BOUNCE, NULL},
    {0},
};

/* path, type, lands in, normal, least, most, meaning */
static const struct config_option rows[] = {
    ROW("queue.max_size", SIZE, ENGINE(queue_bytes_max), "10GiB", "64KiB", "1000TiB",
        "Disk space for messages. When it is used up, clients are asked to come back later."),
    ROW("queue.lifetime", DURATION, ENGINE(lifetime_ms), "5d", "10ms", "365d",
        "A message that could not be delivered for so long goes back to its sender."),
    ROW("queue.warn_after", DURATION, ENGINE(warn_after_ms), "4h", "0s", "365d",
        "The sender is told once when a message waits for so long. \"0s\": never. With a lifetime "
        "that is no longer than this default: never."),
    ROW("queue.max_returned_size", SIZE, ENGINE(returned_bytes_max), "64KiB", "0B", "64KiB",
        "Of a message that came with RET=FULL and failed, all is returned when it is no larger; of "
        "others, and by default, the header."),
    ROW("queue.double_bounces_to", ADDRESS, ENGINE(double_bounces_to), NULL, NULL, NULL,
        "Is told when a report of ours cannot be delivered, or mail that has no sender.",
        .sample = "postmaster@example.com", .normal_said = "nobody; the log says so"),
    ROW("queue.history", DURATION, ENGINE(history_ms), "7d", "0s", "3650d",
        "How long finished messages are remembered for `outpost why`. \"0s\": not at all, and what "
        "was remembered is deleted."),
    ROW("queue.history_max_size", SIZE, TOP(history_bytes_max), "256MiB", "1MiB", "16GiB",
        "Disk space for them, under state_dir; the oldest go first."),
    ROW("queue.history_redact", CHOICE, TOP(history_redact), "none", NULL, NULL,
        "Addresses in the history: none: as they are. local-part: \"b***@example.org\". all: "
        "\"***\". Who knows an address finds its messages all the same.",
        .choices = redactions),

    ROW("retry.first", DURATION, ENGINE(retry_first_ms), "1m", "10ms", "30d",
        "The first wait. When it alone is given and exceeds max, max follows it."),
    ROW("retry.factor", FACTOR, ENGINE(retry_factor), "2.0", "1.0", "100.0",
        "Each wait is so many times the one before."),
    ROW("retry.max", DURATION, ENGINE(retry_max_ms), "1h", "10ms", "30d",
        "The longest wait. When it alone is given and is less than first, first follows it."),

    ROW("retry.greylisted", DURATION, ENGINE(greylisted_ms), "5m", "10ms", "1d",
        "The first wait instead, when the refusal looks like greylisting and says no time. What a "
        "refusal says (\"try again in 300 seconds\") counts, between first and twice max."),

    ROW("delivery.port", PORT, ENGINE(port), "25", "1", "65535", "The port of MX hosts."),
    ROW("delivery.max_connections", COUNT, ENGINE(out_connections_max), "1000", "1", "100000",
        "At once, all destinations together."),
    ROW("delivery.max_connections_per_destination", COUNT, ENGINE(limits.connections), "20", "1",
        "100000",
        "At once to one smarthost or set of MX hosts; fewer while it is slow or refuses."),
    ROW("delivery.max_messages_per_connection", COUNT, ENGINE(limits.connection_messages), "1000",
        "1", "1000000",
        "Then a new connection; sooner where the other end says so (LIMITS, RFC 9422) or closes."),
    ROW("delivery.max_connection_age", DURATION, ENGINE(limits.age_ms), "5m", "10ms", "1d",
        "No message begins on a connection that is older."),
    ROW("delivery.idle_timeout", DURATION, ENGINE(limits.idle_ms), "5s", "0s", "10m",
        "A connection is kept open so long for the next message. \"0s\": not at all."),
    ROW("delivery.max_recipients_per_transaction", COUNT, ENGINE(limits.recipients), "100", "1",
        "10000",
        "More recipients of a message get it in further transactions at once. 100 are granted by "
        "RFC "
        "5321."),
    ROW("delivery.chunking", BOOL, ENGINE(limits.chunking), "true", NULL, NULL,
        "Messages up to 64 KiB go by BDAT where CHUNKING is offered. false: all by DATA, but for "
        "binary ones."),
    ROW("delivery.tls", CHOICE, ENGINE(delivery_tls), "opportunistic", NULL, NULL,
        "To MX hosts. opportunistic: when they offer it. require: encrypted or not at all, whoever "
        "it "
        "is. verify: encrypted, with a certificate that is valid for the host's name.",
        .choices = outgoing_tls),
    ROW("delivery.sources", NAME, ENGINE(mx_sources), NULL, NULL, "255",
        "Names of [[source]] tables: where connections to MX hosts come from. Each destination "
        "keeps one of them.",
        LIST(ENGINE(mx_source_count), 1, ENGINE_SOURCES_MAX), .sample = "out1",
        .normal_said = "the system chooses"),
    ROW("delivery.race_delay", DURATION, ENGINE(limits.race_ms), "250ms", "10ms", "10s",
        "When an address is silent for so long the next one of the same host is tried beside it."),
    ROW("delivery.connect_timeout", DURATION, ENGINE(limits.connect_ms), "30s", "10ms", "1d",
        "For one address to answer."),
    ROW("delivery.greeting_timeout", DURATION, ENGINE(limits.greeting_ms), "5m", "10ms", "1d",
        "For its greeting (RFC 5321, 4.5.3.2, as for the next three)."),
    ROW("delivery.command_timeout", DURATION, ENGINE(limits.command_ms), "5m", "10ms", "1d",
        "For the reply to a command."),
    ROW("delivery.data_timeout", DURATION, ENGINE(limits.data_ms), "3m", "10ms", "1d",
        "For each block of a message to be taken."),
    ROW("delivery.final_timeout", DURATION, ENGINE(limits.final_ms), "10m", "10ms", "1d",
        "For the reply to a whole message."),
    ROW("delivery.on_no_8bitmime", CHOICE, ENGINE(on_no_8bitmime), "convert", NULL, NULL,
        "A message with eight bits, and a server that offers no 8BITMIME. convert: its parts "
        "become "
        "quoted-printable or base64, which breaks a signature of the sender's. send: it goes as it "
        "is, which most such servers take. bounce: it comes back. Binary messages (BINARYMIME) are "
        "converted with send, too.",
        .choices = eight_bit),
    ROW("delivery.allow_private_mx", BOOL, ENGINE(allow_private_mx), "false", NULL, NULL,
        "Also deliver to MX hosts with loopback or private addresses."),

    ROW("delivery.builtin_rules", BOOL, ENGINE(has_builtin_rules), "true", NULL, NULL,
        "What large providers mean by some of their replies, behind every [[reply]]. "
        "doc/shaping.md lists them."),
    ROW("delivery.fallback", NAME, ENGINE(fallback_name), NULL, NULL, "255",
        "Name of the route with hosts that takes mail which the MX hosts cannot be given: none can "
        "be reached, or the DNS does not answer. A route that says nothing but its hosts is for "
        "this only. doc/routing.md has the details.",
        .sample = "bulk", .normal_said = "none; it waits"),
    ROW("delivery.fallback_after", DURATION, ENGINE(fallback_after_ms), "10m", "10ms", "30d",
        "After so long a time of trouble with a domain."),
    ROW("delivery.on_unsure", CHOICE, ENGINE(on_unsure), "retry", NULL, NULL,
        "The connection was lost before the reply to a whole message, which may have been taken. "
        "retry: at least once, rarely twice. bounce: never twice; the sender is told that it may "
        "have been delivered.",
        .choices = unsure),
    ROW("delivery.unsure_wait", DURATION, ENGINE(unsure_wait_ms), "5m", "0s", "30d",
        "The least wait before such a message is tried again."),

    ROW("dns.servers", RESOLVER, TOP(dns_servers), NULL, NULL, NULL,
        "\"address:port\", numeric; without a port: 53.",
        LIST(TOP(dns_server_count), 0, CONFIG_DNS_SERVERS_MAX), .sample = "127.0.0.1:53",
        .normal_said = "the system's (/etc/resolv.conf)"),
    ROW("dns.timeout", DURATION, TOP(dns_timeout_ms), "10s", "10ms", "5m",
        "For an answer, all tries together."),

    ROW("source.name", NAME, SOURCE(name), NULL, NULL, "255",
        "What delivery.sources and route.sources call it.", .is_required = true, .sample = "out1"),
    ROW("source.address", IP, SOURCE(v4), NULL, NULL, NULL, "An IPv4 address of this machine.",
        .sample = "192.0.2.10", .normal_said = "none: not used for IPv4"),
    ROW("source.address6", IP, SOURCE(v6), NULL, NULL, NULL, "An IPv6 address of this machine.",
        .sample = "2001:db8::10", .normal_said = "none: not used for IPv6"),
    ROW("source.helo", HOSTNAME, SOURCE(helo), NULL, NULL, NULL,
        "The name said in EHLO; its addresses should have it as their PTR record.",
        .sample = "out1.example.com", .normal_said = "hostname"),
    ROW("source.weight", COUNT, SOURCE(weight), "1", "1", "100",
        "Its share of the destinations, against the others of its pool."),

    ROW("route.name", NAME, ROUTE(name), NULL, NULL, "255", "What user.route and people call it.",
        .sample = "bulk", .normal_said = "its first host"),
    ROW("route.recipients", PATTERN, ROUTE(recipients), NULL, NULL, NULL,
        "Whose mail goes this way: \"*\", \"*@example.com\", \"*.example.com\" or an address.",
        LIST(ROUTE(recipient_count), 1, CONFIG_PATTERNS_MAX), .sample = "*",
        .normal_said = "everybody"),
    ROW("route.senders", PATTERN, ROUTE(senders), NULL, NULL, NULL,
        "Whose mail as its envelope says; reports of ours have no sender and match only \"*\".",
        LIST(ROUTE(sender_count), 1, CONFIG_PATTERNS_MAX), .sample = "*@news.example.com",
        .normal_said = "anyone"),
    ROW("route.logins", NAME, ROUTE(logins), NULL, NULL, "255",
        "Mail that came with one of these logins.",
        LIST(ROUTE(login_count), 1, CONFIG_PATTERNS_MAX), .sample = "newsletter",
        .normal_said = "with any login, and without one"),
    ROW("route.min_size", SIZE, ROUTE(bytes_least), NULL, "1B", "16GiB",
        "Messages of this size and more.", .sample = "5MiB", .normal_said = "any"),
    ROW("route.max_size", SIZE, ROUTE(bytes_most), NULL, "1B", "16GiB",
        "Messages of this size and less.", .sample = "20MiB", .normal_said = "any"),
    ROW("route.hosts", HOST, ROUTE(hosts), NULL, NULL, NULL,
        "\"host:port\", tried in this order; without a port: 587. Port 465 means TLS from the "
        "first byte. \"host:port,priority=1,weight=3\": the lower priority first; hosts of equal "
        "priority share the connections by weight. What is not said of the others is 1 then.",
        LIST(ROUTE(host_count), 1, CONFIG_HOSTS_MAX), .sample = "smtp.example.net:587",
        .normal_said = "the MX hosts of the recipient's domain"),
    ROW("route.sources", NAME, ROUTE(sources), NULL, NULL, "255",
        "As delivery.sources, for this route.", LIST(ROUTE(source_count), 1, ENGINE_SOURCES_MAX),
        .sample = "out1", .normal_said = "with hosts the system chooses, else delivery.sources"),
    ROW("route.fallback", NAME, ROUTE(fallback_name), NULL, NULL, "255",
        "As delivery.fallback, of a route without hosts. \"none\": its mail goes no other way.",
        .sample = "none", .normal_said = "delivery.fallback"),
    ROW("route.tls", CHOICE, ROUTE(tls), NULL, NULL, NULL, "As delivery.tls, to these hosts.",
        .choices = outgoing_tls, .sample = "verify",
        .normal_said = "verify when auth is given, else opportunistic"),
    ROW("route.auth.user", NAME, ROUTE(user), NULL, NULL, "255", "What we log in as.",
        .sample = "relay", .normal_said = "nobody: then a certificate is needed"),
    ROW("route.auth.password", SECRET, ROUTE(password), NULL, NULL, NULL,
        "In clear; or password_file = \"/path\".", .sample = "secret", .normal_said = "none"),
    ROW("route.auth.certificate", PATH, ROUTE(certificate), NULL, NULL, "1024",
        "Our certificate and its chain (PEM), shown to hosts that ask for one; with AUTH EXTERNAL "
        "where they offer it.",
        .sample = "/etc/outpost/client.pem", .normal_said = "none"),
    ROW("route.auth.key", PATH, ROUTE(certificate_key), NULL, NULL, "1024",
        "Its private key (PEM, without a passphrase).", .sample = "/etc/outpost/client.key",
        .normal_said = "none"),
    ROW("route.auth.mechanisms", CHOICE, ROUTE(mechanisms), NULL, NULL, NULL,
        "No others are used. The best that both know is taken, in the order of this list.",
        LIST(ROUTE(mechanism_count), 1, CONFIG_MECHANISMS_MAX), .choices = mechanisms,
        .sample = "SCRAM-SHA-256 PLAIN", .normal_said = "any"),
    ROW("route.auth.oauth2", NAME, ROUTE(account), NULL, NULL, "64",
        "Name of an [[oauth2]] whose access token stands for the password.", .sample = "office",
        .normal_said = "none"),

    ROW("credential.route", NAME, CREDENTIAL(route_name), NULL, NULL, "255",
        "The name of the route at whose hosts it is used.", .is_required = true, .sample = "bulk"),
    ROW("credential.senders", PATTERN, CREDENTIAL(senders), NULL, NULL, NULL,
        "Whose mail, as its envelope says; as route.senders.",
        LIST(CREDENTIAL(sender_count), 1, CONFIG_PATTERNS_MAX), .sample = "*@shop.example.com",
        .normal_said = "anyone"),
    ROW("credential.logins", NAME, CREDENTIAL(logins), NULL, NULL, "255",
        "Mail that came with one of these logins.",
        LIST(CREDENTIAL(login_count), 1, CONFIG_PATTERNS_MAX), .sample = "shop",
        .normal_said = "with any login, and without one"),
    ROW("credential.user", NAME, CREDENTIAL(user), NULL, NULL, "255", "As route.auth.user.",
        .sample = "shop-relay", .normal_said = "nobody: then a certificate is needed"),
    ROW("credential.password", SECRET, CREDENTIAL(password), NULL, NULL, NULL,
        "In clear; or password_file = \"/path\".", .sample = "secret", .normal_said = "none"),
    ROW("credential.certificate", PATH, CREDENTIAL(certificate), NULL, NULL, "1024",
        "As route.auth.certificate.", .sample = "/etc/outpost/shop.pem", .normal_said = "none"),
    ROW("credential.key", PATH, CREDENTIAL(certificate_key), NULL, NULL, "1024", "Its private key.",
        .sample = "/etc/outpost/shop.key", .normal_said = "none"),
    ROW("credential.mechanisms", CHOICE, CREDENTIAL(mechanisms), NULL, NULL, NULL,
        "As route.auth.mechanisms.", LIST(CREDENTIAL(mechanism_count), 1, CONFIG_MECHANISMS_MAX),
        .choices = mechanisms, .sample = "SCRAM-SHA-256 PLAIN", .normal_said = "any"),
    ROW("credential.oauth2", NAME, CREDENTIAL(account), NULL, NULL, "64", "As route.auth.oauth2.",
        .sample = "office", .normal_said = "none"),

    ROW("control.socket", PATH, TOP(control_socket), NULL, NULL, "107", "Path of the Unix socket.",
        .sample = "/run/outpost/control.sock",
        .normal_said = "/run/outpost/control.sock for root, else outpost/control.sock under "
                       "$XDG_RUNTIME_DIR, else control.sock under state_dir"),
    ROW("sendmail.enabled", BOOL, TOP(has_sendmail), "true", NULL, NULL,
        "false: neither the socket nor the drop directory is there, and sendmail(1) fails."),
    ROW("sendmail.socket", PATH, TOP(sendmail_socket), NULL, NULL, "107",
        "Path of the Unix socket. Every local user may hand over mail there and is known by uid; "
        "when it cannot be opened the relay warns and goes on.",
        .sample = "/run/outpost/submit.sock", .normal_said = "submit.sock next to control.socket"),
    ROW("sendmail.drop_dir", PATH, TOP(sendmail_drop_dir), NULL, NULL, "1024",
        "Where sendmail(1) leaves mail while the relay is down. Made by the relay with mode 01733: "
        "every local user may add a file, nobody but the relay may list them. Directories above it "
        "must be open to all (0711).",
        .sample = "/var/lib/outpost/drop", .normal_said = "drop under state_dir"),
    ROW("metrics.listen", LISTEN, TOP(metrics_listen), NULL, NULL, NULL,
        "\"address:port\", numeric. Whoever can reach it can read it.", .sample = "127.0.0.1:9587",
        .normal_said = "none; the control socket has the metrics too"),
};
const struct config_rows config_rows_out = {rows, COUNT_OF(rows)};
