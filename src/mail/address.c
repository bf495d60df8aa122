/* address.c -- the address grammar of the envelope, walked once from left to right.
 *
 *   path      = "<" [ "@" domain *( "," "@" domain ) ":" ] mailbox ">"  |  "<>"
 *   mailbox   = local [ "@" domain ]
 *   local     = atom *( "." atom )  |  DQUOTE *( qtext | "\" printable ) DQUOTE
 *   domain    = label *( "." label )  |  "[" address-literal "]" */
#include "mail/address.h"

#include <string.h>

#include "base/ip.h"
#include "base/utf8.h"

enum { LITERAL_BYTES_MAX = 64 }; /* what an address literal can take, generously */

struct scan {
    struct slice in;
    size_t at;
    unsigned options;
};

static bool is_at_end(const struct scan *s)
{
    return s->at == s->in.n;
}

static bool is_at(const struct scan *s, char c)
{
    return s->at < s->in.n && s->in.p[s->at] == c;
}

static bool has(const struct scan *s, enum mail_address_option o)
{
    return s->options & (unsigned)o;
}

/* Bytes of the non-ASCII character here, 0 when there is none that may stand in an address. */
static size_t wide_char(const struct scan *s)
{
    uint32_t code;
    int n = utf8_next(slice_from(s->in, s->at), &code);
    return n > 1 && code >= 0xa0 && has(s, MAIL_ADDRESS_UTF8) ? (size_t)n : 0;
}

/* The input ends inside of what may become a UTF-8 character. */
static bool is_cut_in_char(const struct scan *s)
{
    if (!has(s, MAIL_ADDRESS_UTF8) || is_at_end(s))
        return false;
    uint8_t lead = (uint8_t)s->in.p[s->at];
    size_t n = lead >= 0xf0 && lead < 0xf5 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 0;
    size_t left = s->in.n - s->at;
    for (size_t i = 1; i < left; i++) {
        if (((uint8_t)s->in.p[s->at + i] & 0xc0) != 0x80)
            return false;
    }
    return lead < 0xf5 && left < n;
}

/* More input could still make this right, or nothing could. */
static enum parse stopped(const struct scan *s)
{
    return is_at_end(s) || is_cut_in_char(s) ? PARSE_MORE : PARSE_BAD;
}

