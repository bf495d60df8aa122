/* engine_core.h -- what the six stations share. Nobody outside the engine includes it.
 *
 * Mail goes one way: submit -> spool -> schedule -> resolve -> deliver -> outcome, and a station
 * calls only the next one. Two doors lead back, both from outcome: deferred jobs to schedule, a
 * report to spool. What comes from outside enters through engine.c, by the kind of event. */
#pragma once

#include "avoid.h"
#include "base/arena.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/rng.h"
#include "engine/engine_port.h"
#include "policy/policy_window.h"
#include "queue/queue.h"
#include "shape.h"
#include "smtp/smtp_client.h"
#include "source.h"
#include "target_order.h"
#include "turns.h"

enum {
    HOT_BYTES_MAX = 8 * 1024 * 1024, /* bodies kept in memory for an immediate delivery */
    STEP_MS = 1, /* between steps of whole-queue work: what is due now is done in this event */
    TIMERS_A_TICK = 256,   /* fired per event; the rest at the next, at once */
    REPORTS_OUT_MAX = 256, /* being made: more expiries and warnings wait for a second */
    JOBS_A_STEP = 64,      /* jobs ended in one go when a destination fails for good */
    ACTIONS_ENOUGH = 2048, /* bulk work pauses here and goes on at the next tick */
    ACTIONS_MAX = 65536,   /* of one event; more is our mistake */
};

/* Timers: one heap, keys may be early (a deadline moved away is noticed when it fires). */
enum timer_kind {
    TIMER_SESSION,
    TIMER_JOB,
    TIMER_DESTINATION,
    TIMER_LINE,
    TIMER_REPORT,
    TIMER_UNRECORDED,
    TIMER_PUMP,
    TIMER_REROUTE,
    TIMER_COMPACT,
    TIMER_OPERATE,
    TIMER_TOKEN,
};
struct timer {
    struct heap_node node; /* its tag: enum timer_kind */
    int64_t due_ms;
};

/* A message's bytes, shared by whoever needs them: prefix (what we added), chunks on disk, tail. */
struct body {
    int refs;
    size_t bytes;                /* of memory, for the hot cache */
    struct list in_hot;          /* linked while the message itself holds a reference */
    struct queue_message *owner; /* in the hot cache: whose; else NULL */
    char *memory;                /* owns prefix and tail */
    char *message_id;            /* owned; NULL: it has none */
    struct slice prefix, tail;
    uint32_t extent_count;
    struct journal_pos *extent; /* owned */
};

/* Who waits for an append, a fetch or a look-up. */
enum ticket_kind {
    TICKET_CHUNK,   /* intake */
    TICKET_MESSAGE, /* intake */
    TICKET_REPORT,  /* report */
    TICKET_OUTCOME, /* message */
    TICKET_PAUSES,
    TICKET_BODY,  /* message: its accept record, for lines and reports waiting on it */
    TICKET_PIECE, /* line (by conn): a chunk */
    TICKET_LOOKUP,
    TICKET_HEADER,     /* report: the chunk with the original's header */
    TICKET_MOVE_FETCH, /* move: a record to be copied */
    TICKET_MOVE_CHUNK, /* move: a copied chunk is written */
    TICKET_MOVE,       /* move: the copied accept record is written */
    TICKET_MOVE_STATE, /* move: the state is written */
    TICKET_CHECKPOINT, /* of the segment whose number stands for the message */
    TICKET_ORDER,      /* message, and the order that waits (NULL: none): an operator record */
    TICKET_TOLD,       /* the order: a record that changes no message */
};
struct ticket {
    enum ticket_kind kind;
    void *owner;
    uint64_t conn;
    uint64_t message;
};

struct destination;
struct line;

/* The recipients of one message in one domain, or on one route. What goes to the same destination
 * is tried together: a job that gets a line takes the others along, and parts from them after. */
