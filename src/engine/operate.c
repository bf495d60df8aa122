/* operate.c -- the operator's orders: hold, release, retry, bounce, delete, pause, resume.
 *
 *   by id      that message
 *   by filter  one page of the queue (see select.h); the caller comes again for the next
 *   retry without either: the whole queue, walked in steps beside all other work
 *
 * What changes a message's state is written to the journal as an operator record, with who did it,
 * and the operator is told when it is on disk (ACTION_OPERATED): a held message stays held across a
 * crash, one being bounced or deleted is seen to its end after it. An attempt in flight is finished
 * first, whatever was ordered. A retry changes nothing that must survive: it leaves one record that
 * tells who did it, under the message's id or, for many, under 0. */
#include "select.h"

#include <string.h>

enum {
    MESSAGES_A_STEP = 512, /* of the walk over the whole queue */
    PAGE_ACTIONS = 2048,   /* a page of a filter ends when it has caused so many */
    REPORTS_ENOUGH = 200,  /* being written: bulk bounces wait for some of them */
};

/* An order whose records are on their way to the disk. */
struct operate_order {
    uint64_t answer;
    uint32_t waiting;
    bool has_failed;
};

static const char *const verb_name[OPERATOR_END] = {
    [OPERATOR_RETRY] = "retry",   [OPERATOR_HOLD] = "hold",     [OPERATOR_RELEASE] = "release",
    [OPERATOR_BOUNCE] = "bounce", [OPERATOR_DELETE] = "delete", [OPERATOR_PAUSE] = "pause",
    [OPERATOR_RESUME] = "resume",
};

const char *engine_verb_name(enum operator_verb verb)
{
    return verb < OPERATOR_END && verb_name[verb] ? verb_name[verb] : "unknown";
}

/* Does anybody wait whose fate is not being recorded already? */
static bool is_open(const struct queue_message *m)
{
    for (uint32_t i = 0; m->waiting_count && i < m->recipient_count; i++)
        if (m->recipient[i].fate == QUEUE_WAITING && !m->recipient[i].is_reporting)
            return true;
    return false;
}

bool operate_applies(const struct queue_message *m, enum operator_verb verb)
{
    switch (verb) {
    case OPERATOR_HOLD:
    case OPERATOR_RETRY:
        return !m->is_held && !m->is_bouncing && !m->is_removing && is_open(m);
    case OPERATOR_RELEASE:
        return m->is_held;
    case OPERATOR_BOUNCE:
        return !m->is_bouncing && !m->is_removing && is_open(m);
    case OPERATOR_DELETE:
        return !m->is_removing && is_open(m);
    case OPERATOR_PAUSE:
    case OPERATOR_RESUME:
    case OPERATOR_END:
        break;
    }
    return false;
}

/* Records */

static void append_record(struct engine *e, enum ticket_kind kind, uint64_t id,
                          struct operate_order *order, const struct queue_operator *op)
{
    struct buf out;
    buf_init(&out, 1024);
    CHECK(queue_operator_build(&out, op)); /* both texts are cut */
    struct slice kept = engine_keep(e, buf_slice(&out));
    buf_close(&out);
    uint64_t ticket = ticket_new(e, kind, order, 0, id);
    struct engine_action *a = engine_do(e, ACTION_APPEND);
    a->ticket = ticket;
    a->type = QUEUE_RECORD_OPERATOR;
    a->id = id;
    a->part[0] = kept;
    a->part_count = 1;
    a->needs_sync = true;
    if (order)
        order->waiting++;
}

static enum queue_verb record_verb(enum operator_verb verb)
{
    switch (verb) {
    case OPERATOR_HOLD:
        return QUEUE_VERB_HOLD;
    case OPERATOR_RELEASE:
        return QUEUE_VERB_RELEASE;
    case OPERATOR_BOUNCE:
        return QUEUE_VERB_BOUNCE;
    case OPERATOR_DELETE:
        return QUEUE_VERB_DELETE;
    case OPERATOR_RETRY:
    case OPERATOR_PAUSE:
    case OPERATOR_RESUME:
    case OPERATOR_END:
        break;
    }
    return QUEUE_VERB_RETRY;
}

/* The orders of a message whose record could not be written, as they stand now. */
void operate_record_again(struct engine *e, struct queue_message *m)
{
    const struct queue_order *o = queue_order_of(&e->queue, m);
    if (!o || !m->waiting_count) /* after its last outcome nothing may be written of it */
        return;
    struct queue_operator op = {.verb = o->is_removing   ? QUEUE_VERB_DELETE
                                        : o->is_bouncing ? QUEUE_VERB_BOUNCE
                                        : o->is_held     ? QUEUE_VERB_HOLD
                                                         : QUEUE_VERB_RELEASE,
                                .time_ms = o->is_held ? o->since_ms : e->now_ms,
                                .who = o->who,
                                .words = o->words};
    m->pending++;
    append_record(e, TICKET_ORDER, m->id, NULL, &op);
}

