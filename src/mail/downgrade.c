/* downgrade.c -- see the header. A walk over the lines of a MIME message.
 *
 *   HEADER  of the message or of a part: fields are passed on, but for the encoding, which is said
 *           anew at the end of the section
 *   BODY    of a part without parts, in one of three ways
 *   BETWEEN the parts of a multipart: preamble and epilogue
 *
 * A line that is a boundary of any multipart around ends whatever is under way. */
#include "mail/downgrade.h"

#include "encode.h"
#include "mail/content_type.h"
#include "mail/header_field.h"

#include <string.h>

enum {
    LINE_BYTES_MAX = 1024,   /* at once; a longer line comes in pieces and is no boundary */
    FIELD_BYTES_MAX = 16384, /* a longer field is passed on unread */
    LEVELS_MAX = 32,         /* multiparts within multiparts; deeper ones are not walked */
    ENCODING_BYTES_MAX = 32,
};

enum place { IN_HEADER, IN_BODY, IN_BETWEEN };
enum way { AS_IS, AS_QP, AS_BASE64 };

struct level {
    size_t boundary_bytes;
    char boundary[MAIL_BOUNDARY_BYTES_MAX];
    bool is_digest; /* its parts are messages unless they say otherwise */
    bool is_signed;
};

/* What the header under way has said. */
struct section {
    bool is_of_message; /* not of a part: MIME-Version belongs here */
    bool has_version, has_type, has_encoding;
    size_t encoding_bytes;
    char encoding[ENCODING_BYTES_MAX];
    enum { KIND_TEXT, KIND_OTHER, KIND_MULTIPART, KIND_MESSAGE, KIND_KEPT } kind;
    struct level level; /* MULTIPART */
};

struct mail_downgrade {
    bool is_binary;
    struct mail_encode out;
    enum place place;
    enum way way;
    bool owes_line_end; /* base64: the last line's, the boundary's if one follows */
    struct level level[LEVELS_MAX];
    unsigned level_count;
    struct section section;
    struct buf field; /* under way, line ends included */
    bool is_long;     /* it was too long: what belongs to it is passed on */
    /* the line under way */
    char line[LINE_BYTES_MAX];
    size_t line_bytes;
    bool is_at_start, is_continued; /* nothing of it came yet; some of it was handed on */
};

static void begin_section(struct mail_downgrade *d, bool is_of_message)
{
    d->place = IN_HEADER;
    d->section = (struct section){.is_of_message = is_of_message};
    bool is_digest = !is_of_message && d->level_count && d->level[d->level_count - 1].is_digest;
    d->section.kind = is_digest ? KIND_MESSAGE : KIND_TEXT;
    d->is_long = false;
}

struct mail_downgrade *mail_downgrade_new(bool is_binary)
{
    struct mail_downgrade *d = mem_new(sizeof *d);
    d->is_binary = is_binary;
    buf_init(&d->field, FIELD_BYTES_MAX);
    d->is_at_start = true;
    begin_section(d, true);
    return d;
}

void mail_downgrade_free(struct mail_downgrade *d)
{
    if (!d)
        return;
    buf_close(&d->field);
    mem_free(d);
}

/* Header sections */

static void read_type(struct mail_downgrade *d, struct slice body)
{
    struct section *s = &d->section;
    if (s->has_type) /* the first counts, as it does for most readers */
        return;
    s->has_type = true;
    struct mail_content_type t = mail_content_type_parse(body);
    s->kind = KIND_OTHER;
    if (slice_eq_nocase(t.type, SLICE("text")) || !t.type.n) {
        s->kind = KIND_TEXT;
    } else if (slice_eq_nocase(t.type, SLICE("multipart"))) {
        s->kind = t.boundary_bytes && d->level_count < LEVELS_MAX ? KIND_MULTIPART : KIND_KEPT;
        s->level = (struct level){.boundary_bytes = t.boundary_bytes,
                                  .is_digest = slice_eq_nocase(t.subtype, SLICE("digest")),
                                  .is_signed = slice_eq_nocase(t.subtype, SLICE("signed"))};
        memcpy(s->level.boundary, t.boundary, t.boundary_bytes);
    } else if (slice_eq_nocase(t.type, SLICE("message"))) {
        /* RFC 6532 section 3.7, RFC 6533 section 6: these message types may be encoded. */
        bool is_global = slice_eq_nocase(t.subtype, SLICE("global")) ||
                         slice_starts_nocase(t.subtype, SLICE("global-"));
        bool is_message = slice_eq_nocase(t.subtype, SLICE("rfc822"));
        s->kind = is_global ? KIND_TEXT : is_message ? KIND_MESSAGE : KIND_KEPT;
    }
}

static void read_encoding(struct section *s, struct slice body)
{
    struct slice token = slice_head(mail_content_encoding_parse(body), ENCODING_BYTES_MAX);
    if (s->has_encoding || !token.n)
        return;
    s->has_encoding = true;
    s->encoding_bytes = token.n;
    memcpy(s->encoding, token.p, token.n);
}

