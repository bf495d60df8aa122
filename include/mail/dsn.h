/* dsn.h -- build a delivery status notification: what happened to a message, for its sender and
 * for programs (RFC 3461 section 6, RFC 3462, RFC 3464; UTF-8 addresses: RFC 6533).
 *
 * All slices may hold any bytes: nothing in them can add a field, a line or a MIME part. */
#pragma once

#include "base/buf.h"

enum {
    MAIL_DSN_DIAGNOSTIC_BYTES_MAX = 1000, /* of the remote's words, the rest is cut */
    MAIL_DSN_HEADER_BYTES_MAX = 65536,    /* of the original header section, cut at a line's end */
    /* An output buffer of BASE + recipients * EACH always suffices. */
    MAIL_DSN_BASE_BYTES_MAX = 2 * MAIL_DSN_HEADER_BYTES_MAX + 16384,
    MAIL_DSN_EACH_BYTES_MAX = 8192,
};

enum mail_dsn_kind {
    MAIL_DSN_FAILED,
    MAIL_DSN_DELAYED,
    MAIL_DSN_RELAYED, /* handed on to a server that sends no reports (RFC 3461 section 5.2.2) */
};

struct mail_dsn_recipient {
    struct slice final;    /* canonical text of the address that was tried */
    struct slice original; /* ORCPT as sent, in xtext ("rfc822;a+2Bb@example.com"); may be empty */
    struct slice status;   /* "5.1.1"; not of that form: taken as 5.0.0 or 4.0.0 */
    struct slice remote_mta; /* host name; empty when no host was reached */
    struct slice remote_ip;  /* text; may be empty */
    struct slice diagnostic; /* the remote's reply, lines joined by blanks; may be empty */
    struct slice reason;     /* our own sentence, when there was no reply */
    int64_t last_attempt_ms; /* 0: never tried */
};

struct mail_dsn {
    enum mail_dsn_kind kind;
    struct slice hostname;   /* ours */
    struct slice sender;     /* canonical text: whom the notification goes to */
    struct slice id;         /* id text of the message it is about */
    struct slice dsn_id;     /* id text of the notification itself */
    struct slice envid;      /* ENVID as sent, in xtext; may be empty */
    struct slice message_id; /* Message-ID value of the original; may be empty */
    struct slice header;     /* original header section as on the wire (dot-stuffed); may be cut
                                anywhere and may go on into the body, which is left out */
    bool is_whole; /* header holds all of the message, and all is wanted back (RET=FULL) */
    int64_t arrival_ms;
    int64_t now_ms;
    int64_t retry_until_ms;                     /* DELAYED: when we give up */
    const struct mail_dsn_recipient *recipient; /* the caller's */
    size_t recipient_count;
};

/* Adds the whole notification in wire form: CRLF lines under 998 bytes, dot-stuffed, without the
 * final dot. The same input gives the same bytes. False: out is full. */
bool mail_dsn_build(struct buf *out, const struct mail_dsn *d);
