/* ip.c -- addresses and networks: RFC 4291 text in, RFC 5952 text out, and which networks no
 * public mail host can be in (the IANA special-purpose registries). */
#include "base/ip.h"

#include <stdio.h>
#include <string.h>

static const uint8_t mapped_head[12] = {[10] = 0xff, [11] = 0xff};

/* ::ffff:a.b.c.d is the IPv4 address a.b.c.d to all who ask. */
static struct ip unmapped(const struct ip *ip)
{
    if (ip->family != IP_V6 || memcmp(ip->b, mapped_head, sizeof mapped_head) != 0)
        return *ip;
    struct ip v4 = {.family = IP_V4};
    memcpy(v4.b, ip->b + 12, 4);
    return v4;
}

/* No leading zeros: some read them as octal. */
static bool parse_v4(struct slice s, uint8_t out[4])
{
    for (int i = 0; i < 4; i++) {
        size_t dot = slice_find(s, '.');
        struct slice octet = slice_head(s, dot);
        uint64_t v;
        if ((i < 3) != (dot < s.n) || octet.n > 3 || (octet.n > 1 && octet.p[0] == '0') ||
            !slice_to_u64(octet, &v) || v > 255)
            return false;
        out[i] = (uint8_t)v;
        s = slice_from(s, dot + 1);
    }
    return true;
}

