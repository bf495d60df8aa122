/* smtp_server_parameter.c -- see the header. The line is read whole before anything is kept of it:
 * whether UTF-8 may stand in the path is said behind it. */
#include "smtp_server_parameter.h"

struct parameter {
    struct slice key, value;
    bool has_value; /* "KEY=" has, "KEY" has not */
};

struct known {
    struct slice key;
    bool has_value; /* must have; else must not */
    const char *(*take)(struct smtp_server *s, struct slice value, struct smtp_server_event *ev);
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* "FROM:" or "TO:" and blanks, which RFC 5321 forbids there and old clients send. */
static bool take_keyword(struct slice *args, struct slice keyword)
{
    if (!slice_starts_nocase(*args, keyword))
        return false;
    *args = slice_trim(slice_from(*args, keyword.n));
    return args->n > 0;
}

/* The path at the start of *args; *text is how it was written. */
static bool take_path(const struct smtp_server *s, struct slice *args, unsigned options,
                      struct mail_path *path, struct slice *text)
{
    size_t used;
    if (s->options->domain.n)
        options |= MAIL_ADDRESS_UNQUALIFIED;
    options |= MAIL_ADDRESS_LAX | MAIL_ADDRESS_UTF8;
    if (mail_path_parse(*args, options, path, &used) != PARSE_DONE)
        return false;
    *text = slice_head(*args, used);
    *args = slice_from(*args, used);
    /* Completed, a bang path or the percent hack would be a way past who may send to whom. */
    struct slice local = path->address.local;
    if (!path->is_null && !path->address.domain.n &&
        (slice_find(local, '!') < local.n || slice_find(local, '%') < local.n))
        return false;
    return args->n == 0 || is_blank(args->p[0]);
}

static bool has_only_ascii(struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        if ((uint8_t)text.p[i] >= 0x80)
            return false;
    }
    return true;
}

/* What the event points to goes into the scratch buffer: the line is gone before the answer comes.
 * The path is canonical there. False: it is no address that can be written. */
static bool keep(struct smtp_server *s, const struct mail_path *path, struct smtp_server_event *ev)
{
    size_t n, used;
    struct slice *more = ev->envid.n ? &ev->envid : &ev->orcpt;
    if (!path->is_null && !mail_address_build(&path->address, &s->scratch))
        return false;
    if (!path->is_null && path->address.domain.n == 0) {
        /* "<Postmaster>": ours (RFC 5321 section 4.5.1); others where we complete (RFC 6409 8.1).
         */
        const struct smtp_server_options *o = s->options;
        buf_add(&s->scratch, SLICE("@"));
        buf_add(&s->scratch, o->domain.n ? o->domain : o->hostname);
    }
    n = s->scratch.n;
    if (!buf_add(&s->scratch, *more) || s->scratch.is_full)
        return false;
    ev->path_text = slice_head(buf_slice(&s->scratch), n);
    *more = slice_from(buf_slice(&s->scratch), n);
    return path->is_null || mail_address_parse(ev->path_text, MAIL_ADDRESS_LAX | MAIL_ADDRESS_UTF8,
                                               &ev->address, &used) == PARSE_DONE;
}

/* False: none is left. */
static bool take_parameter(struct slice *args, struct parameter *out)
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
    out->key = slice_head(one, equals);
    out->value = slice_from(one, equals + 1);
    out->has_value = equals < one.n;
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

static const char *on_body(struct smtp_server *s, struct slice value, struct smtp_server_event *ev)
{
    ev->is_8bit = slice_eq_nocase(value, SLICE("8BITMIME"));
    ev->is_binary = slice_eq_nocase(value, SLICE("BINARYMIME"));
    if (!ev->is_8bit && !ev->is_binary && !slice_eq_nocase(value, SLICE("7BIT")))
        return "501 5.5.4 BODY is 7BIT, 8BITMIME or BINARYMIME";
    return NULL;
}

/* RFC 4954 section 5: who submitted it elsewhere. We trust nobody's word on that, as if "<>". */
static const char *on_submitter(struct smtp_server *s, struct slice value,
                                struct smtp_server_event *ev)
{
    if (s->options->auth == SMTP_AUTH_OFF)
        return "555 5.5.4 unknown parameter: AUTH";
    return mail_xtext_is_valid(value) ? NULL : "501 5.5.4 AUTH needs an address in xtext, or <>";
}

static const char *on_utf8(struct smtp_server *s, struct slice value, struct smtp_server_event *ev)
{
    ev->is_utf8 = true;
    return NULL;
}

