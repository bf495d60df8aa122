/* sim_ledger_history.c -- what the engine tells the history: each finished message once, with the
 * fates that it has told elsewhere. */
#include "sim_ledger_inside.h"

#include <string.h>

#include "history/history_record.h"

static enum queue_fate fate_of(enum history_fate fate)
{
    static const enum queue_fate of[HISTORY_FATE_COUNT] = {[HISTORY_DELIVERED] = QUEUE_DELIVERED,
                                                           [HISTORY_BOUNCED] = QUEUE_BOUNCED,
                                                           [HISTORY_EXPIRED] = QUEUE_EXPIRED,
                                                           [HISTORY_REMOVED] = QUEUE_REMOVED};
    return of[fate];
}

static void check_recipient(struct sim_world *w, struct sim_parcel *p,
                            const struct history_record *r, const struct history_recipient *to)
{
    const struct sim_fate *f = sim_ledger_fate(p, to->address);
    if (!f)
        sim_fail(w, "the history has a recipient nobody knows: %.*s", SLICE_FMT(to->address));
    else if (f->noted != fate_of(to->fate))
        sim_fail(w, "the history says %s of %.*s, the log says %s", history_fate_name(to->fate),
                 SLICE_FMT(to->address), queue_fate_name(f->noted));
    if (to->ended_ms < r->accepted_ms || to->ended_ms > r->finished_ms)
        sim_fail(w, "%.*s ended before it began, or after it was over", SLICE_FMT(to->address));
    if (to->fate == HISTORY_DELIVERED && (!to->host.n || !to->ip.n || !to->attempts))
        sim_fail(w, "the history does not know who took %.*s", SLICE_FMT(to->address));
}

void sim_ledger_on_history(struct sim_world *w, uint64_t id, struct slice record)
{
    struct sim_parcel *p = sim_ledger_find(w, id);
    struct history_record r;
    struct history_recipient to;
    if (!p || history_record_parse(record, &r) != PARSE_DONE || r.id != id) {
        sim_fail(w, "a record for the history that cannot be used, of %llu", U(id));
        return;
    }
    if (p->is_told_of && !p->may_tell_again)
        sim_fail(w, "the history is told twice of %llu", U(id));
    p->is_told_of = true;
    p->may_tell_again = false;
    if (r.recipient_count != p->count || r.is_report != p->is_report)
        sim_fail(w, "the history is told something else of %llu", U(id));
    for (struct slice rest = r.recipients; history_record_next(&rest, &to);)
        check_recipient(w, p, &r, &to);
}
