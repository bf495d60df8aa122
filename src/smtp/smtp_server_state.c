/* smtp_server_state.c -- the session's state and its words. */
#include "smtp_server_state.h"

static const unsigned may_enter[S_COUNT] = {
    [S_NEW] = BIT(S_GREETED),
    [S_GREETED] = BIT(S_READY),
    [S_TLS] = BIT(S_GREETED),
    [S_READY] = BIT(S_READY) | BIT(S_TLS) | BIT(S_AUTH_PLAIN) | BIT(S_AUTH_USER) |
                BIT(S_AUTH_PASSWORD) | BIT(S_AUTH_SCRAM_FIRST) | BIT(S_AUTH_SCRAM_FINAL) |
                BIT(S_AUTH_SCRAM_END) | BIT(S_AUTH_EXTERNAL) | BIT(S_ENVELOPE),
    [S_AUTH_PLAIN] = BIT(S_READY),
    [S_AUTH_USER] = BIT(S_READY) | BIT(S_AUTH_PASSWORD),
    [S_AUTH_PASSWORD] = BIT(S_READY),
    [S_AUTH_EXTERNAL] = BIT(S_READY),
    [S_AUTH_SCRAM_FIRST] = BIT(S_READY),
    [S_AUTH_SCRAM_FINAL] = BIT(S_READY),
    [S_AUTH_SCRAM_END] = BIT(S_READY),
    [S_ENVELOPE] = BIT(S_READY) | BIT(S_BODY) | BIT(S_CHUNK),
    [S_BODY] = BIT(S_DISCARD) | BIT(S_VERDICT),
    [S_DISCARD] = BIT(S_READY),
    [S_CHUNK] = BIT(S_CHUNKS) | BIT(S_VERDICT) | BIT(S_READY),
    [S_CHUNKS] = BIT(S_CHUNK) | BIT(S_READY),
    [S_VERDICT] = BIT(S_READY),
    [S_CLOSING] = 0,
};

void smtp_server_state_enter(struct smtp_server *s, enum smtp_server_state next)
{
    CHECK(next == S_CLOSING || (may_enter[s->state] & BIT(next)));
    s->state = next;
}

bool smtp_server_state_in_transaction(const struct smtp_server *s)
{
    return s->state == S_ENVELOPE || s->state == S_CHUNK || s->state == S_CHUNKS;
}

bool smtp_server_state_is_auth(const struct smtp_server *s)
{
    return s->state >= S_AUTH_PLAIN && s->state <= S_AUTH_SCRAM_END;
}

bool smtp_server_state_lacks_certificate(const struct smtp_server *s)
{
    return s->options->needs_certificate && !s->certified;
}

void smtp_server_state_forget_scratch(struct smtp_server *s)
{
    if (s->scratch.p)
        smtp_line_wipe(&s->scratch);
}

void smtp_server_state_say(struct smtp_server *s, const char *reply)
{
    CHECK(buf_addf(&s->out, "%s\r\n", reply));
}

void smtp_server_state_say_last(struct smtp_server *s, const char *reply)
{
    smtp_server_state_say(s, reply);
    smtp_server_state_enter(s, S_CLOSING);
}

/* Words from outside this room end the line that began at `from`: printable ASCII only, so that no
 * reply can become two, and no more of them than a line may have. */
static void say_words(struct smtp_server *s, size_t from, const char *words)
{
    struct slice text = slice_trim(slice_cstr(words ? words : ""));
    if (text.n == 0)
        text = SLICE("refused");
    text = slice_head(text, SMTP_SERVER_TEXT_BYTES_MAX);
    text = slice_head(text, SMTP_SERVER_REPLY_BYTES_MAX - 2 - (s->out.n - from));
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        CHECK(buf_add_char(&s->out, c >= ' ' && c <= '~' ? c : '?'));
    }
    CHECK(buf_add(&s->out, SLICE("\r\n")));
}

void smtp_server_state_part(struct smtp_server *s, const char *code, const char *text)
{
    size_t from = s->out.n;
    CHECK(buf_addf(&s->out, "%s %.*s ", code, SLICE_FMT(s->options->hostname)));
    say_words(s, from, text);
    smtp_server_state_enter(s, S_CLOSING);
}

void smtp_server_state_reach(struct smtp_server *s, enum smtp_server_limit limit)
{
    s->limits |= BIT(limit);
}

bool smtp_server_state_is_one_too_many(struct smtp_server *s)
{
    if (s->commands++ < s->options->commands_max)
        return false;
    smtp_server_state_reach(s, SMTP_SERVER_LIMIT_COMMANDS);
    smtp_server_state_part(s, "421 4.7.0", "too many commands without a message, closing");
    return true;
}

bool smtp_server_state_counts_error(struct smtp_server *s)
{
    if (s->errors++ < s->options->errors_max)
        return true;
    smtp_server_state_reach(s, SMTP_SERVER_LIMIT_ERRORS);
    smtp_server_state_part(s, "421 4.7.0", "too many errors, closing the connection");
    return false;
}

void smtp_server_state_complain(struct smtp_server *s, const char *reply)
{
    if (smtp_server_state_counts_error(s))
        smtp_server_state_say(s, reply);
}

void smtp_server_state_refuse(struct smtp_server *s, struct smtp_answer a)
{
    CHECK(a.code >= 400 && a.code <= 599);
    struct smtp_status st = a.status;
    if (st.class != a.code / 100)
        st = (struct smtp_status){a.code / 100, 0, 0};
    size_t from = s->out.n;
    CHECK(buf_addf(&s->out, "%d %d.%d.%d ", a.code, st.class, st.subject, st.detail));
    say_words(s, from, a.text);
    if (a.code == 421)
        smtp_server_state_enter(s, S_CLOSING);
}

void smtp_server_state_end_transaction(struct smtp_server *s)
{
    s->recipients = s->refusals = 0;
    s->is_over_full = false;
    s->is_in_vain = s->is_utf8 = s->is_binary = s->is_chunked = false;
    s->body_bytes = s->chunk_left = 0;
    s->body_refusal = NULL;
}

struct smtp_server_event smtp_server_state_event(enum smtp_server_event_kind kind)
{
    return (struct smtp_server_event){.kind = kind};
}

struct smtp_server_event smtp_server_state_ask(struct smtp_server *s,
                                               enum smtp_server_event_kind kind)
{
    s->asked = kind;
    return smtp_server_state_event(kind);
}
