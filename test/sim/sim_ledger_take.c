/* sim_ledger_take.c -- what receivers take: the right bytes, for the right recipients, and again
 * only where that is excused. */
#include "sim_ledger_inside.h"

static struct sim_parcel *parcel_of(struct sim_world *w, struct slice sender, struct slice to,
                                    struct slice text)
{
    struct fault why = {0};
    bool is_mailbox = slice_eq(to, SLICE(SIM_STAGING_MAILBOX));
    struct sim_mail *m = sim_ledger_mail(w, is_mailbox ? sender : to);
    uint64_t id = 0;
    if (!m) {
        sim_fail(w, "a message to %.*s, of which nobody knows", SLICE_FMT(to));
        return NULL;
    }
    if (slice_starts(to, SLICE("s-"))) {
        struct sim_report *r = mem_new(sizeof *r);
        bool is_good = sim_report_parse(text, r, &why);
        id = r->id;
        mem_free(r);
        struct sim_parcel *p = is_good ? sim_ledger_find(w, id) : NULL;
        if (!p || !p->is_report || sender.n || !slice_eq(buf_slice(&p->text), text)) {
            sim_fail(w, "a report to %.*s is not what was made: %s", SLICE_FMT(to), why.text);
            return NULL;
        }
        return p;
    }
    if (!sim_mail_is_it(m, text, &id, &why)) {
        sim_fail(w, "message %llu was taken wrongly: %s", U(m->number), why.text);
        return NULL;
    }
    struct sim_parcel *p = sim_ledger_find(w, id);
    if (!p || p->mail != m || p->is_report || !slice_eq(sender, slice_cstr(m->sender.text))) {
        sim_fail(w, "message %llu was taken with the id or the sender of another", U(m->number));
        return NULL;
    }
    return p;
}

/* Read off the patterns "*@domain" without the relay's own eyes. */
static bool may_have_mail(const struct rewrite_options *o, struct slice to)
{
    bool is_allowed = slice_eq(to, SLICE(SIM_STAGING_MAILBOX));
    for (unsigned i = 0; i < o->staging_allow_count; i++)
        is_allowed |= slice_ends_nocase(to, slice_from(o->staging_allow[i], 1));
    return is_allowed || o->environment != REWRITE_STAGING;
}

static bool on_take(struct sim_world *w, struct sim_parcel *p, struct slice to, unsigned *index)
{
    struct sim_fate *f = sim_ledger_fate(p, to);
    if (!may_have_mail(&w->options->rewrite, to)) {
        sim_fail(w, "staging let %.*s have message %llu", SLICE_FMT(to), U(p->mail->number));
        return false;
    }
    if (!f) {
        sim_fail(w, "message %llu was given to %.*s, who is none of its recipients",
                 U(p->mail->number), SLICE_FMT(to));
        return false;
    }
    if (f->takes && !f->may_repeat) {
        sim_fail(w, "%.*s got message %llu twice, and no reply was lost", SLICE_FMT(to),
                 U(p->mail->number));
        return false;
    }
    f->takes++;
    f->is_told = f->may_repeat = false;
    *index = (unsigned)(f - p->fate);
    return true;
}

struct sim_taking *sim_ledger_take(struct sim_world *w, struct slice sender,
                                   char (*recipient)[SIM_ADDRESS_BYTES], unsigned count,
                                   struct slice text)
{
    CHECK(count > 0);
    struct sim_parcel *p = parcel_of(w, sender, slice_cstr(recipient[0]), text);
    if (!p)
        return NULL;
    if (p->state != SIM_PARCEL_STORED) {
        sim_fail(w, "message %llu was delivered and is not in the queue", U(p->mail->number));
        return NULL;
    }
    sim_ledger_check_order(w, p, "delivered");
    struct sim_taking *t = arena_new(&w->arena, sizeof *t);
    t->parcel = p;
    t->index = arena_new(&w->arena, count * sizeof *t->index);
    for (; t->count < count; t->count++)
        if (!on_take(w, p, slice_cstr(recipient[t->count]), &t->index[t->count]))
            return NULL;
    return t;
}

void sim_ledger_told(struct sim_world *w, struct sim_taking *t)
{
    struct sim_ledger *l = &w->ledger;
    for (unsigned i = 0; i < t->count; i++)
        t->parcel->fate[t->index[i]].is_told = true;
    if (l->told_count == l->told_cap) {
        l->told_cap = l->told_cap ? l->told_cap * 2 : 16;
        l->told = mem_resize(l->told, l->told_cap * sizeof *l->told);
    }
    l->told[l->told_count++] = t;
}

void sim_ledger_unsure(struct sim_world *w, struct sim_taking *t)
{
    for (unsigned i = 0; i < t->count; i++)
        t->parcel->fate[t->index[i]].may_repeat = true;
}

void sim_ledger_on_event_over(struct sim_world *w)
{
    struct sim_ledger *l = &w->ledger;
    for (size_t i = 0; i < l->told_count; i++) {
        struct sim_taking *t = l->told[i];
        for (unsigned k = 0; k < t->count; k++) {
            const struct sim_fate *f = &t->parcel->fate[t->index[k]];
            if (f->noted != QUEUE_DELIVERED)
                sim_fail(w, "%.*s was taken and confirmed, and is not called delivered",
                         SLICE_FMT(f->address));
        }
    }
    l->told_count = 0;
}
