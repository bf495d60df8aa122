/* sim_mail.h -- messages as clients write them and receivers get them: making them from random
 * numbers, their wire form, and knowing them again.
 *
 * Every message has a number that stands in its addresses ("u2-m17@d5.test", sender
 * "s-m17@s1.test"): whatever comes out of the relay says which message it belongs to. Local parts
 * that begin with 'x' do not exist at their host, those that begin with 'g' are greylisted.
 *
 * Some headers have what the relay's rules (sim_plan.c) rewrite: addresses at old.test become those
 * at new.test, unless a signature covers them, and Bcc goes. */
#pragma once

#include "base/buf.h"
#include "base/rng.h"

enum { SIM_ADDRESS_BYTES = 96 };
#define SIM_STAGING_MAILBOX "stage@s.test"

enum sim_mail_state {
    SIM_MAIL_NEW,      /* the final dot was never said */
    SIM_MAIL_SAID,     /* it was, and nobody knows what came of it */
    SIM_MAIL_ACCEPTED, /* the client read the 250 */
    SIM_MAIL_REFUSED,  /* the client read another answer */
};

struct sim_address {
    char text[SIM_ADDRESS_BYTES];
    bool is_taken;  /* 250 to its RCPT */
    bool is_staged; /* the staging mailbox gets it instead */
};

struct sim_mail {
    uint64_t number;
    enum sim_mail_state state;
    uint64_t id;                   /* as the 250 says it */
    struct sim_address sender;     /* "": null */
    struct sim_address *recipient; /* owned */
    unsigned recipient_count;
    struct buf body;   /* as written: dots not doubled */
    size_t head_bytes; /* of it: the header and its empty line */
    struct buf head;   /* as it shall arrive */
    bool has_header, has_date, has_message_id;
    bool is_deleted; /* the operator was asked to remove it */
    int64_t accepted_ms;
    unsigned tries;
};

/* What is wanted; the rest is drawn. */
struct sim_wish {
    const char *const *address; /* "u", "x" or "g", then '@', then the domain */
    unsigned count;
    const char *sender_domain; /* NULL: null sender */
    size_t body_bytes;         /* about */
};

struct sim_mail *sim_mail_new(struct rng *rng, uint64_t number, const struct sim_wish *wish);
void sim_mail_free(struct sim_mail *m);
/* Who gets it. */
const char *sim_mail_goes_to(const struct sim_address *recipient);
/* The same again under another number. */
struct sim_mail *sim_mail_again(struct rng *rng, uint64_t number, const struct sim_mail *m);
/* Dots doubled, the final dot behind. */
void sim_mail_wire(const struct sim_mail *m, struct buf *out);
/* "…-m17@…": 17; 0: none stands there. */
uint64_t sim_mail_number_of(struct slice address);
/* Is `got` what the relay may make of it: its own fields, then the body, byte for byte? *id is the
 * one in the Received field. False: `why` says where it differs. */
bool sim_mail_is_it(const struct sim_mail *m, struct slice got, uint64_t *id, struct fault *why);

/* A delivery report as a receiver reads it. */
enum { SIM_REPORT_RECIPIENTS_MAX = 128 };
struct sim_report {
    uint64_t id;     /* its own, from Message-ID */
    bool is_failure; /* else a delay */
    unsigned count;
    struct slice recipient[SIM_REPORT_RECIPIENTS_MAX]; /* Final-Recipient, inside the text */
    struct slice status[SIM_REPORT_RECIPIENTS_MAX];
    struct slice diagnostic[SIM_REPORT_RECIPIENTS_MAX];
    bool has_original; /* a header with the original's X-Sim field is attached */
};
bool sim_report_parse(struct slice text, struct sim_report *out, struct fault *why);
/* Undoes dot-stuffing; `wire` without the final dot. */
void sim_mail_unstuff(struct slice wire, struct buf *out);
