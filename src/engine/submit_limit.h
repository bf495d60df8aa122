/* submit_limit.h -- what one session, and one place that sessions come from, may take of us.
 *
 * A place is an IPv4 address or an IPv6 /64: whoever has one address of a /64 has them all. Only
 * places with sessions are kept, so the table is never larger than that of the sessions.
 *
 * Four clocks run in a session, and the first that ends closes it with 421 4.4.2: since the last
 * thing the client finished (a command or some of its message, not a single byte of a command);
 * that of the phase it is in, which may be stricter; since its MAIL; and the minute in which its
 * message must come at no less than the least rate. */
#pragma once

#include "base/ip.h"
#include "base/map.h"
#include "engine/engine_port.h"
#include "note/note.h"

enum { SUBMIT_RATE_WINDOW_MS = 60 * 1000 };

struct submit_limit {
    uint64_t place; /* 0: not counted */
    enum smtp_server_phase phase;
    int64_t phase_ms; /* begin of the phase */
    int64_t progress_ms;
    int64_t window_ms; /* begin of the minute; 0: the client is not sending a message */
    uint64_t window_bytes;
};

/* False: its place has all the sessions it may have, with `handshakes` connections from there that
 * are not sessions yet. Unless is_counted, it is not asked. */
MUST_USE bool submit_limit_init(struct submit_limit *l, struct map *places,
                                const struct engine_options *o, const struct ip *peer,
                                unsigned handshakes, bool is_counted, int64_t now_ms);
void submit_limit_close(struct submit_limit *l, struct map *places);
void submit_limit_places_close(struct map *places);
unsigned submit_limit_sessions_at(const struct map *places, uint64_t place);

void submit_limit_on_progress(struct submit_limit *l, int64_t now_ms);
void submit_limit_on_phase(struct submit_limit *l, enum smtp_server_phase phase, int64_t now_ms);
void submit_limit_on_body(struct submit_limit *l, const struct engine_options *o, uint64_t bytes,
                          int64_t now_ms);
/* It is we who are slow, or no message is under way: the minute begins anew with the next bytes. */
void submit_limit_on_pause(struct submit_limit *l);
void submit_limit_on_minute(struct submit_limit *l, int64_t now_ms); /* a new one begins */

/* began_ms: of the message under way; 0: none. */
int64_t submit_limit_due_ms(const struct submit_limit *l, const struct engine_options *o,
                            int64_t began_ms);
/* NOTE_NO_LIMIT: in time. */
enum note_limit submit_limit_overdue(const struct submit_limit *l, const struct engine_options *o,
                                     int64_t began_ms, int64_t now_ms);