struct job {
    struct queue_message *message;
    struct destination *domain;      /* by which it was routed: a domain, or a route */
    struct destination *destination; /* in whose line it stands: the same, or its home (home.h) */
    struct job *next_of_message;
    struct list in_ready; /* the destination's: waiting for a line */
    struct timer timer;   /* next try, delay warning or expiry, whichever comes first */
    uint32_t first_recipient;
    uint32_t attempts : 31;
    bool is_mixed : 1; /* in flight with recipients of other domains */
    int64_t next_ms;   /* deferred until */
    int64_t part_ms;   /* not 0: a part of it was done then; recipients put off beyond wait on */
    struct line *line; /* has it in flight; NULL: none */
};

/* One address to try, in order. */
struct target {
    struct ip_port address;
    char *host;          /* name for TLS, log and report; owned */
    unsigned host_index; /* of the hosts that were resolved; of a route: in destination.host */
};
struct target_list {
    int refs;
    uint32_t count;
    struct target target[];
};

enum destination_state { DESTINATION_IDLE, DESTINATION_RESOLVING, DESTINATION_READY };

struct destination {
    char *name;   /* domain, the route's name, or the set's first host */
    char *domain; /* a set's: the domain that it was made for; owned */
    struct slice key;
    uint64_t generation; /* of the options it was made by */
    int route;           /* index into options.routes, -1: MX */
    enum destination_state state;
    struct target_list *targets;
    int64_t targets_until_ms;
    struct turns ready;              /* jobs */
    uint64_t ready_count, job_count; /* the second: of a domain those that are its, of a set those
                                        that stand there */
    struct destination *home;        /* a domain's: the set of its MX hosts; NULL: not known yet */
    int64_t home_until_ms;
    struct list in_home; /* among the guests of its home */
    struct list guests;  /* a set's: domains whose home it is */
    uint32_t guest_count;
    uint64_t sift_left;       /* a set's: jobs to be looked at, for a guest has moved away */
    struct list in_lingering; /* a set that is of no use now, for what was learned of its hosts */
    int64_t linger_until_ms;
    struct list lines;
    uint32_t line_count, idle_count;
    uint32_t rival_count; /* second attempts of lines that are connecting: connections, too */
    struct policy_window window; /* connections it stands at once, as far as was learned */
    unsigned failures;           /* in a row: nobody could be reached */
    int64_t trouble_since_ms;    /* when the first of them was */
    int fallback;                /* index into options.routes, -1: none (fallback.h) */
    bool has_fallen;             /* its mail goes there */
    bool is_kept;                /* unused, remembered */
    int64_t backoff_until_ms;
    char *trouble;  /* last failure for people; owned */
    struct health { /* of its addresses: those with trouble; owned. See health.h */
        struct ip_port address;
        unsigned failures;   /* in a row; 0: it works, but not more than lines_most times */
        int64_t until_ms;    /* passed over */
        bool is_probed;      /* by one connection, now */
        unsigned lines_most; /* connections it stood when one more was refused; 0: not known */
        int64_t lines_until_ms;
    } * health;
    unsigned health_count;
    struct timer timer;         /* back-off over */
    struct list in_wanting;     /* waits for a free connection */
    struct resolve *resolve;    /* under way */
    struct destination_reuse {  /* learned of its connections (transaction.c) */
        unsigned messages_most; /* it ends them after so many; 0: not known */
        unsigned messages_seen; /* it did once; again: it is so */
        int64_t messages_until_ms;
        int64_t by_data_until_ms; /* BDAT was in vain there */
    } reuse;
    bool requires_tls; /* only verified hosts that offer REQUIRETLS (RFC 8689) */
    /* copied from the options, so that a reload pulls nothing away */
    struct policy_limits limits;
    struct shape shape;
    enum delivery_tls tls;
    char *user, *password, *helo;
    char *certificate;         /* path of ours; "": none */
    unsigned mechanisms;       /* SMTP_SASL_BIT; 0: any */
    bool is_login_good;        /* it was taken, and not refused since: before, one line tries it */
    char *account;             /* whose token the lines say; NULL: none. Owned */
    bool is_waiting_for_token; /* its trouble is the want of one (token.c) */
    struct route_host {
        char *name;
        uint16_t port;
        /* route_host.c */
        struct target_rank rank;
        unsigned failures;        /* in a row */
        int64_t failing_until_ms; /* tried last until then */
        int64_t trial_until_ms;   /* one connection finds out; the others wait for its answer */
        int64_t yield_until_ms;   /* a connection to a worse host ends so that one can */
        uint64_t back_at_conn;    /* it works again since this connection */
    } * host;
    unsigned host_count;
    struct set_host { /* a set's MX hosts; owned */
        char *name;
        unsigned rank;
    } * set;
    unsigned set_count;
    struct engine_source *source; /* its pool, in its order; owned. See source.h */
    unsigned source_count;
};

