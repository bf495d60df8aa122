/* engine_view.c -- the engine as seen from the control socket. Reads only. */
#include "engine/engine_view.h"
#include "base/json.h"
#include "base/msgid.h"
#include "fallback.h"
#include "job.h"
#include "mail/date.h"
#include "select.h"
#include "view_wishes.h"

#include <stdio.h>

enum {
    LIST_RECIPIENTS_MAX = 5, /* shown in a list; `show` has them all */
};

void engine_stats(const struct engine *e, struct engine_stats *out)
{
    struct queue_message *first = queue_first(&e->queue);
    *out = (struct engine_stats){
        .messages = e->queue.by_id.count,
        .recipients = e->queue.recipients,
        .bytes = e->queue.bytes,
        .ready = e->ready_count,
        .in_flight = e->in_flight_count,
        .deferred = e->job_count - e->ready_count - e->in_flight_count,
        .held = e->queue.held_count,
        .destinations = e->destinations.count - e->guest_count - e->lingering_count - e->kept_count,
        .destinations_in_trouble = e->trouble_count,
        .destinations_paused = e->queue.pauses.count,
        .sources_refused = source_refused_count(e),
        .is_all_paused = e->queue.is_all_paused,
        .is_staging = e->opt->rewrite.environment == REWRITE_STAGING,
        .sessions = e->sessions.count,
        .out_connections = e->lines.count,
        .out_idle = deliver_idle_count(e),
        .hot_bytes = e->hot_bytes,
        .dns_cache_entries = resolve_cache_count(e),
        .oldest_ms = first ? first->accepted_ms : 0,
        .is_stopping = e->is_stopping,
        .is_store_failing = e->is_store_failing,
        .is_store_full = e->is_store_full,
    };
}

bool engine_has_message(const struct engine *e, uint64_t id)
{
    return queue_find(&e->queue, id) != NULL;
}

bool engine_message_pos(const struct engine *e, uint64_t id, struct journal_pos *out)
{
    const struct queue_message *m = queue_find(&e->queue, id);
    if (m)
        *out = m->accept;
    return m != NULL;
}

uint64_t engine_newest(const struct engine *e)
{
    return e->last_msgid;
}

/* What one recipient is waiting for. */
struct waiting {
    const char *state; /* of engine_state_name, or its fate */
    int64_t next_ms;   /* 0: now */
    struct slice reason;
    const struct job *job;
};

static const struct job *job_with(const struct queue_message *m, uint32_t recipient)
{
    for (const struct job *j = m->jobs; j; j = j->next_of_message)
        for (uint32_t i = j->first_recipient; i != QUEUE_NO_RECIPIENT;
             i = m->recipient[i].next_in_job)
            if (i == recipient)
                return j;
    return NULL;
}

static struct waiting look(const struct engine *e, const struct queue_message *m, uint32_t i,
                           const struct job *j)
{
    const struct queue_recipient *r = &m->recipient[i];
    struct waiting w = {.state = queue_fate_name((enum queue_fate)r->fate),
                        .reason = slice_cstr(r->reason)};
    if (r->fate != QUEUE_WAITING)
        return w;
    if (r->is_reporting) {
        w.state = engine_state_name(ENGINE_STATE_REPORTING);
        return w;
    }
    if (!j)
        return w;
    w.job = j;
    if (!w.reason.n)
        w.reason =
            slice_cstr(j->destination->trouble ? j->destination->trouble : j->domain->trouble);
    enum engine_state state = select_job_state(e, j);
    w.state = engine_state_name(state);
    if (state == ENGINE_STATE_DEFERRED)
        w.next_ms = j->next_ms;
    else if (state == ENGINE_STATE_BACKING_OFF)
        w.next_ms = j->destination->backoff_until_ms;
    if (state == ENGINE_STATE_BACKING_OFF && w.next_ms < shape_quiet_until_ms(j->destination)) {
        w.next_ms = shape_quiet_until_ms(j->destination);
        if (!w.reason.n)
            w.reason = slice_cstr(j->destination->shape.words);
    }
    return w;
}

/* The job of each recipient, NULL: none. To be freed. One walk: asking for each by itself would
 * take the square of two thousand recipients. */
static const struct job **jobs_of(const struct queue_message *m)
{
    const struct job **all = mem_new(m->recipient_count * sizeof *all);
    for (const struct job *j = m->jobs; j; j = j->next_of_message)
        for (uint32_t i = j->first_recipient; i != QUEUE_NO_RECIPIENT;
             i = m->recipient[i].next_in_job)
            all[i] = j;
    return all;
}

