/* engine_port.h -- the seam: what the engine is told (events) and what it wants done (actions).
 *
 * One engine, two drivers: app carries the actions out with libuv, test/sim in a false world.
 *
 *     engine_handle(e, &event);
 *     while ((a = engine_next_action(e))) carry_out(a);   // after every event, until NULL
 *
 * Carrying out an action must not call engine_handle; what comes of it is a later event. Bytes in
 * an event are valid during the call; bytes in an action until the next engine_next_action().
 * Connections: incoming ids are chosen by the driver and odd, outgoing by the engine and even;
 * never reused. */
#pragma once

#include "base/ip.h"
#include "dns/dns_message.h"
#include "engine/engine_operator.h"
#include "engine/engine_options.h"
#include "journal/journal_codec.h"
#include "note/note.h"
#include "smtp/smtp_sasl.h"

enum engine_event_kind {
    EVENT_RECORD,   /* start-up: one record of the journal, in order */
    EVENT_TOLD,     /* start-up, before the records: told_ms. Without it: all that is finished */
    EVENT_USAGE,    /* start-up: text, as engine_usage() wrote it when it was last saved */
    EVENT_STARTED,  /* start-up is over: listeners open next */
    EVENT_ACCEPTED, /* a client: conn, listener, peer; is_unix: text = who, "uid=0 root". Implicit
                       TLS: is_tls and TLS_UP follows, but not from the listener's proxies */
    EVENT_BYTES,    /* conn, bytes */
    EVENT_DRAINED,  /* conn: what was sent has left */
    EVENT_CLOSED, /* conn, err, text: the last event of this connection (not after ACTION_CLOSE) */
    EVENT_CONNECTED, /* conn: an outgoing connection is up; peer = their address, local = ours */
    EVENT_TLS_UP,    /* conn, tls */
    EVENT_LOGIN, /* conn, login; text = our message when SCRAM goes on (CHALLENGE) or ends well (OK)
                  */
    EVENT_SUM,   /* conn, bytes: what ACTION_SUM asked for; empty: it cannot be had */
    EVENT_APPENDED, /* ticket, err, pos: the record is on disk (synced where asked), or not */
    EVENT_FETCHED,  /* ticket, err, record, text */
    EVENT_ANSWER,   /* ticket, answer */
    EVENT_TICK,     /* the time engine_deadline_ms() asked for has come */
    EVENT_STOP,     /* accept nothing more, finish what is in flight; engine_is_quiet() says when */
    EVENT_OPTIONS,  /* options: the new configuration; the old one may be freed afterwards */
    EVENT_OPERATOR, /* operator */
    EVENT_TOKEN,    /* token: an account's access token, or why there is none */
    EVENT_ENROLLED, /* text = account: it has a new refresh token */
};

enum engine_login { LOGIN_OK, LOGIN_WRONG, LOGIN_TROUBLE, LOGIN_CHALLENGE };

/* What a client has shown, and proved to own. */
struct engine_certificate {
    const uint8_t *sha256, *key_sha256; /* 32 bytes: of all of it, of its public key (SPKI) */
    struct slice names;                 /* printable ASCII, a NUL behind each */
};

struct engine_tls {
    struct slice version, cipher; /* static */
    bool is_verified;             /* a client's certificate: by the authorities of clients */
    struct slice verdict;         /* why not verified; "": no certificate was shown */
    const struct engine_certificate *certificate; /* a client's; NULL: none that is usable */
    struct slice end_point, unique; /* for channel binding (RFC 5929); "": it cannot be had */
};

/* An access token was fetched, or not. */
struct engine_token {
    struct slice account;
    struct slice token; /* "": there is none */
    int64_t until_ms;   /* good until then */
    struct slice why;   /* there is none: one line, without secrets */
    bool needs_login;   /* there is none, and will not be before somebody enrols the account anew */
};

/* How the journal was read at start. */
struct engine_recovery {
    uint64_t segments_indexed, segments_walked; /* out of their index; in full */
    int64_t took_ms;
};

