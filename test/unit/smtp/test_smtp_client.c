/* test_smtp_client.c -- the sending machine in dialogues with a scripted server.
 *
 * A script is lines, each with a mark in front:
 *   <  the server sends this line          >  we have said exactly this line
 *   !  the machine hands out this event    @  the caller acts: connect begin body end ...
 * What was said or handed out and is not written in the script is a failure. Each dialogue runs
 * with the server's bytes whole (adjacent lines in one piece) and byte by byte, and is cut at every
 * line: then each recipient has at most one event, and doubt exists only behind the final dot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "smtp/smtp_client.h"

enum { RECIPIENTS_MAX = 4 };

struct setting {
    enum smtp_client_tls tls;
    const char *user;
    bool allows_plain_auth, has_certificate;
    const char *password; /* NULL: secret */
    const char *token, *binding;
    unsigned mechanisms;
    const char *sender;
    const char *recipient[RECIPIENTS_MAX]; /* NULL: two@example.net and the like */
    unsigned recipient_count;              /* 0: one */
    uint64_t wire_bytes;
    bool is_8bit;
};

struct dialogue {
    const char *shown;
    const char *script;
    struct setting with;
};

struct world {
    const struct dialogue *d;
    struct smtp_client_options options;
    struct smtp_client *c;
    struct smtp_client_recipient recipient[RECIPIENTS_MAX];
    struct smtp_client_message message;
    unsigned events_of[RECIPIENTS_MAX];
    int refused_with[RECIPIENTS_MAX]; /* 0: delivered */
    struct buf said, events;          /* not met by the script yet */
    bool is_in_transaction, has_said_dot, has_failed, is_unsure;
};

static const char *const names[RECIPIENTS_MAX] = {"one@example.net", "two@example.net",
                                                  "three@example.net", "four@example.net"};

static void open_world(struct world *w, const struct dialogue *d)
{
    const struct setting *s = &d->with;
    *w = (struct world){.d = d};
    w->options = (struct smtp_client_options){
        .helo = SLICE("me.example"),
        .tls = s->tls,
        .user = slice_cstr(s->user),
        .password = slice_cstr(s->password ? s->password : "secret"),
        .token = slice_cstr(s->token),
        .mechanisms = s->mechanisms,
        .has_certificate = s->has_certificate,
        .allows_plain_auth = s->allows_plain_auth,
        .greeting_ms = 1000,
        .command_ms = 20000,
        .data_ms = 3000,
        .final_ms = 4000,
    };
    w->message = (struct smtp_client_message){
        .sender = slice_cstr(s->sender ? s->sender : "me@example.org"),
        .recipient = w->recipient,
        .recipient_count = s->recipient_count ? s->recipient_count : 1,
        .wire_bytes = s->wire_bytes,
        .is_8bit = s->is_8bit,
    };
    for (unsigned i = 0; i < w->message.recipient_count; i++)
        w->recipient[i].address = slice_cstr(s->recipient[i] ? s->recipient[i] : names[i]);
    buf_init(&w->said, 1 << 20);
    buf_init(&w->events, 1 << 20);
    w->c = smtp_client_new(&w->options);
}

static void close_world(struct world *w)
{
    smtp_client_free(w->c);
    buf_close(&w->said);
    buf_close(&w->events);
}

static void on_recipient(struct world *w, const struct smtp_client_event *e)
{
    static const char *const scope[] = {"host", "session", "message", "recipient"};
    assert_true(w->is_in_transaction);
    assert_true(e->index < w->message.recipient_count);
    assert_true(w->recipient[e->index].is_answered && w->recipient[e->index].is_settled);
    if (++w->events_of[e->index] > 1)
        fail_msg("%s: recipient %u has two fates", w->d->shown, e->index);
    w->refused_with[e->index] = e->is_delivered ? 0 : e->reply->code;
    buf_addf(&w->events, "RECIPIENT %u %s ", e->index, e->is_delivered ? "delivered" : "refused");
    if (!e->is_delivered)
        buf_addf(&w->events, "%s ", scope[e->scope]);
    smtp_reply_text(e->reply, &w->events, 200);
}

static enum smtp_scope scope_of_state(const char *name)
{
    static const char *const before_ready[] = {"connect",  "greeting",      "EHLO", "HELO",
                                               "STARTTLS", "TLS handshake", "AUTH"};
    for (size_t i = 0; i < COUNT_OF(before_ready); i++)
        if (!strcmp(name, before_ready[i]))
            return SMTP_SCOPE_HOST;
    return SMTP_SCOPE_SESSION;
}

static void on_failed(struct world *w, const struct smtp_client_event *e)
{
    assert_false(w->has_failed);
    assert_int_equal(e->scope, scope_of_state(smtp_client_state_name(w->c)));
    w->has_failed = true;
    w->is_unsure = e->is_unsure;
    buf_addf(&w->events, "FAILED in %s%s: %s%s", smtp_client_state_name(w->c),
             smtp_client_is_login_refused(w->c) ? ", login refused" : "", e->reason,
             e->is_unsure ? ", unsure" : "");
    if (e->reply) {
        buf_add_cstr(&w->events, " / ");
        smtp_reply_text(e->reply, &w->events, 200);
    }
}

static void on_done(struct world *w)
{
    assert_true(w->is_in_transaction);
    w->is_in_transaction = false;
    for (unsigned i = 0; i < w->message.recipient_count; i++) {
        if (w->events_of[i] != 1)
            fail_msg("%s: DONE, and recipient %u has %u fates", w->d->shown, i, w->events_of[i]);
        int refused_with = w->refused_with[i];
        assert_true(refused_with ? w->recipient[i].code == refused_with
                                 : w->recipient[i].code / 100 == 2);
    }
}

static void on_sum(struct world *w, const struct smtp_sasl_sum *sum)
{
    switch (sum->kind) {
    case SMTP_SASL_SUM_NONCE:
        buf_add_cstr(&w->events, "SUM nonce");
        break;
    case SMTP_SASL_SUM_SCRAM:
        buf_addf(&w->events, "SUM scram %u ", sum->rounds);
        base64_build(sum->salt, &w->events);
        buf_addf(&w->events, " %.*s", SLICE_FMT(sum->text));
        break;
    case SMTP_SASL_SUM_HMAC_MD5:
        buf_addf(&w->events, "SUM md5 %.*s", SLICE_FMT(sum->text));
        break;
    }
}

/* Pulls all events and takes all output. */
static void pull(struct world *w)
{
    static const char *const name[] = {
        [SMTP_CLIENT_START_TLS] = "TLS", [SMTP_CLIENT_READY] = "READY", [SMTP_CLIENT_BODY] = "BODY",
        [SMTP_CLIENT_DONE] = "DONE",     [SMTP_CLIENT_CLOSE] = "CLOSE",
    };
    for (;;) {
        struct smtp_client_event e = smtp_client_next(w->c);
        if (e.kind == SMTP_CLIENT_NEEDS_INPUT)
            break;
        assert_false(w->has_failed); /* nothing comes behind it */
        if (e.kind == SMTP_CLIENT_RECIPIENT)
            on_recipient(w, &e);
        else if (e.kind == SMTP_CLIENT_FAILED)
            on_failed(w, &e);
        else if (e.kind == SMTP_CLIENT_SUM)
            on_sum(w, e.sum);
        else
            buf_add_cstr(&w->events, name[e.kind]);
        if (e.kind == SMTP_CLIENT_DONE)
            on_done(w);
        buf_add_cstr(&w->events, "\n");
    }
    struct slice out = smtp_client_output(w->c);
    buf_add(&w->said, out);
    smtp_client_sent(w->c, out.n);
}

static void act(struct world *w, struct slice what)
{
    if (slice_eq(what, SLICE("connect"))) {
        if (w->d->with.binding)
            smtp_client_bind(w->c, "tls-unique", slice_cstr(w->d->with.binding));
        smtp_client_on_connected(w->c);
    } else if (slice_starts(what, SLICE("sum "))) {
        struct buf sum;
        buf_init(&sum, 100);
        assert_true(base64_parse(slice_from(what, 4), &sum));
        smtp_client_on_sum(w->c, buf_slice(&sum));
        buf_close(&sum);
    } else if (slice_eq(what, SLICE("begin"))) {
        memset(w->events_of, 0, sizeof w->events_of);
        w->is_in_transaction = true;
        w->has_said_dot = false;
        smtp_client_begin(w->c, &w->message);
    } else if (slice_starts(what, SLICE("body "))) {
        /* "|" stands for CRLF, "^" for CR. */
        for (size_t i = 5; i < what.n; i++) {
            char ch = what.p[i];
            struct slice piece = slice_of(&what.p[i], 1);
            if (ch == '|' || ch == '^')
                piece = ch == '|' ? SLICE("\r\n") : SLICE("\r");
            smtp_client_body(w->c, piece);
            pull(w);
        }
    } else if (slice_eq(what, SLICE("end"))) {
        w->has_said_dot = true;
        smtp_client_body_end(w->c);
    } else if (slice_eq(what, SLICE("abort"))) {
        smtp_client_body_abort(w->c);
    } else if (slice_eq(what, SLICE("tls"))) {
        smtp_client_on_tls(w->c);
    } else if (slice_eq(what, SLICE("closed"))) {
        smtp_client_on_closed(w->c, "connection lost");
    } else if (slice_eq(what, SLICE("timeout"))) {
        smtp_client_on_timeout(w->c);
    } else if (slice_eq(what, SLICE("quit"))) {
        smtp_client_quit(w->c);
    } else {
        fail_msg("%s: no such act: %.*s", w->d->shown, SLICE_FMT(what));
    }
    pull(w);
}

static struct slice take_line(struct slice *script)
{
    size_t n = slice_find(*script, '\n');
    struct slice line = slice_head(*script, n);
    *script = slice_from(*script, n + 1);
    return line;
}

