/* smtp_server_state.h -- what the parts of the server machine share: the session, its state, and
 * how it speaks.
 *
 *   NEW -> GREETED -> READY -> ENVELOPE -> BODY -> VERDICT -> READY ...
 *            ^  ^       |  ^       |  |      |
 *            |  TLS <---+  |     (RSET)    DISCARD -> READY
 *            +--- ... AUTH_x <-> READY
 *   any -> CLOSING
 *
 * BDAT leads from ENVELOPE to CHUNK, and from there to CHUNKS (the next BDAT may come, or RSET) or
 * VERDICT. A refused chunk is no state: `skip_bytes` are read through wherever the session is.
 *
 * GREETED waits for EHLO or HELO. In DISCARD a refused body is read through to its dot. An AUTH_x
 * state waits for the answer to a 334. A question to the caller is no state: `asked` holds it. */
#pragma once

#include "smtp/smtp_server.h"
#include "smtp_line.h"
#include "smtp_server_body.h"

enum {
    SMTP_SERVER_OUTPUT_HIGH_BYTES = 32768, /* over this no further command is read */
    SMTP_SERVER_OUTPUT_BYTES_MAX = 65536,
    SMTP_SERVER_TEXT_BYTES_MAX = 400,   /* of the caller's words in a reply */
    SMTP_SERVER_REPLY_BYTES_MAX = 512,  /* a reply line with CRLF (RFC 5321 4.5.3.1.5) */
    SMTP_SERVER_NAME_BYTES_MAX = 255,   /* helo and user, longer is cut / refused */
    SMTP_SERVER_REFUSALS_MAX = 10000,   /* RCPT in vain in one transaction, before 421 */
    SMTP_SERVER_DISCARD_EXTRA = 1 << 20 /* bytes of a refused body over twice the limit */
};

enum smtp_server_state {
    S_NEW,
    S_GREETED,
    S_TLS, /* 220 to STARTTLS is said, the handshake is going on */
    S_READY,
    S_AUTH_PLAIN,
    S_AUTH_USER,
    S_AUTH_PASSWORD,
    S_AUTH_EXTERNAL,
    S_AUTH_SCRAM_FIRST,
    S_AUTH_SCRAM_FINAL,
    S_AUTH_SCRAM_END, /* the client is right, and has to say that we are */
    S_ENVELOPE,
    S_BODY,
    S_DISCARD,
    S_CHUNK,
    S_CHUNKS,
    S_VERDICT,
    S_CLOSING,
    S_COUNT
};

struct smtp_server {
    const struct smtp_server_options *options; /* borrowed */
    enum smtp_server_state state;
    enum smtp_server_event_kind asked; /* NEEDS_INPUT: no answer is outstanding */
    struct ip peer;
    bool is_trusted, is_esmtp, has_tls;
    bool
        is_in_vain; /* MAIL was refused: RCPT and DATA that were pipelined behind it are no error */
    bool is_utf8, is_binary;   /* what MAIL asked for */
    bool owes_abort;           /* the caller has to be told that the message is void */
    unsigned errors, commands; /* since the last message accepted */
    unsigned mails;            /* MAIL commands of this session */
    unsigned recipients, refusals;
    unsigned session_recipients;
    unsigned limits;   /* reached, BIT(enum smtp_server_limit), and not yet asked for */
    bool is_over_full; /* this message has come up against recipients_max */

    struct smtp_server_body body;
    uint64_t body_bytes;      /* wire form, without the final dot */
    const char *body_refusal; /* DISCARD: said at the dot */
    bool is_chunked, is_last_chunk;
    uint64_t chunk_bytes, chunk_left; /* of the present BDAT: all, and still to come */
    uint64_t skip_bytes;              /* of a refused chunk, still to come */
    const char *skip_reply;           /* said behind them; NULL: it was said before */

    struct smtp_line line;
    struct buf scratch; /* what an event's slices point to */
    struct buf out;
    char *helo, *user; /* owned, NULL when none */
    char *certified;   /* owned: whose certificate the peer has shown */
    uint8_t binding[SMTP_BINDING_COUNT][SMTP_BINDING_BYTES_MAX];
    uint8_t binding_bytes[SMTP_BINDING_COUNT]; /* 0: there is none */
    bool is_bound;                             /* AUTH under way: of the -PLUS kind */
    char *claimed; /* owned: the user whose password is being looked at */
    char *parting; /* owned: shutdown was asked for while an answer was outstanding */
};

/* The only writer of `state`. */
void smtp_server_state_enter(struct smtp_server *s, enum smtp_server_state next);
/* A sender was accepted, and the message has not ended. */
bool smtp_server_state_in_transaction(const struct smtp_server *s);
bool smtp_server_state_is_auth(const struct smtp_server *s);
/* The listener wants a certificate, and the peer has shown none that we know. */
bool smtp_server_state_lacks_certificate(const struct smtp_server *s);
/* Wipes the scratch: it may hold a password. */
void smtp_server_state_forget_scratch(struct smtp_server *s);

/* One reply line, CRLF added. */
void smtp_server_state_say(struct smtp_server *s, const char *reply);
/* A 5xx to a bad command: said and counted; the one too many becomes 421 and ends the session. */
void smtp_server_state_complain(struct smtp_server *s, const char *reply);
/* The same without a reply. False: the 421 is said. */
bool smtp_server_state_counts_error(struct smtp_server *s);
/* "421 4.x.x hostname text" or any last word, then CLOSING. */
void smtp_server_state_part(struct smtp_server *s, const char *code, const char *text);
void smtp_server_state_say_last(struct smtp_server *s, const char *reply);
/* The caller's refusal; a 421 ends the session. */
void smtp_server_state_refuse(struct smtp_server *s, struct smtp_answer a);
/* The transaction is over. */
void smtp_server_state_end_transaction(struct smtp_server *s);

/* For whoever asks smtp_server_take_limits(). */
void smtp_server_state_reach(struct smtp_server *s, enum smtp_server_limit limit);
/* One more command without a message. True: it was the one too many, and 421 is said. */
bool smtp_server_state_is_one_too_many(struct smtp_server *s);

/* Events. */
struct smtp_server_event smtp_server_state_event(enum smtp_server_event_kind kind);
struct smtp_server_event smtp_server_state_ask(struct smtp_server *s,
                                               enum smtp_server_event_kind kind);