static bool is_atext(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static bool is_printable(char c)
{
    return c >= ' ' && c <= '~';
}

/* Bytes of one character of an atom, 0: none here. */
static size_t atom_char(const struct scan *s)
{
    if (is_at_end(s))
        return 0;
    return is_atext(s->in.p[s->at]) ? 1 : wide_char(s);
}

static enum parse scan_dot_string(struct scan *s)
{
    for (;;) {
        size_t n = atom_char(s);
        if (!n)
            return stopped(s);
        while ((n = atom_char(s)))
            s->at += n;
        if (!is_at(s, '.'))
            return is_cut_in_char(s) ? PARSE_MORE : PARSE_DONE;
        s->at++;
    }
}

static enum parse scan_quoted_string(struct scan *s)
{
    s->at++; /* the quote */
    while (!is_at_end(s) && !is_at(s, '"')) {
        if (is_at(s, '\\')) {
            s->at++;
            if (is_at_end(s) || !is_printable(s->in.p[s->at]))
                return stopped(s);
            s->at++;
            continue;
        }
        size_t n = is_printable(s->in.p[s->at]) ? 1 : wide_char(s);
        if (!n)
            return stopped(s);
        s->at += n;
    }
    if (is_at_end(s))
        return PARSE_MORE;
    s->at++;
    return PARSE_DONE;
}

static enum parse scan_local(struct scan *s, struct slice *local)
{
    size_t from = s->at;
    enum parse p = is_at(s, '"') ? scan_quoted_string(s) : scan_dot_string(s);
    if (s->at - from > MAIL_LOCAL_BYTES_MAX) {
        s->at = from + MAIL_LOCAL_BYTES_MAX;
        return PARSE_BAD;
    }
    *local = slice_head(slice_from(s->in, from), s->at - from);
    return p;
}

static enum parse scan_literal(struct scan *s, struct mail_address *a)
{
    struct slice rest = slice_from(s->in, s->at + 1);
    struct slice text = slice_head(rest, slice_find(slice_head(rest, LITERAL_BYTES_MAX), ']'));
    struct ip ip;
    if (text.n == rest.n) {
        s->at = s->in.n;
        return PARSE_MORE;
    }
    if (!ip_literal_parse(text, &ip))
        return PARSE_BAD;
    s->at += text.n + 2;
    a->domain = text;
    a->is_literal = true;
    return PARSE_DONE;
}

/* One label. Hyphens stand inside only; 63 bytes is DNS's limit, for a label in UTF-8 it counts
 * the encoded form, which is not ours to make. */
static enum parse scan_label(struct scan *s)
{
    size_t from = s->at;
    bool is_wide = false;
    while (!is_at_end(s)) {
        char c = s->in.p[s->at];
        size_t n = 0;
        if (ascii_is_alpha(c) || ascii_is_digit(c) || (c == '-' && s->at > from) ||
            (c == '_' && has(s, MAIL_ADDRESS_LAX))) {
            n = 1;
        } else {
            n = wide_char(s);
            is_wide = is_wide || n;
        }
        if (!n)
            break;
        s->at += n;
    }
    if (s->at == from || s->in.p[s->at - 1] == '-' || is_cut_in_char(s))
        return stopped(s);
    if (s->at - from > MAIL_LABEL_BYTES_MAX && !is_wide) {
        if (has(s, MAIL_ADDRESS_UTF8) && is_at_end(s))
            return PARSE_MORE; /* a wide character may follow */
        s->at = from + MAIL_LABEL_BYTES_MAX;
        return PARSE_BAD;
    }
    return PARSE_DONE;
}

static enum parse scan_domain(struct scan *s, struct mail_address *a)
{
    size_t from = s->at;
    if (is_at(s, '['))
        return scan_literal(s, a);
    for (;;) {
        enum parse p = scan_label(s);
        if (s->at - from > MAIL_DOMAIN_BYTES_MAX) {
            s->at = from + MAIL_DOMAIN_BYTES_MAX;
            return PARSE_BAD;
        }
        if (p != PARSE_DONE)
            return p;
        if (!is_at(s, '.'))
            break;
        s->at++;
    }
    a->domain = slice_of(s->in.p + from, s->at - from);
    return PARSE_DONE;
}

/* local [ "@" domain ], up to where it ends; the caller looks at what follows. */
static enum parse scan_mailbox(struct scan *s, struct mail_address *a)
{
    size_t from = s->at;
    enum parse p = scan_local(s, &a->local);
    if (p != PARSE_DONE)
        return p;
    if (is_at(s, '@')) {
        s->at++;
        p = scan_domain(s, a);
        if (p == PARSE_DONE && s->at - from > MAIL_ADDRESS_BYTES_MAX)
            p = PARSE_BAD;
        return p;
    }
    if (has(s, MAIL_ADDRESS_UNQUALIFIED) ||
        (has(s, MAIL_ADDRESS_POSTMASTER) && slice_eq_nocase(a->local, SLICE("postmaster"))))
        return PARSE_DONE;
    return stopped(s);
}

enum parse mail_address_parse(struct slice in, unsigned options, struct mail_address *out,
                              size_t *used)
{
    struct scan s = {in, 0, options & ~(unsigned)MAIL_ADDRESS_POSTMASTER};
    struct mail_address a = {0};
    enum parse p = scan_mailbox(&s, &a);
    if (p == PARSE_DONE && !is_at_end(&s))
        p = PARSE_BAD;
    *used = s.at;
    if (p == PARSE_DONE)
        *out = a;
    return p;
}

static void skip_blanks(struct scan *s)
{
    while (has(s, MAIL_ADDRESS_LAX) && (is_at(s, ' ') || is_at(s, '\t')))
        s->at++;
}

/* "@a,@b:" before the mailbox: meant once as a way to go, ignored since RFC 1123. */
static enum parse scan_route(struct scan *s)
{
    size_t from = s->at;
    while (is_at(s, '@')) {
        struct mail_address hop = {0};
        s->at++;
        enum parse p = scan_domain(s, &hop);
        if (p != PARSE_DONE)
            return p;
        if (s->at - from > MAIL_ROUTE_BYTES_MAX)
            return PARSE_BAD;
        if (is_at(s, ':')) {
            s->at++;
            return PARSE_DONE;
        }
        if (!is_at(s, ','))
            break;
        s->at++;
    }
    return stopped(s);
}

static enum parse scan_path(struct scan *s, struct mail_path *path)
{
    enum parse p;
    skip_blanks(s);
    bool is_bracketed = is_at(s, '<');
    if (is_bracketed) {
        s->at++;
        skip_blanks(s);
        if (is_at(s, '>') && has(s, MAIL_ADDRESS_NULL)) {
            path->is_null = true;
        } else {
            if (is_at(s, '@') && (p = scan_route(s)) != PARSE_DONE)
                return p;
            if ((p = scan_mailbox(s, &path->address)) != PARSE_DONE)
                return p;
            skip_blanks(s);
        }
        if (!is_at(s, '>'))
            return stopped(s);
        s->at++;
    } else {
        if (!has(s, MAIL_ADDRESS_LAX))
            return stopped(s);
        if ((p = scan_mailbox(s, &path->address)) != PARSE_DONE)
            return p;
    }
    return is_at_end(s) || is_at(s, ' ') || is_at(s, '\t') ? PARSE_DONE : PARSE_BAD;
}

enum parse mail_path_parse(struct slice in, unsigned options, struct mail_path *out, size_t *used)
{
    struct scan s = {in, 0, options};
    struct mail_path path = {0};
    enum parse p = scan_path(&s, &path);
    *used = s.at;
    if (p == PARSE_DONE)
        *out = path;
    return p;
}

bool mail_domain_is_valid(struct slice in, unsigned options)
{
    struct scan s = {in, 0, options};
    struct mail_address a = {0};
    return in.n && in.p[0] != '[' && scan_domain(&s, &a) == PARSE_DONE && is_at_end(&s);
}

static bool is_dot_string(struct slice text)
{
    struct scan s = {text, 0, MAIL_ADDRESS_UTF8};
    return scan_dot_string(&s) == PARSE_DONE && is_at_end(&s);
}

static void build_local(struct slice local, struct buf *out)
{
    char text[MAIL_LOCAL_BYTES_MAX];
    size_t n = 0;
    if (local.n < 2 || local.n > MAIL_LOCAL_BYTES_MAX || local.p[0] != '"') {
        buf_add(out, local);
        return;
    }
    for (size_t i = 1; i + 1 < local.n; i++) {
        if (local.p[i] == '\\' && i + 2 < local.n)
            i++;
        text[n++] = local.p[i];
    }
    if (is_dot_string(slice_of(text, n))) {
        buf_add(out, slice_of(text, n));
        return;
    }
    buf_add_char(out, '"');
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '"' || text[i] == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, text[i]);
    }
    buf_add_char(out, '"');
}

