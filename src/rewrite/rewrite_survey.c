/* rewrite_survey.c -- see the header. */
#include "rewrite_survey.h"

#include "mail/header_field.h"

#include <string.h>

static const struct slice known[KNOWN_COUNT] = {
    [KNOWN_FROM] = SLICE_INIT("From"),
    [KNOWN_SENDER] = SLICE_INIT("Sender"),
    [KNOWN_REPLY_TO] = SLICE_INIT("Reply-To"),
    [KNOWN_TO] = SLICE_INIT("To"),
    [KNOWN_CC] = SLICE_INIT("Cc"),
    [KNOWN_BCC] = SLICE_INIT("Bcc"),
    [KNOWN_RESENT_FROM] = SLICE_INIT("Resent-From"),
    [KNOWN_RESENT_SENDER] = SLICE_INIT("Resent-Sender"),
    [KNOWN_RESENT_REPLY_TO] = SLICE_INIT("Resent-Reply-To"),
    [KNOWN_RESENT_TO] = SLICE_INIT("Resent-To"),
    [KNOWN_RESENT_CC] = SLICE_INIT("Resent-Cc"),
    [KNOWN_RESENT_BCC] = SLICE_INIT("Resent-Bcc"),
    [KNOWN_DATE] = SLICE_INIT("Date"),
    [KNOWN_MESSAGE_ID] = SLICE_INIT("Message-ID"),
};

static struct slice added_name(struct slice field)
{
    return slice_trim(slice_head(field, slice_find(field, ':')));
}

struct slice rewrite_survey_name(const struct rewrite_survey *s, unsigned i)
{
    return s->name[i];
}

/* A section may have tens of thousands of names to look for: most are told apart by two bytes. */
unsigned rewrite_survey_find(const struct rewrite_survey *s, struct slice name, unsigned from)
{
    for (; name.n && from < s->count; from++) {
        struct slice known_as = s->name[from];
        if (known_as.n == name.n && ascii_lower(known_as.p[0]) == ascii_lower(name.p[0]) &&
            slice_eq_nocase(known_as, name))
            return from;
    }
    return s->count;
}

static void count(const struct rewrite_survey *s, struct slice name, uint32_t *of)
{
    for (unsigned i = 0; (i = rewrite_survey_find(s, name, i)) < s->count; i++)
        of[i]++;
}

void rewrite_survey_count(struct rewrite_survey *s, struct slice name, int more)
{
    for (unsigned i = 0; (i = rewrite_survey_find(s, name, i)) < s->count; i++)
        s->present[i] += (uint32_t)more;
}

/* Blanks and folding at both ends. */
static struct slice trim(struct slice in)
{
    static const char blank[] = " \t\r\n";
    while (in.n && memchr(blank, in.p[0], 4))
        in = slice_from(in, 1);
    while (in.n && memchr(blank, in.p[in.n - 1], 4))
        in.n--;
    return in;
}

/* "v=1; h=From : To" -> "From : To" */
static struct slice covered_of(struct slice body)
{
    while (body.n) {
        struct slice tag = slice_head(body, slice_find(body, ';'));
        body = slice_from(body, tag.n + 1);
        size_t equals = slice_find(tag, '=');
        if (equals < tag.n && slice_eq(trim(slice_head(tag, equals)), SLICE("h")))
            return slice_from(tag, equals + 1);
    }
    return SLICE_NONE;
}

static void survey_signature(struct rewrite_survey *s, struct slice body)
{
    uint32_t now[REWRITE_NAMES_MAX] = {0};
    for (struct slice list = covered_of(body); list.n;) {
        struct slice name = slice_head(list, slice_find(list, ':'));
        list = slice_from(list, name.n + 1);
        count(s, trim(name), now);
    }
    for (unsigned i = 0; i < s->count; i++)
        if (now[i] > s->covered[i])
            s->covered[i] = now[i];
}

void rewrite_survey_init(struct rewrite_survey *s, const struct rewrite_options *o,
                         struct slice section)
{
    struct mail_header_field f;
    *s = (struct rewrite_survey){
        .o = o, .count = KNOWN_COUNT + o->remove_header_count + o->add_header_count};
    CHECK(s->count <= REWRITE_NAMES_MAX);
    unsigned n = 0;
    for (; n < KNOWN_COUNT; n++)
        s->name[n] = known[n];
    for (unsigned i = 0; i < o->remove_header_count; i++)
        s->name[n++] = o->remove_headers[i];
    for (unsigned i = 0; i < o->add_header_count; i++)
        s->name[n++] = added_name(o->add_headers[i]);
    while (mail_header_field_next(&section, &f)) {
        count(s, f.name, s->present);
        if (slice_eq_nocase(f.name, SLICE("DKIM-Signature")) ||
            slice_eq_nocase(f.name, SLICE("ARC-Message-Signature")))
            survey_signature(s, f.body);
    }
}
