/* smtp_client.h -- the sending side of one SMTP conversation (RFC 5321), as a pure machine.
 *
 * Two cursors run over the commands: `said` and `answered`; with PIPELINING (RFC 2920) said runs
 * ahead. One session carries many transactions, one after another.
 *
 *   GREET -> EHLO (-> HELO) -> STARTTLS -> EHLO -> AUTH -> READY
 *   READY -> MAIL -> RCPT.. -> DATA -> BODY -> FINAL -> READY ...
 *   binary: MAIL -> RCPT.. -> BODY (BDAT n ..) -> FINAL (BDAT 0 LAST) -> READY ...
 *   refused on the way: -> RSET -> READY; any state: -> QUIT -> CLOSED
 *
 * The machine arms no timer: smtp_client_timeout_ms() says what RFC 5321 4.5.3.2 grants to the
 * present wait. When it passes, call smtp_client_on_timeout(). */
#pragma once

#include "base/buf.h"
#include "mail/dsn_request.h"
#include "smtp/smtp_reply.h"

enum smtp_client_tls {
    SMTP_CLIENT_TLS_NONE,          /* never STARTTLS */
    SMTP_CLIENT_TLS_OPPORTUNISTIC, /* STARTTLS when offered; refused STARTTLS: go on in plain */
    SMTP_CLIENT_TLS_REQUIRED,      /* no STARTTLS offered or refused: the session fails (4.7.x:
                                      temporary) */
    SMTP_CLIENT_TLS_IMPLICIT,      /* TLS is up before the greeting */
};

struct smtp_client_options { /* borrowed until free */
    struct slice helo;       /* our name in EHLO */
    enum smtp_client_tls tls;
    struct slice user,
        password;       /* empty user: no AUTH. Never sent without TLS unless allows_plain_auth */
    struct slice token; /* an OAuth2 access token in place of a password: XOAUTH2; "": none */
    bool allows_plain_auth; /* operator said tls = none and still wants AUTH */
    int64_t greeting_ms, command_ms, data_ms, final_ms; /* time-outs */
};

/* One recipient of the transaction, in the caller's array; the machine fills the last fields. */
struct smtp_client_recipient {
    struct slice address; /* without <> */
    unsigned notify;      /* enum mail_notify, combined; 0: not given */
    struct slice orcpt;   /* as received, in xtext; empty: not given */
    bool is_answered;     /* its reply (RCPT, or a refusal of MAIL/DATA standing for it) is known */
    bool is_settled;      /* its RECIPIENT event was handed out; false after FAILED: undecided */
    int code;             /* of the reply to RCPT, or of the refusal standing for it; 0 before */
};

struct smtp_client_message { /* borrowed until the transaction ends */
    struct slice sender;     /* without <>; "" = null */
    struct smtp_client_recipient *recipient;
    unsigned recipient_count;
    uint64_t wire_bytes; /* SIZE= is told this */
    bool is_8bit;
    bool is_binary;    /* BODY=BINARYMIME, in chunks (RFC 3030); refused where either is not offered
                          (554 5.6.3) */
    bool requires_tls; /* REQUIRETLS: refused where TLS is not on or it is not offered (550 5.7.30)
                        */
    bool needs_utf8;   /* SMTPUTF8 whatever the addresses: its header is UTF-8 */
    enum mail_ret ret; /* this and the next, and NOTIFY and ORCPT of recipients: told where DSN is
                          offered */
    struct slice envid; /* as received, in xtext; empty: not given */
};

/* How far a refusal reaches. */
enum smtp_scope {
    SMTP_SCOPE_HOST,      /* connect, greeting, EHLO, TLS, AUTH: it does not serve us now */
    SMTP_SCOPE_SESSION,   /* from READY on: a lost line, 421, what is no answer to what was said */
    SMTP_SCOPE_MESSAGE,   /* MAIL, DATA, the final dot: all recipients of this message */
    SMTP_SCOPE_RECIPIENT, /* RCPT */
};

struct smtp_client_event {
    enum smtp_client_event_kind {
        SMTP_CLIENT_NEEDS_INPUT = 0, /* nothing to do until bytes, on_tls or a time-out come */
        SMTP_CLIENT_START_TLS, /* handshake as client now, then smtp_client_on_tls(); bytes behind
                                * the 220 were refused: then the event is FAILED */
        SMTP_CLIENT_READY,     /* a transaction may begin (each time READY is entered) */
        SMTP_CLIENT_RECIPIENT, /* recipient `index` got `reply` (2xx too), or shares the refusal of
                                * MAIL/DATA/final dot: comes exactly once per recipient that is
                                * refused, and once at the end per recipient that is delivered
                                * (after the final 250) */
        SMTP_CLIENT_BODY,      /* 354 came: call smtp_client_body() with pieces, then
                                  smtp_client_body_end(). In chunks: the last RCPT is answered;
                                  and again with each chunk's reply, for what did not fit */
        SMTP_CLIENT_DONE,      /* the transaction is over; all recipients have had their event */
        SMTP_CLIENT_FAILED,    /* the session is of no further use, cut the line: reply (NULL when
                                * none) and reason say why; recipients not settled are undecided,
                                * `is_unsure` when the line died after the final dot was put into the
                                * output. No DONE follows, and no other event */
        SMTP_CLIENT_CLOSE,     /* after QUIT: flush and close */
    } kind;
    unsigned index;        /* RECIPIENT */
    enum smtp_scope scope; /* RECIPIENT, FAILED */
    bool is_delivered;     /* RECIPIENT */
    bool is_unsure;        /* FAILED */
    /* RECIPIENT, FAILED; NULL when no reply was got; until the next call. For a recipient that is
     * refused without asking the server (an address that cannot be said, a message over the offered
     * SIZE) it is a reply of our own. */
    const struct smtp_reply *reply;
    const char *reason; /* FAILED: our own words ("no STARTTLS offered, TLS is required"), lives as
                           long as the machine */
};

