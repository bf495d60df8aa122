/* sim_host.h -- the receiving hosts: names, addresses, traits that stay, a mood that changes, and
 * how many connections the engine may have to them. */
#pragma once

#include "dns/dns_message.h"
#include "sim_dns.h"
#include "sim_mood.h"
#include "sim_net.h"

enum sim_host_tls {
    SIM_TLS_NONE,
    SIM_TLS_GOOD,
    SIM_TLS_UNKNOWN, /* a certificate that nobody can verify */
    SIM_TLS_REFUSED, /* offered, and 454 to STARTTLS */
    SIM_TLS_BROKEN,  /* offered, and the handshake fails */
};

/* What one address does with a connection, before the host's mood has a word. */
enum sim_reach {
    SIM_REACH_WELL,
    SIM_REACH_HOLE, /* never answers */
    SIM_REACH_REFUSED,
    SIM_REACH_NO_ROUTE,
    SIM_REACH_COUNT
};

enum {
    SIM_HOST_ADDRESSES_MAX = 8,
    SIM_HOST_RATE_MAX = 100,
    SIM_HOST_RATE_SLACK_MS = 3000, /* what connecting and the way may take from between two */
};
struct sim_host {
    char name[SIM_NAME_BYTES];
    struct ip ip[SIM_HOST_ADDRESSES_MAX];
    enum sim_reach reach[SIM_HOST_ADDRESSES_MAX];
    int64_t slow_ms[SIM_HOST_ADDRESSES_MAX]; /* until a connection is up; 0: as the line is */
    unsigned ip_count;
    enum dns_result dns_trouble;
    const struct sim_mood *mood;
    enum sim_host_tls tls;
    bool refuses_v6; /* mail over it */
    bool has_no_ehlo, has_no_pipelining, has_no_8bitmime, needs_auth, needs_token;
    bool offers_chunking, knows_no_bdat; /* the second: though it offers it */
    uint64_t size_max;                   /* 0: none */
    /* MAILs of a connection, then 421; RCPTs taken in a transaction, then 452. 0: none. Those that
     * it tells (LIMITS, RFC 9422) the relay must keep. */
    unsigned mails_max, recipients_max;
    bool tells_limits;
    const char *auth;          /* what it offers; NULL: PLAIN LOGIN */
    const char *password;      /* NULL: "secret" */
    unsigned auth_454_percent; /* of right logins */
    unsigned group;
    unsigned rate_count; /* of MAIL in rate_ms; more fail the world. 0: any */
    int64_t rate_ms;
    /* what was seen */
    uint64_t connects, taken, chunks;   /* the last: taken as one */
    int64_t mail_ms[SIM_HOST_RATE_MAX]; /* of the latest rate_count */
    uint64_t mails, logins, bad_logins;
    unsigned open, most_open;
    uint64_t connects_v6, taken_v6;
    struct ip source; /* of the latest connection */
    char hello[SIM_NAME_BYTES];
    unsigned source_changes;
};

/* The index of a new host with one IPv4 address. */
unsigned sim_host_add(struct sim_world *w, const char *name);
void sim_host_add_v6(struct sim_world *w, unsigned host);
void sim_host_add_v4(struct sim_world *w, unsigned host); /* one more */
enum sim_reach sim_host_reach(const struct sim_host *h, const struct ip *ip);
int64_t sim_host_slow_ms(const struct sim_host *h, const struct ip *ip);
/* Domains that share hosts are one group: together they may have as many connections as the engine
 * may have to each set of hosts among them. Call when all domains stand. */
void sim_host_group(struct sim_world *w);

void sim_host_on_mail(struct sim_world *w, struct sim_host *h); /* checks the rate */
/* From the network. */
void sim_host_on_dialled(struct sim_world *w, struct sim_conn *c); /* checks the limits */
void sim_host_on_hung_up(struct sim_world *w, struct sim_conn *c);
bool sim_host_takes_tls(struct sim_world *w, struct sim_conn *c, bool needs_verify);
