/* smtp_server.h -- the receiving side of one SMTP conversation (RFC 5321, 6409), as a pure machine.
 *
 * Fed with bytes, it answers into its own output buffer and stops at each point where somebody
 * else has to decide or act (an event). The caller acts, calls the matching smtp_server_on_*()
 * and feeds the rest of the input. It arms no timer: the caller asks which time-out applies.
 *
 *   GREET -> READY -> MAIL -> RCPT -> DATA -> (verdict) -> READY ...
 *                                  -> BDAT -> BDAT LAST ->
 *   STARTTLS and AUTH leave READY and come back; QUIT, 421 or too many errors: CLOSING
 *
 * Strict line ends (no smuggling): only CRLF ends a line, only CRLF "." CRLF a message. A bare CR,
 * a bare LF or a NUL is answered and the connection closed: 500 5.5.2 in a command, 550 5.6.11
 * (NUL: 550 5.6.0) in a body. In a BDAT chunk the same is refused without closing: its length is
 * known. The body is handed on in wire form: as received, dot-stuffed, without the final "." CRLF;
 * what came in chunks too. Only the body of a BINARYMIME message, behind its header, may hold any
 * bytes and may end without CRLF.
 *
 * Offered: PIPELINING, SIZE, 8BITMIME, SMTPUTF8 (RFC 6531), DSN (RFC 3461), CHUNKING and BINARYMIME
 * (RFC 3030), LIMITS (RFC 9422), ENHANCEDSTATUSCODES, STARTTLS (RFC 3207), AUTH PLAIN, LOGIN
 * and, where somebody can use it, SCRAM-SHA-256 (RFC 4954, RFC 7677), with -PLUS where the channel
 * can be bound to; EXTERNAL for who has shown a certificate; inside TLS REQUIRETLS (RFC 8689).
 * doc/smtp.md lists them with all limits.
 *
 * The caller's loop: feed until NEEDS_INPUT or CLOSE comes (with the unused rest, with nothing when
 * nothing is left), also after each on_*(); then send the output. An answer of 421 to any question
 * ends the session: CLOSE follows. */
#pragma once

#include "base/buf.h"
#include "base/ip.h"
#include "mail/address.h"
#include "mail/dsn_request.h"
#include "smtp/smtp_reply.h"

enum {
    SMTP_LINE_BYTES_MAX =
        2048, /* a command line with CRLF; RFC 5321 4.5.3.1.4 wants 512, ESMTP more */
    SMTP_AUTH_LINE_BYTES_MAX = 12288, /* RFC 4954 section 4 */
    SMTP_BODY_LINE_BYTES_MAX = 65536, /* with CRLF; RFC 5321 says 1000, senders exceed it and
                                         receivers cope */
    SMTP_PATH_BYTES_MAX = 256,
};

enum smtp_auth_mode { SMTP_AUTH_REQUIRED, SMTP_AUTH_OPTIONAL, SMTP_AUTH_OFF };

/* Handed in at init and borrowed for the session's life; the same struct serves many sessions. */
struct smtp_server_options {
    struct slice hostname;
    uint64_t message_bytes_max; /* SIZE: of the body in wire form, without the final dot */
    unsigned recipients_max;
    unsigned session_recipients_max; /* accepted ones of one session, then 452 4.5.3, and 421 4.7.0
                                        to MAIL; 0: no such limit */
    unsigned mails_max;    /* MAIL commands of one session before 421 4.7.0; 0: no such limit */
    unsigned errors_max;   /* 5xx to bad commands and logins before 421 4.7.0 */
    unsigned commands_max; /* commands other than RCPT since the last accepted message, before 421
                              4.7.0: NOOP, RSET, EHLO, MAIL in vain ... */
    struct slice domain; /* completes "<root>" in MAIL and RCPT; empty: refused, Postmaster aside */
    bool is_staging;     /* said in the greeting, so that nobody takes us for the real one */
    bool offers_tls;     /* STARTTLS in EHLO, until TLS is on */
    enum smtp_auth_mode auth;
    bool offers_scram;      /* somebody's secret is stored so that it can be used */
    bool offers_binding;    /* SCRAM-SHA-256-PLUS, where the session has something to bind to */
    bool needs_certificate; /* neither MAIL nor AUTH for who is not certified */
};

/* What SCRAM can be bound to (RFC 5929). */
enum smtp_binding { SMTP_BINDING_END_POINT, SMTP_BINDING_UNIQUE, SMTP_BINDING_COUNT };
enum { SMTP_BINDING_BYTES_MAX = 64 };

