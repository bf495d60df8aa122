/* submit_mail.c -- station 1: one message of a session, from MAIL to the answer behind its dot.
 *
 * Here is who may send, what is kept of the message while it arrives (an intake), and what comes
 * before the 250:
 *
 *   BODY pieces -> tail (64 KiB), overflow -> chunk records -> [final dot] -> all chunks on disk
 *   -> accept record -> EVENT_APPENDED without error -> submit_on_stored -> 250
 *
 * An intake outlives its session: appends under way come back to it. */
#include "base/msgid.h"
#include "session.h"
#include "submit_judge.h"
#include "submit_rewrite.h"

#include <stdio.h>

enum {
    RECEIVED_MAX = 100, /* RFC 5321 6.3: a loop */
};

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

/* What a refusal looks like in the log. */
static void rejected(struct engine *e, struct session *s, const char *what, struct slice address,
                     struct smtp_answer a)
{
    struct note *n = session_note(e, s, NOTE_REJECTED, 0);
    engine_tell(e, n, what, address);
    note_number(n, "code", a.code);
    engine_tell(e, n, "reply", slice_cstr(a.text));
}

void submit_mail_drop(struct engine *e, struct session *s)
{
    struct intake *in = s->intake;
    s->intake = NULL;
    if (in)
        intake_drop(e, in);
}

static struct smtp_answer judge_sender(struct engine *e, struct session *s,
                                       const struct smtp_server_event *ev)
{
    if (!spool_has_room(e, ev->declared_bytes))
        return full_answer(e);
    struct slice name = smtp_server_user(s->smtp);
    return name.n ? submit_judge_sender(e, name, ev) : YES;
}

void submit_mail_on_mail(struct engine *e, struct session *s, const struct smtp_server_event *ev)
{
    struct smtp_answer a = judge_sender(e, s, ev);
    if (a.code) {
        rejected(e, s, "from", ev->path_text, a);
    } else {
        submit_mail_drop(e, s);
        s->intake = submit_rewrite_mail(e, s, ev);
    }
    smtp_server_on_mail(s->smtp, a);
}

void submit_mail_on_rcpt(struct engine *e, struct session *s, const struct smtp_server_event *ev)
{
    struct intake *in = s->intake;
    CHECK(in);
    struct smtp_answer a = YES;
    /* Closed by default: a listener with optional or no AUTH still relays for nobody unknown. */
    if (!s->is_trusted && !smtp_server_user(s->smtp).n)
        a = refuse(550, 5, 7, 1, "relaying denied: log in first, or send from a trusted network");
    else if (smtp_server_user(s->smtp).n)
        a = submit_judge_recipient(e, smtp_server_user(s->smtp), ev->path_text,
                                   in->recipient_count);
    if (!a.code)
        a = submit_rewrite_rcpt(e, in, ev);
    if (a.code)
        rejected(e, s, "to", ev->path_text, a);
    smtp_server_on_recipient(s->smtp, a);
}

void submit_mail_on_data(struct engine *e, struct session *s)
{
    smtp_server_on_data(s->smtp, spool_has_room(e, 0) ? YES : full_answer(e));
}

static void store_intake(struct engine *e, struct session *s)
{
    char tls[128];
    int n =
        snprintf(tls, sizeof tls, "%.*s %.*s", SLICE_FMT(s->tls_version), SLICE_FMT(s->tls_cipher));
    struct ip_text ip = ip_build(&s->peer.ip);
    bool has_tls = smtp_server_has_tls(s->smtp);
    struct slice user = smtp_server_user(s->smtp);
    struct intake_origin origin = {
        .received = {.helo = smtp_server_helo(s->smtp),
                     .peer = s->peer.ip,
                     .local = slice_cstr(s->local),
                     .protocol = mail_received_protocol(smtp_server_is_esmtp(s->smtp), has_tls,
                                                        user.n > 0, s->intake->is_utf8),
                     .tls = has_tls ? slice_of(tls, (size_t)n) : SLICE_NONE},
        .client = s->local ? slice_cstr(s->local) : slice_cstr(ip.s),
        .user = user,
    };
    intake_store(e, s->intake, &origin);
}

void submit_mail_on_body_end(struct engine *e, struct session *s)
{
    struct intake *in = s->intake;
    CHECK(in);
    submit_rewrite_end(e, in);
    intake_complete(e, in);
    struct smtp_answer a = YES;
    if (in->scan.received_count > RECEIVED_MAX)
        a = refuse(554, 5, 4, 6, "too many Received fields: a mail loop");
    else if (in->err || (!in->chunks_out && !spool_has_room(e, 0)))
        a = full_answer(e);
    else if (smtp_server_user(s->smtp).n)
        a = submit_judge_message(e, smtp_server_user(s->smtp), in);
    if (a.code) {
        rejected(e, s, "from", buf_slice(&in->sender), a);
        submit_mail_drop(e, s);
        smtp_server_on_message(s->smtp, a, NULL);
        return;
    }
    if (!in->chunks_out)
        store_intake(e, s);
}

void submit_on_chunk(struct engine *e, struct intake *in, enum err err, struct journal_pos pos)
{
    in->chunks_out--;
    if (in->session)
        submit_limit_on_progress(&in->session->limit, e->now_ms);
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
            store_intake(e, s);
            return;
        }
        struct smtp_answer a = full_answer(e);
        rejected(e, s, "from", buf_slice(&in->sender), a);
        submit_mail_drop(e, s);
        smtp_server_on_message(s->smtp, a, NULL);
    }
    session_resume(e, s);
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
        in->is_charged = false; /* for good */
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
    session_resume(e, s);
}
