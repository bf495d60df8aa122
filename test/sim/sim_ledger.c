/* sim_ledger.c -- see the header. */
#include "sim_world.h"

#include "base/crc32c.h"
#include "base/msgid.h"

#include <stdio.h>
#include <string.h>

#define U(x) ((unsigned long long)(x))

/* An append under way. */
struct append {
    struct sim_parcel *parcel;
    bool is_outcome;
    bool is_copy; /* of an accept record, for compaction */
    unsigned count;
    unsigned *index; /* whose final fate it records */
    struct journal_pos *extent;
    unsigned extent_count;
};

void sim_ledger_init(struct sim_world *w)
{
    map_init(&w->ledger.by_id, 2);
    map_init(&w->ledger.tickets, 3);
}

static void forget_tickets(struct sim_world *w)
{
    map_close(&w->ledger.tickets); /* the appends live in the arena */
    map_init(&w->ledger.tickets, 3);
}

void sim_ledger_close(struct sim_world *w)
{
    struct sim_ledger *l = &w->ledger;
    for (size_t i = 0; i < l->count; i++) {
        struct sim_parcel *p = l->all[i];
        buf_close(&p->text);
        mem_free(p->fate);
        mem_free(p->memory);
        mem_free(p);
    }
    mem_free(l->all);
    mem_free(l->told);
    map_close(&l->by_id);
    map_close(&l->tickets);
}

struct sim_parcel *sim_ledger_find(struct sim_world *w, uint64_t id)
{
    return map_get_id(&w->ledger.by_id, id);
}

struct sim_parcel *sim_ledger_of_mail(struct sim_world *w, const struct sim_mail *m)
{
    for (size_t i = 0; i < w->ledger.count; i++)
        if (!w->ledger.all[i]->is_report && w->ledger.all[i]->mail == m)
            return w->ledger.all[i];
    return NULL;
}

struct sim_fate *sim_ledger_fate(struct sim_parcel *p, struct slice address)
{
    for (unsigned i = 0; i < p->count; i++)
        if (slice_eq(p->fate[i].address, address))
            return &p->fate[i];
    return NULL;
}

static struct sim_mail *mail_of(struct sim_world *w, struct slice address)
{
    uint64_t number = sim_mail_number_of(address);
    return number && number < w->mail_count ? w->mail[number] : NULL;
}

/* Appends */

static struct slice join_parts(struct sim_world *w, const struct engine_action *a)
{
    size_t n = 0;
    for (int i = 0; i < a->part_count; i++)
        n += a->part[i].n;
    char *all = mem_new(n + 1);
    n = 0;
    for (int i = 0; i < a->part_count; i++) {
        if (a->part[i].n)
            memcpy(all + n, a->part[i].p, a->part[i].n);
        n += a->part[i].n;
    }
    return slice_of(all, n);
}

static void add_parcel(struct sim_world *w, struct sim_parcel *p)
{
    struct sim_ledger *l = &w->ledger;
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        l->all = mem_resize(l->all, l->cap * sizeof *l->all);
    }
    l->all[l->count++] = p;
    map_put_id(&l->by_id, p->id, p);
}

static void read_recipients(struct sim_parcel *p, const struct queue_accept *accept)
{
    struct slice rest = accept->recipients, address;
    struct queue_state state;
    p->count = accept->envelope.recipient_count;
    p->fate = mem_new(p->count * sizeof *p->fate);
    p->memory = mem_new(rest.n + 1);
    size_t at = 0;
    for (unsigned i = 0; queue_accept_next(&rest, &address, &state); i++) {
        memcpy(p->memory + at, address.p, address.n);
        p->fate[i].address = slice_of(p->memory + at, address.n);
        at += address.n;
    }
}

static void read_report(struct sim_world *w, struct sim_parcel *p,
                        const struct queue_accept *accept)
{
    struct sim_report *r = mem_new(sizeof *r);
    struct fault why;
    buf_init(&p->text, 1024 * 1024);
    sim_mail_unstuff(accept->tail, &p->text);
    if (!sim_report_parse(buf_slice(&p->text), r, &why) || r->id != p->id) {
        sim_fail(w, "a bad report: %s", why.text);
    } else {
        p->is_failure = r->is_failure;
        struct sim_parcel *about = p->mail ? sim_ledger_of_mail(w, p->mail) : NULL;
        for (unsigned i = 0; i < r->count; i++)
            if (!about || !sim_ledger_fate(about, r->recipient[i]))
                sim_fail(w, "a report names a recipient that the message does not have");
    }
    mem_free(r);
}

