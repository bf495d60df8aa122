/* outcome.c -- station 6: what became of an attempt: recorded, told, and what happens next.
 *
 * Two doors lead back: what was put off goes to schedule, a report (DSN) enters at spool as a new
 * message (report.c), and only when it is on disk the failure it is about counts. */
#include "policy/policy_retry.h"
#include "report.h"

#include <stdio.h>
#include <string.h>

enum { UNRESOLVED_TURN_MS = 50 }; /* while enough reports are being made */

/* Attempts */

/* Twice would be worse than not at all. */
static bool is_given_up(const struct engine *e, const struct attempt_result *r)
{
    return r->verdict == ATTEMPT_UNSURE && e->opt->on_unsure == DELIVERY_UNSURE_BOUNCE;
}

static void note_attempt(struct engine *e, const struct attempt *a, const struct attempt_result *r,
                         enum note_kind kind)
{
    const struct queue_message *m = a->job->message;
    struct note *n = engine_note(e, kind, m->id);
    engine_tell(e, n, "from", queue_sender(m));
    engine_tell(e, n, "to", queue_address(m, r->recipient));
    if (a->host.n)
        engine_tell(e, n, "host", a->host);
    if (a->ip.n)
        engine_tell(e, n, "ip", a->ip);
    if (a->host.n)
        engine_tell(e, n, "tls", a->tls.n ? a->tls : SLICE("none"));
    engine_tell(e, n, "reply", r->reply.n ? r->reply : r->reason);
    if (r->rule.n)
        engine_tell(e, n, "rule", r->rule);
    engine_tell_delay(e, n, kind == NOTE_DELIVERED ? m->accepted_ms : a->started_ms);
    if (kind == NOTE_DELIVERED || is_given_up(e, r))
        return;
    const struct queue_recipient *q = &m->recipient[r->recipient];
    note_number(n, "attempts", q->attempts);
    note_number(n, "next_s", (q->next_ms - e->now_ms + 999) / 1000);
}

/* The remote's words, and which rule made of them what became of it. */
static void set_reason(struct engine *e, struct queue_recipient *q, const struct attempt_result *r)
{
    struct slice words = r->reply.n ? r->reply : r->reason;
    char reason[QUEUE_REASON_BYTES_MAX + 1], rule[64] = "";
    if (r->rule.n)
        snprintf(rule, sizeof rule, " (rule %.*s)", SLICE_FMT(r->rule));
    words = slice_head(words, QUEUE_REASON_BYTES_MAX - strlen(rule));
    snprintf(reason, sizeof reason, "%.*s%s", SLICE_FMT(words), rule);
    queue_set_reason(&e->queue, q, r->rule.n ? slice_cstr(reason) : words);
}

static void put_off(struct engine *e, const struct attempt *a, const struct attempt_result *r,
                    int64_t wait_ms)
{
    struct queue_recipient *q = &a->job->message->recipient[r->recipient];
    int64_t until = a->job->destination->backoff_until_ms;
    int64_t quiet_until = shape_quiet_until_ms(a->job->destination);
    if (r->verdict == ATTEMPT_UNSURE && wait_ms < e->opt->unsure_wait_ms)
        wait_ms = e->opt->unsure_wait_ms;
    q->next_ms = e->now_ms + shape_wait_ms(e, a->job, r, wait_ms);
    if (q->next_ms < until) /* never sooner than the destination's own back-off */
        q->next_ms = until;
    if (q->next_ms < quiet_until)
        q->next_ms = quiet_until;
    set_reason(e, q, r);
    note_attempt(e, a, r, r->verdict == ATTEMPT_UNSURE ? NOTE_UNSURE : NOTE_DEFERRED);
}

static void set_fate(struct engine *e, struct queue_message *m, uint32_t i, enum queue_fate fate,
                     struct slice reason)
{
    struct queue_state state;
    queue_get_state(m, i, &state);
    state.fate = fate;
    state.next_ms = e->now_ms;
    state.reason = reason;
    queue_set_state(&e->queue, m, i, &state);
}