static int hex_value(char c)
{
    c = ascii_lower(c);
    return ascii_is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Up to four hex digits at the start of s; how many, 0 when none. */
static size_t parse_group(struct slice s, uint16_t *out)
{
    size_t n = 0;
    unsigned v = 0;
    while (n < 4 && n < s.n && hex_value(s.p[n]) >= 0)
        v = v << 4 | (unsigned)hex_value(s.p[n++]);
    *out = (uint16_t)v;
    return n;
}

static bool parse_v6(struct slice s, uint8_t out[16])
{
    uint8_t bytes[16] = {0};
    size_t n = 0;          /* bytes read */
    size_t gap = SIZE_MAX; /* where "::" stood */
    if (slice_starts(s, SLICE("::"))) {
        gap = 0;
        s = slice_from(s, 2);
    }
    while (s.n > 0) {
        if (n == 16)
            return false;
        uint16_t group;
        size_t digits = parse_group(s, &group);
        if (digits < s.n && s.p[digits] == '.') {
            if (n > 12 || !parse_v4(s, bytes + n))
                return false;
            n += 4;
            break;
        }
        if (digits == 0)
            return false;
        bytes[n++] = (uint8_t)(group >> 8);
        bytes[n++] = (uint8_t)group;
        s = slice_from(s, digits);
        if (s.n == 0)
            break;
        if (s.p[0] != ':' || s.n == 1)
            return false;
        s = slice_from(s, 1);
        if (s.p[0] == ':') {
            if (gap != SIZE_MAX)
                return false;
            gap = n;
            s = slice_from(s, 1);
        }
    }
    if (gap == SIZE_MAX ? n != 16 : n > 14)
        return false;
    memset(out, 0, 16);
    if (gap == SIZE_MAX)
        gap = n;
    memcpy(out, bytes, gap);
    memcpy(out + 16 - (n - gap), bytes + gap, n - gap);
    return true;
}

bool ip_parse(struct slice s, struct ip *out)
{
    struct ip ip = {0};
    if (slice_find(s, ':') < s.n) {
        ip.family = IP_V6;
        if (!parse_v6(s, ip.b))
            return false;
    } else {
        ip.family = IP_V4;
        if (!parse_v4(s, ip.b))
            return false;
    }
    *out = ip;
    return true;
}

/* RFC 5952: lower case, no leading zeros, the longest run of zero groups (two at least, the first
 * of equals) is "::"; mapped addresses end in dotted form. */
static void build_v6(const uint8_t b[16], struct ip_text *t)
{
    if (memcmp(b, mapped_head, sizeof mapped_head) == 0) {
        snprintf(t->s, sizeof t->s, "::ffff:%u.%u.%u.%u", b[12], b[13], b[14], b[15]);
        return;
    }
    unsigned group[8];
    for (int i = 0; i < 8; i++)
        group[i] = (unsigned)b[2 * i] << 8 | b[2 * i + 1];
    int best = -1, best_count = 1;
    for (int i = 0; i < 8; i++) {
        int count = 0;
        while (i + count < 8 && group[i + count] == 0)
            count++;
        if (count > best_count) {
            best = i;
            best_count = count;
        }
        i += count;
    }
    size_t n = 0;
    for (int i = 0; i < 8; i++) {
        if (i == best) {
            n += (size_t)snprintf(t->s + n, sizeof t->s - n, "::");
            i += best_count - 1;
        } else {
            bool needs_colon = i > 0 && i != best + best_count;
            n += (size_t)snprintf(t->s + n, sizeof t->s - n, "%s%x", needs_colon ? ":" : "",
                                  group[i]);
        }
    }
}

struct ip_text ip_build(const struct ip *ip)
{
    struct ip_text t = {0};
    switch (ip->family) {
    case IP_NONE:
        break;
    case IP_V4:
        snprintf(t.s, sizeof t.s, "%u.%u.%u.%u", ip->b[0], ip->b[1], ip->b[2], ip->b[3]);
        break;
    case IP_V6:
        build_v6(ip->b, &t);
        break;
    }
    return t;
}

static bool parse_port(struct slice s, uint16_t *out)
{
    uint64_t v;
    if (s.n > 5 || !slice_to_u64(s, &v) || v > 65535)
        return false;
    *out = (uint16_t)v;
    return true;
}

bool ip_port_parse(struct slice s, uint16_t default_port, struct ip_port *out)
{
    struct slice host = s, port = SLICE_NONE;
    bool has_port = false;
    bool is_bracketed = s.n > 0 && s.p[0] == '[';
    if (is_bracketed) {
        size_t end = slice_find(s, ']');
        if (end == s.n)
            return false;
        host = slice_of(s.p + 1, end - 1);
        struct slice rest = slice_from(s, end + 1);
        has_port = rest.n > 0;
        if (has_port && rest.p[0] != ':')
            return false;
        port = slice_from(rest, 1);
    } else {
        size_t colon = slice_find(s, ':');
        /* More than one colon without brackets: an IPv6 address and no port. */
        has_port = colon < s.n && slice_find_last(s, ':') == colon;
        if (has_port) {
            host = slice_head(s, colon);
            port = slice_from(s, colon + 1);
        }
    }
    struct ip_port a = {.port = default_port};
    if (!ip_parse(host, &a.ip) || (is_bracketed && a.ip.family != IP_V6))
        return false;
    if (has_port ? !parse_port(port, &a.port) : default_port == 0)
        return false;
    *out = a;
    return true;
}

struct ip_text ip_port_build(const struct ip_port *a)
{
    struct ip_text host = ip_build(&a->ip), t = {0};
    if (a->ip.family == IP_NONE)
        return t;
    snprintf(t.s, sizeof t.s, a->ip.family == IP_V6 ? "[%.46s]:%u" : "%.46s:%u", host.s,
             (unsigned)a->port);
    return t;
}

/* The first `bits` bits are equal. */
static bool has_same_head(const uint8_t *a, const uint8_t *b, int bits)
{
    size_t whole = (size_t)bits / 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    uint8_t mask = (uint8_t)(0xff00 >> (bits % 8));
    return bits % 8 == 0 || ((a[whole] ^ b[whole]) & mask) == 0;
}

bool ip_net_parse(struct slice s, struct ip_net *out)
{
    size_t slash = slice_find(s, '/');
    struct ip_net net;
    if (!ip_parse(slice_head(s, slash), &net.ip))
        return false;
    int bits_max = net.ip.family == IP_V4 ? 32 : 128;
    net.bits = bits_max;
    if (slash < s.n) {
        struct slice text = slice_from(s, slash + 1);
        uint64_t v;
        if (text.n > 3 || !slice_to_u64(text, &v) || v > (uint64_t)bits_max)
            return false;
        net.bits = (int)v;
    }
    for (int bit = net.bits; bit < bits_max; bit++) {
        if (net.ip.b[bit / 8] & 0x80 >> bit % 8)
            return false;
    }
    *out = net;
    return true;
}

bool ip_in_net(const struct ip *ip, const struct ip_net *net)
{
    struct ip a = unmapped(ip);
    struct ip n = net->ip;
    int bits = net->bits;
    if (bits >= 96 && n.family == IP_V6) {
        n = unmapped(&n);
        if (n.family == IP_V4)
            bits -= 96;
    }
    return a.family != IP_NONE && a.family == n.family && has_same_head(a.b, n.b, bits);
}

bool ip_eq(const struct ip *a, const struct ip *b)
{
    if (a->family != b->family)
        return false;
    return memcmp(a->b, b->b, a->family == IP_V4 ? 4 : a->family == IP_V6 ? 16 : 0) == 0;
}

uint64_t ip_place(const struct ip *ip)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}; /* ::ffff:192.0.2.1 */
    uint64_t id = 0;
    if (ip->family == IP_NONE)
        return 0;
    bool is_mapped = ip->family == IP_V6 && memcmp(ip->b, mapped, sizeof mapped) == 0;
    const uint8_t *b = is_mapped ? ip->b + 12 : ip->b;
    for (int i = 0; i < (ip->family == IP_V4 || is_mapped ? 4 : 8); i++)
        id = id << 8 | b[i];
    return id ? id : 1; /* ::1 and its like; IPv4 is below every /64 in use, ::/32 being reserved */
}

