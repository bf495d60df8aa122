/* sim_ledger_crash.c -- what a crash may take back, and what recovery must bring. */
#include "sim_ledger_inside.h"

static bool is_durable(struct sim_world *w, const struct sim_fate *f, enum sim_crash kind)
{
    if (f->record != SIM_RECORD_WRITTEN || f->is_record_lost)
        return false;
    if (kind != SIM_POWER_CUT || !sim_disk_find(&w->disk, false, f->pos.segment))
        return true; /* no segment: all of the message is gone from the disk */
    return sim_disk_is_safe(&w->disk, f->pos);
}

void sim_ledger_before_io(struct sim_world *w, uint64_t segment)
{
    for (size_t i = 0; i < w->ledger.count; i++) {
        struct sim_parcel *p = w->ledger.all[i];
        for (unsigned k = 0; k < p->count; k++) {
            struct sim_fate *f = &p->fate[k];
            if (f->record == SIM_RECORD_WRITTEN && f->pos.segment == segment)
                f->was_safe = sim_disk_is_safe(&w->disk, f->pos);
        }
    }
}

/* What had not been synced before is behind the seal now, also where its bytes made it. */
void sim_ledger_on_io_failed(struct sim_world *w, uint64_t segment)
{
    for (size_t i = 0; i < w->ledger.count; i++) {
        struct sim_parcel *p = w->ledger.all[i];
        for (unsigned k = 0; k < p->count; k++) {
            struct sim_fate *f = &p->fate[k];
            if (f->record == SIM_RECORD_WRITTEN && f->pos.segment == segment && !f->was_safe)
                f->is_record_lost = true;
        }
    }
}

/* What came back from the cache of a failed sync is not on disk for that. */
static bool may_vanish(struct sim_world *w, const struct sim_parcel *p)
{
    bool is_safe = sim_disk_is_safe(&w->disk, p->pos);
    for (uint32_t i = 0; i < p->extent_count; i++)
        is_safe = is_safe && sim_disk_is_safe(&w->disk, p->extent[i]);
    return p->has_returned && !is_safe;
}

static bool is_noted(const struct sim_parcel *p)
{
    for (unsigned k = 0; k < p->count; k++)
        if (p->fate[k].noted == QUEUE_WAITING)
            return false;
    return true;
}

void sim_ledger_on_crash(struct sim_world *w, enum sim_crash kind, bool has_unsealed)
{
    for (size_t i = 0; i < w->ledger.count; i++) {
        struct sim_parcel *p = w->ledger.all[i];
        if (p->state == SIM_PARCEL_OUT)
            p->state = SIM_PARCEL_UNKNOWN;
        /* The last records of an orderly end are written when nobody listens any more. */
        p->may_tell_again |= kind != SIM_ORDERLY || (!p->is_told_of && is_noted(p));
        if (p->state == SIM_PARCEL_STORED && kind == SIM_POWER_CUT && may_vanish(w, p))
            p->state = SIM_PARCEL_UNKNOWN;
        p->is_found = false;
        p->may_return = p->state == SIM_PARCEL_FAILED && (has_unsealed || p->may_return);
        for (unsigned k = 0; k < p->count; k++) {
            struct sim_fate *f = &p->fate[k];
            /* A start that crashed itself has not been asked what it found: the one before counts.
             */
            if (w->ledger.is_looked_at || f->noted != QUEUE_WAITING)
                f->before = f->noted;
            if (f->noted != QUEUE_WAITING && !is_durable(w, f, kind)) {
                f->noted = QUEUE_WAITING;
                f->record = SIM_RECORD_NONE;
                f->was_lost = true;
                p->may_tell_again = true; /* its end, too */
            }
            if (f->takes && f->noted == QUEUE_WAITING)
                f->may_repeat = true;
        }
    }
    w->ledger.told_count = 0;
    w->ledger.is_looked_at = false;
    sim_ledger_orders_on_crash(w);
    map_close(&w->ledger.tickets); /* the appends live in the arena */
    map_init(&w->ledger.tickets, 3);
}

static void recovered_accept(struct sim_world *w, struct sim_parcel *p,
                             const struct journal_record *r)
{
    switch (p->state) {
    case SIM_PARCEL_UNKNOWN:
        p->state = SIM_PARCEL_STORED;
        if (p->is_report)
            sim_ledger_report_stored(w, p);
        break;
    case SIM_PARCEL_FAILED:
        if (!p->may_return)
            sim_fail(w, "message %llu could not be written, and came back", U(p->mail->number));
        p->state = SIM_PARCEL_STORED;
        p->has_returned = true;
        if (p->is_report)
            sim_ledger_report_stored(w, p);
        break;
    case SIM_PARCEL_GONE:
        sim_fail(w, "message %llu was gone, and came back", U(p->mail->number));
        break;
    case SIM_PARCEL_STORED:
    case SIM_PARCEL_OUT:
        break;
    }
    p->pos = r->pos;
    p->is_found = true;
}