static const char *on_requiretls(struct smtp_server *s, struct slice value,
                                 struct smtp_server_event *ev)
{
    ev->requires_tls = true;
    return s->has_tls ? NULL : "530 5.7.10 REQUIRETLS needs TLS";
}

static const char *on_ret(struct smtp_server *s, struct slice value, struct smtp_server_event *ev)
{
    return mail_ret_parse(value, &ev->ret) ? NULL : "501 5.5.4 RET is FULL or HDRS";
}

static const char *on_envid(struct smtp_server *s, struct slice value, struct smtp_server_event *ev)
{
    ev->envid = value;
    return mail_envid_is_valid(value) ? NULL : "501 5.5.4 ENVID is 1 to 100 characters of xtext";
}

static const char *on_notify(struct smtp_server *s, struct slice value,
                             struct smtp_server_event *ev)
{
    return mail_notify_parse(value, &ev->notify)
               ? NULL
               : "501 5.5.4 NOTIFY is NEVER, or some of SUCCESS,FAILURE,DELAY";
}

static const char *on_orcpt(struct smtp_server *s, struct slice value, struct smtp_server_event *ev)
{
    ev->orcpt = value;
    return mail_orcpt_is_valid(value, s->is_utf8)
               ? NULL
               : "501 5.5.4 ORCPT is type;address in xtext, at most 500 characters";
}

static const struct known mail_known[] = {
    {SLICE_INIT("SIZE"), true, on_size},
    {SLICE_INIT("BODY"), true, on_body},
    {SLICE_INIT("AUTH"), true, on_submitter},
    {SLICE_INIT("SMTPUTF8"), false, on_utf8},
    {SLICE_INIT("RET"), true, on_ret},
    {SLICE_INIT("ENVID"), true, on_envid},
    {SLICE_INIT("REQUIRETLS"), false, on_requiretls},
};
static const struct known rcpt_known[] = {
    {SLICE_INIT("NOTIFY"), true, on_notify},
    {SLICE_INIT("ORCPT"), true, on_orcpt},
};

/* NULL: all are fine. */
static const char *take_all(struct smtp_server *s, struct slice args, const struct known *known,
                            size_t count, struct smtp_server_event *ev)
{
    struct parameter one;
    unsigned seen = 0;
    while (take_parameter(&args, &one)) {
        size_t i = 0;
        while (i < count && !slice_eq_nocase(one.key, known[i].key))
            i++;
        if (i == count)
            return known == mail_known ? "555 5.5.4 unknown MAIL parameter"
                                       : "555 5.5.4 unknown RCPT parameter";
        if (seen & BIT(i))
            return "501 5.5.4 parameter given twice";
        seen |= BIT(i);
        if (known[i].has_value && one.value.n == 0)
            return "501 5.5.4 parameter needs a value";
        if (!known[i].has_value && one.has_value)
            return "501 5.5.4 parameter takes no value";
        const char *no = known[i].take(s, one.value, ev);
        if (no)
            return no;
    }
    return NULL;
}

const char *smtp_server_parameter_mail(struct smtp_server *s, struct slice args,
                                       struct smtp_server_event *ev)
{
    struct mail_path path;
    struct slice text;
    if (!take_keyword(&args, SLICE("FROM:")))
        return "501 5.5.4 syntax: MAIL FROM:<address>";
    if (!take_path(s, &args, MAIL_ADDRESS_NULL, &path, &text))
        return "501 5.1.7 bad sender address";
    const char *no = take_all(s, args, mail_known, COUNT_OF(mail_known), ev);
    if (no)
        return no;
    if (!ev->is_utf8 && !has_only_ascii(text))
        return "553 5.6.7 an address in UTF-8 needs SMTPUTF8";
    return keep(s, &path, ev) ? NULL : "501 5.1.7 bad sender address";
}

const char *smtp_server_parameter_rcpt(struct smtp_server *s, struct slice args,
                                       struct smtp_server_event *ev)
{
    struct mail_path path;
    struct slice text;
    if (!take_keyword(&args, SLICE("TO:")))
        return "501 5.5.4 syntax: RCPT TO:<address>";
    if (!take_path(s, &args, MAIL_ADDRESS_POSTMASTER, &path, &text))
        return "501 5.1.3 bad recipient address";
    const char *no = take_all(s, args, rcpt_known, COUNT_OF(rcpt_known), ev);
    if (no)
        return no;
    if (!s->is_utf8 && !has_only_ascii(text))
        return "553 5.6.7 an address in UTF-8 needs SMTPUTF8 with MAIL";
    return keep(s, &path, ev) ? NULL : "501 5.1.3 bad recipient address";
}