/* After its recipients were dealt with: does the job go on? */
static void job_after(struct engine *e, struct job *j)
{
    const struct queue_message *m = j->message;
    for (uint32_t i = j->first_recipient; i != QUEUE_NO_RECIPIENT;
         i = m->recipient[i].next_in_job) {
        if (m->recipient[i].fate == QUEUE_WAITING && !m->recipient[i].is_reporting) {
            schedule_defer(e, j);
            return;
        }
    }
    schedule_end(e, j);
}

static void note_removed(struct engine *e, const struct queue_message *m, uint32_t i)
{
    struct note *n = engine_note(e, NOTE_REMOVED, m->id);
    engine_tell(e, n, "from", queue_sender(m));
    engine_tell(e, n, "to", queue_address(m, i));
}

static void add_ordered(struct engine *e, struct report *r, const struct queue_message *m,
                        uint32_t i)
{
    struct slice words = queue_order_of(&e->queue, m)->words;
    char reason[QUEUE_REASON_BYTES_MAX + 64];
    snprintf(reason, sizeof reason, "returned by the operator%s%.*s", words.n ? ": " : "",
             SLICE_FMT(words));
    report_add(r, i, (struct smtp_status){5, 0, 0}, SLICE_NONE, slice_cstr(reason), SLICE_NONE,
               SLICE_NONE);
}

void outcome_attempt(struct engine *e, const struct attempt *a)
{
    struct job *j = a->job;
    struct queue_message *m = j->message;
    struct policy_retry p = {e->opt->retry_first_ms, e->opt->retry_max_ms, e->opt->retry_factor};
    int64_t wait_ms = policy_retry_wait_ms(&p, j->attempts + 1, &e->rng);
    bool is_late = !m->is_held && e->now_ms >= queue_born_ms(&e->queue, m) + e->opt->lifetime_ms;
    struct report *bounces = report_new(e, m, MAIL_DSN_FAILED, QUEUE_BOUNCED, a->result_count);
    struct report *relays = report_new(e, m, MAIL_DSN_RELAYED, QUEUE_DELIVERED, a->result_count);
    struct report *expiries = report_new(e, m, MAIL_DSN_FAILED, QUEUE_EXPIRED, a->result_count);
    uint32_t *index = mem_new((a->result_count + 1) * sizeof *index), count = 0;
    for (uint32_t i = 0; i < a->result_count; i++) {
        const struct attempt_result *r = &a->result[i];
        char words[STORY_WORDS_MAX];
        m->recipient[r->recipient].attempts++;
        if (r->verdict == ATTEMPT_DELIVERED) {
            note_attempt(e, a, r, NOTE_DELIVERED);
            set_fate(e, m, r->recipient, QUEUE_DELIVERED,
                     story_words(a->host, a->ip, r->reply, words));
            if (!r->passes_dsn && !m->is_report && m->sender_bytes &&
                report_is_wanted(m, r->recipient, MAIL_DSN_RELAYED))
                report_add(relays, r->recipient, r->status, r->reply, r->reason, a->host, a->ip);
        } else if (m->is_removing) {
            note_removed(e, m, r->recipient);
            set_fate(e, m, r->recipient, QUEUE_REMOVED,
                     story_words(a->host, a->ip, r->reply, words));
        } else if (m->is_bouncing && r->verdict != ATTEMPT_BOUNCE) {
            add_ordered(e, bounces, m, r->recipient);
            continue;
        } else if (is_given_up(e, r)) {
            note_attempt(e, a, r, NOTE_UNSURE);
            report_add(bounces, r->recipient, (struct smtp_status){5, 4, 2}, r->reply,
                       SLICE("it may have been delivered: the connection was lost before the reply "
                             "to the whole message; it is not sent again"),
                       a->host, a->ip);
            continue;
        } else if (r->verdict == ATTEMPT_BOUNCE || is_late) {
            struct report *to = r->verdict == ATTEMPT_BOUNCE ? bounces : expiries;
            report_add(to, r->recipient, r->status, r->reply, r->reason, a->host, a->ip);
            continue; /* recorded with the report */
        } else {
            /* In several parts a recipient may have had more tries than the job. */
            unsigned tries = m->recipient[r->recipient].attempts;
            put_off(e, a, r,
                    tries > (unsigned)j->attempts + 1 ? policy_retry_wait_ms(&p, tries, &e->rng)
                                                      : wait_ms);
        }
        index[count++] = r->recipient;
    }
    if (count)
        spool_outcome(e, m, index, count);
    mem_free(index);
    if (a->is_part)
        j->part_ms = e->now_ms;
    else
        job_after(e, j);
    m->pending++; /* until all three are on their way */
    report_start(e, relays);
    report_start(e, expiries);
    report_start(e, bounces);
    m->pending--;
    spool_settle(e, m);
}

