/* engine.c -- the door of the engine: events to the stations, actions out, timers and tickets.
 *
 * The order that promise 1 rests on stands in submit_mail.c and spool.c: a session says 250 only in
 * submit_on_stored(), which only an EVENT_APPENDED without error reaches. */
#include "engine_core.h"
#include "token.h"
#include "usage.h"

#include <string.h>

/* Actions */

struct engine_action *engine_do(struct engine *e, enum engine_action_kind kind)
{
    CHECK(e->action_count < ACTIONS_MAX);
    if (e->action_count == e->action_cap) {
        e->action_cap = e->action_cap ? e->action_cap * 2 : 64;
        e->action = mem_resize(e->action, e->action_cap * sizeof *e->action);
    }
    struct engine_action *a = &e->action[e->action_count++];
    memset(a, 0, sizeof *a);
    a->kind = kind;
    return a;
}

struct slice engine_keep(struct engine *e, struct slice s)
{
    return arena_copy(&e->arena, s);
}

void engine_hold(struct engine *e, struct body *b)
{
    if (e->held_count == e->held_cap) {
        e->held_cap = e->held_cap ? e->held_cap * 2 : 16;
        e->held = mem_resize(e->held, e->held_cap * sizeof *e->held);
    }
    body_ref(b);
    e->held[e->held_count++] = b;
}

struct note *engine_note(struct engine *e, enum note_kind kind, uint64_t msg)
{
    struct note *n = arena_new(&e->arena, sizeof *n);
    note_init(n, kind, msg);
    engine_do(e, ACTION_NOTE)->note = n;
    return n;
}

void engine_tell(struct engine *e, struct note *n, const char *key, struct slice text)
{
    note_text(n, key, engine_keep(e, text));
}

void engine_tell_delay(struct engine *e, struct note *n, int64_t since_ms)
{
    int64_t ms = e->now_ms > since_ms ? e->now_ms - since_ms : 0;
    note_text(n, "delay",
              arena_printf(&e->arena, "%lld.%03ds", (long long)(ms / 1000), (int)(ms % 1000)));
}

void engine_send(struct engine *e, uint64_t conn, struct slice bytes, bool wants_drained)
{
    bytes = engine_keep(e, bytes);
    struct engine_action *a = engine_do(e, ACTION_SEND);
    a->conn = conn;
    a->bytes = bytes;
    a->wants_drained = wants_drained;
}

void engine_close_conn(struct engine *e, uint64_t conn, bool at_once)
{
    struct engine_action *a = engine_do(e, ACTION_CLOSE);
    a->conn = conn;
    a->at_once = at_once;
}

static void forget_actions(struct engine *e)
{
    for (size_t i = 0; i < e->held_count; i++)
        body_unref(e->held[i]);
    e->held_count = 0;
    e->action_at = e->action_count = 0;
    if (e->action_cap > ACTIONS_ENOUGH) { /* a burst is over */
        mem_free(e->action);
        e->action = NULL;
        e->action_cap = 0;
    }
    arena_reset(&e->arena);
}

const struct engine_action *engine_next_action(struct engine *e)
{
    if (e->action_at < e->action_count)
        return &e->action[e->action_at++];
    forget_actions(e);
    return NULL;
}

/* Timers */

void timer_init(struct timer *t, enum timer_kind kind)
{
    *t = (struct timer){.node = {.tag = kind}, .due_ms = INT64_MAX};
}

void timer_set(struct engine *e, struct timer *t, int64_t due_ms)
{
    t->due_ms = due_ms;
    if (due_ms == INT64_MAX)
        heap_remove(&e->timers, &t->node);
    else if (!heap_has(&t->node) || t->node.key > due_ms)
        heap_put(&e->timers, &t->node, due_ms);
    /* else: it fires early and finds out; moving a deadline away costs nothing */
}

void timer_stop(struct engine *e, struct timer *t)
{
    timer_set(e, t, INT64_MAX);
}

