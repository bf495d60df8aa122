/* submit.c -- station 1: sessions of clients, from the connection to its end.
 *
 * The SMTP talk is smtp_server's, the message submit_mail's; here is when a client is listened to,
 * how long it is waited for, and what of its input is held while something is asked. */
#include "engine/engine_view.h"
#include "guard.h"
#include "policy/policy_accept.h"
#include "session.h"
#include "submit_certificate.h"
#include "submit_proxy.h"
#include "submit_rate.h"
#include "submit_struck.h"
#include "usage.h"

enum {
    CHUNKS_OUT_MAX = 3, /* unwritten chunks of one session before it has to wait */
    HELD_BYTES_MAX =
        128 * 1024, /* input kept while an answer is outstanding: one read and a half */
    OUTPUT_BURST_BYTES = 32 * 1024, /* replies sent without waiting for the client to read them */
};

static void session_free(struct engine *e, struct session *s)
{
    map_take_id(&e->sessions, s->conn);
    submit_mail_drop(e, s);
    submit_limit_close(&s->limit, &e->places);
    timer_stop(e, &s->timer);
    buf_close(&s->held);
    smtp_server_free(s->smtp);
    submit_profile_unref(s->profile);
    mem_free(s->local);
    mem_free(s);
}

struct note *session_note(struct engine *e, struct session *s, enum note_kind kind, uint64_t id)
{
    struct note *n = engine_note(e, kind, id);
    struct ip_text ip = ip_build(&s->peer.ip);
    engine_tell(e, n, "ip", s->local ? slice_cstr(s->local) : slice_cstr(ip.s));
    if (smtp_server_user(s->smtp).n)
        engine_tell(e, n, "user", smtp_server_user(s->smtp));
    return n;
}

static void flush(struct engine *e, struct session *s)
{
    struct slice out = smtp_server_output(s->smtp);
    submit_struck_by_machine(e, s);
    if (!out.n)
        return;
    submit_limit_on_progress(&s->limit, e->now_ms); /* a reply: it has finished something */
    s->burst_bytes += out.n;
    bool is_burst = s->burst_bytes >= OUTPUT_BURST_BYTES;
    if (is_burst)
        s->burst_bytes = 0;
    engine_send(e, s->conn, out, is_burst);
    smtp_server_sent(s->smtp, out.n);
    s->is_draining |= is_burst;
}

static void session_close(struct engine *e, struct session *s)
{
    flush(e, s);
    session_note(e, s, NOTE_DISCONNECTED, 0);
    engine_close_conn(e, s->conn, false);
    session_free(e, s);
}

/* Before anything was said: no reply would be understood. */
static void close_early(struct engine *e, struct session *s)
{
    engine_close_conn(e, s->conn, true);
    session_free(e, s);
}

static bool must_wait(const struct session *s)
{
    return smtp_server_awaits_answer(s->smtp) || s->is_draining ||
           (s->intake && s->intake->chunks_out >= CHUNKS_OUT_MAX);
}

static int64_t began_ms(const struct session *s)
{
    return s->intake ? s->intake->began_ms : 0;
}

static void watch(struct engine *e, struct session *s)
{
    bool is_ours = must_wait(s) && (!s->is_draining || smtp_server_awaits_answer(s->smtp));
    if (must_wait(s) || !smtp_server_in_body(s->smtp))
        submit_limit_on_pause(&s->limit);
    else if (!s->limit.window_ms)
        submit_limit_on_minute(&s->limit, e->now_ms);
    submit_limit_on_phase(&s->limit, smtp_server_phase(s->smtp), e->now_ms);
    int64_t due_ms = submit_limit_due_ms(&s->limit, e->opt, began_ms(s));
    if (is_ours)
        due_ms = s->login.due_ms ? s->login.due_ms : INT64_MAX;
    timer_set(e, &s->timer, due_ms);
}

static void set_reading(struct engine *e, struct session *s)
{
    /* While the client waits for us one read is let in: a client that leaves is noticed then. */
    bool is_listening = smtp_server_awaits_answer(s->smtp) && !s->is_draining && s->held.n == 0;
    bool is_on = !must_wait(s) || is_listening;
    if (is_on == s->is_reading)
        return;
    s->is_reading = is_on;
    struct engine_action *a = engine_do(e, ACTION_READ);
    a->conn = s->conn;
    a->is_on = is_on;
}