/* The line at the start, CRLF included; a LF alone ends none. */
static struct slice line_of(struct slice in)
{
    size_t n = 0;
    do
        n += slice_find(slice_from(in, n), '\n') + 1;
    while (n <= in.n && (n < 2 || in.p[n - 2] != '\r'));
    return slice_head(in, n);
}

/* Whole lines, and perhaps the begin of one. */
static void pass_field(struct mail_downgrade *d, struct slice lines)
{
    while (lines.n) {
        struct slice line = line_of(lines);
        lines = slice_from(lines, line.n);
        bool is_whole = line.n > 1 && line.p[line.n - 1] == '\n' && line.p[line.n - 2] == '\r';
        mail_encode_plain(&d->out, slice_head(line, line.n - (is_whole ? 2 : 0)), true);
        if (is_whole)
            mail_encode_line_end(&d->out);
    }
}

/* The field that was gathered is whole. */
static void end_field(struct mail_downgrade *d)
{
    struct slice rest = buf_slice(&d->field);
    struct mail_header_field f;
    bool is_encoding = false;
    if (mail_header_field_next(&rest, &f)) {
        is_encoding = slice_eq_nocase(f.name, SLICE("Content-Transfer-Encoding"));
        if (is_encoding)
            read_encoding(&d->section, f.body);
        else if (slice_eq_nocase(f.name, SLICE("Content-Type")))
            read_type(d, f.body);
        else if (slice_eq_nocase(f.name, SLICE("MIME-Version")))
            d->section.has_version = true;
    }
    if (!is_encoding)
        pass_field(d, buf_slice(&d->field));
    buf_clear(&d->field);
}

static bool is_encoded(const struct section *s, struct slice as)
{
    return s->has_encoding && slice_eq_nocase(slice_of(s->encoding, s->encoding_bytes), as);
}

static bool is_signed(const struct mail_downgrade *d)
{
    for (unsigned i = 0; i < d->level_count; i++)
        if (d->level[i].is_signed)
            return true;
    return false;
}

/* How a part without parts goes. */
static enum way way_of(const struct mail_downgrade *d)
{
    const struct section *s = &d->section;
    bool is_wide = is_encoded(s, SLICE("8bit")) || is_encoded(s, SLICE("binary"));
    bool is_narrow = !s->has_encoding || is_encoded(s, SLICE("7bit"));
    if (s->kind == KIND_KEPT || !(is_wide || (is_narrow && (d->is_binary || !is_signed(d)))))
        return AS_IS;
    return s->kind == KIND_TEXT ? AS_QP : AS_BASE64;
}

static void say(struct mail_downgrade *d, struct slice field)
{
    mail_encode_plain(&d->out, field, true);
    mail_encode_line_end(&d->out);
}

static void say_encoding(struct mail_downgrade *d, struct slice name)
{
    struct slice field = SLICE("Content-Transfer-Encoding: ");
    mail_encode_plain(&d->out, field, true);
    say(d, name);
}

static void end_section(struct mail_downgrade *d)
{
    struct section *s = &d->section;
    bool has_parts = s->kind == KIND_MULTIPART || s->kind == KIND_MESSAGE;
    d->way = has_parts ? AS_IS : way_of(d);
    bool is_wide = is_encoded(s, SLICE("8bit")) || is_encoded(s, SLICE("binary"));
    if (d->way != AS_IS && s->is_of_message && !s->has_version) {
        say(d, SLICE("MIME-Version: 1.0"));
        if (!s->has_type)
            say(d, SLICE("Content-Type: text/plain; charset=unknown-8bit"));
    }
    if (d->way == AS_QP)
        say_encoding(d, SLICE("quoted-printable"));
    else if (d->way == AS_BASE64)
        say_encoding(d, SLICE("base64"));
    else if (has_parts && is_wide)
        say_encoding(d, SLICE("7bit"));
    else if (s->has_encoding)
        say_encoding(d, slice_of(s->encoding, s->encoding_bytes));
    mail_encode_line_end(&d->out); /* the empty line, which a broken header may lack */
    d->owes_line_end = false;
    if (s->kind == KIND_MULTIPART) {
        d->level[d->level_count++] = s->level;
        d->place = IN_BETWEEN;
    } else if (s->kind == KIND_MESSAGE) {
        begin_section(d, true);
    } else {
        d->place = IN_BODY;
    }
}

static bool is_field_start(struct slice line)
{
    struct mail_header_field f;
    return mail_header_field_next(&line, &f);
}

static bool is_blank_start(struct slice line)
{
    return line.n && (line.p[0] == ' ' || line.p[0] == '\t');
}

static void body_piece(struct mail_downgrade *d, struct slice text, bool is_start, bool is_end);

