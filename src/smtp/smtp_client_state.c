/* smtp_client_state.c -- the states of the sending machine: which follows which, what is said on
 * arriving, and how a session ends.
 *
 *   GREET -> EHLO [-> HELO] [-> STARTTLS -> HANDSHAKE -> EHLO] [-> AUTH_*] -> READY
 *   READY -> [RSET ->] MAIL -> RCPT.. -> DATA -> BODY -> FINAL -> READY
 *                                     \-> BODY (BDAT..) -> FINAL -> READY    a binary message
 *                                           \-> VOID -> READY    354, and nobody to send to
 *   MAIL refused, all RCPT refused, DATA refused: -> READY, once all that was said is answered
 *   READY -> QUIT -> CLOSED; anything that ends the session: -> FAILED */
#include "smtp_client_state.h"

#include <string.h>

#define TRANSACTION_ENDS (BIT(S_READY) | BIT(S_QUIT))

const struct smtp_client_state_row smtp_client_state_rows[S_COUNT] = {
    [S_IDLE] = {"connect", BIT(S_GREET) | BIT(S_CLOSED), 0, ""},
    [S_GREET] = {"greeting", BIT(S_EHLO), 0, "time-out waiting for the greeting"},
    [S_EHLO] = {"EHLO",
                BIT(S_HELO) | BIT(S_STARTTLS) | BIT(S_AUTH_PLAIN) | BIT(S_AUTH_LOGIN) |
                    BIT(S_AUTH_XOAUTH2) | TRANSACTION_ENDS,
                0, "time-out waiting for the reply to EHLO"},
    [S_HELO] = {"HELO", TRANSACTION_ENDS, 0, "time-out waiting for the reply to HELO"},
    [S_STARTTLS] = {"STARTTLS",
                    BIT(S_HANDSHAKE) | BIT(S_AUTH_PLAIN) | BIT(S_AUTH_LOGIN) | BIT(S_AUTH_XOAUTH2) |
                        TRANSACTION_ENDS,
                    0, "time-out waiting for the reply to STARTTLS"},
    [S_HANDSHAKE] = {"TLS handshake", BIT(S_EHLO), SMTP_CLIENT_START_TLS,
                     "time-out in the TLS handshake"},
    [S_AUTH_PLAIN] = {"AUTH", BIT(S_AUTH_LOGIN) | TRANSACTION_ENDS, 0,
                      "time-out waiting for the reply to AUTH"},
    [S_AUTH_LOGIN] = {"AUTH", BIT(S_AUTH_USER), 0, "time-out waiting for the reply to AUTH"},
    [S_AUTH_USER] = {"AUTH", BIT(S_AUTH_PASSWORD), 0, "time-out waiting for the reply to AUTH"},
    [S_AUTH_PASSWORD] = {"AUTH", TRANSACTION_ENDS, 0, "time-out waiting for the reply to AUTH"},
    [S_AUTH_XOAUTH2] = {"AUTH", BIT(S_AUTH_ERROR) | TRANSACTION_ENDS, 0,
                        "time-out waiting for the reply to AUTH"},
    [S_AUTH_ERROR] = {"AUTH", TRANSACTION_ENDS, 0, "time-out waiting for the reply to AUTH"},
    [S_READY] = {"ready", BIT(S_RSET) | BIT(S_MAIL) | TRANSACTION_ENDS, SMTP_CLIENT_READY, ""},
    [S_RSET] = {"RSET", BIT(S_MAIL), 0, "time-out waiting for the reply to RSET"},
    [S_MAIL] = {"MAIL", BIT(S_RCPT) | TRANSACTION_ENDS, 0,
                "time-out waiting for the reply to MAIL"},
    [S_RCPT] = {"RCPT", BIT(S_RCPT) | BIT(S_DATA) | BIT(S_BODY) | TRANSACTION_ENDS, 0,
                "time-out waiting for the reply to RCPT"},
    [S_DATA] = {"DATA", BIT(S_BODY) | BIT(S_VOID) | TRANSACTION_ENDS, 0,
                "time-out waiting for the reply to DATA"},
    [S_BODY] = {"body", BIT(S_FINAL) | TRANSACTION_ENDS, SMTP_CLIENT_BODY,
                "time-out sending the body"},
    [S_FINAL] = {"final dot", TRANSACTION_ENDS, 0,
                 "time-out waiting for the reply to the final dot"},
    [S_VOID] = {"final dot", TRANSACTION_ENDS, 0,
                "time-out waiting for the reply to the final dot"},
    [S_QUIT] = {"QUIT", BIT(S_CLOSED), 0, ""},
    [S_CLOSED] = {"closed", 0, SMTP_CLIENT_CLOSE, ""},
    [S_FAILED] = {"failed", 0, SMTP_CLIENT_FAILED, ""},
};

size_t smtp_client_unread(const struct smtp_client *c)
{
    return c->input.n - c->input_at;
}

bool smtp_client_is_over(const struct smtp_client *c)
{
    return c->state == S_FAILED || c->state == S_CLOSED;
}

/* Something was said that has one reply. A reply cannot come before its command, so bytes that are
 * there already belong to no command: the server and we would count differently from here on. */
