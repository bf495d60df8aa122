/* line.c -- see the header. */
#include "line.h"

#include "mail/idn.h"

enum {
    QUIT_MS = 10000,
    REPLY_BYTES_MAX = 500,
};

void line_drop_transaction(struct line *l)
{
    mem_free(l->recipient);
    mem_free(l->index);
    l->recipient = NULL;
    l->index = NULL;
    l->recipient_count = 0;
    for (uint32_t i = 0; i < l->kept_count; i++)
        mem_free(l->kept[i]);
    mem_free(l->kept);
    l->kept = NULL;
    l->kept_count = 0;
    body_unref(l->body);
    l->body = NULL;
    mail_downgrade_free(l->downgrade);
    l->downgrade = NULL;
    l->waits_body = false;
}

struct slice line_keep(struct line *l, struct slice text)
{
    l->kept = mem_resize(l->kept, (l->kept_count + 1) * sizeof *l->kept);
    l->kept[l->kept_count++] = mem_dup(text.p, text.n);
    return slice_of(l->kept[l->kept_count - 1], text.n);
}

struct slice line_said_as(struct line *l, struct slice address)
{
    bool is_ascii = true;
    for (size_t i = 0; i < address.n && is_ascii; i++)
        is_ascii = (uint8_t)address.p[i] < 0x80;
    struct buf ascii;
    buf_init(&ascii, SMTP_CLIENT_ADDRESS_BYTES_MAX);
    if (!is_ascii && mail_address_to_ascii(address, &ascii))
        address = line_keep(l, buf_slice(&ascii));
    buf_close(&ascii);
    return address;
}

void line_drop_results(struct line *l)
{
    for (uint32_t i = 0; i < l->result_count; i++)
        mem_free((char *)(uintptr_t)l->result[i].reply.p);
    for (uint32_t i = 0; i < l->result_count; i++)
        mem_free((char *)(uintptr_t)l->result[i].rule.p);
    mem_free(l->result);
    l->result = NULL;
    l->result_count = 0;
}

void line_leave_idle(struct line *l)
{
    if (!list_has(&l->in_idle))
        return;
    list_remove(&l->in_idle);
    l->destination->idle_count--;
}

void line_hang_up(struct engine *e, struct line *l, bool is_open)
{
    race_close(e, l, is_open);
    if (l->conn) {
        map_take_id(&e->lines, l->conn);
        if (is_open)
            engine_close_conn(e, l->conn, true);
    }
    l->conn = 0;
    smtp_client_free(l->smtp);
    l->smtp = NULL;
    mem_free(l->token);
    l->token = NULL;
    l->messages = 0;
    l->recipients_most = l->domain_count = 0;
    l->was_idle = l->is_spent = false;
    l->is_in_handshake = l->has_tls_failed = false;
    l->tls_version = SLICE_NONE;
    timer_stop(e, &l->timer);
}

void line_free(struct engine *e, struct line *l)
{
    struct destination *d = l->destination;
    CHECK(!l->job);
    line_leave_idle(l);
    list_remove(&l->in_destination);
    d->line_count--;
    timer_stop(e, &l->timer);
    line_drop_transaction(l);
    line_drop_results(l);
    target_list_unref(l->targets);
    mem_free(l);
    schedule_on_line_gone(e, d);
}

void line_note(struct engine *e, struct line *l, enum note_kind kind, const char *reason)
{
    const struct target *t = line_target(l);
    struct note *n = engine_note(e, kind, l->job ? l->job->message->id : 0);
    engine_tell(e, n, "destination",
                slice_cstr(l->job ? l->job->domain->name : l->destination->name));
    engine_tell(e, n, "host", slice_cstr(t->host));
    struct ip_text ip = ip_port_build(&t->address);
    engine_tell(e, n, "ip", slice_cstr(ip.s));
    if (l->source) {
        struct ip_text source = ip_build(source_ip(l->source, t->address.ip.family));
        engine_tell(e, n, "source", slice_cstr(source.s));
    }
    if (l->tls_version.n)
        engine_tell(e, n, "tls", l->tls_version);
    if (reason)
        engine_tell(e, n, "reason", slice_cstr(reason));
}

void line_flush(struct engine *e, struct line *l, bool wants_drained)
{
    struct slice out = smtp_client_output(l->smtp);
    if (!out.n)
        return;
    engine_send(e, l->conn, out, wants_drained);
    smtp_client_sent(l->smtp, out.n);
}