static struct append *append_new(struct sim_world *w, uint64_t ticket, struct sim_parcel *p)
{
    struct append *a = arena_new(&w->arena, sizeof *a);
    a->parcel = p;
    map_put_id(&w->ledger.tickets, ticket, a);
    return a;
}

static void read_extents(struct sim_world *w, struct append *a, const struct queue_accept *accept)
{
    a->extent_count = accept->envelope.extent_count;
    a->extent = arena_new(&w->arena, (a->extent_count + 1) * sizeof *a->extent);
    for (unsigned i = 0; i < a->extent_count; i++)
        a->extent[i] = queue_accept_extent(accept, i);
}

static uint32_t content_of(const struct queue_accept *accept)
{
    return crc32c(crc32c(0, accept->prefix), accept->tail) ^ accept->envelope.extent_count;
}

/* Compaction: the same message again, with the state it is in. */
static void on_copy(struct sim_world *w, const struct engine_action *a, struct sim_parcel *p,
                    const struct queue_accept *accept)
{
    struct append *out = append_new(w, a->ticket, p);
    struct slice rest = accept->recipients, address;
    struct queue_state state;
    out->is_copy = true;
    out->index = arena_new(&w->arena, (p->count + 1) * sizeof *out->index);
    read_extents(w, out, accept);
    if (p->state != SIM_PARCEL_STORED || accept->envelope.recipient_count != p->count ||
        a->is_admission) {
        sim_fail(w, "the id of message %llu is used twice", U(a->id));
        return;
    }
    if (content_of(accept) != p->content)
        sim_fail(w, "a copy of message %llu has another content", U(p->mail->number));
    for (unsigned i = 0; queue_accept_next(&rest, &address, &state); i++) {
        const struct sim_fate *f = &p->fate[i];
        if (!slice_eq(address, f->address) || state.fate != f->noted)
            sim_fail(w, "a copy says of %.*s: %s, it was said: %s", SLICE_FMT(address),
                     queue_fate_name(state.fate), queue_fate_name(f->noted));
        if (state.fate != QUEUE_WAITING)
            out->index[out->count++] = i;
    }
}

static void on_accept(struct sim_world *w, const struct engine_action *a, struct slice payload)
{
    struct queue_accept accept;
    if (queue_accept_parse(payload, &accept) != PARSE_DONE) {
        sim_fail(w, "an accept record that cannot be read");
        return;
    }
    if (!a->needs_sync)
        sim_fail(w, "an accept record without a sync");
    struct sim_parcel *p = sim_ledger_find(w, a->id);
    if (p) {
        on_copy(w, a, p, &accept);
        return;
    }
    p = mem_new(sizeof *p);
    p->id = a->id;
    p->is_report = accept.envelope.is_report;
    p->content = content_of(&accept);
    read_recipients(p, &accept);
    p->mail = mail_of(w, p->fate[0].address);
    add_parcel(w, p);
    read_extents(w, append_new(w, a->ticket, p), &accept);
    if (p->is_report)
        read_report(w, p, &accept);
    if (!p->mail)
        sim_fail(w, "a message of which nobody knows");
}

static void on_outcome(struct sim_world *w, const struct engine_action *a, struct slice payload)
{
    struct queue_outcome o;
    struct sim_parcel *p = sim_ledger_find(w, a->id);
    if (!p || queue_outcome_parse(payload, &o) != PARSE_DONE) {
        sim_fail(w, "an outcome record that cannot be read, or of an unknown message");
        return;
    }
    struct append *out = append_new(w, a->ticket, p);
    out->is_outcome = true;
    out->index = arena_new(&w->arena, (o.count + 1) * sizeof *out->index);
    uint32_t index;
    struct queue_state state;
    while (queue_outcome_next(&o.states, &index, &state)) {
        if (index >= p->count) {
            sim_fail(w, "an outcome for a recipient that the message does not have");
            return;
        }
        struct sim_fate *f = &p->fate[index];
        if (state.fate != f->noted) {
            sim_fail(w, "the outcome of %.*s is recorded as %s and said to be %s",
                     SLICE_FMT(f->address), queue_fate_name(state.fate), queue_fate_name(f->noted));
            return;
        }
        if (state.fate == QUEUE_WAITING || f->record == SIM_RECORD_WRITTEN)
            continue;
        f->record = SIM_RECORD_OUT;
        f->ticket = a->ticket;
        out->index[out->count++] = index;
    }
}

