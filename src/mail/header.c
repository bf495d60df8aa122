/* header.c -- the header section on its way in: which fields there are, and three of them kept.
 *
 *   START -> NAME [-> BLANKS] -> VALUE | SKIP -> START      a field, or its continuation
 *   START -> DOT -> the same                                dot-stuffed line
 *   START -> CR -> over                                     the empty line
 *   DOT -> DOT_CR -> over                                   the final dot
 *   anything else at a line's start: over, malformed
 *
 * Most bytes pass in SKIP, where only the next LF is searched. */
#include "mail/header.h"

#include <string.h>

enum state { S_START, S_DOT, S_CR, S_DOT_CR, S_NAME, S_BLANKS, S_VALUE, S_SKIP };

enum field {
    F_OTHER,
    F_AUTO_SUBMITTED,
    F_DATE,
    F_FROM,
    F_MESSAGE_ID,
    F_RECEIVED,
    F_SUBJECT,
    F_RECIPIENT,
};

static const struct {
    struct slice name;
    enum field field;
} known[] = {
    {SLICE_INIT("auto-submitted"), F_AUTO_SUBMITTED},
    {SLICE_INIT("bcc"), F_RECIPIENT},
    {SLICE_INIT("cc"), F_RECIPIENT},
    {SLICE_INIT("date"), F_DATE},
    {SLICE_INIT("from"), F_FROM},
    {SLICE_INIT("message-id"), F_MESSAGE_ID},
    {SLICE_INIT("received"), F_RECEIVED},
    {SLICE_INIT("subject"), F_SUBJECT},
    {SLICE_INIT("to"), F_RECIPIENT},
};

/* Where the current field's value is kept. */
struct copy {
    char *to;
    size_t *n;
    size_t max;
};

static struct copy copy_of(struct mail_header_scan *s)
{
    switch ((enum field)s->in.field) {
    case F_AUTO_SUBMITTED:
        return (struct copy){s->in.token, &s->in.token_bytes, sizeof s->in.token};
    case F_FROM:
        return (struct copy){s->from, &s->from_bytes, sizeof s->from};
    case F_MESSAGE_ID:
        return (struct copy){s->message_id, &s->message_id_bytes, sizeof s->message_id};
    case F_SUBJECT:
        return (struct copy){s->subject, &s->subject_bytes, sizeof s->subject};
    case F_OTHER:
    case F_DATE:
    case F_RECEIVED:
    case F_RECIPIENT:
        break;
    }
    return (struct copy){0};
}

/* Folding leaves its blank; every CR goes, as the one before LF must and others mean nothing. */
static void add_value(struct mail_header_scan *s, struct slice bytes)
{
    struct copy c = copy_of(s);
    for (size_t i = 0; i < bytes.n && *c.n < c.max; i++) {
        char b = bytes.p[i] == '\t' ? ' ' : bytes.p[i];
        if (b == '\r' || (b == ' ' && *c.n == 0))
            continue;
        c.to[(*c.n)++] = (uint8_t)b < ' ' || b == 0x7f ? '?' : b;
    }
}

/* RFC 3834: whatever is not "no" was made by a machine. */
static void judge_auto_submitted(struct mail_header_scan *s)
{
    size_t n = 0;
    while (n < s->in.token_bytes && !memchr(" ;(", s->in.token[n], 3))
        n++;
    if (s->in.token_bytes && !slice_eq_nocase(slice_of(s->in.token, n), SLICE("no")))
        s->is_auto_submitted = true;
    s->in.token_bytes = 0;
}

static void end_field(struct mail_header_scan *s)
{
    if (s->in.may_copy) {
        struct copy c = copy_of(s);
        while (*c.n && c.to[*c.n - 1] == ' ')
            (*c.n)--;
        if (s->in.field == F_AUTO_SUBMITTED)
            judge_auto_submitted(s);
    }
    s->in.may_copy = false;
    s->in.field = F_OTHER;
}

static void start_field(struct mail_header_scan *s)
{
    /* A longer name was cut and equals none of ours. */
    struct slice name = slice_of(s->in.name, s->in.name_bytes);
    s->in.has_fields = true;
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (slice_eq(name, known[i].name))
            s->in.field = (int)known[i].field;
    }
    switch ((enum field)s->in.field) {
    case F_OTHER:
        break;
    case F_AUTO_SUBMITTED:
        s->in.may_copy = true;
        break;
    case F_DATE:
        s->has_date = true;
        break;
    case F_FROM:
        s->has_many_from = s->has_from;
        s->in.may_copy = !s->has_from;
        s->has_from = true;
        break;
    case F_MESSAGE_ID:
        s->in.may_copy = !s->has_message_id;
        s->has_message_id = true;
        break;
    case F_RECEIVED:
        s->received_count++;
        break;
    case F_SUBJECT:
        s->in.may_copy = s->subject_bytes == 0;
        break;
    case F_RECIPIENT:
        s->has_to_or_cc = true;
        break;
    }
    s->in.state = s->in.may_copy ? S_VALUE : S_SKIP;
}

