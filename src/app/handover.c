/* handover.c -- see handover.h. */
#include "handover.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "smtp/smtp_reply.h"

enum { REPLY_BYTES_MAX = 65536, COMMAND_BYTES_MAX = 2048 };

int handover_connect(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof to.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(to.sun_path, path, n);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval wait = {.tv_sec = HANDOVER_WAIT_S};
    /* Before connect: with a full backlog it waits too. */
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0 &&
        connect(fd, (const struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    int e = errno;
    if (fd >= 0)
        close(fd);
    errno = e;
    return -1;
}

bool handover_send(int fd, struct slice s)
{
    while (s.n) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        s = slice_from(s, (size_t)n);
    }
    return true;
}

/* ---- commands and replies ---- */

static void broke(struct handover *h, const char *what)
{
    snprintf(h->said, sizeof h->said, "%s", what);
}

static void take_hello(struct handover *h, const struct smtp_reply *r)
{
    for (int i = 0; i < r->line_count; i++) {
        struct slice word = slice_head(r->line[i], slice_find(r->line[i], ' '));
        h->has_8bit |= slice_eq_nocase(word, SLICE("8BITMIME"));
        h->has_utf8 |= slice_eq_nocase(word, SLICE("SMTPUTF8"));
        h->has_dsn |= slice_eq_nocase(word, SLICE("DSN"));
        h->has_size |= slice_eq_nocase(word, SLICE("SIZE"));
    }
}

static void remember(struct handover *h, const struct smtp_reply *r)
{
    struct buf text;
    buf_init(&text, sizeof h->said);
    smtp_reply_text(r, &text, sizeof h->said - 1);
    snprintf(h->said, sizeof h->said, "%s", buf_cstr(&text));
    buf_close(&text);
}

/* The code of the next reply; 0: there is none. Whatever it is, it stands in `said`. */
static int hear(struct handover *h, bool is_hello)
{
    for (;;) {
        struct smtp_reply r;
        size_t used;
        enum parse p = smtp_reply_parse(buf_slice(&h->in), &r, &used);
        if (p == PARSE_DONE) {
            remember(h, &r);
            if (is_hello)
                take_hello(h, &r);
            buf_drop(&h->in, used);
            return r.code;
        }
        char chunk[4096];
        ssize_t n = p == PARSE_BAD ? 0 : recv(h->fd, chunk, sizeof chunk, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || !buf_add(&h->in, slice_of(chunk, (size_t)n))) {
            broke(h, n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)
                         ? "the relay does not answer"
                         : "the relay ended the connection");
            return 0;
        }
    }
}

static int ask(struct handover *h, struct buf *command)
{
    buf_add_cstr(command, "\r\n");
    if (command->is_full) {
        broke(h, "an address is too long");
        return 553;
    }
    if (handover_send(h->fd, buf_slice(command)))
        return hear(h, false);
    broke(h, "the relay ended the connection");
    return 0;
}

static enum handover_end end_of(int code)
{
    return code / 100 == 2 ? HANDOVER_TAKEN : code / 100 == 5 ? HANDOVER_REFUSED : HANDOVER_LATER;
}

/* ---- a transaction ---- */

static bool needs_utf8(const struct handover_envelope *e)
{
    bool is_plain = slice_is_ascii(e->sender);
    for (unsigned i = 0; i < e->recipient_count && is_plain; i++)
        is_plain = slice_is_ascii(e->recipient[i].address);
    return !is_plain;
}

static int say_mail(struct handover *h)
{
    const struct handover_envelope *e = h->envelope;
    struct buf command;
    buf_init(&command, COMMAND_BYTES_MAX);
    buf_addf(&command, "MAIL FROM:<%.*s>", SLICE_FMT(e->sender));
    if (h->has_size && h->bytes)
        buf_addf(&command, " SIZE=%llu", (unsigned long long)h->bytes);
    if (h->has_8bit && e->is_8bit)
        buf_add_cstr(&command, " BODY=8BITMIME");
    if (h->has_utf8 && needs_utf8(e))
        buf_add_cstr(&command, " SMTPUTF8");
    if (h->has_dsn && e->ret.n)
        buf_addf(&command, " RET=%.*s", SLICE_FMT(e->ret));
    if (h->has_dsn && e->envid.n)
        buf_addf(&command, " ENVID=%.*s", SLICE_FMT(e->envid));
    int code = ask(h, &command);
    buf_close(&command);
    return code;
}

static int say_recipient(struct handover *h, const struct handover_recipient *r)
{
    struct buf command;
    buf_init(&command, COMMAND_BYTES_MAX);
    buf_addf(&command, "RCPT TO:<%.*s>", SLICE_FMT(r->address));
    if (h->has_dsn && h->envelope->notify.n)
        buf_addf(&command, " NOTIFY=%.*s", SLICE_FMT(h->envelope->notify));
    int code = ask(h, &command);
    buf_close(&command);
    return code;
}