void smtp_client_expect_reply(struct smtp_client *c)
{
    if (c->awaited == 0 && smtp_client_unread(c))
        c->is_ahead = true;
    c->awaited++;
}

static void say(struct smtp_client *c, const char *line)
{
    smtp_client_expect_reply(c);
    buf_add_cstr(&c->output, line);
}

static void say_hello(struct smtp_client *c, const char *verb)
{
    smtp_client_expect_reply(c);
    buf_addf(&c->output, "%s %.*s\r\n", verb, SLICE_FMT(c->options->helo));
    c->offer = (struct smtp_client_offer){0};
}

static void say_credential(struct smtp_client *c, struct slice text)
{
    smtp_client_expect_reply(c);
    smtp_client_say_base64(&c->output, text);
}

static void say_final(struct smtp_client *c)
{
    if (c->is_chunking) {
        say(c, "BDAT 0 LAST\r\n");
        return;
    }
    bool has_line_end = c->body_bytes == 0 || memcmp(c->tail, "\r\n", 2) == 0;
    say(c, has_line_end ? ".\r\n" : "\r\n.\r\n");
}

void smtp_client_enter(struct smtp_client *c, enum smtp_client_state next)
{
    bool may_fail = next == S_FAILED && !smtp_client_is_over(c);
    CHECK(may_fail || (smtp_client_state_rows[c->state].may_enter & BIT(next)));
    c->state = next;
    c->owes_event = smtp_client_state_rows[next].event != SMTP_CLIENT_NEEDS_INPUT;
    c->wait++;
    switch (next) { /* what we say on arriving */
    case S_GREET:
        smtp_client_expect_reply(c);
        break;
    case S_EHLO:
        say_hello(c, "EHLO");
        break;
    case S_HELO:
        say_hello(c, "HELO");
        break;
    case S_STARTTLS:
        say(c, "STARTTLS\r\n");
        break;
    case S_AUTH_PLAIN:
        smtp_client_expect_reply(c);
        smtp_client_say_auth_plain(&c->output, c->options->user, c->options->password);
        break;
    case S_AUTH_LOGIN:
        say(c, "AUTH LOGIN\r\n");
        break;
    case S_AUTH_USER:
        say_credential(c, c->options->user);
        break;
    case S_AUTH_PASSWORD:
        say_credential(c, c->options->password);
        break;
    case S_AUTH_XOAUTH2:
        smtp_client_expect_reply(c);
        smtp_client_say_xoauth2(&c->output, c->options->user, c->options->token);
        break;
    case S_AUTH_ERROR:
        say(c, "\r\n");
        break;
    case S_RSET:
    case S_MAIL:
    case S_RCPT:
    case S_DATA:
        smtp_client_mail_say_more(c);
        break;
    case S_FINAL:
        say_final(c);
        break;
    case S_VOID:
        say(c, ".\r\n"); /* RFC 2920 section 3.1: a body of nothing, for nobody */
        break;
    case S_QUIT:
        say(c, "QUIT\r\n");
        break;
    case S_READY:
        buf_trim(&c->output);
        break;
    case S_FAILED:
        buf_clear(&c->output); /* whatever is left unsaid stays so */
        break;
    case S_IDLE:
    case S_HANDSHAKE:
    case S_BODY:
    case S_CLOSED:
    case S_COUNT:
        break;
    }
}

static void end_session(struct smtp_client *c, const char *reason, bool is_by_reply)
{
    if (c->state == S_QUIT) { /* all was said; how the line ends is no matter */
        smtp_client_enter(c, S_CLOSED);
        return;
    }
    c->failed_in = c->state;
    c->reason = reason;
    c->has_failed_by_reply = is_by_reply;
    /* Behind the final dot only a refusal says that the message was not taken. */
    c->is_unsure = c->state == S_FINAL && !is_by_reply;
    smtp_client_enter(c, S_FAILED);
}

void smtp_client_fail(struct smtp_client *c, const char *reason)
{
    end_session(c, reason, false);
}

bool smtp_client_is_refusal(const struct smtp_reply *r)
{
    return r->code >= 400;
}

bool smtp_client_is_fine(const struct smtp_reply *r)
{
    return r->code < 300;
}

void smtp_client_fail_by_kind(struct smtp_client *c)
{
    smtp_client_fail(c, "a reply of the wrong kind (2xx where 3xx is due, or the other way)");
}

void smtp_client_fail_by_reply(struct smtp_client *c, const char *reason)
{
    if (smtp_client_is_refusal(&c->reply))
        end_session(c, reason, true);
    else
        smtp_client_fail_by_kind(c);
}

void smtp_client_go_ready(struct smtp_client *c)
{
    smtp_client_enter(c, c->wants_quit ? S_QUIT : S_READY);
}

enum parse smtp_client_keep_reply(struct smtp_client *c, struct slice bytes)
{
    size_t used;
    buf_clear(&c->reply_bytes);
    CHECK(buf_add(&c->reply_bytes, bytes));
    return smtp_reply_parse(buf_slice(&c->reply_bytes), &c->reply, &used);
}