static void recovered_fate(struct sim_world *w, struct sim_fate *f, const struct queue_state *state,
                           struct journal_pos pos)
{
    if (state->fate == QUEUE_WAITING)
        return;
    if (f->noted != QUEUE_WAITING && f->noted != state->fate)
        sim_fail(w, "the outcome of %.*s has changed", SLICE_FMT(f->address));
    if (f->noted == QUEUE_WAITING) {
        f->noted = state->fate;
        f->may_repeat = false;
    }
    /* What a failed sync left in memory only is read back, and still not on disk. */
    if (f->pos.segment != pos.segment || f->pos.offset != pos.offset)
        f->is_record_lost = false;
    f->record = SIM_RECORD_WRITTEN;
    f->pos = pos;
}

static void recovered_outcome(struct sim_world *w, struct sim_parcel *p,
                              const struct journal_record *r)
{
    struct queue_outcome o;
    uint32_t index;
    struct queue_state state;
    if (queue_outcome_parse(r->payload, &o) != PARSE_DONE) {
        sim_fail(w, "an outcome record cannot be read after a crash");
        return;
    }
    while (queue_outcome_next(&o.states, &index, &state))
        if (index < p->count)
            recovered_fate(w, &p->fate[index], &state, r->pos);
}

static void recovered_states(struct sim_world *w, struct sim_parcel *p,
                             const struct journal_record *r)
{
    struct queue_accept a;
    struct slice address;
    struct queue_state state;
    if (queue_accept_parse_head(r->payload, &a) != PARSE_DONE ||
        a.envelope.recipient_count != p->count) {
        sim_fail(w, "an accept record cannot be read after a crash");
        return;
    }
    p->extent = sim_ledger_extents(w, &a);
    p->extent_count = a.envelope.extent_count;
    struct slice rest = a.recipients;
    for (unsigned i = 0; queue_accept_next(&rest, &address, &state); i++)
        recovered_fate(w, &p->fate[i], &state, r->pos);
}

void sim_ledger_on_recovered(struct sim_world *w, const struct journal_record *r)
{
    struct sim_parcel *p = sim_ledger_find(w, r->id);
    if (p && r->type == QUEUE_RECORD_ACCEPT) {
        recovered_accept(w, p, r);
        recovered_states(w, p, r);
    } else if (p && r->type == QUEUE_RECORD_OUTCOME)
        recovered_outcome(w, p, r);
    else if (!p && r->type == QUEUE_RECORD_ACCEPT)
        sim_fail(w, "recovery finds a message that never was");
}

/* All was said of it before the crash. */
static bool was_finished(const struct sim_parcel *p)
{
    for (unsigned k = 0; k < p->count; k++)
        if (p->fate[k].before == QUEUE_WAITING)
            return false;
    return true;
}

/* That nothing is left says it as well as a record. */
static void keep_as_finished(struct sim_parcel *p)
{
    for (unsigned k = 0; k < p->count; k++) {
        p->fate[k].noted = p->fate[k].before;
        p->fate[k].record = SIM_RECORD_WRITTEN;
    }
    p->is_waiting = false;
}

void sim_ledger_after_recovery(struct sim_world *w)
{
    for (size_t i = 0; i < w->ledger.count; i++) {
        struct sim_parcel *p = w->ledger.all[i];
        if (p->state == SIM_PARCEL_UNKNOWN)
            p->state = SIM_PARCEL_GONE;
        if (!p->is_found && was_finished(p)) /* its segment was given up */
            keep_as_finished(p);
        p->is_waiting = false;
        for (unsigned k = 0; k < p->count; k++)
            p->is_waiting |= p->fate[k].noted == QUEUE_WAITING;
    }
}

void sim_ledger_after_start(struct sim_world *w)
{
    w->ledger.is_looked_at = true;
    for (size_t i = 0; i < w->ledger.count; i++) {
        struct sim_parcel *p = w->ledger.all[i];
        bool is_due = p->state == SIM_PARCEL_STORED && p->is_waiting;
        bool is_there = engine_has_message(w->engine, p->id);
        const char *what = p->is_report ? " (a report about it)" : "";
        if (is_due && !is_there && was_finished(p))
            keep_as_finished(p); /* a checkpoint knew, although the outcome's record was lost */
        else if (is_due && !is_there)
            sim_fail(w, "message %llu%s was lost in the crash", U(p->mail->number), what);
        if (!is_due && is_there)
            sim_fail(w, "message %llu%s was done, and is back after the crash", U(p->mail->number),
                     what);
    }
}
