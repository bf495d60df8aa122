/* smtp_server_command.c -- the verbs of RFC 5321 section 4.1.1 and their order.
 *
 * A handler says the reply itself or returns the question that the caller has to answer first.
 * What a peer gets wrong is a complaint and counted; what policy or a limit refuses is not. */
#include "smtp_server_command.h"

#include "smtp_server_auth.h"

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
    bool is_known = s->state == S_ENVELOPE;
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
    CHECK(buf_addf(&s->out, "250-%.*s\r\n250-PIPELINING\r\n250-SIZE %llu\r\n250-8BITMIME\r\n",
                   SLICE_FMT(o->hostname), (unsigned long long)o->message_bytes_max));
    if (o->offers_tls && !s->has_tls)
        smtp_server_state_say(s, "250-STARTTLS");
    if (smtp_server_auth_is_offered(s))
        smtp_server_state_say(s, "250-AUTH PLAIN LOGIN");
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
    if (s->state == S_ENVELOPE)
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

/* "FROM:" or "TO:" and blanks, which RFC 5321 forbids there and old clients send. */
static bool take_keyword(struct slice *args, struct slice keyword)
{
    if (!slice_starts_nocase(*args, keyword))
        return false;
    *args = slice_trim(slice_from(*args, keyword.n));
    return args->n > 0;
}

/* The path at the start of *args into *ev, canonical, in the scratch buffer; false: no address. */
static bool take_path(struct smtp_server *s, struct slice *args, unsigned options,
                      struct smtp_server_event *ev)
{
    struct mail_path path;
    size_t used;
    if (mail_path_parse(*args, options | MAIL_ADDRESS_LAX, &path, &used) != PARSE_DONE)
        return false;
    *args = slice_from(*args, used);
    if (args->n && !is_blank(args->p[0]))
        return false;
    ev->path_text = SLICE("");
    if (path.is_null)
        return true;

    if (!mail_address_build(&path.address, &s->scratch))
        return false;
    if (path.address.domain.n == 0) {
        /* "<Postmaster>": ours (RFC 5321 section 4.5.1). */
        buf_add(&s->scratch, SLICE("@"));
        buf_add(&s->scratch, s->options->hostname);
    }
    ev->path_text = buf_slice(&s->scratch);
    return !s->scratch.is_full &&
           mail_address_parse(ev->path_text, MAIL_ADDRESS_LAX, &ev->address, &used) == PARSE_DONE;
}

static bool has_only_ascii(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((uint8_t)s.p[i] >= 0x80)
            return false;
    }
    return true;
}

/* "KEY=VALUE" or "KEY"; false: none is left. */
static bool take_parameter(struct slice *args, struct slice *key, struct slice *value)
{
    *args = slice_trim(*args);
    if (args->n == 0)
        return false;
    size_t n = 0;
    while (n < args->n && !is_blank(args->p[n]))
        n++;
    struct slice one = slice_head(*args, n);
    *args = slice_from(*args, n);
    size_t equals = slice_find(one, '=');
    *key = slice_head(one, equals);
    *value = slice_from(one, equals + 1);
    return true;
}

/* RFC 1870; too large a number is a size too big. */
static const char *on_size(struct smtp_server *s, struct slice value, struct smtp_server_event *ev)
{
    bool is_number = value.n > 0 && value.n <= 20;
    for (size_t i = 0; i < value.n; i++)
        is_number = is_number && ascii_is_digit(value.p[i]);
    if (!is_number)
        return "501 5.5.4 SIZE needs a number";
    if (!slice_to_u64(value, &ev->declared_bytes))
        ev->declared_bytes = UINT64_MAX;
    return NULL;
}

/* RFC 6152. */
static const char *on_body(struct smtp_server *s, struct slice value, struct smtp_server_event *ev)
{
    ev->is_8bit = slice_eq_nocase(value, SLICE("8BITMIME"));
    if (!ev->is_8bit && !slice_eq_nocase(value, SLICE("7BIT")))
        return "501 5.5.4 BODY is 7BIT or 8BITMIME";
    return NULL;
}

/* RFC 4954 section 5: who submitted it elsewhere. We trust nobody's word on that, as if "<>". */
static const char *on_submitter(struct smtp_server *s, struct slice value,
                                struct smtp_server_event *ev)
{
    if (s->options->auth == SMTP_AUTH_OFF)
        return "555 5.5.4 unknown parameter: AUTH";
    return value.n ? NULL : "501 5.5.4 AUTH needs a value";
}

static const struct {
    struct slice key;
    const char *(*take)(struct smtp_server *s, struct slice value, struct smtp_server_event *ev);
} mail_parameters[] = {
    {{"SIZE", 4}, on_size},
    {{"BODY", 4}, on_body},
    {{"AUTH", 4}, on_submitter},
};

/* NULL: all are fine. */
static const char *take_mail_parameters(struct smtp_server *s, struct slice args,
                                        struct smtp_server_event *ev)
{
    struct slice key, value;
    unsigned seen = 0;
    while (take_parameter(&args, &key, &value)) {
        size_t i = 0;
        while (i < COUNT_OF(mail_parameters) && !slice_eq_nocase(key, mail_parameters[i].key))
            i++;
        if (i == COUNT_OF(mail_parameters))
            return "555 5.5.4 unknown MAIL parameter";
        if (seen & BIT(i))
            return "501 5.5.4 MAIL parameter given twice";
        seen |= BIT(i);
        const char *no = mail_parameters[i].take(s, value, ev);
        if (no)
            return no;
    }
    return NULL;
}