void line_watch(struct engine *e, struct line *l)
{
    uint32_t wait = smtp_client_wait(l->smtp);
    if (l->watched_state == l->state && l->watched_wait == wait && l->timer.due_ms != INT64_MAX)
        return;
    l->watched_state = l->state;
    l->watched_wait = wait;
    int64_t ms = smtp_client_timeout_ms(l->smtp);
    if (l->state == LINE_IDLE)
        ms = transaction_idle_ms(e, l);
    else if (l->state == LINE_QUITTING)
        ms = QUIT_MS;
    timer_set(e, &l->timer, ms ? e->now_ms + ms : INT64_MAX);
}

bool line_is_decided(const struct line *l, uint32_t recipient)
{
    for (uint32_t i = 0; i < l->result_count; i++)
        if (l->result[i].recipient == recipient)
            return true;
    return false;
}

void line_add_result(struct line *l, uint32_t recipient, enum attempt_verdict verdict,
                     struct smtp_status status, const struct smtp_reply *reply, const char *reason)
{
    if (!(l->result_count & (l->result_count - 1)))
        l->result =
            mem_resize(l->result, (l->result_count ? l->result_count * 2 : 1) * sizeof *l->result);
    struct buf text;
    buf_init(&text, REPLY_BYTES_MAX + 1);
    if (reply)
        smtp_reply_text(reply, &text, REPLY_BYTES_MAX);
    l->result[l->result_count++] = (struct attempt_result){
        .recipient = recipient,
        .verdict = verdict,
        .status = status,
        .passes_dsn = verdict == ATTEMPT_DELIVERED && l->smtp && smtp_client_offers_dsn(l->smtp),
        .reply = slice_of(mem_dup(text.p, text.n), text.n),
        .reason = slice_cstr(reason)};
    buf_close(&text);
}

void line_rule(struct line *l, uint32_t from, const struct shape_ruling *g)
{
    for (uint32_t i = from; i < l->result_count; i++) {
        struct attempt_result *r = &l->result[i];
        r->wait_ms = g->wait_ms;
        r->is_greylisted = g->is_greylisted;
        if (g->rule) /* a copy: new options may come before the attempt is over */
            r->rule = slice_of(mem_dup(g->rule->name.p, g->rule->name.n), g->rule->name.n);
    }
}

bool line_is_open(const struct line *l, uint32_t recipient)
{
    const struct queue_recipient *r = &l->job->message->recipient[recipient];
    bool is_put_off = l->job->part_ms && r->next_ms > l->job->part_ms;
    return r->fate == QUEUE_WAITING && !r->is_reporting && !is_put_off &&
           !line_is_decided(l, recipient);
}

bool line_has_undecided(const struct line *l)
{
    const struct queue_message *m = l->job->message;
    for (uint32_t i = l->job->first_recipient; i != QUEUE_NO_RECIPIENT;
         i = m->recipient[i].next_in_job)
        if (line_is_open(l, i))
            return true;
    return false;
}

void line_decide_rest(struct line *l, enum attempt_verdict verdict, struct smtp_status status,
                      const char *reason)
{
    const struct queue_message *m = l->job->message;
    for (uint32_t i = l->job->first_recipient; i != QUEUE_NO_RECIPIENT;
         i = m->recipient[i].next_in_job)
        if (line_is_open(l, i))
            line_add_result(l, i, verdict, status, NULL, reason);
}

static void tell_outcome(struct engine *e, struct line *l, struct job *j, bool is_part)
{
    const struct target *t = line_target(l);
    struct ip_text ip = ip_build(&t->address.ip);
    struct attempt a = {.job = j,
                        .host = slice_cstr(t->host),
                        .ip = slice_cstr(ip.s),
                        .tls = l->tls_version,
                        .result = l->result,
                        .result_count = l->result_count,
                        .started_ms = l->started_ms,
                        .is_part = is_part};
    outcome_attempt(e, &a);
    line_drop_results(l);
}

void line_end_attempt(struct engine *e, struct line *l)
{
    struct job *j = l->job;
    line_drop_transaction(l);
    l->job = NULL;
    tell_outcome(e, l, j, false);
}

void line_end_part(struct engine *e, struct line *l)
{
    struct queue_message *m = l->job->message;
    for (uint32_t i = l->job->first_recipient; i != QUEUE_NO_RECIPIENT;
         i = m->recipient[i].next_in_job)
        if (line_is_open(l, i) && m->recipient[i].next_ms > e->now_ms)
            m->recipient[i].next_ms = e->now_ms; /* it was tried before its time, with others */
    tell_outcome(e, l, l->job, true);
}
