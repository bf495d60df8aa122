/* smtp_proxy.h -- the header in front of everything with which a proxy says whom it speaks for.
 *
 * Versions 1 (a line of text) and 2 (binary) of the PROXY protocol, as HAProxy defines it in
 * doc/proxy-protocol.txt. Which connections begin with one is the caller's to know: it is never
 * guessed from what comes, as anyone could say it. Pure and without allocation. */
#pragma once

#include "base/ip.h"

enum {
    SMTP_PROXY_LINE_MAX = 107,        /* of version 1, with CRLF */
    SMTP_PROXY_BYTES_MAX = 16 + 4096, /* of version 2, with its TLVs; longer ones are PARSE_BAD */
};

struct smtp_proxy {
    bool has_peer; /* false: LOCAL or UNKNOWN, or a family without IP addresses: nobody is named */
    struct ip_port peer; /* a v4-mapped IPv6 address is the IPv4 address */
};

/* PARSE_DONE: *used bytes were the header, what follows is the client's. PARSE_MORE: it has not all
 * come. PARSE_BAD: this is none, or one that no proxy should send. The checksum and other TLVs of
 * version 2 are passed over. */
MUST_USE enum parse smtp_proxy_parse(struct slice in, struct smtp_proxy *out, size_t *used);
