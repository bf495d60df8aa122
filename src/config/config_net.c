/* config_net.c -- see the header. */
#include "config_net.h"

#include "config_value.h"

#include <string.h>

/* "unix:/path" or "unix:/path,mode=0660"; the socket's path has the length sun_path gives it. */
struct slice config_net_set_unix(struct slice text, struct arena *a, struct slice *out)
{
    enum { SOCKET_PATH_MAX = 107, MODE_BYTES = 4 };
    static const struct slice option = SLICE_INIT(",mode=");
    struct slice path = slice_from(text, strlen("unix:"));
    size_t behind = option.n + MODE_BYTES;
    if (path.n > behind && slice_starts(slice_from(path, path.n - behind), option)) {
        for (size_t i = path.n - MODE_BYTES; i < path.n; i++) {
            if (path.p[i] < '0' || path.p[i] > '7')
                return arena_printf(a, "mode is four octal digits, as in \"unix:/run/outpost/"
                                       "submit.sock,mode=0660\"");
        }
        path.n -= behind;
    }
    if (path.n < 2 || path.p[0] != '/')
        return arena_printf(a, "a Unix socket needs an absolute path: write one such as "
                               "\"unix:/run/outpost/submit.sock\"");
    if (path.n > SOCKET_PATH_MAX)
        return arena_printf(a, "the path of a socket has at most %d bytes", SOCKET_PATH_MAX);
    *out = arena_copy(a, text);
    return SLICE_NONE;
}

struct slice config_net_set_listen(struct slice text, struct arena *a, struct slice *out)
{
    struct ip_port address;
    if (slice_starts_nocase(text, SLICE("unix:")))
        return arena_printf(a, "a Unix socket cannot be used here: write an address such as "
                               "\"127.0.0.1:587\"");
    if (ip_port_parse(text, 0, &address)) {
        *out = arena_copy(a, text);
        return SLICE_NONE;
    }
    struct slice q = config_value_quote(a, text);
    struct ip ip;
    if (ip_parse(text, &ip)) {
        struct ip_port with_port = {.ip = ip, .port = 587};
        return arena_printf(a, "%.*s has no port: write \"%s\"", SLICE_FMT(q),
                            ip_port_build(&with_port).s);
    }
    return arena_printf(a,
                        "%.*s is not a numeric address with a port: write one such as "
                        "\"127.0.0.1:587\", \"[::1]:587\" or, for all addresses, \"0.0.0.0:587\"",
                        SLICE_FMT(q));
}

struct slice config_net_set_ip(struct slice text, struct arena *a, struct ip *out)
{
    struct ip ip;
    struct slice q = config_value_quote(a, text);
    if (!ip_parse(text, &ip))
        return arena_printf(a,
                            "%.*s is not a numeric address: write one such as \"192.0.2.10\" or "
                            "\"2001:db8::10\", without port and brackets",
                            SLICE_FMT(q));
    static const uint8_t nowhere[16];
    bool is_group = ip.family == IP_V4 ? ip.b[0] >= 224 : ip.b[0] == 0xff;
    if (is_group || memcmp(ip.b, nowhere, ip.family == IP_V4 ? 4 : 16) == 0)
        return arena_printf(a, "%.*s is not the address of one host", SLICE_FMT(q));
    *out = ip;
    return SLICE_NONE;
}