/* A pass of the compaction: segments to be emptied, segments to get a checkpoint. */
struct compact {
    enum { COMPACT_RESTS, COMPACT_WALKS, COMPACT_LISTS } state;
    struct timer timer; /* the next step */
    uint64_t at_id;     /* the walk goes on behind it */
    struct compact_segment {
        uint64_t sequence;
        bool is_victim, is_written, has_failed;
        uint32_t *offset; /* of accept records that count; owned */
        uint32_t count, cap;
        uint32_t parts_out; /* of its checkpoint, on their way to the disk */
    } * segment;
    uint32_t segment_count;
    struct list moves; /* under way */
    uint32_t move_count;
    uint64_t move_bytes;
    int64_t budget_bytes, earned_ms;      /* what may be copied now; since when more is earned */
    int64_t rested_ms, rest_ms;           /* no pass before; how long it was */
    uint64_t count_before, newest_before; /* segments when the pass began */
    bool is_cramped;                      /* by then: the reserve was being used up */
};

/* Work of the operator's on the whole queue, step by step. */
struct operate {
    struct timer timer;
    bool is_walking; /* a retry of everything: behind at_id, up to until */
    uint64_t at_id, until;
    uint64_t *left; /* at start: ids whose orders are to be carried out; owned */
    size_t left_count;
};

struct engine {
    const struct engine_options *opt;
    struct rng rng;
    int64_t now_ms;
    uint64_t last_msgid, last_ticket, last_conn;
    bool is_started, is_stopping, is_store_failing, is_store_full;
    int64_t told_ms; /* start-up: finished messages are told of from then on */

    /* actions of the present event */
    struct engine_action *action;
    size_t action_at, action_count, action_cap;
    struct arena arena; /* their bytes; dies when all have been taken */
    struct body **held; /* bodies that actions point into */
    size_t held_count, held_cap;

    struct heap timers;
    struct map tickets;

    struct map sessions; /* by conn */
    struct map places;   /* that sessions come from (submit_limit.h) */
    struct map rates;    /* of messages by place (submit_rate.h) */
    struct list rate_age;
    enum note_limit struck;          /* behind the refusal that is being made */
    struct submit_profile **profile; /* one a listener */
    unsigned profile_count;
    unsigned intake_count; /* messages being received or stored */
    struct map usage;      /* by login: what it has sent, see usage.h */
    struct map guards;     /* failed logins, see guard.h */
    struct list guard_age;

    struct queue queue;
    struct list hot; /* bodies, oldest first */
    size_t hot_bytes;
    uint64_t unsettled_bytes; /* of messages being stored: counted against queue.max_size */
    struct map unrecorded;    /* messages whose outcome could not be written */
    bool is_unrecorded_full;  /* because the disk is full */
    struct timer unrecorded_timer;
    bool is_pauses_dirty;
    struct compact compact;
    struct operate operate;
    uint64_t segment_bytes; /* of the journal; 0: not known, nothing is compacted */

    struct map destinations;   /* by key */
    struct turns_book turns;   /* at them all */
    struct list wanting;       /* destinations to pump: for want of a connection, or in bulk */
    struct list wanting_probe; /* the same, those in trouble: they come after the others, mostly */
    unsigned picks;
    struct timer pump_timer;
    struct timer reroute_timer; /* new options: the walk over all messages goes on */
    uint64_t reroute_at_id;     /* behind this message */
    bool is_bulk;               /* whole-queue work: pumps wait for their turn */
    uint64_t job_count, ready_count, in_flight_count;
    uint64_t kept_count;    /* destinations that nothing uses, remembered for their trouble */
    uint64_t trouble_count; /* destinations backing off */
    uint64_t guest_count;   /* domains that have a home */
    struct list lingering;  /* destinations, oldest first */
    uint64_t lingering_count;
    uint64_t shaped_count; /* destinations that only their rate or rest keeps */

