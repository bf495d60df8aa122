/* rewrite_header.c -- see the header. What a rule wants to change, remove or add is put to
 * may_touch first: a signature may be in the way. */
#include "rewrite/rewrite_header.h"

#include "mail/header_field.h"
#include "rewrite_field.h"
#include "rewrite_survey.h"

#include <string.h>

struct work {
    const struct rewrite_options *o;
    const struct rewrite_message *m;
    struct rewrite_header *h;
    struct rewrite_survey survey;
    struct buf out;        /* text form */
    unsigned from_count;   /* mailboxes that From has */
    bool has_reply_to;     /* or has got one */
    struct slice old_from; /* body of the From that was forced */
    bool is_told[REWRITE_NAMES_MAX], is_signed_told[REWRITE_NAMES_MAX];
};

/* ---- saying it ---- */

static void tell(struct rewrite_told *t, bool *is_told, const char *sign, struct slice name)
{
    size_t n = (t->n > 0) + strlen(sign) + name.n;
    if (*is_told || n > sizeof t->s - t->n)
        return;
    *is_told = true;
    if (t->n)
        t->s[t->n++] = ',';
    for (; *sign; sign++)
        t->s[t->n++] = *sign;
    memcpy(t->s + t->n, name.p, name.n);
    t->n += name.n;
}

static void changed(struct work *w, const char *sign, unsigned i)
{
    w->h->outcome =
        w->h->outcome == REWRITE_HEADER_REFUSED ? w->h->outcome : REWRITE_HEADER_CHANGED;
    tell(&w->h->changed, &w->is_told[i], sign, rewrite_survey_name(&w->survey, i));
}

/* ---- signatures ---- */

/* A signature is in the way of this field. Bcc goes whatever they say: its names were never meant
 * for those who read it, and a signature can be made again. */
static bool may_break(struct work *w, unsigned i)
{
    struct rewrite_header *h = w->h;
    tell(&h->is_signed, &w->is_signed_told[i], "", rewrite_survey_name(&w->survey, i));
    switch (w->o->on_signed) {
    case REWRITE_SIGNED_REFUSE:
        h->outcome = REWRITE_HEADER_REFUSED;
        return false;
    case REWRITE_SIGNED_KEEP:
        if (i != KNOWN_BCC && i != KNOWN_RESENT_BCC) {
            h->is_kept = true;
            return false;
        }
        break;
    case REWRITE_SIGNED_CHANGE:
        break;
    }
    h->is_broken = true;
    return true;
}

static bool may_touch(struct work *w, unsigned i)
{
    return !w->survey.covered[i] || may_break(w, i);
}

static bool may_add(struct work *w, unsigned i)
{
    return w->survey.covered[i] <= w->survey.present[i] || may_break(w, i);
}

/* ---- fields that are there ---- */

static enum rewrite_how how_of(unsigned i)
{
    switch (i) {
    case KNOWN_FROM:
        return REWRITE_AS_FROM;
    case KNOWN_TO:
    case KNOWN_CC:
    case KNOWN_RESENT_TO:
    case KNOWN_RESENT_CC:
        return REWRITE_AS_RECIPIENT;
    }
    return REWRITE_AS_AUTHOR;
}

static bool has_addresses(unsigned i)
{
    return i < KNOWN_DATE && i != KNOWN_BCC && i != KNOWN_RESENT_BCC;
}

/* True: the field goes. */
static bool is_removed(struct work *w, struct slice name, unsigned known)
{
    unsigned i = known;
    if (known != KNOWN_BCC && known != KNOWN_RESENT_BCC) {
        i = rewrite_survey_find(&w->survey, name, KNOWN_COUNT);
        if (i >= KNOWN_COUNT + w->o->remove_header_count)
            return false;
    }
    if (!may_touch(w, i))
        return false;
    changed(w, "-", i);
    rewrite_survey_count(&w->survey, name, -1);
    return true;
}

/* From that nobody can read becomes what the rule for the envelope's sender says. */
static void force_unreadable(struct work *w, struct buf *body, struct rewrite_field *edited)
{
    struct rewrite_text text;
    if ((!edited->is_bad && edited->addresses) || !rewrite_force(w->o, w->m->sender, &text) ||
        text.s[0] == '@' || !text.n || !rewrite_field_can_hold(w->m, rewrite_text_slice(&text)))
        return;
    buf_clear(body);
    buf_addf(body, " <%.*s>\r\n", SLICE_FMT(rewrite_text_slice(&text)));
    edited->is_changed = edited->is_forced = true;
    edited->addresses = 1;
}

/* The field as edit_field leaves it in `body`. False: it stays. */
static bool edit_field(struct work *w, const struct mail_header_field *f, unsigned i,
                       struct buf *body)
{
    struct rewrite_field edited = rewrite_field_build(w->o, w->m, how_of(i), f->body, body);
    if (i == KNOWN_FROM) {
        force_unreadable(w, body, &edited);
        w->from_count += edited.addresses;
    }
    if (!edited.is_changed || !may_touch(w, i))
        return false;
    if (edited.is_forced)
        w->old_from = f->body;
    changed(w, "", i);
    return true;
}