void outcome_whole_job(struct engine *e, struct job *j, enum attempt_verdict verdict,
                       struct smtp_status status, struct slice reason)
{
    const struct queue_message *m = j->message;
    struct attempt_result *result = mem_new(m->recipient_count * sizeof *result);
    uint32_t count = 0;
    for (uint32_t i = j->first_recipient; i != QUEUE_NO_RECIPIENT; i = m->recipient[i].next_in_job)
        if (m->recipient[i].fate == QUEUE_WAITING && !m->recipient[i].is_reporting)
            result[count++] = (struct attempt_result){
                .recipient = i, .verdict = verdict, .status = status, .reason = reason};
    struct attempt a = {.job = j, .result = result, .result_count = count, .started_ms = e->now_ms};
    outcome_attempt(e, &a);
    mem_free(result);
}

void outcome_unresolved(struct engine *e, struct destination *d, bool is_permanent,
                        struct smtp_status status, struct slice reason)
{
    struct note *n = engine_note(e, NOTE_RESOLVE_FAILED, 0);
    engine_tell(e, n, "destination", slice_cstr(d->name));
    engine_tell(e, n, "reason", reason);
    d->line_count++; /* stays while its jobs end */
    if (!is_permanent)
        destination_trouble(e, d, reason);
    int most = is_permanent ? JOBS_A_STEP : 1; /* the others wait for the back-off's end */
    for (int i = 0; i < most && !turns_is_empty(&d->ready) && e->action_count < ACTIONS_ENOUGH &&
                    e->report_count < REPORTS_OUT_MAX;
         i++)
        outcome_whole_job(e, CONTAINER_OF(turns_first(&d->ready), struct job, in_ready),
                          is_permanent ? ATTEMPT_BOUNCE : ATTEMPT_LATER, status, reason);
    d->line_count--;
    if (is_permanent && !turns_is_empty(&d->ready))
        timer_set(e, &d->timer, /* the next step, from the cache */
                  e->now_ms + (e->report_count < REPORTS_OUT_MAX ? 0 : UNRESOLVED_TURN_MS));
    destination_drop_if_unused(e, d);
}

/* A duration in words: the largest unit that loses little. */
struct span {
    char s[32];
};

static struct span span_of(int64_t ms)
{
    static const struct {
        int64_t ms;
        const char *name;
    } unit[] = {{86400000, "days"}, {3600000, "hours"}, {60000, "minutes"}, {1000, "seconds"}};
    int i = 0;
    while (unit[i].ms > 1000 && ms < 2 * unit[i].ms)
        i++;
    struct span out;
    snprintf(out.s, sizeof out.s, "%lld %s", (long long)(ms / unit[i].ms), unit[i].name);
    return out;
}

