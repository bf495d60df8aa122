/* test_engine_scale.c -- whole-queue work goes in steps, whatever the queue's length: no single
 * event does more than a bounded part of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "engine/engine_port.h"
#include "engine/engine_view.h"
#include "queue/queue_record.h"

enum {
    MESSAGES = 5000,
    STEP_MOST = 1024,    /* REROUTED_A_STEP */
    REPORTS_MOST = 256,  /* REPORTS_OUT_MAX */
    ACTIONS_MOST = 4096, /* of one event */
};

struct scale {
    struct engine_options opt;
    struct engine *e;
    int64_t now_ms;
    uint64_t fetch[MESSAGES]; /* tickets not answered */
    unsigned fetch_count;
    unsigned notes[NOTE_COUNT];
    unsigned most; /* actions of one event */
};

static struct slice address_of(void *ctx, uint32_t i)
{
    return slice_cstr(ctx);
}

static void tell(struct scale *s, struct engine_event ev)
{
    ev.now_ms = s->now_ms;
    engine_handle(s->e, &ev);
    unsigned n = 0;
    for (const struct engine_action *a; (a = engine_next_action(s->e)); n++) {
        if (a->kind == ACTION_FETCH) {
            assert_true(s->fetch_count < MESSAGES);
            s->fetch[s->fetch_count++] = a->ticket;
        } else if (a->kind == ACTION_NOTE) {
            s->notes[a->note->kind]++;
        }
    }
    s->most = n > s->most ? n : s->most;
}

/* As many messages as a start would find, each to a domain of its own; nothing is delivered. */
static void up(struct scale *s)
{
    *s = (struct scale){.now_ms = 1000000};
    engine_options_default(&s->opt);
    s->opt.warn_after_ms = 0;
    s->e = engine_new(&s->opt, 1);
    struct buf out;
    buf_init(&out, 4096);
    for (uint32_t i = 1; i <= MESSAGES; i++) {
        char to[32];
        snprintf(to, sizeof to, "r@d%u.example", i % 100);
        struct queue_envelope v = {.accepted_ms = s->now_ms,
                                   .wire_bytes = 10,
                                   .sender = SLICE("s@x.example"),
                                   .recipient_count = 1};
        struct queue_accept_source from = {.envelope = &v, .ctx = to, .recipient = address_of};
        buf_clear(&out);
        assert_true(queue_accept_build(&out, &from));
        struct journal_record r = {.type = QUEUE_RECORD_ACCEPT,
                                   .id = i,
                                   .payload = buf_slice(&out),
                                   .pos = {1, 64 * i, (uint32_t)out.n + 10}};
        tell(s, (struct engine_event){.kind = EVENT_RECORD, .record = &r});
    }
    buf_clear(&out);
    assert_true(queue_pauses_begin(&out, true, 0));
    struct journal_record r = {.type = QUEUE_RECORD_PAUSES,
                               .payload = buf_slice(&out),
                               .pos = {1, 1 << 20, (uint32_t)out.n}};
    tell(s, (struct engine_event){.kind = EVENT_RECORD, .record = &r});
    tell(s, (struct engine_event){.kind = EVENT_STARTED});
    buf_close(&out);
    s->most = 0;
}

static void down(struct scale *s)
{
    engine_free(s->e);
}

/* Ticks until nothing is due; how many. */
static unsigned tick(struct scale *s)
{
    unsigned n = 0;
    while (engine_deadline_ms(s->e) <= s->now_ms + 1) {
        s->now_ms++;
        tell(s, (struct engine_event){.kind = EVENT_TICK});
        assert_true(++n < MESSAGES);
    }
    return n;
}

static void a_reload_routes_step_by_step(void **state)
{
    struct scale s;
    up(&s);
    (void)tick(&s);
    struct engine_host host = {.name = SLICE("smart.example"), .port = 587};
    struct engine_route route = {.hosts = &host, .host_count = 1, .name = SLICE("smart.example")};
    struct engine_options next = s.opt;
    next.routes = &route;
    next.route_count = 1;
    tell(&s, (struct engine_event){.kind = EVENT_OPTIONS, .options = &next});
    struct engine_stats stats;
    engine_stats(s.e, &stats);
    assert_true(stats.destinations > 1); /* some still go where they went */
    assert_true(tick(&s) >= MESSAGES / STEP_MOST);
    engine_stats(s.e, &stats);
    assert_int_equal(stats.destinations, 1);
    assert_int_equal(stats.messages, MESSAGES);
    assert_int_equal(stats.ready + stats.deferred, MESSAGES);
    assert_true(s.most < ACTIONS_MOST);
    down(&s);
}

static void a_second_reload_begins_again(void **state)
{
    struct scale s;
    up(&s);
    struct engine_host host = {.name = SLICE("smart.example"), .port = 587};
    struct engine_route route = {.hosts = &host, .host_count = 1, .name = SLICE("smart.example")};
    struct engine_options next = s.opt, last = s.opt;
    next.routes = &route;
    next.route_count = 1;
    tell(&s, (struct engine_event){.kind = EVENT_OPTIONS, .options = &next});
    tell(&s, (struct engine_event){.kind = EVENT_TICK});
    tell(&s, (struct engine_event){.kind = EVENT_OPTIONS, .options = &last});
    (void)tick(&s);
    struct engine_stats stats;
    engine_stats(s.e, &stats);
    assert_int_equal(stats.destinations, 100);
    down(&s);
}

/* Five days in vain for all at once: their reports are made a few at a time. */
static void expiries_wait_for_their_turn(void **state)
{
    struct scale s;
    up(&s);
    s.now_ms += s.opt.lifetime_ms;
    for (int i = 0; i < 100; i++) {
        tell(&s, (struct engine_event){.kind = EVENT_TICK});
        assert_true(s.fetch_count <= REPORTS_MOST);
    }
    assert_int_equal(s.fetch_count, REPORTS_MOST);
    assert_true(s.most < ACTIONS_MOST);
    down(&s);
}

static void count_found(void *ctx, uint64_t id)
{
    ++*(unsigned *)ctx;
}

static void finding_goes_step_by_step(void **state)
{
    struct scale s;
    const struct engine_query q = {.address = SLICE("r@d7.example")};
    uint64_t after = 0;
    unsigned found = 0, steps = 1;
    up(&s);
    while (engine_find(s.e, &q, &after, count_found, &found)) {
        assert_int_equal(after, steps * ENGINE_FIND_STEP);
        steps++;
    }
    assert_int_equal(found, MESSAGES / 100);
    assert_int_equal(steps, (MESSAGES + ENGINE_FIND_STEP - 1) / ENGINE_FIND_STEP);
    down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reload_routes_step_by_step),
        cmocka_unit_test(a_second_reload_begins_again),
        cmocka_unit_test(expiries_wait_for_their_turn),
        cmocka_unit_test(finding_goes_step_by_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
