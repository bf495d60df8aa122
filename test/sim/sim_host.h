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

enum { SIM_HOST_ADDRESSES_MAX = 4 };
struct sim_host {
    char name[SIM_NAME_BYTES];
    struct ip ip[SIM_HOST_ADDRESSES_MAX];
    unsigned ip_count;
    enum dns_result dns_trouble;
    const struct sim_mood *mood;
    enum sim_host_tls tls;
    bool has_no_ehlo, has_no_pipelining, needs_auth, needs_token;
    uint64_t size_max; /* 0: none */
    unsigned group;
    /* what was seen */
    uint64_t connects, taken;
    unsigned open, most_open;
};

/* The index of a new host with one IPv4 address. */
unsigned sim_host_add(struct sim_world *w, const char *name);
void sim_host_add_v6(struct sim_world *w, unsigned host);
/* Domains that share hosts are one group: together they may have as many connections as the engine
 * may have to each. Call when all domains stand. */
void sim_host_group(struct sim_world *w);

/* From the network. */
void sim_host_on_dialled(struct sim_world *w, struct sim_conn *c); /* checks the limits */
void sim_host_on_hung_up(struct sim_world *w, struct sim_conn *c);
bool sim_host_takes_tls(struct sim_world *w, struct sim_conn *c, bool needs_verify);
