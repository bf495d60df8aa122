/* drive.h -- a caller for the server machine in tests: feeds bytes, answers questions, keeps what
 * was said and what happened. Static functions: included by several test programs. */
#pragma once

#include "replies.h"
#include "smtp/smtp_server.h"

#include <string.h>

struct drive {
    struct smtp_server *machine;
    const struct smtp_server_options *options;
    struct buf said; /* all output */
    struct buf seen; /* events, a line each: "MAIL a@b size=3 8bit", "BODY text", "END" ... */
    struct buf body; /* of the message under way */
    bool is_closed;
    bool wants_tls; /* STARTTLS came; nobody called on_tls yet */
    unsigned messages;
    size_t fed_bytes;   /* input the machine has taken */
    size_t output_most; /* largest output before it was drained */
    struct smtp_answer (*answer)(struct drive *d, const struct smtp_server_event *ev);
    void *context; /* of answer */
};

static inline void drive_init(struct drive *d, const struct smtp_server_options *options)
{
    *d = (struct drive){.machine = smtp_server_new(options), .options = options};
    buf_init(&d->said, 256u << 20);
    buf_init(&d->seen, 256u << 20);
    buf_init(&d->body, 256u << 20);
}

/* Whatever the session was, what was said in it is well formed. */
static inline void drive_close(struct drive *d)
{
    (void)reply_check_all(buf_slice(&d->said), d->options->hostname);
    smtp_server_free(d->machine);
    buf_close(&d->said);
    buf_close(&d->seen);
    buf_close(&d->body);
    *d = (struct drive){0};
}

static inline void drive_drain(struct drive *d)
{
    struct slice out = smtp_server_output(d->machine);
    if (out.n > d->output_most)
        d->output_most = out.n;
    CHECK(buf_add(&d->said, out));
    smtp_server_sent(d->machine, out.n);
}

/* Bytes as a person can read them on one line; a long text only by its length. */
static inline void drive_show(struct buf *b, struct slice s)
{
    if (s.n > 200) {
        buf_addf(b, "(%zu bytes)", s.n);
        return;
    }
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '\r')
            buf_add_cstr(b, "\\r");
        else if (c == '\n')
            buf_add_cstr(b, "\\n");
        else if (c == '\\')
            buf_add_cstr(b, "\\\\");
        else if (c >= ' ' && c <= '~')
            buf_add_char(b, c);
        else
            buf_addf(b, "\\x%02x", (uint8_t)c);
    }
}

static inline const char *drive_name(enum smtp_server_event_kind kind)
{
    switch (kind) {
    case SMTP_SERVER_NEEDS_INPUT:
        return "NEEDS_INPUT";
    case SMTP_SERVER_STARTTLS:
        return "STARTTLS";
    case SMTP_SERVER_LOGIN:
        return "LOGIN";
    case SMTP_SERVER_MAIL:
        return "MAIL";
    case SMTP_SERVER_RCPT:
        return "RCPT";
    case SMTP_SERVER_DATA:
        return "DATA";
    case SMTP_SERVER_BODY:
        return "BODY";
    case SMTP_SERVER_BODY_END:
        return "END";
    case SMTP_SERVER_BODY_ABORT:
        return "ABORT";
    case SMTP_SERVER_RESET:
        return "RESET";
    case SMTP_SERVER_CLOSE:
        return "CLOSE";
    }
    return "?";
}