bool mail_address_build_domain(const struct mail_address *a, struct buf *out)
{
    size_t from = out->n;
    struct ip ip;
    if (a->is_literal && ip_literal_parse(a->domain, &ip)) {
        struct ip_text text = ip_build(&ip);
        buf_addf(out, "[%s%s]", ip.family == IP_V6 ? "IPv6:" : "", text.s);
    } else if (buf_add(out, a->domain)) {
        for (size_t i = from; i < out->n; i++)
            out->p[i] = ascii_lower(out->p[i]);
    }
    return !out->is_full;
}

bool mail_address_build(const struct mail_address *a, struct buf *out)
{
    build_local(a->local, out);
    if (a->domain.n) {
        buf_add_char(out, '@');
        mail_address_build_domain(a, out);
    }
    return !out->is_full;
}

/* Where the domain's '@' is, or text.n. A text that ends in a quote has none: its '@' is quoted. */
static size_t find_at(struct slice text)
{
    if (text.n && text.p[text.n - 1] == '"')
        return text.n;
    return slice_find_last(text, '@');
}

struct slice mail_address_local_of(struct slice text)
{
    return slice_head(text, find_at(text));
}

struct slice mail_address_domain_of(struct slice text)
{
    return slice_from(text, find_at(text) + 1);
}

bool mail_address_match(struct slice pattern, struct slice text)
{
    if (slice_eq(pattern, SLICE("*")))
        return true;
    if (text.n == 0)
        return false;
    struct slice local = mail_address_local_of(text);
    struct slice domain = mail_address_domain_of(text);
    size_t at = find_at(pattern);
    if (at == pattern.n)
        return pattern.n && domain.n && slice_glob_nocase(pattern, domain);
    struct slice wanted_local = slice_head(pattern, at);
    struct slice wanted_domain = slice_from(pattern, at + 1);
    if (wanted_local.n == 0 && wanted_domain.n == 0)
        return false;
    return slice_glob_nocase(wanted_domain, domain) &&
           (wanted_local.n == 0 || slice_glob_nocase(wanted_local, local));
}