static void order_is_over(struct engine *e, struct operate_order *order)
{
    if (order->waiting)
        return;
    if (order->answer) {
        struct engine_action *a = engine_do(e, ACTION_OPERATED);
        a->ticket = order->answer;
        a->is_on = !order->has_failed;
    }
    mem_free(order);
}

void operate_on_appended(struct engine *e, const struct ticket *t, enum err err,
                         struct journal_pos pos)
{
    struct operate_order *order = t->owner;
    if (t->kind == TICKET_ORDER) {
        struct queue_message *m = queue_find(&e->queue, t->message);
        CHECK(m && m->pending > 0);
        m->pending--;
        if (err)
            spool_unrecorded(e, m, err);
        else
            queue_ordered(&e->queue, m, pos);
        spool_settle(e, m);
    }
    if (!order)
        return;
    order->has_failed |= err != ERR_OK;
    order->waiting--;
    order_is_over(e, order);
}

/* Doing it */

static void note_order(struct engine *e, enum note_kind kind, const struct queue_message *m,
                       struct slice who)
{
    struct note *n = engine_note(e, kind, m->id);
    engine_tell(e, n, "from", queue_sender(m));
    engine_tell(e, n, "who", who);
}

/* Also for an order found in the journal at start. */
static void carry_on(struct engine *e, struct queue_message *m)
{
    if (!m->jobs)
        schedule_message(e, m);
    schedule_order(e, m);
}

static void act(struct engine *e, struct queue_message *m, const struct engine_operator *op,
                struct operate_order *order)
{
    struct queue_operator record = {
        .verb = record_verb(op->verb), .time_ms = e->now_ms, .who = op->who, .words = op->words};
    if (op->verb == OPERATOR_RETRY) {
        schedule_retry(e, m);
        return;
    }
    m->pending++;
    append_record(e, TICKET_ORDER, m->id, order, &record);
    queue_operate(&e->queue, m, &record);
    switch (op->verb) {
    case OPERATOR_HOLD:
        note_order(e, NOTE_HELD, m, op->who);
        schedule_order(e, m);
        break;
    case OPERATOR_RELEASE:
        note_order(e, NOTE_RELEASED, m, op->who);
        schedule_message(e, m);
        break;
    case OPERATOR_BOUNCE:
    case OPERATOR_DELETE:
        carry_on(e, m);
        break;
    case OPERATOR_RETRY:
    case OPERATOR_PAUSE:
    case OPERATOR_RESUME:
    case OPERATOR_END:
        break;
    }
}

/* One page */

struct page {
    struct engine *e;
    const struct engine_operator *op;
    struct operate_order *order;
    uint64_t done;
};

static bool is_page_full(const struct page *p)
{
    const struct engine *e = p->e;
    return e->action_count >= PAGE_ACTIONS ||
           (p->op->verb == OPERATOR_BOUNCE && e->report_count >= REPORTS_ENOUGH);
}

static bool act_on(void *ctx, struct queue_message *m)
{
    struct page *p = ctx;
    if (!operate_applies(m, p->op->verb))
        return true;
    if (is_page_full(p))
        return false;
    act(p->e, m, p->op, p->order);
    p->done++;
    return true;
}

static void operate_page(struct page *p, struct engine_operated *out)
{
    struct engine *e = p->e;
    struct select_page page;
    e->is_bulk = true;
    select_each(e, p->op->filter, e->now_ms, act_on, p, &page);
    e->is_bulk = false;
    out->matched = page.matched;
    out->has_more = page.has_more;
    out->next = page.next;
}

static void operate_message(struct page *p, struct engine_operated *out)
{
    struct queue_message *m = queue_find(&p->e->queue, p->op->msg);
    if (!m)
        return;
    out->matched = 1;
    if (operate_applies(m, p->op->verb)) {
        act(p->e, m, p->op, p->order);
        p->done = 1;
    }
}

/* The walk over the whole queue */

static void retry_all(struct engine *e, struct engine_operated *out)
{
    out->matched = out->done = e->queue.by_id.count;
    e->operate.is_walking = true; /* from the front, if it was on its way */
    e->operate.at_id = 0;
    e->operate.until = e->last_msgid;
    timer_set(e, &e->operate.timer, e->now_ms);
}

