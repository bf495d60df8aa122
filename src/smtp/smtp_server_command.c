/* smtp_server_command.c -- the verbs of RFC 5321 section 4.1.1 and their order.
 *
 * A handler says the reply itself or returns the question that the caller has to answer first.
 * What a peer gets wrong is a complaint and counted; what policy or a limit refuses is not. */
#include "smtp_server_command.h"

#include "base/utf8.h"
#include "smtp_server_auth.h"
#include "smtp_server_chunk.h"
#include "smtp_server_parameter.h"

#include <string.h>

struct command {
    struct slice args; /* trimmed */
    bool is_last;      /* no input stands behind the line */
};

#define NOTHING smtp_server_state_event(SMTP_SERVER_NEEDS_INPUT)

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct smtp_server_event complain(struct smtp_server *s, const char *reply)
{
    smtp_server_state_complain(s, reply);
    return NOTHING;
}

static struct smtp_server_event say(struct smtp_server *s, const char *reply)
{
    smtp_server_state_say(s, reply);
    return NOTHING;
}

/* Back to READY; the caller has to know when it was told of a sender. */
static struct smtp_server_event reset(struct smtp_server *s)
{
    bool is_known = smtp_server_state_in_transaction(s);
    smtp_server_state_end_transaction(s);
    if (s->state != S_GREETED)
        smtp_server_state_enter(s, S_READY);
    return smtp_server_state_event(is_known ? SMTP_SERVER_RESET : SMTP_SERVER_NEEDS_INPUT);
}

/* The peer's name goes into log lines and into Received, where (, ) and the like are syntax. */
static void keep_helo(struct smtp_server *s, struct slice name)
{
    static const char unwanted[] = "()<>;,\"\\";
    name = slice_head(name, SMTP_SERVER_NAME_BYTES_MAX);
    mem_free(s->helo);
    s->helo = mem_dup(name.p, name.n);
    for (size_t i = 0; i < name.n; i++) {
        char c = s->helo[i];
        if (c <= ' ' || c > '~' || memchr(unwanted, c, sizeof unwanted - 1))
            s->helo[i] = '?';
    }
}

static struct smtp_server_event on_hello(struct smtp_server *s, struct command c, bool is_esmtp)
{
    keep_helo(s, c.args);
    s->is_esmtp = is_esmtp;
    if (s->state == S_GREETED)
        smtp_server_state_enter(s, S_READY);
    return reset(s);
}

static struct smtp_server_event on_helo(struct smtp_server *s, struct command c)
{
    struct smtp_server_event ev = on_hello(s, c, false);
    CHECK(buf_addf(&s->out, "250 %.*s\r\n", SLICE_FMT(s->options->hostname)));
    return ev;
}

static struct smtp_server_event on_ehlo(struct smtp_server *s, struct command c)
{
    const struct smtp_server_options *o = s->options;
    struct smtp_server_event ev = on_hello(s, c, true);
    CHECK(buf_addf(&s->out,
                   "250-%.*s\r\n250-PIPELINING\r\n250-SIZE %llu\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
                   "250-DSN\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250-LIMITS RCPTMAX=%u",
                   SLICE_FMT(o->hostname), (unsigned long long)o->message_bytes_max,
                   o->recipients_max));
    if (o->mails_max)
        CHECK(buf_addf(&s->out, " MAILMAX=%u", o->mails_max));
    smtp_server_state_say(s, "");
    if (s->has_tls)
        smtp_server_state_say(s, "250-REQUIRETLS");
    if (o->offers_tls && !s->has_tls)
        smtp_server_state_say(s, "250-STARTTLS");
    smtp_server_auth_say_offer(s);
    smtp_server_state_say(s, "250 ENHANCEDSTATUSCODES");
    return ev;
}

