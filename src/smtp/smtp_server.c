/* smtp_server.c -- the machine: bytes in, events and replies out.
 *
 * Leaves to others: lines (smtp_line), the body's end (smtp_server_body), chunks
 * (smtp_server_chunk), verbs (smtp_server_command), parameters (smtp_server_parameter), AUTH
 * (smtp_server_auth), state and words (smtp_server_state). */
#include "smtp/smtp_server.h"

#include "smtp_server_auth.h"
#include "smtp_server_chunk.h"
#include "smtp_server_command.h"
#include "smtp_server_state.h"

#include <string.h>

#define NOTHING smtp_server_state_event(SMTP_SERVER_NEEDS_INPUT)

static uint64_t discard_bytes_max(const struct smtp_server *s)
{
    uint64_t max = s->options->message_bytes_max;
    return max > UINT64_MAX / 4 ? max : 2 * max + SMTP_SERVER_DISCARD_EXTRA;
}

/* The message is void, the session goes on: the rest is read through, and the dot gets `reply`. */
static struct smtp_server_event refuse_body(struct smtp_server *s, enum smtp_server_limit limit,
                                            const char *reply)
{
    smtp_server_state_reach(s, limit);
    s->body_refusal = reply;
    smtp_server_state_enter(s, S_DISCARD);
    return smtp_server_state_event(SMTP_SERVER_BODY_ABORT);
}

/* The message is void and what follows cannot be trusted. */
static struct smtp_server_event cut_body(struct smtp_server *s, const char *reply)
{
    bool is_known = s->state == S_BODY;
    smtp_server_state_say_last(s, reply);
    return smtp_server_state_event(is_known ? SMTP_SERVER_BODY_ABORT : SMTP_SERVER_NEEDS_INPUT);
}

static struct smtp_server_event on_body_text(struct smtp_server *s, struct slice text)
{
    s->body_bytes += text.n;
    if (s->state == S_DISCARD) {
        if (s->body_bytes > discard_bytes_max(s))
            return cut_body(s, s->body_refusal);
        return NOTHING;
    }
    if (s->body_bytes > s->options->message_bytes_max)
        return refuse_body(s, SMTP_SERVER_LIMIT_MESSAGE_BYTES, "552 5.3.4 message is too big");
    if (s->body.has_endless_line)
        return refuse_body(s, SMTP_SERVER_LIMIT_LINE_BYTES,
                           "550 5.6.0 a line of the message is too long");
    struct smtp_server_event ev = smtp_server_state_event(SMTP_SERVER_BODY);
    ev.body = text;
    return ev;
}

static struct smtp_server_event on_body_dot(struct smtp_server *s)
{
    if (s->state == S_BODY) {
        smtp_server_state_enter(s, S_VERDICT);
        return smtp_server_state_ask(s, SMTP_SERVER_BODY_END);
    }
    smtp_server_state_say(s, s->body_refusal);
    smtp_server_state_end_transaction(s);
    smtp_server_state_enter(s, S_READY);
    return NOTHING;
}

/* One step in the body; NEEDS_INPUT: nothing to tell, go on with what is left. */
static struct smtp_server_event step_body(struct smtp_server *s, struct slice in, size_t *used)
{
    struct slice text;
    enum smtp_server_body_found found = smtp_server_body_scan(&s->body, in, used, &text);
    switch (found) {
    case SMTP_SERVER_BODY_MORE:
        break;
    case SMTP_SERVER_BODY_TEXT:
        return on_body_text(s, text);
    case SMTP_SERVER_BODY_DOT:
        return on_body_dot(s);
    case SMTP_SERVER_BODY_BARE:
        return cut_body(s, "550 5.6.11 bare CR or LF in message");
    case SMTP_SERVER_BODY_NUL:
        return cut_body(s, "550 5.6.0 NUL in message");
    }
    return NOTHING;
}

static struct smtp_server_event on_line(struct smtp_server *s, struct slice line, bool is_last)
{
    if (smtp_server_state_is_auth(s))
        return smtp_server_auth_line(s, line);
    return smtp_server_command_run(s, line, is_last);
}

