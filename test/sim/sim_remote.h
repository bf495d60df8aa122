/* sim_remote.h -- the receiving hosts: scripted SMTP servers with moods. They say what they took,
 * byte for byte, and they notice when the relay breaks a rule of the protocol.
 *
 * A host has traits that stay (what it offers) and a mood that changes (what goes wrong today). */
#pragma once

#include "dns/dns_message.h"
#include "sim_dns.h"
#include "sim_net.h"

enum sim_point {
    SIM_AT_CONNECT,
    SIM_AT_GREETING,
    SIM_AT_EHLO,
    SIM_AT_MAIL,
    SIM_AT_RCPT,
    SIM_AT_DATA,
    SIM_AT_BODY, /* while it comes */
    SIM_AT_FINAL,
};

enum sim_deed {
    SIM_DOES_NOTHING,
    SIM_DOES_REFUSE, /* connect: refused */
    SIM_DOES_IGNORE, /* no answer at all */
    SIM_DOES_TEMP,   /* 4xx */
    SIM_DOES_PERM,   /* 5xx */
    SIM_DOES_SHUT,   /* 421, and closes */
    SIM_DOES_DROP,   /* the line dies instead of a reply */
    SIM_DOES_LOSE,   /* final dot: taken, and the line dies instead of the reply */
    SIM_DOES_HALF,   /* the reply breaks off in the middle; at the final dot: taken */
};

enum { SIM_FAULTS_MAX = 6 };
struct sim_mood {
    const char *name;
    int64_t slow_ms; /* replies take up to this long */
    struct sim_fault {
        enum sim_point stage;
        enum sim_deed deed;
        unsigned percent;
    } fault[SIM_FAULTS_MAX];
};
extern const struct sim_mood sim_moods[];
extern const unsigned sim_mood_count;
const struct sim_mood *sim_mood_named(const char *name); /* "good", "dead", ... */

enum sim_host_tls {
    SIM_TLS_NONE,
    SIM_TLS_GOOD,
    SIM_TLS_UNKNOWN, /* a certificate that nobody can verify */
    SIM_TLS_REFUSED, /* offered, and 454 to STARTTLS */
    SIM_TLS_BROKEN,  /* offered, and the handshake fails */
};

enum { SIM_HOST_ADDRESSES_MAX = 4 };
struct sim_host {
    char name[SIM_NAME_BYTES];
    struct ip ip[SIM_HOST_ADDRESSES_MAX];
    unsigned ip_count;
    enum dns_result dns_trouble;
    const struct sim_mood *mood;
    enum sim_host_tls tls;
    bool has_no_ehlo, has_no_pipelining, needs_auth;
    uint64_t size_max; /* 0: none */
    unsigned group;
    /* what was seen */
    uint64_t connects, taken;
    unsigned open, most_open;
};

/* The index of a new host with one IPv4 address. */
unsigned sim_remote_add(struct sim_world *w, const char *name);
void sim_remote_add_v6(struct sim_world *w, unsigned host);
/* Domains that share hosts are one group: together they may have as many connections as the engine
 * may have to each. Call when all domains stand. */
void sim_remote_group(struct sim_world *w);
void sim_remote_close(struct sim_world *w);

/* From the network. */
void sim_remote_on_dialled(struct sim_world *w, struct sim_conn *c);
void sim_remote_on_connect(struct sim_world *w, struct sim_conn *c);
void sim_remote_on_told(struct sim_world *w, struct sim_conn *c);
void sim_remote_on_engine_gone(struct sim_world *w, struct sim_conn *c);
bool sim_remote_takes_tls(struct sim_world *w, struct sim_conn *c, bool needs_verify);
