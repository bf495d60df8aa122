/* smtp_client.c -- the doors of the sending machine: bytes in, events out, time-outs.
 *
 * smtp_client_next() hands out, in this order: recipients that share a reply, the end of a
 * transaction, the arrival in a state; then it takes one step, one reply read, and looks again. */
#include "smtp/smtp_client.h"

#include "smtp_client_state.h"

#include <stdio.h>

enum { QUIT_MS_MAX = 10000 };

static void on_reply(struct smtp_client *c, const struct smtp_reply *r)
{
    switch (c->state) { /* what their answer means here */
    case S_GREET:
        smtp_client_hello_on_greeting(c, r);
        break;
    case S_EHLO:
        smtp_client_hello_on_ehlo(c, r);
        break;
    case S_HELO:
        smtp_client_hello_on_helo(c, r);
        break;
    case S_STARTTLS:
        smtp_client_hello_on_starttls(c, r);
        break;
    case S_AUTH_PLAIN:
    case S_AUTH_PASSWORD:
    case S_AUTH_XOAUTH2:
    case S_AUTH_ERROR:
        smtp_client_hello_on_auth(c, r);
        break;
    case S_AUTH_LOGIN:
        smtp_client_hello_on_challenge(c, r, S_AUTH_USER);
        break;
    case S_AUTH_USER:
        smtp_client_hello_on_challenge(c, r, S_AUTH_PASSWORD);
        break;
    case S_RSET:
        smtp_client_mail_on_rset(c, r);
        break;
    case S_MAIL:
        smtp_client_mail_on_mail(c, r);
        break;
    case S_RCPT:
        smtp_client_mail_on_rcpt(c, r);
        break;
    case S_DATA:
        smtp_client_mail_on_data(c, r);
        break;
    case S_BODY:
        smtp_client_mail_on_body(c, r);
        break;
    case S_FINAL:
        smtp_client_mail_on_final(c, r);
        break;
    case S_VOID:
        smtp_client_mail_on_void(c, r);
        break;
    case S_QUIT:
        smtp_client_enter(c, S_CLOSED);
        break;
    case S_READY:
        if (smtp_client_is_refusal(r))
            smtp_client_fail_by_reply(c, "the server ends the session");
        else
            smtp_client_fail(c, "a reply to nothing");
        break;
    case S_IDLE:
    case S_HANDSHAKE:
    case S_CLOSED:
    case S_FAILED:
    case S_COUNT:
        CHECK(!"a reply is read in this state");
        break;
    }
}

/* One reply off the input and into c->reply. */
static enum parse take_reply(struct smtp_client *c)
{
    struct slice in = slice_from(buf_slice(&c->input), c->input_at);
    size_t used;
    enum parse p = smtp_reply_parse(in, &c->reply, &used);
    if (p != PARSE_DONE)
        return p;
    p = smtp_client_keep_reply(c, slice_head(in, used));
    c->input_at += used;
    if (!smtp_client_unread(c)) {
        buf_clear(&c->input);
        buf_trim(&c->input);
        c->input_at = 0;
    }
    return p;
}

static void on_whole_reply(struct smtp_client *c)
{
    /* In READY and in the body nothing is awaited, and a reply has a meaning all the same. */
    bool is_due = c->awaited > 0 || c->state == S_READY || c->state == S_BODY;
    if (c->awaited > 0)
        c->awaited--;
    c->wait++;
    if (c->reply.code == 421)
        smtp_client_fail_by_reply(c, "the server ends the session");
    else if (c->is_ahead || !is_due)
        smtp_client_fail(c, "a reply to nothing");
    else
        on_reply(c, &c->reply);
}

/* One thing more that can be done without the world; false: nothing. */
static bool step(struct smtp_client *c)
{
    if (smtp_client_is_over(c))
        return false;
    if (smtp_client_mail_refuse_here(c))
        return true;
    enum parse p = smtp_client_unread(c) ? take_reply(c) : PARSE_MORE;
    if (p == PARSE_DONE)
        on_whole_reply(c);
    else if (p == PARSE_BAD)
        smtp_client_fail(c, "what the server sends is not SMTP");
    else if (c->is_line_dead)
        smtp_client_fail(c, c->closed_reason);
    else
        return false;
    return true;
}

static struct smtp_client_event state_event(struct smtp_client *c)
{
    struct smtp_client_event e = {.kind = smtp_client_state_rows[c->state].event};
    c->owes_event = false;
    if (c->state == S_FAILED) {
        e.scope = c->failed_in < S_READY ? SMTP_SCOPE_HOST : SMTP_SCOPE_SESSION;
        e.is_unsure = c->is_unsure;
        e.reply = c->has_failed_by_reply ? &c->reply : NULL;
        e.reason = c->reason;
    }
    return e;
}

struct smtp_client *smtp_client_new(const struct smtp_client_options *options)
{
    struct smtp_client *c = mem_new(sizeof *c);
    c->options = options;
    buf_init(&c->input, SMTP_CLIENT_INPUT_BYTES_MAX);
    buf_init(&c->output, SMTP_CLIENT_OUTPUT_BYTES_MAX + SMTP_CLIENT_FINAL_ROOM);
    buf_init(&c->reply_bytes, SMTP_REPLY_LINES_MAX * SMTP_REPLY_LINE_BYTES_MAX);
    return c;
}