/* Adds a dot to lines that begin with one. */
static bool send_stuffed(struct handover *h, struct slice piece, bool *at_line)
{
    struct buf out;
    buf_init(&out, 2 * HANDOVER_CHUNK_BYTES);
    for (size_t i = 0; i < piece.n; i++) {
        if (*at_line && piece.p[i] == '.')
            buf_add_char(&out, '.');
        buf_add_char(&out, piece.p[i]);
        *at_line = piece.p[i] == '\n';
    }
    bool is_sent = handover_send(h->fd, buf_slice(&out));
    buf_close(&out);
    return is_sent;
}

/* After 354. */
static int say_body(struct handover *h)
{
    bool at_line = true;
    uint64_t at = 0;
    char *chunk = mem_new(HANDOVER_CHUNK_BYTES);
    const char *wrong = NULL;
    for (size_t n = 1; n && !wrong;) {
        n = HANDOVER_CHUNK_BYTES;
        if (!h->read(h->ctx, at, chunk, &n))
            wrong = "the message cannot be read";
        else if (n && !send_stuffed(h, slice_of(chunk, n), &at_line))
            wrong = "the relay ended the connection";
        at += n;
    }
    mem_free(chunk);
    if (!wrong && !handover_send(h->fd, at_line ? SLICE(".\r\n") : SLICE("\r\n.\r\n")))
        wrong = "the relay ended the connection";
    if (!wrong)
        return hear(h, false);
    broke(h, wrong);
    shutdown(h->fd, SHUT_RDWR); /* without a dot nothing has been sent */
    return 0;
}

/* Recipients from `from` on that are still to come, until the relay wants no more in this
 * transaction. */
static enum handover_end say_recipients(struct handover *h, bool *is_in, unsigned *accepted)
{
    const struct handover_envelope *e = h->envelope;
    for (unsigned i = 0; i < e->recipient_count; i++) {
        struct handover_recipient *r = &e->recipient[i];
        is_in[i] = false;
        if (r->is_taken || r->is_refused)
            continue;
        int code = say_recipient(h, r);
        switch (end_of(code)) {
        case HANDOVER_TAKEN:
            is_in[i] = true;
            ++*accepted;
            break;
        case HANDOVER_REFUSED:
            r->is_refused = true;
            if (h->is_whole)
                return HANDOVER_REFUSED;
            break;
        case HANDOVER_LATER:
            for (unsigned k = i + 1; k < e->recipient_count; k++)
                is_in[k] = false;
            return *accepted && code ? HANDOVER_TAKEN : HANDOVER_LATER;
        }
    }
    return HANDOVER_TAKEN;
}

static enum handover_end transaction(struct handover *h, bool *is_in)
{
    struct handover_envelope *e = h->envelope;
    unsigned accepted = 0;
    enum handover_end end = end_of(say_mail(h));
    if (!end)
        end = say_recipients(h, is_in, &accepted);
    if (end || !accepted)
        return end;
    struct buf command;
    buf_init(&command, COMMAND_BYTES_MAX);
    buf_add_cstr(&command, "DATA");
    int code = ask(h, &command);
    buf_close(&command);
    if (code == 354)
        code = say_body(h);
    end = end_of(code);
    for (unsigned i = 0; i < e->recipient_count && !end; i++)
        e->recipient[i].is_taken |= is_in[i];
    return end;
}

static bool is_all_said(const struct handover_envelope *e)
{
    for (unsigned i = 0; i < e->recipient_count; i++) {
        if (!e->recipient[i].is_taken && !e->recipient[i].is_refused)
            return false;
    }
    return true;
}

static enum handover_end hello(struct handover *h)
{
    struct buf command;
    int code = hear(h, false);
    if (code / 100 != 2)
        return end_of(code) == HANDOVER_REFUSED ? HANDOVER_REFUSED : HANDOVER_LATER;
    buf_init(&command, COMMAND_BYTES_MAX);
    buf_addf(&command, "EHLO %.*s\r\n", SLICE_FMT(h->helo));
    bool is_sent = handover_send(h->fd, buf_slice(&command));
    buf_close(&command);
    if (!is_sent)
        broke(h, "the relay ended the connection");
    return is_sent ? end_of(hear(h, true)) : HANDOVER_LATER;
}

enum handover_end handover_run(struct handover *h)
{
    CHECK(h->envelope->recipient_count > 0);
    buf_init(&h->in, REPLY_BYTES_MAX);
    bool *is_in = mem_new(h->envelope->recipient_count * sizeof *is_in);
    enum handover_end end = hello(h);
    while (!end && !is_all_said(h->envelope))
        end = transaction(h, is_in);
    if (!end && handover_send(h->fd, SLICE("QUIT\r\n"))) {
        char queued[sizeof h->said]; /* that is what counts, not how it says goodbye */
        memcpy(queued, h->said, sizeof queued);
        (void)hear(h, false);
        memcpy(h->said, queued, sizeof queued);
    }
    mem_free(is_in);
    buf_close(&h->in);
    return end;
}
