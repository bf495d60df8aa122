/* engine_options.c -- the defaults of every key that the engine knows. config's table says the
 * same; a test of config's holds the two together. */
#include "engine/engine_options.h"

enum { SECOND_MS = 1000, MINUTE_MS = 60 * SECOND_MS, HOUR_MS = 60 * MINUTE_MS };

void engine_options_default(struct engine_options *o)
{
    /* Shared and never written: the struct's pointers are read only to everybody. */
    static struct engine_listener listener = {
        .address = {"127.0.0.1:587", sizeof "127.0.0.1:587" - 1},
        .tls = LISTENER_TLS_STARTTLS,
        .auth = SMTP_AUTH_REQUIRED,
    };
    static struct ip_net loopback[] = {
        {.ip = {IP_V4, {127}}, .bits = 8},
        {.ip = {IP_V6, {[15] = 1}}, .bits = 128},
    };
    *o = (struct engine_options){
        .hostname = SLICE("localhost"),

        .listeners = &listener,
        .listener_count = 1,
        .trusted_networks = loopback,
        .trusted_network_count = COUNT_OF(loopback),
        .message_bytes_max = 50ull << 20,
        .recipients_max = 1000,
        .connections_max = 10000,
        .connections_per_address_max = 100,
        .commands_max = 1000,
        .errors_max = 20,
        .idle_ms = 5 * MINUTE_MS,
        .first_command_ms = 1 * MINUTE_MS,
        .tls_ms = 30 * SECOND_MS,
        .auth_ms = 1 * MINUTE_MS,
        .body_ms = 3 * MINUTE_MS,
        .login_failures_max = 10,
        .login_window_ms = 10 * MINUTE_MS,
        .login_delay_ms = 1 * SECOND_MS,
        .transaction_ms = 2 * HOUR_MS,
        .data_rate_min = 100,

        .queue_bytes_max = 10ull << 30,
        .lifetime_ms = 5 * 24 * (int64_t)HOUR_MS,
        .returned_bytes_max = 64 * 1024,
        .warn_after_ms = 4 * HOUR_MS,
        .history_ms = 7 * 24 * (int64_t)HOUR_MS,

        .retry_first_ms = 1 * MINUTE_MS,
        .retry_factor = 2.0,
        .retry_max_ms = 1 * HOUR_MS,
        .greylisted_ms = 5 * MINUTE_MS,

        .port = 25,
        .out_connections_max = 1000,
        .delivery_tls = DELIVERY_TLS_OPPORTUNISTIC,
        .limits = {.connections = 20,
                   .connection_messages = 1000,
                   .recipients = 100,
                   .chunking = true,
                   .age_ms = 5 * MINUTE_MS,
                   .idle_ms = 5 * SECOND_MS,
                   .race_ms = 250,
                   .connect_ms = 30 * SECOND_MS,
                   .greeting_ms = 5 * MINUTE_MS,
                   .command_ms = 5 * MINUTE_MS,
                   .data_ms = 3 * MINUTE_MS,
                   .final_ms = 10 * MINUTE_MS},
        .allow_private_mx = false,
        .has_builtin_rules = true,
        .fallback_after_ms = 10 * MINUTE_MS,
        .unsure_wait_ms = 5 * MINUTE_MS,
    };
}

bool engine_listener_is_proxied(const struct engine_listener *l, const struct ip *from)
{
    for (unsigned i = 0; i < l->proxy_network_count; i++)
        if (ip_in_net(from, &l->proxy_networks[i]))
            return true;
    return false;
}

const struct engine_user *engine_options_user(const struct engine_options *o, struct slice name)
{
    for (unsigned i = 0; i < o->user_count; i++)
        if (slice_eq(o->users[i].name, name))
            return &o->users[i];
    return NULL;
}