static void end_section(struct mail_header_scan *s, uint64_t header_bytes)
{
    end_field(s);
    s->is_over = true;
    s->header_bytes = header_bytes;
}

/* The current line is no field: the body begins with it. */
static void end_malformed(struct mail_header_scan *s)
{
    s->is_malformed = true;
    s->has_no_header = !s->in.has_fields;
    end_section(s, s->in.line_at);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_name_char(char c)
{
    return c > ' ' && c < 0x7f && c != ':';
}

static void add_name(struct mail_header_scan *s, char c)
{
    if (s->in.name_bytes < sizeof s->in.name)
        s->in.name[s->in.name_bytes++] = ascii_lower(c);
}

/* The first byte of a line, after the dot that stuffing put there. */
static void start_line(struct mail_header_scan *s, char c, uint64_t at)
{
    if (c == '\r') {
        s->in.state = S_CR;
    } else if (c == '\n') {
        end_section(s, at + 1);
    } else if (is_blank(c) && s->in.has_fields) {
        s->in.state = s->in.may_copy ? S_VALUE : S_SKIP;
        if (s->in.may_copy)
            add_value(s, SLICE(" "));
    } else if (is_name_char(c)) {
        end_field(s);
        s->in.name_bytes = 0;
        add_name(s, c);
        s->in.state = S_NAME;
    } else {
        end_malformed(s);
    }
}

/* One byte in a state that looks at each; `at` is its place in the message. */
static void step(struct mail_header_scan *s, char c, uint64_t at)
{
    switch ((enum state)s->in.state) {
    case S_START:
        if (c == '.')
            s->in.state = S_DOT;
        else
            start_line(s, c, at);
        break;
    case S_DOT:
        if (c == '\r')
            s->in.state = S_DOT_CR;
        else if (c == '\n')
            end_section(s, s->in.line_at);
        else
            start_line(s, c, at);
        break;
    case S_CR:
        if (c == '\n')
            end_section(s, at + 1);
        else
            end_malformed(s);
        break;
    case S_DOT_CR:
        if (c == '\n')
            end_section(s, s->in.line_at);
        else
            end_malformed(s);
        break;
    case S_NAME:
        if (c == ':')
            start_field(s);
        else if (is_blank(c))
            s->in.state = S_BLANKS;
        else if (is_name_char(c))
            add_name(s, c);
        else
            end_malformed(s);
        break;
    case S_BLANKS: /* RFC 5322 section 4.5 lets blanks stand before the colon */
        if (c == ':')
            start_field(s);
        else if (!is_blank(c))
            end_malformed(s);
        break;
    case S_VALUE:
    case S_SKIP:
        break; /* taken in runs by feed */
    }
}

void mail_header_scan_init(struct mail_header_scan *s)
{
    memset(s, 0, sizeof *s);
}

bool mail_header_scan_feed(struct mail_header_scan *s, struct slice bytes)
{
    size_t at = 0;
    while (at < bytes.n && !s->is_over) {
        if (s->in.state != S_VALUE && s->in.state != S_SKIP) {
            step(s, bytes.p[at], s->in.seen_bytes + at);
            at++;
            continue;
        }
        struct slice rest = slice_from(bytes, at);
        size_t lf = slice_find(rest, '\n');
        if (s->in.state == S_VALUE)
            add_value(s, slice_head(rest, lf));
        at += lf;
        if (lf < rest.n) {
            at++;
            s->in.state = S_START;
            s->in.line_at = s->in.seen_bytes + at;
        }
    }
    s->in.seen_bytes += at;
    for (size_t i = 0; i < at && !s->has_8bit; i++)
        s->has_8bit = (uint8_t)bytes.p[i] >= 0x80;
    return !s->is_over;
}

void mail_header_scan_end(struct mail_header_scan *s)
{
    if (s->is_over)
        return;
    switch ((enum state)s->in.state) {
    case S_START:
    case S_CR:
    case S_VALUE:
    case S_SKIP:
        end_section(s, s->in.seen_bytes);
        break;
    case S_DOT:
    case S_DOT_CR:
        end_section(s, s->in.line_at);
        break;
    case S_NAME:
    case S_BLANKS:
        end_malformed(s);
        break;
    }
}