struct smtp_client;

MUST_USE struct smtp_client *smtp_client_new(const struct smtp_client_options *options);
void smtp_client_free(struct smtp_client *c);

/* The line is up. */
void smtp_client_on_connected(struct smtp_client *c);
/* Input; buffered inside up to SMTP_CLIENT_INPUT_BYTES_MAX (the longest reply that is not whole
 * yet, and one read of 64 KiB), more is a FAILED ("too much input"). Tell with smtp_client_sent()
 * what the line took before feeding what the server said to it. */
enum { SMTP_CLIENT_INPUT_BYTES_MAX = 131072 };
void smtp_client_on_bytes(struct smtp_client *c, struct slice in);
void smtp_client_on_tls(struct smtp_client *c); /* handshake done */
void smtp_client_on_closed(
    struct smtp_client *c,
    const char *reason); /* EOF or error on the line (TLS failure included) */
void smtp_client_on_timeout(struct smtp_client *c);
/* Pull after every call above and below until NEEDS_INPUT. */
struct smtp_client_event smtp_client_next(struct smtp_client *c);

/* In READY only; at least one recipient. Pipelines MAIL, RCPT.. and DATA when offered (RCPT in
 * groups bounded by the output buffer). SIZE= and BODY=8BITMIME only to servers that offer them; a
 * message over the offered SIZE is refused at once as if the server had said 552 5.3.4. Addresses
 * with control characters, unquoted blanks or angles, or over SMTP_CLIENT_ADDRESS_BYTES_MAX are
 * refused here (553 5.1.3, 5.1.7), those beyond ASCII where SMTPUTF8 is not offered too
 * (553 5.6.7). */
enum { SMTP_CLIENT_ADDRESS_BYTES_MAX = 480 };
void smtp_client_begin(struct smtp_client *c, const struct smtp_client_message *m);
/* After BODY: wire form (dot-stuffed) pieces in order. Each is copied to the output: at most
 * SMTP_CLIENT_PIECE_BYTES_MAX, and the next one when the output is empty again. After FAILED these
 * three do nothing, so that a read still under way may end as it likes. */
enum { SMTP_CLIENT_PIECE_BYTES_MAX = 65536 };
/* May the next piece come? Of a binary message each is a chunk, its doubled dots single again, and
 * one waits for its reply; up to SMTP_CLIENT_CHUNKS_MAX where PIPELINING is offered. LAST is said
 * when all are taken, so that before it nothing can have been delivered. */
enum { SMTP_CLIENT_CHUNKS_MAX = 8 };
bool smtp_client_takes_body(const struct smtp_client *c);
void smtp_client_body(struct smtp_client *c, struct slice piece);
void smtp_client_body_end(struct smtp_client *c);   /* final dot; adds the CRLF a body may lack, but
                                                       for a binary one */
void smtp_client_body_abort(struct smtp_client *c); /* the body cannot be read: the line must be cut
                                                       (FAILED follows), never a half message */
/* QUIT, then CLOSE when it is answered or the line ends: at once in READY, else when READY would
 * come next. Before the line is up: CLOSE at once. */
void smtp_client_quit(struct smtp_client *c);

struct slice smtp_client_output(const struct smtp_client *c); /* until the next call */
void smtp_client_sent(struct smtp_client *c, size_t n);       /* the line took n bytes of it */

/* Of the present wait; 0: nothing is awaited (READY). While the body is sent it is data_ms, per
 * block that leaves (the caller's reading and the line's draining count); after the dot, final_ms.
 * QUIT gets 10 s at most. */
int64_t smtp_client_timeout_ms(const struct smtp_client *c);
/* A number that changes whenever a new wait begins: a reply was whole, or output was taken. Start
 * the timer anew when it does; bytes that complete no reply buy a slow server no time. */
uint32_t smtp_client_wait(const struct smtp_client *c);
bool smtp_client_is_ready(const struct smtp_client *c);
bool smtp_client_has_tls(const struct smtp_client *c);
bool smtp_client_offers_dsn(const struct smtp_client *c); /* the server does */
/* For the log: "greeting", "EHLO", "RCPT", ...; after FAILED, where it failed. */
const char *smtp_client_state_name(const struct smtp_client *c);