/* One command line, or what there is of it. */
static struct smtp_server_event step_line(struct smtp_server *s, struct slice in, size_t *used)
{
    bool is_auth = smtp_server_state_is_auth(s);
    struct smtp_server_event ev = NOTHING;
    struct slice line;
    if (s->state != S_AUTH_PASSWORD)
        smtp_server_state_forget_scratch(s);
    enum smtp_line_found found = smtp_line_take(&s->line, in, is_auth, used, &line);
    switch (found) {
    case SMTP_LINE_MORE:
        return ev;
    case SMTP_LINE_DONE:
        ev = on_line(s, line, *used == in.n);
        break;
    case SMTP_LINE_LONG:
        smtp_server_state_reach(s, SMTP_SERVER_LIMIT_LINE_BYTES);
        if (is_auth)
            smtp_server_auth_line_is_long(s);
        else
            smtp_server_state_complain(s, "500 5.5.6 line too long");
        break;
    case SMTP_LINE_ENDLESS:
        smtp_server_state_reach(s, SMTP_SERVER_LIMIT_LINE_BYTES);
        smtp_server_state_say_last(s, "500 5.5.6 line too long, closing the connection");
        break;
    case SMTP_LINE_BARE:
        smtp_server_state_say_last(s, "500 5.5.2 bare CR or LF in command, closing the connection");
        break;
    case SMTP_LINE_NUL:
        smtp_server_state_say_last(s, "500 5.5.2 NUL in command, closing the connection");
        break;
    }
    smtp_line_forget(&s->line);
    return ev;
}

static struct smtp_server_event step(struct smtp_server *s, struct slice in, size_t *used)
{
    if (s->state == S_BODY || s->state == S_DISCARD)
        return step_body(s, in, used);
    if (smtp_server_chunk_is_open(s))
        return smtp_server_chunk_step(s, in, used);
    return step_line(s, in, used);
}

struct smtp_server_event smtp_server_feed(struct smtp_server *s, struct slice in, size_t *used)
{
    CHECK(s->state != S_NEW);
    CHECK(s->asked == SMTP_SERVER_NEEDS_INPUT);
    *used = 0;
    /* Until the handshake is done bytes belong to TLS: here they can only be clear text. */
    if (s->state == S_TLS && in.n)
        smtp_server_state_enter(s, S_CLOSING);
    while (s->state != S_CLOSING) {
        struct slice rest = slice_from(in, *used);
        bool may_read = rest.n && s->out.n < SMTP_SERVER_OUTPUT_HIGH_BYTES;
        if (!may_read && !smtp_server_chunk_is_due(s))
            return NOTHING;
        size_t n;
        struct smtp_server_event ev = step(s, rest, &n);
        *used += n;
        if (ev.kind != SMTP_SERVER_NEEDS_INPUT)
            return ev;
    }
    *used = in.n;
    return smtp_server_state_event(SMTP_SERVER_CLOSE);
}

struct smtp_server *smtp_server_new(const struct smtp_server_options *options)
{
    struct smtp_server *s = mem_new(sizeof *s);
    s->options = options;
    smtp_line_init(&s->line);
    buf_init(&s->scratch, SMTP_AUTH_LINE_BYTES_MAX);
    buf_init(&s->out, SMTP_SERVER_OUTPUT_BYTES_MAX);
    return s;
}

void smtp_server_free(struct smtp_server *s)
{
    if (!s)
        return;
    smtp_server_state_forget_scratch(s);
    smtp_line_close(&s->line);
    buf_close(&s->scratch);
    buf_close(&s->out);
    mem_free(s->helo);
    mem_free(s->user);
    mem_free(s->certified);
    mem_free(s->claimed);
    mem_free(s->parting);
    mem_free(s);
}

void smtp_server_set_peer(struct smtp_server *s, const struct ip *peer, bool is_trusted)
{
    s->peer = peer ? *peer : (struct ip){.family = IP_NONE};
    s->is_trusted = is_trusted;
}

void smtp_server_greet(struct smtp_server *s)
{
    CHECK(buf_addf(&s->out, "220 %.*s ESMTP Outpost%s\r\n", SLICE_FMT(s->options->hostname),
                   s->options->is_staging ? " STAGING" : ""));
    smtp_server_state_enter(s, S_GREETED);
}

