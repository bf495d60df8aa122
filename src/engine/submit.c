/* submit.c -- station 1: sessions of clients, from the greeting to the final dot and its answer.
 *
 * The SMTP talk is smtp_server's; here is who may send, what is kept of the message while it
 * arrives (an intake), and what comes before the 250:
 *
 *   BODY pieces -> tail (64 KiB), overflow -> chunk records -> [final dot] -> all chunks on disk
 *   -> accept record -> EVENT_APPENDED without error -> submit_on_stored -> 250
 *
 * An intake outlives its session: appends under way come back to it. */
#include "base/msgid.h"
#include "engine_core.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/received.h"
#include "policy/policy_accept.h"

#include <stdio.h>
#include <string.h>

enum {
    CHUNKS_OUT_MAX = 3, /* unwritten chunks of one session before it has to wait */
    HELD_BYTES_MAX =
        128 * 1024,     /* input kept while an answer is outstanding: one read and a half */
    RECEIVED_MAX = 100, /* RFC 5321 6.3: a loop */
    PREFIX_BYTES_MAX = 8192,
    OUTPUT_BURST_BYTES = 32 * 1024, /* replies sent without waiting for the client to read them */
    ERRORS_MAX = 20,
    COMMANDS_MAX = 1000,
};

/* A listener's options as sessions use them; outlives a reload while a session needs it. */
struct submit_profile {
    int refs;
    struct smtp_server_options smtp;
    char *hostname;
    enum engine_listener_tls tls;
};

struct intake_recipient {
    size_t at, n;
};

struct intake {
    struct session *session; /* NULL: gone, nobody to answer */
    uint64_t id;
    int64_t began_ms;
    struct buf sender;
    struct buf addresses;
    struct intake_recipient *recipient;
    unsigned recipient_count;
    bool is_8bit;
    bool is_complete; /* the final dot has come */
    bool is_storing;  /* the accept record is on its way */
    enum err err;     /* a chunk could not be written */
    struct mail_header_scan scan;
    struct buf tail;
    uint64_t wire_bytes; /* received so far */
    uint64_t counted;    /* in engine.unsettled_bytes */
    struct journal_pos *extent;
    uint32_t extent_count;
    unsigned chunks_out;
    struct body *body;
    struct slice *address; /* of the spool message below */
    struct spool_message message;
    struct buf client, user; /* the session may be gone before the record is on disk */
};

struct session {
    uint64_t conn;
    struct submit_profile *profile;
    struct smtp_server *smtp;
    struct timer timer;
    struct ip_port peer;
    bool is_unix, is_trusted;
    bool is_reading;  /* the driver reads for us */
    bool is_draining; /* output was sent that the client has yet to read */
    bool is_closing;
    struct buf held;
    struct intake *intake;
    struct slice tls_version, tls_cipher; /* static */
    char user[128];                       /* who is being verified, for the log */
};

/* Profiles */

static void profile_unref(struct submit_profile *p)
{
    if (!p || --p->refs)
        return;
    mem_free(p->hostname);
    mem_free(p);
}

static void profiles_drop(struct engine *e)
{
    for (unsigned i = 0; i < e->profile_count; i++)
        profile_unref(e->profile[i]);
    mem_free(e->profile);
    e->profile = NULL;
    e->profile_count = 0;
}

static void profiles_make(struct engine *e)
{
    const struct engine_options *o = e->opt;
    e->profile = mem_new((o->listener_count + 1) * sizeof *e->profile);
    e->profile_count = o->listener_count;
    unsigned recipients_max =
        o->recipients_max < QUEUE_RECIPIENTS_MAX ? o->recipients_max : QUEUE_RECIPIENTS_MAX;
    for (unsigned i = 0; i < o->listener_count; i++) {
        struct submit_profile *p = mem_new(sizeof *p);
        p->refs = 1;
        p->hostname = mem_dup(o->hostname.p, o->hostname.n);
        p->tls = o->listeners[i].tls;
        p->smtp = (struct smtp_server_options){
            .hostname = slice_of(p->hostname, o->hostname.n),
            .message_bytes_max = o->message_bytes_max,
            .recipients_max = recipients_max,
            .errors_max = ERRORS_MAX,
            .commands_max = COMMANDS_MAX,
            .offers_tls = p->tls == LISTENER_TLS_STARTTLS,
            .auth = o->listeners[i].auth,
        };
        e->profile[i] = p;
    }
}

