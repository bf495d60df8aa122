/* smtp_proxy.c -- see the header. The two forms:
 *
 *   "PROXY TCP4 203.0.113.7 192.0.2.1 40000 587\r\n"      TCP4, TCP6, or UNKNOWN and anything
 *
 *   12 bytes  signature
 *    1 byte   version 2 in the upper half, LOCAL or PROXY in the lower
 *    1 byte   family in the upper half, transport in the lower
 *    2 bytes  how many follow: source, destination, both ports, TLVs
 *
 * The destination is checked and forgotten. All numbers of version 2 are big-endian. */
#include "smtp/smtp_proxy.h"

#include <string.h>

enum {
    V2_HEAD_BYTES = 16,
    V2_VERSION = 0x20,
    V2_LOCAL = 0,
    V2_PROXY = 1,
    V2_UNSPECIFIED = 0x00,
    V2_TCP4 = 0x11,
    V2_TCP6 = 0x21,
    V2_UNIX = 0x31,
    V2_TCP4_BYTES = 2 * (4 + 2),
    V2_TCP6_BYTES = 2 * (16 + 2),
    V2_UNIX_BYTES = 2 * 108,
};

static const char v1_head[] = "PROXY ";
static const char v2_head[] = "\r\n\r\n\0\r\nQUIT\n";

/* As much of it as has come is the head, or all of the head has come. */
static bool may_be(struct slice in, struct slice head)
{
    size_t n = in.n < head.n ? in.n : head.n;
    return n == 0 || memcmp(in.p, head.p, n) == 0;
}

/* A proxy that listens for both families names IPv4 clients as ::ffff:192.0.2.1. */
static bool name_peer(struct smtp_proxy *out, struct ip_port peer)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}, nobody[16] = {0};
    struct ip ip = peer.ip;
    if (ip.family == IP_V6 && memcmp(ip.b, mapped, sizeof mapped) == 0) {
        peer.ip = (struct ip){.family = IP_V4};
        memcpy(peer.ip.b, ip.b + sizeof mapped, 4);
    }
    if (memcmp(peer.ip.b, nobody, peer.ip.family == IP_V4 ? 4 : 16) == 0)
        return false; /* no client has the unspecified address */
    out->has_peer = true;
    out->peer = peer;
    return true;
}

/* ---- version 1 ---- */

/* The next word; words are parted by exactly one blank. */
static struct slice take_word(struct slice *rest)
{
    size_t end = slice_find(*rest, ' ');
    struct slice word = slice_head(*rest, end);
    *rest = slice_from(*rest, end < rest->n ? end + 1 : end);
    return word;
}

static bool read_port(struct slice s, uint16_t *out)
{
    uint64_t v;
    if (s.n == 0 || s.n > 5 || (s.n > 1 && s.p[0] == '0') || !slice_to_u64(s, &v) || v > 65535)
        return false;
    *out = (uint16_t)v;
    return true;
}

static bool read_addresses(struct slice s, enum ip_family family, struct smtp_proxy *out)
{
    struct ip_port peer, local;
    if (s.n == 0 || s.p[s.n - 1] == ' ') /* would pass for the end of the last word */
        return false;
    struct slice from = take_word(&s), to = take_word(&s);
    struct slice from_port = take_word(&s), to_port = take_word(&s);
    return s.n == 0 && ip_parse(from, &peer.ip) && peer.ip.family == family &&
           ip_parse(to, &local.ip) && local.ip.family == family &&
           read_port(from_port, &peer.port) && read_port(to_port, &local.port) &&
           name_peer(out, peer);
}

static bool has_control(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((uint8_t)s.p[i] < ' ' || s.p[i] == 0x7f)
            return true;
    return false;
}

static bool read_line(struct slice line, struct smtp_proxy *out)
{
    struct slice rest = slice_from(line, sizeof v1_head - 1);
    if (has_control(rest))
        return false;
    struct slice family = take_word(&rest);
    if (slice_eq(family, SLICE("UNKNOWN")))
        return true; /* whatever follows is to be ignored */
    if (slice_eq(family, SLICE("TCP4")))
        return read_addresses(rest, IP_V4, out);
    return slice_eq(family, SLICE("TCP6")) && read_addresses(rest, IP_V6, out);
}

static enum parse parse_v1(struct slice in, struct smtp_proxy *out, size_t *used)
{
    struct slice most = slice_head(in, SMTP_PROXY_LINE_MAX);
    size_t end = slice_find(most, '\n');
    if (end == most.n)
        return most.n < SMTP_PROXY_LINE_MAX ? PARSE_MORE : PARSE_BAD;
    if (end < sizeof v1_head - 1 || in.p[end - 1] != '\r' ||
        !read_line(slice_head(in, end - 1), out))
        return PARSE_BAD;
    *used = end + 1;
    return PARSE_DONE;
}

/* ---- version 2 ---- */

static unsigned u16_at(const char *p)
{
    return (unsigned)(uint8_t)p[0] << 8 | (uint8_t)p[1];
}

static bool read_block(uint8_t kind, struct slice block, struct smtp_proxy *out)
{
    bool is_v4 = kind == V2_TCP4;
    size_t address_bytes = is_v4 ? 4 : 16;
    switch (kind) {
    case V2_UNSPECIFIED:
        return true;
    case V2_UNIX:
        return block.n >= V2_UNIX_BYTES;
    case V2_TCP4:
    case V2_TCP6:
        break;
    default:
        return false;
    }
    if (block.n < (is_v4 ? V2_TCP4_BYTES : V2_TCP6_BYTES))
        return false;
    struct ip_port peer = {.ip = {.family = is_v4 ? IP_V4 : IP_V6}};
    memcpy(peer.ip.b, block.p, address_bytes);
    peer.port = (uint16_t)u16_at(block.p + 2 * address_bytes);
    return name_peer(out, peer);
}

static enum parse parse_v2(struct slice in, struct smtp_proxy *out, size_t *used)
{
    const size_t at = sizeof v2_head - 1;
    if (in.n <= at)
        return PARSE_MORE;
    uint8_t command = (uint8_t)in.p[at];
    if (command != (V2_VERSION | V2_LOCAL) && command != (V2_VERSION | V2_PROXY))
        return PARSE_BAD;
    if (in.n < V2_HEAD_BYTES)
        return PARSE_MORE;
    size_t whole = V2_HEAD_BYTES + u16_at(in.p + at + 2);
    if (whole > SMTP_PROXY_BYTES_MAX)
        return PARSE_BAD;
    if (in.n < whole)
        return PARSE_MORE;
    struct slice block = slice_of(in.p + V2_HEAD_BYTES, whole - V2_HEAD_BYTES);
    /* Of LOCAL even the family is to be ignored. */
    if (command == (V2_VERSION | V2_PROXY) && !read_block((uint8_t)in.p[at + 1], block, out))
        return PARSE_BAD;
    *used = whole;
    return PARSE_DONE;
}

enum parse smtp_proxy_parse(struct slice in, struct smtp_proxy *out, size_t *used)
{
    *out = (struct smtp_proxy){0};
    *used = 0;
    if (in.n == 0)
        return PARSE_MORE;
    if (may_be(in, slice_of(v1_head, sizeof v1_head - 1)))
        return parse_v1(in, out, used);
    if (may_be(in, slice_of(v2_head, sizeof v2_head - 1)))
        return parse_v2(in, out, used);
    return PARSE_BAD;
}
