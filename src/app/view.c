/* view.c -- see view.h. */
#include "view.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "view_token.h"

enum {
    PAUSED_BYTES_MAX = 64 * 1024,
    STATUS_DESTINATIONS_MAX = 20,
    STATUS_DESTINATIONS_BYTES_MAX = 64 * 1024,
};

struct amount {
    char s[32];
};

static struct amount size_text(uint64_t bytes)
{
    static const char *const unit[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    struct amount a;
    double v = (double)bytes;
    unsigned i = 0;
    for (; v >= 1024 && i + 1 < COUNT_OF(unit); i++)
        v /= 1024;
    snprintf(a.s, sizeof a.s, i ? "%.1f %s" : "%.0f %s", v, unit[i]);
    return a;
}

static struct amount duration_text(int64_t ms)
{
    struct amount a;
    long long s = ms > 0 ? ms / 1000 : 0;
    if (s < 60)
        snprintf(a.s, sizeof a.s, "%llds", s);
    else if (s < 3600)
        snprintf(a.s, sizeof a.s, "%lldm %llds", s / 60, s % 60);
    else if (s < 86400)
        snprintf(a.s, sizeof a.s, "%lldh %lldm", s / 3600, s / 60 % 60);
    else
        snprintf(a.s, sizeof a.s, "%lldd %lldh", s / 86400, s / 3600 % 24);
    return a;
}

static void build_queue(struct json *j, const struct engine_stats *e, int64_t now_ms)
{
    json_object(j, "queue");
    json_int(j, "messages", (int64_t)e->messages);
    json_int(j, "recipients", (int64_t)e->recipients);
    json_int(j, "bytes", (int64_t)e->bytes);
    json_int(j, "ready", (int64_t)e->ready);
    json_int(j, "deferred", (int64_t)e->deferred);
    json_int(j, "in_flight", (int64_t)e->in_flight);
    json_int(j, "held", (int64_t)e->held);
    json_int(j, "oldest_s", e->oldest_ms ? (now_ms - e->oldest_ms) / 1000 : 0);
    json_end(j, '}');
}

/* Every counter under its name without "_total". */
static void build_counters(struct json *j, const struct view *v)
{
    json_object(j, "totals");
    for (int i = 0; i < NOTE_COUNT; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s", note_row[i].counter);
        struct slice whole = slice_cstr(name);
        if (slice_ends_nocase(whole, SLICE("_total")))
            name[whole.n - 6] = 0;
        json_int(j, name, (int64_t)v->metrics->count[i]);
    }
    json_end(j, '}');
    static const enum note_kind shown[] = {NOTE_ACCEPTED, NOTE_REJECTED, NOTE_DELIVERED,
                                           NOTE_DEFERRED, NOTE_BOUNCED,  NOTE_EXPIRED};
    json_object(j, "last_minute");
    for (size_t i = 0; i < COUNT_OF(shown); i++)
        json_int(j, note_row[shown[i]].word, (int64_t)metrics_last_minute(v->metrics, shown[i]));
    json_end(j, '}');
}

static void build_connections(struct json *j, const struct engine_stats *e)
{
    json_object(j, "connections");
    json_int(j, "sessions", (int64_t)e->sessions);
    json_int(j, "out", (int64_t)e->out_connections);
    json_int(j, "out_idle", (int64_t)e->out_idle);
    json_end(j, '}');
    json_object(j, "destinations");
    json_int(j, "known", (int64_t)e->destinations);
    json_int(j, "in_trouble", (int64_t)e->destinations_in_trouble);
    json_int(j, "paused", (int64_t)e->destinations_paused);
    json_bool(j, "all_paused", e->is_all_paused);
    json_end(j, '}');
    json_object(j, "sources");
    json_int(j, "refused", (int64_t)e->sources_refused);
    json_end(j, '}');
}

static void build_journal(struct json *j, const struct metrics_view *m)
{
    json_object(j, "journal");
    json_int(j, "bytes", (int64_t)m->journal.bytes);
    json_int(j, "bytes_max", (int64_t)m->journal_bytes_max);
    json_int(j, "segments", (int64_t)m->journal.segments);
    json_int(j, "spare_segments", (int64_t)m->journal.spare_segments);
    json_int(j, "index_segments", (int64_t)m->journal.indices);
    json_int(j, "index_bytes", (int64_t)m->journal.index_bytes);
    json_int(j, "index_made", (int64_t)m->journal.indices_made);
    json_int(j, "index_failed", (int64_t)m->journal.indices_failed);
    json_int(j, "records", (int64_t)m->journal.records);
    json_int(j, "batches", (int64_t)m->journal.batches);
    json_int(j, "syncs", (int64_t)m->journal.syncs);
    json_int(j, "failed_batches", (int64_t)m->journal.failed_batches);
    json_int(j, "written_bytes", (int64_t)m->journal.written_bytes);
    json_int(j, "last_sync_us", m->last_sync_us);
    json_bool(j, "is_failing", m->engine.is_store_failing);
    json_bool(j, "is_full", m->engine.is_store_full);
    json_end(j, '}');
}

static void build_history(struct json *j, const struct store_history_usage *h)
{
    json_object(j, "history");
    json_int(j, "records", (int64_t)h->records);
    json_int(j, "lost", (int64_t)h->lost);
    json_int(j, "lookups", (int64_t)h->lookups);
    json_int(j, "bytes", (int64_t)h->bytes);
    json_int(j, "files", (int64_t)h->files);
    json_bool(j, "is_failing", h->is_failing);
    json_end(j, '}');
}

void view_stats_json(const struct view *v, struct buf *out)
{
    struct metrics_view m;
    driver_figures(v->driver, &m);
    struct json j;
    json_init(&j, out);
    json_object(&j, NULL);
    json_string(&j, "version", SLICE(OUTPOST_VERSION));
    json_string(&j, "hostname", driver_config(v->driver)->engine.hostname);
    json_int(&j, "uptime_s", m.uptime_ms / 1000);
    json_string(&j, "environment", m.engine.is_staging ? SLICE("staging") : SLICE("production"));
    json_string(&j, "state", m.engine.is_stopping ? SLICE("stopping") : SLICE("running"));
    build_queue(&j, &m.engine, driver_now_ms(v->driver));
    build_counters(&j, v);
    build_connections(&j, &m.engine);
    build_journal(&j, &m);
    build_history(&j, &m.history);
    json_int(&j, "logins_waiting", m.login_waiting);
    json_int(&j, "hot_bytes", (int64_t)m.engine.hot_bytes);
    json_int(&j, "dns_cache_entries", (int64_t)m.engine.dns_cache_entries);
    json_int(&j, "log_lost", (int64_t)m.log_lost);
    json_int(&j, "loop_lag_us", (int64_t)metrics_turn_us(v->metrics));
    json_end(&j, '}');
    buf_add_char(out, '\n');
}

static void paused_line(const struct view *v, const struct engine_stats *e, struct buf *out)
{
    struct buf names;
    buf_init(&names, PAUSED_BYTES_MAX);
    engine_paused_text(driver_engine(v->driver), &names);
    if (e->is_all_paused)
        buf_add_cstr(out, "paused        everything (outpost resume --all)\n");
    if (names.n)
        buf_addf(out, "paused        %s\n", buf_cstr(&names));
    buf_close(&names);
}

static void totals_line(const struct view *v, const char *title, bool is_last_minute,
                        struct buf *out)
{
    static const enum note_kind shown[] = {NOTE_ACCEPTED, NOTE_REJECTED, NOTE_DELIVERED,
                                           NOTE_DEFERRED, NOTE_BOUNCED,  NOTE_EXPIRED};
    buf_addf(out, "%-13s ", title);
    for (size_t i = 0; i < COUNT_OF(shown); i++)
        buf_addf(out, "%s%llu %s", i ? ", " : "",
                 (unsigned long long)(is_last_minute ? metrics_last_minute(v->metrics, shown[i])
                                                     : v->metrics->count[shown[i]]),
                 note_row[shown[i]].word);
    buf_add_char(out, '\n');
}

void view_status_text(const struct view *v, struct buf *out)
{
    struct metrics_view m;
    driver_figures(v->driver, &m);
    const struct engine_stats *e = &m.engine;
    const struct config *c = driver_config(v->driver);
    int64_t now_ms = driver_now_ms(v->driver);
    buf_addf(out, "outpost %s on %.*s, up %s%s\n\n", OUTPOST_VERSION, SLICE_FMT(c->engine.hostname),
             duration_text(m.uptime_ms).s, e->is_stopping ? ", stopping" : "");
    if (e->is_staging)
        buf_addf(out, "STAGING       everything goes to %.*s, except for staging.allow\n\n",
                 SLICE_FMT(c->engine.rewrite.staging_mailbox));
    buf_addf(out, "queue         %llu messages to %llu recipients, %s",
             (unsigned long long)e->messages, (unsigned long long)e->recipients,
             size_text(e->bytes).s);
    if (e->oldest_ms)
        buf_addf(out, ", oldest %s", duration_text(now_ms - e->oldest_ms).s);
    if (e->held)
        buf_addf(out, ", %llu held", (unsigned long long)e->held);
    buf_addf(out, "\ndeliveries    %llu ready, %llu in flight, %llu deferred\n",
             (unsigned long long)e->ready, (unsigned long long)e->in_flight,
             (unsigned long long)e->deferred);
    totals_line(v, "since start", false, out);
    totals_line(v, "last minute", true, out);
    buf_addf(out, "connections   %llu in, %llu out (%llu of them idle)\n",
             (unsigned long long)e->sessions, (unsigned long long)e->out_connections,
             (unsigned long long)e->out_idle);
    buf_addf(out, "journal       %s", size_text(m.journal.bytes).s);
    buf_addf(out, " of %s, last sync %lld.%03lld ms%s\n", size_text(m.journal_bytes_max).s,
             (long long)(m.last_sync_us / 1000), (long long)(m.last_sync_us % 1000),
             e->is_store_full      ? "; FULL: new mail is refused"
             : e->is_store_failing ? "; CANNOT BE WRITTEN: new mail is refused"
                                   : "");
    paused_line(v, e, out);
    view_tokens_status(driver_engine(v->driver), now_ms, out);
    buf_addf(out, "destinations  %llu known, %llu in trouble\n",
             (unsigned long long)e->destinations, (unsigned long long)e->destinations_in_trouble);
    if (e->sources_refused)
        buf_addf(out, "sources       %llu cannot be used on this machine (see source-refused)\n",
                 (unsigned long long)e->sources_refused);
    struct buf troubled; /* and those that a rule about replies has slowed down */
    buf_init(&troubled, STATUS_DESTINATIONS_BYTES_MAX);
    engine_destinations_text(driver_engine(v->driver), STATUS_DESTINATIONS_MAX, now_ms, &troubled);
    buf_addf(out, "%s%s", troubled.n ? "\n" : "", buf_cstr(&troubled));
    buf_close(&troubled);
}

void view_metrics(const struct view *v, struct buf *out)
{
    struct metrics_view m;
    driver_figures(v->driver, &m);
    metrics_build(v->metrics, &m, out);
    view_tokens_metrics(driver_engine(v->driver), driver_now_ms(v->driver), out);
}

void view_paused_json(const struct view *v, struct buf *out)
{
    struct engine_stats e;
    struct buf names;
    struct json j;
    engine_stats(driver_engine(v->driver), &e);
    buf_init(&names, PAUSED_BYTES_MAX);
    engine_paused_text(driver_engine(v->driver), &names);
    json_init(&j, out);
    json_object(&j, NULL);
    json_bool(&j, "all", e.is_all_paused);
    json_array(&j, "domains");
    for (struct slice left = buf_slice(&names); left.n;) {
        struct slice name = slice_head(left, slice_find(left, ' '));
        left = slice_from(left, name.n + 1);
        if (name.n && !slice_eq(name, SLICE("*")))
            json_string(&j, NULL, name);
    }
    json_end(&j, ']');
    json_end(&j, '}');
    buf_add_char(out, '\n');
    buf_close(&names);
}

void view_paused_text(const struct view *v, struct buf *out)
{
    struct engine_stats e;
    engine_stats(driver_engine(v->driver), &e);
    size_t before = out->n;
    paused_line(v, &e, out);
    if (out->n == before)
        buf_add_cstr(out, "nothing is paused\n");
}
