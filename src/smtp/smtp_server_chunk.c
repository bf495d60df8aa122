/* smtp_server_chunk.c -- see the header.
 *
 *   BDAT 5 -> (first: the caller's answer) -> CHUNK -> 5 bytes -> 250, CHUNKS
 *   BDAT 0 LAST -> CHUNK -> the message's end -> VERDICT
 *   anything wrong -> ABORT to the caller, READY, skip_bytes -> the refusal */
#include "smtp_server_chunk.h"

#define NOTHING smtp_server_state_event(SMTP_SERVER_NEEDS_INPUT)

bool smtp_server_chunk_is_due(const struct smtp_server *s)
{
    bool is_skipped = s->skip_reply && s->skip_bytes == 0;
    return s->owes_abort || is_skipped || (s->state == S_CHUNK && s->chunk_left == 0);
}

bool smtp_server_chunk_is_open(const struct smtp_server *s)
{
    return s->state == S_CHUNK || s->skip_bytes || smtp_server_chunk_is_due(s);
}

static uint64_t skip_bytes_max(const struct smtp_server *s)
{
    uint64_t max = s->options->message_bytes_max;
    return max > UINT64_MAX / 4 ? max : 2 * max + SMTP_SERVER_DISCARD_EXTRA;
}

/* The answer is known before the chunk has come. is_error: the client's, and counted. */
static struct smtp_server_event refuse_command(struct smtp_server *s, uint64_t bytes,
                                               const char *reply, bool is_error)
{
    if (bytes > skip_bytes_max(s)) {
        smtp_server_state_reach(s, SMTP_SERVER_LIMIT_MESSAGE_BYTES);
        smtp_server_state_say_last(s, "552 5.3.4 chunk is too big, closing the connection");
        return NOTHING;
    }
    /* Taken chunks have the message's limit, these have none of their own. */
    bool is_over = smtp_server_state_is_one_too_many(s);
    if (!is_over && is_error)
        smtp_server_state_complain(s, reply);
    else if (!is_over)
        smtp_server_state_say(s, reply);
    s->skip_bytes = bytes;
    return NOTHING;
}

/* The message is void: what is left of the chunk is read through, then the reply comes. */
static void void_message(struct smtp_server *s, const char *reply)
{
    uint64_t left = s->chunk_left;
    bool was_last = s->is_last_chunk;
    smtp_server_state_end_transaction(s);
    s->is_in_vain = !was_last;
    s->skip_bytes = left;
    s->skip_reply = reply;
    smtp_server_state_enter(s, S_READY);
}

static struct smtp_server_event refuse_chunk(struct smtp_server *s, const char *reply)
{
    void_message(s, reply);
    return smtp_server_state_event(SMTP_SERVER_BODY_ABORT);
}

static struct smtp_server_event refuse_long(struct smtp_server *s, enum smtp_server_limit limit,
                                            const char *reply)
{
    smtp_server_state_reach(s, limit);
    return refuse_chunk(s, reply);
}

static bool parse(struct slice args, uint64_t *bytes, bool *is_last)
{
    size_t n = slice_find(args, ' ');
    struct slice number = slice_head(args, n), word = slice_trim(slice_from(args, n));
    *is_last = slice_eq_nocase(word, SLICE("LAST"));
    return number.n <= 20 && slice_to_u64(number, bytes) && (*is_last || word.n == 0);
}

/* Why there can be no chunk here; NULL: there can. */
static const char *is_early(struct smtp_server *s, bool *is_error)
{
    *is_error = true;
    if (s->state == S_GREETED)
        return "503 5.5.1 send EHLO or HELO first";
    if (s->state == S_READY) {
        *is_error = !s->is_in_vain;
        return "503 5.5.1 send MAIL first";
    }
    if (s->state == S_ENVELOPE && s->recipients == 0) {
        *is_error = s->refusals == 0;
        return s->refusals ? "554 5.5.1 no valid recipients" : "503 5.5.1 send RCPT first";
    }
    return NULL;
}

/* The message is void before any of it was read; its other chunks are refused with it. */
static void void_envelope(struct smtp_server *s, bool is_last)
{
    smtp_server_state_end_transaction(s);
    s->is_in_vain = !is_last;
    smtp_server_state_enter(s, S_READY);
    s->owes_abort = true;
}