void smtp_server_refuse(struct smtp_server *s, int code, const char *text)
{
    CHECK(s->state == S_NEW);
    CHECK(code == 421 || code == 554);
    smtp_server_state_part(s, code == 421 ? "421 4.3.2" : "554 5.7.1", text);
}

static void forget(char **text)
{
    mem_free(*text);
    *text = NULL;
}

void smtp_server_on_tls(struct smtp_server *s)
{
    if (s->state == S_CLOSING)
        return;
    CHECK((s->state == S_TLS || s->state == S_NEW) && !s->has_tls);
    s->has_tls = true;
    if (s->state == S_NEW)
        return;
    forget(&s->helo);
    forget(&s->user);
    s->is_esmtp = false;
    smtp_server_state_end_transaction(s);
    smtp_server_state_enter(s, S_GREETED);
}

void smtp_server_set_certified(struct smtp_server *s, struct slice user)
{
    CHECK(s->has_tls && user.n > 0 && user.n <= SMTP_SERVER_NAME_BYTES_MAX);
    forget(&s->certified);
    s->certified = mem_dup(user.p, user.n);
}

void smtp_server_set_binding(struct smtp_server *s, enum smtp_binding kind, struct slice bytes)
{
    CHECK(s->has_tls && bytes.n <= SMTP_BINDING_BYTES_MAX);
    if (bytes.n)
        memcpy(s->binding[kind], bytes.p, bytes.n);
    s->binding_bytes[kind] = (uint8_t)bytes.n;
}

/* Every answer passes here: takes the question back; true: the caller said yes. What the question
 * pointed to is gone afterwards. */
static bool take_answer(struct smtp_server *s, enum smtp_server_event_kind asked,
                        struct smtp_answer a)
{
    CHECK(s->asked == asked);
    s->asked = SMTP_SERVER_NEEDS_INPUT;
    smtp_server_state_forget_scratch(s);
    if (a.code)
        smtp_server_state_refuse(s, a);
    return a.code == 0;
}

/* The last thing done in an answer: a shutdown that had to wait for it. */
static void end_answer(struct smtp_server *s)
{
    if (s->parting && s->state != S_CLOSING)
        smtp_server_state_part(s, "421 4.3.2", s->parting);
}

void smtp_server_on_login(struct smtp_server *s, struct smtp_answer a)
{
    if (take_answer(s, SMTP_SERVER_LOGIN, a)) {
        s->user = s->claimed;
        s->claimed = NULL;
        smtp_server_state_say(s, "235 2.7.0 authentication succeeded");
    } else {
        forget(&s->claimed);
        /* Guessing ends like any other nonsense. */
        if (a.code >= 500)
            (void)smtp_server_state_counts_error(s);
    }
    end_answer(s);
}

void smtp_server_on_challenge(struct smtp_server *s, struct slice message, bool is_last)
{
    if (take_answer(s, SMTP_SERVER_LOGIN, (struct smtp_answer){0}))
        smtp_server_auth_challenge(s, message, is_last);
    end_answer(s);
}

void smtp_server_on_mail(struct smtp_server *s, struct smtp_answer a)
{
    if (take_answer(s, SMTP_SERVER_MAIL, a)) {
        smtp_server_state_enter(s, S_ENVELOPE);
        smtp_server_state_say(s, "250 2.1.0 sender ok");
    } else {
        smtp_server_state_end_transaction(s);
        s->is_in_vain = true;
    }
    end_answer(s);
}

void smtp_server_on_recipient(struct smtp_server *s, struct smtp_answer a)
{
    if (take_answer(s, SMTP_SERVER_RCPT, a)) {
        s->recipients++;
        s->session_recipients++;
        smtp_server_state_say(s, "250 2.1.5 recipient ok");
    } else {
        s->refusals++;
    }
    end_answer(s);
}