void sim_ledger_on_append(struct sim_world *w, const struct engine_action *a)
{
    if (a->type == QUEUE_RECORD_CHUNK || a->type == QUEUE_RECORD_PAUSES)
        return;
    struct slice payload = join_parts(w, a);
    if (a->type == QUEUE_RECORD_ACCEPT)
        on_accept(w, a, payload);
    else if (a->type == QUEUE_RECORD_OUTCOME)
        on_outcome(w, a, payload);
    else
        sim_fail(w, "a record of unknown type %d", a->type);
    mem_free((char *)(uintptr_t)payload.p);
}

static void report_stored(struct sim_world *w, struct sim_parcel *p)
{
    struct sim_report *r = mem_new(sizeof *r);
    struct sim_parcel *about = sim_ledger_of_mail(w, p->mail);
    CHECK(about && sim_report_parse(buf_slice(&p->text), r, NULL));
    for (unsigned i = 0; i < r->count; i++) {
        struct sim_fate *f = sim_ledger_fate(about, r->recipient[i]);
        CHECK(f);
        if (r->is_failure) {
            f->is_reported = true;
            f->reports++;
        } else {
            f->is_warned = true;
            f->warnings++;
        }
    }
    mem_free(r);
}

static void outcome_appended(const struct append *a, uint64_t ticket, enum err err,
                             struct journal_pos pos)
{
    for (unsigned i = 0; i < a->count; i++) {
        struct sim_fate *f = &a->parcel->fate[a->index[i]];
        if (f->record != SIM_RECORD_OUT || f->ticket != ticket)
            continue;
        f->record = err ? SIM_RECORD_NONE : SIM_RECORD_WRITTEN;
        f->is_record_lost = false;
        f->pos = pos;
    }
}

static void copy_appended(const struct append *a, struct journal_pos pos)
{
    struct sim_parcel *p = a->parcel;
    for (unsigned i = 0; i < a->count; i++) {
        struct sim_fate *f = &p->fate[a->index[i]];
        f->record = SIM_RECORD_WRITTEN;
        f->is_record_lost = false;
        f->pos = pos;
    }
}

void sim_ledger_on_appended(struct sim_world *w, uint64_t ticket, enum err err,
                            struct journal_pos pos)
{
    struct append *a = map_take_id(&w->ledger.tickets, ticket);
    if (!a)
        return;
    struct sim_parcel *p = a->parcel;
    if (a->is_outcome) {
        outcome_appended(a, ticket, err, pos);
        return;
    }
    if (!a->is_copy)
        p->state = err ? SIM_PARCEL_FAILED : SIM_PARCEL_STORED;
    if (err)
        return;
    p->pos = pos;
    p->extent = a->extent;
    p->extent_count = a->extent_count;
    if (a->is_copy)
        copy_appended(a, pos);
    else if (p->is_report)
        report_stored(w, p);
}

/* Notes */

static const struct note_field *field_of(const struct note *n, const char *key)
{
    for (int i = 0; i < n->count; i++)
        if (strcmp(n->field[i].key, key) == 0)
            return &n->field[i];
    return NULL;
}

static void on_last_word(struct sim_world *w, struct sim_parcel *p, struct sim_fate *f,
                         enum queue_fate fate)
{
    if (f->noted != QUEUE_WAITING) {
        sim_fail(w, "a second outcome for %.*s: %s after %s", SLICE_FMT(f->address),
                 queue_fate_name(fate), queue_fate_name(f->noted));
        return;
    }
    if (fate == QUEUE_DELIVERED && (!f->takes || !f->is_told))
        sim_fail(w, "%.*s is called delivered, and nobody has %s it", SLICE_FMT(f->address),
                 f->takes ? "confirmed" : "taken");
    bool needs_report = fate == QUEUE_BOUNCED || fate == QUEUE_EXPIRED;
    if (needs_report && !p->is_report && p->mail->sender.text[0] && !f->is_reported)
        sim_fail(w, "the failure of %.*s is recorded before its report is on disk",
                 SLICE_FMT(f->address));
    if (fate == QUEUE_REMOVED && !p->mail->is_deleted)
        sim_fail(w, "%.*s was removed, and nobody asked for that", SLICE_FMT(f->address));
    f->noted = fate;
    f->record = SIM_RECORD_NONE;
}

static double wait_ms(const struct engine_options *o, unsigned attempts)
{
    double wait = (double)o->retry_first_ms;
    for (unsigned i = 1; i < attempts && wait < (double)o->retry_max_ms; i++)
        wait *= o->retry_factor;
    return wait < (double)o->retry_max_ms ? wait : (double)o->retry_max_ms;
}