void submit_init(struct engine *e)
{
    profiles_make(e);
}

void submit_on_options(struct engine *e)
{
    profiles_drop(e);
    profiles_make(e);
}

/* Intakes */

static void intake_settled(struct engine *e, struct intake *in)
{
    e->unsettled_bytes -= in->counted;
    in->counted = 0;
}

static void intake_free(struct engine *e, struct intake *in)
{
    for (uint32_t i = 0; i < in->extent_count; i++)
        queue_unpin(&e->queue, in->extent[i].segment);
    intake_settled(e, in);
    buf_close(&in->sender);
    buf_close(&in->addresses);
    buf_close(&in->tail);
    buf_close(&in->client);
    buf_close(&in->user);
    body_unref(in->body);
    mem_free(in->recipient);
    mem_free(in->extent);
    mem_free(in->address);
    mem_free(in);
    e->intake_count--;
    spool_release_dead(e);
}

/* Nobody wants the message any more; appends under way still come back. */
static void intake_drop(struct engine *e, struct session *s)
{
    struct intake *in = s->intake;
    if (!in)
        return;
    s->intake = NULL;
    in->session = NULL;
    if (!in->chunks_out && !in->is_storing)
        intake_free(e, in);
}

static void intake_new(struct engine *e, struct session *s, const struct smtp_server_event *ev)
{
    intake_drop(e, s);
    struct intake *in = mem_new(sizeof *in);
    in->session = s;
    in->began_ms = e->now_ms;
    in->id = e->last_msgid = msgid_next(e->last_msgid, e->now_ms);
    in->is_8bit = ev->is_8bit;
    buf_init(&in->sender, SMTP_PATH_BYTES_MAX);
    buf_init(&in->addresses, (size_t)QUEUE_RECIPIENTS_MAX * (SMTP_PATH_BYTES_MAX + 1));
    buf_init(&in->tail, 2 * QUEUE_CHUNK_BYTES);
    buf_init(&in->client, 512);
    buf_init(&in->user, 512);
    buf_add(&in->sender, ev->path_text);
    mail_header_scan_init(&in->scan);
    s->intake = in;
    e->intake_count++;
}

static void intake_count(struct engine *e, struct intake *in, uint64_t bytes)
{
    in->counted += bytes;
    e->unsettled_bytes += bytes;
}

/* The oldest 64 KiB of the tail become a record of their own. */
static void intake_spill(struct engine *e, struct intake *in)
{
    if (in->extent_count + in->chunks_out >= QUEUE_EXTENTS_MAX) {
        in->err = ERR_FULL;
        buf_clear(&in->tail);
        return;
    }
    struct journal_pos *extent =
        mem_resize(in->extent, (in->extent_count + in->chunks_out + 1) * sizeof *in->extent);
    in->extent = extent;
    in->chunks_out++;
    uint64_t ticket = ticket_new(e, TICKET_CHUNK, in, 0, in->id);
    spool_chunk(e, ticket, in->id, engine_keep(e, buf_slice(&in->tail)));
    buf_clear(&in->tail);
}

static void intake_body(struct engine *e, struct intake *in, struct slice piece)
{
    in->wire_bytes += piece.n;
    if (in->err)
        return; /* refused at the end; nothing more is kept */
    intake_count(e, in, piece.n);
    if (!in->scan.is_over)
        (void)mail_header_scan_feed(&in->scan, piece);
    while (piece.n) {
        size_t room = QUEUE_CHUNK_BYTES - in->tail.n;
        struct slice part = slice_head(piece, room);
        buf_add(&in->tail, part);
        piece = slice_from(piece, part.n);
        if (in->tail.n == QUEUE_CHUNK_BYTES)
            intake_spill(e, in);
    }
}