    struct map lines; /* by conn; while connecting a line may have two */
    struct avoid_table avoid;
    struct source_refusals sources_refused;
    struct map tokens;      /* by account (token.h) */
    struct list idle_lines; /* longest idle first */

    struct map dns_cache; /* by "type name" */
    struct list dns_age;  /* oldest first */
    struct list reports;
    uint64_t report_count;
    uint64_t generation; /* of the options: jobs of two configurations share no destination */
};

/* engine.c: actions, timers, tickets */
struct engine_action *engine_do(struct engine *e, enum engine_action_kind kind);
struct slice engine_keep(struct engine *e,
                         struct slice s);           /* a copy that lives as long as the actions */
void engine_hold(struct engine *e, struct body *b); /* a reference until the actions are taken */
struct note *engine_note(struct engine *e, enum note_kind kind, uint64_t msg);
/* note_text with a copy. */
void engine_tell(struct engine *e, struct note *n, const char *key, struct slice text);
/* "delay" in seconds, with milliseconds. */
void engine_tell_delay(struct engine *e, struct note *n, int64_t since_ms);
void engine_send(struct engine *e, uint64_t conn, struct slice bytes, bool wants_drained);
void engine_close_conn(struct engine *e, uint64_t conn, bool at_once);

void timer_init(struct timer *t, enum timer_kind kind);
void timer_set(struct engine *e, struct timer *t, int64_t due_ms); /* INT64_MAX: stop */
void timer_stop(struct engine *e, struct timer *t);

uint64_t ticket_new(struct engine *e, enum ticket_kind kind, void *owner, uint64_t conn,
                    uint64_t message);
bool ticket_take(struct engine *e, uint64_t ticket, struct ticket *out);

/* submit.c: sessions of clients, up to the final dot */
struct session;
struct intake;
void submit_init(struct engine *e);
void submit_close(struct engine *e);
void submit_on_accepted(struct engine *e, const struct engine_event *ev);
void submit_on_bytes(struct engine *e, struct session *s, struct slice in);
void submit_on_drained(struct engine *e, struct session *s);
void submit_on_closed(struct engine *e, struct session *s, const struct engine_event *ev);
void submit_on_tls(struct engine *e, struct session *s, const struct engine_tls *tls);
void submit_on_login(struct engine *e, struct session *s, enum engine_login login,
                     struct slice message);
void submit_on_timer(struct engine *e, struct timer *t);
void submit_on_stop(struct engine *e);
void submit_on_options(struct engine *e);
void submit_on_stored(struct engine *e, struct intake *in, enum err err, struct journal_pos pos);
void submit_on_chunk(struct engine *e, struct intake *in, enum err err, struct journal_pos pos);
uint64_t submit_count(const struct engine *e);

/* spool.c: into the journal and out of it */
struct spool_message {
    uint64_t id;
    struct queue_envelope envelope;
    const struct slice *recipient; /* envelope.recipient_count of them */
    const struct queue_dsn *dsn;   /* as many; NULL: nothing was asked for */
    struct body *body;
};
/* A reference is taken until the append is over. False: the record does not fit. */
bool spool_message(struct engine *e, const struct spool_message *m, uint64_t ticket,
                   bool is_admission);
bool spool_has_room(const struct engine *e, uint64_t bytes);
void spool_chunk(struct engine *e, uint64_t ticket, uint64_t id, struct slice bytes);
/* It is on disk: in the queue, scheduled. Takes over the caller's reference of the body. */
struct queue_message *spool_stored(struct engine *e, const struct spool_message *m,
                                   struct journal_pos pos);
/* Records the present state of these recipients (NULL: all); when none waits any more the message
 * ends with the record. */
