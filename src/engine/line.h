/* line.h -- one outgoing connection, its job, and what the job's recipients were told so far.
 *
 * Owned by deliver, which walks it through its states; here are the parts that know nothing of the
 * walk. */
#pragma once

#include "engine_core.h"
#include "policy/policy_outcome.h"

enum line_state { LINE_CONNECTING, LINE_TALKING, LINE_BUSY, LINE_IDLE, LINE_QUITTING };

struct line {
    uint64_t conn;
    enum line_state state;
    struct destination *destination;
    struct list in_destination, in_idle;
    struct target_list *targets;
    uint32_t target;
    uint64_t ordered_at_conn; /* the first connection of this order of targets */
    bool has_no_tls;          /* the handshake failed once: opportunistic means plain now */
    bool is_in_handshake, has_tls_failed; /* on this connection */
    struct smtp_client *smtp;
    struct smtp_client_options options;
    struct timer timer;
    uint32_t watched_wait; /* what the timer runs for */
    enum line_state watched_state;
    struct slice tls_version; /* static */
    unsigned messages;        /* transactions done on this connection */
    bool was_ready;           /* some target talked to us to the end of its greetings */
    char trouble[256];        /* why the last target was of no use */

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
    char **kept; /* texts of the transaction; owned */
    uint32_t kept_count;
    struct attempt_result *result;
    uint32_t result_count;
};

static inline const struct target *line_target(const struct line *l)
{
    return &l->targets->target[l->target];
}

void line_connect(struct engine *e, struct line *l); /* to its target */
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
bool line_is_decided(const struct line *l, uint32_t recipient);
bool line_has_undecided(const struct line *l);
/* The same for all of the job's recipients that are still waiting and undecided. */
void line_decide_rest(struct line *l, enum attempt_verdict verdict, struct smtp_status status,
                      const char *reason);
/* Hands the results to outcome; the line has no job afterwards. */
void line_end_attempt(struct engine *e, struct line *l);
/* trouble.c: the line cannot go on with its job; `a` has the scope, the reply and is_unsure. The
 * line is gone afterwards or goes on elsewhere. */
void line_fail(struct engine *e, struct line *l, struct policy_answer a, const char *why);

/* deliver.c, for what belongs to it */
void deliver_pump(struct engine *e, struct line *l); /* the line may be gone afterwards */
/* The line has a job and the session is ready: the body first, then MAIL. */
void deliver_carry(struct engine *e, struct line *l);
void deliver_on_ready(struct engine *e, struct line *l);
void deliver_quit(struct engine *e, struct line *l); /* an idle one says goodbye */
/* deliver_body.c: the session waits for (more of) the body */
void deliver_body_due(struct engine *e, struct line *l);