static void feed(struct world *w, const struct buf *lines, bool is_byte_by_byte)
{
    if (is_byte_by_byte) {
        for (size_t i = 0; i < lines->n; i++) {
            smtp_client_on_bytes(w->c, slice_of(lines->p + i, 1));
            pull(w);
        }
    } else {
        smtp_client_on_bytes(w->c, buf_slice(lines));
        pull(w);
    }
}

/* The first line of `got` is `want`, and goes. */
static void meet(struct world *w, struct buf *got, const char *mark, struct slice want,
                 const char *end)
{
    bool is_met = slice_starts(buf_slice(got), want) &&
                  slice_starts(slice_from(buf_slice(got), want.n), slice_cstr(end));
    if (!is_met)
        fail_msg("%s: wanted %s %.*s, got %s", w->d->shown, mark, SLICE_FMT(want), buf_cstr(got));
    buf_drop(got, want.n + strlen(end));
}

/* A body may stand in the middle of a line. */
static void meet_nothing(struct world *w)
{
    bool has_line = slice_find(buf_slice(&w->said), '\n') < w->said.n;
    if (has_line || w->events.n)
        fail_msg("%s: not in the script: > %s ! %s", w->d->shown, buf_cstr(&w->said),
                 buf_cstr(&w->events));
}

/* Runs the first `lines_max` lines; true: that was all of it. */
static bool run(struct world *w, unsigned lines_max, bool is_byte_by_byte)
{
    struct slice script = slice_cstr(w->d->script);
    while (script.n && lines_max-- > 0) {
        struct slice line = take_line(&script);
        char mark = line.p[0];
        struct slice text = slice_from(line, 2);
        if (mark == '>') {
            meet(w, &w->said, ">", text, "\r\n");
        } else if (mark == '!') {
            meet(w, &w->events, "!", text, "\n");
        } else if (mark == '@') {
            meet_nothing(w);
            act(w, text);
        } else {
            meet_nothing(w);
            struct buf in;
            buf_init(&in, 4096);
            buf_addf(&in, "%.*s\r\n", SLICE_FMT(text));
            while (script.n && script.p[0] == '<' && lines_max > 0) {
                lines_max--;
                text = slice_from(take_line(&script), 2);
                buf_addf(&in, "%.*s\r\n", SLICE_FMT(text));
            }
            feed(w, &in, is_byte_by_byte);
            buf_close(&in);
        }
    }
    return !script.n;
}

/* The line dies here: one FAILED or CLOSE, and doubt only between the dot and its reply. */
static void cut_line(struct world *w)
{
    bool was_over = w->has_failed;
    bool was_awaiting_final = w->has_said_dot && w->is_in_transaction && !w->has_failed;
    buf_clear(&w->events);
    smtp_client_on_closed(w->c, "connection lost");
    pull(w);
    bool is_closed = slice_starts(buf_slice(&w->events), SLICE("CLOSE"));
    if (!was_over && !is_closed) {
        assert_true(w->has_failed);
        if (w->is_unsure != was_awaiting_final)
            fail_msg("%s: unsure %d after %s", w->d->shown, w->is_unsure, buf_cstr(&w->events));
    }
    for (unsigned i = 0; i < w->message.recipient_count; i++)
        assert_int_equal(w->recipient[i].is_settled, w->events_of[i]);
    buf_clear(&w->events);
    smtp_client_on_bytes(w->c, SLICE("250 late\r\n"));
    smtp_client_on_timeout(w->c);
    pull(w);
    assert_int_equal(w->events.n, 0);
    assert_int_equal(smtp_client_timeout_ms(w->c), 0);
}

static void run_all(const struct dialogue *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (int is_byte_by_byte = 0; is_byte_by_byte <= 1; is_byte_by_byte++) {
            bool is_whole = false;
            for (unsigned lines = 0; !is_whole; lines++) {
                struct world w;
                open_world(&w, &rows[i]);
                is_whole = run(&w, lines, is_byte_by_byte);
                if (is_whole)
                    meet_nothing(&w);
                bool is_closed = slice_eq(slice_cstr(smtp_client_state_name(w.c)), SLICE("closed"));
                if (!is_closed)
                    cut_line(&w);
                close_world(&w);
            }
        }
    }
}

#define HELLO_WITH(capabilities)                                                                   \
    "@ connect\n< 220 mx.example ready\n> EHLO me.example\n" capabilities
#define PLAIN_READY HELLO_WITH("< 250 mx.example\n! READY\n")
#define PIPELINED_READY HELLO_WITH("< 250-mx.example\n< 250 PIPELINING\n! READY\n")
#define MAIL "> MAIL FROM:<me@example.org>\n"
#define RCPT(name) "> RCPT TO:<" name "@example.net>\n"
#define SECOND_MESSAGE                                                                             \
    MAIL RCPT(                                                                                     \
        "one") "> DATA\n< 250 ok\n< 250 ok\n< 354 go\n! BODY\n"                                    \
               "@ end\n> .\n< 250 taken\n! RECIPIENT 0 delivered 250 taken\n! DONE\n! READY\n"

static const struct dialogue session_rows[] = {
    {"a silent server's session begins and ends",
     PLAIN_READY "@ quit\n> QUIT\n< 221 bye\n! CLOSE\n",
     {0}},
    {"the line ends behind QUIT", PLAIN_READY "@ quit\n> QUIT\n@ closed\n! CLOSE\n", {0}},
    {"nobody answers QUIT", PLAIN_READY "@ quit\n> QUIT\n@ timeout\n! CLOSE\n", {0}},
    {"QUIT is answered with rubbish", PLAIN_READY "@ quit\n> QUIT\n< rubbish\n! CLOSE\n", {0}},
    {"quit before the line is up", "@ quit\n! CLOSE\n", {0}},
    {"quit while EHLO is under way waits for it",
     "@ connect\n< 220 x\n> EHLO me.example\n@ quit\n< 250 x\n> QUIT\n< 221 x\n! CLOSE\n",
     {0}},
    {"quit while a message is under way waits for it",
     PLAIN_READY "@ begin\n" MAIL
                 "@ quit\n< 250 ok\n" RCPT("one") "< 550 no\n! RECIPIENT 0 refused recipient 550 "
                                                  "no\n! DONE\n> QUIT\n< 221 x\n! CLOSE\n",
     {0}},
    {"a greeting of several lines",
     "@ connect\n< 220-mx\n< 220-is\n< 220 ready\n> EHLO me.example\n",
     {0}},
    {"a greeting that refuses for now",
     "@ connect\n< 450 4.3.2 busy\n! FAILED in greeting: the greeting refuses us / 450 4.3.2 "
     "busy\n",
     {0}},
    {"a greeting that refuses",
     "@ connect\n< 554 no SMTP here\n! FAILED in greeting: the greeting refuses us / 554 no SMTP "
     "here\n",
     {0}},
    {"a host without mail (RFC 7504)",
     "@ connect\n< 521 no mail\n! FAILED in greeting: the greeting refuses us / 521 no mail\n",
     {0}},
    {"421 as greeting",
     "@ connect\n< 421 later\n! FAILED in greeting: the server ends the session / 421 later\n",
     {0}},
    {"a greeting of the wrong kind",
     "@ connect\n< 354 go\n! FAILED in greeting: a reply of the wrong kind (2xx where 3xx is due, "
     "or the other way)\n",
     {0}},
    {"not SMTP at all",
     "@ connect\n< HTTP/1.1 400 Bad Request\n! FAILED in greeting: what the server sends is not "
     "SMTP\n",
     {0}},
    {"no greeting in time",
     "@ connect\n@ timeout\n! FAILED in greeting: time-out waiting for the greeting\n",
     {0}},
    {"the connection is never made", "@ closed\n! FAILED in connect: connection lost\n", {0}},
    {"EHLO is unknown, HELO will do",
     HELLO_WITH("< 500 what\n> HELO me.example\n< 250 hello\n! READY\n"),
     {0}},
    {"EHLO and HELO are refused",
     HELLO_WITH("< 502 what\n> HELO me.example\n< 550 who\n! FAILED in HELO: EHLO and HELO were "
                "refused / 550 who\n"),
     {0}},
    {"EHLO is refused for now",
     HELLO_WITH("< 451 wait\n! FAILED in EHLO: EHLO was refused / 451 wait\n"),
     {0}},
    {"421 to EHLO",
     HELLO_WITH("< 421 wait\n! FAILED in EHLO: the server ends the session / 421 wait\n"),
     {0}},
    {"EHLO is not answered",
     HELLO_WITH("@ timeout\n! FAILED in EHLO: time-out waiting for the reply to EHLO\n"),
     {0}},
    {"421 while idle",
     PLAIN_READY "< 421 idle\n! FAILED in ready: the server ends the session / "
                 "421 idle\n",
     {0}},
    {"the line ends while idle", PLAIN_READY "@ closed\n! FAILED in ready: connection lost\n", {0}},
    {"a reply to nothing while idle",
     PLAIN_READY "< 250 ok\n! FAILED in ready: a reply to "
                 "nothing\n",
     {0}},
    {"a time-out while idle is not one", PLAIN_READY "@ timeout\n@ quit\n> QUIT\n", {0}},
};