/* A piece of a header's line. */
static void header_piece(struct mail_downgrade *d, struct slice text, bool is_start, bool is_end)
{
    bool is_more = !is_start || (is_blank_start(text) && (d->field.n || d->is_long));
    if (!is_more) {
        end_field(d);
        d->is_long = false;
        if (!is_field_start(text)) {
            end_section(d);
            if (text.n || !is_end) /* not the empty line: the body, at once */
                d->place == IN_HEADER ? header_piece(d, text, is_start, is_end)
                                      : body_piece(d, text, is_start, is_end);
            return;
        }
    }
    if (!d->is_long && d->field.n + text.n + 2 > FIELD_BYTES_MAX) {
        pass_field(d, buf_slice(&d->field));
        buf_clear(&d->field);
        d->is_long = true;
    }
    if (d->is_long) {
        mail_encode_plain(&d->out, text, true);
        if (is_end)
            mail_encode_line_end(&d->out);
        return;
    }
    buf_add(&d->field, text);
    if (is_end)
        buf_add_cstr(&d->field, "\r\n");
}

/* Bodies */

static void body_piece(struct mail_downgrade *d, struct slice text, bool is_start, bool is_end)
{
    switch (d->place == IN_BODY ? d->way : AS_IS) {
    case AS_IS:
        mail_encode_plain(&d->out, text, false);
        if (is_end)
            mail_encode_line_end(&d->out);
        break;
    case AS_QP:
        mail_encode_qp(&d->out, text);
        if (is_end)
            mail_encode_qp_line_end(&d->out);
        break;
    case AS_BASE64:
        if (d->owes_line_end)
            mail_encode_base64(&d->out, SLICE("\r\n"));
        d->owes_line_end = is_end;
        mail_encode_base64(&d->out, text);
        break;
    }
}

static void end_part(struct mail_downgrade *d, bool is_of_message)
{
    if (d->place == IN_HEADER) {
        end_field(d);
        end_section(d);
    }
    if (d->place != IN_BODY)
        return;
    if (is_of_message && d->owes_line_end)
        mail_encode_base64(&d->out, SLICE("\r\n"));
    d->owes_line_end = false;
    if (d->way == AS_BASE64)
        mail_encode_base64_end(&d->out);
    else if (d->way == AS_QP)
        mail_encode_qp_end(&d->out);
    d->way = AS_IS;
}

/* Which level's boundary the line is; level_count: none. */
static unsigned boundary_of(const struct mail_downgrade *d, struct slice line, bool *is_last)
{
    if (!slice_starts(line, SLICE("--")))
        return d->level_count;
    struct slice text = slice_from(line, 2);
    for (unsigned i = d->level_count; i-- > 0;) {
        const struct level *l = &d->level[i];
        if (!slice_starts(text, slice_of(l->boundary, l->boundary_bytes)))
            continue;
        struct slice rest = slice_from(text, l->boundary_bytes);
        *is_last = slice_starts(rest, SLICE("--"));
        if (!slice_trim(slice_from(rest, *is_last ? 2 : 0)).n)
            return i;
    }
    return d->level_count;
}

static void on_boundary(struct mail_downgrade *d, unsigned level, bool is_last, struct slice line)
{
    end_part(d, false);
    mail_encode_plain(&d->out, line, false);
    mail_encode_line_end(&d->out);
    d->level_count = level + (is_last ? 0 : 1);
    if (is_last)
        d->place = IN_BETWEEN;
    else
        begin_section(d, false);
}

/* The line, or a piece of it: handed on. */
static void hand_on(struct mail_downgrade *d, size_t n, bool is_end)
{
    struct slice text = slice_of(d->line, n);
    bool is_start = !d->is_continued, is_last = false;
    unsigned level = is_start && is_end ? boundary_of(d, text, &is_last) : d->level_count;
    if (level < d->level_count)
        on_boundary(d, level, is_last, text);
    else if (d->place == IN_HEADER)
        header_piece(d, text, is_start, is_end);
    else
        body_piece(d, text, is_start, is_end);
    d->line_bytes -= n;
    memmove(d->line, d->line + n, d->line_bytes);
    d->is_continued = !is_end;
}

void mail_downgrade_feed(struct mail_downgrade *d, struct slice wire, struct buf *out)
{
    d->out.out = out;
    for (size_t i = 0; i < wire.n; i++) {
        char c = wire.p[i];
        bool is_stuffing = d->is_at_start && c == '.';
        d->is_at_start = false;
        if (is_stuffing)
            continue;
        if (c == '\n' && d->line_bytes && d->line[d->line_bytes - 1] == '\r') {
            d->line_bytes--;
            hand_on(d, d->line_bytes, true);
            d->line_bytes = 0;
            d->is_at_start = true;
            continue;
        }
        if (d->line_bytes == LINE_BYTES_MAX) /* a CR may belong to the line's end: it stays */
            hand_on(d, LINE_BYTES_MAX - 1, false);
        d->line[d->line_bytes++] = c;
    }
}

void mail_downgrade_end(struct mail_downgrade *d, struct buf *out)
{
    d->out.out = out;
    bool is_last, is_whole = !d->is_continued;
    struct slice line = slice_of(d->line, d->line_bytes);
    bool is_boundary = is_whole && boundary_of(d, line, &is_last) < d->level_count;
    if (line.n || !is_whole)
        hand_on(d, line.n, is_boundary || d->place == IN_HEADER);
    end_part(d, true);
    if (d->out.is_in_line)
        mail_encode_line_end(&d->out);
}