static void clear_host_bits(struct ip_net *net)
{
    for (int bit = net->bits; bit < (net->ip.family == IP_V4 ? 32 : 128); bit++)
        net->ip.b[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

/* As in ip_in_net, an IPv6 network of mapped addresses is an IPv4 network. */
static bool is_too_wide(const struct ip_net *net)
{
    static const uint8_t mapped_head[12] = {[10] = 0xff, [11] = 0xff};
    if (net->ip.family == IP_V4)
        return net->bits < 8;
    bool is_mapped = net->bits >= 96 && memcmp(net->ip.b, mapped_head, sizeof mapped_head) == 0;
    return is_mapped ? net->bits < 96 + 8 : net->bits < 16;
}

struct slice config_net_set_network(struct slice text, struct arena *a, struct ip_net *out)
{
    struct slice q = config_value_quote(a, text);
    struct ip_net net;
    if (ip_net_parse(text, &net)) {
        if (is_too_wide(&net))
            return arena_printf(a,
                                "%.*s would make an open relay: name networks of your own, at "
                                "the widest /8 (IPv4) or /16 (IPv6)",
                                SLICE_FMT(q));
        *out = net;
        return SLICE_NONE;
    }
    size_t slash = slice_find(text, '/');
    uint64_t bits;
    if (slash < text.n && ip_parse(slice_head(text, slash), &net.ip) &&
        slice_to_u64(slice_from(text, slash + 1), &bits) &&
        bits <= (net.ip.family == IP_V4 ? 32u : 128u)) {
        net.bits = (int)bits;
        clear_host_bits(&net);
        return arena_printf(a, "%.*s has bits set behind its first %d: write \"%s/%d\"",
                            SLICE_FMT(q), net.bits, ip_build(&net.ip).s, net.bits);
    }
    return arena_printf(a,
                        "%.*s is not a network: write one such as \"10.0.0.0/8\", \"fd00::/16\" or "
                        "\"192.0.2.1\"",
                        SLICE_FMT(q));
}

struct slice config_net_set_resolver(struct slice text, struct arena *a, struct ip_port *out)
{
    if (ip_port_parse(text, 53, out) && out->port > 0)
        return SLICE_NONE;
    struct slice q = config_value_quote(a, text);
    return arena_printf(a,
                        "%.*s is not a numeric address: write one such as \"127.0.0.1:53\" or "
                        "\"[::1]:53\"",
                        SLICE_FMT(q));
}

enum { SUBMISSION_PORT = 587, HOST_RANK_MAX = 1000 };

/* ",priority=1,weight=3" */
static bool read_rank(struct slice text, struct engine_host *out)
{
    while (text.n) {
        text = slice_from(text, 1);
        size_t blanks = 0;
        while (blanks < text.n && text.p[blanks] == ' ')
            blanks++;
        text = slice_from(text, blanks);
        struct slice word = slice_head(text, slice_find(text, ','));
        size_t sign = slice_find(word, '=');
        bool is_weight = slice_eq(slice_head(word, sign), SLICE("weight"));
        unsigned *to = is_weight ? &out->weight : &out->priority;
        uint64_t n;
        if (sign == word.n || *to || !slice_to_u64(slice_from(word, sign + 1), &n) || n < 1 ||
            n > HOST_RANK_MAX ||
            (!is_weight && !slice_eq(slice_head(word, sign), SLICE("priority"))))
            return false;
        *to = (unsigned)n;
        text = slice_from(text, word.n);
    }
    return true;
}

struct slice config_net_set_host(struct slice text, struct arena *a, struct engine_host *out)
{
    struct slice q = config_value_quote(a, text);
    struct ip_port address;
    size_t comma = slice_find(text, ',');
    *out = (struct engine_host){0};
    if (!read_rank(slice_from(text, comma), out))
        return arena_printf(a,
                            "%.*s: behind the host may stand priority and weight, each from 1 to "
                            "%d: write \"smtp.example.net:587,priority=1,weight=3\"",
                            SLICE_FMT(q), HOST_RANK_MAX);
    text = slice_head(text, comma);
    if (ip_port_parse(text, SUBMISSION_PORT, &address) && address.port > 0) {
        struct ip_text name = ip_build(&address.ip);
        out->name = arena_copy(a, slice_cstr(name.s));
        out->port = address.port;
        return SLICE_NONE;
    }
    if (text.n && text.p[0] == '[')
        return arena_printf(a,
                            "%.*s: brackets are for IPv6 addresses; hosts are used as they stand, "
                            "without an MX lookup: write \"smtp.example.net:587\"",
                            SLICE_FMT(q));
    size_t colon = slice_find(text, ':');
    struct slice name = slice_head(text, colon);
    uint64_t port = SUBMISSION_PORT;
    if (colon < text.n &&
        (!slice_to_u64(slice_from(text, colon + 1), &port) || port < 1 || port > 65535))
        return arena_printf(a, "%.*s: the port must be from 1 to 65535", SLICE_FMT(q));
    /* Container networks have underscores in names. */
    if (!mail_domain_is_valid(name, MAIL_ADDRESS_LAX))
        return arena_printf(a,
                            "%.*s is not a host: write one such as \"smtp.example.net:587\" or "
                            "\"192.0.2.1:587\"",
                            SLICE_FMT(q));
    out->name = arena_copy(a, name);
    out->port = (uint16_t)port;
    return SLICE_NONE;
}
