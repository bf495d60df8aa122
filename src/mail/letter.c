/* letter.c -- see letter.h. Two passes over the header section: the first finds out which fields
 * are there and whose addresses count, the second writes it. */
#include "mail/letter.h"

#include <string.h>

#include "base/base64.h"
#include "mail/address_list.h"

enum { RECIPIENT_BYTES_MAX = LETTER_RECIPIENTS_MAX * (MAIL_ADDRESS_BYTES_MAX + 1) };
enum { NAME_BYTES_MAX = 45 }; /* fits one encoded word of 75 */

/* ---- recipients ---- */

void letter_recipients_init(struct letter_recipients *r)
{
    *r = (struct letter_recipients){0};
    buf_init(&r->text, RECIPIENT_BYTES_MAX);
}

void letter_recipients_close(struct letter_recipients *r)
{
    buf_close(&r->text);
    *r = (struct letter_recipients){0};
}

struct slice letter_recipients_next(const struct letter_recipients *r, size_t *at)
{
    struct slice rest = slice_from(buf_slice(&r->text), *at);
    struct slice one = slice_head(rest, slice_find(rest, 0));
    *at += one.n + 1;
    return one;
}

static bool has(const struct letter_recipients *r, struct slice address)
{
    size_t at = 0;
    for (struct slice one; (one = letter_recipients_next(r, &at)).n;) {
        if (slice_eq(one, address))
            return true;
    }
    return false;
}

static bool add_one(struct letter_recipients *r, const struct mail_address *a,
                    struct slice hostname, struct fault *why)
{
    struct buf text;
    struct mail_address whole = *a;
    buf_init(&text, MAIL_ADDRESS_BYTES_MAX);
    if (!whole.domain.n)
        whole.domain = hostname;
    bool is_good = mail_address_build(&whole, &text);
    if (!is_good)
        fault_set(why, ERR_BAD, 0, "%.*s: the address is too long", SLICE_FMT(a->local));
    if (is_good && !has(r, buf_slice(&text))) {
        is_good = r->count < LETTER_RECIPIENTS_MAX && buf_add(&r->text, buf_slice(&text)) &&
                  buf_add_char(&r->text, 0);
        if (is_good)
            r->count++;
        else
            fault_set(why, ERR_FULL, 0, "more than %d recipients", LETTER_RECIPIENTS_MAX);
    }
    buf_close(&text);
    return is_good;
}

bool letter_recipients_add(struct letter_recipients *r, struct slice list, struct slice hostname,
                           struct fault *why)
{
    enum { SHOWN_BYTES = 60 };
    struct mail_address_list l;
    struct mail_address_item item;
    enum parse p;
    mail_address_list_init(&l, list);
    size_t begin = 0;
    while ((p = mail_address_list_next(&l, &item)) == PARSE_DONE) {
        begin = l.at;
        if (!add_one(r, &item.address, hostname, why))
            return false;
    }
    if (p == PARSE_MORE)
        return true;
    char shown[SHOWN_BYTES];
    struct slice where = slice_head(slice_from(list, begin), sizeof shown);
    for (size_t i = 0; i < where.n; i++)
        shown[i] = (uint8_t)where.p[i] < ' ' || where.p[i] == 0x7f ? ' ' : where.p[i];
    where = slice_trim(slice_of(shown, where.n));
    fault_set(why, ERR_BAD, 0, "\"%.*s\": %s", SLICE_FMT(where), l.wrong);
    return false;
}

/* ---- lines ---- */

/* The line at `at`, without its end; *next is where the next begins. CRs before an LF belong to
 * the end; elsewhere a run of them is one. */
static struct slice line_at(struct slice text, size_t at, size_t *next)
{
    struct slice rest = slice_from(text, at);
    size_t n = 0;
    while (n < rest.n && rest.p[n] != '\r' && rest.p[n] != '\n')
        n++;
    size_t end = n;
    while (end < rest.n && rest.p[end] == '\r')
        end++;
    *next = at + end + (end < rest.n && rest.p[end] == '\n');
    return slice_head(rest, n);
}