/* How many tries fit into a lifetime when each wait is as short as jitter makes it. */
static unsigned tries_max(struct sim_world *w)
{
    unsigned most = 0;
    for (unsigned i = 0; i < w->used_count; i++) {
        double at = 0;
        unsigned n = 1;
        while (at < (double)w->lifetime_most_ms)
            at += 0.8 * wait_ms(w->used[i], n++);
        most = n > most ? n : most;
    }
    return (most + 3) * (unsigned)(1 + w->life) + w->operator_retries + 2 * w->reloads;
}

static void on_put_off(struct sim_world *w, struct sim_fate *f, const struct note *n)
{
    const struct note_field *attempts = field_of(n, "attempts"), *next = field_of(n, "next_s");
    if (!attempts || !next || attempts->number < 1) {
        sim_fail(w, "a deferral that does not say when it is tried again");
        return;
    }
    double wait = wait_ms(w->options, (unsigned)attempts->number) / 1000;
    if ((double)next->number < 0.79 * wait - 1)
        sim_fail(w, "try %lld of %.*s comes after %lld s, %.0f are due",
                 (long long)attempts->number + 1, SLICE_FMT(f->address), (long long)next->number,
                 wait);
    if ((double)next->number > 1.21 * (double)w->options->retry_max_ms / 1000 + 2)
        sim_fail(w, "the next try of %.*s is %lld s away", SLICE_FMT(f->address),
                 (long long)next->number);
    if (++f->tries > tries_max(w))
        sim_fail(w, "%.*s was tried %u times, at most %u are due", SLICE_FMT(f->address), f->tries,
                 tries_max(w));
}

void sim_ledger_on_note(struct sim_world *w, const struct note *n)
{
    static const struct {
        enum note_kind kind;
        enum queue_fate fate;
    } last[] = {{NOTE_DELIVERED, QUEUE_DELIVERED},
                {NOTE_BOUNCED, QUEUE_BOUNCED},
                {NOTE_EXPIRED, QUEUE_EXPIRED},
                {NOTE_REMOVED, QUEUE_REMOVED}};
    w->ledger.notes[n->kind]++;
    bool is_put_off = n->kind == NOTE_DEFERRED || n->kind == NOTE_UNSURE;
    enum queue_fate fate = QUEUE_WAITING;
    for (size_t i = 0; i < COUNT_OF(last); i++)
        if (last[i].kind == n->kind)
            fate = last[i].fate;
    if (!is_put_off && fate == QUEUE_WAITING)
        return;
    struct sim_parcel *p = sim_ledger_find(w, n->msg);
    const struct note_field *to = field_of(n, "to");
    struct sim_fate *f = p && to ? sim_ledger_fate(p, to->text) : NULL;
    if (!f)
        sim_fail(w, "a note about a recipient that does not exist");
    else if (is_put_off)
        on_put_off(w, f, n);
    else
        on_last_word(w, p, f, fate);
}

/* Promise 1 */

static bool is_safe(struct sim_world *w, const struct sim_parcel *p)
{
    if (p->state != SIM_PARCEL_STORED || !sim_disk_is_safe(&w->disk, p->pos))
        return false;
    for (unsigned i = 0; i < p->extent_count; i++)
        if (!sim_disk_is_safe(&w->disk, p->extent[i]))
            return false;
    return true;
}

void sim_ledger_on_said(struct sim_world *w, struct slice bytes)
{
    const struct slice queued = SLICE("250 2.0.0 queued as ");
    for (size_t at = 0; at < bytes.n; at++) {
        at += slice_find(slice_from(bytes, at), '2');
        struct slice rest = slice_from(bytes, at);
        uint64_t id;
        if (!slice_starts(rest, queued) ||
            !msgid_parse(slice_head(slice_from(rest, queued.n), MSGID_CHARS), &id))
            continue;
        struct sim_parcel *p = sim_ledger_find(w, id);
        if (!p || !is_safe(w, p))
            sim_fail(w, "250 is said before message %llu is on disk", U(id));
    }
}

void sim_ledger_on_accepted(struct sim_world *w, struct sim_mail *m, uint64_t id)
{
    struct sim_parcel *p = sim_ledger_find(w, id);
    m->state = SIM_MAIL_ACCEPTED;
    m->id = id;
    m->accepted_ms = sim_world_now_ms(w);
    if (!p || p->mail != m || p->is_report)
        sim_fail(w, "the 250 to message %llu names another one", U(m->number));
}