static struct smtp_server_event on_starttls(struct smtp_server *s, struct command c)
{
    if (s->has_tls)
        return complain(s, "503 5.5.1 TLS is already on");
    if (!s->options->offers_tls)
        return complain(s, "502 5.5.1 STARTTLS is not offered");
    if (!s->is_esmtp)
        return complain(s, "503 5.5.1 send EHLO first");
    if (smtp_server_state_in_transaction(s))
        return complain(s, "503 5.5.1 STARTTLS is not allowed during a message");
    /* Whatever stands behind it came in clear text and must not be taken for what the
     * authenticated peer says later (CVE-2011-0411). */
    if (!c.is_last) {
        smtp_server_state_say_last(s, "554 5.5.1 input behind STARTTLS, closing the connection");
        return NOTHING;
    }
    smtp_server_state_say(s, "220 2.0.0 ready to start TLS");
    smtp_server_state_enter(s, S_TLS);
    return smtp_server_state_event(SMTP_SERVER_STARTTLS);
}

static struct smtp_server_event on_auth(struct smtp_server *s, struct command c)
{
    return smtp_server_auth_begin(s, c.args);
}

/* Why there can be no MAIL now; NULL: there can. RFC 3207 and 4954 have the texts of the 530s. */
static const char *mail_is_early(const struct smtp_server *s)
{
    if (s->state == S_GREETED)
        return "503 5.5.1 send EHLO or HELO first";
    if (smtp_server_state_in_transaction(s))
        return "503 5.5.1 sender already given: finish the message or send RSET";
    bool lacks_certificate = smtp_server_state_lacks_certificate(s);
    bool may_send =
        s->options->auth != SMTP_AUTH_REQUIRED || s->is_trusted || s->user || s->certified;
    if (may_send && !lacks_certificate)
        return NULL;
    if (s->options->offers_tls && !s->has_tls)
        return "530 5.7.0 Must issue a STARTTLS command first";
    if (lacks_certificate)
        return "530 5.7.0 a client certificate is required here, one that belongs to a user";
    return "530 5.7.0 Authentication required";
}

static bool is_out_of_recipients(const struct smtp_server *s)
{
    unsigned most = s->options->session_recipients_max;
    return most && s->session_recipients >= most;
}

static struct smtp_server_event on_mail(struct smtp_server *s, struct command c)
{
    const char *no = mail_is_early(s);
    if (smtp_server_state_in_transaction(s))
        return complain(s, no);
    if (is_out_of_recipients(s)) {
        smtp_server_state_reach(s, SMTP_SERVER_LIMIT_SESSION_RECIPIENTS);
        smtp_server_state_part(s, "421 4.7.0", "too many recipients in one session, connect again");
        return NOTHING;
    }
    if (s->options->mails_max && s->mails++ >= s->options->mails_max) {
        smtp_server_state_reach(s, SMTP_SERVER_LIMIT_MAILS);
        smtp_server_state_part(s, "421 4.7.0", "too many messages in one session, connect again");
        return NOTHING;
    }
    smtp_server_state_end_transaction(s);
    struct smtp_server_event ev = {0};
    if (!no)
        no = smtp_server_parameter_mail(s, c.args, &ev);
    if (no) {
        s->is_in_vain = true;
        return complain(s, no);
    }
    if (ev.declared_bytes > s->options->message_bytes_max) {
        s->is_in_vain = true;
        smtp_server_state_reach(s, SMTP_SERVER_LIMIT_MESSAGE_BYTES);
        return say(s, "552 5.3.4 message is too big");
    }
    s->is_utf8 = ev.is_utf8;
    s->is_binary = ev.is_binary;
    ev.kind = s->asked = SMTP_SERVER_MAIL;
    return ev;
}

static struct smtp_server_event no_more_recipients(struct smtp_server *s,
                                                   enum smtp_server_limit limit, const char *reply)
{
    if (!s->is_over_full)
        smtp_server_state_reach(s, limit);
    s->is_over_full = true;
    s->refusals++;
    return say(s, reply);
}