void smtp_client_free(struct smtp_client *c)
{
    if (!c)
        return;
    buf_close(&c->input);
    buf_close(&c->output);
    buf_close(&c->reply_bytes);
    mem_free(c);
}

void smtp_client_on_connected(struct smtp_client *c)
{
    if (smtp_client_is_over(c))
        return;
    c->has_tls = c->options->tls == SMTP_CLIENT_TLS_IMPLICIT;
    smtp_client_enter(c, S_GREET);
}

void smtp_client_on_bytes(struct smtp_client *c, struct slice in)
{
    if (smtp_client_is_over(c) || !in.n)
        return;
    CHECK(c->state != S_IDLE);
    buf_drop(&c->input, c->input_at);
    c->input_at = 0;
    if (c->state == S_HANDSHAKE)
        smtp_client_fail(c, "plain bytes behind the reply to STARTTLS");
    else if (!buf_add(&c->input, in))
        smtp_client_fail(c, "too much input");
}

void smtp_client_on_tls(struct smtp_client *c)
{
    if (smtp_client_is_over(c))
        return;
    CHECK(c->state == S_HANDSHAKE);
    c->has_tls = true;
    smtp_client_enter(c, S_EHLO);
}

void smtp_client_on_closed(struct smtp_client *c, const char *reason)
{
    if (c->is_line_dead)
        return;
    c->is_line_dead = true; /* after what it said last is read */
    snprintf(c->closed_reason, sizeof c->closed_reason, "%s", reason);
}

void smtp_client_on_timeout(struct smtp_client *c)
{
    if (smtp_client_timeout_ms(c) == 0)
        return;
    bool is_sending = c->state == S_FINAL && c->output.n > 0;
    smtp_client_fail(c, smtp_client_state_rows[is_sending ? S_BODY : c->state].timed_out);
}

struct smtp_client_event smtp_client_next(struct smtp_client *c)
{
    struct smtp_client_event e = {0};
    for (;;) {
        if (smtp_client_mail_next_announced(c, &e))
            return e;
        if (c->is_done_due) {
            c->is_done_due = false;
            c->message = (struct smtp_client_message){0};
            e.kind = SMTP_CLIENT_DONE;
            return e;
        }
        if (c->owes_event)
            return state_event(c);
        if (!step(c))
            return e;
    }
}

void smtp_client_quit(struct smtp_client *c)
{
    if (c->state == S_IDLE)
        smtp_client_enter(c, S_CLOSED);
    else if (c->state == S_READY)
        smtp_client_enter(c, S_QUIT);
    else
        c->wants_quit = true;
}

struct slice smtp_client_output(const struct smtp_client *c)
{
    return buf_slice(&c->output);
}

void smtp_client_sent(struct smtp_client *c, size_t n)
{
    if (n == 0 || c->state == S_FAILED) /* the output was cut meanwhile */
        return;
    buf_drop(&c->output, n);
    c->wait++;
    if (c->state == S_RSET || c->state == S_MAIL || c->state == S_RCPT)
        smtp_client_mail_say_more(c);
}

int64_t smtp_client_timeout_ms(const struct smtp_client *c)
{
    const struct smtp_client_options *o = c->options;
    switch (c->state) {
    case S_GREET:
        return o->greeting_ms;
    case S_EHLO:
    case S_HELO:
    case S_STARTTLS:
    case S_HANDSHAKE:
    case S_AUTH_PLAIN:
    case S_AUTH_LOGIN:
    case S_AUTH_USER:
    case S_AUTH_PASSWORD:
    case S_AUTH_XOAUTH2:
    case S_AUTH_ERROR:
    case S_RSET:
    case S_MAIL:
    case S_RCPT:
    case S_DATA:
        return o->command_ms;
    case S_BODY:
        return o->data_ms;
    case S_FINAL:
    case S_VOID:
        return c->output.n ? o->data_ms : o->final_ms;
    case S_QUIT:
        return o->command_ms < QUIT_MS_MAX ? o->command_ms : QUIT_MS_MAX;
    case S_IDLE:
    case S_READY:
    case S_CLOSED:
    case S_FAILED:
    case S_COUNT:
        break;
    }
    return 0;
}

uint32_t smtp_client_wait(const struct smtp_client *c)
{
    return c->wait;
}

bool smtp_client_is_ready(const struct smtp_client *c)
{
    bool has_told_all =
        !c->owes_event && !c->is_done_due && c->announcement.at >= c->announcement.end;
    return c->state == S_READY && has_told_all;
}

bool smtp_client_has_tls(const struct smtp_client *c)
{
    return c->has_tls;
}

bool smtp_client_offers_dsn(const struct smtp_client *c)
{
    return c->offer.has_dsn;
}

const char *smtp_client_state_name(const struct smtp_client *c)
{
    return smtp_client_state_rows[c->state == S_FAILED ? c->failed_in : c->state].name;
}
