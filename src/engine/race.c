/* race.c -- see the header.
 *
 * Limits hold for attempts as for lines: a second attempt is begun only where the destination and
 * the relay may have one more connection. The whole takes at most RACE_OVERTAKE_MS for each target
 * and the connect time-out for the last two. */
#include "race.h"

#include "health.h"
#include "line.h"
#include "policy/policy_family.h"
#include "route_host.h"
#include "source.h"

#include <stdio.h>

static bool is_v6(const struct line *l, uint32_t target)
{
    return l->targets->target[target].address.ip.family == IP_V6;
}

int race_pick(const struct target_list *t, uint64_t tried, bool avoids_v6)
{
    for (int is_last = 0; is_last < 2; is_last++)
        for (uint32_t i = 0; i < t->count; i++)
            if (!(tried >> i & 1) &&
                (is_last || !avoids_v6 || t->target[i].address.ip.family != IP_V6))
                return (int)i;
    return RACE_NO_TARGET;
}

/* With the source it is called from. *why, unless NULL: why a target was skipped. */
static int next_target(const struct engine *e, const struct line *l,
                       const struct engine_source **source, const char **why)
{
    uint64_t tried = l->race.tried;
    bool avoids_v6 = avoid_v6(e, l->destination);
    const char *lack = NULL;
    for (int i; (i = race_pick(l->targets, tried, avoids_v6)) != RACE_NO_TARGET;) {
        if (source_find(e, l->destination, l->targets->target[i].address.ip.family, source, &lack))
            return i;
        if (why)
            *why = lack;
        tried |= (uint64_t)1 << i;
    }
    return RACE_NO_TARGET;
}

bool race_has_next(const struct engine *e, const struct line *l)
{
    const struct engine_source *source;
    return next_target(e, l, &source, NULL) != RACE_NO_TARGET;
}

static const struct race_attempt *latest(const struct line *l)
{
    return &l->race.attempt[l->race.count - 1];
}

static bool is_same_host(const struct line *l, uint32_t a, uint32_t b)
{
    return l->targets->target[a].host_index == l->targets->target[b].host_index;
}

/* One more may be begun, some time: when? */
static void plan(struct engine *e, struct line *l)
{
    struct race *r = &l->race;
    const struct engine_source *source;
    int next = RACE_NO_TARGET;
    if (r->count && !r->is_again && !e->is_stopping)
        next = next_target(e, l, &source, NULL);
    r->next_ms = INT64_MAX;
    if (next != RACE_NO_TARGET)
        r->next_ms = latest(l)->began_ms + (is_same_host(l, latest(l)->target, (uint32_t)next)
                                                ? l->destination->limits.race_ms
                                                : RACE_OVERTAKE_MS);
}

static void arm(struct engine *e, struct line *l)
{
    int64_t due_ms = l->race.next_ms;
    for (unsigned i = 0; i < l->race.count; i++)
        if (l->race.attempt[i].due_ms < due_ms)
            due_ms = l->race.attempt[i].due_ms;
    timer_set(e, &l->timer, due_ms);
}

static void begin(struct engine *e, struct line *l, uint32_t target,
                  const struct engine_source *source)
{
    struct race *r = &l->race;
    const struct target *t = &l->targets->target[target];
    CHECK(r->count < RACE_AT_ONCE);
    struct race_attempt *a = &r->attempt[r->count++];
    *a = (struct race_attempt){.conn = e->last_conn += 2,
                               .target = target,
                               .source = source,
                               .began_ms = e->now_ms,
                               .due_ms = e->now_ms + l->destination->limits.connect_ms,
                               .is_behind_v6 = r->has_tried_v6};
    if (r->count > 1)
        l->destination->rival_count++;
    r->tried |= (uint64_t)1 << target;
    health_tried(e, l->destination, &t->address);
    r->has_tried_v6 |= is_v6(l, target);
    l->target = target;
    map_put_id(&e->lines, a->conn, l);
    struct engine_action *do_it = engine_do(e, ACTION_CONNECT);
    do_it->conn = a->conn;
    do_it->address = t->address;
    if (source)
        do_it->source = *source_ip(source, t->address.ip.family);
}

