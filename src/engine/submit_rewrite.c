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