void outcome_expire(struct engine *e, struct job *j)
{
    struct queue_message *m = j->message;
    struct report *r = report_new(e, m, MAIL_DSN_FAILED, QUEUE_EXPIRED, m->recipient_count);
    struct slice trouble = slice_cstr(j->destination->trouble);
    for (uint32_t i = j->first_recipient; i != QUEUE_NO_RECIPIENT;
         i = m->recipient[i].next_in_job) {
        const struct queue_recipient *q = &m->recipient[i];
        if (q->fate != QUEUE_WAITING || q->is_reporting)
            continue;
        struct span lifetime = span_of(e->opt->lifetime_ms);
        char reason[600];
        struct slice last = q->reason ? slice_cstr(q->reason) : trouble;
        snprintf(reason, sizeof reason, "not delivered within %s%s%.*s", lifetime.s,
                 last.n ? "; the last answer was: " : "", SLICE_FMT(last));
        report_add(r, i, (struct smtp_status){5, 4, 7}, SLICE_NONE, slice_cstr(reason), SLICE_NONE,
                   SLICE_NONE);
    }
    job_after(e, j);
    report_start(e, r);
}

void outcome_warn(struct engine *e, struct job *j)
{
    struct queue_message *m = j->message;
    struct report *r = report_new(e, m, MAIL_DSN_DELAYED, QUEUE_WAITING, m->recipient_count);
    struct slice trouble = slice_cstr(j->destination->trouble);
    for (uint32_t i = j->first_recipient; i != QUEUE_NO_RECIPIENT;
         i = m->recipient[i].next_in_job) {
        const struct queue_recipient *q = &m->recipient[i];
        if (q->fate != QUEUE_WAITING || q->is_reporting || q->is_warned ||
            !report_is_wanted(m, i, MAIL_DSN_DELAYED))
            continue;
        struct slice last = q->reason ? slice_cstr(q->reason) : trouble;
        report_add(r, i, (struct smtp_status){4, 4, 7}, SLICE_NONE,
                   last.n ? last : SLICE("it waits for its turn"), SLICE_NONE, SLICE_NONE);
    }
    report_start(e, r);
}

/* One report for all of them. */
static void bounced(struct engine *e, struct queue_message *m, struct job *only)
{
    struct report *r = report_new(e, m, MAIL_DSN_FAILED, QUEUE_BOUNCED, m->recipient_count);
    struct job *next;
    for (struct job *j = m->jobs; j; j = next) {
        next = j->next_of_message;
        if (j->line || (only && j != only))
            continue;
        for (uint32_t i = j->first_recipient; i != QUEUE_NO_RECIPIENT;
             i = m->recipient[i].next_in_job)
            if (m->recipient[i].fate == QUEUE_WAITING && !m->recipient[i].is_reporting)
                add_ordered(e, r, m, i);
        job_after(e, j);
    }
    report_start(e, r);
}

static void removed(struct engine *e, struct job *j)
{
    struct queue_message *m = j->message;
    uint32_t *index = mem_new(m->recipient_count * sizeof *index), count = 0;
    for (uint32_t i = j->first_recipient; i != QUEUE_NO_RECIPIENT;
         i = m->recipient[i].next_in_job) {
        if (m->recipient[i].fate != QUEUE_WAITING || m->recipient[i].is_reporting)
            continue;
        note_removed(e, m, i);
        set_fate(e, m, i, QUEUE_REMOVED, SLICE("removed by the operator"));
        index[count++] = i;
    }
    spool_outcome(e, m, index, count);
    mem_free(index);
    schedule_end(e, j);
}

void outcome_ordered(struct engine *e, struct queue_message *m, struct job *only)
{
    if (m->is_bouncing) {
        bounced(e, m, only);
        return;
    }
    struct job *next;
    for (struct job *j = m->jobs; j; j = next) {
        next = j->next_of_message;
        if (!j->line && (!only || j == only))
            removed(e, j);
    }
}