/* Out of the race; gives what it was. */
static struct race_attempt take(struct engine *e, struct line *l, unsigned i, bool is_open)
{
    struct race *r = &l->race;
    struct race_attempt a = r->attempt[i];
    map_take_id(&e->lines, a.conn);
    if (is_open)
        engine_close_conn(e, a.conn, true);
    if (r->count > 1) {
        l->destination->rival_count--;
        schedule_on_room(e, l->destination);
    }
    for (r->count--; i < r->count; i++)
        r->attempt[i] = r->attempt[i + 1];
    return a;
}

void race_close(struct engine *e, struct line *l, bool is_open)
{
    while (l->race.count)
        (void)take(e, l, l->race.count - 1, is_open);
}

static void start(struct engine *e, struct line *l)
{
    l->conn = 0;
    l->state = l->watched_state = LINE_CONNECTING;
    l->source = NULL;
    l->race.next_ms = INT64_MAX;
    l->race.has_refused_v6 = false;
}

void race_begin(struct engine *e, struct line *l)
{
    const struct engine_source *source;
    int next = next_target(e, l, &source, NULL);
    start(e, l);
    l->race.refusal[0] = 0;
    l->race.is_again = false;
    if (next == RACE_NO_TARGET) { /* our caller may not lose the line now */
        timer_set(e, &l->timer, e->now_ms);
        return;
    }
    begin(e, l, (uint32_t)next, source);
    plan(e, l);
    arm(e, l);
}

void race_begin_again(struct engine *e, struct line *l)
{
    const struct engine_source *source = l->source;
    start(e, l);
    l->race.is_again = true;
    begin(e, l, l->target, source);
    arm(e, l);
}

static bool has_room(const struct engine *e, const struct destination *d)
{
    return deliver_has_slot(e) && d->line_count + d->rival_count < d->limits.connections;
}

/* Its time has come. */
static void begin_next(struct engine *e, struct line *l)
{
    struct race *r = &l->race;
    const struct engine_source *source;
    int next = next_target(e, l, &source, NULL);
    if (next == RACE_NO_TARGET) { /* a source was lost meanwhile */
        r->next_ms = INT64_MAX;
        return;
    }
    if (r->count == RACE_AT_ONCE || !has_room(e, l->destination)) {
        bool is_same = is_same_host(l, latest(l)->target, (uint32_t)next);
        int64_t patient_ms = latest(l)->began_ms + (is_same ? RACE_PATIENCE_MS : RACE_OVERTAKE_MS);
        if (e->now_ms < patient_ms) {
            r->next_ms = patient_ms;
            return;
        }
        l->target = take(e, l, 0, true).target;
        line_note_trouble(e, l, "no answer in time: another address is tried");
    }
    begin(e, l, (uint32_t)next, source);
    plan(e, l);
}

/* While others are on their way: it is passed over for a while. */
static void has_failed(struct engine *e, struct line *l, uint32_t target, const char *why)
{
    l->target = target;
    line_note_trouble(e, l, why);
    health_failed(e, l->destination, &line_target(l)->address);
    route_host_fails(e, l, why);
}

/* Of the line, when it was the last one; else the others go on and one more joins them. */
static void attempt_fails(struct engine *e, struct line *l, unsigned i, bool is_open,
                          const char *why)
{
    struct race *r = &l->race;
    l->target = take(e, l, i, is_open).target;
    if (!r->count) {
        line_fail(e, l, (struct policy_answer){.scope = SMTP_SCOPE_HOST}, why);
        return;
    }
    uint32_t failed = l->target;
    has_failed(e, l, failed, why);
    l->target = latest(l)->target;
    const struct engine_source *source;
    int next = r->is_again || e->is_stopping ? RACE_NO_TARGET : next_target(e, l, &source, NULL);
    if (next != RACE_NO_TARGET && is_same_host(l, failed, (uint32_t)next) &&
        has_room(e, l->destination))
        begin(e, l, (uint32_t)next, source);
    plan(e, l);
    arm(e, l);
}