/* Where From was forced and nobody says where answers go. */
static void add_reply_to(struct work *w)
{
    struct slice old = w->old_from;
    w->old_from = SLICE_NONE;
    if (!old.n || w->has_reply_to || !may_add(w, KNOWN_REPLY_TO))
        return;
    w->has_reply_to = true;
    if (w->out.n && w->out.p[w->out.n - 1] != '\n') /* the section was cut */
        buf_add_cstr(&w->out, "\r\n");
    buf_add_cstr(&w->out, "Reply-To:");
    (void)rewrite_field_build(w->o, w->m, REWRITE_AS_AUTHOR, old, &w->out);
    if (old.p[old.n - 1] != '\n')
        buf_add_cstr(&w->out, "\r\n");
    rewrite_survey_count(&w->survey, rewrite_survey_name(&w->survey, KNOWN_REPLY_TO), 1);
    changed(w, "+", KNOWN_REPLY_TO);
}

static void take_field(struct work *w, const struct mail_header_field *f)
{
    unsigned i = rewrite_survey_find(&w->survey, f->name, 0);
    if (i == w->survey.count) {
        buf_add(&w->out, f->whole);
        return;
    }
    if (is_removed(w, f->name, i))
        return;
    struct buf body;
    buf_init(&body, REWRITE_HEADER_OUT_MAX);
    bool is_new = has_addresses(i) && edit_field(w, f, i, &body);
    if (is_new) {
        buf_add(&w->out, slice_head(f->whole, f->whole.n - f->body.n));
        buf_add(&w->out, buf_slice(&body));
        w->out.is_full |= body.is_full;
        add_reply_to(w);
    } else {
        buf_add(&w->out, f->whole);
    }
    buf_close(&body);
}

/* ---- fields that are missing ---- */

/* RFC 5322 3.6.2: who of several authors sent it. */
static void add_sender(struct work *w)
{
    struct slice sender = w->m->sender;
    if (w->from_count < 2 || w->survey.present[KNOWN_SENDER] || !sender.n ||
        !rewrite_field_can_hold(w->m, sender) || !may_add(w, KNOWN_SENDER))
        return;
    buf_addf(&w->out, "Sender: <%.*s>\r\n", SLICE_FMT(sender));
    rewrite_survey_count(&w->survey, rewrite_survey_name(&w->survey, KNOWN_SENDER), 1);
    changed(w, "+", KNOWN_SENDER);
}

static void add_ours(struct work *w)
{
    unsigned first = KNOWN_COUNT + w->o->remove_header_count;
    for (unsigned i = 0; i < w->o->add_header_count; i++) {
        if (w->survey.present[first + i] || !may_add(w, first + i))
            continue;
        buf_add(&w->out, w->o->add_headers[i]);
        buf_add_cstr(&w->out, "\r\n");
        changed(w, "+", first + i);
    }
}

/* What the relay adds itself, before all else: may it? */
static void judge_repairs(struct work *w)
{
    struct rewrite_header *h = w->h;
    h->keeps_without_date = !w->survey.present[KNOWN_DATE] && !may_add(w, KNOWN_DATE);
    h->keeps_without_message_id =
        !w->survey.present[KNOWN_MESSAGE_ID] && !may_add(w, KNOWN_MESSAGE_ID);
    if (w->survey.present[KNOWN_FROM] || !w->m->sender.n || !may_add(w, KNOWN_FROM))
        return;
    if (!rewrite_force(w->o, w->m->sender, &h->from) ||
        !rewrite_field_can_hold(w->m, rewrite_text_slice(&h->from))) {
        h->from.n = w->m->sender.n;
        memcpy(h->from.s, w->m->sender.p, w->m->sender.n);
    }
}

/* ---- all of it ---- */

static void build(struct work *w, struct slice text)
{
    struct mail_header_field f;
    struct slice rest = text;
    rewrite_survey_init(&w->survey, w->o, text);
    w->has_reply_to = w->survey.present[KNOWN_REPLY_TO];
    while (mail_header_field_next(&rest, &f))
        take_field(w, &f);
    judge_repairs(w);
    struct buf fields = w->out;
    buf_init(&w->out, REWRITE_HEADER_OUT_MAX);
    add_sender(w);
    add_ours(w);
    if (!text.n && w->out.n)
        rest = SLICE("\r\n"); /* all of it is body: our fields need an end */
    buf_add(&w->out, buf_slice(&fields));
    buf_add(&w->out, rest);
    w->out.is_full |= fields.is_full;
    buf_close(&fields);
}

void rewrite_header_build(const struct rewrite_options *o, const struct rewrite_message *m,
                          struct slice section, struct rewrite_header *out)
{
    struct work w = {.o = o, .m = m, .h = out};
    struct buf text;
    bool is_stuffed = mail_header_is_stuffed(section);
    CHECK(section.n <= REWRITE_HEADER_BYTES_MAX);
    *out = (struct rewrite_header){.outcome = REWRITE_HEADER_SAME};
    buf_init(&out->out, REWRITE_HEADER_OUT_MAX);
    buf_init(&w.out, REWRITE_HEADER_OUT_MAX);
    buf_init(&text, REWRITE_HEADER_BYTES_MAX);
    if (is_stuffed)
        CHECK(mail_header_unstuff(section, &text));
    build(&w, is_stuffed ? buf_slice(&text) : section);
    if (out->outcome == REWRITE_HEADER_CHANGED &&
        (w.out.is_full || !mail_header_stuff(buf_slice(&w.out), &out->out)))
        out->outcome = REWRITE_HEADER_TOO_LONG;
    buf_close(&w.out);
    buf_close(&text);
}

void rewrite_header_close(struct rewrite_header *h)
{
    buf_close(&h->out);
}
