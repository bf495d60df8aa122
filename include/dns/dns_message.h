/* dns_message.h -- DNS questions and answers as bytes (RFC 1035, 6891), read with bounds.
 *
 * Pure, no allocation. The only reader of what a resolver sends: the carrier underneath is trusted
 * with nothing but moving packets. */
#pragma once

#include "base/buf.h"
#include "base/ip.h"

enum {
    DNS_NAME_BYTES_MAX = 254, /* text form without the last dot, and a NUL */
    DNS_RECORDS_MAX =
        64, /* of the asked type; more are left out (MX sets beyond that exist nowhere) */
    DNS_CNAMES_MAX = 12,
    DNS_PACKET_BYTES_MAX = 65535,
};

enum dns_type {
    DNS_A = 1,
    DNS_CNAME = 5,
    DNS_PTR = 12,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_TLSA = 52
};

enum dns_result {
    DNS_OK,        /* at least one record */
    DNS_NO_DATA,   /* the name exists, this type does not */
    DNS_NO_NAME,   /* NXDOMAIN: permanent */
    DNS_SERVFAIL,  /* SERVFAIL, REFUSED, any other rcode: temporary */
    DNS_TIMEOUT,   /* nobody answered: temporary */
    DNS_BAD,       /* an answer that cannot be read: temporary */
    DNS_TRUNCATED, /* TC: ask again over TCP; never leaves the carrier */
    DNS_BAD_NAME,  /* the question itself is no DNS name: permanent */
};

struct dns_record {
    uint16_t preference;           /* MX */
    struct ip ip;                  /* A, AAAA */
    char name[DNS_NAME_BYTES_MAX]; /* MX: target, lower case, no final dot; "" is the root (null MX,
                                      RFC 7505); PTR, CNAME: the name */
    struct slice data;             /* TXT, TLSA: the record's bytes, inside the packet */
};

struct dns_answer {
    enum dns_result result;
    bool is_authentic; /* AD bit; worth what the path to the resolver is worth */
    uint32_t ttl_s;    /* lowest of CNAMEs and records; negative: from the SOA (RFC 2308), else 0 */
    unsigned count;
    char canonical[DNS_NAME_BYTES_MAX]; /* the name at the end of the CNAME chain */
    struct dns_record record[DNS_RECORDS_MAX];
};

/* A query with RD and an OPT record (UDP size as given, DO when asked; 0 bytes: no OPT). name:
 * text, with or without final dot, its letters' case kept as is. False: not a name (label over 63,
 * over 253 in all, empty label, a byte that is not printable ASCII, a backslash, the root). */
bool dns_query_build(struct buf *out, uint16_t id, struct slice name, enum dns_type type,
                     uint16_t udp_bytes, bool wants_dnssec);

/* Flip letters' case by the bits (the 0x20 trick); name is changed in place. */
void dns_name_randomise(char *name, size_t n, uint64_t bits);

/* Reads an answer to exactly this question: id (ignored when < 0), QR, opcode, one question whose
 * name equals `asked` byte for byte (case included) and whose type matches; else DNS_BAD. Follows
 * CNAMEs inside the packet in any order, without loops. A referral (RFC 2308 section 2.2) is
 * DNS_SERVFAIL: it says nothing about the name. */
void dns_answer_parse(struct slice packet, int id, struct slice asked, enum dns_type type,
                      struct dns_answer *out);

/* The strings of a TXT record's bytes, joined without anything between them (RFC 7208 section 3.3).
 * False: out is full. */
bool dns_txt_join(struct slice data, struct buf *out);

const char *dns_result_name(enum dns_result r);
