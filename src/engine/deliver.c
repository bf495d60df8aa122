/* deliver.c -- station 5: outgoing connections (lines) and the jobs they carry.
 *
 *   CONNECTING -> TALKING (greeting, EHLO, TLS, AUTH) -> READY <-> BUSY (a job's transaction)
 *   READY without a job: IDLE for a moment -> QUITTING -> gone
 *   no connection, or the session of no use: next target with the same job; no target left: outcome
 *
 * The SMTP talk is smtp_client's. A line belongs to a destination, knows where in the list of
 * targets it is, and keeps what each recipient of its job was told until the attempt is over. */
#include "health.h"
#include "line.h"
#include "route_host.h"
#include "token.h"

#include <stdio.h>
#include <string.h>

enum {
    REPLY_BYTES_MAX = 500,
    IMPLICIT_TLS_PORT = 465,
};

/* Slots */

bool deliver_has_slot(const struct engine *e)
{
    return e->lines.count < e->opt->out_connections_max;
}

uint64_t deliver_idle_count(const struct engine *e)
{
    uint64_t n = 0;
    for (const struct list *l = e->idle_lines.next; l != &e->idle_lines; l = l->next)
        n++;
    return n;
}

/* Connecting */

/* Before it said a word. */
static void host_fails(struct engine *e, struct line *l, const char *why)
{
    line_fail(e, l, (struct policy_answer){.scope = SMTP_SCOPE_HOST}, why);
}

void deliver_start(struct engine *e, struct destination *d, struct job *j)
{
    struct line *l = mem_new(sizeof *l);
    l->destination = d;
    l->targets = route_host_targets(e, d);
    l->job = j;
    j->line = l;
    l->started_ms = e->now_ms;
    timer_init(&l->timer, TIMER_LINE);
    l->race.tried = health_dead(e, d, l->targets);
    list_add_last(&d->lines, &l->in_destination);
    d->line_count++;
    race_begin(e, l);
    l->ordered_at_conn = e->last_conn;
}

static enum smtp_client_tls tls_mode(const struct line *l)
{
    if (line_target(l)->address.port == IMPLICIT_TLS_PORT && l->destination->host_count)
        return SMTP_CLIENT_TLS_IMPLICIT;
    switch (l->destination->tls) {
    case DELIVERY_TLS_NONE:
        return SMTP_CLIENT_TLS_NONE;
    case DELIVERY_TLS_OPPORTUNISTIC:
        return l->has_no_tls ? SMTP_CLIENT_TLS_NONE : SMTP_CLIENT_TLS_OPPORTUNISTIC;
    case DELIVERY_TLS_REQUIRE:
    case DELIVERY_TLS_VERIFY:
        return SMTP_CLIENT_TLS_REQUIRED;
    }
    return SMTP_CLIENT_TLS_REQUIRED;
}

static void start_tls(struct engine *e, struct line *l)
{
    struct slice host = slice_cstr(line_target(l)->host);
    struct ip ip;
    bool is_address = ip_parse(host, &ip) || ip_literal_parse(host, &ip);
    struct slice kept = engine_keep(e, is_address ? SLICE_NONE : host);
    struct slice certificate = engine_keep(e, slice_cstr(l->destination->certificate));
    struct engine_action *a = engine_do(e, ACTION_TLS_CLIENT);
    a->conn = l->conn;
    a->text = kept;
    a->needs_verify = l->destination->tls == DELIVERY_TLS_VERIFY;
    a->certificate = certificate;
    l->is_in_handshake = true;
}

void deliver_on_connected(struct engine *e, struct line *l, const struct engine_event *ev)
{
    const struct destination *d = l->destination;
    race_on_connected(e, l, ev->conn);
    l->state = LINE_TALKING;
    l->opened_ms = e->now_ms;
    l->token = token_lend(e, d);
    if (d->account && !l->token) {
        host_fails(e, l, "there is no access token any more");
        return;
    }
    l->options = (struct smtp_client_options){
        .helo = l->source && l->source->helo.n ? l->source->helo : slice_cstr(d->helo),
        .tls = tls_mode(l),
        .user = slice_cstr(d->user),
        .password = slice_cstr(d->password),
        .mechanisms = d->mechanisms,
        .has_certificate = d->certificate && d->certificate[0],
        .token = slice_cstr(l->token),
        .allows_plain_auth = d->tls == DELIVERY_TLS_NONE,
        .greeting_ms = d->limits.greeting_ms,
        .command_ms = d->limits.command_ms,
        .data_ms = d->limits.data_ms,
        .final_ms = d->limits.final_ms,
    };
    l->smtp = smtp_client_new(&l->options);
    if (l->options.tls == SMTP_CLIENT_TLS_IMPLICIT) {
        start_tls(e, l);
        timer_set(e, &l->timer, e->now_ms + d->limits.command_ms);
        return;
    }
    smtp_client_on_connected(l->smtp);
    deliver_pump(e, l);
}