/* The fields we add: Received always; Date and Message-ID where missing (RFC 6409 8.3, 8.4). */
static void build_prefix(struct engine *e, struct session *s, struct intake *in, struct buf *out)
{
    struct msgid_text id = msgid_build(in->id);
    char tls[128];
    int n =
        snprintf(tls, sizeof tls, "%.*s %.*s", SLICE_FMT(s->tls_version), SLICE_FMT(s->tls_cipher));
    struct mail_received r = {
        .helo = smtp_server_helo(s->smtp),
        .peer = s->peer.ip,
        .by = e->opt->hostname,
        .protocol =
            mail_received_protocol(smtp_server_is_esmtp(s->smtp), smtp_server_has_tls(s->smtp),
                                   smtp_server_user(s->smtp).n > 0, false),
        .tls = smtp_server_has_tls(s->smtp) ? slice_of(tls, (size_t)n) : SLICE_NONE,
        .id = slice_of(id.s, MSGID_CHARS),
        .recipient = in->recipient_count == 1 ? buf_slice(&in->addresses) : SLICE_NONE,
        .time_ms = e->now_ms,
    };
    mail_received_build(out, &r);
    if (!in->scan.has_message_id)
        mail_message_id_build(out, r.id, e->opt->hostname);
    if (!in->scan.has_date)
        mail_date_field_build(e->now_ms, out);
    if (in->scan.has_no_header)
        buf_add(out, SLICE("\r\n")); /* all of it is body: our fields need an end */
}

static void intake_store(struct engine *e, struct intake *in)
{
    struct session *s = in->session;
    struct buf prefix;
    buf_init(&prefix, PREFIX_BYTES_MAX);
    build_prefix(e, s, in, &prefix);
    struct ip_text peer = ip_build(&s->peer.ip);
    buf_add(&in->client, s->is_unix ? SLICE("local") : slice_cstr(peer.s));
    buf_add(&in->user, smtp_server_user(s->smtp));

    char *memory = mem_new(prefix.n + in->tail.n + 1);
    memcpy(memory, prefix.p, prefix.n);
    if (in->tail.n)
        memcpy(memory + prefix.n, in->tail.p, in->tail.n);
    in->body = body_new(memory, prefix.n + in->tail.n, slice_of(memory, prefix.n),
                        slice_of(memory + prefix.n, in->tail.n));
    in->body->extent_count = in->extent_count;
    in->body->extent = in->extent_count ? (struct journal_pos *)(void *)mem_dup(
                                              in->extent, in->extent_count * sizeof *in->extent)
                                        : NULL;
    in->address = mem_new(in->recipient_count * sizeof *in->address);
    for (unsigned i = 0; i < in->recipient_count; i++)
        in->address[i] = slice_of(in->addresses.p + in->recipient[i].at, in->recipient[i].n);
    in->message = (struct spool_message){
        .id = in->id,
        .envelope = {.accepted_ms = e->now_ms,
                     .wire_bytes = in->wire_bytes + prefix.n,
                     .is_8bit = in->is_8bit,
                     .sender = buf_slice(&in->sender),
                     .user = buf_slice(&in->user),
                     .client = buf_slice(&in->client),
                     .message_id = mail_header_message_id(&in->scan),
                     .recipient_count = in->recipient_count,
                     .extent_count = in->extent_count,
                     .prefix_bytes = (uint32_t)prefix.n},
        .recipient = in->address,
        .body = in->body,
    };
    buf_close(&prefix);
    buf_close(&in->tail);
    in->is_storing = true;
    uint64_t ticket = ticket_new(e, TICKET_MESSAGE, in, 0, in->id);
    CHECK(spool_message(e, &in->message, ticket, true)); /* the limits above see to it */
}

/* Sessions */

static void session_free(struct engine *e, struct session *s)
{
    map_take_id(&e->sessions, s->conn);
    intake_drop(e, s);
    timer_stop(e, &s->timer);
    buf_close(&s->held);
    smtp_server_free(s->smtp);
    profile_unref(s->profile);
    mem_free(s);
}

static struct note *session_note(struct engine *e, struct session *s, enum note_kind kind,
                                 uint64_t id)
{
    struct note *n = engine_note(e, kind, id);
    struct ip_text ip = ip_build(&s->peer.ip);
    engine_tell(e, n, "ip", s->is_unix ? SLICE("local") : slice_cstr(ip.s));
    if (smtp_server_user(s->smtp).n)
        engine_tell(e, n, "user", smtp_server_user(s->smtp));
    return n;
}