/* A page of a list while it is written. */
struct listing {
    const struct engine *e;
    int64_t now_ms;
    struct buf *out;
    struct json json;
};

static void list_page(struct listing *l, const struct engine_filter *f,
                      bool (*row)(void *ctx, struct queue_message *m), struct engine_page *page)
{
    struct select_page found;
    select_each(l->e, f, l->now_ms, row, l, &found);
    *page = (struct engine_page){.last = found.has_more ? found.next : 0, .count = found.matched};
}

/* What is left of its life; while it is held nothing of it passes. */
static int64_t left_ms(const struct engine *e, const struct queue_message *m, int64_t now_ms)
{
    if (m->is_held)
        now_ms = queue_order_of(&e->queue, m)->since_ms;
    return queue_born_ms(&e->queue, m) + e->opt->lifetime_ms - now_ms;
}

static const char *order_word(const struct queue_order *o)
{
    return o->is_removing   ? "being deleted"
           : o->is_bouncing ? "being bounced"
           : o->is_held     ? "held"
                            : "released";
}

static uint32_t first_waiting(const struct queue_message *m)
{
    for (uint32_t i = 0; i < m->recipient_count; i++)
        if (m->recipient[i].fate == QUEUE_WAITING)
            return i;
    return 0;
}

static int64_t in_seconds(int64_t ms)
{
    return ms > 0 ? (ms + 999) / 1000 : 0;
}

/* JSON */

static void json_waiting(struct json *j, const struct waiting *w, int64_t now_ms)
{
    json_string(j, "state", slice_cstr(w->state));
    if (w->next_ms)
        json_int(j, "next_s", in_seconds(w->next_ms - now_ms));
    if (w->reason.n)
        json_string(j, "reason", w->reason);
}

static void json_message_head(struct json *j, const struct queue_message *m, int64_t now_ms)
{
    struct msgid_text id = msgid_build(m->id);
    char date[MAIL_DATE_BYTES];
    json_string(j, "id", slice_cstr(id.s));
    json_string(j, "from", queue_sender(m));
    json_string(j, "accepted", slice_cstr(mail_date_iso(m->accepted_ms, date)));
    json_int(j, "age_s", in_seconds(now_ms - m->accepted_ms));
    json_int(j, "bytes", (int64_t)m->wire_bytes);
    json_int(j, "recipients", m->recipient_count);
    json_int(j, "waiting", m->waiting_count);
    json_bool(j, "is_report", m->is_report);
}

static bool json_row(void *ctx, struct queue_message *m)
{
    struct listing *l = ctx;
    struct json *j = &l->json;
    uint32_t first = first_waiting(m);
    json_object(j, NULL);
    json_message_head(j, m, l->now_ms);
    json_array(j, "to");
    for (uint32_t i = 0; i < m->recipient_count && i < LIST_RECIPIENTS_MAX; i++)
        json_string(j, NULL, queue_address(m, i));
    json_end(j, ']');
    struct waiting w = look(l->e, m, first, job_with(m, first));
    json_waiting(j, &w, l->now_ms);
    json_end(j, '}');
    return true;
}

static void json_order(struct json *j, const struct engine *e, const struct queue_message *m)
{
    const struct queue_order *o = queue_order_of(&e->queue, m);
    if (!o)
        return;
    char date[MAIL_DATE_BYTES];
    json_object(j, "order");
    json_string(j, "is", slice_cstr(order_word(o)));
    json_string(j, "who", o->who);
    if (o->is_held)
        json_string(j, "since", slice_cstr(mail_date_iso(o->since_ms, date)));
    json_int(j, "held_s", in_seconds(o->held_ms));
    json_string(j, "reason", o->words);
    json_end(j, '}');
}

void engine_queue_json(const struct engine *e, const struct engine_filter *f, int64_t now_ms,
                       struct buf *out, struct engine_page *page)
{
    struct listing l = {.e = e, .now_ms = now_ms, .out = out};
    json_init(&l.json, out);
    json_array(&l.json, NULL);
    list_page(&l, f, json_row, page);
    json_end(&l.json, ']');
}

