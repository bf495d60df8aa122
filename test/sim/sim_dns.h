/* sim_dns.h -- the false DNS: domains, who takes their mail, and look-ups that fail for a while. */
#pragma once

#include "dns/dns_message.h"

struct sim_world;

enum { SIM_MX_MAX = 6, SIM_NAME_BYTES = 64 };

enum sim_domain_kind {
    SIM_DOMAIN_MX,
    SIM_DOMAIN_IMPLICIT, /* no MX, an address of its own: that of mx[0] */
    SIM_DOMAIN_NULL,     /* takes no mail */
    SIM_DOMAIN_MISSING,  /* does not exist */
    SIM_DOMAIN_BARE,     /* exists, without MX or address */
};

struct sim_domain {
    char name[SIM_NAME_BYTES];
    enum sim_domain_kind kind;
    unsigned mx_count;
    struct {
        uint16_t preference;
        unsigned host;
    } mx[SIM_MX_MAX];
    bool is_own_mx; /* the relay stands among its MX ... */
    uint16_t own_preference;
    enum dns_result trouble; /* what look-ups of it give now; DNS_OK: the truth */
    unsigned trouble_percent;
    unsigned group; /* domains that share hosts, see sim_remote_group */
};

struct sim_domain *sim_dns_add(struct sim_world *w, const char *name, enum sim_domain_kind kind);
void sim_dns_add_mx(struct sim_world *w, struct sim_domain *d, uint16_t preference, unsigned host);
struct sim_domain *sim_dns_find(struct sim_world *w, struct slice name);
/* ACTION_LOOKUP: exactly one answer comes, in a while. */
void sim_dns_lookup(struct sim_world *w, uint64_t ticket, struct slice name, enum dns_type type);
