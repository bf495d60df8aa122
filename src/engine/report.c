/* report.c -- delivery status notifications: which recipients are told of, made, put on disk, and
 * only then their fate counts.
 *
 * A recipient's failure is recorded only after its report is on disk: a crash between the two means
 * a second attempt, never a failure nobody hears of (promise 2).
 *
 *   bounced, expired -> is_reporting -> [header at hand] -> DSN stored -> fate recorded
 *   the report cannot be stored: again in a while, as long as it takes */
#include "report.h"

#include "base/msgid.h"

#include <string.h>

enum {
    REPORT_RETRY_MS = 30 * 1000,
    REPORT_RECIPIENTS_MAX = 100, /* told of in one report */
};

struct report_recipient {
    uint32_t index;
    struct smtp_status status;
    char *reply, *reason, *host, *ip; /* owned */
};

struct report {
    struct list in_engine;
    struct queue_message *message; /* kept alive by its pending count */
    enum mail_dsn_kind kind;
    enum queue_fate fate; /* of the recipients afterwards; QUEUE_WAITING for a delay report */
    uint32_t count;
    struct report_recipient *recipient;
    struct timer timer;
    bool waits_body;
    uint64_t id;  /* of the DSN */
    char *header; /* the original's, from a chunk; owned */
    size_t header_bytes;
    bool has_no_header; /* it cannot be read */
    char *last;         /* who is told where there is no sender; owned. NULL: the sender is */
    struct slice to;
    struct rewrite_text staged; /* the options may change before the report is on disk */
    struct spool_message dsn;
};

static void report_free(struct engine *e, struct report *r)
{
    for (uint32_t i = 0; i < r->count; i++) {
        mem_free(r->recipient[i].reply);
        mem_free(r->recipient[i].reason);
        mem_free(r->recipient[i].host);
        mem_free(r->recipient[i].ip);
    }
    mem_free(r->recipient);
    mem_free(r->header);
    mem_free(r->last);
    body_unref(r->dsn.body);
    timer_stop(e, &r->timer);
    list_remove(&r->in_engine);
    mem_free(r);
    e->report_count--;
}

static void note_fate(struct engine *e, const struct report *r, const struct report_recipient *rr)
{
    const struct queue_message *m = r->message;
    struct note *n = engine_note(e, r->fate == QUEUE_EXPIRED ? NOTE_EXPIRED : NOTE_BOUNCED, m->id);
    engine_tell(e, n, "from", queue_sender(m));
    engine_tell(e, n, "to", queue_address(m, rr->index));
    if (rr->host[0])
        engine_tell(e, n, "host", slice_cstr(rr->host));
    if (rr->ip[0])
        engine_tell(e, n, "ip", slice_cstr(rr->ip));
    struct smtp_status_text status = smtp_status_build(rr->status);
    engine_tell(e, n, "status", slice_cstr(status.s));
    engine_tell(e, n, "reply", slice_cstr(rr->reply[0] ? rr->reply : rr->reason));
    engine_tell_delay(e, n, m->accepted_ms);
}

/* The report is on disk, or there is none to make: now the recipients' fate counts. */
static void report_settle(struct engine *e, struct report *r)
{
    struct queue_message *m = r->message;
    uint32_t *index = mem_new(r->count * sizeof *index);
    for (uint32_t i = 0; i < r->count; i++) {
        const struct report_recipient *rr = &r->recipient[i];
        struct queue_recipient *q = &m->recipient[rr->index];
        index[i] = rr->index;
        if (r->kind != MAIL_DSN_FAILED)
            continue;
        struct queue_state state;
        queue_get_state(m, rr->index, &state);
        char words[STORY_WORDS_MAX];
        state.fate = r->fate;
        state.next_ms = e->now_ms;
        state.reason = story_words(slice_cstr(rr->host), slice_cstr(rr->ip),
                                   slice_cstr(rr->reply[0] ? rr->reply : rr->reason), words);
        q->is_reporting = false;
        queue_set_state(&e->queue, m, rr->index, &state);
        note_fate(e, r, rr);
    }
    if (r->kind != MAIL_DSN_RELAYED) /* that one's fate was recorded when it was relayed */
        spool_outcome(e, m, index, r->count);
    mem_free(index);
    m->pending--;
    report_free(e, r);
    spool_settle(e, m);
}