void spool_outcome(struct engine *e, struct queue_message *m, const uint32_t *index,
                   uint32_t count);
/* The same of all recipients, synced, for somebody else's ticket. */
void spool_state(struct engine *e, struct queue_message *m, uint64_t ticket);
void spool_pauses(struct engine *e);
/* A record of m could not be written: its present state is written again in a while. */
void spool_unrecorded(struct engine *e, struct queue_message *m, enum err err);
void spool_on_appended(struct engine *e, const struct ticket *t, enum err err,
                       struct journal_pos pos);
void spool_on_unrecorded(struct engine *e);
void spool_on_record(struct engine *e, const struct journal_record *r);
void spool_on_started(struct engine *e, const struct engine_recovery *how);
void spool_release_dead(struct engine *e);
/* Nothing names it any more and all its recipients are done: forget it if the record is written. */
void spool_settle(struct engine *e, struct queue_message *m);

/* story.c: what became of a message, for the history */
enum { STORY_WORDS_MAX = 1024 };
/* "host[ip]: reply", as a finished recipient's reason: what is said last is kept with who said it.
 * Gives `out`. */
struct slice story_words(struct slice host, struct slice ip, struct slice reply,
                         char out[STORY_WORDS_MAX]);
void story_tell(struct engine *e, const struct queue_message *m); /* it is about to be forgotten */
/* Start-up: what finished from then on, according to the journal, is told, too. */
void story_on_told(struct engine *e, int64_t told_ms);

/* body.c: a message's bytes in memory */
struct body *body_new(char *memory, size_t bytes, struct slice prefix, struct slice tail);
struct body *body_parse(struct slice payload); /* NULL: not an accept record */
void body_know_as(struct body *b, struct slice message_id);
void body_ref(struct body *b);
void body_unref(struct body *b);
void body_heat(struct engine *e, struct queue_message *m, struct body *b); /* takes the reference */
void body_cool(struct engine *e, struct queue_message *m); /* the message lets go of its body */
/* Its bytes cannot be had from the journal: told, each time. */
void body_unreadable(struct engine *e, const struct queue_message *m, enum err err,
                     struct slice why);
/* From the journal, once for all who wait: deliver_on_body and report_on_body follow. */
void body_fetch(struct engine *e, struct queue_message *m);

/* compact.c: which of the journal's segments are to go */
void compact_init(struct engine *e);
void compact_consider(struct engine *e); /* is there too much? cheap */
bool compact_is_victim(const struct engine *e, uint64_t segment);
void compact_spend(struct engine *e, uint64_t bytes);
void compact_on_checkpoint(struct engine *e, uint64_t segment, enum err err,
                           struct journal_pos pos);
void compact_on_move_over(struct engine *e);
void compact_on_timer(struct engine *e);
void compact_close(struct engine *e);

/* move.c: a message leaves them */
struct move;
bool move_may_begin(const struct engine *e);
bool move_is_possible(const struct queue_message *m);
void move_whole(struct engine *e, struct queue_message *m);
void move_state(struct engine *e, struct queue_message *m);
void move_on_fetched(struct engine *e, struct move *v, enum err err,
                     const struct journal_record *r);
void move_on_chunk(struct engine *e, struct move *v, enum err err, struct journal_pos pos);
void move_on_accept(struct engine *e, struct move *v, enum err err, struct journal_pos pos);
void move_on_state(struct engine *e, struct move *v, enum err err, struct journal_pos pos);
void move_close(struct engine *e);

/* operate.c: the operator's orders */
void operate_init(struct engine *e);
void operate_close(struct engine *e);
void operate(struct engine *e, const struct engine_operator *op);
/* Would this verb change the message? */
bool operate_applies(const struct queue_message *m, enum operator_verb verb);
void operate_record_again(struct engine *e, struct queue_message *m);
void operate_on_appended(struct engine *e, const struct ticket *t, enum err err,
                         struct journal_pos pos);
void operate_on_timer(struct engine *e);
void operate_on_started(struct engine *e);