void deliver_on_tls(struct engine *e, struct line *l, const struct engine_tls *tls)
{
    l->tls_version = tls->version;
    l->is_in_handshake = false;
    if (l->destination->tls == DELIVERY_TLS_VERIFY && !tls->is_verified) {
        host_fails(e, l, "its certificate was not verified"); /* the shell refuses it first */
        return;
    }
    deliver_login_bind(l, tls);
    if (l->options.tls == SMTP_CLIENT_TLS_IMPLICIT)
        smtp_client_on_connected(l->smtp);
    else
        smtp_client_on_tls(l->smtp);
    deliver_pump(e, l);
}

/* Transactions */

static void begin(struct engine *e, struct line *l)
{
    struct job *j = l->job;
    struct queue_message *m = j->message;
    uint32_t count = 0;
    l->recipient = mem_new(m->recipient_count * sizeof *l->recipient);
    l->index = mem_new(m->recipient_count * sizeof *l->index);
    for (uint32_t i = j->first_recipient; i != QUEUE_NO_RECIPIENT;
         i = m->recipient[i].next_in_job) {
        if (!line_is_open(l, i) || !transaction_fits(l, i, count))
            continue;
        l->index[count] = i;
        l->recipient[count++] =
            (struct smtp_client_recipient){.address = line_said_as(l, queue_address(m, i)),
                                           .notify = queue_notify(m, i),
                                           .orcpt = queue_orcpt(m, i)};
    }
    if (!count) { /* none of them fits on this connection any more */
        CHECK(l->messages > 0);
        transaction_return(e, l);
        l->state = LINE_QUITTING;
        smtp_client_quit(l->smtp);
        return;
    }
    l->recipient_count = count;
    l->message = (struct smtp_client_message){.sender = line_said_as(l, queue_sender(m)),
                                              .recipient = l->recipient,
                                              .recipient_count = count,
                                              .wire_bytes = m->wire_bytes,
                                              .is_8bit = m->is_8bit,
                                              .is_binary = m->is_binary,
                                              .needs_utf8 = m->is_utf8,
                                              .requires_tls = m->requires_tls,
                                              .ret = (enum mail_ret)m->ret,
                                              .envid = queue_envid(m)};
    deliver_body_judge(e, l);
    if (!l->downgrade)
        transaction_set_whole(e, l);
    l->state = LINE_BUSY;
    l->is_too_many = l->has_begun = l->waits_drain = l->is_fetching = false;
    smtp_client_begin(l->smtp, &l->message);
}

/* The line has a job and the session is ready: the body first, then MAIL. */
void deliver_carry(struct engine *e, struct line *l)
{
    struct queue_message *m = l->job->message;
    l->state = LINE_BUSY;
    if (l->body) { /* the last transaction's */
        begin(e, l);
        return;
    }
    if (!m->body) {
        l->waits_body = true;
        body_fetch(e, m);
        return;
    }
    l->body = m->body;
    body_ref(l->body);
    begin(e, l);
}

static void go_idle(struct engine *e, struct line *l)
{
    l->state = LINE_IDLE;
    list_add_last(&e->idle_lines, &l->in_idle);
    l->destination->idle_count++;
}

void deliver_quit(struct engine *e, struct line *l)
{
    line_leave_idle(l);
    l->state = LINE_QUITTING;
    smtp_client_quit(l->smtp);
    deliver_pump(e, l);
}

