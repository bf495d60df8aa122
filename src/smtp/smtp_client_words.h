/* smtp_client_words.h -- what the sending side says and is offered, as text: no state, no order.
 *
 * Lines are added to `out` with their CRLF. */
#pragma once

#include "smtp/smtp_client.h"

/* What EHLO offered. */
struct smtp_client_offer {
    bool has_pipelining, has_8bitmime, has_starttls, has_enhanced_codes, has_chunking, has_smtputf8;
    bool has_size, has_dsn, has_requiretls, has_binarymime;
    uint64_t size_bytes; /* 0: no fixed limit (RFC 1870) */
    bool has_auth_plain, has_auth_login, has_auth_xoauth2;
};

/* The lines behind the first of a reply to EHLO; keywords that we do not know are passed over. */
struct smtp_client_offer smtp_client_offer_parse(const struct smtp_reply *r);

/* May this be put between "<" and ">" of a command? NULL: yes; else the reply line, of our own, for
 * it. is_sender: an empty one is the null sender, and it has its own status. */
const char *smtp_client_address_flaw(struct slice address, bool is_sender, bool has_smtputf8);

void smtp_client_say_mail(struct buf *out, const struct smtp_client_message *m,
                          const struct smtp_client_offer *offer);
void smtp_client_say_rcpt(struct buf *out, const struct smtp_client_recipient *r,
                          const struct smtp_client_offer *offer);
/* User and password together, so that base64 of both fits a line of RFC 4954 section 4 (12288). */
enum { SMTP_CLIENT_CREDENTIAL_BYTES_MAX = 8190 };
/* AUTH PLAIN with its initial response (RFC 4616). */
void smtp_client_say_auth_plain(struct buf *out, struct slice user, struct slice password);
/* AUTH XOAUTH2 with its initial response. */
void smtp_client_say_xoauth2(struct buf *out, struct slice user, struct slice token);
void smtp_client_say_base64(struct buf *out, struct slice text);
