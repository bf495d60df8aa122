/* sim_ledger.c -- what the engine does: its records, its notes, its 250s. */
#include "sim_ledger_inside.h"

#include "base/crc32c.h"
#include "base/msgid.h"

#include <stdio.h>
#include <string.h>

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
    map_init(&w->ledger.orders, 4);
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
    map_close(&l->orders);
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

struct sim_mail *sim_ledger_mail(struct sim_world *w, struct slice address)
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

struct journal_pos *sim_ledger_extents(struct sim_world *w, const struct queue_accept *accept)
{
    uint32_t count = accept->envelope.extent_count;
    struct journal_pos *extent = arena_new(&w->arena, (count + 1) * sizeof *extent);
    for (uint32_t k = 0; k < count; k++)
        extent[k] = queue_accept_extent(accept, k);
    return extent;
}

static void keep_extents(struct sim_world *w, struct append *a, const struct queue_accept *accept)
{
    a->extent = sim_ledger_extents(w, accept);
    a->extent_count = accept->envelope.extent_count;
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
    keep_extents(w, out, accept);
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
    p->mail = sim_ledger_mail(w, p->fate[0].address);
    if (!p->mail) /* staging's mailbox tells nothing */
        p->mail = sim_ledger_mail(w, accept.envelope.sender);
    add_parcel(w, p);
    keep_extents(w, append_new(w, a->ticket, p), &accept);
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
    if (a->type == QUEUE_RECORD_CHUNK || a->type == QUEUE_RECORD_PAUSES ||
        a->type == QUEUE_RECORD_CHECKPOINT)
        return;
    struct slice payload = join_parts(w, a);
    if (a->type == QUEUE_RECORD_ACCEPT)
        on_accept(w, a, payload);
    else if (a->type == QUEUE_RECORD_OUTCOME)
        on_outcome(w, a, payload);
    else if (a->type == QUEUE_RECORD_OPERATOR)
        sim_ledger_on_order(w, a, payload);
    else
        sim_fail(w, "a record of unknown type %d", a->type);
    mem_free((char *)(uintptr_t)payload.p);
}

void sim_ledger_report_stored(struct sim_world *w, struct sim_parcel *p)
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
    sim_ledger_order_appended(w, ticket, err, pos);
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
        sim_ledger_report_stored(w, p);
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
    if (fate == QUEUE_REMOVED && !p->mail->is_deleted && !p->is_delete_ordered)
        sim_fail(w, "%.*s was removed, and nobody asked for that", SLICE_FMT(f->address));
    if (fate == QUEUE_EXPIRED && p->order.is_hold)
        sim_ledger_check_order(w, p, "given up");
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

/* A greylisted recipient's first wait may be its own. */
static double wait_least_s(const struct engine_options *o, unsigned attempts)
{
    double wait = wait_ms(o, attempts), grey = (double)o->greylisted_ms;
    return (attempts == 1 && grey < wait ? grey : wait) / 1000;
}

/* A rule may leave the destination in peace for longer. */
static double wait_most_s(const struct engine_options *o)
{
    double most = 1.21 * (double)o->retry_max_ms;
    for (unsigned i = 0; i < o->reply_count; i++)
        if (o->replies[i].then == POLICY_REPLY_BACK_OFF && (double)o->replies[i].for_ms > most)
            most = (double)o->replies[i].for_ms;
    return most / 1000;
}

static void on_put_off(struct sim_world *w, struct sim_fate *f, const struct note *n)
{
    const struct note_field *attempts = field_of(n, "attempts"), *next = field_of(n, "next_s");
    if (!attempts || !next || attempts->number < 1) {
        sim_fail(w, "a deferral that does not say when it is tried again");
        return;
    }
    double wait = wait_least_s(w->options, (unsigned)attempts->number);
    if ((double)next->number < 0.79 * wait - 1)
        sim_fail(w, "try %lld of %.*s comes after %lld s, %.0f are due",
                 (long long)attempts->number + 1, SLICE_FMT(f->address), (long long)next->number,
                 wait);
    if ((double)next->number > wait_most_s(w->options) + 2)
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
    if (n->kind == NOTE_JOURNAL && slice_starts(n->field[0].text, SLICE("a segment is missing")))
        sim_fail(w, "no crash takes a segment away, but one is missed");
    bool is_put_off = n->kind == NOTE_DEFERRED ||
                      (n->kind == NOTE_UNSURE && w->options->on_unsure == DELIVERY_UNSURE_RETRY);
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