/* What a LOGIN brings. */
enum smtp_login_step {
    SMTP_LOGIN_PASSWORD,    /* user, password */
    SMTP_LOGIN_SCRAM_FIRST, /* user, and message: answered by on_challenge(), or refused */
    SMTP_LOGIN_SCRAM_FINAL, /* the same; on_challenge() with our last message is the yes */
};

/* What the server machine knows of the client; filled by the machine, read by the caller. */
struct smtp_server_event {
    enum smtp_server_event_kind {
        SMTP_SERVER_NEEDS_INPUT = 0, /* nothing to tell. Send the output; when *used < in.n (so much
                                      * output gathered that no more is read) feed the rest after
                                      * the output has gone, else feed what comes */
        SMTP_SERVER_STARTTLS, /* 220 is in the output: flush it, then handshake, then on_tls().
                               * Bytes behind the STARTTLS line, in this input or fed before
                               * on_tls(), are dropped and the event is CLOSE instead (injection).
                               * Never inside a transaction */
        SMTP_SERVER_LOGIN,    /* user, password: verify, then on_login(). Never without TLS, unless
                               * the peer is trusted and has no IP address (a local socket). user
                               * is 1..255 bytes, no NUL in either */
        SMTP_SERVER_MAIL,     /* sender, size: accept with on_mail() */
        SMTP_SERVER_RCPT,     /* recipient: accept with on_recipient() */
        SMTP_SERVER_DATA, /* DATA, or the first BDAT, with at least one recipient: accept or refuse
                           * with on_data() */
        SMTP_SERVER_BODY, /* body: the next piece of the message, wire form; just keep it and feed
                             on */
        SMTP_SERVER_BODY_END,   /* the final dot or the last chunk came: store it, then on_message()
                                 */
        SMTP_SERVER_BODY_ABORT, /* the message under way is void (too big, bare LF, limits); drop
                                 * what was kept, sender and recipients too. The machine answers by
                                 * itself, after reading the rest or with CLOSE to follow */
        SMTP_SERVER_RESET,      /* the transaction is void (RSET, EHLO, HELO): forget sender and
                                   recipients */
        SMTP_SERVER_CLOSE,      /* flush the output, then close; whatever was under way is void */
    } kind;
    struct slice user, password; /* LOGIN: valid until the answer, then wiped */
    enum smtp_login_step step;
    struct slice message;   /* LOGIN, of SCRAM */
    struct slice binding;   /* LOGIN, SCRAM_FIRST: what the client binds to; "": it does not */
    struct slice path_text; /* MAIL, RCPT: the address, canonical, without <>; "" = null sender;
                               "<Postmaster>" has got our hostname. Valid until the answer */
    struct mail_address address; /* parsed, pointing into path_text */
    uint64_t declared_bytes;     /* MAIL: SIZE=, 0 when none */
    bool is_8bit;                /* MAIL: BODY=8BITMIME */
    bool is_binary;              /* MAIL: BODY=BINARYMIME */
    bool is_utf8;                /* MAIL: SMTPUTF8; without it addresses are ASCII */
    bool requires_tls;           /* MAIL: REQUIRETLS */
    enum mail_ret ret;           /* MAIL */
    struct slice envid;          /* MAIL: checked xtext, empty when none; valid until the answer */
    unsigned notify;             /* RCPT: enum mail_notify, combined; 0 when none */
    struct slice orcpt;          /* RCPT: checked "type;xtext", empty when none; valid as above */
    struct slice body;           /* BODY: points into the input or to static bytes */
};

/* An answer the caller gives to a question: 0 = accept with the machine's own words, else a reply.
 */
struct smtp_answer {
    int code;                  /* 0: accept */
    struct smtp_status status; /* enhanced code of the reply */
    const char *text; /* living until the call returns; what is not printable ASCII becomes '?'; may
                         be NULL */
};

/* What a client may come up against; the machine answers by itself. */
enum smtp_server_limit {
    SMTP_SERVER_LIMIT_COMMANDS,
    SMTP_SERVER_LIMIT_ERRORS,
    SMTP_SERVER_LIMIT_RECIPIENTS, /* once a message */
    SMTP_SERVER_LIMIT_SESSION_RECIPIENTS,
    SMTP_SERVER_LIMIT_REFUSED_RECIPIENTS,
    SMTP_SERVER_LIMIT_MAILS,
    SMTP_SERVER_LIMIT_MESSAGE_BYTES,
    SMTP_SERVER_LIMIT_LINE_BYTES,
    SMTP_SERVER_LIMIT_COUNT
};