/* Why there can be no MAIL now; NULL: there can. RFC 3207 and 4954 have the texts of the 530s. */
static const char *mail_is_early(const struct smtp_server *s)
{
    if (s->state == S_GREETED)
        return "503 5.5.1 send EHLO or HELO first";
    if (s->state == S_ENVELOPE)
        return "503 5.5.1 sender already given: finish the message or send RSET";
    if (s->options->auth != SMTP_AUTH_REQUIRED || s->is_trusted || s->user)
        return NULL;
    if (s->options->offers_tls && !s->has_tls)
        return "530 5.7.0 Must issue a STARTTLS command first";
    return "530 5.7.0 Authentication required";
}

static const char *parse_mail(struct smtp_server *s, struct slice args,
                              struct smtp_server_event *ev)
{
    if (!take_keyword(&args, SLICE("FROM:")))
        return "501 5.5.4 syntax: MAIL FROM:<address>";
    if (!has_only_ascii(args))
        return "553 5.6.7 SMTPUTF8 is not offered: the address must be ASCII";
    if (!take_path(s, &args, MAIL_ADDRESS_NULL, ev))
        return "501 5.1.7 bad sender address";
    return take_mail_parameters(s, args, ev);
}

static struct smtp_server_event on_mail(struct smtp_server *s, struct command c)
{
    const char *no = mail_is_early(s);
    if (s->state == S_ENVELOPE)
        return complain(s, no);
    smtp_server_state_end_transaction(s);
    struct smtp_server_event ev = {0};
    if (!no)
        no = parse_mail(s, c.args, &ev);
    if (no) {
        s->is_in_vain = true;
        return complain(s, no);
    }
    if (ev.declared_bytes > s->options->message_bytes_max) {
        s->is_in_vain = true;
        return say(s, "552 5.3.4 message is too big");
    }
    ev.kind = s->asked = SMTP_SERVER_MAIL;
    return ev;
}

static const char *parse_rcpt(struct smtp_server *s, struct slice args,
                              struct smtp_server_event *ev)
{
    if (!take_keyword(&args, SLICE("TO:")))
        return "501 5.5.4 syntax: RCPT TO:<address>";
    if (!has_only_ascii(args))
        return "553 5.6.7 SMTPUTF8 is not offered: the address must be ASCII";
    if (!take_path(s, &args, MAIL_ADDRESS_POSTMASTER, ev))
        return "501 5.1.3 bad recipient address";
    if (slice_trim(args).n)
        return "555 5.5.4 unknown RCPT parameter";
    return NULL;
}

static struct smtp_server_event on_rcpt(struct smtp_server *s, struct command c)
{
    if (s->refusals >= SMTP_SERVER_REFUSALS_MAX) {
        smtp_server_state_part(s, "421 4.7.0", "too many recipients refused, closing");
        return NOTHING;
    }
    if (s->state != S_ENVELOPE) {
        if (!s->is_in_vain)
            return complain(s, "503 5.5.1 send MAIL first");
        s->refusals++;
        return say(s, "503 5.5.1 send MAIL first");
    }
    struct smtp_server_event ev = {0};
    const char *no = parse_rcpt(s, c.args, &ev);
    if (no) {
        s->refusals++;
        return complain(s, no);
    }
    if (s->recipients >= s->options->recipients_max) {
        s->refusals++;
        return say(s, "452 4.5.3 too many recipients");
    }
    ev.kind = s->asked = SMTP_SERVER_RCPT;
    return ev;
}

static struct smtp_server_event on_data(struct smtp_server *s, struct command c)
{
    if (s->state != S_ENVELOPE) {
        bool is_in_vain = s->is_in_vain;
        s->is_in_vain = false;
        return is_in_vain ? say(s, "503 5.5.1 send MAIL first")
                          : complain(s, "503 5.5.1 send MAIL first");
    }
    if (s->recipients == 0)
        return s->refusals ? say(s, "554 5.5.1 no valid recipients")
                           : complain(s, "503 5.5.1 send RCPT first");
    return smtp_server_state_ask(s, SMTP_SERVER_DATA);
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

static struct smtp_server_event on_vrfy(struct smtp_server *s, struct command c)
{
    return say(s, "252 2.0.0 cannot verify, but will take the message and try to deliver it");
}

static struct smtp_server_event on_help(struct smtp_server *s, struct command c)
{
    return say(s, "214 2.0.0 EHLO HELO STARTTLS AUTH MAIL RCPT DATA RSET NOOP VRFY HELP QUIT: "
                  "see RFC 5321");
}

static struct smtp_server_event on_unsupported(struct smtp_server *s, struct command c)
{
    return complain(s, "502 5.5.1 command is not implemented");
}

/* What follows is a body for somebody else and must not be read as commands: a browser that was
 * led here (cross-protocol requests), or BDAT's octets, which we did not offer to take. */
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
    {"BDAT", ANY_ARGS, on_foreign},
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

struct smtp_server_event smtp_server_command_run(struct smtp_server *s, struct slice line,
                                                 bool is_last)
{
    size_t n = 0;
    while (n < line.n && !is_blank(line.p[n]))
        n++;
    const struct verb *verb = find_verb(slice_head(line, n));
    struct command c = {.args = slice_trim(slice_from(line, n)), .is_last = is_last};

    /* Recipients have ceilings of their own: a long list is no idle talk. */
    bool is_counted = !verb || verb->run != on_rcpt;
    if (is_counted && s->commands++ >= s->options->commands_max) {
        smtp_server_state_part(s, "421 4.7.0", "too many commands without a message, closing");
        return NOTHING;
    }
    if (!verb)
        return complain(s, "500 5.5.2 unknown command");
    if (verb->arguments == NO_ARGS && c.args.n)
        return complain(s, "501 5.5.4 this command takes no argument");
    if (verb->arguments == SOME_ARGS && c.args.n == 0)
        return complain(s, "501 5.5.4 this command needs an argument");
    return verb->run(s, c);
}