/* schedule.c: jobs, when and how many */
void schedule_init(struct engine *e);
void schedule_close(struct engine *e);
void schedule_message(struct engine *e, struct queue_message *m);
void schedule_all(struct engine *e); /* every message: at start, after new options */
void schedule_pump(struct engine *e, struct destination *d);
void schedule_want(struct engine *e, struct destination *d); /* it is pumped, or dropped, soon */
void schedule_move(struct engine *e, struct job *j); /* a ready one, to where it belongs now */
void schedule_pump_wanting(struct engine *e);
void schedule_on_timer(struct engine *e, struct timer *t);
void schedule_on_targets(struct engine *e, struct destination *d, struct target_list *targets,
                         int64_t until_ms);
struct job *
schedule_take(struct engine *e,
              struct destination *d); /* the next job for a line; NULL: none or paused */
void schedule_return(struct engine *e, struct job *j); /* untouched: back to the front */
void schedule_defer(struct engine *e, struct job *j);  /* its recipients' next_ms say until when */
void schedule_end(struct engine *e, struct job *j);    /* no recipient of it waits any more */
void schedule_on_line_gone(struct engine *e, struct destination *d);
void schedule_on_room(struct engine *e, struct destination *d); /* a connection less: soon */
void schedule_on_options(struct engine *e);
void schedule_reroute(struct engine *e);       /* a step of what new options bring */
void schedule_reroute_again(struct engine *e); /* soon: a job was left behind */
void schedule_retry(struct engine *e, struct queue_message *m);
/* Its order has changed: held, bounced or deleted. What is in flight is finished first. */
void schedule_order(struct engine *e, struct queue_message *m);
void schedule_pause(struct engine *e, struct slice name, bool is_paused);
/* None of its destinations takes anything at present: paused, or left in peace. */
bool schedule_is_parked(const struct engine *e, const struct queue_message *m);
void schedule_arm(struct engine *e, struct job *j);

/* destination.c: where connections go, and how it is there */
/* Of this domain, or of a route (index into options.routes) with hosts of its own; made if need be.
 * requires_tls: for messages with REQUIRETLS, which share no connection with others.
 * credential: index into options.credentials; what it is for shares no connection either.
 */
/* Index of the route that takes over when it fails; -1: none. */
int destination_fallback_of(const struct engine_options *o, int route);
/* NULL: nothing goes there now. */
const struct destination *destination_find(const struct engine *e, int route, struct slice domain,
                                           bool requires_tls, int credential);
struct destination *destination_get(struct engine *e, int route, struct slice domain,
                                    bool requires_tls, int credential);
bool destination_has_login(const struct destination *d);
/* The set of these hosts (of the same route, REQUIRETLS and options as the domain), sorted. */
struct home_host;
struct destination *destination_get_set(struct engine *e, const struct destination *domain,
                                        const struct home_host *host, unsigned count);
void destination_free(struct engine *e, struct destination *d);
/* Freed, or kept for a while for what is known of its hosts. */
void destination_drop_if_unused(struct engine *e, struct destination *d);
bool destination_is_unused(const struct destination *d);
void destination_drop_lingering(struct engine *e); /* those whose time is over */
void destination_on_options(struct engine *e);     /* those of former options are not remembered */
bool destination_is_paused(const struct engine *e, const struct destination *d);
bool job_is_paused(const struct engine *e, const struct job *j); /* its domain, or where it goes */
bool destination_needs_targets(const struct engine *e, const struct destination *d);
uint32_t destination_lines_most(const struct engine *e, const struct destination *d);
/* Nobody could be reached: leave it in peace for a while. */
void destination_trouble(struct engine *e, struct destination *d, struct slice why);
void destination_well(struct engine *e, struct destination *d);
/* It refused one more connection while others of ours work: no trouble, just enough of them. */
void destination_crowded(struct engine *e, struct destination *d);
/* 421, a session lost or silent: fewer connections. */
void destination_strained(struct engine *e, struct destination *d);
void destination_success(struct engine *e, struct destination *d); /* a transaction was done */

