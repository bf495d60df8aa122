/* line.h -- one outgoing connection, its job, and what the job's recipients were told so far.
 *
 * Owned by deliver, which walks it through its states; here are the parts that know nothing of the
 * walk. */
#pragma once

#include "engine_core.h"
#include "mail/downgrade.h"
#include "policy/policy_outcome.h"
#include "race.h"

enum line_state { LINE_CONNECTING, LINE_TALKING, LINE_BUSY, LINE_IDLE, LINE_QUITTING };

enum { LINE_DOMAINS_MAX = 16 }; /* of a session that counts them: then it is spent */

struct line {
    uint64_t conn;
    enum line_state state;
    struct destination *destination;
    struct list in_destination, in_idle;
    struct target_list *targets;
    uint32_t target;
    uint64_t ordered_at_conn;           /* the first connection of this order of targets */
    struct race race;                   /* before `conn` is up */
    const struct engine_source *source; /* of the connection; NULL: the system's choice */
    bool has_no_tls; /* the handshake failed once: opportunistic means plain now */
    bool is_in_handshake, has_tls_failed; /* on this connection */
    struct smtp_client *smtp;
    struct smtp_client_options options;
    char *token; /* that its options say; owned; NULL: none */
    struct timer timer;
    uint32_t watched_wait; /* what the timer runs for */
    enum line_state watched_state;
    struct slice tls_version;          /* static */
    unsigned messages;                 /* transactions done on this connection */
    int64_t opened_ms;                 /* it was up */
    unsigned recipients_most;          /* of a transaction, as it said; 0: nothing */
    bool is_too_many;                  /* ... of the present one */
    bool was_idle;                     /* before the present transaction */
    bool is_spent;                     /* no other transaction begins on this connection */
    uint64_t domain[LINE_DOMAINS_MAX]; /* hashes: of recipients so far, where they are counted */
    unsigned domain_count;
    bool was_ready;    /* some target talked to us to the end of its greetings */
    char trouble[256]; /* why the last target was of no use */

    bool goes_on; /* a rule sends who is undecided behind the transaction to the next host */

    struct job *job;
    int64_t started_ms;
    bool waits_body;
    struct body *body;
    bool has_begun;   /* the body's prefix was said */
    bool waits_drain; /* the last piece is still on its way into the network */
    uint32_t piece;   /* next extent to fetch; UINT32_MAX: nothing more to feed */
    bool is_fetching;
    struct smtp_client_recipient *recipient;
    uint32_t *index; /* of recipient[], in the message */
    uint32_t recipient_count;
    struct smtp_client_message message;
    struct mail_downgrade *downgrade; /* the body goes through it; NULL: as it is */
    char **kept;                      /* texts of the transaction; owned */
    uint32_t kept_count;
    struct attempt_result *result;
    uint32_t result_count;
};

static inline const struct target *line_target(const struct line *l)
{
    return &l->targets->target[l->target];
}

void line_free(struct engine *e, struct line *l);
void line_leave_idle(struct line *l);
/* The connection ends, not the line: it may go on with its next target. */
void line_hang_up(struct engine *e, struct line *l, bool is_open);
void line_drop_transaction(struct line *l);
struct slice line_keep(struct line *l, struct slice text); /* a copy that lives as long as it */
/* An address for the transaction: every server takes a domain as A-labels; only a local part in
 * UTF-8 needs SMTPUTF8. */
struct slice line_said_as(struct line *l, struct slice address);
void line_drop_results(struct line *l);
void line_note(struct engine *e, struct line *l, enum note_kind kind, const char *reason);
void line_flush(struct engine *e, struct line *l, bool wants_drained);
/* A wait's time-out runs from its beginning: bytes that complete no reply buy a slow server no
 * time. */
void line_watch(struct engine *e, struct line *l);

/* What a recipient of the job was told. reason: static, or living until line_end_attempt. */
void line_add_result(struct line *l, uint32_t recipient, enum attempt_verdict verdict,
                     struct smtp_status status, const struct smtp_reply *reply, const char *reason);
/* What a rule had to do with the results from this one on. */
void line_rule(struct line *l, uint32_t from, const struct shape_ruling *g);
bool line_is_decided(const struct line *l, uint32_t recipient);
/* Of the job: waiting, not put off by a part of it that is done, and nothing decided yet. */
bool line_is_open(const struct line *l, uint32_t recipient);
bool line_has_undecided(const struct line *l);
/* The same for all of the job's recipients that are still waiting and undecided. */
void line_decide_rest(struct line *l, enum attempt_verdict verdict, struct smtp_status status,
                      const char *reason);
/* Hands the results to outcome; the line has no job afterwards. */
void line_end_attempt(struct engine *e, struct line *l);
/* The same, and the line keeps its job for the recipients that are open. */
void line_end_part(struct engine *e, struct line *l);
/* trouble.c: its present target was of no use. */
void line_note_trouble(struct engine *e, struct line *l, const char *why);
/* Whoever is undecided goes on with the next target, at once. */
void line_go_elsewhere(struct engine *e, struct line *l, const char *why);
/* trouble.c: the line cannot go on with its job; `a` has the scope, the reply and is_unsure. The
 * line is gone afterwards or goes on elsewhere. */
void line_fail(struct engine *e, struct line *l, struct policy_answer a, const char *why);
bool line_has_next_host(const struct engine *e, const struct line *l);
/* The transaction is over, and a rule wants its undecided recipients tried there. */
void line_go_on(struct engine *e, struct line *l);

/* transaction.c: how much of a job goes into one transaction, and how many on one connection */
/* May another one begin? */
bool transaction_may_begin(const struct engine *e, const struct line *l);
/* An idle line waits so long for it. */
int64_t transaction_idle_ms(const struct engine *e, const struct line *l);
/* Does the recipient fit into the one that is put together, behind `count` others? */
bool transaction_fits(struct line *l, uint32_t recipient, uint32_t count);
/* It is over. True: it was a part of the job and is recorded; the rest follows on this line, or has
 * gone back to be taken by another one. */
bool transaction_goes_on(struct engine *e, struct line *l);
/* Its last answer was lost: those that it was for are unsure. True: that is recorded, and there are
 * others of the job, which know nothing of it. */
bool transaction_is_unsure(struct engine *e, struct line *l, struct smtp_status status,
                           const char *why);
/* The job goes back to the front, and no other one begins on this connection. */
void transaction_return(struct engine *e, struct line *l);
/* The session has failed: what that says of the destination. True: the job may go by DATA. */
bool transaction_learn(struct engine *e, const struct line *l, const struct policy_answer *a);
/* All bytes of the body for one chunk, where chunks are wanted. */
void transaction_set_whole(const struct engine *e, struct line *l);

/* deliver.c, for what belongs to it */
void deliver_pump(struct engine *e, struct line *l); /* the line may be gone afterwards */
/* The line has a job and the session is ready: the body first, then MAIL. */
void deliver_carry(struct engine *e, struct line *l);
void deliver_on_ready(struct engine *e, struct line *l);
/* deliver_body.c: the transaction is about to begin; may the body go as it is? */
void deliver_body_judge(struct engine *e, struct line *l);
/* deliver_login.c: what a login needs, and that it was refused */
void deliver_login_bind(struct line *l, const struct engine_tls *tls);
void deliver_login_sum(struct engine *e, struct line *l, const struct smtp_sasl_sum *sum);
void deliver_login_refused(struct engine *e, struct line *l, const char *why);
void deliver_quit(struct engine *e, struct line *l); /* an idle one says goodbye */
/* deliver_body.c: the session waits for (more of) the body */
void deliver_body_due(struct engine *e, struct line *l);