static void walk(struct engine *e)
{
    struct operate *o = &e->operate;
    e->is_bulk = true;
    for (int i = 0; o->is_walking && i < MESSAGES_A_STEP && e->action_count < ACTIONS_ENOUGH; i++) {
        struct queue_message *m = queue_after_id(&e->queue, o->at_id);
        o->is_walking = m && m->id <= o->until;
        if (!o->is_walking)
            break;
        if (operate_applies(m, OPERATOR_RETRY))
            schedule_retry(e, m);
        o->at_id = m->id;
    }
    e->is_bulk = false;
}

/* What was bounced or deleted and not over when the relay went down. */
static void resume_orders(struct engine *e)
{
    struct operate *o = &e->operate;
    e->is_bulk = true;
    while (o->left_count && e->action_count < PAGE_ACTIONS && e->report_count < REPORTS_ENOUGH) {
        struct queue_message *m = queue_find(&e->queue, o->left[--o->left_count]);
        if (m && (m->is_bouncing || m->is_removing))
            carry_on(e, m);
    }
    e->is_bulk = false;
    if (!o->left_count) {
        mem_free(o->left);
        o->left = NULL;
    }
}

void operate_on_timer(struct engine *e)
{
    resume_orders(e);
    walk(e);
    if (e->operate.is_walking || e->operate.left_count)
        timer_set(e, &e->operate.timer, e->now_ms + STEP_MS);
}

void operate_on_started(struct engine *e)
{
    struct operate *o = &e->operate;
    o->left = mem_new((e->queue.orders.count + 1) * sizeof *o->left);
    for (const struct queue_message *m = queue_ordered_after(&e->queue, 0); m;
         m = queue_ordered_after(&e->queue, m->id)) {
        if (m->is_bouncing || m->is_removing)
            o->left[o->left_count++] = m->id;
    }
    if (o->left_count)
        timer_set(e, &o->timer, e->now_ms);
}

/* The door */

static void tell_order(struct engine *e, const struct engine_operator *op,
                       const struct engine_operated *r, struct slice filter)
{
    struct note *n = engine_note(e, NOTE_OPERATOR, op->msg);
    note_text(n, "verb", slice_cstr(engine_verb_name(op->verb)));
    if (op->domain.n)
        engine_tell(e, n, "domain", op->domain);
    if (filter.n)
        engine_tell(e, n, "filter", filter);
    if (op->verb != OPERATOR_PAUSE && op->verb != OPERATOR_RESUME)
        note_number(n, "count", (int64_t)r->done);
    if (op->words.n)
        engine_tell(e, n, "reason", op->words);
    engine_tell(e, n, "who", op->who);
}

static void order_messages(struct engine *e, const struct engine_operator *op,
                           struct engine_operated *out)
{
    struct page p = {.e = e, .op = op, .order = mem_new(sizeof *p.order)};
    struct buf filter;
    buf_init(&filter, 8192);
    bool is_all = !op->msg && !op->filter;
    p.order->answer = op->answer;
    out->newest = e->last_msgid;
    if (op->msg)
        operate_message(&p, out);
    else if (op->filter)
        operate_page(&p, out);
    else if (op->verb == OPERATOR_RETRY)
        retry_all(e, out);
    if (!is_all)
        out->done = p.done;
    if (op->filter)
        engine_filter_text(op->filter, &filter);
    if (op->msg || out->done || !op->filter || !op->filter->after)
        tell_order(e, op, out, buf_slice(&filter));
    if (op->verb == OPERATOR_RETRY && out->done) {
        struct queue_operator record = {.verb = QUEUE_VERB_RETRY,
                                        .time_ms = e->now_ms,
                                        .who = op->who,
                                        .words = is_all ? SLICE("all") : buf_slice(&filter)};
        append_record(e, TICKET_TOLD, op->msg, p.order, &record);
    }
    buf_close(&filter);
    out->is_recording = p.order->waiting > 0;
    if (!out->is_recording)
        mem_free(p.order);
}

void operate(struct engine *e, const struct engine_operator *op)
{
    struct engine_operated none = {0}, *out = op->result ? op->result : &none;
    *out = none;
    if (op->verb == OPERATOR_PAUSE || op->verb == OPERATOR_RESUME) {
        tell_order(e, op, out, SLICE_NONE);
        schedule_pause(e, op->domain, op->verb == OPERATOR_PAUSE);
        return;
    }
    order_messages(e, op, out);
}

void operate_init(struct engine *e)
{
    timer_init(&e->operate.timer, TIMER_OPERATE);
}

void operate_close(struct engine *e)
{
    size_t at = 0;
    for (struct map_entry *x; (x = map_next(&e->tickets, &at));) {
        struct ticket *t = x->value;
        struct operate_order *order = t->owner;
        if ((t->kind == TICKET_ORDER || t->kind == TICKET_TOLD) && order && !--order->waiting)
            mem_free(order);
    }
    mem_free(e->operate.left);
}