/* resolve.c: names to addresses */
void resolve_init(struct engine *e);
void resolve_close(struct engine *e);
void resolve_destination(
    struct engine *e,
    struct destination *d); /* ends in schedule_on_targets or outcome_unresolved */
void resolve_cancel(struct engine *e, struct destination *d);
void resolve_on_answer(struct engine *e, void *entry, const struct dns_answer *a);
void target_list_unref(struct target_list *t);
/* What the cache has of a name; nothing is asked. NULL: nothing good. */
const struct dns_record *resolve_known(const struct engine *e, struct slice name,
                                       enum dns_type type, int64_t now_ms, unsigned *count);
uint64_t resolve_cache_count(const struct engine *e);

/* deliver.c: outgoing connections */
bool deliver_has_slot(const struct engine *e);
bool deliver_make_slot(struct engine *e); /* closes the longest idle connection */
void deliver_start(struct engine *e, struct destination *d,
                   struct job *j); /* a new line for this job */
bool deliver_on_idle(struct engine *e,
                     struct destination *d); /* gives a ready job to an idle line */
void deliver_on_connected(struct engine *e, struct line *l, const struct engine_event *ev);
void deliver_on_bytes(struct engine *e, struct line *l, struct slice in);
void deliver_on_drained(struct engine *e, struct line *l);
void deliver_on_closed(struct engine *e, struct line *l, const struct engine_event *ev);
void deliver_on_tls(struct engine *e, struct line *l, const struct engine_tls *tls);
void deliver_on_sum(struct engine *e, struct line *l, struct slice sum); /* deliver_login.c */
void deliver_on_timer(struct engine *e, struct timer *t);
void deliver_on_body(struct engine *e, struct queue_message *m, enum err err, struct slice why);
void deliver_on_piece(struct engine *e, uint64_t conn, enum err err, const struct journal_record *r,
                      struct slice why);
void deliver_quit_idle(struct engine *e);
void deliver_close(struct engine *e);
uint64_t deliver_idle_count(const struct engine *e);

/* outcome.c: what became of it */
struct attempt_result {
    uint32_t recipient;
    enum attempt_verdict {
        ATTEMPT_DELIVERED,
        ATTEMPT_LATER,
        ATTEMPT_BOUNCE,
        ATTEMPT_UNSURE,
    } verdict;
    struct smtp_status status;
    bool passes_dsn;    /* DELIVERED: to a server that sends reports itself (RFC 3461) */
    struct slice reply; /* the remote's words, one line; empty: reason is ours */
    struct slice reason;
    struct slice rule;  /* whose verdict it is; empty: the table's */
    int64_t wait_ms;    /* LATER: as the remote asked; 0: by the schedule */
    bool is_greylisted; /* wait_ms is for a recipient's first attempt only */
};
struct attempt {
    struct job *job;
    struct slice host, ip, tls; /* who answered; empty: nobody was reached */
    struct attempt_result *result;
    uint32_t result_count;
    int64_t started_ms;
    bool is_part; /* the job stays in flight with its other recipients */
};
void outcome_attempt(struct engine *e, const struct attempt *a);
/* The same for all waiting recipients of the job. */
void outcome_whole_job(struct engine *e, struct job *j, enum attempt_verdict verdict,
                       struct smtp_status status, struct slice reason);
/* The destination's hosts cannot be found: temporary, or for good. */
void outcome_unresolved(struct engine *e, struct destination *d, bool is_permanent,
                        struct smtp_status status, struct slice reason);
void outcome_expire(struct engine *e, struct job *j);
void outcome_warn(struct engine *e, struct job *j);
/* The operator's order ends what is not in flight, or this job only: bounced or removed. */
void outcome_ordered(struct engine *e, struct queue_message *m, struct job *only);

/* report.c: what the sender is told (report.h has the rest) */
struct report;
void report_on_stored(struct engine *e, struct report *r, enum err err, struct journal_pos pos);
void report_on_body(struct engine *e, struct queue_message *m);
void report_on_header(struct engine *e, struct report *r, enum err err,
                      const struct journal_record *record);
void report_on_timer(struct engine *e, struct timer *t);
void report_close(struct engine *e);