/* Receivers */

static struct sim_parcel *parcel_of(struct sim_world *w, struct slice sender, struct slice to,
                                    struct slice text)
{
    struct fault why = {0};
    struct sim_mail *m = mail_of(w, to);
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

static bool on_take(struct sim_world *w, struct sim_parcel *p, struct slice to, unsigned *index)
{
    struct sim_fate *f = sim_ledger_fate(p, to);
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

/* Crashes */

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

void sim_ledger_on_crash(struct sim_world *w, enum sim_crash kind, bool has_unsealed)
{
    for (size_t i = 0; i < w->ledger.count; i++) {
        struct sim_parcel *p = w->ledger.all[i];
        if (p->state == SIM_PARCEL_OUT)
            p->state = SIM_PARCEL_UNKNOWN;
        p->is_found = false;
        p->may_return = p->state == SIM_PARCEL_FAILED && (has_unsealed || p->may_return);
        for (unsigned k = 0; k < p->count; k++) {
            struct sim_fate *f = &p->fate[k];
            f->before = f->noted;
            if (f->noted != QUEUE_WAITING && !is_durable(w, f, kind)) {
                f->noted = QUEUE_WAITING;
                f->record = SIM_RECORD_NONE;
                f->was_lost = true;
            }
            if (f->takes && f->noted == QUEUE_WAITING)
                f->may_repeat = true;
        }
    }
    w->ledger.told_count = 0;
    forget_tickets(w);
}

static void recovered_accept(struct sim_world *w, struct sim_parcel *p,
                             const struct journal_record *r)
{
    switch (p->state) {
    case SIM_PARCEL_UNKNOWN:
        p->state = SIM_PARCEL_STORED;
        if (p->is_report)
            report_stored(w, p);
        break;
    case SIM_PARCEL_FAILED:
        if (!p->may_return)
            sim_fail(w, "message %llu could not be written, and came back", U(p->mail->number));
        p->state = SIM_PARCEL_STORED;
        if (p->is_report)
            report_stored(w, p);
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
    struct append *kept = arena_new(&w->arena, sizeof *kept);
    if (queue_accept_parse(r->payload, &a) != PARSE_DONE || a.envelope.recipient_count != p->count) {
        sim_fail(w, "an accept record cannot be read after a crash");
        return;
    }
    read_extents(w, kept, &a);
    p->extent = kept->extent;
    p->extent_count = kept->extent_count;
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

/* All was said of it, and its segment was given up: it may be gone whatever was synced. */
static void keep_if_finished(struct sim_parcel *p)
{
    for (unsigned k = 0; k < p->count; k++)
        if (p->is_found || p->fate[k].before == QUEUE_WAITING)
            return;
    for (unsigned k = 0; k < p->count; k++) {
        p->fate[k].noted = p->fate[k].before;
        p->fate[k].record = SIM_RECORD_WRITTEN; /* that nothing is left says it, too */
    }
}

void sim_ledger_after_recovery(struct sim_world *w)
{
    for (size_t i = 0; i < w->ledger.count; i++) {
        struct sim_parcel *p = w->ledger.all[i];
        if (p->state == SIM_PARCEL_UNKNOWN)
            p->state = SIM_PARCEL_GONE;
        keep_if_finished(p);
        p->is_waiting = false;
        for (unsigned k = 0; k < p->count; k++)
            p->is_waiting |= p->fate[k].noted == QUEUE_WAITING;
    }
}

void sim_ledger_after_start(struct sim_world *w)
{
    for (size_t i = 0; i < w->ledger.count; i++) {
        const struct sim_parcel *p = w->ledger.all[i];
        bool is_due = p->state == SIM_PARCEL_STORED && p->is_waiting;
        bool is_there = engine_has_message(w->engine, p->id);
        const char *what = p->is_report ? " (a report about it)" : "";
        if (is_due && !is_there)
            sim_fail(w, "message %llu%s was lost in the crash", U(p->mail->number), what);
        if (!is_due && is_there)
            sim_fail(w, "message %llu%s was done, and is back after the crash",
                     U(p->mail->number), what);
    }
}

/* The end */

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
    if (f->noted != QUEUE_WAITING && f->record != SIM_RECORD_WRITTEN)
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
            is_repeated |= m->recipient[k].is_taken && strcmp(m->recipient[k].text, r->text) == 0;
        promised += !is_repeated;
        if (!sim_ledger_fate(p, slice_cstr(r->text)))
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