static void fire(struct engine *e, struct timer *t)
{
    switch ((enum timer_kind)t->node.tag) {
    case TIMER_SESSION:
        submit_on_timer(e, t);
        break;
    case TIMER_JOB:
    case TIMER_DESTINATION:
        schedule_on_timer(e, t);
        break;
    case TIMER_LINE:
        deliver_on_timer(e, t);
        break;
    case TIMER_REPORT:
        report_on_timer(e, t);
        break;
    case TIMER_UNRECORDED:
        spool_on_unrecorded(e);
        break;
    case TIMER_PUMP:
        schedule_pump_wanting(e);
        break;
    case TIMER_REROUTE:
        schedule_reroute(e);
        break;
    case TIMER_COMPACT:
        compact_on_timer(e);
        break;
    case TIMER_OPERATE:
        operate_on_timer(e);
        break;
    case TIMER_TOKEN:
        token_on_timer(e, t);
        break;
    }
}

static void fire_due(struct engine *e)
{
    for (int i = 0; i < TIMERS_A_TICK && e->action_count < ACTIONS_ENOUGH; i++) {
        struct heap_node *n = heap_first(&e->timers);
        if (!n || n->key > e->now_ms)
            return;
        struct timer *t = CONTAINER_OF(n, struct timer, node);
        if (t->due_ms > e->now_ms) {
            heap_put(&e->timers, n, t->due_ms);
            continue;
        }
        heap_remove(&e->timers, n);
        t->due_ms = INT64_MAX;
        fire(e, t);
    }
}

int64_t engine_deadline_ms(const struct engine *e)
{
    struct heap_node *n = heap_first(&e->timers);
    return n ? n->key : INT64_MAX;
}

/* Tickets */

uint64_t ticket_new(struct engine *e, enum ticket_kind kind, void *owner, uint64_t conn,
                    uint64_t message)
{
    struct ticket *t = mem_new(sizeof *t);
    *t = (struct ticket){kind, owner, conn, message};
    map_put_id(&e->tickets, ++e->last_ticket, t);
    return e->last_ticket;
}

bool ticket_take(struct engine *e, uint64_t ticket, struct ticket *out)
{
    struct ticket *t = map_take_id(&e->tickets, ticket);
    if (!t)
        return false;
    *out = *t;
    mem_free(t);
    return true;
}

/* Life */

struct engine *engine_new(const struct engine_options *options, uint64_t seed)
{
    struct engine *e = mem_new(sizeof *e);
    e->opt = options;
    rng_init(&e->rng, seed);
    arena_init(&e->arena, 64 * 1024);
    heap_init(&e->timers);
    map_init(&e->tickets, rng_u64(&e->rng));
    map_init(&e->sessions, rng_u64(&e->rng));
    map_init(&e->places, rng_u64(&e->rng));
    map_init(&e->lines, rng_u64(&e->rng));
    queue_init(&e->queue, rng_u64(&e->rng));
    list_init(&e->hot);
    list_init(&e->reports);
    map_init(&e->unrecorded, rng_u64(&e->rng));
    list_init(&e->idle_lines);
    timer_init(&e->unrecorded_timer, TIMER_UNRECORDED);
    submit_init(e);
    schedule_init(e);
    compact_init(e);
    operate_init(e);
    resolve_init(e);
    avoid_init(e);
    token_init(e);
    return e;
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    forget_actions(e);
    deliver_close(e);
    submit_close(e);
    report_close(e);
    compact_close(e);
    operate_close(e);
    for (struct queue_message *m = queue_first(&e->queue); m; m = queue_after(&e->queue, m))
        body_cool(e, m);
    schedule_close(e);
    token_close(e);
    resolve_close(e);
    avoid_close(e);
    size_t at = 0;
    for (struct map_entry *t; (t = map_next(&e->tickets, &at));)
        mem_free(t->value);
    map_close(&e->tickets);
    map_close(&e->sessions);
    map_close(&e->lines);
    map_close(&e->unrecorded);
    queue_close(&e->queue);
    heap_close(&e->timers);
    arena_close(&e->arena);
    mem_free(e->action);
    mem_free(e->held);
    mem_free(e);
}

/* Events */

static bool is_outgoing(uint64_t conn)
{
    return conn % 2 == 0;
}

