/* sim_ledger_end.c -- all is over: was every promise kept? */
#include "sim_ledger_inside.h"

#include <string.h>

static void check_fate(struct sim_world *w, const struct sim_parcel *p, const struct sim_fate *f)
{
    const char *what = p->is_report ? "the report to" : "the message to";
    switch (f->noted) {
    case QUEUE_DELIVERED:
        if (!f->takes)
            sim_fail(w, "%s %.*s was never taken", what, SLICE_FMT(f->address));
        break;
    case QUEUE_BOUNCED:
    case QUEUE_EXPIRED:
        if (!p->is_report && p->mail->sender.text[0] && !f->is_reported)
            sim_fail(w, "nobody was told that %s %.*s failed", what, SLICE_FMT(f->address));
        break;
    case QUEUE_REMOVED:
        break;
    case QUEUE_WAITING:
    case QUEUE_FATE_COUNT:
        sim_fail(w, "%s %.*s has no outcome", what, SLICE_FMT(f->address));
        break;
    }
    /* Where its accept record's segment is gone, that is the record. */
    if (f->noted != QUEUE_WAITING && f->record != SIM_RECORD_WRITTEN &&
        sim_disk_find(&w->disk, false, p->pos.segment))
        sim_fail(w, "the outcome of %.*s (%s) was never recorded", SLICE_FMT(f->address),
                 queue_fate_name(f->noted));
    if (f->reports > 1 + w->life || f->warnings > 1 + w->life)
        sim_fail(w, "%.*s: %u reports and %u warnings, in %u lives", SLICE_FMT(f->address),
                 f->reports, f->warnings, (unsigned)w->life + 1);
}

/* Every recipient that the client was promised, each once, and nobody else. */
static void check_envelope(struct sim_world *w, const struct sim_mail *m, struct sim_parcel *p)
{
    unsigned promised = 0;
    for (unsigned i = 0; i < m->recipient_count; i++) {
        const struct sim_address *r = &m->recipient[i];
        if (!r->is_taken)
            continue;
        bool is_repeated = false;
        for (unsigned k = 0; k < i; k++)
            is_repeated |= m->recipient[k].is_taken &&
                           strcmp(sim_mail_goes_to(&m->recipient[k]), sim_mail_goes_to(r)) == 0;
        promised += !is_repeated;
        if (!sim_ledger_fate(p, slice_cstr(sim_mail_goes_to(r))))
            sim_fail(w, "recipient %s of message %llu was forgotten", r->text, U(m->number));
    }
    if (promised != p->count)
        sim_fail(w, "message %llu has %u recipients, %u were promised", U(m->number), p->count,
                 promised);
}

void sim_ledger_check_end(struct sim_world *w)
{
    for (size_t i = 0; i < w->ledger.count; i++) {
        const struct sim_parcel *p = w->ledger.all[i];
        if (p->state != SIM_PARCEL_STORED)
            continue;
        for (unsigned k = 0; k < p->count; k++)
            check_fate(w, p, &p->fate[k]);
        /* After a crash recovery may have finished it, in a start that was said to know all. */
        if (!p->is_told_of && !p->may_tell_again)
            sim_fail(w, "message %llu is finished, and the history was not told", U(p->id));
    }
    for (uint64_t n = 1; n < w->mail_count; n++) {
        const struct sim_mail *m = w->mail[n];
        if (m->state != SIM_MAIL_ACCEPTED)
            continue;
        struct sim_parcel *p = sim_ledger_find(w, m->id);
        if (!p || p->state != SIM_PARCEL_STORED)
            sim_fail(w, "message %llu was answered 250 and is nowhere", U(n));
        else
            check_envelope(w, m, p);
    }
}