static struct slice header_of(const struct report *r)
{
    const struct body *b = r->message->body;
    if (r->has_no_header || !b)
        return SLICE_NONE;
    if (r->header)
        return slice_of(r->header, r->header_bytes);
    if (!b->prefix.n) /* of a report of ours that is still in memory */
        return b->tail;
    return slice_of(b->prefix.p, b->prefix.n + b->tail.n); /* side by side */
}

/* RET=FULL is for failures (RFC 3461 section 4.3), and for what fits into the accept record: of a
 * larger message the header comes back. */
static bool is_whole(const struct engine *e, const struct report *r)
{
    const struct queue_message *m = r->message;
    const struct body *b = m->body;
    return r->kind == MAIL_DSN_FAILED && m->ret == MAIL_RET_FULL && !r->has_no_header && b &&
           !b->extent_count && !m->is_binary && !m->requires_tls &&
           m->wire_bytes <= e->opt->returned_bytes_max;
}

static struct slice reader_of(const struct report *r)
{
    return r->last ? slice_cstr(r->last) : queue_sender(r->message);
}

static void build_dsn(struct engine *e, struct report *r, struct buf *out)
{
    const struct queue_message *m = r->message;
    uint32_t count = r->count;
    CHECK(count <= REPORT_RECIPIENTS_MAX);
    struct mail_dsn_recipient *list = mem_new(count * sizeof *list);
    struct smtp_status_text *status = mem_new(count * sizeof *status);
    for (uint32_t i = 0; i < count; i++) {
        const struct report_recipient *rr = &r->recipient[i];
        status[i] = smtp_status_build(rr->status);
        list[i] = (struct mail_dsn_recipient){.final = queue_address(m, rr->index),
                                              .original = queue_orcpt(m, rr->index),
                                              .status = slice_cstr(status[i].s),
                                              .remote_mta = slice_cstr(rr->host),
                                              .remote_ip = slice_cstr(rr->ip),
                                              .diagnostic = slice_cstr(rr->reply),
                                              .reason = slice_cstr(rr->reason),
                                              .last_attempt_ms = e->now_ms};
    }
    struct msgid_text id = msgid_build(m->id), dsn_id = msgid_build(r->id);
    struct mail_dsn d = {.kind = r->kind,
                         .hostname = e->opt->hostname,
                         .sender = reader_of(r),
                         .id = slice_of(id.s, MSGID_CHARS),
                         .dsn_id = slice_of(dsn_id.s, MSGID_CHARS),
                         .envid = queue_envid(m),
                         .header = header_of(r),
                         .is_whole = is_whole(e, r),
                         .arrival_ms = m->accepted_ms,
                         .now_ms = e->now_ms,
                         .retry_until_ms = queue_born_ms(&e->queue, m) + e->opt->lifetime_ms,
                         .recipient = list,
                         .recipient_count = count};
    CHECK(mail_dsn_build(out, &d)); /* its header says how much room always suffices */
    mem_free(list);
    mem_free(status);
}

static void report_store(struct engine *e, struct report *r)
{
    r->id = e->last_msgid = msgid_next(e->last_msgid, e->now_ms);
    struct buf text;
    buf_init(&text,
             MAIL_DSN_BASE_BYTES_MAX + (size_t)REPORT_RECIPIENTS_MAX * MAIL_DSN_EACH_BYTES_MAX);
    build_dsn(e, r, &text);
    char *memory = mem_dup(text.p, text.n);
    body_unref(r->dsn.body);
    r->staged = rewrite_staged(&e->opt->rewrite, reader_of(r));
    r->to = rewrite_text_slice(&r->staged);
    r->dsn = (struct spool_message){
        .id = r->id,
        .envelope = {.accepted_ms = e->now_ms,
                     .wire_bytes = text.n,
                     .is_report = true,
                     .is_8bit = !slice_is_ascii(buf_slice(&text)),
                     .is_utf8 = !slice_is_ascii(reader_of(r)), /* its To field */
                     .recipient_count = 1},
        .recipient = &r->to,
        .body = body_new(memory, text.n, SLICE_NONE, slice_of(memory, text.n)),
    };
    buf_close(&text);
    uint64_t ticket = ticket_new(e, TICKET_REPORT, r, 0, r->message->id);
    if (spool_message(e, &r->dsn, ticket, false))
        return;
    struct ticket t; /* larger than a record may be: try without the original's header */
    CHECK(ticket_take(e, ticket, &t) && !r->has_no_header);
    r->has_no_header = true;
    report_store(e, r);
}

