/* engine_options.h -- what the engine may know of the configuration. Handed in, read only.
 *
 * All slices are owned by whoever made the struct and live until the engine has been given another
 * one. */
#pragma once

#include "base/ip.h"
#include "policy/policy_limits.h"
#include "policy/policy_quota.h"
#include "policy/policy_reply.h"
#include "rewrite/rewrite.h"
#include "smtp/smtp_sasl.h"
#include "smtp/smtp_server.h"

enum engine_listener_tls { LISTENER_TLS_STARTTLS, LISTENER_TLS_IMPLICIT, LISTENER_TLS_NONE };

enum engine_certificates {
    LISTENER_CERTIFICATES_NONE, /* clients are not asked for any */
    LISTENER_CERTIFICATES_OPTIONAL,
    LISTENER_CERTIFICATES_REQUIRED, /* nothing is taken from who has none of a user */
};

struct engine_listener {
    struct slice address; /* as configured */
    enum engine_listener_tls tls;
    enum smtp_auth_mode auth;
    bool is_local; /* sendmail(1)'s socket: when it cannot be opened the relay warns and goes on */
    enum engine_certificates certificates;
    struct ip_net *proxy_networks; /* connections from here begin with a PROXY header */
    unsigned proxy_network_count;
};

struct engine_fingerprint {
    bool is_of_key; /* of the SubjectPublicKeyInfo, not of the whole certificate */
    uint8_t sha256[32];
};

struct engine_user {
    struct slice name;
    struct slice *senders; /* patterns (mail_address_match); none: anyone */
    unsigned sender_count;
    struct engine_fingerprint *certificates; /* whoever owns one of these is this user */
    unsigned certificate_count;
    struct slice *certificate_names; /* globs; the same, by name, when it is verified */
    unsigned certificate_name_count;
    bool has_scram;           /* a password is stored so that SCRAM can use it */
    struct slice *recipients; /* patterns; none: anyone */
    unsigned recipient_count;
    struct policy_quota quota;
    uint64_t message_bytes_max; /* 0: as all others */
    bool has_route;             /* all its mail goes there, whatever the recipient */
    unsigned route;             /* index of engine_options.routes */
    int priority;               /* of its mail: -9 to 9 (see turns.h) */
};

enum delivery_tls {
    DELIVERY_TLS_NONE,
    DELIVERY_TLS_OPPORTUNISTIC,
    DELIVERY_TLS_REQUIRE, /* encrypted, whoever it is */
    DELIVERY_TLS_VERIFY,  /* encrypted, chain and name verified */
};

/* A message of eight bits, and a server without 8BITMIME or BINARYMIME. */
enum delivery_8bit {
    DELIVERY_8BIT_CONVERT, /* quoted-printable and base64: signatures of the sender's break */
    DELIVERY_8BIT_SEND,    /* as it is, though the server does not say that it takes it; what is
                              binary is converted */
    DELIVERY_8BIT_BOUNCE,
};

/* The reply to the whole message was lost: it may have been taken. */
enum delivery_unsure {
    DELIVERY_UNSURE_RETRY,  /* at least once, rarely twice */
    DELIVERY_UNSURE_BOUNCE, /* never twice: the sender is told that it may have been taken */
};

enum { ENGINE_HOSTS_MAX = 16 }; /* of one route */

struct engine_host {
    struct slice name; /* host name or address literal without brackets */
    uint16_t port;     /* 465: TLS from the first byte */
    unsigned priority; /* lower first; 0: not said (target_order.h) */
    unsigned weight;   /* among equals; 0: not said */
};

enum { ENGINE_SOURCES_MAX = 64 };

/* Where connections may come from, and who we say we are there. */
struct engine_source {
    struct slice name;
    struct ip v4, v6;  /* IP_NONE: it has no such address */
    struct slice helo; /* empty: the hostname */
    unsigned weight;   /* against the others of its pool */
};

/* What is said of it must all hold; see route.h. */
struct engine_route {
    struct slice *recipients; /* patterns (mail_address_match); none: everybody */
    unsigned recipient_count;
    struct slice *senders; /* the same */
    unsigned sender_count;
    struct slice *logins; /* names of users; none: with any login and without */
    unsigned login_count;
    uint64_t bytes_least, bytes_most; /* of the message; bytes_most 0: any */
    struct engine_host *hosts;        /* none: direct MX */
    unsigned host_count;
    enum delivery_tls tls;
    struct slice user, password;               /* empty user: no AUTH */
    struct slice certificate, certificate_key; /* paths; what we show in TLS when it is asked for */
    enum smtp_sasl *mechanisms;                /* no others are used; none: any */
    unsigned mechanism_count;
    struct slice account;       /* OAuth2: its access token stands for a password; "": none */
    struct slice fallback_name; /* as configured */
    bool has_fallback;          /* of direct delivery by this route, instead of the general one */
    bool has_no_fallback;       /* nor the general one */
    unsigned fallback;          /* index of engine_options.routes: one with hosts */
    bool is_fallback;           /* nothing but that: says no conditions, and no mail takes it */
    struct slice *sources; /* names; none: with hosts the system chooses, else those of direct MX */
    unsigned source_count;
    struct slice name; /* for people: its name, else the first host, or "mx" */
};

