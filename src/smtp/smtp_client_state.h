/* smtp_client_state.h -- the inside of the sending machine: what it remembers, and the few moves
 * that all its parts make. enter() alone writes the state.
 *
 *   smtp_client.c        the doors: input, events, time-outs; which reply goes to whom
 *   smtp_client_hello.c  GREET .. AUTH_*: until the session is READY
 *   smtp_client_mail.c   RSET .. FINAL: one transaction
 *   smtp_client_chunk.c  a binary body's pieces as BDAT
 *   smtp_client_words.c  the text of commands and of what EHLO offers */
#pragma once

#include "smtp_client_words.h"

enum {
    SMTP_CLIENT_COMMANDS_BYTES_MAX = 65536, /* said but not taken by the line */
    SMTP_CLIENT_OUTPUT_BYTES_MAX = SMTP_CLIENT_COMMANDS_BYTES_MAX + SMTP_CLIENT_PIECE_BYTES_MAX,
    SMTP_CLIENT_FINAL_ROOM = 32, /* CRLF "." CRLF, or "BDAT 65536" CRLF and "BDAT 0 LAST" CRLF */
    SMTP_CLIENT_REASON_BYTES = 160,
};

/* Each names the command whose answer comes next. */
enum smtp_client_state {
    S_IDLE,
    S_GREET,
    S_EHLO,
    S_HELO,
    S_STARTTLS,
    S_HANDSHAKE,
    S_AUTH_PLAIN,
    S_AUTH_LOGIN,
    S_AUTH_USER,
    S_AUTH_PASSWORD,
    S_AUTH_XOAUTH2,
    S_AUTH_ERROR,
    S_READY,
    S_RSET,
    S_MAIL,
    S_RCPT,
    S_DATA,
    S_BODY,
    S_FINAL,
    S_VOID, /* an empty body for nobody */
    S_QUIT,
    S_CLOSED,
    S_FAILED,
    S_COUNT
};

/* Numbers of a transaction's commands; DATA follows the last RCPT. */
enum { SMTP_CLIENT_AT_RSET, SMTP_CLIENT_AT_MAIL, SMTP_CLIENT_AT_RCPT };

struct smtp_client_state_row {
    const char *name;
    unsigned may_enter;                /* and S_FAILED */
    enum smtp_client_event_kind event; /* on arriving */
    const char *timed_out;
};
extern const struct smtp_client_state_row smtp_client_state_rows[S_COUNT];

/* Owns its buffers; options, credentials, message and recipients are the caller's. */
struct smtp_client {
    const struct smtp_client_options *options;
    enum smtp_client_state state;
    uint32_t wait;
    bool owes_event; /* of the present state, not handed out yet */
    bool has_tls, is_tls_refused;
    bool wants_quit;
    bool is_line_dead;
    bool is_ahead; /* bytes were there before the command that they would answer */
    struct smtp_client_offer offer;

    struct buf input; /* unread from input_at on */
    size_t input_at;
    struct buf output;
    unsigned awaited; /* replies outstanding */

    /* The last reply, and its bytes. */
    struct buf reply_bytes;
    struct smtp_reply reply;

    struct smtp_client_message message;
    unsigned said, answered; /* command numbers; see above */
    unsigned asked;          /* RCPTs said and not answered */
    unsigned accepted;
    bool is_void;        /* MAIL was refused: what is answered to the rest does not count */
    bool is_left_open;   /* the server still holds a transaction: RSET before the next */
    bool is_done_due;    /* DONE was not handed out yet */
    char tail[2];        /* last bytes of the body */
    uint64_t body_bytes; /* said so far */

    bool is_chunking;      /* BDAT, not DATA */
    unsigned chunks_asked; /* said and not answered */
    bool is_body_ended, is_chunk_refused;
    bool is_at_line, is_behind_cr; /* of the stored body: a dot here is doubled */

    /* Recipients at..end-1 that are not settled share `reply`. */
    struct announcement {
        unsigned at, end;
        enum smtp_scope scope;
        bool is_delivered;
    } announcement;

    enum smtp_client_state failed_in;
    const char *reason;
    bool is_unsure, has_failed_by_reply;
    char closed_reason[SMTP_CLIENT_REASON_BYTES];
};

size_t smtp_client_unread(const struct smtp_client *c);
bool smtp_client_is_over(const struct smtp_client *c);
bool smtp_client_is_refusal(const struct smtp_reply *r); /* 4xx, 5xx */
bool smtp_client_is_fine(const struct smtp_reply *r);    /* 2xx */

void smtp_client_enter(struct smtp_client *c, enum smtp_client_state next);
/* READY, or QUIT when that was asked for. */
void smtp_client_go_ready(struct smtp_client *c);
/* Something was said that has one reply. */
void smtp_client_expect_reply(struct smtp_client *c);
/* The bytes of one whole reply become c->reply. */
enum parse smtp_client_keep_reply(struct smtp_client *c, struct slice bytes);

/* The end of the session, for a reason of ours (it lives as long as `c`): */
void smtp_client_fail(struct smtp_client *c, const char *reason);
/* because c->reply refuses, or is no answer to what was said: */
void smtp_client_fail_by_reply(struct smtp_client *c, const char *reason);
/* because c->reply is no answer to what was said. */
void smtp_client_fail_by_kind(struct smtp_client *c);

/* smtp_client_hello.c: what a reply means on the way to READY. */
void smtp_client_hello_on_greeting(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_hello_on_ehlo(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_hello_on_helo(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_hello_on_starttls(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_hello_on_challenge(struct smtp_client *c, const struct smtp_reply *r,
                                    enum smtp_client_state next);
void smtp_client_hello_on_auth(struct smtp_client *c, const struct smtp_reply *r);

/* smtp_client_chunk.c: one piece as a chunk. */
void smtp_client_chunk_begin(struct smtp_client *c);
void smtp_client_chunk_say(struct smtp_client *c, struct slice piece);

/* smtp_client_mail.c: what a reply means in a transaction. */
void smtp_client_mail_on_rset(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_mail_on_mail(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_mail_on_rcpt(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_mail_on_data(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_mail_on_body(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_mail_on_final(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_mail_on_void(struct smtp_client *c, const struct smtp_reply *r);
/* Moves `said` on as far as it may go. */
void smtp_client_mail_say_more(struct smtp_client *c);
/* A recipient that was never named to the server, when it is its turn; false: there is none. */
bool smtp_client_mail_refuse_here(struct smtp_client *c);
/* The next recipient of the announcement; false: none is left. */
bool smtp_client_mail_next_announced(struct smtp_client *c, struct smtp_client_event *e);
