/* note.h -- the table of happenings: one row each gives the log line's word, its level and its
 * counter.
 *
 * The engine states what happened; the app prints and counts it, the simulator traces it. A note is
 * a value: its slices live until the action that carries it has been taken. */
#pragma once

#include "base/slice.h"

enum note_level { NOTE_DEBUG, NOTE_INFO, NOTE_WARN, NOTE_ERROR };

/* name, level, word in the log, counter (Prometheus name without outpost_), help text of the
 * counter */
#define NOTE_TABLE(X)                                                                              \
    X(STARTED, INFO, "started", "starts_total", "Starts of the relay.")                            \
    X(STOPPED, INFO, "stopped", "stops_total", "Orderly stops of the relay.")                      \
    X(RELOADED, INFO, "reloaded", "reloads_total", "Configuration reloads.")                       \
    X(RELOAD_FAILED, ERROR, "reload-failed", "reload_failures_total",                              \
      "Reloads refused because of mistakes in the configuration.")                                 \
    X(CONNECTED, DEBUG, "connected", "sessions_total", "Submission sessions opened.")              \
    X(DISCONNECTED, DEBUG, "disconnected", "sessions_closed_total", "Submission sessions closed.") \
    X(SESSION_REFUSED, WARN, "session-refused", "sessions_refused_total",                          \
      "Sessions refused with 421 (limits, shutting down).")                                        \
    X(PROXY_REFUSED, WARN, "proxy-refused", "proxies_refused_total",                               \
      "Connections of proxies closed because their PROXY header was missing or wrong.")            \
    X(TIMED_OUT, INFO, "timed-out", "sessions_timed_out_total",                                    \
      "Sessions ended because the client was silent for too long.")                                \
    X(TLS_FAILED, INFO, "tls-failed", "tls_failures_total", "Failed TLS handshakes of clients.")   \
    X(LOGIN, DEBUG, "login", "logins_total", "Successful logins.")                                 \
    X(LOGIN_FAILED, WARN, "login-failed", "login_failures_total", "Failed logins.")                \
    X(LOGIN_BLOCKED, WARN, "login-blocked", "logins_blocked_total",                                \
      "Logins not tried, after too many failures of that address or user.")                        \
    X(CERTIFICATE_UNKNOWN, INFO, "certificate-unknown", "certificates_unknown_total",              \
      "Client certificates that are no user's, and clients without a required one.")               \
    X(ACCEPTED, INFO, "accepted", "accepted_total", "Messages accepted (answered 250).")           \
    X(REJECTED, INFO, "rejected", "rejected_total",                                                \
      "Messages, senders or recipients refused at submission.")                                    \
    X(REWRITTEN, INFO, "rewritten", "rewritten_total",                                             \
      "Senders and recipients that aliases, maps or staging changed.")                             \
    X(HEADER_REWRITTEN, INFO, "header-rewritten", "headers_rewritten_total",                       \
      "Messages whose header was changed by rules of rewrite.")                                    \
    X(SIGNED_KEPT, WARN, "signature-kept", "signed_kept_total",                                    \
      "Messages with header fields that stayed because a signature covers them.")                  \
    X(SIGNED_BROKEN, WARN, "signature-broken", "signed_broken_total",                              \
      "Messages whose signature was broken by a change of the header.")                            \
    X(SIGNED_REFUSED, WARN, "signature-refused", "signed_refused_total",                           \
      "Messages refused because a signature covers what would have to be changed.")                \
    X(STORE_FAILED, ERROR, "store-failed", "store_failures_total",                                 \
      "Messages answered 452 because the journal could not be written.")                           \
    X(REPORTED, INFO, "reported", "reports_total", "Delivery reports (DSN) put in the queue.")     \
    X(REPORT_DROPPED, WARN, "report-dropped", "reports_dropped_total",                             \
      "Reports not made because the message was a report itself.")                                 \
    X(DELIVERED, INFO, "delivered", "delivered_total", "Recipients delivered.")                    \
    X(DEFERRED, INFO, "deferred", "deferred_total", "Attempts put off to a later time.")           \
    X(BOUNCED, INFO, "bounced", "bounced_total", "Recipients refused for good.")                   \
    X(EXPIRED, INFO, "expired", "expired_total", "Recipients given up after queue.lifetime.")      \
    X(REMOVED, INFO, "removed", "removed_total", "Recipients removed by the operator.")            \
    X(HELD, INFO, "held", "held_total", "Messages held by the operator.")                          \
    X(RELEASED, INFO, "released", "released_total", "Messages released by the operator.")          \
    X(UNSURE, WARN, "unsure", "unsure_total",                                                      \
      "Attempts whose final reply was lost: a duplicate is possible.")                             \
    X(COMPLETED, DEBUG, "completed", "completed_total", "Messages whose last recipient is done.")  \
    X(CONNECT_FAILED, INFO, "connect-failed", "connect_failures_total",                            \
      "Outgoing connections that could not be made or died before a message.")                     \
    X(SMARTHOST_LOGIN_REFUSED, WARN, "smarthost-login-refused", "smarthost_logins_refused_total",  \
      "Logins of ours that a smarthost refused.")                                                  \
    X(OUTGOING, DEBUG, "outgoing", "connections_total", "Outgoing connections made.")              \
    X(V6_AVOIDED, INFO, "ipv6-avoided", "family_avoided_total",                                    \
      "Periods in which IPv6 is tried last at a destination.")                                     \
    X(SOURCE_REFUSED, ERROR, "source-refused", "source_refusals_total",                            \
      "Source addresses that the system did not let us use.")                                      \
    X(HOST_SKIPPED, WARN, "host-skipped", "hosts_skipped_total",                                   \
      "Hosts of a route that failed and are tried after the others for a while.")                  \
    X(HOST_BACK, INFO, "host-back", "hosts_back_total", "Hosts of a route that work again.")       \
    X(FALLBACK, WARN, "fallback", "fallbacks_total",                                               \
      "Destinations whose mail began to go by their fallback.")                                    \
    X(DIRECT_AGAIN, INFO, "direct-again", "direct_again_total",                                    \
      "Destinations that needed their fallback and work again.")                                   \
    X(RESOLVE_FAILED, INFO, "resolve-failed", "resolve_failures_total",                            \
      "Destinations whose hosts could not be found.")                                              \
    X(BACKED_OFF, WARN, "backed-off", "destinations_backed_off_total",                             \
      "Destinations left in peace by a rule about replies, or as they asked.")                     \
    X(SLOWED, WARN, "slowed-down", "destinations_slowed_down_total",                               \
      "Destinations whose connections and rate a rule about replies halved.")                      \
    X(RULED_PERMANENT, INFO, "ruled-permanent", "ruled_permanent_total",                           \
      "Replies that a rule took for a refusal for good.")                                          \
    X(RULED_TEMPORARY, INFO, "ruled-temporary", "ruled_temporary_total",                           \
      "Replies that a rule took for a refusal for now.")                                           \
    X(RULED_NEXT_HOST, INFO, "ruled-next-host", "ruled_next_host_total",                           \
      "Replies that a rule answered with the next host.")                                          \
    X(GREYLISTED, DEBUG, "greylisted", "greylisted_total", "Replies that look like greylisting.")  \
    X(ASKED_TO_WAIT, DEBUG, "asked-to-wait", "asked_to_wait_total",                                \
      "Replies that say when a message may come again.")                                           \
    X(TOKEN, INFO, "token", "tokens_total", "Access tokens fetched.")                              \
    X(TOKEN_FAILED, WARN, "token-failed", "token_troubles_total",                                  \
      "Times that an account's access tokens began to fail, or failed for another reason.")        \
    X(PAUSED, WARN, "paused", "pauses_total", "Destinations paused by the operator.")              \
    X(RESUMED, INFO, "resumed", "resumes_total", "Destinations resumed by the operator.")          \
    X(OPERATOR, INFO, "operator", "operator_actions_total", "Changing actions of the operator.")   \
    X(JOURNAL, WARN, "journal", "journal_reports_total",                                           \
      "What recovery or the disk had to report of the journal.")                                   \
    X(UNREADABLE, ERROR, "unreadable", "unreadable_total",                                         \
      "Fetches of a queued message that failed: read error or damaged bytes.")                     \
    X(MOVED, DEBUG, "moved", "messages_moved_total",                                               \
      "Messages copied out of old journal segments.")                                              \
    X(CHECKPOINT, DEBUG, "checkpoint", "checkpoints_total",                                        \
      "Checkpoints of journal segments that others waited for.")                                   \
    X(RECOVERED, INFO, "recovered", "recoveries_total", "Queue recovered at start.")               \
    X(WARNING, WARN, "warning", "warnings_total", "Other things an operator should know of.")

