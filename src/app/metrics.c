/* metrics.c -- counters, a minute of history for rates, and the Prometheus text format 0.0.4. */
#include "metrics.h"

#include <string.h>

enum { TURN_WINDOW_MS = 60000 };

void metrics_init(struct metrics *m, int64_t now_ms)
{
    *m = (struct metrics){.window_ms = now_ms};
    m->sample[0].at_ms = now_ms;
    m->sample_count = m->next = 1;
}

void metrics_note(struct metrics *m, const struct note *n)
{
    m->count[n->kind]++;
    m->limits[n->limit]++;
}

/* Upper bounds of the histogram of loop turns; the last bucket has none. */
static const uint64_t turn_us_bound[METRICS_TURN_BUCKETS - 1] = {100,   500,   1000,  5000,
                                                                 10000, 50000, 250000};

void metrics_turn(struct metrics *m, uint64_t turn_us)
{
    size_t i = 0;
    while (i < COUNT_OF(turn_us_bound) && turn_us > turn_us_bound[i])
        i++;
    m->turns[i]++;
    m->turns_us += turn_us;
    if (turn_us > m->turn_us_max)
        m->turn_us_max = turn_us;
}

static const struct metrics_sample *oldest_sample(const struct metrics *m)
{
    return &m->sample[m->sample_count < METRICS_SAMPLES ? 0 : m->next];
}

void metrics_tick(struct metrics *m, int64_t now_ms)
{
    if (now_ms - m->window_ms >= TURN_WINDOW_MS) {
        m->turn_us_max_before = m->turn_us_max;
        m->turn_us_max = 0;
        m->window_ms = now_ms;
    }
    unsigned latest = (m->next + METRICS_SAMPLES - 1) % METRICS_SAMPLES;
    if (now_ms - m->sample[latest].at_ms < METRICS_SAMPLE_MS)
        return;
    m->sample[m->next].at_ms = now_ms;
    memcpy(m->sample[m->next].count, m->count, sizeof m->count);
    m->next = (m->next + 1) % METRICS_SAMPLES;
    if (m->sample_count < METRICS_SAMPLES)
        m->sample_count++;
}

uint64_t metrics_last_minute(const struct metrics *m, enum note_kind kind)
{
    return m->count[kind] - oldest_sample(m)->count[kind];
}

uint64_t metrics_turn_us(const struct metrics *m)
{
    return m->turn_us_max > m->turn_us_max_before ? m->turn_us_max : m->turn_us_max_before;
}

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_addf(out, "# HELP outpost_%s %s\n# TYPE outpost_%s %s\n", name, help, name, type);
}

static void counter(struct buf *out, const char *name, const char *help, uint64_t v)
{
    head(out, name, "counter", help);
    buf_addf(out, "outpost_%s %llu\n", name, (unsigned long long)v);
}

static void gauge(struct buf *out, const char *name, const char *help, uint64_t v)
{
    head(out, name, "gauge", help);
    buf_addf(out, "outpost_%s %llu\n", name, (unsigned long long)v);
}

static void gauge_us(struct buf *out, const char *name, const char *help, uint64_t us)
{
    head(out, name, "gauge", help);
    buf_addf(out, "outpost_%s %llu.%06llu\n", name, (unsigned long long)(us / 1000000),
             (unsigned long long)(us % 1000000));
}

static void build_queue(const struct engine_stats *e, struct buf *out)
{
    gauge(out, "queue_messages", "Messages in the queue.", e->messages);
    gauge(out, "queue_recipients", "Recipients still to be served.", e->recipients);
    gauge(out, "queue_bytes", "Bytes of the messages in the queue.", e->bytes);
    gauge(out, "queue_ready", "Deliveries that may start now.", e->ready);
    gauge(out, "queue_deferred", "Deliveries waiting for their next try.", e->deferred);
    gauge(out, "queue_held", "Messages held by the operator.", e->held);
    gauge(out, "queue_in_flight", "Deliveries under way.", e->in_flight);
    gauge(out, "sessions", "Submission sessions open.", e->sessions);
    gauge(out, "connections_out", "Outgoing connections open.", e->out_connections);
    gauge(out, "connections_out_idle", "Outgoing connections kept for the next message.",
          e->out_idle);
    gauge(out, "destinations", "Destinations that mail waits for or connections lead to.",
          e->destinations);
    gauge(out, "sources_refused", "Source addresses that cannot be used on this machine.",
          e->sources_refused);
    gauge(out, "destinations_in_trouble", "Destinations that cannot be reached.",
          e->destinations_in_trouble);
    gauge(out, "destinations_paused", "Destinations paused by the operator.",
          e->destinations_paused);
    gauge(out, "staging", "1 when environment is staging.", e->is_staging);
    gauge(out, "paused", "1 while all deliveries are paused.", e->is_all_paused);
    gauge(out, "hot_cache_bytes", "Bytes of message bodies kept in memory.", e->hot_bytes);
    gauge(out, "dns_cache_entries", "Answers in the DNS cache.", e->dns_cache_entries);
}