static struct smtp_server_event on_rcpt(struct smtp_server *s, struct command c)
{
    if (s->refusals >= SMTP_SERVER_REFUSALS_MAX) {
        smtp_server_state_reach(s, SMTP_SERVER_LIMIT_REFUSED_RECIPIENTS);
        smtp_server_state_part(s, "421 4.7.0", "too many recipients refused, closing");
        return NOTHING;
    }
    if (s->state == S_CHUNKS)
        return complain(s, "503 5.5.1 the message has begun: BDAT or RSET");
    if (s->state != S_ENVELOPE) {
        if (!s->is_in_vain)
            return complain(s, "503 5.5.1 send MAIL first");
        s->refusals++;
        return say(s, "503 5.5.1 send MAIL first");
    }
    struct smtp_server_event ev = {0};
    const char *no = smtp_server_parameter_rcpt(s, c.args, &ev);
    if (no) {
        s->refusals++;
        return complain(s, no);
    }
    if (s->recipients >= s->options->recipients_max)
        return no_more_recipients(s, SMTP_SERVER_LIMIT_RECIPIENTS, "452 4.5.3 too many recipients");
    if (is_out_of_recipients(s))
        return no_more_recipients(s, SMTP_SERVER_LIMIT_SESSION_RECIPIENTS,
                                  "452 4.5.3 too many recipients in one session, connect again");
    ev.kind = s->asked = SMTP_SERVER_RCPT;
    return ev;
}

static struct smtp_server_event on_data(struct smtp_server *s, struct command c)
{
    if (s->state == S_CHUNKS)
        return complain(s, "503 5.5.1 the message has begun with BDAT: go on or send RSET");
    if (s->state != S_ENVELOPE) {
        bool is_in_vain = s->is_in_vain;
        s->is_in_vain = false;
        return is_in_vain ? say(s, "503 5.5.1 send MAIL first")
                          : complain(s, "503 5.5.1 send MAIL first");
    }
    if (s->recipients == 0)
        return s->refusals ? say(s, "554 5.5.1 no valid recipients")
                           : complain(s, "503 5.5.1 send RCPT first");
    if (s->is_binary)
        return complain(s, "503 5.5.1 BODY=BINARYMIME needs BDAT");
    return smtp_server_state_ask(s, SMTP_SERVER_DATA);
}

static struct smtp_server_event on_bdat(struct smtp_server *s, struct command c)
{
    return smtp_server_chunk_begin(s, c.args);
}

static struct smtp_server_event on_rset(struct smtp_server *s, struct command c)
{
    smtp_server_state_say(s, "250 2.0.0 ok");
    return reset(s);
}

static struct smtp_server_event on_noop(struct smtp_server *s, struct command c)
{
    return say(s, "250 2.0.0 ok");
}

static struct smtp_server_event on_quit(struct smtp_server *s, struct command c)
{
    smtp_server_state_part(s, "221 2.0.0", "closing the connection");
    return NOTHING;
}

static bool has_only_ascii(struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        if ((uint8_t)text.p[i] >= 0x80)
            return false;
    }
    return true;
}

/* RFC 6531 section 3.7.4.2: with SMTPUTF8 behind it the name may be UTF-8. */
static struct smtp_server_event on_vrfy(struct smtp_server *s, struct command c)
{
    bool is_utf8 = slice_ends_nocase(c.args, SLICE(" SMTPUTF8"));
    if (!utf8_is_valid(c.args))
        return complain(s, "501 5.5.2 bad name");
    if (!is_utf8 && !has_only_ascii(c.args))
        return complain(s, "553 5.6.7 a name in UTF-8 needs SMTPUTF8");
    return say(s, "252 2.0.0 cannot verify, but will take the message and try to deliver it");
}

static struct smtp_server_event on_help(struct smtp_server *s, struct command c)
{
    return say(s, "214 2.0.0 EHLO HELO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT: "
                  "see RFC 5321");
}