struct special {
    uint8_t head[6];
    int bits;
};

/* https://www.iana.org/assignments/iana-ipv4-special-registry, plus multicast. */
static const struct special special_v4[] = {
    {{0}, 8},             /* "this" network */
    {{10}, 8},            /* RFC 1918 */
    {{100, 64}, 10},      /* carrier-grade NAT, RFC 6598 */
    {{127}, 8},           /* loopback */
    {{169, 254}, 16},     /* link-local */
    {{172, 16}, 12},      /* RFC 1918 */
    {{192, 0, 0}, 24},    /* protocol assignments */
    {{192, 0, 2}, 24},    /* documentation */
    {{192, 88, 99}, 24},  /* 6to4 relays, withdrawn */
    {{192, 168}, 16},     /* RFC 1918 */
    {{198, 18}, 15},      /* benchmarks */
    {{198, 51, 100}, 24}, /* documentation */
    {{203, 0, 113}, 24},  /* documentation */
    {{224}, 4},           /* multicast */
    {{240}, 4},           /* reserved, broadcast */
};

/* What is special inside 2000::/3; outside of it nothing is public but NAT64. */
static const struct special special_v6[] = {
    {{0x20, 0x01, 0x00}, 23},       /* protocol assignments, Teredo */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x3f, 0xff, 0x00}, 20},       /* documentation, RFC 9637 */
};

static bool is_listed(const uint8_t *b, const struct special *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (has_same_head(b, list[i].head, list[i].bits))
            return true;
    }
    return false;
}

bool ip_is_private(const struct ip *ip)
{
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    struct ip a = unmapped(ip);
    switch (a.family) {
    case IP_NONE:
        return true;
    case IP_V4:
        return is_listed(a.b, special_v4, COUNT_OF(special_v4));
    case IP_V6:
        break;
    }
    /* NAT64 (RFC 6052) and 6to4 (RFC 3056) carry an IPv4 address, which decides. */
    if (memcmp(a.b, nat64, sizeof nat64) == 0)
        return is_listed(a.b + 12, special_v4, COUNT_OF(special_v4));
    if (a.b[0] == 0x20 && a.b[1] == 0x02)
        return is_listed(a.b + 2, special_v4, COUNT_OF(special_v4));
    return (a.b[0] & 0xe0) != 0x20 || is_listed(a.b, special_v6, COUNT_OF(special_v6));
}

bool ip_is_loopback(const struct ip *ip)
{
    static const uint8_t one[16] = {[15] = 1};
    struct ip a = unmapped(ip);
    return a.family == IP_V4 ? a.b[0] == 127 : a.family == IP_V6 && memcmp(a.b, one, 16) == 0;
}

bool ip_literal_parse(struct slice s, struct ip *out)
{
    struct slice tag = SLICE("IPv6:");
    if (slice_starts_nocase(s, tag)) {
        s = slice_from(s, tag.n);
        return slice_find(s, ':') < s.n && ip_parse(s, out);
    }
    return slice_find(s, ':') == s.n && ip_parse(s, out);
}