bool engine_message_json(const struct engine *e, uint64_t id, int64_t now_ms, struct buf *out)
{
    const struct queue_message *m = queue_find(&e->queue, id);
    if (!m)
        return false;
    struct json j;
    json_init(&j, out);
    json_object(&j, NULL);
    json_message_head(&j, m, now_ms);
    json_string(&j, "client", queue_client(m));
    json_string(&j, "user", queue_user(m));
    json_int(&j, "priority", job_priority(e, m));
    json_int(&j, "expires_s", in_seconds(left_ms(e, m, now_ms)));
    view_wishes_json(&j, m);
    json_order(&j, e, m);
    const struct job **job = jobs_of(m);
    json_array(&j, "to");
    for (uint32_t i = 0; i < m->recipient_count; i++) {
        struct waiting w = look(e, m, i, job[i]);
        json_object(&j, NULL);
        json_string(&j, "address", queue_address(m, i));
        json_int(&j, "attempts", m->recipient[i].attempts);
        view_wish_json(&j, m, i);
        json_waiting(&j, &w, now_ms);
        if (w.job)
            json_string(&j, "destination", slice_cstr(w.job->domain->name));
        json_end(&j, '}');
    }
    mem_free(job);
    json_end(&j, ']');
    json_end(&j, '}');
    return true;
}

static bool is_troubled(const struct engine *e, const struct destination *d, int64_t now_ms)
{
    int64_t until_ms;
    return d->failures || destination_is_paused(e, d) || shape_trouble(d, now_ms, &until_ms);
}

void engine_destinations_json(const struct engine *e, unsigned limit, int64_t now_ms,
                              struct buf *out)
{
    struct json j;
    json_init(&j, out);
    json_array(&j, NULL);
    size_t at = 0;
    for (struct map_entry *m; limit && (m = map_next(&e->destinations, &at));) {
        const struct destination *d = m->value;
        if (!is_troubled(e, d, now_ms))
            continue;
        limit--;
        json_object(&j, NULL);
        json_string(&j, "name", slice_cstr(d->name));
        json_int(&j, "jobs", (int64_t)d->job_count);
        json_bool(&j, "is_paused", destination_is_paused(e, d));
        json_int(&j, "failures", d->failures);
        json_int(&j, "next_s", in_seconds(d->backoff_until_ms - now_ms));
        json_string(&j, "reason", slice_cstr(d->trouble));
        int64_t until_ms;
        const char *shaped = shape_trouble(d, now_ms, &until_ms);
        if (shaped) {
            json_string(&j, "rule", slice_cstr(shaped));
            json_int(&j, "rule_s", in_seconds(until_ms - now_ms));
        }
        const struct engine_route *other = fallback_in_use(e, d);
        if (other)
            json_string(&j, "fallback", other->name);
        json_end(&j, '}');
    }
    json_end(&j, ']');
}

/* Text */

struct age {
    char s[24];
};

static struct age age_of(int64_t ms)
{
    static const struct {
        int64_t below_s, unit_s;
        char letter;
    } scale[] = {{120, 1, 's'}, {7200, 60, 'm'}, {172800, 3600, 'h'}, {INT64_MAX, 86400, 'd'}};
    struct age a;
    int64_t s = in_seconds(ms);
    int i = 0;
    while (s >= scale[i].below_s)
        i++;
    snprintf(a.s, sizeof a.s, "%lld%c", (long long)(s / scale[i].unit_s), scale[i].letter);
    return a;
}

static void text_waiting(struct buf *out, const struct waiting *w, int64_t now_ms)
{
    buf_add_cstr(out, w->state);
    if (w->next_ms > now_ms)
        buf_addf(out, ", next try in %s", age_of(w->next_ms - now_ms).s);
    if (w->reason.n)
        buf_addf(out, ": %.*s", SLICE_FMT(w->reason));
}

static bool text_row(void *ctx, struct queue_message *m)
{
    struct listing *l = ctx;
    struct buf *out = l->out;
    struct msgid_text id = msgid_build(m->id);
    uint32_t first = first_waiting(m);
    struct waiting w = look(l->e, m, first, job_with(m, first));
    buf_addf(out, "%s %6s %9llu  <%.*s> -> ", id.s, age_of(l->now_ms - m->accepted_ms).s,
             (unsigned long long)m->wire_bytes, SLICE_FMT(queue_sender(m)));
    buf_addf(out, "<%.*s>", SLICE_FMT(queue_address(m, first)));
    if (m->recipient_count > 1)
        buf_addf(out, " and %u more", m->recipient_count - 1);
    buf_add_cstr(out, "\n              ");
    text_waiting(out, &w, l->now_ms);
    buf_add_char(out, '\n');
    return true;
}