/* What some mail logs in with at a route's hosts, in place of the route's own; first match. */
struct engine_credential {
    struct slice route_name;
    unsigned route;        /* index of engine_options.routes */
    struct slice *senders; /* patterns; none: anyone */
    unsigned sender_count;
    struct slice *logins; /* names of users; none: with any login and without */
    unsigned login_count;
    struct slice user, password, certificate, certificate_key;
    enum smtp_sasl *mechanisms;
    unsigned mechanism_count;
    struct slice account; /* as engine_route.account */
};

/* Limits for some destinations in place of engine_options.limits. */
struct engine_shape {
    struct slice name; /* for people */
    struct policy_where where;
    struct policy_limits limits; /* 0: nothing is said of it */
};

struct engine_options {
    struct slice hostname;
    struct rewrite_options rewrite;

    struct engine_listener *listeners;
    unsigned listener_count;
    struct ip_net *trusted_networks;
    unsigned trusted_network_count;
    struct engine_user *users;
    unsigned user_count;
    uint64_t message_bytes_max;
    unsigned recipients_max;
    bool offers_binding;                 /* SCRAM with channel binding */
    unsigned session_mails_max;          /* MAIL commands of a session; 0: no limit */
    unsigned session_recipients_max;     /* 0: no limit */
    unsigned commands_max, errors_max;   /* since a session's last message */
    struct policy_rate address_messages; /* count 0: no limit */
    unsigned connections_max;
    unsigned connections_per_address_max; /* IPv6: per /64; 0: any number */
    int64_t idle_ms;
    int64_t first_command_ms, tls_ms, auth_ms, body_ms; /* where a client is waited for less */
    unsigned login_failures_max; /* of one address in a window; of one user some times as many */
    int64_t login_window_ms, login_delay_ms;
    int64_t transaction_ms; /* from MAIL to the final dot, however busy the client looks */
    uint64_t data_rate_min; /* bytes a second of a message, over a minute; 0: any */

    uint64_t queue_bytes_max;
    int64_t lifetime_ms;
    int64_t warn_after_ms;          /* 0: never */
    uint64_t returned_bytes_max;    /* a report with RET=FULL holds all of a message so large */
    struct slice double_bounces_to; /* failures that have no sender to tell; empty: nobody */
    int64_t history_ms; /* how long finished messages are remembered; 0: they are not told of */

    int64_t retry_first_ms, retry_max_ms;
    double retry_factor;
    int64_t greylisted_ms; /* the first wait of what looks greylisted */

    uint16_t port; /* of MX hosts */
    unsigned out_connections_max;
    struct policy_limits limits; /* of one destination */
    enum delivery_tls delivery_tls;
    enum delivery_8bit on_no_8bitmime;
    bool allow_private_mx;
    struct engine_source *sources; /* at most ENGINE_SOURCES_MAX */
    unsigned source_count;
    struct slice *mx_sources; /* names, for direct MX; none: the system chooses */
    unsigned mx_source_count;
    struct slice fallback_name; /* as configured */
    bool has_fallback;          /* for what the MX hosts cannot be given */
    unsigned fallback;          /* index of routes */
    int64_t fallback_after_ms;  /* of trouble */
    enum delivery_unsure on_unsure;
    int64_t unsure_wait_ms; /* RETRY: at least */

    struct engine_route *routes;
    unsigned route_count;

    struct engine_shape *shapes; /* for each limit the first that says something of it */
    unsigned shape_count;
    struct policy_reply_rule *replies; /* the first that fits */
    unsigned reply_count;
    bool has_builtin_rules; /* policy_reply_builtin, behind them */
    struct engine_credential *credentials;
    unsigned credential_count;
};

/* The defaults of every key, hostname "localhost", one listener 127.0.0.1:587; for tests and for
 * config's table to start from. */
void engine_options_default(struct engine_options *o);
/* Does a connection from there begin with a PROXY header? */
bool engine_listener_is_proxied(const struct engine_listener *l, const struct ip *from);
/* NULL: there is none of that name (any more). */
const struct engine_user *engine_options_user(const struct engine_options *o, struct slice name);
