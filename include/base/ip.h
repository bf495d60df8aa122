/* ip.h -- IP addresses and networks as values: text in, text out, questions about them. Pure. */
#pragma once

#include "base/slice.h"

enum ip_family { IP_NONE = 0, IP_V4 = 4, IP_V6 = 6 };

struct ip {
    enum ip_family family;
    uint8_t b[16]; /* v4: the first four */
};
struct ip_port {
    struct ip ip;
    uint16_t port;
};
struct ip_net {
    struct ip ip;
    int bits;
};
struct ip_text {
    char s[64];
};

bool ip_parse(struct slice s,
              struct ip *out); /* "192.0.2.1", "2001:db8::1"; no brackets, no scope */
struct ip_text ip_build(const struct ip *ip); /* "" for IP_NONE */
/* "127.0.0.1:53", "[::1]:53"; default_port (0: a port is required) when none is written. */
bool ip_port_parse(struct slice s, uint16_t default_port, struct ip_port *out);
struct ip_text ip_port_build(const struct ip_port *a);
bool ip_net_parse(
    struct slice s,
    struct ip_net *out); /* "10.0.0.0/8", "::1/128", a bare address; host bits set is an error */
bool ip_in_net(const struct ip *ip, const struct ip_net *net); /* v4-mapped v6 counts as v4 */
bool ip_eq(const struct ip *a, const struct ip *b);
/* Where it is, for counting: the IPv4 address (mapped into v6, too) or the /64, as a number; 0 for
 * IP_NONE. A /64 is the least that one customer gets, and its host may take any address in it. */
uint64_t ip_place(const struct ip *ip);
/* Loopback, unspecified, private (RFC 1918, 4193), link-local, CGNAT (RFC 6598), multicast,
 * documentation and reserved: where no public MX can be. */
bool ip_is_private(const struct ip *ip);
bool ip_is_loopback(const struct ip *ip);
/* Address literal of RFC 5321 4.1.3 without brackets: "192.0.2.1" or "IPv6:2001:db8::1". */
bool ip_literal_parse(struct slice s, struct ip *out);