enum note_kind {
#define X(name, level, word, counter, help) NOTE_##name,
    NOTE_TABLE(X)
#undef X
        NOTE_COUNT
};

/* Limits of clients, by the name of the key that sets them, where there is one. A note that tells
 * of one bears its name, and is counted under it. */
#define NOTE_LIMIT_TABLE(X)                                                                        \
    X(CONNECTIONS, "max_connections")                                                              \
    X(ADDRESS_CONNECTIONS, "max_connections_per_address")                                          \
    X(COMMANDS, "max_commands")                                                                    \
    X(ERRORS, "max_errors")                                                                        \
    X(RECIPIENTS, "max_recipients")                                                                \
    X(SESSION_RECIPIENTS, "max_recipients_per_session")                                            \
    X(REFUSED_RECIPIENTS, "refused_recipients")                                                    \
    X(SESSION_MESSAGES, "max_messages_per_session")                                                \
    X(MESSAGE_SIZE, "max_message_size")                                                            \
    X(LINE_LENGTH, "line_length")                                                                  \
    X(UNREAD_INPUT, "unread_input")                                                                \
    X(ADDRESS_RATE, "message_rate")                                                                \
    X(USER_MESSAGES, "user_message_rate")                                                          \
    X(USER_RECIPIENTS, "user_recipient_rate")                                                      \
    X(USER_QUOTA, "user_daily_quota")                                                              \
    X(USER_SIZE, "user_max_message_size")                                                          \
    X(LOGIN_FAILURES, "login_failures")                                                            \
    X(QUEUE_SIZE, "queue_max_size")                                                                \
    X(TLS_TIME, "tls_timeout")                                                                     \
    X(GREETING_TIME, "greeting_timeout")                                                           \
    X(IDLE_TIME, "idle_timeout")                                                                   \
    X(AUTH_TIME, "auth_timeout")                                                                   \
    X(DATA_TIME, "data_timeout")                                                                   \
    X(TRANSACTION_TIME, "transaction_timeout")                                                     \
    X(DATA_RATE, "min_data_rate")