static void on_login(struct engine *e, struct session *s, const struct smtp_server_event *ev)
{
    struct smtp_answer a;
    if (!submit_login_ask(e, &s->login, ev, &a))
        smtp_server_on_login(s->smtp, a);
}

static void on_starttls(struct engine *e, struct session *s)
{
    flush(e, s);
    struct engine_action *a = engine_do(e, ACTION_TLS_SERVER);
    a->conn = s->conn;
    a->asks_certificate = s->profile->certificates != LISTENER_CERTIFICATES_NONE;
}

/* False: the session is gone. */
static bool on_event(struct engine *e, struct session *s, const struct smtp_server_event *ev)
{
    switch (ev->kind) {
    case SMTP_SERVER_NEEDS_INPUT:
        break;
    case SMTP_SERVER_STARTTLS:
        on_starttls(e, s);
        break;
    case SMTP_SERVER_LOGIN:
        on_login(e, s, ev);
        break;
    case SMTP_SERVER_MAIL:
        submit_mail_on_mail(e, s, ev);
        break;
    case SMTP_SERVER_RCPT:
        submit_mail_on_rcpt(e, s, ev);
        break;
    case SMTP_SERVER_DATA:
        submit_mail_on_data(e, s);
        break;
    case SMTP_SERVER_BODY:
        intake_body(e, s->intake, ev->body);
        break;
    case SMTP_SERVER_BODY_END:
        submit_mail_on_body_end(e, s);
        break;
    case SMTP_SERVER_BODY_ABORT:
    case SMTP_SERVER_RESET:
        submit_mail_drop(e, s);
        break;
    case SMTP_SERVER_CLOSE:
        session_close(e, s);
        return false;
    }
    return true;
}

/* Feeds until something has to be waited for. False: the session is gone. */
static bool feed(struct engine *e, struct session *s, struct slice *in)
{
    while (!must_wait(s)) {
        size_t used = 0;
        struct smtp_server_event ev = smtp_server_feed(s->smtp, *in, &used);
        *in = slice_from(*in, used);
        if (!on_event(e, s, &ev))
            return false;
        if (ev.kind == SMTP_SERVER_NEEDS_INPUT) {
            flush(e, s); /* one write for a pipelined group */
            if (!in->n)
                break;
        }
    }
    flush(e, s);
    return true;
}

/* Stopping: who is between messages goes now, the others after their message. */
static bool leave_if_stopping(struct engine *e, struct session *s)
{
    if (e->is_stopping && s->stage != SESSION_TALK) {
        close_early(e, s);
        return true;
    }
    if (!e->is_stopping || !smtp_server_is_idle(s->smtp) || smtp_server_awaits_answer(s->smtp))
        return false;
    smtp_server_shutdown(s->smtp, "shutting down, try again later");
    session_close(e, s);
    return true;
}

/* Where a session stands after all it could do now was done; it may be gone afterwards. */
static void settle(struct engine *e, struct session *s)
{
    if (leave_if_stopping(e, s))
        return;
    set_reading(e, s);
    watch(e, s);
}

/* An answer came or the client has read: go on with what was held. */
void session_resume(struct engine *e, struct session *s)
{
    struct buf held = s->held;
    buf_init(&s->held, HELD_BYTES_MAX);
    struct slice in = buf_slice(&held);
    if (!feed(e, s, &in)) {
        buf_close(&held);
        return;
    }
    if (in.n)
        buf_add(&s->held, in);
    buf_close(&held);
    settle(e, s);
}

static void talk_bytes(struct engine *e, struct session *s, struct slice in)
{
    if (smtp_server_in_body(s->smtp))
        submit_limit_on_body(&s->limit, e->opt, in.n, e->now_ms);
    if (s->held.n == 0 && !feed(e, s, &in))
        return;
    if (in.n && !buf_add(&s->held, in)) {
        /* It went on sending though nobody read: the driver's slip or an abuse of pipelining. */
        submit_struck_end(e, s, NOTE_LIMIT_UNREAD_INPUT, SLICE("input without end"));
        engine_close_conn(e, s->conn, true);
        session_free(e, s);
        return;
    }
    settle(e, s);
}

static void tell_connected(struct engine *e, struct session *s)
{
    struct note *n = session_note(e, s, NOTE_CONNECTED, 0);
    struct ip_text proxy = ip_build(&s->proxy);
    if (proxy.s[0])
        engine_tell(e, n, "proxy", slice_cstr(proxy.s));
}