static inline void drive_note(struct drive *d, const struct smtp_server_event *ev)
{
    struct buf *b = &d->seen;
    if (ev->kind == SMTP_SERVER_NEEDS_INPUT)
        return;
    if (ev->kind == SMTP_SERVER_BODY) {
        CHECK(ev->body.n > 0);
        CHECK(buf_add(&d->body, ev->body));
        return;
    }
    if (ev->kind == SMTP_SERVER_BODY_END) {
        buf_add_cstr(b, "BODY ");
        drive_show(b, buf_slice(&d->body));
        buf_add_char(b, '\n');
        d->messages++;
    }
    buf_add_cstr(b, drive_name(ev->kind));
    if (ev->kind == SMTP_SERVER_LOGIN) {
        buf_add_char(b, ' ');
        drive_show(b, ev->user);
        buf_add_char(b, ' ');
        drive_show(b, ev->password);
    }
    if (ev->kind == SMTP_SERVER_MAIL || ev->kind == SMTP_SERVER_RCPT) {
        buf_add_cstr(b, " <");
        drive_show(b, ev->path_text);
        buf_add_char(b, '>');
        if (ev->declared_bytes)
            buf_addf(b, " size=%llu", (unsigned long long)ev->declared_bytes);
        if (ev->is_8bit)
            buf_add_cstr(b, " 8bit");
        if (ev->is_binary)
            buf_add_cstr(b, " binary");
        if (ev->is_utf8)
            buf_add_cstr(b, " utf8");
        if (ev->requires_tls)
            buf_add_cstr(b, " requiretls");
        if (ev->ret)
            buf_add_cstr(b, ev->ret == MAIL_RET_FULL ? " ret=full" : " ret=hdrs");
        if (ev->envid.n)
            buf_addf(b, " envid=%.*s", SLICE_FMT(ev->envid));
        if (ev->notify) {
            buf_add_cstr(b, " notify=");
            mail_notify_build(ev->notify, b);
        }
        if (ev->orcpt.n) {
            buf_add_cstr(b, " orcpt=");
            drive_show(b, ev->orcpt);
        }
    }
    CHECK(buf_add_char(b, '\n'));
}

static inline void drive_act(struct drive *d, const struct smtp_server_event *ev)
{
    struct smtp_answer a = {0};
    bool is_question = ev->kind == SMTP_SERVER_LOGIN || ev->kind == SMTP_SERVER_MAIL ||
                       ev->kind == SMTP_SERVER_RCPT || ev->kind == SMTP_SERVER_DATA ||
                       ev->kind == SMTP_SERVER_BODY_END;
    CHECK(smtp_server_awaits_answer(d->machine) == is_question);
    if (is_question && d->answer)
        a = d->answer(d, ev);
    switch (ev->kind) {
    case SMTP_SERVER_LOGIN:
        if (!a.code && ev->step != SMTP_LOGIN_PASSWORD)
            smtp_server_on_challenge(d->machine, SLICE("challenge"),
                                     ev->step == SMTP_LOGIN_SCRAM_FINAL);
        else
            smtp_server_on_login(d->machine, a);
        break;
    case SMTP_SERVER_MAIL:
        smtp_server_on_mail(d->machine, a);
        break;
    case SMTP_SERVER_RCPT:
        smtp_server_on_recipient(d->machine, a);
        break;
    case SMTP_SERVER_DATA:
        smtp_server_on_data(d->machine, a);
        break;
    case SMTP_SERVER_BODY_END:
        buf_clear(&d->body);
        smtp_server_on_message(d->machine, a, "ID");
        break;
    case SMTP_SERVER_BODY_ABORT:
    case SMTP_SERVER_RESET:
        buf_clear(&d->body);
        break;
    case SMTP_SERVER_STARTTLS:
        d->wants_tls = true;
        break;
    case SMTP_SERVER_CLOSE:
        d->is_closed = true;
        break;
    case SMTP_SERVER_NEEDS_INPUT:
    case SMTP_SERVER_BODY:
        break;
    }
}

static inline void drive_feed(struct drive *d, struct slice in)
{
    while (!d->is_closed) {
        size_t used;
        struct smtp_server_event ev = smtp_server_feed(d->machine, in, &used);
        CHECK(used <= in.n);
        d->fed_bytes += used;
        in = slice_from(in, used);
        drive_note(d, &ev);
        drive_act(d, &ev);
        if (ev.kind == SMTP_SERVER_NEEDS_INPUT || ev.kind == SMTP_SERVER_CLOSE)
            drive_drain(d);
        if (ev.kind == SMTP_SERVER_NEEDS_INPUT && in.n == 0)
            return;
    }
}

/* piece_bytes 0: whole; else in pieces of 1..piece_bytes by a small random series. */
static inline void drive_feed_pieces(struct drive *d, struct slice in, size_t piece_bytes,
                                     uint32_t seed)
{
    if (!piece_bytes) {
        drive_feed(d, in);
        return;
    }
    while (in.n) {
        seed = seed * 1664525u + 1013904223u;
        size_t n = 1 + (seed >> 8) % piece_bytes;
        if (n > in.n)
            n = in.n;
        /* A copy of its own, so that a sanitizer sees any look behind the piece. */
        char *copy = mem_dup(in.p, n);
        drive_feed(d, slice_of(copy, n));
        mem_free(copy);
        in = slice_from(in, n);
    }
}