static struct smtp_server_event on_unsupported(struct smtp_server *s, struct command c)
{
    return complain(s, "502 5.5.1 command is not implemented");
}

/* What follows is a body for somebody else and must not be read as commands: a browser that was
 * led here (cross-protocol requests). */
static struct smtp_server_event on_foreign(struct smtp_server *s, struct command c)
{
    smtp_server_state_say_last(s, "502 5.5.1 command is not implemented, closing the connection");
    return NOTHING;
}

enum arguments { NO_ARGS, ANY_ARGS, SOME_ARGS };

static const struct verb {
    const char *name;
    enum arguments arguments;
    struct smtp_server_event (*run)(struct smtp_server *s, struct command c);
} verbs[] = {
    {"RCPT", ANY_ARGS, on_rcpt},
    {"MAIL", ANY_ARGS, on_mail},
    {"DATA", NO_ARGS, on_data},
    {"BDAT", ANY_ARGS, on_bdat},
    {"EHLO", SOME_ARGS, on_ehlo},
    {"HELO", SOME_ARGS, on_helo},
    {"STARTTLS", NO_ARGS, on_starttls},
    {"AUTH", ANY_ARGS, on_auth},
    {"RSET", NO_ARGS, on_rset},
    {"NOOP", ANY_ARGS, on_noop},
    {"QUIT", ANY_ARGS, on_quit},
    {"VRFY", SOME_ARGS, on_vrfy},
    {"HELP", ANY_ARGS, on_help},
    {"EXPN", ANY_ARGS, on_unsupported},
    {"ETRN", ANY_ARGS, on_unsupported},
    {"TURN", ANY_ARGS, on_unsupported},
    {"ATRN", ANY_ARGS, on_unsupported},
    {"SEND", ANY_ARGS, on_unsupported},
    {"SOML", ANY_ARGS, on_unsupported},
    {"SAML", ANY_ARGS, on_unsupported},
    {"XCLIENT", ANY_ARGS, on_unsupported},
    {"XFORWARD", ANY_ARGS, on_unsupported},
    {"BURL", ANY_ARGS, on_unsupported},
    {"GET", ANY_ARGS, on_foreign},
    {"POST", ANY_ARGS, on_foreign},
    {"PUT", ANY_ARGS, on_foreign},
    {"CONNECT", ANY_ARGS, on_foreign},
};

static const struct verb *find_verb(struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        if (slice_eq_nocase(name, slice_cstr(verbs[i].name)))
            return &verbs[i];
    }
    return NULL;
}

/* "0", "00 LAST", or no number at all. */
static bool is_zero(struct slice args)
{
    size_t n = 0;
    while (n < args.n && args.p[n] == '0')
        n++;
    return n == args.n || !ascii_is_digit(args.p[n]);
}

struct smtp_server_event smtp_server_command_run(struct smtp_server *s, struct slice line,
                                                 bool is_last)
{
    size_t n = 0;
    while (n < line.n && !is_blank(line.p[n]))
        n++;
    const struct verb *verb = find_verb(slice_head(line, n));
    struct command c = {.args = slice_trim(slice_from(line, n)), .is_last = is_last};

    /* Recipients have ceilings of their own: a long list is no idle talk. So have the chunks of a
     * message, as long as something is in them. */
    bool is_counted = !verb || (verb->run != on_rcpt && (verb->run != on_bdat || is_zero(c.args)));
    if (is_counted && smtp_server_state_is_one_too_many(s))
        return NOTHING;
    if (!verb)
        return complain(s, "500 5.5.2 unknown command");
    if (verb->arguments == NO_ARGS && c.args.n)
        return complain(s, "501 5.5.4 this command takes no argument");
    if (verb->arguments == SOME_ARGS && c.args.n == 0)
        return complain(s, "501 5.5.4 this command needs an argument");
    return verb->run(s, c);
}