/* Who it is is known: greets, or says why not. False: the session is gone. */
static bool admit(struct engine *e, struct session *s)
{
    bool is_unix = s->local != NULL;
    s->stage = SESSION_TALK;
    s->is_trusted =
        is_unix || (!s->is_nameless && policy_is_trusted(&s->peer.ip, e->opt->trusted_networks,
                                                         e->opt->trusted_network_count));
    s->login = (struct submit_login){
        .conn = s->conn, .from = s->peer.ip, .is_trusted = s->is_trusted, .is_unix = is_unix};
    smtp_server_set_peer(s->smtp, &s->peer.ip, s->is_trusted);
    tell_connected(e, s);
    const char *why = NULL;
    enum note_limit limit = NOTE_NO_LIMIT;
    bool is_counted = !s->is_trusted && !s->is_nameless;
    if (!submit_limit_init(&s->limit, &e->places, e->opt, &s->peer.ip, s->handshakes_there,
                           is_counted, e->now_ms)) {
        limit = NOTE_LIMIT_ADDRESS_CONNECTIONS;
        why = "too many connections from your address, try again later";
    }
    if (e->sessions.count + s->handshakes > e->opt->connections_max) {
        limit = NOTE_LIMIT_CONNECTIONS;
        why = "too many connections, try again later";
    }
    if (e->is_stopping) {
        limit = NOTE_NO_LIMIT;
        why = "shutting down";
    }
    if (why) {
        submit_struck_end(e, s, limit, slice_cstr(why));
        smtp_server_refuse(s->smtp, 421, why);
        session_close(e, s);
        return false;
    }
    return true;
}

static void begin_talk(struct engine *e, struct session *s)
{
    if (!admit(e, s))
        return;
    if (s->profile->tls != LISTENER_TLS_IMPLICIT)
        smtp_server_greet(s->smtp);
    flush(e, s);
    watch(e, s);
}

void submit_on_accepted(struct engine *e, const struct engine_event *ev)
{
    if (ev->listener >= e->profile_count) { /* its listener went with a reload */
        engine_close_conn(e, ev->conn, true);
        return;
    }
    struct session *s = mem_new(sizeof *s);
    s->conn = ev->conn;
    s->profile = e->profile[ev->listener];
    s->profile->refs++;
    s->smtp = smtp_server_new(&s->profile->smtp);
    s->peer = ev->peer;
    if (ev->is_unix)
        s->local = ev->text.n ? mem_dup(ev->text.p, ev->text.n) : mem_dup("local", 5);
    s->is_reading = true;
    timer_init(&s->timer, TIMER_SESSION);
    buf_init(&s->held, HELD_BYTES_MAX);
    map_put_id(&e->sessions, s->conn, s);
    s->handshakes = ev->handshakes;
    s->handshakes_there = ev->handshakes_there;
    if (!submit_proxy_begin(e, s, ev))
        begin_talk(e, s);
}

/* What a proxy's connection begins with. */
static void header_bytes(struct engine *e, struct session *s, struct slice in)
{
    struct slice rest;
    if (!buf_add(&s->held, in)) { /* more than one read of the driver */
        close_early(e, s);
        return;
    }
    enum parse p = submit_proxy_read(e, s, buf_slice(&s->held), &rest);
    if (p == PARSE_BAD)
        close_early(e, s);
    if (p != PARSE_DONE)
        return;
    struct buf held = s->held;
    buf_init(&s->held, HELD_BYTES_MAX);
    if (s->profile->tls == LISTENER_TLS_IMPLICIT) {
        submit_proxy_secure(e, s, rest);
    } else {
        uint64_t conn = s->conn;
        begin_talk(e, s);
        if (rest.n && map_get_id(&e->sessions, conn))
            talk_bytes(e, s, rest);
    }
    buf_close(&held);
}

void submit_on_bytes(struct engine *e, struct session *s, struct slice in)
{
    switch (s->stage) {
    case SESSION_HEADER:
        header_bytes(e, s, in);
        break;
    case SESSION_HANDSHAKE: /* the driver's slip: TLS has them */
        close_early(e, s);
        break;
    case SESSION_TALK:
        talk_bytes(e, s, in);
        break;
    }
}