void smtp_server_on_data(struct smtp_server *s, struct smtp_answer a)
{
    bool is_accepted = take_answer(s, SMTP_SERVER_DATA, a);
    if (s->is_chunked) {
        smtp_server_chunk_on_data(s, is_accepted);
    } else if (is_accepted) {
        smtp_server_body_init(&s->body, false);
        s->body_bytes = 0;
        smtp_server_state_enter(s, S_BODY);
        smtp_server_state_say(s, "354 end with <CRLF>.<CRLF>");
    }
    end_answer(s);
}

void smtp_server_on_message(struct smtp_server *s, struct smtp_answer a, const char *id_text)
{
    if (take_answer(s, SMTP_SERVER_BODY_END, a)) {
        CHECK(buf_addf(&s->out, "250 2.0.0 queued as %.64s\r\n", id_text));
        s->errors = s->commands = 0;
    }
    smtp_server_state_end_transaction(s);
    if (s->state != S_CLOSING)
        smtp_server_state_enter(s, S_READY);
    end_answer(s);
}

void smtp_server_shutdown(struct smtp_server *s, const char *text)
{
    if (s->state == S_CLOSING)
        return;
    if (s->asked != SMTP_SERVER_NEEDS_INPUT) {
        /* A message may be on its way to the disk: its answer goes first, or it comes twice. */
        forget(&s->parting);
        struct slice words = slice_head(slice_cstr(text ? text : ""), SMTP_SERVER_TEXT_BYTES_MAX);
        s->parting = mem_dup(words.p, words.n);
    } else if (s->state == S_TLS) {
        smtp_server_state_enter(s, S_CLOSING); /* clear text must not run into the handshake */
    } else {
        smtp_server_state_part(s, "421 4.3.2", text);
    }
}

void smtp_server_on_timeout(struct smtp_server *s, const char *text)
{
    CHECK(s->asked == SMTP_SERVER_NEEDS_INPUT);
    if (s->state == S_TLS)
        smtp_server_state_enter(s, S_CLOSING);
    else if (s->state != S_CLOSING)
        smtp_server_state_part(s, "421 4.4.2", text);
}

struct slice smtp_server_output(const struct smtp_server *s)
{
    return buf_slice(&s->out);
}

void smtp_server_sent(struct smtp_server *s, size_t n)
{
    buf_drop(&s->out, n);
    buf_trim(&s->out);
}

struct slice smtp_server_helo(const struct smtp_server *s)
{
    return s->helo ? slice_cstr(s->helo) : SLICE("");
}

struct slice smtp_server_user(const struct smtp_server *s)
{
    const char *user = s->user ? s->user : s->certified;
    return user ? slice_cstr(user) : SLICE("");
}

bool smtp_server_is_esmtp(const struct smtp_server *s)
{
    return s->is_esmtp;
}

bool smtp_server_has_tls(const struct smtp_server *s)
{
    return s->has_tls;
}

bool smtp_server_is_idle(const struct smtp_server *s)
{
    bool is_between =
        s->state == S_NEW || s->state == S_GREETED || s->state == S_READY || s->state == S_CLOSING;
    return is_between && s->asked == SMTP_SERVER_NEEDS_INPUT && !smtp_line_is_begun(&s->line) &&
           !smtp_server_chunk_is_open(s);
}

bool smtp_server_awaits_answer(const struct smtp_server *s)
{
    return s->asked != SMTP_SERVER_NEEDS_INPUT;
}

bool smtp_server_in_body(const struct smtp_server *s)
{
    return s->state == S_BODY || s->state == S_DISCARD || smtp_server_chunk_is_open(s);
}

enum smtp_server_phase smtp_server_phase(const struct smtp_server *s)
{
    if (smtp_server_in_body(s))
        return SMTP_SERVER_PHASE_BODY;
    if (smtp_server_state_is_auth(s))
        return SMTP_SERVER_PHASE_AUTH;
    if (s->state == S_TLS)
        return SMTP_SERVER_PHASE_TLS;
    return s->state <= S_GREETED ? SMTP_SERVER_PHASE_GREETING : SMTP_SERVER_PHASE_COMMAND;
}

unsigned smtp_server_take_limits(struct smtp_server *s)
{
    unsigned limits = s->limits;
    s->limits = 0;
    return limits;
}

unsigned smtp_server_recipient_count(const struct smtp_server *s)
{
    return s->recipients;
}