size_t letter_find_dot(struct slice in, size_t *from, size_t *next)
{
    while (*from < in.n) {
        struct slice rest = slice_from(in, *from);
        size_t lf = slice_find(rest, '\n');
        if (lf == rest.n)
            return in.n;
        struct slice line = slice_head(rest, lf);
        if (slice_eq(line, SLICE(".")) || slice_eq(line, SLICE(".\r"))) {
            *next = *from + lf + 1;
            return *from;
        }
        *from += lf + 1;
    }
    return in.n;
}

/* ---- fields ---- */

enum field {
    FIELD_OTHER,
    FIELD_FROM,
    FIELD_TO,
    FIELD_CC,
    FIELD_BCC,
    FIELD_RESENT_FROM,
    FIELD_RESENT_TO,
    FIELD_RESENT_CC,
    FIELD_RESENT_BCC,
    FIELD_RETURN_PATH,
    FIELD_CONTENT_LENGTH,
    FIELD_COUNT
};

enum {
    NAMES_RECIPIENTS = BIT(FIELD_TO) | BIT(FIELD_CC) | BIT(FIELD_BCC),
    NAMES_RESENT = BIT(FIELD_RESENT_TO) | BIT(FIELD_RESENT_CC) | BIT(FIELD_RESENT_BCC),
    NAMES_DROPPED =
        BIT(FIELD_BCC) | BIT(FIELD_RESENT_BCC) | BIT(FIELD_RETURN_PATH) | BIT(FIELD_CONTENT_LENGTH),
};

static const struct slice field_names[FIELD_COUNT] = {
    [FIELD_FROM] = SLICE_INIT("from"),
    [FIELD_TO] = SLICE_INIT("to"),
    [FIELD_CC] = SLICE_INIT("cc"),
    [FIELD_BCC] = SLICE_INIT("bcc"),
    [FIELD_RESENT_FROM] = SLICE_INIT("resent-from"),
    [FIELD_RESENT_TO] = SLICE_INIT("resent-to"),
    [FIELD_RESENT_CC] = SLICE_INIT("resent-cc"),
    [FIELD_RESENT_BCC] = SLICE_INIT("resent-bcc"),
    [FIELD_RETURN_PATH] = SLICE_INIT("return-path"),
    [FIELD_CONTENT_LENGTH] = SLICE_INIT("content-length"),
};

static bool is_continuation(struct slice line)
{
    return line.n && (line.p[0] == ' ' || line.p[0] == '\t');
}

/* "Name:", blanks before the colon as obsolete syntax has them. 0: the line is no field. */
static size_t name_bytes(struct slice line)
{
    size_t n = 0;
    while (n < line.n && line.p[n] > ' ' && line.p[n] < 0x7f && line.p[n] != ':')
        n++;
    size_t colon = n;
    while (colon < line.n && (line.p[colon] == ' ' || line.p[colon] == '\t'))
        colon++;
    return colon < line.n && line.p[colon] == ':' ? n : 0;
}

static enum field field_of(struct slice line)
{
    struct slice name = slice_head(line, name_bytes(line));
    for (enum field f = FIELD_OTHER + 1; f < FIELD_COUNT; f++) {
        if (slice_eq_nocase(field_names[f], name))
            return f;
    }
    return FIELD_OTHER;
}

/* One field of the header section, with its continuation lines. */
struct field_at {
    enum field field;
    size_t begin, end; /* in the text */
    struct slice body; /* as it stands there, folding included */
};

/* False: the section is over; *at is the body then, or the empty line before it. */
static bool next_field(struct slice text, size_t *at, struct field_at *out)
{
    size_t next;
    struct slice line = line_at(text, *at, &next);
    if (*at >= text.n || !name_bytes(line))
        return false;
    *out = (struct field_at){.field = field_of(line), .begin = *at};
    size_t body = *at + slice_find(line, ':') + 1;
    while (next < text.n) {
        size_t behind;
        line = line_at(text, next, &behind);
        if (!is_continuation(line))
            break;
        next = behind;
    }
    out->end = *at = next;
    out->body = slice_head(slice_from(text, body), next - body);
    return true;
}