struct smtp_server_event smtp_server_chunk_begin(struct smtp_server *s, struct slice args)
{
    uint64_t bytes;
    bool is_last, is_error;
    if (!parse(args, &bytes, &is_last)) {
        /* How many bytes are no commands? Nobody knows. */
        smtp_server_state_say_last(s, "501 5.5.4 syntax: BDAT size [LAST], closing the connection");
        return NOTHING;
    }
    const char *no = is_early(s, &is_error);
    if (no) {
        /* With a recipient that comes yet, the rest would pass for the whole. */
        if (s->state == S_ENVELOPE && !is_last)
            void_envelope(s, false);
        else if (is_last)
            s->is_in_vain = false;
        return refuse_command(s, bytes, no, is_error);
    }
    s->chunk_bytes = s->chunk_left = bytes;
    s->is_last_chunk = is_last;
    if (bytes > s->options->message_bytes_max ||
        s->body_bytes > s->options->message_bytes_max - bytes) {
        void_envelope(s, is_last);
        smtp_server_state_reach(s, SMTP_SERVER_LIMIT_MESSAGE_BYTES);
        return refuse_command(s, bytes, "552 5.3.4 message is too big", false);
    }
    if (s->state == S_ENVELOPE) {
        s->is_chunked = true;
        return smtp_server_state_ask(s, SMTP_SERVER_DATA);
    }
    smtp_server_state_enter(s, S_CHUNK);
    return NOTHING;
}

void smtp_server_chunk_on_data(struct smtp_server *s, bool is_accepted)
{
    if (is_accepted) {
        smtp_server_body_init(&s->body, s->is_binary);
        s->body_bytes = 0;
        smtp_server_state_enter(s, S_CHUNK);
    } else if (s->state != S_CLOSING) {
        s->owes_abort = true;
        void_message(s, NULL); /* the refusal was said */
    }
}

static struct smtp_server_event on_text(struct smtp_server *s, struct slice text)
{
    s->body_bytes += text.n;
    if (s->body_bytes > s->options->message_bytes_max)
        return refuse_long(s, SMTP_SERVER_LIMIT_MESSAGE_BYTES, "552 5.3.4 message is too big");
    if (s->body.has_endless_line)
        return refuse_long(s, SMTP_SERVER_LIMIT_LINE_BYTES,
                           "550 5.6.0 a line of the message is too long");
    struct smtp_server_event ev = smtp_server_state_event(SMTP_SERVER_BODY);
    ev.body = text;
    return ev;
}

static struct smtp_server_event on_found(struct smtp_server *s, enum smtp_server_body_found found,
                                         struct slice text)
{
    switch (found) {
    case SMTP_SERVER_BODY_TEXT:
        return on_text(s, text);
    case SMTP_SERVER_BODY_BARE:
        return refuse_chunk(s, "550 5.6.11 bare CR or LF in message");
    case SMTP_SERVER_BODY_NUL:
        return refuse_chunk(s, "550 5.6.0 NUL in message");
    case SMTP_SERVER_BODY_MORE:
    case SMTP_SERVER_BODY_DOT:
        break;
    }
    return NOTHING;
}

static struct smtp_server_event end_chunk(struct smtp_server *s)
{
    if (!s->is_last_chunk) {
        CHECK(buf_addf(&s->out, "250 2.0.0 %llu bytes taken\r\n",
                       (unsigned long long)s->chunk_bytes));
        smtp_server_state_enter(s, S_CHUNKS);
        return NOTHING;
    }
    struct slice text;
    enum smtp_server_body_found found = smtp_server_body_end_chunks(&s->body, &text);
    if (found != SMTP_SERVER_BODY_MORE) {
        s->body.at = BODY_AT_LINE; /* with the CRLF that is handed on now */
        return on_found(s, found, text);
    }
    smtp_server_state_enter(s, S_VERDICT);
    return smtp_server_state_ask(s, SMTP_SERVER_BODY_END);
}

/* A refused chunk: nothing of it is looked at. */
static struct smtp_server_event skip(struct smtp_server *s, struct slice in, size_t *used)
{
    in = slice_head(in, s->skip_bytes < in.n ? (size_t)s->skip_bytes : in.n);
    *used = in.n;
    s->skip_bytes -= in.n;
    if (s->skip_bytes == 0 && s->skip_reply) {
        smtp_server_state_say(s, s->skip_reply);
        s->skip_reply = NULL;
    }
    return NOTHING;
}

struct smtp_server_event smtp_server_chunk_step(struct smtp_server *s, struct slice in,
                                                size_t *used)
{
    *used = 0;
    if (s->owes_abort) {
        s->owes_abort = false;
        return smtp_server_state_event(SMTP_SERVER_BODY_ABORT);
    }
    if (s->state != S_CHUNK)
        return skip(s, in, used);
    if (s->chunk_left == 0)
        return end_chunk(s);
    struct slice text;
    in = slice_head(in, s->chunk_left < in.n ? (size_t)s->chunk_left : in.n);
    enum smtp_server_body_found found = smtp_server_body_scan_chunk(&s->body, in, used, &text);
    s->chunk_left -= *used;
    return on_found(s, found, text);
}