enum note_limit {
    NOTE_NO_LIMIT,
#define X(name, word) NOTE_LIMIT_##name,
    NOTE_LIMIT_TABLE(X)
#undef X
        NOTE_LIMIT_COUNT
};
extern const char *const note_limit_word[NOTE_LIMIT_COUNT]; /* NULL for NOTE_NO_LIMIT */

struct note_row {
    const char *name; /* "ACCEPTED" */
    enum note_level level;
    const char *word;    /* "accepted" */
    const char *counter; /* "accepted_total" */
    const char *help;
};
extern const struct note_row note_row[NOTE_COUNT];

enum { NOTE_FIELDS_MAX = 16 };

struct note_field {
    const char *key;   /* static */
    struct slice text; /* when !is_number; any bytes: the printer escapes */
    int64_t number;
    bool is_number;
};
struct note {
    enum note_kind kind;
    uint64_t msg; /* message id, 0 when none */
    enum note_limit limit;
    int count;
    struct note_field field[NOTE_FIELDS_MAX];
};

void note_init(struct note *n, enum note_kind kind, uint64_t msg);
/* Fields beyond NOTE_FIELDS_MAX are a CHECK: callers are ours. Empty texts are kept (from=<>
 * matters). */
void note_text(struct note *n, const char *key, struct slice text);
void note_number(struct note *n, const char *key, int64_t number);
/* The field limit=, and what is counted; with NOTE_NO_LIMIT nothing. */
void note_limit(struct note *n, enum note_limit limit);

struct buf;
/* 2026-11-22T00:47:42.123Z info accepted msg=... key=value key="quoted when needed"   (no line end)
 */
void note_build_text(const struct note *n, int64_t now_ms, struct buf *out);
/* {"time":"...","level":"info","event":"accepted","msg":"...","key":...} */
void note_build_json(const struct note *n, int64_t now_ms, struct buf *out);