void submit_on_tls(struct engine *e, struct session *s, const struct engine_tls *tls)
{
    s->tls_version = tls->version;
    s->tls_cipher = tls->cipher;
    if (s->stage == SESSION_HANDSHAKE && !admit(e, s))
        return;
    smtp_server_on_tls(s->smtp);
    if (smtp_server_has_tls(s->smtp))
        submit_certificate_on_tls(e, s, tls);
    if (s->profile->tls == LISTENER_TLS_IMPLICIT)
        smtp_server_greet(s->smtp);
    flush(e, s);
    watch(e, s);
}

void submit_on_drained(struct engine *e, struct session *s)
{
    s->is_draining = false;
    session_resume(e, s);
}

void submit_on_closed(struct engine *e, struct session *s, const struct engine_event *ev)
{
    if (s->stage != SESSION_TALK) {
        submit_proxy_on_closed(e, s, ev->text);
        session_free(e, s);
        return;
    }
    if (ev->err == ERR_TLS) {
        struct note *n = session_note(e, s, NOTE_TLS_FAILED, 0);
        engine_tell(e, n, "reason", ev->text);
    }
    session_note(e, s, NOTE_DISCONNECTED, 0);
    session_free(e, s);
}

void submit_on_login(struct engine *e, struct session *s, enum engine_login login,
                     struct slice message)
{
    struct smtp_answer a;
    if (!submit_login_answered(e, &s->login, login, &a)) {
        watch(e, s);
        return;
    }
    if (!a.code && message.n)
        smtp_server_on_challenge(s->smtp, message, login == LOGIN_OK);
    else
        smtp_server_on_login(s->smtp, a);
    session_resume(e, s);
}

void submit_on_timer(struct engine *e, struct timer *t)
{
    struct session *s = CONTAINER_OF(t, struct session, timer);
    if (s->stage != SESSION_TALK) {
        submit_proxy_on_overdue(e, s);
        close_early(e, s);
        return;
    }
    if (s->login.due_ms) {
        smtp_server_on_login(s->smtp, submit_login_late(&s->login));
        session_resume(e, s);
        return;
    }
    enum note_limit limit = submit_limit_overdue(&s->limit, e->opt, began_ms(s), e->now_ms);
    if (!limit) { /* a fast minute is over: the next one */
        submit_limit_on_pause(&s->limit);
        watch(e, s);
        return;
    }
    smtp_server_on_timeout(s->smtp, submit_struck_late(e, s, limit));
    session_close(e, s);
}

void submit_on_stop(struct engine *e)
{
    /* Closing changes the table: look again from the start, each time past those that stay. */
    for (bool is_again = true; is_again;) {
        is_again = false;
        size_t at = 0;
        for (struct map_entry *m; (m = map_next(&e->sessions, &at));) {
            if (leave_if_stopping(e, m->value)) {
                is_again = true;
                break;
            }
        }
    }
}

void submit_init(struct engine *e)
{
    usage_init(e);
    guard_init(e);
    submit_rate_init(e);
    submit_profiles_make(e);
}

void submit_on_options(struct engine *e)
{
    usage_on_options(e);
    submit_profiles_drop(e);
    submit_profiles_make(e);
}

uint64_t submit_count(const struct engine *e)
{
    return e->sessions.count;
}

uint64_t engine_session_count(const struct engine *e)
{
    return e->sessions.count;
}

unsigned engine_sessions_at(const struct engine *e, const struct ip *ip)
{
    return submit_limit_sessions_at(&e->places, ip_place(ip));
}

void submit_close(struct engine *e)
{
    size_t at = 0;
    for (struct map_entry *t; (t = map_next(&e->tickets, &at));) {
        struct ticket *k = t->value;
        if (k->kind != TICKET_CHUNK && k->kind != TICKET_MESSAGE)
            continue;
        struct intake *in = k->owner; /* appends that will never come back */
        if (k->kind == TICKET_CHUNK && --in->chunks_out)
            continue;
        in->is_storing = false;
        if (!in->session)
            intake_free(e, in);
    }
    at = 0;
    for (struct map_entry *m; (m = map_next(&e->sessions, &at)); at = 0)
        session_free(e, m->value);
    submit_profiles_drop(e);
    usage_close(e);
    guard_close(e);
    submit_rate_close(e);
    submit_limit_places_close(&e->places);
}