void deliver_on_ready(struct engine *e, struct line *l)
{
    struct destination *d = l->destination;
    if (!l->was_ready) {
        l->was_ready = true;
        d->is_login_good = true;
        destination_well(e, d);
        health_well(d, &line_target(l)->address);
        token_on_taken(e, l);
    }
    route_host_works(e, l);
    if (!l->messages && l->job)
        line_note(e, l, NOTE_OUTGOING, NULL);
    bool is_enough = !transaction_may_begin(e, l) || shape_has_too_many(e, d) ||
                     (!l->job && route_host_leaves(e, l));
    if (!l->job && !is_enough) {
        struct job *j = schedule_take(e, d);
        if (j) {
            l->job = j;
            j->line = l;
            l->started_ms = e->now_ms;
        }
    }
    if (l->job)
        deliver_carry(e, l);
    else if (e->is_stopping || is_enough || !transaction_may_begin(e, l) || !d->limits.idle_ms ||
             d->generation != e->generation)
        l->state = LINE_QUITTING, smtp_client_quit(l->smtp);
    else
        go_idle(e, l);
}

bool deliver_on_idle(struct engine *e, struct destination *d)
{
    if (!d->idle_count)
        return false;
    for (struct list *i = d->lines.next; i != &d->lines; i = i->next) {
        struct line *l = CONTAINER_OF(i, struct line, in_destination);
        if (l->state != LINE_IDLE || !transaction_may_begin(e, l))
            continue;
        struct job *j = schedule_take(e, d);
        if (!j)
            return false;
        line_leave_idle(l);
        l->was_idle = true;
        l->job = j;
        j->line = l;
        l->started_ms = e->now_ms;
        deliver_carry(e, l);
        deliver_pump(e, l);
        return true;
    }
    return false;
}

bool deliver_make_slot(struct engine *e)
{
    if (list_is_empty(&e->idle_lines))
        return false;
    struct line *l = CONTAINER_OF(e->idle_lines.next, struct line, in_idle);
    deliver_quit(e, l); /* the slot is free when the line has gone */
    return deliver_has_slot(e);
}

static void on_recipient(struct engine *e, struct line *l, const struct smtp_client_event *ev)
{
    uint32_t recipient = l->index[ev->index];
    if (ev->is_delivered) {
        line_add_result(l, recipient, ATTEMPT_DELIVERED, (struct smtp_status){2, 0, 0}, ev->reply,
                        NULL);
        return;
    }
    struct policy_answer a = {
        .scope = ev->scope, .reply = ev->reply, .has_others = smtp_client_accepted(l->smtp) > 0};
    enum policy_verdict v = policy_outcome(&a);
    if (v == POLICY_NEXT_TRANSACTION) {
        if (!l->is_too_many)
            l->recipients_most = smtp_client_accepted(l->smtp);
        l->is_too_many = true;
        return;
    }
    enum race_refusal refusal = race_on_refusal(e, l, ev->reply);
    if (refusal == RACE_GOES_ON)
        return; /* undecided: the job goes on, by IPv4, when this transaction is over */
    if (refusal == RACE_GOES_ON_LATER && v == POLICY_BOUNCE)
        v = POLICY_LATER;
    if (v == POLICY_DELIVERED || v == POLICY_NEXT_HOST)
        return; /* accepted so far, or the session's trouble: FAILED says what becomes of it */
    struct shape_ruling ruling;
    a.has_next_host = line_has_next_host(e, l);
    v = shape_judge(e, l, &a, v, &ruling);
    if (v == POLICY_NEXT_HOST) {
        l->goes_on = true;
        return;
    }
    line_add_result(l, recipient, v == POLICY_BOUNCE ? ATTEMPT_BOUNCE : ATTEMPT_LATER,
                    ruling.status, ev->reply, NULL);
    line_rule(l, l->result_count - 1, &ruling);
}

/* The session is over before its time. True: the line is gone or goes on elsewhere. */
static void on_failed(struct engine *e, struct line *l, const struct smtp_client_event *ev)
{
    char why[400];
    struct buf text;
    buf_init(&text, REPLY_BYTES_MAX + 1);
    if (ev->reply)
        smtp_reply_text(ev->reply, &text, REPLY_BYTES_MAX);
    snprintf(why, sizeof why, "%s%s%.300s", ev->reason ? ev->reason : "",
             ev->reason && text.n ? ": " : "", buf_cstr(&text));
    buf_close(&text);
    if (smtp_client_is_login_refused(l->smtp))
        deliver_login_refused(e, l, why);
    if (!l->job) { /* idle or quitting: nobody is touched */
        line_hang_up(e, l, true);
        line_free(e, l);
        return;
    }
    line_fail(
        e, l,
        (struct policy_answer){.scope = ev->scope, .reply = ev->reply, .is_unsure = ev->is_unsure},
        why);
}