/* What the client is to do next; each has a time-out of its own, which the caller keeps. */
enum smtp_server_phase {
    SMTP_SERVER_PHASE_GREETING, /* EHLO or HELO */
    SMTP_SERVER_PHASE_TLS,      /* the handshake after STARTTLS */
    SMTP_SERVER_PHASE_COMMAND,
    SMTP_SERVER_PHASE_AUTH, /* the answer to a 334 */
    SMTP_SERVER_PHASE_BODY, /* DATA, or the bytes of a chunk */
};

struct smtp_server;

/* Memory: one heap block a session, small while idle (input line buffer grows on demand and is
 * released between commands). */
MUST_USE struct smtp_server *smtp_server_new(const struct smtp_server_options *options);
void smtp_server_free(struct smtp_server *s);

/* The caller's knowledge of the peer, any time before it matters. */
void smtp_server_set_peer(struct smtp_server *s, const struct ip *peer, bool is_trusted);
void smtp_server_greet(struct smtp_server *s); /* 220 into the output */
/* Refuse the whole session instead of greeting: 421 (too many connections, shutting down) or 554.
 */
void smtp_server_refuse(struct smtp_server *s, int code, const char *text);

/* Feeds input; stops at the first event. *used says how much was taken: feed the rest after acting.
 * While an answer is outstanding (LOGIN, MAIL, RCPT, DATA, BODY_END) feeding is a CHECK failure;
 * the caller holds input back. */
struct smtp_server_event smtp_server_feed(struct smtp_server *s, struct slice in, size_t *used);

/* Handshake done: back to before EHLO, login forgotten (RFC 3207 4.2). Before greet(): TLS was
 * there from the first byte. */
void smtp_server_on_tls(struct smtp_server *s);
/* Behind on_tls(): the peer's certificate makes it this user, without or with AUTH EXTERNAL (RFC
 * 4422); another login takes its place. user: 1..255 bytes, no NUL. */
void smtp_server_set_certified(struct smtp_server *s, struct slice user);
/* Behind on_tls(): what this channel has of that kind, at most SMTP_BINDING_BYTES_MAX. */
void smtp_server_set_binding(struct smtp_server *s, enum smtp_binding kind, struct slice bytes);
void smtp_server_on_login(struct smtp_server *s,
                          struct smtp_answer a); /* code 0: 235; 535 wrong; 454 trouble */
/* LOGIN, of SCRAM: it goes on with this message; is_last: the client has proved itself, and 235
 * follows when it has seen that we have, too. */
void smtp_server_on_challenge(struct smtp_server *s, struct slice message, bool is_last);
void smtp_server_on_mail(struct smtp_server *s, struct smtp_answer a);
void smtp_server_on_recipient(struct smtp_server *s, struct smtp_answer a);
void smtp_server_on_data(struct smtp_server *s, struct smtp_answer a);
/* The message's fate: code 0 says "250 2.0.0 queued as ID" with the id text; else 4xx/5xx. */
void smtp_server_on_message(struct smtp_server *s, struct smtp_answer a, const char *id_text);
/* End the session from our side: 421 with this text, then CLOSE on the next feed of nothing. While
 * an answer is outstanding that answer is said first. */
void smtp_server_shutdown(struct smtp_server *s, const char *text);
/* It took too long: 421 4.4.2 with this text, then CLOSE on the next feed. Never while an answer is
 * outstanding: then we are the slow ones. */
void smtp_server_on_timeout(struct smtp_server *s, const char *text);

/* Output: hand smtp_server_output() to the peer, then smtp_server_sent(n). Replies gather while
 * input lasts, so that a pipelined group goes out in one write (RFC 2920 3.2). Bounded: the machine
 * itself never holds more than the replies to one input chunk. */
struct slice smtp_server_output(const struct smtp_server *s);
void smtp_server_sent(struct smtp_server *s, size_t n);

/* Facts for policy, log and Received. */
struct slice smtp_server_helo(
    const struct smtp_server *s); /* "" before; printable, no blanks, none of ( ) < > ; , " \ */
struct slice smtp_server_user(const struct smtp_server *s); /* who has logged in, else who is
                                                              certified; "": neither */
bool smtp_server_is_esmtp(const struct smtp_server *s);
bool smtp_server_has_tls(const struct smtp_server *s);
bool smtp_server_is_idle(
    const struct smtp_server *s); /* between messages: a shutdown may close it now */
bool smtp_server_awaits_answer(const struct smtp_server *s);
bool smtp_server_in_body(const struct smtp_server *s);
enum smtp_server_phase smtp_server_phase(const struct smtp_server *s);
/* BIT(enum smtp_server_limit) of those reached since it was last asked. */
unsigned smtp_server_take_limits(struct smtp_server *s);
unsigned
smtp_server_recipient_count(const struct smtp_server *s); /* accepted in this transaction */