struct engine_event {
    enum engine_event_kind kind;
    int64_t now_ms; /* Unix time; never goes backwards */
    uint64_t conn, ticket;
    unsigned listener;
    struct ip_port peer, local;
    bool is_unix, is_tls;
    unsigned handshakes, handshakes_there; /* ACCEPTED: connections that are not sessions yet, in
                                              all and of this one's place (ip_place) */
    struct slice bytes;
    enum err err;
    struct slice text;
    const struct engine_tls *tls;
    enum engine_login login;
    struct journal_pos pos;
    const struct journal_record *record;
    uint64_t segment_bytes;          /* STARTED: size of the journal's segments */
    struct engine_recovery recovery; /* STARTED */
    int64_t told_ms; /* TOLD: what had finished before is in the history; the rest is told again */
    const struct dns_answer *answer;
    const struct engine_options *options;
    const struct engine_operator *op;
    const struct engine_token *token;
};

enum engine_action_kind {
    ACTION_SEND,       /* conn, bytes; wants_drained: a DRAINED event follows when all has left */
    ACTION_READ,       /* conn, is_on: backpressure */
    ACTION_TLS_SERVER, /* conn, asks_certificate: handshake after what was sent has left; bytes =
                           what the client has already said of it */
    ACTION_TLS_CLIENT, /* conn, text = server name (empty: none), needs_verify (else any certificate
                          will do), certificate: the path of ours that is shown when it is asked for
                          (empty: none) */
    ACTION_CLOSE,      /* conn, at_once; no event of this connection follows */
    ACTION_CONNECT,    /* conn, address, source (IP_NONE: the system's choice) -> CONNECTED or
                          CLOSED; ERR_SOURCE: source cannot be used; ERR_NO_ROUTE */
    ACTION_LOGIN,      /* conn, login_step, user, password or text, binding (the bytes that SCRAM
                          is bound to, or "") -> LOGIN, exactly one */
    ACTION_SUM,        /* conn, sum: for a login of ours -> SUM, exactly one unless it is closed */
    ACTION_APPEND, /* ticket, type, id, part[], needs_sync, is_admission -> APPENDED, exactly one */
    ACTION_FETCH,  /* ticket, id, pos -> FETCHED, exactly one */
    ACTION_RELEASE,  /* segment: nothing in it is alive */
    ACTION_LOOKUP,   /* ticket, text = name, type -> ANSWER, exactly one */
    ACTION_NOTE,     /* note */
    ACTION_OPERATED, /* ticket = the operator's answer, is_on: his order is on disk */
    ACTION_HISTORY,  /* id, bytes: a message is finished; its record (history/history_record.h).
                        Once a message, as long as the process lives; nothing is promised of it.
                        At start-up perhaps known already (EVENT_TOLD) */
    ACTION_TOKEN,    /* text = account -> TOKEN, exactly one */
};

enum { ACTION_PARTS_MAX = 3 };

struct engine_action {
    enum engine_action_kind kind;
    uint64_t conn, ticket, id, segment;
    struct slice bytes, text, user, password, binding, certificate;
    struct smtp_sasl_sum sum;
    struct slice part[ACTION_PARTS_MAX];
    int part_count;
    uint8_t type;
    enum dns_type dns_type;
    enum smtp_login_step login_step;
    struct journal_pos pos;
    struct ip_port address;
    struct ip source;
    bool is_on, at_once, needs_sync, is_admission, needs_verify, wants_drained, asks_certificate;
    const struct note *note;
};

struct engine;

MUST_USE struct engine *engine_new(const struct engine_options *options, uint64_t seed);
void engine_free(struct engine *e);

void engine_handle(struct engine *e, const struct engine_event *event);
const struct engine_action *engine_next_action(struct engine *e);

int64_t engine_deadline_ms(const struct engine *e); /* when a TICK is wanted; INT64_MAX: never */
bool engine_is_quiet(const struct engine *e); /* after STOP: no session in a message, no attempt in
                                                 flight, nothing unrecorded */