/* The header of a large message stands in its first chunk. */
static void report_fetch_header(struct engine *e, struct report *r)
{
    const struct body *b = r->message->body;
    uint64_t ticket = ticket_new(e, TICKET_HEADER, r, 0, r->message->id);
    struct engine_action *a = engine_do(e, ACTION_FETCH);
    a->ticket = ticket;
    a->id = r->message->id;
    a->pos = b->extent[0];
}

static void report_make(struct engine *e, struct report *r)
{
    struct queue_message *m = r->message;
    if (r->has_no_header) {
        report_store(e, r);
    } else if (!m->body) {
        r->waits_body = true;
        body_fetch(e, m);
    } else if (((struct body *)m->body)->extent_count && !r->header) {
        report_fetch_header(e, r);
    } else {
        report_store(e, r);
    }
}

void report_on_body(struct engine *e, struct queue_message *m)
{
    struct list *next;
    for (struct list *l = e->reports.next; l != &e->reports; l = next) {
        next = l->next;
        struct report *r = CONTAINER_OF(l, struct report, in_engine);
        if (r->message != m || !r->waits_body)
            continue;
        r->waits_body = false;
        r->has_no_header = !m->body; /* it cannot be read: a report without it beats none */
        report_make(e, r);
    }
}

void report_on_header(struct engine *e, struct report *r, enum err err,
                      const struct journal_record *record)
{
    const struct body *b = r->message->body;
    if (err || !b) {
        r->has_no_header = true;
    } else {
        r->header_bytes = b->prefix.n + record->payload.n;
        r->header = mem_new(r->header_bytes + 1);
        memcpy(r->header, b->prefix.p, b->prefix.n);
        memcpy(r->header + b->prefix.n, record->payload.p, record->payload.n);
    }
    report_store(e, r);
}

void report_on_stored(struct engine *e, struct report *r, enum err err, struct journal_pos pos)
{
    if (err) {
        timer_set(e, &r->timer, e->now_ms + REPORT_RETRY_MS);
        return;
    }
    struct note *n = engine_note(e, NOTE_REPORTED, r->id);
    struct msgid_text about = msgid_build(r->message->id);
    engine_tell(e, n, "about", slice_cstr(about.s));
    engine_tell(e, n, "to", r->to);
    static const char *const kind[] = {[MAIL_DSN_FAILED] = "failed",
                                       [MAIL_DSN_DELAYED] = "delayed",
                                       [MAIL_DSN_RELAYED] = "relayed"};
    note_text(n, "kind", slice_cstr(kind[r->kind]));
    (void)spool_stored(e, &r->dsn, pos);
    report_settle(e, r);
}

void report_on_timer(struct engine *e, struct timer *t)
{
    report_make(e, CONTAINER_OF(t, struct report, timer));
}

struct report *report_new(struct engine *e, struct queue_message *m, enum mail_dsn_kind kind,
                          enum queue_fate fate, uint32_t room)
{
    struct report *r = mem_new(sizeof *r);
    r->message = m;
    r->kind = kind;
    r->fate = fate;
    r->recipient = mem_new((room ? room : 1) * sizeof *r->recipient);
    timer_init(&r->timer, TIMER_REPORT);
    list_add_last(&e->reports, &r->in_engine);
    e->report_count++;
    m->pending++;
    return r;
}

static char *dup_text(struct slice s)
{
    return mem_dup(s.p, s.n);
}