/* ---- writing ---- */

static void add_lines(struct buf *out, struct slice text, size_t from, size_t to)
{
    while (from < to) {
        buf_add(out, line_at(text, from, &from));
        buf_add_cstr(out, "\r\n");
    }
}

/* From: "Bob \"B\" Builder" <bob@example.com> */
static void add_from(struct buf *out, const struct letter_options *o)
{
    struct slice name = slice_trim(o->full_name);
    buf_add_cstr(out, "From: ");
    if (name.n && !slice_is_ascii(name)) {
        name = slice_head(name, NAME_BYTES_MAX);
        while (name.n && ((uint8_t)name.p[name.n - 1] & 0xc0) == 0x80)
            name.n--; /* whole characters only: what was cut goes, its first byte next */
        if (name.n && (uint8_t)name.p[name.n - 1] >= 0xc0 && name.n < o->full_name.n)
            name.n--;
    }
    if (name.n && slice_is_ascii(name)) {
        buf_add_char(out, '"');
        for (size_t i = 0; i < name.n; i++) {
            if (name.p[i] == '"' || name.p[i] == '\\')
                buf_add_char(out, '\\');
            buf_add_char(out, name.p[i] < ' ' || name.p[i] == 0x7f ? ' ' : name.p[i]);
        }
        buf_add_cstr(out, "\" ");
    } else if (name.n) {
        buf_add_cstr(out, "=?utf-8?B?");
        base64_build(name, out);
        buf_add_cstr(out, "?= ");
    }
    buf_addf(out, "<%.*s>\r\n", SLICE_FMT(o->from));
}

/* "From bob@example.com Mon Jan  1 ..." of a mailbox; PHP's and procmail's ">From " too. */
static size_t skip_mailbox_line(struct slice text)
{
    size_t next = 0;
    struct slice line = text.n ? line_at(text, 0, &next) : text;
    bool is_one = slice_starts(line, SLICE("From ")) || slice_starts(line, SLICE(">From "));
    return is_one && !name_bytes(line) ? next : 0;
}

bool letter_build(struct slice text, const struct letter_options *o, struct buf *wire,
                  struct letter_recipients *to, bool *is_8bit, struct fault *why)
{
    size_t begin = skip_mailbox_line(text), at = begin;
    struct field_at f;
    unsigned seen = 0;
    size_t nul = slice_find(text, 0);
    if (nul < text.n) {
        fault_set(why, ERR_BAD, 0, "the message has a NUL byte (at %zu): mail cannot carry it",
                  nul);
        return false;
    }
    while (next_field(text, &at, &f))
        seen |= BIT(f.field);
    if (at - begin > LETTER_HEADER_BYTES_MAX) {
        fault_set(why, ERR_FULL, 0, "the header of the message is larger than %d bytes",
                  LETTER_HEADER_BYTES_MAX);
        return false;
    }
    unsigned wanted = !o->takes_recipients  ? 0
                      : seen & NAMES_RESENT ? NAMES_RESENT
                                            : NAMES_RECIPIENTS;
    for (at = begin; next_field(text, &at, &f);) {
        if ((wanted & BIT(f.field)) && !letter_recipients_add(to, f.body, o->hostname, why))
            return false;
        if (!(NAMES_DROPPED & BIT(f.field)))
            add_lines(wire, text, f.begin, f.end);
    }
    if (!(seen & BIT(FIELD_FROM)))
        add_from(wire, o);
    buf_add_cstr(wire, "\r\n");
    size_t next;
    if (at < text.n && line_at(text, at, &next).n == 0)
        at = next; /* the empty line; without one the body begins where the fields end */
    add_lines(wire, text, at, text.n);
    *is_8bit = !slice_is_ascii(buf_slice(wire));
    if (!wire->is_full)
        return true;
    fault_set(why, ERR_FULL, 0, "the message is larger than %zu bytes", wire->max);
    return false;
}