static void text_order(struct buf *out, const struct engine *e, const struct queue_message *m)
{
    const struct queue_order *o = queue_order_of(&e->queue, m);
    char date[MAIL_DATE_BYTES];
    if (!o)
        return;
    buf_addf(out, "order     %s by %.*s", order_word(o), SLICE_FMT(o->who));
    if (o->is_held)
        buf_addf(out, " since %s", mail_date_iso(o->since_ms, date));
    if (o->words.n)
        buf_addf(out, ": %.*s", SLICE_FMT(o->words));
    buf_add_char(out, '\n');
}

void engine_queue_text(const struct engine *e, const struct engine_filter *f, int64_t now_ms,
                       struct buf *out, struct engine_page *page)
{
    struct listing l = {.e = e, .now_ms = now_ms, .out = out};
    buf_addf(out, "%-13s %6s %9s  %s\n", "ID", "AGE", "BYTES", "FROM -> TO, STATE");
    list_page(&l, f, text_row, page);
    if (page->last)
        buf_addf(out, "... more follow after %s\n", msgid_build(page->last).s);
}

bool engine_message_text(const struct engine *e, uint64_t id, int64_t now_ms, struct buf *out)
{
    const struct queue_message *m = queue_find(&e->queue, id);
    if (!m)
        return false;
    char date[MAIL_DATE_BYTES];
    buf_addf(out, "message   %s%s\n", msgid_build(m->id).s,
             m->is_report ? " (a report of ours)" : "");
    buf_addf(out, "from      <%.*s>\n", SLICE_FMT(queue_sender(m)));
    buf_addf(out, "client    %.*s", SLICE_FMT(queue_client(m)));
    if (m->user_bytes)
        buf_addf(out, ", logged in as %.*s", SLICE_FMT(queue_user(m)));
    if (job_priority(e, m))
        buf_addf(out, ", priority %d", job_priority(e, m));
    buf_addf(out, "\naccepted  %s, %s ago\n", mail_date_iso(m->accepted_ms, date),
             age_of(now_ms - m->accepted_ms).s);
    buf_addf(out, "size      %llu bytes\n", (unsigned long long)m->wire_bytes);
    buf_addf(out, "expires   %s %s\n", m->is_held ? "once released, in" : "in",
             age_of(left_ms(e, m, now_ms)).s);
    view_wishes_text(out, m);
    text_order(out, e, m);
    const struct job **job = jobs_of(m);
    for (uint32_t i = 0; i < m->recipient_count; i++) {
        struct waiting w = look(e, m, i, job[i]);
        buf_addf(out, "to        <%.*s>\n          ", SLICE_FMT(queue_address(m, i)));
        text_waiting(out, &w, now_ms);
        buf_addf(out, "\n          %u attempt%s", m->recipient[i].attempts,
                 m->recipient[i].attempts == 1 ? "" : "s");
        if (w.job)
            buf_addf(out, ", destination %s", w.job->domain->name);
        view_wish_text(out, m, i);
        buf_add_char(out, '\n');
    }
    mem_free(job);
    return true;
}

void engine_destinations_text(const struct engine *e, unsigned limit, int64_t now_ms,
                              struct buf *out)
{
    size_t at = 0;
    for (struct map_entry *m; limit && (m = map_next(&e->destinations, &at));) {
        const struct destination *d = m->value;
        if (!is_troubled(e, d, now_ms))
            continue;
        limit--;
        buf_addf(out, "%s: %llu waiting", d->name, (unsigned long long)d->job_count);
        if (destination_is_paused(e, d))
            buf_add_cstr(out, ", paused");
        if (d->failures)
            buf_addf(out, ", failed %u times, next try in %s: %s", d->failures,
                     age_of(d->backoff_until_ms - now_ms).s, d->trouble ? d->trouble : "");
        int64_t until_ms;
        const char *shaped = shape_trouble(d, now_ms, &until_ms);
        if (shaped)
            buf_addf(out, ", %s for %s by %s",
                     d->shape.quiet_until_ms > now_ms ? "left in peace" : "slowed down",
                     age_of(until_ms - now_ms).s, shaped);
        const struct engine_route *other = fallback_in_use(e, d);
        if (other)
            buf_addf(out, "; mail goes by %.*s", SLICE_FMT(other->name));
        buf_add_char(out, '\n');
    }
}

void engine_paused_text(const struct engine *e, struct buf *out)
{
    if (e->queue.is_all_paused)
        buf_add_cstr(out, "*");
    size_t at = 0;
    for (struct map_entry *m; (m = map_next(&e->queue.pauses, &at));) {
        if (out->n)
            buf_add_char(out, ' ');
        buf_add(out, m->key);
    }
}
