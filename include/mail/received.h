/* received.h -- the fields a relay adds: Received (RFC 5321 section 4.4) and, where a submitted
 * message has none, Message-ID (RFC 6409 section 8). Dates: mail/date.h.
 *
 * Whatever is handed in, one field comes out: bytes that could end a line, close a comment or
 * open a new field become '?'. */
#pragma once

#include "base/buf.h"
#include "base/ip.h"

struct mail_received {
    struct slice helo;      /* as the client said it; any bytes; empty: unknown */
    struct ip peer;         /* IP_NONE: a local submission without an address */
    struct slice local;     /* then: who it was, "uid=1000 bob", words; empty: unknown */
    struct slice by;        /* our hostname */
    struct slice protocol;  /* mail_received_protocol() */
    struct slice tls;       /* "TLSv1.2 ECDHE-RSA-..."; empty: none */
    struct slice id;        /* the message's id text */
    struct slice recipient; /* canonical text, only when there is exactly one; else empty */
    int64_t time_ms;
    bool hides_client; /* nothing of helo, peer and local is said */
};

/* The "with" keyword: RFC 3848, RFC 6531 section 4.3. */
struct slice mail_received_protocol(bool is_esmtp, bool has_tls, bool has_auth, bool is_utf8);

/* "Received: ...\r\n", folded at 78 where words allow it. False: out is full. */
bool mail_received_build(struct buf *out, const struct mail_received *r);
/* "Message-ID: <id@hostname>\r\n". */
bool mail_message_id_build(struct buf *out, struct slice id, struct slice hostname);