static void flush(struct engine *e, struct session *s)
{
    struct slice out = smtp_server_output(s->smtp);
    if (!out.n)
        return;
    bool is_burst = out.n >= OUTPUT_BURST_BYTES;
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

static void watch(struct engine *e, struct session *s)
{
    bool waits_for_us = smtp_server_awaits_answer(s->smtp);
    timer_set(e, &s->timer, waits_for_us ? INT64_MAX : e->now_ms + e->opt->idle_ms);
}

static bool must_wait(const struct session *s)
{
    return smtp_server_awaits_answer(s->smtp) || s->is_draining ||
           (s->intake && s->intake->chunks_out >= CHUNKS_OUT_MAX);
}

static void set_reading(struct engine *e, struct session *s)
{
    bool is_on = !must_wait(s);
    if (is_on == s->is_reading)
        return;
    s->is_reading = is_on;
    struct engine_action *a = engine_do(e, ACTION_READ);
    a->conn = s->conn;
    a->is_on = is_on;
}

/* What a refusal looks like in the log. */
static void rejected(struct engine *e, struct session *s, const char *what, struct slice address,
                     struct smtp_answer a)
{
    struct note *n = session_note(e, s, NOTE_REJECTED, 0);
    engine_tell(e, n, what, address);
    note_number(n, "code", a.code);
    engine_tell(e, n, "reply", slice_cstr(a.text));
}

static const struct smtp_answer YES = {0};

static struct smtp_answer refuse(int code, int class, int subject, int detail, const char *text)
{
    return (struct smtp_answer){code, {class, subject, detail}, text};
}

static struct smtp_answer full_answer(const struct engine *e)
{
    return e->is_store_failing
               ? refuse(452, 4, 3, 1, "the queue cannot be written, try again later")
               : refuse(452, 4, 3, 1, "the queue is full, try again later");
}

static const struct engine_user *find_user(const struct engine *e, struct slice name)
{
    for (unsigned i = 0; i < e->opt->user_count; i++)
        if (slice_eq(e->opt->users[i].name, name))
            return &e->opt->users[i];
    return NULL;
}

static struct smtp_answer judge_sender(struct engine *e, struct session *s,
                                       const struct smtp_server_event *ev)
{
    if (!spool_has_room(e, ev->declared_bytes))
        return full_answer(e);
    struct slice name = smtp_server_user(s->smtp);
    if (!name.n)
        return YES;
    const struct engine_user *u = find_user(e, name);
    if (!u)
        return refuse(530, 5, 7, 0, "the login is no longer valid, log in again");
    if (!policy_may_send_as(u->senders, u->sender_count, ev->path_text))
        return refuse(553, 5, 7, 1, "this login may not send as that address");
    return YES;
}

static void on_mail(struct engine *e, struct session *s, const struct smtp_server_event *ev)
{
    struct smtp_answer a = judge_sender(e, s, ev);
    if (a.code)
        rejected(e, s, "from", ev->path_text, a);
    else
        intake_new(e, s, ev);
    smtp_server_on_mail(s->smtp, a);
}

static void on_rcpt(struct engine *e, struct session *s, const struct smtp_server_event *ev)
{
    struct intake *in = s->intake;
    CHECK(in);
    struct smtp_answer a = YES;
    /* Closed by default: a listener with optional or no AUTH still relays for nobody unknown. */
    if (!s->is_trusted && !smtp_server_user(s->smtp).n)
        a = refuse(550, 5, 7, 1, "relaying denied: log in first, or send from a trusted network");
    else if (in->recipient_count >= QUEUE_RECIPIENTS_MAX)
        a = refuse(452, 4, 5, 3, "too many recipients");
    if (a.code) {
        rejected(e, s, "to", ev->path_text, a);
        smtp_server_on_recipient(s->smtp, a);
        return;
    }
    size_t at = in->addresses.n;
    buf_add(&in->addresses, ev->path_text);
    if (!ev->address.domain.n) { /* <Postmaster> (RFC 5321 4.1.1.3): ours */
        buf_add_char(&in->addresses, '@');
        buf_add(&in->addresses, e->opt->hostname);
    }
    if (!(in->recipient_count & (in->recipient_count - 1)))
        in->recipient =
            mem_resize(in->recipient,
                       (in->recipient_count ? in->recipient_count * 2 : 1) * sizeof *in->recipient);
    in->recipient[in->recipient_count++] = (struct intake_recipient){at, in->addresses.n - at};
    smtp_server_on_recipient(s->smtp, YES);
}

/* Did the client name a recipient twice? Then once is enough. */
static void drop_repeated(struct intake *in)
{
    struct map seen;
    map_init(&seen, in->id);
    unsigned kept = 0;
    for (unsigned i = 0; i < in->recipient_count; i++) {
        struct slice a = slice_of(in->addresses.p + in->recipient[i].at, in->recipient[i].n);
        if (map_get(&seen, a))
            continue;
        map_put(&seen, a, in);
        in->recipient[kept++] = in->recipient[i];
    }
    in->recipient_count = kept;
    map_close(&seen);
}

static void on_body_end(struct engine *e, struct session *s)
{
    struct intake *in = s->intake;
    CHECK(in);
    mail_header_scan_end(&in->scan);
    in->is_complete = true;
    drop_repeated(in);
    if (in->scan.received_count > RECEIVED_MAX) {
        struct smtp_answer a = refuse(554, 5, 4, 6, "too many Received fields: a mail loop");
        rejected(e, s, "from", buf_slice(&in->sender), a);
        intake_drop(e, s);
        smtp_server_on_message(s->smtp, a, NULL);
        return;
    }
    if (in->err || (!in->chunks_out && !spool_has_room(e, 0))) {
        struct smtp_answer a = full_answer(e);
        rejected(e, s, "from", buf_slice(&in->sender), a);
        intake_drop(e, s);
        smtp_server_on_message(s->smtp, a, NULL);
        return;
    }
    if (!in->chunks_out)
        intake_store(e, in);
}

static void on_login(struct engine *e, struct session *s, const struct smtp_server_event *ev)
{
    struct slice user = slice_head(ev->user, sizeof s->user - 1);
    memcpy(s->user, user.p ? user.p : "", user.n);
    s->user[user.n] = 0;
    struct slice name = engine_keep(e, ev->user), password = engine_keep(e, ev->password);
    struct engine_action *a = engine_do(e, ACTION_LOGIN);
    a->conn = s->conn;
    a->user = name;
    a->password = password;
}

static void on_starttls(struct engine *e, struct session *s)
{
    flush(e, s);
    engine_do(e, ACTION_TLS_SERVER)->conn = s->conn;
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
        on_mail(e, s, ev);
        break;
    case SMTP_SERVER_RCPT:
        on_rcpt(e, s, ev);
        break;
    case SMTP_SERVER_DATA:
        smtp_server_on_data(s->smtp, spool_has_room(e, 0) ? YES : full_answer(e));
        break;
    case SMTP_SERVER_BODY:
        intake_body(e, s->intake, ev->body);
        break;
    case SMTP_SERVER_BODY_END:
        on_body_end(e, s);
        break;
    case SMTP_SERVER_BODY_ABORT:
    case SMTP_SERVER_RESET:
        intake_drop(e, s);
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
static void resume(struct engine *e, struct session *s)
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

void submit_on_bytes(struct engine *e, struct session *s, struct slice in)
{
    if (s->held.n == 0 && !feed(e, s, &in))
        return;
    if (in.n && !buf_add(&s->held, in)) {
        /* It went on sending though nobody read: the driver's slip or an abuse of pipelining. */
        engine_close_conn(e, s->conn, true);
        session_free(e, s);
        return;
    }
    settle(e, s);
}

void submit_on_accepted(struct engine *e, const struct engine_event *ev)
{
    struct session *s = mem_new(sizeof *s);
    CHECK(ev->listener < e->profile_count || e->profile_count == 0);
    s->conn = ev->conn;
    s->profile = e->profile[ev->listener];
    s->profile->refs++;
    s->smtp = smtp_server_new(&s->profile->smtp);
    s->peer = ev->peer;
    s->is_unix = ev->is_unix;
    s->is_reading = true;
    s->is_trusted = ev->is_unix || policy_is_trusted(&ev->peer.ip, e->opt->trusted_networks,
                                                     e->opt->trusted_network_count);
    timer_init(&s->timer, TIMER_SESSION);
    buf_init(&s->held, HELD_BYTES_MAX);
    map_put_id(&e->sessions, s->conn, s);
    smtp_server_set_peer(s->smtp, &s->peer.ip, s->is_trusted);
    session_note(e, s, NOTE_CONNECTED, 0);
    bool is_full = e->sessions.count > e->opt->connections_max;
    if (is_full || e->is_stopping) {
        const char *why = is_full ? "too many connections, try again later" : "shutting down";
        struct note *n = session_note(e, s, NOTE_SESSION_REFUSED, 0);
        note_text(n, "reason", slice_cstr(why));
        smtp_server_refuse(s->smtp, 421, why);
        session_close(e, s);
        return;
    }
    if (s->profile->tls != LISTENER_TLS_IMPLICIT)
        smtp_server_greet(s->smtp);
    flush(e, s);
    watch(e, s);
}

void submit_on_tls(struct engine *e, struct session *s, const struct engine_tls *tls)
{
    s->tls_version = tls->version;
    s->tls_cipher = tls->cipher;
    smtp_server_on_tls(s->smtp);
    if (s->profile->tls == LISTENER_TLS_IMPLICIT)
        smtp_server_greet(s->smtp);
    flush(e, s);
    watch(e, s);
}

void submit_on_drained(struct engine *e, struct session *s)
{
    s->is_draining = false;
    resume(e, s);
}

void submit_on_closed(struct engine *e, struct session *s, const struct engine_event *ev)
{
    if (ev->err == ERR_TLS) {
        struct note *n = session_note(e, s, NOTE_TLS_FAILED, 0);
        engine_tell(e, n, "reason", ev->text);
    }
    session_note(e, s, NOTE_DISCONNECTED, 0);
    session_free(e, s);
}

void submit_on_login(struct engine *e, struct session *s, enum engine_login login)
{
    struct smtp_answer a = YES;
    if (login == LOGIN_WRONG)
        a = refuse(535, 5, 7, 8, "authentication failed: wrong user name or password");
    else if (login == LOGIN_TROUBLE)
        a = refuse(454, 4, 7, 0, "temporary authentication failure, try again later");
    struct note *n = engine_note(e, login == LOGIN_OK ? NOTE_LOGIN : NOTE_LOGIN_FAILED, 0);
    struct ip_text ip = ip_build(&s->peer.ip);
    engine_tell(e, n, "ip", slice_cstr(ip.s));
    engine_tell(e, n, "user", slice_cstr(s->user));
    smtp_server_on_login(s->smtp, a);
    resume(e, s);
}

void submit_on_timer(struct engine *e, struct timer *t)
{
    struct session *s = CONTAINER_OF(t, struct session, timer);
    smtp_server_on_timeout(s->smtp);
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

void submit_on_chunk(struct engine *e, struct intake *in, enum err err, struct journal_pos pos)
{
    in->chunks_out--;
    if (err) {
        in->err = err;
    } else {
        in->extent[in->extent_count++] = pos;
        queue_pin(&e->queue, pos.segment);
    }
    struct session *s = in->session;
    if (!s) {
        if (!in->chunks_out)
            intake_free(e, in);
        return;
    }
    if (in->is_complete && !in->chunks_out) {
        if (!in->err) {
            intake_store(e, in);
            return;
        }
        struct smtp_answer a = full_answer(e);
        rejected(e, s, "from", buf_slice(&in->sender), a);
        intake_drop(e, s);
        smtp_server_on_message(s->smtp, a, NULL);
    }
    resume(e, s);
}

static void accepted_note(struct engine *e, struct intake *in)
{
    const struct queue_envelope *v = &in->message.envelope;
    struct note *n = engine_note(e, NOTE_ACCEPTED, in->id);
    engine_tell(e, n, "from", v->sender);
    engine_tell(e, n, "to", in->address[0]);
    note_number(n, "recipients", v->recipient_count);
    note_number(n, "size", (int64_t)v->wire_bytes);
    engine_tell(e, n, "ip", v->client);
    if (v->user.n)
        engine_tell(e, n, "user", v->user);
    bool has_tls = in->session && in->session->tls_version.n;
    engine_tell(e, n, "tls", has_tls ? in->session->tls_version : SLICE("none"));
    if (v->message_id.n)
        engine_tell(e, n, "message-id", v->message_id);
    engine_tell_delay(e, n, in->began_ms);
}

void submit_on_stored(struct engine *e, struct intake *in, enum err err, struct journal_pos pos)
{
    struct session *s = in->session;
    in->is_storing = false;
    struct smtp_answer a = YES;
    if (err) {
        a = full_answer(e);
        struct note *n = engine_note(e, NOTE_STORE_FAILED, in->id);
        engine_tell(e, n, "from", buf_slice(&in->sender));
        note_text(n, "error", slice_cstr(err_name(err)));
    } else {
        accepted_note(e, in);
        struct body *b = in->body;
        in->body = NULL;
        (void)spool_stored(e, &in->message, pos);
        body_unref(b);
    }
    struct msgid_text id = msgid_build(in->id);
    if (s)
        s->intake = NULL;
    intake_free(e, in);
    if (!s)
        return;
    smtp_server_on_message(s->smtp, a, id.s);
    resume(e, s);
}

uint64_t submit_count(const struct engine *e)
{
    return e->sessions.count;
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
    profiles_drop(e);
}
