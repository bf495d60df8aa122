/* test_engine_dead.c -- a hundred thousand messages for a destination that is dead all day: what is
 * done about it depends on the number of its probes, not on that of the messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "engine/engine_port.h"
#include "engine/engine_view.h"
#include "queue/queue_record.h"

enum {
    MESSAGES = 100000,
    DOMAINS = 50, /* that share the dead hosts */
    DAY_MS = 24 * 3600 * 1000,
    WAITS_MAX = 4096,
    PROBES_MOST = 40, /* of a day: one a minute at first, one an hour in the end */
    FIRST_LINES = 4,
};

struct wait {
    uint64_t ticket;
    enum dns_type type;
    char name[64];
};

struct dead {
    struct engine_options opt;
    struct engine *e;
    int64_t now_ms;
    struct wait lookup[WAITS_MAX];
    unsigned lookup_count;
    uint64_t append[WAITS_MAX], conn[WAITS_MAX];
    unsigned append_count, conn_count;
    uint32_t offset;
    unsigned notes[NOTE_COUNT];
    unsigned dead_connects, living_connects, lookups, events;
};

static void tell(struct dead *s, struct engine_event ev)
{
    ev.now_ms = s->now_ms;
    engine_handle(s->e, &ev);
    s->events++;
    for (const struct engine_action *a; (a = engine_next_action(s->e));) {
        if (a->kind == ACTION_LOOKUP) {
            assert_true(s->lookup_count < WAITS_MAX);
            struct wait *l = &s->lookup[s->lookup_count++];
            *l = (struct wait){.ticket = a->ticket, .type = a->dns_type};
            snprintf(l->name, sizeof l->name, "%.*s", SLICE_FMT(a->text));
            s->lookups++;
        } else if (a->kind == ACTION_APPEND) {
            assert_true(s->append_count < WAITS_MAX);
            s->append[s->append_count++] = a->ticket;
        } else if (a->kind == ACTION_CONNECT) {
            bool is_living = a->address.ip.b[3] == 9;
            is_living ? s->living_connects++ : s->dead_connects++;
            assert_true(s->conn_count < WAITS_MAX);
            if (!is_living)
                s->conn[s->conn_count++] = a->conn;
        } else if (a->kind == ACTION_NOTE) {
            s->notes[a->note->kind]++;
        }
    }
}

static void answer(struct dead *s, const struct wait *l)
{
    static struct dns_answer out;
    out = (struct dns_answer){.result = DNS_OK, .ttl_s = 3600, .count = 1};
    bool is_living = !strncmp(l->name, "living", 6);
    if (l->type == DNS_MX) {
        out.record[0].preference = out.record[1].preference = 10;
        strcpy(out.record[0].name, is_living ? "living.host" : "a.host");
        strcpy(out.record[1].name, "b.host");
        out.count = is_living ? 1 : 2;
    } else if (l->type == DNS_A) {
        out.record[0].ip = (struct ip){IP_V4, {9, 0, 0, is_living ? 9 : l->name[0] == 'a' ? 1 : 2}};
    } else {
        out = (struct dns_answer){.result = DNS_NO_DATA, .ttl_s = 3600};
    }
    tell(s, (struct engine_event){.kind = EVENT_ANSWER, .ticket = l->ticket, .answer = &out});
}

/* What was asked for happens; nobody listens where the mail should go. */
static void settle(struct dead *s)
{
    while (s->lookup_count || s->append_count || s->conn_count) {
        if (s->lookup_count) {
            struct wait l = s->lookup[--s->lookup_count];
            answer(s, &l);
        } else if (s->append_count) {
            uint64_t ticket = s->append[0];
            memmove(s->append, s->append + 1, --s->append_count * sizeof ticket);
            s->offset += 64;
            tell(s, (struct engine_event){
                        .kind = EVENT_APPENDED, .ticket = ticket, .pos = {2, s->offset, 60}});
        } else {
            tell(s, (struct engine_event){.kind = EVENT_CLOSED,
                                          .conn = s->conn[--s->conn_count],
                                          .err = ERR_SYSTEM,
                                          .text = SLICE("connection refused")});
        }
    }
}

static struct slice address_of(void *ctx, uint32_t i)
{
    return slice_cstr(ctx);
}

static void add(struct dead *s, uint64_t id, const char *to)
{
    struct queue_envelope v = {.accepted_ms = s->now_ms,
                               .wire_bytes = 10,
                               .sender = SLICE("s@x.example"),
                               .recipient_count = 1};
    struct queue_accept_source from = {
        .envelope = &v, .ctx = (void *)(uintptr_t)to, .recipient = address_of};
    struct buf out;
    buf_init(&out, 4096);
    assert_true(queue_accept_build(&out, &from));
    struct journal_record r = {.type = QUEUE_RECORD_ACCEPT,
                               .id = id,
                               .payload = buf_slice(&out),
                               .pos = {1, (uint32_t)(64 * id), (uint32_t)out.n + 10}};
    tell(s, (struct engine_event){.kind = EVENT_RECORD, .record = &r});
    buf_close(&out);
}

static void up(struct dead *s)
{
    *s = (struct dead){.now_ms = 1000000};
    engine_options_default(&s->opt);
    s->opt.warn_after_ms = 0;
    s->e = engine_new(&s->opt, 1);
    for (uint64_t i = 1; i <= MESSAGES; i++) {
        char to[64];
        snprintf(to, sizeof to, "r@d%u.example", (unsigned)(i % DOMAINS));
        add(s, i, to);
    }
    add(s, MESSAGES + 1, "r@living.example");
    s->events = 0;
    tell(s, (struct engine_event){.kind = EVENT_STARTED});
    settle(s);
}

static void pass(struct dead *s, int64_t ms)
{
    int64_t until_ms = s->now_ms + ms, due_ms;
    while ((due_ms = engine_deadline_ms(s->e)) <= until_ms) {
        s->now_ms = due_ms > s->now_ms ? due_ms : s->now_ms;
        tell(s, (struct engine_event){.kind = EVENT_TICK});
        settle(s);
    }
    s->now_ms = until_ms;
}

static void a_day_costs_its_probes(void **state)
{
    static struct dead s;
    struct engine_stats stats;
    up(&s);
    pass(&s, 1000);
    assert_int_equal(s.living_connects, 1); /* at once, behind a hundred thousand */
    assert_int_equal(s.notes[NOTE_DEFERRED], FIRST_LINES);
    engine_stats(s.e, &stats);
    assert_int_equal(stats.destinations, 2);
    assert_int_equal(stats.destinations_in_trouble, 1);
    assert_int_equal(stats.ready + stats.deferred + stats.in_flight, MESSAGES + 1);
    unsigned begun = s.events;
    pass(&s, DAY_MS);
    /* Each tries both hosts; nobody answers at the living one either, but it does not refuse. */
    unsigned probes = s.dead_connects / 2 - FIRST_LINES;
    assert_int_equal(s.dead_connects % 2, 0);
    assert_in_range(probes, 15, PROBES_MOST);
    assert_in_range(s.notes[NOTE_DEFERRED], s.dead_connects / 2,
                    s.dead_connects / 2 + s.living_connects);
    /* Each probe asks for the addresses and what its domains' hosts are, at most every hour. */
    assert_true(s.lookups <= PROBES_MOST * (4 + DOMAINS));
    assert_true(s.events - begun <= PROBES_MOST * (20 + DOMAINS));
    engine_stats(s.e, &stats);
    assert_int_equal(stats.messages, MESSAGES + 1);
    engine_free(s.e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_day_costs_its_probes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