void race_on_closed(struct engine *e, struct line *l, const struct engine_event *ev)
{
    struct race *r = &l->race;
    char why[200];
    unsigned i = 0;
    while (i < r->count && r->attempt[i].conn != ev->conn)
        i++;
    CHECK(i < r->count);
    const struct race_attempt *a = &r->attempt[i];
    snprintf(why, sizeof why, "%.*s", SLICE_FMT(slice_head(ev->text, sizeof why - 1)));
    if (ev->err == ERR_SOURCE && a->source) {
        enum ip_family family = l->targets->target[a->target].address.ip.family;
        source_refused(e, source_ip(a->source, family), slice_cstr(why));
        r->tried &= ~((uint64_t)1 << a->target); /* from another source it may be reached */
        r->is_again = false;
    } else if (ev->err == ERR_NO_ROUTE && is_v6(l, a->target)) {
        avoid_no_route(e);
    }
    attempt_fails(e, l, i, false, why);
}

void race_on_timer(struct engine *e, struct line *l)
{
    struct race *r = &l->race;
    if (!r->count) {
        const struct engine_source *source;
        const char *why = "there is no address left to try";
        (void)next_target(e, l, &source, &why);
        line_fail(e, l, (struct policy_answer){.scope = SMTP_SCOPE_HOST}, why);
        return;
    }
    for (unsigned i = 0; i < r->count; i++) {
        if (r->attempt[i].due_ms > e->now_ms)
            continue;
        attempt_fails(e, l, i, true, "time-out while connecting");
        return; /* whatever else is due is so at the next tick */
    }
    if (r->next_ms <= e->now_ms)
        begin_next(e, l);
    arm(e, l);
}

void race_on_connected(struct engine *e, struct line *l, uint64_t conn)
{
    struct race *r = &l->race;
    uint32_t won = 0;
    for (unsigned i = 0; i < r->count; i++)
        if (r->attempt[i].conn == conn)
            won = r->attempt[i].target;
    for (unsigned i = r->count; i-- > 0;) {
        if (r->attempt[i].conn == conn)
            continue;
        struct race_attempt loser = take(e, l, i, true);
        r->tried &= ~((uint64_t)1 << loser.target);
        if (!is_same_host(l, loser.target, won) && e->now_ms - loser.began_ms >= RACE_OVERTAKE_MS)
            has_failed(e, l, loser.target, "no answer in time: another host took over");
    }
    CHECK(r->count == 1 && r->attempt[0].conn == conn);
    const struct race_attempt *winner = &r->attempt[0];
    l->conn = conn;
    l->target = winner->target;
    l->source = winner->source;
    r->count = 0; /* the number stays the line's */
    if (is_v6(l, l->target))
        avoid_connected(e);
    else if (winner->is_behind_v6)
        avoid_lost(e, l->destination);
    r->has_tried_v6 = false;
    timer_stop(e, &l->timer);
}

static bool has_way_by_v4(const struct engine *e, const struct line *l, bool is_untried)
{
    const struct engine_source *source;
    const char *why;
    for (uint32_t i = 0; i < l->targets->count; i++)
        if (!is_v6(l, i) && !(is_untried && l->race.tried >> i & 1))
            return source_find(e, l->destination, IP_V4, &source, &why);
    return false;
}

enum race_refusal race_on_refusal(struct engine *e, struct line *l, const struct smtp_reply *reply)
{
    struct race *r = &l->race;
    if (!reply || !is_v6(l, l->target) || !policy_refuses_v6(reply) || !has_way_by_v4(e, l, false))
        return RACE_NO_REFUSAL;
    struct buf text;
    buf_init(&text, sizeof r->refusal);
    smtp_reply_text(reply, &text, sizeof r->refusal - 1);
    snprintf(r->refusal, sizeof r->refusal, "%s", buf_cstr(&text));
    buf_close(&text);
    avoid_refused(e, l->destination, r->refusal);
    for (uint32_t i = 0; i < l->targets->count; i++)
        if (is_v6(l, i))
            r->tried |= (uint64_t)1 << i;
    r->has_refused_v6 = !e->is_stopping && has_way_by_v4(e, l, true);
    return r->has_refused_v6 ? RACE_GOES_ON : RACE_GOES_ON_LATER;
}

void race_on_done(struct engine *e, struct line *l)
{
    if (l->race.has_refused_v6)
        line_note_trouble(e, l, l->race.refusal);
    else if (!l->race.refusal[0] && is_v6(l, l->target))
        avoid_delivered(e, l->destination);
}