static const struct dialogue tls_rows[] = {
    {"STARTTLS, and all is asked again",
     HELLO_WITH("< 250-mx\n< 250-PIPELINING\n< 250 STARTTLS\n> STARTTLS\n< 220 go\n! TLS\n@ tls\n"
                "> EHLO me.example\n< 250 mx\n! READY\n@ begin\n" MAIL),
     {.tls = SMTP_CLIENT_TLS_OPPORTUNISTIC}},
    {"STARTTLS offered again behind it is passed over",
     HELLO_WITH("< 250-mx\n< 250 starttls\n> STARTTLS\n< 220 go\n! TLS\n@ tls\n"
                "> EHLO me.example\n< 250-mx\n< 250 STARTTLS\n! READY\n"),
     {.tls = SMTP_CLIENT_TLS_REQUIRED}},
    {"behind it EHLO is refused: what was offered before does not hold",
     HELLO_WITH("< 250-mx\n< 250-PIPELINING\n< 250 STARTTLS\n> STARTTLS\n< 220 go\n! TLS\n@ tls\n"
                "> EHLO me.example\n< 500 what\n> HELO me.example\n< 250 mx\n! READY\n"
                "@ begin\n" MAIL),
     {.tls = SMTP_CLIENT_TLS_REQUIRED}},
    {"the handshake fails",
     HELLO_WITH("< 250-mx\n< 250 STARTTLS\n> STARTTLS\n< 220 go\n! TLS\n@ closed\n"
                "! FAILED in TLS handshake: connection lost\n"),
     {.tls = SMTP_CLIENT_TLS_REQUIRED}},
    {"the handshake does not end",
     HELLO_WITH("< 250-mx\n< 250 STARTTLS\n> STARTTLS\n< 220 go\n! TLS\n@ timeout\n"
                "! FAILED in TLS handshake: time-out in the TLS handshake\n"),
     {.tls = SMTP_CLIENT_TLS_REQUIRED}},
    {"not wanted, not asked for",
     HELLO_WITH("< 250-mx\n< 250 STARTTLS\n! READY\n"),
     {.tls = SMTP_CLIENT_TLS_NONE}},
    {"opportunistic: not offered",
     HELLO_WITH("< 250 mx\n! READY\n"),
     {.tls = SMTP_CLIENT_TLS_OPPORTUNISTIC}},
    {"opportunistic: refused for now",
     HELLO_WITH("< 250-mx\n< 250 STARTTLS\n> STARTTLS\n< 454 no\n! READY\n"),
     {.tls = SMTP_CLIENT_TLS_OPPORTUNISTIC}},
    {"opportunistic: refused",
     HELLO_WITH("< 250-mx\n< 250 STARTTLS\n> STARTTLS\n< 501 no\n! READY\n"),
     {.tls = SMTP_CLIENT_TLS_OPPORTUNISTIC}},
    {"opportunistic: an old server",
     HELLO_WITH("< 500 what\n> HELO me.example\n< 250 x\n! READY\n"),
     {.tls = SMTP_CLIENT_TLS_OPPORTUNISTIC}},
    {"required: not offered",
     HELLO_WITH("< 250 mx\n! FAILED in EHLO: no STARTTLS offered, TLS is required\n"),
     {.tls = SMTP_CLIENT_TLS_REQUIRED}},
    {"required: an old server",
     HELLO_WITH(
         "< 500 what\n> HELO me.example\n< 250 x\n! FAILED in HELO: no STARTTLS offered, TLS "
         "is required\n"),
     {.tls = SMTP_CLIENT_TLS_REQUIRED}},
    {"required: refused",
     HELLO_WITH(
         "< 250-mx\n< 250 STARTTLS\n> STARTTLS\n< 454 no\n! FAILED in STARTTLS: STARTTLS was "
         "refused, TLS is required / 454 no\n"),
     {.tls = SMTP_CLIENT_TLS_REQUIRED}},
    {"plain bytes behind the 220",
     HELLO_WITH("< 250-mx\n< 250 STARTTLS\n> STARTTLS\n< 220 go\n! TLS\n< 250 trust me\n"
                "! FAILED in TLS handshake: plain bytes behind the reply to STARTTLS\n"),
     {.tls = SMTP_CLIENT_TLS_REQUIRED}},
    {"implicit",
     HELLO_WITH("< 250-mx\n< 250 STARTTLS\n! READY\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT}},
};

#define AUTH_PLAIN "> AUTH PLAIN AHVzZXIAc2VjcmV0\n"

static const struct dialogue auth_rows[] = {
    {"PLAIN",
     HELLO_WITH("< 250-mx\n< 250 AUTH LOGIN PLAIN\n" AUTH_PLAIN "< 235 ok\n! READY\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"LOGIN",
     HELLO_WITH("< 250-mx\n< 250 AUTH GSSAPI login\n> AUTH LOGIN\n< 334 VXNlcm5hbWU6\n> dXNlcg==\n"
                "< 334 UGFzc3dvcmQ6\n> c2VjcmV0\n< 235 ok\n! READY\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"the old form",
     HELLO_WITH("< 250-mx\n< 250 AUTH=LOGIN PLAIN\n" AUTH_PLAIN "< 235 ok\n! READY\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"the old form, LOGIN alone",
     HELLO_WITH("< 250-mx\n< 250 auth=login\n> AUTH LOGIN\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"after STARTTLS, from the second EHLO",
     HELLO_WITH("< 250-mx\n< 250 STARTTLS\n> STARTTLS\n< 220 go\n! TLS\n@ tls\n> EHLO me.example\n"
                "< 250-mx\n< 250 AUTH PLAIN\n" AUTH_PLAIN "< 235 ok\n! READY\n"),
     {.tls = SMTP_CLIENT_TLS_OPPORTUNISTIC, .user = "user"}},
    {"wrong password",
     HELLO_WITH(
         "< 250-mx\n< 250 AUTH PLAIN\n" AUTH_PLAIN
         "< 535 5.7.8 no\n! FAILED in AUTH, login refused: login refused (PLAIN) / 535 5.7.8 no\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"wrong password to LOGIN",
     HELLO_WITH(
         "< 250-mx\n< 250 AUTH LOGIN\n> AUTH LOGIN\n< 334 x\n> dXNlcg==\n< 334 x\n> c2VjcmV0\n"
         "< 535 no\n! FAILED in AUTH, login refused: login refused (LOGIN) / 535 no\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"LOGIN refused at once",
     HELLO_WITH("< 250-mx\n< 250 AUTH LOGIN\n> AUTH LOGIN\n< 454 later\n"
                "! FAILED in AUTH: login put off (LOGIN) / 454 later\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"PLAIN is not known after all",
     HELLO_WITH("< 250-mx\n< 250 AUTH PLAIN LOGIN\n" AUTH_PLAIN "< 504 what\n> AUTH LOGIN\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"PLAIN is challenged",
     HELLO_WITH(
         "< 250-mx\n< 250 AUTH PLAIN\n" AUTH_PLAIN
         "< 334 x\n! FAILED in AUTH: a reply of the wrong kind (2xx where 3xx is due, or the "
         "other way)\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"no mechanism in common",
     HELLO_WITH(
         "< 250-mx\n< 250 AUTH GSSAPI PLAINER\n! FAILED in EHLO: no way to log in: the server "
         "offers AUTH GSSAPI PLAINER, we could use SCRAM-SHA-256, CRAM-MD5, PLAIN, LOGIN\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"no password over a plain line",
     HELLO_WITH("< 250-mx\n< 250 AUTH PLAIN\n! FAILED in EHLO: AUTH is configured and the line has "
                "no TLS: the password is not sent\n"),
     {.tls = SMTP_CLIENT_TLS_OPPORTUNISTIC, .user = "user"}},
    {"no password over a plain line when STARTTLS is refused",
     HELLO_WITH("< 250-mx\n< 250-STARTTLS\n< 250 AUTH PLAIN\n> STARTTLS\n< 454 no\n! FAILED in "
                "STARTTLS: AUTH is configured and the line has no TLS: the password is not sent\n"),
     {.tls = SMTP_CLIENT_TLS_OPPORTUNISTIC, .user = "user"}},
    {"unless the operator wants it so",
     HELLO_WITH("< 250-mx\n< 250 AUTH PLAIN\n" AUTH_PLAIN "< 235 ok\n! READY\n"),
     {.user = "user", .allows_plain_auth = true}},
    {"AUTH is not answered",
     HELLO_WITH("< 250-mx\n< 250 AUTH PLAIN\n" AUTH_PLAIN
                "@ timeout\n! FAILED in AUTH: time-out waiting for the reply to AUTH\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
};

static const struct dialogue sasl_rows[] = {
    {"SCRAM-SHA-256 as in RFC 7677",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH SCRAM-SHA-256 PLAIN\n"
                "! SUM nonce\n"
                "@ sum rOprNGfwEbeRWgbNEkqO\n"
                "> AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\n"
                "< 334 "
                "cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPVcyMlphSj"
                "BTTlk3c29Fc1VFamI2Z1E9PSxpPTQwOTY=\n"
                "! SUM scram 4096 W22ZaJ0SNY7soEsUEjb6gQ== "
                "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$"
                "k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%"
                "hvYDpWUa2RaTCAfuxFIlj)hNlF$k0\n"
                "@ sum "
                "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVTquuJNEGLbdalFH/"
                "C26n6YyFRlSf90HmctMlGyOX3kbg==\n"
                "> "
                "Yz1iaXdzLHI9ck9wck5HZndFYmVSV2diTkVrcU8laHZZRHBXVWEyUmFUQ0FmdXhGSWxqKWhObEYkazAscD"
                "1kSHpiWmFwV0lrNGpVaE4rVXRlOXl0YWc5empmTUhnc3FtbWl6N0FuZFZRPQ==\n"
                "< 334 dj02cnJpVFJCaTIzV3BSUi93dHVwK21NaFVaVW4vZEI1bkxUSlJzamw5NUc0PQ==\n"
                "> \n"
                "< 235 2.7.0 ok\n"
                "! READY\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT,
      .user = "user",
      .mechanisms = SMTP_SASL_BIT(SMTP_SASL_SCRAM_SHA_256)}},
    {"SCRAM, a name with commas",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH SCRAM-SHA-256 PLAIN\n"
                "! SUM nonce\n"
                "@ sum rOprNGfwEbeRWgbNEkqO\n"
                "> AUTH SCRAM-SHA-256 biwsbj1hPTJDYj0zRGMscj1yT3ByTkdmd0ViZVJXZ2JORWtxTw==\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "a,b=c"}},
    {"SCRAM, the server's signature is wrong",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH SCRAM-SHA-256 PLAIN\n"
                "! SUM nonce\n"
                "@ sum rOprNGfwEbeRWgbNEkqO\n"
                "> AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\n"
                "< 334 "
                "cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPVcyMlphSj"
                "BTTlk3c29Fc1VFamI2Z1E9PSxpPTQwOTY=\n"
                "! SUM scram 4096 W22ZaJ0SNY7soEsUEjb6gQ== "
                "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$"
                "k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%"
                "hvYDpWUa2RaTCAfuxFIlj)hNlF$k0\n"
                "@ sum "
                "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVTquuJNEGLbdalFH/"
                "C26n6YyFRlSf90HmctMlGyOX3kbg==\n"
                "> "
                "Yz1iaXdzLHI9ck9wck5HZndFYmVSV2diTkVrcU8laHZZRHBXVWEyUmFUQ0FmdXhGSWxqKWhObEYkazAscD"
                "1kSHpiWmFwV0lrNGpVaE4rVXRlOXl0YWc5empmTUhnc3FtbWl6N0FuZFZRPQ==\n"
                "< 334 dj1lSGg0ZUhoNGVIaDRlSGg0ZUhoNGVIaDRlSGg0ZUhoNGVIaDRlSGg0ZUhnPQ==\n"
                "! FAILED in AUTH: login broken off (SCRAM-SHA-256): it does not know the password "
                "itself: this may be an impostor\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"SCRAM, an error in its place",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH SCRAM-SHA-256 PLAIN\n"
                "! SUM nonce\n"
                "@ sum rOprNGfwEbeRWgbNEkqO\n"
                "> AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\n"
                "< 334 "
                "cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPVcyMlphSj"
                "BTTlk3c29Fc1VFamI2Z1E9PSxpPTQwOTY=\n"
                "! SUM scram 4096 W22ZaJ0SNY7soEsUEjb6gQ== "
                "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$"
                "k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%"
                "hvYDpWUa2RaTCAfuxFIlj)hNlF$k0\n"
                "@ sum "
                "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVTquuJNEGLbdalFH/"
                "C26n6YyFRlSf90HmctMlGyOX3kbg==\n"
                "> "
                "Yz1iaXdzLHI9ck9wck5HZndFYmVSV2diTkVrcU8laHZZRHBXVWEyUmFUQ0FmdXhGSWxqKWhObEYkazAscD"
                "1kSHpiWmFwV0lrNGpVaE4rVXRlOXl0YWc5empmTUhnc3FtbWl6N0FuZFZRPQ==\n"
                "< 334 ZT1vdGhlci1lcnJvcg==\n"
                "! FAILED in AUTH: login broken off (SCRAM-SHA-256): it does not know the password "
                "itself: this may be an impostor\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"SCRAM, 235 without a signature",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH SCRAM-SHA-256 PLAIN\n"
                "! SUM nonce\n"
                "@ sum rOprNGfwEbeRWgbNEkqO\n"
                "> AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\n"
                "< 334 "
                "cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPVcyMlphSj"
                "BTTlk3c29Fc1VFamI2Z1E9PSxpPTQwOTY=\n"
                "! SUM scram 4096 W22ZaJ0SNY7soEsUEjb6gQ== "
                "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$"
                "k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%"
                "hvYDpWUa2RaTCAfuxFIlj)hNlF$k0\n"
                "@ sum "
                "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVTquuJNEGLbdalFH/"
                "C26n6YyFRlSf90HmctMlGyOX3kbg==\n"
                "> "
                "Yz1iaXdzLHI9ck9wck5HZndFYmVSV2diTkVrcU8laHZZRHBXVWEyUmFUQ0FmdXhGSWxqKWhObEYkazAscD"
                "1kSHpiWmFwV0lrNGpVaE4rVXRlOXl0YWc5empmTUhnc3FtbWl6N0FuZFZRPQ==\n"
                "< 235 ok\n"
                "! FAILED in AUTH: login broken off (SCRAM-SHA-256): it says 235 and never proved "
                "to know the password: this may be an impostor\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"SCRAM, 235 at once",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH SCRAM-SHA-256 PLAIN\n"
                "! SUM nonce\n"
                "@ sum rOprNGfwEbeRWgbNEkqO\n"
                "> AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\n"
                "< 235 ok\n"
                "! FAILED in AUTH: login broken off (SCRAM-SHA-256): it says 235 and never proved "
                "to know the password: this may be an impostor\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"SCRAM, the password is wrong",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH SCRAM-SHA-256 PLAIN\n"
                "! SUM nonce\n"
                "@ sum rOprNGfwEbeRWgbNEkqO\n"
                "> AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\n"
                "< 334 "
                "cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPVcyMlphSj"
                "BTTlk3c29Fc1VFamI2Z1E9PSxpPTQwOTY=\n"
                "! SUM scram 4096 W22ZaJ0SNY7soEsUEjb6gQ== "
                "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$"
                "k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%"
                "hvYDpWUa2RaTCAfuxFIlj)hNlF$k0\n"
                "@ sum "
                "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVTquuJNEGLbdalFH/"
                "C26n6YyFRlSf90HmctMlGyOX3kbg==\n"
                "> "
                "Yz1iaXdzLHI9ck9wck5HZndFYmVSV2diTkVrcU8laHZZRHBXVWEyUmFUQ0FmdXhGSWxqKWhObEYkazAscD"
                "1kSHpiWmFwV0lrNGpVaE4rVXRlOXl0YWc5empmTUhnc3FtbWl6N0FuZFZRPQ==\n"
                "< 535 5.7.8 no\n"
                "! FAILED in AUTH, login refused: login refused (SCRAM-SHA-256) / 535 5.7.8 no\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"SCRAM, too few rounds",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH SCRAM-SHA-256 PLAIN\n"
                "! SUM nonce\n"
                "@ sum rOprNGfwEbeRWgbNEkqO\n"
                "> AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\n"
                "< 334 "
                "cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPVcyMlphSj"
                "BTTlk3c29Fc1VFamI2Z1E9PSxpPTQwOTU=\n"
                "! FAILED in AUTH: login broken off (SCRAM-SHA-256): it asks for fewer than 4096 "
                "rounds, which makes the password easy to guess\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"SCRAM, too many rounds",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH SCRAM-SHA-256 PLAIN\n"
                "! SUM nonce\n"
                "@ sum rOprNGfwEbeRWgbNEkqO\n"
                "> AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\n"
                "< 334 "
                "cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPVcyMlphSj"
                "BTTlk3c29Fc1VFamI2Z1E9PSxpPTEwMDAwMDE=\n"
                "! FAILED in AUTH: login broken off (SCRAM-SHA-256): it asks for more than 1000000 "
                "rounds\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"SCRAM, another nonce",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH SCRAM-SHA-256 PLAIN\n"
                "! SUM nonce\n"
                "@ sum rOprNGfwEbeRWgbNEkqO\n"
                "> AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\n"
                "< 334 "
                "cj1yWHByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPVcyMlphSj"
                "BTTlk3c29Fc1VFamI2Z1E9PSxpPTQwOTY=\n"
                "! FAILED in AUTH: login broken off (SCRAM-SHA-256): it answers with a nonce that "
                "is not ours\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"SCRAM, our nonce and nothing more",
     HELLO_WITH(
         "< 250-mx\n"
         "< 250 AUTH SCRAM-SHA-256 PLAIN\n"
         "! SUM nonce\n"
         "@ sum rOprNGfwEbeRWgbNEkqO\n"
         "> AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\n"
         "< 334 cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyxzPVcyMlphSjBTTlk3c29Fc1VFamI2Z1E9PSxpPTQwOTY=\n"
         "! FAILED in AUTH: login broken off (SCRAM-SHA-256): it answers with a nonce that is not "
         "ours\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"SCRAM, an extension that must be known",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH SCRAM-SHA-256 PLAIN\n"
                "! SUM nonce\n"
                "@ sum rOprNGfwEbeRWgbNEkqO\n"
                "> AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\n"
                "< 334 "
                "bT14LHI9ck9wck5HZndFYmVSV2diTkVrcU8laHZZRHBXVWEyUmFUQ0FmdXhGSWxqKWhObEYkazAscz1XMj"
                "JaYUowU05ZN3NvRXNVRWpiNmdRPT0saT00MDk2\n"
                "! FAILED in AUTH: login broken off (SCRAM-SHA-256): its first message is no SCRAM "
                "that we know\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"SCRAM, no salt",
     HELLO_WITH(
         "< 250-mx\n"
         "< 250 AUTH SCRAM-SHA-256 PLAIN\n"
         "! SUM nonce\n"
         "@ sum rOprNGfwEbeRWgbNEkqO\n"
         "> AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\n"
         "< 334 "
         "cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPSxpPTQwOTY=\n"
         "! FAILED in AUTH: login broken off (SCRAM-SHA-256): its first message is no SCRAM that "
         "we know\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"SCRAM, a salt of 65 bytes",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH SCRAM-SHA-256 PLAIN\n"
                "! SUM nonce\n"
                "@ sum rOprNGfwEbeRWgbNEkqO\n"
                "> AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\n"
                "< 334 "
                "cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPWMzTnpjM0"
                "56YzNOemMzTnpjM056YzNOemMzTnpjM056YzNOemMzTnpjM056YzNOemMzTnpjM056YzNOemMzTnpjM056"
                "YzNOemMzTnpjM056YzNOemMzTT0saT00MDk2\n"
                "! FAILED in AUTH: login broken off (SCRAM-SHA-256): its first message is no SCRAM "
                "that we know\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"SCRAM, no base64",
     HELLO_WITH(
         "< 250-mx\n"
         "< 250 AUTH SCRAM-SHA-256 PLAIN\n"
         "! SUM nonce\n"
         "@ sum rOprNGfwEbeRWgbNEkqO\n"
         "> AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\n"
         "< 334 %%%\n"
         "! FAILED in AUTH: a reply of the wrong kind (2xx where 3xx is due, or the other way)\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"SCRAM, the sum cannot be had",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH SCRAM-SHA-256 PLAIN\n"
                "! SUM nonce\n"
                "@ sum \n"
                "! FAILED in AUTH: what the login needs could not be worked out\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"SCRAM, its sum takes too long",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH SCRAM-SHA-256 PLAIN\n"
                "! SUM nonce\n"
                "@ timeout\n"
                "! FAILED in AUTH: time-out working out what the login needs\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"SCRAM, a reply while we calculate",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH SCRAM-SHA-256 PLAIN\n"
                "! SUM nonce\n"
                "< 250 x\n"
                "! FAILED in AUTH: a reply to nothing\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"SCRAM, 421 while we calculate",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH SCRAM-SHA-256 PLAIN\n"
                "! SUM nonce\n"
                "< 421 x\n"
                "! FAILED in AUTH: the server ends the session / 421 x\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"SCRAM, the first message is asked for once more",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH SCRAM-SHA-256 PLAIN\n"
                "! SUM nonce\n"
                "@ sum rOprNGfwEbeRWgbNEkqO\n"
                "> AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\n"
                "< 334 \n"
                "> biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\n"
                "< 334 "
                "cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPVcyMlphSj"
                "BTTlk3c29Fc1VFamI2Z1E9PSxpPTQwOTY=\n"
                "! SUM scram 4096 W22ZaJ0SNY7soEsUEjb6gQ== "
                "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$"
                "k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%"
                "hvYDpWUa2RaTCAfuxFIlj)hNlF$k0\n"
                "@ sum "
                "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVTquuJNEGLbdalFH/"
                "C26n6YyFRlSf90HmctMlGyOX3kbg==\n"
                "> "
                "Yz1iaXdzLHI9ck9wck5HZndFYmVSV2diTkVrcU8laHZZRHBXVWEyUmFUQ0FmdXhGSWxqKWhObEYkazAscD"
                "1kSHpiWmFwV0lrNGpVaE4rVXRlOXl0YWc5empmTUhnc3FtbWl6N0FuZFZRPQ==\n"
                "< 334 dj02cnJpVFJCaTIzV3BSUi93dHVwK21NaFVaVW4vZEI1bkxUSlJzamw5NUc0PQ==\n"
                "> \n"
                "< 235 ok\n"
                "! READY\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"SCRAM-SHA-256-PLUS",
     HELLO_WITH(
         "< 250-mx\n"
         "< 250 AUTH SCRAM-SHA-256 SCRAM-SHA-256-PLUS\n"
         "! SUM nonce\n"
         "@ sum rOprNGfwEbeRWgbNEkqO\n"
         "> AUTH SCRAM-SHA-256-PLUS cD10bHMtdW5pcXVlLCxuPXVzZXIscj1yT3ByTkdmd0ViZVJXZ2JORWtxTw==\n"
         "< 334 "
         "cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPVcyMlphSjBTTlk3c"
         "29Fc1VFamI2Z1E9PSxpPTQwOTY=\n"
         "! SUM scram 4096 W22ZaJ0SNY7soEsUEjb6gQ== "
         "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s="
         "W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=cD10bHMtdW5pcXVlLCwwMTIzNDU2Nzg5YWI=,r="
         "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0\n"
         "@ sum "
         "WhFx9OJekImgiY8c/qlNIT0DtCI4EE4JRNdvMKmQOyg/"
         "QrzkF+CdO8sx66NM0A02OJZKj4jc3wZmQXKUUEh0RA==\n"
         "> "
         "Yz1jRDEwYkhNdGRXNXBjWFZsTEN3d01USXpORFUyTnpnNVlXST0scj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEc"
         "FdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxwPVdoRng5T0pla0ltZ2lZOGMvcWxOSVQwRHRDSTRFRTRKUk5kdk1LbV"
         "FPeWc9\n"
         "< 334 dj1QMEs4NUJmZ25UdkxNZXVqVE5BTk5qaVdTbytJM044R1prRnlsRkJJZEVRPQ==\n"
         "> \n"
         "< 235 ok\n"
         "! READY\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user", .binding = "0123456789ab"}},
    {"SCRAM, we could be bound and it could not",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH SCRAM-SHA-256 PLAIN\n"
                "! SUM nonce\n"
                "@ sum rOprNGfwEbeRWgbNEkqO\n"
                "> AUTH SCRAM-SHA-256 eSwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\n"
                "< 334 "
                "cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPVcyMlphSj"
                "BTTlk3c29Fc1VFamI2Z1E9PSxpPTQwOTY=\n"
                "! SUM scram 4096 W22ZaJ0SNY7soEsUEjb6gQ== "
                "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$"
                "k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=eSws,r=rOprNGfwEbeRWgbNEkqO%"
                "hvYDpWUa2RaTCAfuxFIlj)hNlF$k0\n"
                "@ sum "
                "FoqiHTtQEDE8lz1CdaEe3tK4mS+"
                "iMDTl77SPyDS53DZ0jgqmJAnAGvX5X4rpTV0DqXojgj0NQ1dY0PilylFTdQ==\n"
                "> "
                "Yz1lU3dzLHI9ck9wck5HZndFYmVSV2diTkVrcU8laHZZRHBXVWEyUmFUQ0FmdXhGSWxqKWhObEYkazAscD"
                "1Gb3FpSFR0UUVERThsejFDZGFFZTN0SzRtUytpTURUbDc3U1B5RFM1M0RZPQ==\n"
                "< 334 dj1kSTRLcGlRSndCcjErVitLNlUxZEE2bDZJNEk5RFVOWFdORDRwY3BSVTNVPQ==\n"
                "> \n"
                "< 235 ok\n"
                "! READY\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user", .binding = "0123456789ab"}},
    {"SCRAM, binding is not wanted",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH SCRAM-SHA-256 SCRAM-SHA-256-PLUS\n"
                "! SUM nonce\n"
                "@ sum rOprNGfwEbeRWgbNEkqO\n"
                "> AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT,
      .user = "user",
      .binding = "0123456789ab",
      .mechanisms = SMTP_SASL_BIT(SMTP_SASL_SCRAM_SHA_256)}},
    {"SCRAM-SHA-256-PLUS without a channel",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH SCRAM-SHA-256 SCRAM-SHA-256-PLUS\n"
                "! SUM nonce\n"
                "@ sum rOprNGfwEbeRWgbNEkqO\n"
                "> AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"CRAM-MD5 as in RFC 2195",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH LOGIN PLAIN CRAM-MD5\n"
                "> AUTH CRAM-MD5\n"
                "< 334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\n"
                "! SUM md5 <1896.697170952@postoffice.reston.mci.net>\n"
                "@ sum uROmAsftp6SVtObnM004kA==\n"
                "> dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\n"
                "< 235 ok\n"
                "! READY\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "tim"}},
    {"CRAM-MD5 refused",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH PLAIN CRAM-MD5\n"
                "> AUTH CRAM-MD5\n"
                "< 334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\n"
                "! SUM md5 <1896.697170952@postoffice.reston.mci.net>\n"
                "@ sum uROmAsftp6SVtObnM004kA==\n"
                "> dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\n"
                "< 535 no\n"
                "! FAILED in AUTH, login refused: login refused (CRAM-MD5) / 535 no\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "tim"}},
    {"CRAM-MD5, challenged again",
     HELLO_WITH(
         "< 250-mx\n"
         "< 250 AUTH CRAM-MD5\n"
         "> AUTH CRAM-MD5\n"
         "< 334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\n"
         "! SUM md5 <1896.697170952@postoffice.reston.mci.net>\n"
         "@ sum uROmAsftp6SVtObnM004kA==\n"
         "> dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\n"
         "< 334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\n"
         "! FAILED in AUTH: a reply of the wrong kind (2xx where 3xx is due, or the other way)\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "tim"}},
    {"XOAUTH2",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH LOGIN PLAIN XOAUTH2\n"
                "> AUTH XOAUTH2 "
                "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbG"
                "NrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==\n"
                "< 235 2.7.0 Accepted\n"
                "! READY\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT,
      .user = "someuser@example.com",
      .token = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"}},
    {"XOAUTH2, the token is refused",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH XOAUTH2\n"
                "> AUTH XOAUTH2 "
                "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbG"
                "NrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==\n"
                "< 334 "
                "eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIiwic2NvcGUiOiJodHRwczovL21haWwuZ29vZ2"
                "xlLmNvbS8ifQ==\n"
                "> \n"
                "< 535 5.7.8 no\n"
                "! FAILED in AUTH, login refused: login refused (XOAUTH2): "
                "{\"status\":\"401\",\"schemes\":\"bearer\",\"scope\":\"https://mail.google.com/"
                "\"} / 535 5.7.8 no\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT,
      .user = "someuser@example.com",
      .token = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"}},
    {"XOAUTH2, told why twice",
     HELLO_WITH(
         "< 250-mx\n"
         "< 250 AUTH XOAUTH2\n"
         "> AUTH XOAUTH2 "
         "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkS"
         "FJoZG1semRHRXVZMjl0Q2cBAQ==\n"
         "< 334 "
         "eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIiwic2NvcGUiOiJodHRwczovL21haWwuZ29vZ2xlLmNvb"
         "S8ifQ==\n"
         "> \n"
         "< 334 "
         "eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIiwic2NvcGUiOiJodHRwczovL21haWwuZ29vZ2xlLmNvb"
         "S8ifQ==\n"
         "! FAILED in AUTH: a reply of the wrong kind (2xx where 3xx is due, or the other way)\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT,
      .user = "someuser@example.com",
      .token = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"}},
    {"XOAUTH2, taken after all",
     HELLO_WITH(
         "< 250-mx\n"
         "< 250 AUTH XOAUTH2\n"
         "> AUTH XOAUTH2 "
         "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkS"
         "FJoZG1semRHRXVZMjl0Q2cBAQ==\n"
         "< 334 "
         "eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIiwic2NvcGUiOiJodHRwczovL21haWwuZ29vZ2xlLmNvb"
         "S8ifQ==\n"
         "> \n"
         "< 235 ok\n"
         "! FAILED in AUTH: a reply of the wrong kind (2xx where 3xx is due, or the other way)\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT,
      .user = "someuser@example.com",
      .token = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"}},
    {"XOAUTH2, refused at once",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH XOAUTH2\n"
                "> AUTH XOAUTH2 "
                "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbG"
                "NrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==\n"
                "< 454 4.7.0 later\n"
                "! FAILED in AUTH: login put off (XOAUTH2) / 454 4.7.0 later\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT,
      .user = "someuser@example.com",
      .token = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"}},
    {"OAUTHBEARER comes before XOAUTH2 and PLAIN",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH PLAIN XOAUTH2 OAUTHBEARER\n"
                "> AUTH OAUTHBEARER "
                "bixhPXVzZXIsAWF1dGg9QmVhcmVyIHlhMjkudkY5ZGZ0NHFtVGMyTnZiM1JsY2tCaGRIUmhkbWx6ZEdFdV"
                "kyOXRDZwEB\n"
                "< 235 ok\n"
                "! READY\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT,
      .user = "user",
      .token = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"}},
    {"OAUTHBEARER, the token is refused",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH OAUTHBEARER\n"
                "> AUTH OAUTHBEARER "
                "bixhPXVzZXIsAWF1dGg9QmVhcmVyIHlhMjkudkY5ZGZ0NHFtVGMyTnZiM1JsY2tCaGRIUmhkbWx6ZEdFdV"
                "kyOXRDZwEB\n"
                "< 334 eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=\n"
                "> AQ==\n"
                "< 535 no\n"
                "! FAILED in AUTH, login refused: login refused (OAUTHBEARER): "
                "{\"status\":\"invalid_token\"} / 535 no\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT,
      .user = "user",
      .token = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"}},
    {"a token is no password",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH PLAIN LOGIN CRAM-MD5\n"
                "! FAILED in EHLO: no way to log in: the server offers AUTH PLAIN LOGIN CRAM-MD5, "
                "we could use OAUTHBEARER, XOAUTH2\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT,
      .user = "user",
      .token = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg",
      .password = ""}},
    {"EXTERNAL with a name",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH PLAIN EXTERNAL\n"
                "> AUTH EXTERNAL dXNlcg==\n"
                "< 235 ok\n"
                "! READY\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user", .has_certificate = true}},
    {"EXTERNAL without one",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH PLAIN EXTERNAL\n"
                "> AUTH EXTERNAL =\n"
                "< 235 ok\n"
                "! READY\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = NULL, .has_certificate = true}},
    {"EXTERNAL, asked for the name",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH EXTERNAL\n"
                "> AUTH EXTERNAL =\n"
                "< 334 \n"
                "> \n"
                "< 235 ok\n"
                "! READY\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = NULL, .has_certificate = true}},
    {"a certificate alone is enough",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH PLAIN\n"
                "! READY\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = NULL, .has_certificate = true}},
    {"a certificate alone, EXTERNAL is wanted",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH PLAIN\n"
                "! FAILED in EHLO: no way to log in: the server offers AUTH PLAIN, we could use "
                "EXTERNAL\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT,
      .user = NULL,
      .has_certificate = true,
      .mechanisms = SMTP_SASL_BIT(SMTP_SASL_EXTERNAL)}},
    {"EXTERNAL refused",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH EXTERNAL PLAIN\n"
                "> AUTH EXTERNAL =\n"
                "< 535 who\n"
                "! FAILED in AUTH, login refused: login refused (EXTERNAL) / 535 who\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = NULL, .has_certificate = true}},
    {"no AUTH at all",
     HELLO_WITH("< 250-mx\n"
                "< 250 SIZE\n"
                "! FAILED in EHLO: no way to log in: the server offers no AUTH at all, we could "
                "use SCRAM-SHA-256, CRAM-MD5, PLAIN, LOGIN\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"not what the operator wants",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH PLAIN LOGIN\n"
                "! FAILED in EHLO: no way to log in: the server offers AUTH PLAIN LOGIN, we could "
                "use CRAM-MD5\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT,
      .user = "user",
      .mechanisms = SMTP_SASL_BIT(SMTP_SASL_CRAM_MD5)}},
    {"what the operator wants",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH PLAIN LOGIN CRAM-MD5\n"
                "> AUTH LOGIN\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT,
      .user = "user",
      .mechanisms = SMTP_SASL_BIT(SMTP_SASL_LOGIN) | SMTP_SASL_BIT(SMTP_SASL_XOAUTH2)}},
    {"504 to the last one",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH LOGIN\n"
                "> AUTH LOGIN\n"
                "< 504 what\n"
                "! FAILED in AUTH: login refused (LOGIN) / 504 what\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"504 to all but the last one",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH LOGIN CRAM-MD5 PLAIN\n"
                "> AUTH CRAM-MD5\n"
                "< 504 what\n"
                "> AUTH PLAIN AHVzZXIAc2VjcmV0\n"
                "< 504 what\n"
                "> AUTH LOGIN\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"no initial response is taken",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH PLAIN\n"
                "> AUTH PLAIN AHVzZXIAc2VjcmV0\n"
                "< 501 syntax\n"
                "> AUTH PLAIN\n"
                "< 334 \n"
                "> AHVzZXIAc2VjcmV0\n"
                "< 235 ok\n"
                "! READY\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"an initial response is passed over",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH PLAIN\n"
                "> AUTH PLAIN AHVzZXIAc2VjcmV0\n"
                "< 334 \n"
                "> AHVzZXIAc2VjcmV0\n"
                "< 235 ok\n"
                "! READY\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"501 with and without one",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH PLAIN\n"
                "> AUTH PLAIN AHVzZXIAc2VjcmV0\n"
                "< 501 syntax\n"
                "> AUTH PLAIN\n"
                "< 501 syntax\n"
                "! FAILED in AUTH, login refused: login refused (PLAIN) / 501 syntax\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"538 wants TLS",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH PLAIN\n"
                "> AUTH PLAIN AHVzZXIAc2VjcmV0\n"
                "< 538 5.7.11 encrypt\n"
                "! FAILED in AUTH, login refused: login refused (PLAIN) / 538 5.7.11 encrypt\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"534 too weak",
     HELLO_WITH(
         "< 250-mx\n"
         "< 250 AUTH PLAIN\n"
         "> AUTH PLAIN AHVzZXIAc2VjcmV0\n"
         "< 534 5.7.9 app password\n"
         "! FAILED in AUTH, login refused: login refused (PLAIN) / 534 5.7.9 app password\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT, .user = "user"}},
    {"too long for the command's line",
     HELLO_WITH("< 250-mx\n"
                "< 250 AUTH PLAIN\n"
                "> AUTH PLAIN\n"
                "< 334 \n"
                "> "
                "AHV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dX"
                "V1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1"
                "dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dX"
                "V1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1"
                "dXV1dXUAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH"
                "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBw"
                "cHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH"
                "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBw"
                "cHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBw\n"
                "< 235 ok\n"
                "! READY\n"),
     {.tls = SMTP_CLIENT_TLS_IMPLICIT,
      .user = "uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu"
              "uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu"
              "uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu",
      .password = "pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp"
                  "pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp"
                  "pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp"
                  "pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp"}},
};

static const struct dialogue plain_rows[] = {
    {"one message, one command at a time",
     PLAIN_READY "@ begin\n" MAIL "< 250 ok\n" RCPT(
         "one") "< 250 ok\n> DATA\n< 354 go\n! BODY\n"
                "@ body a: b||c|\n> a: b\n> \n> c\n@ end\n> .\n< 250 2.0.0 taken\n"
                "! RECIPIENT 0 delivered 250 2.0.0 taken\n! DONE\n! READY\n"
                "@ quit\n> QUIT\n< 221 bye\n! CLOSE\n",
     {0}},
    {"the body lacks its last line end",
     PLAIN_READY "@ begin\n" MAIL "< 250 ok\n" RCPT("one") "< 250 ok\n> DATA\n< 354 go\n! BODY\n"
                                                           "@ body ab\n@ end\n> ab\n> .\n",
     {0}},
    {"the body ends in half a line end",
     PLAIN_READY "@ begin\n" MAIL "< 250 ok\n" RCPT("one") "< 250 ok\n> DATA\n< 354 go\n! BODY\n"
                                                           "@ body ab^\n@ end\n> ab\r\n> .\n",
     {0}},
    {"an empty body",
     PLAIN_READY "@ begin\n" MAIL "< 250 ok\n" RCPT(
         "one") "< 250 ok\n> DATA\n< 354 go\n! BODY\n"
                "@ end\n> .\n< 250 ok\n! RECIPIENT 0 delivered 250 ok\n! DONE\n! READY\n",
     {0}},
    {"251 and 252 are yes",
     PLAIN_READY "@ begin\n" MAIL "< 250 ok\n" RCPT("one") "< 251 forwarded\n" RCPT(
         "two") "< 252 perhaps\n> DATA\n< 354 go\n! BODY\n@ end\n> .\n< 250 ok\n"
                "! RECIPIENT 0 delivered 250 ok\n! RECIPIENT 1 delivered 250 ok\n! DONE\n! READY\n",
     {.recipient_count = 2}},
    {"one of three is refused",
     PLAIN_READY "@ begin\n" MAIL "< 250 ok\n" RCPT("one") "< 250 ok\n" RCPT(
         "two") "< 550 5.1.1 no\n! RECIPIENT 1 refused recipient 550 "
                "5.1.1 no\n" RCPT("three") "< 250 ok\n> DATA\n< 354 go\n! "
                                           "BODY\n@ end\n> .\n< 250 ok\n"
                                           "! RECIPIENT 0 delivered 250 "
                                           "ok\n! RECIPIENT 2 delivered "
                                           "250 ok\n! DONE\n! READY\n",
     {.recipient_count = 3}},
    {"MAIL refused: all of them, nothing to reset",
     PLAIN_READY "@ begin\n" MAIL "< 451 4.7.1 wait\n! RECIPIENT 0 refused message 451 4.7.1 wait\n"
                 "! RECIPIENT 1 refused message 451 4.7.1 wait\n! DONE\n! READY\n@ begin\n" MAIL,
     {.recipient_count = 2}},
    {"all refused: RSET is awaited before the next MAIL",
     PLAIN_READY "@ begin\n" MAIL "< 250 ok\n" RCPT(
         "one") "< 550 no\n! RECIPIENT 0 refused "
                "recipient 550 no\n! DONE\n! READY\n@ begin\n> RSET\n< 250 ok\n" MAIL,
     {0}},
    {"no RSET behind a delivered message, nor behind a refused one",
     PLAIN_READY "@ begin\n" MAIL "< 250 ok\n" RCPT(
         "one") "< 250 ok\n> DATA\n< 354 go\n! BODY\n"
                "@ end\n> .\n< 554 spam\n! RECIPIENT 0 refused message 554 spam\n! DONE\n! READY\n"
                "@ begin\n" MAIL,
     {0}},
    {"DATA refused: those accepted so far, then RSET",
     PLAIN_READY "@ begin\n" MAIL "< 250 ok\n" RCPT(
         "one") "< 450 no\n! RECIPIENT 0 refused "
                "recipient 450 no\n" RCPT("two") "< 250 ok\n> DATA\n< 451 no\n"
                                                 "! RECIPIENT 1 refused message 451 no\n! DONE\n! "
                                                 "READY\n@ begin\n> RSET\n",
     {.recipient_count = 2}},
    {"RSET refused",
     PLAIN_READY "@ begin\n" MAIL "< 250 ok\n" RCPT(
         "one") "< 550 no\n! RECIPIENT 0 refused "
                "recipient 550 no\n! DONE\n! READY\n@ begin\n> RSET\n< 500 what\n! FAILED in RSET: "
                "RSET was refused / 500 what\n",
     {0}},
    {"the body cannot be read",
     PLAIN_READY "@ begin\n" MAIL "< 250 ok\n" RCPT(
         "one") "< 250 ok\n> DATA\n< 354 go\n! BODY\n"
                "@ body a|\n> a\n@ abort\n! FAILED in body: the body cannot be read\n@ end\n",
     {0}},
    {"refused in the middle of the body",
     PLAIN_READY "@ begin\n" MAIL "< 250 ok\n" RCPT(
         "one") "< 250 ok\n> DATA\n< 354 go\n! BODY\n"
                "@ body a|\n> a\n< 552 5.3.4 too big\n! RECIPIENT 0 refused message 552 5.3.4 too "
                "big\n! FAILED in body: refused in the middle of the body / 552 5.3.4 too big\n"
                "@ body b|\n@ end\n",
     {0}},
    {"taken in the middle of the body is a lie",
     PLAIN_READY "@ begin\n" MAIL "< 250 ok\n" RCPT(
         "one") "< 250 ok\n> DATA\n< 354 go\n! BODY\n"
                "@ body a|\n> a\n< 250 ok\n! FAILED in body: a reply in the middle of the body\n",
     {0}},
    {"421 in the middle of the body",
     PLAIN_READY "@ begin\n" MAIL "< 250 ok\n" RCPT(
         "one") "< 250 ok\n> DATA\n< 354 go\n! BODY\n"
                "@ body a|\n> a\n< 421 bye\n! FAILED in body: the server ends the session / 421 "
                "bye\n",
     {0}},
    {"421 to RCPT: undecided",
     PLAIN_READY "@ begin\n" MAIL "< 250 ok\n" RCPT(
         "one") "< 550 no\n! RECIPIENT 0 refused "
                "recipient 550 no\n" RCPT("two") "< 421 bye\n! FAILED in RCPT: the server ends the "
                                                 "session / 421 bye\n",
     {.recipient_count = 2}},
    {"421 to the final dot is no doubt",
     PLAIN_READY "@ begin\n" MAIL "< 250 ok\n" RCPT(
         "one") "< 250 ok\n> DATA\n< 354 go\n! BODY\n"
                "@ end\n> .\n< 421 bye\n! FAILED in final dot: the server ends the session / 421 "
                "bye\n",
     {0}},
    {"354 to the final dot is doubt",
     PLAIN_READY "@ begin\n" MAIL "< 250 ok\n" RCPT(
         "one") "< 250 ok\n> DATA\n< 354 go\n! BODY\n"
                "@ end\n> .\n< 354 go\n! FAILED in final dot: not a reply to the final dot, "
                "unsure\n",
     {0}},
    {"nobody answers the final dot",
     PLAIN_READY "@ begin\n" MAIL
                 "< 250 ok\n" RCPT("one") "< 250 ok\n> DATA\n< 354 go\n! BODY\n"
                                          "@ end\n> .\n@ timeout\n! FAILED in final dot: time-out "
                                          "waiting for the reply to the "
                                          "final dot, unsure\n",
     {0}},
    {"nobody answers MAIL",
     PLAIN_READY "@ begin\n" MAIL "@ timeout\n! FAILED in MAIL: time-out waiting for the reply to "
                 "MAIL\n",
     {0}},
    {"nobody answers RCPT",
     PLAIN_READY "@ begin\n" MAIL "< 250 ok\n" RCPT("one") "@ timeout\n! FAILED in RCPT: time-out "
                                                           "waiting for the reply to RCPT\n",
     {0}},
    {"nobody answers DATA",
     PLAIN_READY "@ begin\n" MAIL
                 "< 250 ok\n" RCPT("one") "< 250 ok\n> DATA\n@ timeout\n! FAILED in "
                                          "DATA: time-out waiting for the reply to DATA\n",
     {0}},
    {"the body does not get on",
     PLAIN_READY "@ begin\n" MAIL "< 250 ok\n" RCPT(
         "one") "< 250 ok\n> DATA\n< 354 go\n! BODY\n"
                "@ timeout\n! FAILED in body: time-out sending the body\n",
     {0}},
    {"MAIL gets 354",
     PLAIN_READY "@ begin\n" MAIL
                 "< 354 go\n! FAILED in MAIL: a reply of the wrong kind (2xx where "
                 "3xx is due, or the other way)\n",
     {0}},
    {"RCPT gets 354",
     PLAIN_READY "@ begin\n" MAIL "< 250 ok\n" RCPT(
         "one") "< 354 go\n! FAILED in RCPT: a reply of "
                "the wrong kind (2xx where 3xx is due, or the other way)\n",
     {0}},
    {"DATA gets 250",
     PLAIN_READY "@ begin\n" MAIL "< 250 ok\n" RCPT(
         "one") "< 250 ok\n> DATA\n< 250 ok\n! FAILED in "
                "DATA: a reply of the wrong kind (2xx where 3xx is due, or the other way)\n",
     {0}},
    {"rubbish to RCPT",
     PLAIN_READY "@ begin\n" MAIL
                 "< 250 ok\n" RCPT("one") "< ok\n! FAILED in RCPT: what the server "
                                          "sends is not SMTP\n",
     {0}},
    {"SIZE and 8BITMIME are said to those who offer them",
     HELLO_WITH("< 250-mx\n< 250-SIZE 1000\n< 250 8bitmime\n! READY\n@ begin\n"
                "> MAIL FROM:<me@example.org> SIZE=1000 BODY=8BITMIME\n"),
     {.wire_bytes = 1000, .is_8bit = true}},
    {"7 bits need no BODY",
     HELLO_WITH("< 250-mx\n< 250-SIZE\n< 250 8BITMIME\n! READY\n@ begin\n"
                "> MAIL FROM:<me@example.org> SIZE=77\n"),
     {.wire_bytes = 77}},
    {"SIZE 0 is no limit",
     HELLO_WITH("< 250-mx\n< 250 SIZE 0\n! READY\n@ begin\n> MAIL FROM:<me@example.org> SIZE=77\n"),
     {.wire_bytes = 77}},
    {"too large for the server: refused unsaid",
     HELLO_WITH(
         "< 250-mx\n< 250 SIZE 999\n! READY\n@ begin\n"
         "! RECIPIENT 0 refused message 552 5.3.4 the message is larger than the server takes\n"
         "! DONE\n! READY\n@ quit\n> QUIT\n"),
     {.wire_bytes = 1000}},
    {"the null sender", PLAIN_READY "@ begin\n> MAIL FROM:<>\n", {.sender = ""}},
    {"a sender that cannot be said",
     PLAIN_READY "@ begin\n! RECIPIENT 0 refused message 553 5.1.7 the sender address is not valid "
                 "in SMTP\n! DONE\n! READY\n",
     {.sender = "me@example.org>\r\nRCPT TO:<you@example.org"}},
    {"recipients that cannot be said",
     PLAIN_READY
     "@ begin\n" MAIL "< 250 ok\n! RECIPIENT 0 refused recipient 553 5.1.3 the recipient "
     "address is not valid in SMTP\n" RCPT(
         "two") "< 250 ok\n! RECIPIENT 2 refused "
                "recipient 553 5.1.3 the recipient address is not valid in SMTP\n"
                "! RECIPIENT 3 refused recipient 553 5.6.7 the address is not ASCII and the server "
                "does not offer SMTPUTF8\n> DATA\n< 354 go\n! BODY\n@ end\n> .\n< 250 ok\n"
                "! RECIPIENT 1 delivered 250 ok\n! DONE\n! READY\n",
     {.recipient = {"a\r\nRSET@example.net", NULL, "a> NOTIFY=NEVER <@example.net",
                    "\xc3\xa4@example.net"},
      .recipient_count = 4}},
    {"nobody can be said: RSET",
     PLAIN_READY "@ begin\n" MAIL
                 "< 250 ok\n! RECIPIENT 0 refused recipient 553 5.1.3 the recipient "
                 "address is not valid in SMTP\n! DONE\n! READY\n@ begin\n> RSET\n",
     {.recipient = {""}}},
    {"blanks and angles may stand in quotes",
     PLAIN_READY "@ begin\n" MAIL "< 250 ok\n> RCPT TO:<\"a> \\\"b\"@example.net>\n",
     {.recipient = {"\"a> \\\"b\"@example.net"}}},
    {"SMTPUTF8 where it is offered and needed",
     HELLO_WITH(
         "< 250-mx\n< 250 SMTPUTF8\n! READY\n@ begin\n> MAIL FROM:<me@example.org> SMTPUTF8\n"
         "< 250 ok\n> RCPT TO:<\xc3\xa4@example.net>\n"),
     {.recipient = {"\xc3\xa4@example.net"}}},
};

static const struct dialogue pipelined_rows[] = {
    {"one message in one flight, another behind it",
     PIPELINED_READY "@ begin\n" MAIL RCPT("one")
         RCPT("two") "> DATA\n< 250 ok\n< 250 ok\n< 250 ok\n"
                     "< 354 go\n! BODY\n@ body a|\n> a\n@ end\n> .\n< 250 ok\n"
                     "! RECIPIENT 0 delivered 250 ok\n! RECIPIENT 1 delivered 250 ok\n! DONE\n"
                     "! READY\n@ begin\n" MAIL RCPT("one") RCPT("two") "> DATA\n",
     {.recipient_count = 2}},
    {"replies one by one",
     PIPELINED_READY "@ begin\n" MAIL RCPT("one")
         RCPT("two") "> DATA\n< 250 ok\n< 550 no\n"
                     "! RECIPIENT 0 refused recipient 550 no\n< 250 ok\n< 354 go\n! BODY\n"
                     "@ end\n> .\n< 250 ok\n! RECIPIENT 1 delivered 250 ok\n! DONE\n! READY\n",
     {.recipient_count = 2}},
    {"MAIL refused: the rest is taken in and does not count",
     PIPELINED_READY "@ begin\n" MAIL RCPT("one")
         RCPT("two") "> DATA\n< 550 5.7.1 not you\n"
                     "! RECIPIENT 0 refused message 550 5.7.1 not you\n"
                     "! RECIPIENT 1 refused message 550 5.7.1 not you\n"
                     "< 503 no MAIL\n< 503 no MAIL\n< 503 no RCPT\n! DONE\n! READY\n"
                     "@ begin\n" MAIL RCPT("one") RCPT("two") "> DATA\n",
     {.recipient_count = 2}},
    {"MAIL refused, RCPT taken all the same: RSET",
     PIPELINED_READY "@ begin\n" MAIL RCPT(
         "one") "> DATA\n< 451 wait\n"
                "! RECIPIENT 0 refused message 451 wait\n< 250 ok\n< 503 no MAIL\n! DONE\n"
                "! READY\n@ begin\n> RSET\n" MAIL RCPT("one") "> DATA\n",
     {0}},
    {"MAIL refused, all else taken: no empty message to anybody",
     PIPELINED_READY "@ begin\n" MAIL RCPT(
         "one") "> DATA\n< 451 wait\n"
                "! RECIPIENT 0 refused message 451 wait\n< 250 ok\n< 354 go\n! FAILED in DATA: "
                "the server takes DATA for a sender that it refused\n",
     {0}},
    {"all refused, DATA too: RSET rides in front of the next MAIL",
     PIPELINED_READY "@ begin\n" MAIL RCPT(
         "one") "> DATA\n< 250 ok\n< 550 no\n< 554 nobody\n"
                "! RECIPIENT 0 refused recipient 550 no\n! DONE\n! READY\n"
                "@ begin\n> RSET\n" MAIL RCPT("one") "> DATA\n< 250 reset\n< 250 ok\n< 250 ok\n"
                                                     "< 354 go\n! BODY\n@ end\n> .\n< 250 ok\n! "
                                                     "RECIPIENT 0 delivered 250 ok\n"
                                                     "! DONE\n! READY\n@ begin\n" SECOND_MESSAGE,
     {0}},
    {"all refused, DATA taken: an empty body for nobody, no RSET",
     PIPELINED_READY "@ begin\n" MAIL RCPT(
         "one") "> DATA\n< 250 ok\n< 550 no\n< 354 go\n"
                "! RECIPIENT 0 refused recipient 550 no\n> .\n< 554 nobody\n! DONE\n! READY\n"
                "@ begin\n" SECOND_MESSAGE,
     {0}},
    {"all refused, and the empty body is taken",
     PIPELINED_READY "@ begin\n" MAIL RCPT(
         "one") "> DATA\n< 250 ok\n< 450 no\n< 354 go\n"
                "! RECIPIENT 0 refused recipient 450 no\n> .\n< 250 ok\n! DONE\n! READY\n",
     {0}},
    {"all refused, the line ends at the empty body: no doubt about anybody",
     PIPELINED_READY "@ begin\n" MAIL RCPT(
         "one") "> DATA\n< 250 ok\n< 450 no\n< 354 go\n"
                "! RECIPIENT 0 refused recipient 450 no\n> .\n@ closed\n! FAILED in final dot: "
                "connection lost\n",
     {0}},
    {"DATA refused",
     PIPELINED_READY "@ begin\n" MAIL RCPT("one")
         RCPT("two") "> DATA\n< 250 ok\n< 250 ok\n< 550 no\n"
                     "< 451 no\n! RECIPIENT 1 refused recipient 550 no\n"
                     "! RECIPIENT 0 refused message 451 no\n! DONE\n! READY\n@ begin\n> RSET\n" MAIL
                         RCPT("one") RCPT("two") "> DATA\n",
     {.recipient_count = 2}},
    {"421 to RCPT: what is known is handed out first",
     PIPELINED_READY "@ begin\n" MAIL RCPT("one") RCPT(
         "two") "> DATA\n< 250 ok\n< 550 no\n< 421 bye\n"
                "! RECIPIENT 0 refused recipient 550 no\n! FAILED in RCPT: the server ends the "
                "session / 421 bye\n",
     {.recipient_count = 2}},
    {"421 and the end of the line at once",
     PIPELINED_READY
     "@ begin\n" MAIL RCPT("one") "> DATA\n< 250 ok\n< 421 bye\n! FAILED in RCPT: the "
                                  "server ends the session / 421 bye\n@ closed\n",
     {0}},
    {"delivered, and 421 right behind",
     PIPELINED_READY "@ begin\n" MAIL RCPT(
         "one") "> DATA\n< 250 ok\n< 250 ok\n< 354 go\n! BODY\n"
                "@ end\n> .\n< 250 ok\n< 421 bye\n! RECIPIENT 0 delivered 250 ok\n! DONE\n"
                "! READY\n! FAILED in ready: the server ends the session / 421 bye\n",
     {0}},
    {"one reply too many before the body",
     PIPELINED_READY
     "@ begin\n" MAIL RCPT("one") "> DATA\n< 250 ok\n< 250 ok\n< 354 go\n< 250 ok\n"
                                  "! BODY\n! FAILED in body: a reply in the middle of the body\n",
     {0}},
    {"an address that cannot be said is refused in its turn",
     PIPELINED_READY "@ begin\n" MAIL RCPT("one") RCPT(
         "three") "> DATA\n< 250 ok\n< 550 no\n"
                  "< 250 ok\n< 354 go\n! RECIPIENT 0 refused recipient 550 no\n"
                  "! RECIPIENT 1 refused recipient 553 5.1.3 the recipient address is not valid "
                  "in SMTP\n! BODY\n@ end\n> .\n< 250 ok\n! RECIPIENT 2 delivered 250 ok\n! DONE\n"
                  "! READY\n",
     {.recipient = {NULL, "a b@example.net", NULL}, .recipient_count = 3}},
    {"no address can be said: DATA is not either",
     PIPELINED_READY
     "@ begin\n" MAIL "< 250 ok\n! RECIPIENT 0 refused recipient 553 5.1.3 the "
     "recipient address is not valid in SMTP\n! DONE\n! READY\n@ begin\n> RSET\n" MAIL,
     {.recipient = {"a\tb@example.net"}}},
    {"MAIL refused covers those that cannot be said",
     PIPELINED_READY "@ begin\n" MAIL "< 451 wait\n! RECIPIENT 0 refused message 451 wait\n! DONE\n"
                     "! READY\n",
     {.recipient = {"a\x7f@example.net"}}},
};

static void sessions(void **state)
{
    run_all(session_rows, COUNT_OF(session_rows));
}
static void tls(void **state)
{
    run_all(tls_rows, COUNT_OF(tls_rows));
}
static void auth(void **state)
{
    run_all(auth_rows, COUNT_OF(auth_rows));
    run_all(sasl_rows, COUNT_OF(sasl_rows));
}
static void one_command_at_a_time(void **state)
{
    run_all(plain_rows, COUNT_OF(plain_rows));
}
static void pipelined(void **state)
{
    run_all(pipelined_rows, COUNT_OF(pipelined_rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions),  cmocka_unit_test(tls),
        cmocka_unit_test(auth),      cmocka_unit_test(one_command_at_a_time),
        cmocka_unit_test(pipelined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