void report_add(struct report *r, uint32_t index, struct smtp_status status, struct slice reply,
                struct slice reason, struct slice host, struct slice ip)
{
    struct queue_recipient *q = &r->message->recipient[index];
    if (r->kind == MAIL_DSN_DELAYED)
        q->is_warned = true;
    else if (r->kind == MAIL_DSN_FAILED)
        q->is_reporting = true;
    r->recipient[r->count++] = (struct report_recipient){.index = index,
                                                         .status = status,
                                                         .reply = dup_text(reply),
                                                         .reason = dup_text(reason),
                                                         .host = dup_text(host),
                                                         .ip = dup_text(ip)};
}

bool report_is_wanted(const struct queue_message *m, uint32_t i, enum mail_dsn_kind kind)
{
    static const unsigned asked[] = {[MAIL_DSN_FAILED] = MAIL_NOTIFY_FAILURE,
                                     [MAIL_DSN_DELAYED] = MAIL_NOTIFY_DELAY,
                                     [MAIL_DSN_RELAYED] = MAIL_NOTIFY_SUCCESS};
    unsigned notify = queue_notify(m, i);
    return notify ? (notify & asked[kind]) != 0 : kind != MAIL_DSN_RELAYED;
}

static void tell_dropped(struct engine *e, const struct queue_message *m, const char *reason)
{
    note_text(engine_note(e, NOTE_REPORT_DROPPED, m->id), "reason", slice_cstr(reason));
}

/* Their fate counts at once: the sender said NOTIFY (RFC 3461 section 4.1), and not this. */
static void settle_unwanted(struct engine *e, struct report *r)
{
    struct report *quiet = report_new(e, r->message, r->kind, r->fate, r->count);
    uint32_t left = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        bool is_wanted = report_is_wanted(r->message, r->recipient[i].index, r->kind);
        *(is_wanted ? &r->recipient[left++] : &quiet->recipient[quiet->count++]) = r->recipient[i];
    }
    r->count = left;
    if (quiet->count) {
        tell_dropped(e, r->message, "the sender asked for none");
        report_settle(e, quiet);
    } else {
        r->message->pending--;
        report_free(e, quiet);
    }
}

/* Without a sender nobody would hear of it (RFC 5321 6.1: never a report to whom a report could
 * not be delivered), unless somebody is named for that; and never twice. */
static bool has_reader(struct engine *e, struct report *r)
{
    const struct queue_message *m = r->message;
    struct slice last = e->opt->double_bounces_to;
    if (m->sender_bytes && !m->is_report)
        return true;
    if (!last.n || r->kind != MAIL_DSN_FAILED || m->sender_bytes)
        return false;
    for (uint32_t i = 0; i < r->count; i++)
        if (slice_eq_nocase(queue_address(m, r->recipient[i].index), last))
            return false;
    r->last = dup_text(last);
    return true;
}

/* Starts what report_new and report_add have prepared. */
void report_start(struct engine *e, struct report *r)
{
    struct queue_message *m = r->message;
    if (!r->count) {
        m->pending--;
        report_free(e, r);
        return;
    }
    if (!has_reader(e, r)) {
        tell_dropped(e, m, m->is_report ? "it is a report itself" : "null sender");
        report_settle(e, r);
        return;
    }
    m->pending++; /* settling the unwanted must not end it */
    settle_unwanted(e, r);
    m->pending--;
    if (!r->count) {
        m->pending--;
        report_free(e, r);
        spool_settle(e, m);
        return;
    }
    while (r->count > REPORT_RECIPIENTS_MAX) { /* several reports, so that all are told of */
        struct report *part = report_new(e, m, r->kind, r->fate, REPORT_RECIPIENTS_MAX);
        part->last = r->last ? dup_text(slice_cstr(r->last)) : NULL;
        r->count -= part->count = REPORT_RECIPIENTS_MAX;
        memcpy(part->recipient, r->recipient + r->count, part->count * sizeof *r->recipient);
        report_make(e, part);
    }
    report_make(e, r);
}

void report_close(struct engine *e)
{
    for (struct list *l; (l = e->reports.next) != &e->reports;) {
        struct report *r = CONTAINER_OF(l, struct report, in_engine);
        r->message->pending--;
        report_free(e, r);
    }
}