static void build_journal(const struct metrics_view *v, struct buf *out)
{
    const struct journal_usage *j = &v->journal;
    gauge(out, "journal_bytes", "Bytes of the journal's files, indices included.", j->bytes);
    gauge(out, "journal_max_bytes", "Ceiling of the journal (queue.max_size).",
          v->journal_bytes_max);
    gauge(out, "journal_segments", "Segments of the journal in use.", j->segments);
    gauge(out, "journal_spare_segments", "Segments made ahead of need.", j->spare_segments);
    gauge(out, "journal_index_segments", "Segments with an index, which a start need not read.",
          j->indices);
    gauge(out, "journal_index_bytes", "Bytes of the segments' indices.", j->index_bytes);
    counter(out, "journal_index_made_total", "Indices made.", j->indices_made);
    counter(out, "journal_index_failed_total", "Indices that could not be made (harmless).",
            j->indices_failed);
    counter(out, "journal_syncs_total", "Syncs of the journal.", j->syncs);
    counter(out, "journal_batches_total", "Batches written to the journal.", j->batches);
    counter(out, "journal_failed_batches_total", "Batches that could not be written.",
            j->failed_batches);
    counter(out, "journal_records_total", "Records written to the journal.", j->records);
    counter(out, "journal_written_bytes_total", "Bytes written to the journal.", j->written_bytes);
    gauge_us(out, "journal_last_sync_seconds", "Duration of the latest write and sync.",
             (uint64_t)v->last_sync_us);
    gauge(out, "store_failing", "1 while the journal cannot be written, or is full.",
          v->engine.is_store_failing);
}

static void build_limits(const struct metrics *m, struct buf *out)
{
    head(out, "limit_hits_total", "counter", "How often a limit of clients struck, by its name.");
    for (int i = NOTE_NO_LIMIT + 1; i < NOTE_LIMIT_COUNT; i++)
        buf_addf(out, "outpost_limit_hits_total{limit=\"%s\"} %llu\n", note_limit_word[i],
                 (unsigned long long)m->limits[i]);
}

static void build_turns(const struct metrics *m, struct buf *out)
{
    uint64_t sum = 0;
    head(out, "loop_turn_seconds", "histogram",
         "Duration of the event loop's turns, waiting aside.");
    for (size_t i = 0; i < COUNT_OF(turn_us_bound); i++) {
        sum += m->turns[i];
        buf_addf(out, "outpost_loop_turn_seconds_bucket{le=\"%llu.%06llu\"} %llu\n",
                 (unsigned long long)(turn_us_bound[i] / 1000000),
                 (unsigned long long)(turn_us_bound[i] % 1000000), (unsigned long long)sum);
    }
    sum += m->turns[METRICS_TURN_BUCKETS - 1];
    buf_addf(out, "outpost_loop_turn_seconds_bucket{le=\"+Inf\"} %llu\n", (unsigned long long)sum);
    buf_addf(out, "outpost_loop_turn_seconds_sum %llu.%06llu\n",
             (unsigned long long)(m->turns_us / 1000000),
             (unsigned long long)(m->turns_us % 1000000));
    buf_addf(out, "outpost_loop_turn_seconds_count %llu\n", (unsigned long long)sum);
}

static void build_history(const struct store_history_usage *h, struct buf *out)
{
    counter(out, "history_records_total", "Finished messages written to the history.", h->records);
    counter(out, "history_lost_total",
            "Finished messages not remembered, because the disk was slow or full.", h->lost);
    counter(out, "history_lookups_total", "Look-ups in the history.", h->lookups);
    gauge(out, "history_bytes", "Bytes of the history's files.", h->bytes);
    gauge(out, "history_files", "Files of the history.", h->files);
    gauge(out, "history_pending_bytes", "Bytes waiting to be written to the history.",
          h->pending_bytes);
    gauge(out, "history_failing", "1 while the history cannot be written.", h->is_failing);
}

void metrics_build(const struct metrics *m, const struct metrics_view *v, struct buf *out)
{
    head(out, "build_info", "gauge", "The version that runs, as a label.");
    buf_add_cstr(out, "outpost_build_info{version=\"" OUTPOST_VERSION "\"} 1\n");
    gauge_us(out, "uptime_seconds", "Time since the start.", (uint64_t)v->uptime_ms * 1000);
    for (int i = 0; i < NOTE_COUNT; i++)
        counter(out, note_row[i].counter, note_row[i].help, m->count[i]);
    build_limits(m, out);
    build_queue(&v->engine, out);
    build_journal(v, out);
    build_history(&v->history, out);
    gauge(out, "logins_waiting", "Logins waiting for their password to be verified.",
          v->login_waiting);
    gauge_us(out, "loop_lag_seconds", "Longest turn of the event loop in the last minute or two.",
             metrics_turn_us(m));
    build_turns(m, out);
    counter(out, "log_lost_total", "Log lines dropped because nobody read them.", v->log_lost);
}
