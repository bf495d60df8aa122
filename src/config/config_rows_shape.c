/* config_rows_shape.c -- the options of [[shape]] and [[reply]]: how some destinations are treated,
 * and what some replies mean. */
#include "config_rows.h"

#define SHAPE(member) offsetof(struct engine_shape, member)
#define REPLY(member) offsetof(struct policy_reply_rule, member)

static const struct config_choice actions[] = {
    {"back_off", POLICY_REPLY_BACK_OFF, NULL},   {"slow_down", POLICY_REPLY_SLOW_DOWN, NULL},
    {"permanent", POLICY_REPLY_PERMANENT, NULL}, {"temporary", POLICY_REPLY_TEMPORARY, NULL},
    {"next_host", POLICY_REPLY_NEXT_HOST, NULL}, {0},
};

/* path, type, lands in, normal, least, most, meaning */
static const struct config_option rows[] = {
    ROW("shape.name", NAME, SHAPE(name), NULL, NULL, "40", "What `outpost explain` calls it.",
        .sample = "big-provider", .normal_said = "\"shape\" and its number"),
    ROW("shape.domains", GLOB, SHAPE(where.domains), NULL, NULL, "255",
        "Recipients' domains, as A-labels: \"example.com\", \"*.example.com\". Hosts of a route do "
        "not match any.",
        LIST(SHAPE(where.domain_count), 1, CONFIG_PATTERNS_MAX), .sample = "example.org",
        .normal_said = "any"),
    ROW("shape.mx", GLOB, SHAPE(where.hosts), NULL, NULL, "255",
        "Names of MX hosts, or of a route's hosts: one host that matches is enough.",
        LIST(SHAPE(where.host_count), 1, CONFIG_PATTERNS_MAX), .sample = "*.mx.example.net",
        .normal_said = "any"),
    ROW("shape.routes", GLOB, SHAPE(where.routes), NULL, NULL, "255", "Names of routes.",
        LIST(SHAPE(where.route_count), 1, CONFIG_PATTERNS_MAX), .sample = "bulk",
        .normal_said = "any, and none"),
    ROW("shape.max_connections", COUNT, SHAPE(limits.connections), NULL, "1", "100000", "At once.",
        .sample = "5", .normal_said = "delivery.max_connections_per_destination"),
    ROW("shape.max_messages_per_connection", COUNT, SHAPE(limits.connection_messages), NULL, "1",
        "1000000", "Then a new connection is made.", .sample = "20",
        .normal_said = "that of delivery"),
    ROW("shape.max_connection_age", DURATION, SHAPE(limits.age_ms), NULL, "10ms", "1d",
        "As delivery.max_connection_age.", .sample = "1m", .normal_said = "that"),
    ROW("shape.max_recipients_per_transaction", COUNT, SHAPE(limits.recipients), NULL, "1", "10000",
        "As delivery.max_recipients_per_transaction.", .sample = "20", .normal_said = "that"),
    ROW("shape.message_rate", RATE, SHAPE(limits.messages), NULL, NULL, NULL,
        "Messages in a time, spread evenly over it: \"100/m\" is one each 600 ms.",
        .sample = "100/m", .normal_said = "no limit"),
    ROW("shape.idle_timeout", DURATION, SHAPE(limits.idle_ms), NULL, "10ms", "10m",
        "As delivery.idle_timeout.", .sample = "30s", .normal_said = "that"),
    ROW("shape.connect_timeout", DURATION, SHAPE(limits.connect_ms), NULL, "10ms", "1d",
        "As delivery.connect_timeout.", .sample = "10s", .normal_said = "that"),
    ROW("shape.greeting_timeout", DURATION, SHAPE(limits.greeting_ms), NULL, "10ms", "1d",
        "As delivery.greeting_timeout.", .sample = "1m", .normal_said = "that"),
    ROW("shape.command_timeout", DURATION, SHAPE(limits.command_ms), NULL, "10ms", "1d",
        "As delivery.command_timeout.", .sample = "1m", .normal_said = "that"),
    ROW("shape.data_timeout", DURATION, SHAPE(limits.data_ms), NULL, "10ms", "1d",
        "As delivery.data_timeout.", .sample = "1m", .normal_said = "that"),
    ROW("shape.final_timeout", DURATION, SHAPE(limits.final_ms), NULL, "10ms", "1d",
        "As delivery.final_timeout.", .sample = "20m", .normal_said = "that"),

    ROW("reply.name", NAME, REPLY(name), NULL, NULL, "40",
        "What the log, `outpost status` and `outpost queue show` call it.", .sample = "busy",
        .normal_said = "\"reply\" and its number"),
    ROW("reply.domains", GLOB, REPLY(where.domains), NULL, NULL, "255", "As shape.domains.",
        LIST(REPLY(where.domain_count), 1, CONFIG_PATTERNS_MAX), .sample = "example.org",
        .normal_said = "any"),
    ROW("reply.mx", GLOB, REPLY(where.hosts), NULL, NULL, "255",
        "Names of hosts: the one that said it.",
        LIST(REPLY(where.host_count), 1, CONFIG_PATTERNS_MAX), .sample = "*.mx.example.net",
        .normal_said = "any"),
    ROW("reply.routes", GLOB, REPLY(where.routes), NULL, NULL, "255", "As shape.routes.",
        LIST(REPLY(where.route_count), 1, CONFIG_PATTERNS_MAX), .sample = "bulk",
        .normal_said = "any, and none"),
    ROW("reply.code", NAME, REPLY(code), NULL, NULL, "3",
        "\"421\", or with \"?\" for any digit: \"4??\".", .sample = "421",
        .normal_said = "any refusal"),
    ROW("reply.status", NAME, REPLY(status), NULL, NULL, "16",
        "The enhanced code: \"4.7.28\", \"4.7.*\".", .sample = "4.7.*",
        .normal_said = "any, and none"),
    ROW("reply.text", NAME, REPLY(text), NULL, NULL, "255",
        "What is said behind the codes, all lines joined by blanks; \"*\" is any run of "
        "characters, case does not matter.",
        .sample = "*too fast*", .normal_said = "any"),
    ROW("reply.then", CHOICE, REPLY(then), NULL, NULL, NULL,
        "What is done. back_off: the destination is left in peace. slow_down: it gets half the "
        "connections and half the rate. Both take the refusal as temporary.",
        .choices = actions, .is_required = true, .sample = "back_off"),
    ROW("reply.for", DURATION, REPLY(for_ms), "30m", "1s", "7d",
        "For how long, with back_off and slow_down."),
};
const struct config_rows config_rows_shape = {rows, COUNT_OF(rows)};