static void on_close(struct engine *e, struct line *l)
{
    if (l->conn) { /* else the remote was faster */
        line_flush(e, l, false);
        engine_close_conn(e, l->conn, false);
    }
    line_hang_up(e, l, false);
    line_free(e, l);
}

/* Pulls what the machine has to say. The line may be gone afterwards. */
void deliver_pump(struct engine *e, struct line *l)
{
    for (;;) {
        if (l->state == LINE_IDLE && !smtp_client_is_ready(l->smtp))
            line_leave_idle(l);
        struct smtp_client_event ev = smtp_client_next(l->smtp);
        switch (ev.kind) {
        case SMTP_CLIENT_NEEDS_INPUT:
            line_flush(e, l, false);
            line_watch(e, l);
            return;
        case SMTP_CLIENT_START_TLS:
            line_flush(e, l, false);
            start_tls(e, l);
            break;
        case SMTP_CLIENT_SUM:
            deliver_login_sum(e, l, ev.sum);
            break;
        case SMTP_CLIENT_READY:
            deliver_on_ready(e, l);
            break;
        case SMTP_CLIENT_RECIPIENT:
            on_recipient(e, l, &ev);
            break;
        case SMTP_CLIENT_BODY:
            deliver_body_due(e, l);
            break;
        case SMTP_CLIENT_DONE:
            race_on_done(e, l);
            l->messages++;
            destination_success(e, l->destination);
            if (l->goes_on) {
                line_go_on(e, l);
                return;
            }
            l->state = LINE_TALKING;
            if (!transaction_goes_on(e, l))
                line_end_attempt(e, l);
            break;
        case SMTP_CLIENT_FAILED:
            on_failed(e, l, &ev);
            return;
        case SMTP_CLIENT_CLOSE:
            on_close(e, l);
            return;
        }
    }
}

void deliver_on_bytes(struct engine *e, struct line *l, struct slice in)
{
    if (!l->smtp)
        return;
    smtp_client_on_bytes(l->smtp, in);
    deliver_pump(e, l);
}

void deliver_on_closed(struct engine *e, struct line *l, const struct engine_event *ev)
{
    char why[200];
    if (!l->smtp) {
        race_on_closed(e, l, ev);
        return;
    }
    snprintf(why, sizeof why, "%.*s", SLICE_FMT(slice_head(ev->text, sizeof why - 1)));
    map_take_id(&e->lines, l->conn);
    l->conn = 0;
    l->has_tls_failed = ev->err == ERR_TLS || l->is_in_handshake;
    smtp_client_on_closed(l->smtp, why);
    deliver_pump(e, l);
}

void deliver_on_timer(struct engine *e, struct timer *t)
{
    struct line *l = CONTAINER_OF(t, struct line, timer);
    if (!l->smtp) {
        race_on_timer(e, l);
        return;
    }
    switch (l->state) {
    case LINE_IDLE:
        deliver_quit(e, l);
        return;
    case LINE_QUITTING:
        on_close(e, l);
        return;
    case LINE_CONNECTING:
    case LINE_TALKING:
    case LINE_BUSY:
        break;
    }
    l->has_tls_failed = l->is_in_handshake;
    smtp_client_on_timeout(l->smtp);
    deliver_pump(e, l);
}

void deliver_quit_idle(struct engine *e)
{
    while (!list_is_empty(&e->idle_lines))
        deliver_quit(e, CONTAINER_OF(e->idle_lines.next, struct line, in_idle));
}

void deliver_close(struct engine *e)
{
    size_t at = 0;
    for (struct map_entry *m; (m = map_next(&e->lines, &at)); at = 0) {
        struct line *l = m->value;
        map_take_id(&e->lines, l->conn);
        for (unsigned i = 0; i < l->race.count; i++)
            map_take_id(&e->lines, l->race.attempt[i].conn);
        smtp_client_free(l->smtp);
        mem_free(l->token);
        line_leave_idle(l);
        list_remove(&l->in_destination);
        l->destination->line_count--;
        if (l->job)
            l->job->line = NULL;
        timer_stop(e, &l->timer);
        line_drop_transaction(l);
        line_drop_results(l);
        target_list_unref(l->targets);
        mem_free(l);
    }
}
