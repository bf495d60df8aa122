/* submit_rewrite.c -- see the header. */
#include "submit_rewrite.h"

static void tell(struct engine *e, uint64_t id, const char *what, struct slice original,
                 struct slice now)
{
    struct note *n = engine_note(e, NOTE_REWRITTEN, id);
    engine_tell(e, n, what, now);
    engine_tell(e, n, "original", original);
}

struct intake *submit_rewrite_mail(struct engine *e, struct session *s,
                                   const struct smtp_server_event *ev)
{
    struct rewrite_text sender;
    rewrite_sender(&e->opt->rewrite, e->opt->hostname, ev->path_text, &sender);
    struct smtp_server_event changed = *ev;
    changed.path_text = rewrite_text_slice(&sender);
    struct intake *in = intake_new(e, s, &changed);
    if (!slice_eq(changed.path_text, ev->path_text))
        tell(e, in->id, "from", ev->path_text, changed.path_text);
    return in;
}

/* ORCPT for who sent none: RFC 3461 4.2 wants the address that the sender wrote. */
static struct slice original_of(const struct smtp_server_event *ev, struct buf *out)
{
    if (ev->orcpt.n)
        return ev->orcpt;
    for (size_t i = 0; i < ev->path_text.n; i++)
        if ((uint8_t)ev->path_text.p[i] >= 0x80)
            return SLICE_NONE; /* the type utf-8 is for clients that know it */
    buf_add_cstr(out, "rfc822;");
    return mail_xtext_build(ev->path_text, out) && !out->is_full ? buf_slice(out) : SLICE_NONE;
}

static struct smtp_answer take_all(struct engine *e, struct intake *in,
                                   const struct smtp_server_event *ev,
                                   const struct rewrite_list *list, struct slice orcpt)
{
    static const struct smtp_answer full = {452, {4, 5, 3}, "too many recipients"};
    size_t room = QUEUE_ORCPT_BYTES_MAX - in->orcpt_bytes;
    if (intake_room(in) < list->count + e->opt->rewrite.always_bcc_count)
        return full;
    if (list->count * orcpt.n > room)
        orcpt = SLICE_NONE; /* a convenience where it is ours; the client's own must fit */
    if (list->count * ev->orcpt.n > room)
        return full;
    if (list->is_redirected &&
        !buf_addf(&in->originals, "X-Original-To: <%.*s>\r\n", SLICE_FMT(ev->path_text)))
        return full; /* the client sends to the others in a message of their own */
    for (unsigned i = 0; i < list->count; i++) {
        struct smtp_server_event changed = *ev;
        changed.path_text = rewrite_text_slice(&list->address[i]);
        if (!slice_eq(changed.path_text, ev->path_text)) {
            changed.orcpt = orcpt;
            tell(e, in->id, "to", ev->path_text, changed.path_text);
        }
        CHECK(intake_recipient(in, &changed));
    }
    return (struct smtp_answer){0};
}

struct smtp_answer submit_rewrite_rcpt(struct engine *e, struct intake *in,
                                       const struct smtp_server_event *ev)
{
    struct rewrite_list list;
    rewrite_recipient(&e->opt->rewrite, e->opt->hostname, ev->path_text, &list);
    if (list.is_too_many)
        return (struct smtp_answer){451, {4, 3, 5}, "the aliases of this name lead too far"};
    struct buf original;
    buf_init(&original, MAIL_ORCPT_BYTES_MAX);
    struct slice orcpt = original_of(ev, &original);
    struct smtp_answer a = take_all(e, in, ev, &list, orcpt);
    buf_close(&original);
    return a;
}

static void tell_header(struct engine *e, const struct intake *in, const struct rewrite_header *h)
{
    struct slice is_signed = slice_of(h->is_signed.s, h->is_signed.n);
    struct slice changed = slice_of(h->changed.s, h->changed.n);
    if (h->outcome == REWRITE_HEADER_REFUSED)
        engine_tell(e, engine_note(e, NOTE_SIGNED_REFUSED, in->id), "header", is_signed);
    if (h->outcome == REWRITE_HEADER_REFUSED || h->outcome == REWRITE_HEADER_TOO_LONG)
        return;
    if (changed.n)
        engine_tell(e, engine_note(e, NOTE_HEADER_REWRITTEN, in->id), "header", changed);
    if (h->is_kept)
        engine_tell(e, engine_note(e, NOTE_SIGNED_KEPT, in->id), "header", is_signed);
    if (h->is_broken)
        engine_tell(e, engine_note(e, NOTE_SIGNED_BROKEN, in->id), "header", is_signed);
}

/* What the header says now: the client's own words stay in `said`. */
static void scan_again(struct intake *in, struct slice section)
{
    in->said = (void *)mem_dup((const char *)&in->scan, sizeof in->scan);
    mail_header_scan_init(&in->scan);
    if (mail_header_scan_feed(&in->scan, section))
        mail_header_scan_end(&in->scan);
    in->scan.is_malformed = in->said->is_malformed;
}

void submit_rewrite_header(struct engine *e, struct intake *in, struct slice section)
{
    struct rewrite_message m = {e->opt->hostname, buf_slice(&in->sender), in->is_utf8};
    struct rewrite_header h;
    rewrite_header_build(&e->opt->rewrite, &m, section, &h);
    tell_header(e, in, &h);
    in->from = h.from;
    in->keeps_without_date = h.keeps_without_date;
    in->keeps_without_message_id = h.keeps_without_message_id;
    switch (h.outcome) {
    case REWRITE_HEADER_SAME:
        intake_keep(e, in, section);
        break;
    case REWRITE_HEADER_CHANGED:
        scan_again(in, buf_slice(&h.out));
        intake_keep(e, in, buf_slice(&h.out));
        break;
    case REWRITE_HEADER_REFUSED:
        in->header = INTAKE_HEADER_SIGNED;
        break;
    case REWRITE_HEADER_TOO_LONG:
        in->header = INTAKE_HEADER_LONG;
        break;
    }
    rewrite_header_close(&h);
}

struct smtp_answer submit_rewrite_answer(const struct intake *in)
{
    switch (in->header) {
    case INTAKE_HEADER_COMES:
    case INTAKE_HEADER_KEPT:
        break;
    case INTAKE_HEADER_LONG:
        return (struct smtp_answer){552, {5, 3, 4}, "the header of the message is too large"};
    case INTAKE_HEADER_SIGNED:
        return (struct smtp_answer){
            550, {5, 7, 1}, "a signature covers header fields that would have to be changed"};
    }
    return (struct smtp_answer){0};
}

void submit_rewrite_end(struct engine *e, struct intake *in)
{
    const struct rewrite_options *o = &e->opt->rewrite;
    for (unsigned i = 0; i < o->always_bcc_count && intake_room(in); i++) {
        struct rewrite_text to = rewrite_staged(o, o->always_bcc[i]);
        struct smtp_server_event ev = {.kind = SMTP_SERVER_RCPT,
                                       .path_text = rewrite_text_slice(&to),
                                       .notify = MAIL_NOTIFY_NEVER}; /* the sender knows nothing */
        CHECK(intake_recipient(in, &ev));
    }
}