static void on_connection(struct engine *e, const struct engine_event *ev)
{
    struct session *s = is_outgoing(ev->conn) ? NULL : map_get_id(&e->sessions, ev->conn);
    struct line *l = is_outgoing(ev->conn) ? map_get_id(&e->lines, ev->conn) : NULL;
    if (!s && !l)
        return; /* closed by us while this was on its way */
    switch (ev->kind) {
    case EVENT_BYTES:
        s ? submit_on_bytes(e, s, ev->bytes) : deliver_on_bytes(e, l, ev->bytes);
        break;
    case EVENT_DRAINED:
        s ? submit_on_drained(e, s) : deliver_on_drained(e, l);
        break;
    case EVENT_CLOSED:
        s ? submit_on_closed(e, s, ev) : deliver_on_closed(e, l, ev);
        break;
    case EVENT_TLS_UP:
        s ? submit_on_tls(e, s, ev->tls) : deliver_on_tls(e, l, ev->tls);
        break;
    case EVENT_CONNECTED:
        if (l)
            deliver_on_connected(e, l, ev);
        break;
    case EVENT_LOGIN:
        if (s)
            submit_on_login(e, s, ev->login, ev->text);
        break;
    case EVENT_SUM:
        if (l)
            deliver_on_sum(e, l, ev->bytes);
        break;
    case EVENT_RECORD:
    case EVENT_TOLD:
    case EVENT_USAGE:
    case EVENT_STARTED:
    case EVENT_ACCEPTED:
    case EVENT_APPENDED:
    case EVENT_FETCHED:
    case EVENT_ANSWER:
    case EVENT_TICK:
    case EVENT_STOP:
    case EVENT_OPTIONS:
    case EVENT_OPERATOR:
    case EVENT_TOKEN:
    case EVENT_ENROLLED:
        break;
    }
}

static void on_fetched(struct engine *e, const struct engine_event *ev)
{
    struct ticket t;
    if (!ticket_take(e, ev->ticket, &t))
        return;
    if (t.kind == TICKET_PIECE) {
        deliver_on_piece(e, t.conn, ev->err, ev->record, ev->text);
        return;
    }
    if (t.kind == TICKET_HEADER) {
        report_on_header(e, t.owner, ev->err, ev->record);
        return;
    }
    if (t.kind == TICKET_MOVE_FETCH) {
        move_on_fetched(e, t.owner, ev->err, ev->record);
        return;
    }
    CHECK(t.kind == TICKET_BODY);
    struct queue_message *m = queue_find(&e->queue, t.message);
    CHECK(m && m->pending > 0);
    m->pending--;
    enum err err = ev->err;
    struct slice why = ev->text;
    if (!err) {
        struct body *b = body_parse(ev->record->payload);
        if (b)
            body_heat(e, m, b);
        else
            err = ERR_DAMAGED, why = SLICE("the record is no message");
    }
    if (err)
        body_unreadable(e, m, err, why);
    deliver_on_body(e, m, err, why);
    report_on_body(e, m);
    spool_settle(e, m);
}

static void on_appended(struct engine *e, const struct engine_event *ev)
{
    struct ticket t;
    if (!ticket_take(e, ev->ticket, &t))
        return;
    e->is_store_failing = ev->err != ERR_OK && ev->err != ERR_BUSY;
    e->is_store_full = ev->err == ERR_FULL;
    if (!ev->err) {
        bool is_new = ev->pos.segment > e->queue.newest_segment;
        queue_newest(&e->queue, ev->pos.segment);
        /* The pauses go along: where they stood last would keep every segment after it. */
        if (is_new && e->queue.pauses_segment && t.kind != TICKET_PAUSES)
            spool_pauses(e);
        if (is_new)
            compact_consider(e);
    }
    switch (t.kind) {
    case TICKET_CHUNK:
        submit_on_chunk(e, t.owner, ev->err, ev->pos);
        break;
    case TICKET_MESSAGE:
        submit_on_stored(e, t.owner, ev->err, ev->pos);
        break;
    case TICKET_REPORT:
        report_on_stored(e, t.owner, ev->err, ev->pos);
        break;
    case TICKET_OUTCOME:
    case TICKET_PAUSES:
        spool_on_appended(e, &t, ev->err, ev->pos);
        break;
    case TICKET_MOVE_CHUNK:
        move_on_chunk(e, t.owner, ev->err, ev->pos);
        break;
    case TICKET_MOVE:
        move_on_accept(e, t.owner, ev->err, ev->pos);
        break;
    case TICKET_MOVE_STATE:
        move_on_state(e, t.owner, ev->err, ev->pos);
        break;
    case TICKET_CHECKPOINT:
        compact_on_checkpoint(e, t.message, ev->err, ev->pos);
        break;
    case TICKET_ORDER:
    case TICKET_TOLD:
        operate_on_appended(e, &t, ev->err, ev->pos);
        break;
    case TICKET_BODY:
    case TICKET_PIECE:
    case TICKET_LOOKUP:
    case TICKET_HEADER:
    case TICKET_MOVE_FETCH:
        CHECK(!"an append's ticket");
    }
    spool_release_dead(e);
}

