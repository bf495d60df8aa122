/* sendmail.c -- see sendmail.h. */
#include "sendmail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli.h"
#include "drop_file.h"
#include "mail/letter.h"
#include "sendmail_options.h"
#include "sendmail_smtp.h"
#include "sendmail_where.h"

enum { MESSAGE_BYTES_MAX = 1024 * 1024 * 1024 };

static int fail(int status, const char *fmt, ...) PRINTF_LIKE(2, 3);
static int fail(int status, const char *fmt, ...)
{
    va_list args;
    fputs("sendmail: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    return status;
}

/* ---- the other commands ---- */

/* As the command line has it: 1 and 2 have no meaning in sysexits.h. */
static int run_command(const struct sendmail_options *o, const char *a, const char *b,
                       const char *c)
{
    char *argv[8], words[5][16] = {"outpost", "", "", "", "-c"};
    int argc = 0;
    snprintf(words[1], sizeof words[1], "%s", a);
    snprintf(words[2], sizeof words[2], "%s", b);
    snprintf(words[3], sizeof words[3], "%s", c ? c : "");
    for (int i = 0; i < (c ? 4 : 3); i++)
        argv[argc++] = words[i];
    const char *named = o->config ? o->config : getenv("OUTPOST_CONFIG");
    char *config = named && *named ? mem_dup(named, strlen(named)) : NULL;
    if (config) {
        argv[argc++] = words[4];
        argv[argc++] = config;
    }
    argv[argc] = NULL;
    int status = cli_run(argc, argv);
    mem_free(config);
    return status == EXIT_FAILED ? EX_UNAVAILABLE : status == EXIT_USAGE ? EX_USAGE : status;
}

static int verify(const struct sendmail_options *o, const struct sendmail_where *w)
{
    int status = EX_OK;
    for (int i = 0; i < o->recipient_count; i++) {
        struct letter_recipients to;
        struct fault why;
        letter_recipients_init(&to);
        size_t at = 0;
        if (!letter_recipients_add(&to, slice_cstr(o->recipient[i]), slice_cstr(w->hostname),
                                   &why)) {
            printf("%s ... %s\n", o->recipient[i], why.text);
            status = EX_NOUSER;
        }
        for (struct slice one; (one = letter_recipients_next(&to, &at)).n;)
            printf("%.*s ... well-formed (whether it exists only its server knows)\n",
                   SLICE_FMT(one));
        letter_recipients_close(&to);
    }
    return o->recipient_count ? status : fail(EX_USAGE, "-bv: which addresses?");
}

/* ---- the message ---- */

/* All of standard input, or up to the line with a dot alone. */
static bool read_input(struct buf *in, bool ends_at_dot, struct fault *why)
{
    size_t from = 0, next = 0;
    for (;;) {
        enum { CHUNK_BYTES = 65536 };
        char *to = buf_reserve(in, CHUNK_BYTES);
        if (!to) {
            fault_set(why, ERR_FULL, 0, "the message is larger than %d bytes", MESSAGE_BYTES_MAX);
            return false;
        }
        ssize_t n = read(STDIN_FILENO, to, CHUNK_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            fault_set(why, ERR_SYSTEM, errno, "the message cannot be read");
            return false;
        }
        buf_wrote(in, (size_t)n);
        if (ends_at_dot) {
            size_t end = letter_find_dot(buf_slice(in), &from, &next);
            if (end < in->n) {
                in->n = end;
                return true;
            }
        }
        /* The last line may lack its end. */
        if (n == 0 && ends_at_dot && in->n > from &&
            slice_eq(slice_from(buf_slice(in), from), SLICE(".")))
            in->n = from;
        if (n == 0)
            return true;
    }
}

struct job {
    const struct sendmail_options *o;
    struct sendmail_where where;
    struct buf sender, own; /* of the envelope; user@hostname */
    struct letter_recipients to;
    struct buf wire;
    struct handover_envelope envelope;
};

/* -f: "<>" and "" are nobody, else exactly one address. */
static bool find_sender(struct job *j, struct fault *why)
{
    const char *from = j->o->from;
    struct letter_recipients one;
    buf_addf(&j->own, "%s@%s", j->where.user, j->where.hostname);
    if (!from) {
        buf_add(&j->sender, buf_slice(&j->own));
        return true;
    }
    if (!*from || strcmp(from, "<>") == 0)
        return true;
    letter_recipients_init(&one);
    bool is_good =
        letter_recipients_add(&one, slice_cstr(from), slice_cstr(j->where.hostname), why);
    size_t at = 0;
    if (is_good && one.count == 1)
        buf_add(&j->sender, letter_recipients_next(&one, &at));
    else if (is_good)
        fault_set(why, ERR_BAD, 0, "-f %s: that is not one address", from);
    is_good &= one.count == 1;
    letter_recipients_close(&one);
    return is_good;
}

static int prepare(struct job *j)
{
    const struct sendmail_options *o = j->o;
    struct fault why = {0};
    if (!find_sender(j, &why))
        return fail(EX_USAGE, "%s", why.text);
    for (int i = 0; i < o->recipient_count; i++) {
        if (!letter_recipients_add(&j->to, slice_cstr(o->recipient[i]),
                                   slice_cstr(j->where.hostname), &why))
            return fail(EX_NOUSER, "%s", why.text);
    }
    if (!j->to.count && !o->takes_recipients)
        return fail(EX_USAGE, "to whom? Write addresses, or -t to take those of the message");
    const struct letter_options options = {
        .takes_recipients = o->takes_recipients,
        .hostname = slice_cstr(j->where.hostname),
        .from = j->sender.n ? buf_slice(&j->sender) : buf_slice(&j->own),
        .full_name = slice_cstr(o->full_name ? o->full_name : j->where.full_name),
    };
    struct buf in;
    bool is_8bit = false;
    buf_init(&in, MESSAGE_BYTES_MAX);
    bool is_good = read_input(&in, !o->ignores_dots, &why) &&
                   letter_build(buf_slice(&in), &options, &j->wire, &j->to, &is_8bit, &why);
    buf_close(&in);
    if (!is_good)
        return fail(why.errnum ? EX_IOERR : EX_DATAERR, "%s", why.text);
    if (!j->to.count)
        return fail(EX_USAGE, "the message has no recipient in To, Cc or Bcc");
    j->envelope = (struct handover_envelope){
        .sender = buf_slice(&j->sender),
        .recipient = mem_new(j->to.count * sizeof *j->envelope.recipient),
        .recipient_count = j->to.count,
        .is_8bit = is_8bit || o->is_8bit,
        .notify = slice_cstr(o->notify),
        .ret = slice_cstr(o->ret),
        .envid = slice_cstr(o->envid),
    };
    size_t at = 0;
    for (unsigned i = 0; i < j->to.count; i++)
        j->envelope.recipient[i].address = letter_recipients_next(&j->to, &at);
    return EX_OK;
}

static bool read_wire(void *ctx, uint64_t at, char *to, size_t *n)
{
    const struct buf *wire = ctx;
    struct slice rest = slice_head(slice_from(buf_slice(wire), (size_t)at), *n);
    if (rest.n)
        memcpy(to, rest.p, rest.n);
    *n = rest.n;
    return true;
}

static int refused(const struct job *j, const char *said)
{
    const struct handover_envelope *e = &j->envelope;
    unsigned taken = 0;
    const struct handover_recipient *who = NULL;
    for (unsigned i = 0; i < e->recipient_count; i++) {
        taken += e->recipient[i].is_taken;
        if (e->recipient[i].is_refused)
            who = &e->recipient[i];
    }
    const char *rest = taken ? "; others were sent before" : "; nothing was sent";
    if (who)
        return fail(EX_NOUSER, "<%.*s> is refused%s: %s", SLICE_FMT(who->address), rest, said);
    return fail(EX_UNAVAILABLE, "the message is refused%s: %s", rest, said);
}

static int send_message(struct job *j)
{
    const struct sendmail_where *w = &j->where;
    char relay[1200] = "", drop[512] = "";
    int first = 0, last = w->place_count;
    for (int i = 0; i < w->place_count; i++) {
        int fd = handover_connect(w->place[i].socket);
        if (fd < 0) {
            if (i == 0)
                snprintf(relay, sizeof relay, "no relay at %s: %s", w->place[i].socket,
                         strerror(errno));
            continue;
        }
        struct handover h = {.fd = fd,
                             .helo = slice_cstr(w->hostname),
                             .envelope = &j->envelope,
                             .read = read_wire,
                             .ctx = &j->wire,
                             .bytes = j->wire.n,
                             .is_whole = true};
        enum handover_end end = handover_run(&h);
        close(fd);
        if (end == HANDOVER_TAKEN && j->o->is_verbose)
            fprintf(stderr, "sendmail: %s\n", h.said);
        if (end == HANDOVER_TAKEN)
            return EX_OK;
        if (end == HANDOVER_REFUSED)
            return refused(j, h.said);
        snprintf(relay, sizeof relay, "the relay at %s says: %s", w->place[i].socket, h.said);
        first = i; /* this is the relay that will take it later */
        last = i + 1;
        break;
    }
    for (int i = first; i < last; i++) {
        struct fault why = {0};
        if (drop_file_write(w->place[i].drop_dir, &j->envelope, buf_slice(&j->wire), &why) ==
            ERR_OK) {
            if (j->o->is_verbose)
                fprintf(stderr, "sendmail: stored in %s (%s)\n", w->place[i].drop_dir, relay);
            return EX_OK;
        }
        if (i == first)
            snprintf(drop, sizeof drop, "%s", why.text);
    }
    return fail(EX_TEMPFAIL, "the message is not sent: %s; %s", relay, drop);
}

static int run(const struct sendmail_options *o, struct job *j)
{
    switch (o->mode) {
    case SENDMAIL_SMTP:
        return sendmail_smtp(&j->where);
    case SENDMAIL_VERIFY:
        return verify(o, &j->where);
    case SENDMAIL_SEND: {
        int status = prepare(j);
        return status ? status : send_message(j);
    }
    case SENDMAIL_QUEUE:
    case SENDMAIL_FLUSH:
    case SENDMAIL_NOTHING:
    case SENDMAIL_HELP:
        break;
    }
    CHECK(!"a mode that needs to know where");
    return EX_SOFTWARE;
}

int sendmail_run(int argc, char **argv)
{
    struct sendmail_options o;
    struct fault why = {0};
    if (!sendmail_options_parse(argc, argv, &o, &why))
        return fail(EX_USAGE, "%s", why.text);
    switch (o.mode) {
    case SENDMAIL_HELP:
        fputs(sendmail_help, stdout);
        return EX_OK;
    case SENDMAIL_NOTHING:
        return EX_OK;
    case SENDMAIL_QUEUE:
        return run_command(&o, "queue", "list", NULL);
    case SENDMAIL_FLUSH:
        return run_command(&o, "queue", "retry", "--all");
    case SENDMAIL_SEND:
    case SENDMAIL_SMTP:
    case SENDMAIL_VERIFY:
        break;
    }
    struct job j = {.o = &o};
    if (!sendmail_where_find(&j.where, o.config, &why)) {
        sendmail_where_close(&j.where);
        return fail(EX_CONFIG, "%s", why.text);
    }
    buf_init(&j.sender, 1024);
    buf_init(&j.own, 1024);
    buf_init(&j.wire, MESSAGE_BYTES_MAX);
    letter_recipients_init(&j.to);
    int status = run(&o, &j);
    mem_free(j.envelope.recipient);
    letter_recipients_close(&j.to);
    buf_close(&j.wire);
    buf_close(&j.own);
    buf_close(&j.sender);
    sendmail_where_close(&j.where);
    return status;
}
