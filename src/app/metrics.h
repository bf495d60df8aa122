/* metrics.h -- counts what happened, and writes all figures as Prometheus text.
 *
 * Every note kind is a counter, named in the note table; the gauges are asked for when somebody
 * looks. */
#pragma once

#include "engine/engine_view.h"
#include "journal/journal.h"
#include "store/store_history.h"

enum { METRICS_SAMPLES = 7, METRICS_SAMPLE_MS = 10000 }; /* rates: over the last minute */
enum { METRICS_TURN_BUCKETS = 8 };                       /* of the histogram of loop turns */

struct metrics_sample {
    int64_t at_ms;
    uint64_t count[NOTE_COUNT];
};

struct metrics {
    uint64_t count[NOTE_COUNT];
    uint64_t limits[NOTE_LIMIT_COUNT];             /* how often each struck */
    struct metrics_sample sample[METRICS_SAMPLES]; /* a ring, the oldest at `next` once full */
    unsigned sample_count, next;
    uint64_t turn_us_max, turn_us_max_before; /* longest turn of the loop: this window, the last */
    int64_t window_ms;
    uint64_t turns[METRICS_TURN_BUCKETS], turns_us; /* since the start */
};

void metrics_init(struct metrics *m, int64_t now_ms);
void metrics_note(struct metrics *m, const struct note *n);
void metrics_turn(struct metrics *m, uint64_t turn_us);
void metrics_tick(struct metrics *m, int64_t now_ms); /* about once a second */
/* Events of this kind in the last minute (or since the start, when that is nearer). */
uint64_t metrics_last_minute(const struct metrics *m, enum note_kind kind);
/* Longest turn of the loop in the last one to two minutes. */
uint64_t metrics_turn_us(const struct metrics *m);

/* What the text shows besides the counters. */
struct metrics_view {
    struct engine_stats engine;
    struct journal_usage journal;
    struct store_history_usage history;
    uint64_t journal_bytes_max;
    int64_t last_sync_us;
    int64_t uptime_ms;
    uint64_t log_lost;
    unsigned login_waiting;
};
void metrics_build(const struct metrics *m, const struct metrics_view *v, struct buf *out);