static void on_answer(struct engine *e, const struct engine_event *ev)
{
    struct ticket t;
    if (ticket_take(e, ev->ticket, &t))
        resolve_on_answer(e, t.owner, ev->answer);
}

static void on_options(struct engine *e, const struct engine_options *options)
{
    e->opt = options;
    submit_on_options(e);
    source_forget_refusals(e);
    token_on_options(e);
    schedule_on_options(e);
    deliver_quit_idle(e); /* they belong to destinations that get no more jobs */
}

void engine_handle(struct engine *e, const struct engine_event *ev)
{
    CHECK(e->action_at == e->action_count); /* the driver has taken what was wanted before */
    if (ev->now_ms > e->now_ms)
        e->now_ms = ev->now_ms;
    switch (ev->kind) {
    case EVENT_RECORD:
        spool_on_record(e, ev->record);
        break;
    case EVENT_TOLD:
        story_on_told(e, ev->told_ms);
        break;
    case EVENT_USAGE:
        usage_on_saved(e, ev->text);
        break;
    case EVENT_STARTED:
        e->segment_bytes = ev->segment_bytes;
        spool_on_started(e, &ev->recovery);
        token_on_started(e);
        break;
    case EVENT_ACCEPTED:
        submit_on_accepted(e, ev);
        break;
    case EVENT_BYTES:
    case EVENT_DRAINED:
    case EVENT_CLOSED:
    case EVENT_CONNECTED:
    case EVENT_TLS_UP:
    case EVENT_LOGIN:
    case EVENT_SUM:
        on_connection(e, ev);
        break;
    case EVENT_APPENDED:
        on_appended(e, ev);
        break;
    case EVENT_FETCHED:
        on_fetched(e, ev);
        break;
    case EVENT_ANSWER:
        on_answer(e, ev);
        break;
    case EVENT_TICK:
        break;
    case EVENT_STOP:
        e->is_stopping = true;
        submit_on_stop(e);
        deliver_quit_idle(e);
        break;
    case EVENT_OPTIONS:
        on_options(e, ev->options);
        break;
    case EVENT_OPERATOR:
        operate(e, ev->op);
        break;
    case EVENT_TOKEN:
        token_on_fetched(e, ev->token);
        break;
    case EVENT_ENROLLED:
        token_on_enrolled(e, ev->text);
        break;
    }
    fire_due(e);
}

/* Records on their way to the disk. */
static bool has_appends_out(const struct engine *e)
{
    size_t at = 0;
    for (struct map_entry *m; (m = map_next(&e->tickets, &at));) {
        switch (((const struct ticket *)m->value)->kind) {
        case TICKET_CHUNK:
        case TICKET_MESSAGE:
        case TICKET_REPORT:
        case TICKET_OUTCOME:
        case TICKET_PAUSES:
        case TICKET_MOVE:
        case TICKET_ORDER:
        case TICKET_TOLD:
            return true;
        case TICKET_MOVE_STATE: /* nobody was promised anything */
        case TICKET_MOVE_CHUNK:
        case TICKET_CHECKPOINT:
        case TICKET_MOVE_FETCH:
        case TICKET_BODY:
        case TICKET_PIECE:
        case TICKET_LOOKUP:
        case TICKET_HEADER:
            break;
        }
    }
    return false;
}

bool engine_is_quiet(const struct engine *e)
{
    return e->intake_count == 0 && e->in_flight_count == 0 && e->report_count == 0 &&
           e->unrecorded.count == 0 && submit_count(e) == 0 && !has_appends_out(e);
}
