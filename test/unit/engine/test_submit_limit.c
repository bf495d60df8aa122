/* test_submit_limit.c -- what a session, and a place that sessions come from, may take of us. */
#include "engine_world.h"

enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS };

/* Two sessions a place: what a third one meets. */
static void places(void **state)
{
    static const struct {
        const char *shows, *first, *third;
        bool is_taken;
    } rows[] = {
        {"the same address", "192.0.2.1", "192.0.2.1", false},
        {"its neighbour", "192.0.2.1", "192.0.2.2", true},
        {"the same /64", "[2001:db8::1]", "[2001:db8::ffff:0:0:2]", false},
        {"the next /64", "[2001:db8::1]", "[2001:db8:0:1::1]", true},
        {"IPv4 in IPv6 is the IPv4 address", "192.0.2.1", "[::ffff:192.0.2.1]", false},
        {"and not one place for all", "[::ffff:192.0.2.1]", "[::ffff:192.0.2.2]", true},
        {"trusted networks are not counted", "127.0.0.1", "127.0.0.1", true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world *w = world_new();
        w->opt.connections_per_address_max = 2;
        world_start(w);
        char first[64], third[64];
        snprintf(first, sizeof first, "%s:1000", rows[i].first);
        snprintf(third, sizeof third, "%s:1000", rows[i].third);
        struct world_conn *a = world_client_of(w, first, 0), *b = world_client_of(w, first, 0);
        world_expect(a, "220 ");
        world_expect(b, "220 ");
        struct world_conn *c = world_client_of(w, third, 0);
        world_expect(c, rows[i].is_taken ? "220 " : "421 4.3.2 ");
        assert_int_equal(c->is_open, rows[i].is_taken);
        assert_int_equal(w->notes[NOTE_SESSION_REFUSED], !rows[i].is_taken);
        assert_int_equal(w->limits[NOTE_LIMIT_ADDRESS_CONNECTIONS], !rows[i].is_taken);
        world_say(w, a, "QUIT\r\n"); /* who leaves makes room, who was refused took none */
        c = world_client_of(w, first, 0);
        world_expect(c, "220 ");
        world_down(w);
    }
}

static void no_limit_of_a_place(void **state)
{
    struct world *w = world_new();
    w->opt.connections_per_address_max = 0;
    world_start(w);
    for (int i = 0; i < 300; i++)
        world_expect(world_client_of(w, "192.0.2.1:1000", 0), "220 ");
    world_down(w);
}

/* A byte now and then does not keep a session: a command has to be finished in time. */
static void one_byte_at_a_time_is_idle(void **state)
{
    struct world *w = world_up();
    struct world_conn *c = world_client(w);
    world_say(w, c, "EHLO c\r\n");
    world_expect(c, "220 ");
    for (int64_t at = 0; at < w->opt.idle_ms - 1000; at += 1000) {
        world_bytes(w, c->id, "E");
        world_pass(w, 1000);
        assert_true(c->is_open);
    }
    world_bytes(w, c->id, "E");
    world_pass(w, 1001);
    world_expect(c, "421 4.4.2");
    assert_false(c->is_open);
    assert_int_equal(w->notes[NOTE_SESSION_REFUSED], 0);
    world_log_has(w, "timed-out ip=127.0.0.1 limit=idle_timeout");
    world_down(w);
}

/* Clients in all; handshakes that the shell holds count as well. */
static void connections_in_all(void **state)
{
    struct world *w = world_new();
    w->opt.connections_max = 3;
    world_start(w);
    struct world_conn *a = world_client(w);
    struct engine_event ev = {.kind = EVENT_ACCEPTED, .handshakes = 1, .peer.ip.family = IP_V4};
    struct world_conn *b = world_conn_new(w, ev.conn = w->next_in);
    w->next_in += 2;
    world_tell(w, ev);
    world_expect(b, "220 ");
    struct world_conn *c = world_conn_new(w, ev.conn = w->next_in);
    w->next_in += 2;
    world_tell(w, ev); /* two sessions, one handshake, and this one */
    world_expect(c, "421 4.3.2 ");
    assert_false(c->is_open);
    assert_true(a->is_open && b->is_open);
    assert_int_equal(w->limits[NOTE_LIMIT_CONNECTIONS], 1);
    world_log_has(w, "session-refused ip=0.0.0.0 limit=max_connections ");
    world_expect(world_client(w), "220 ");
    world_expect(world_client(w), "421 4.3.2 ");
    world_down(w);
}

/* Of one place, too. */
static void handshakes_of_a_place(void **state)
{
    struct world *w = world_new();
    w->opt.connections_per_address_max = 3;
    world_start(w);
    world_expect(world_client_of(w, "192.0.2.1:1", 0), "220 ");
    for (unsigned there = 1; there <= 2; there++) {
        struct engine_event ev = {.kind = EVENT_ACCEPTED, .handshakes_there = there};
        assert_true(ip_port_parse(SLICE("192.0.2.1:1"), 0, &ev.peer));
        struct world_conn *c = world_conn_new(w, ev.conn = w->next_in);
        w->next_in += 2;
        world_tell(w, ev);
        world_expect(c, there == 1 ? "220 " : "421 4.3.2 ");
    }
    assert_int_equal(w->limits[NOTE_LIMIT_ADDRESS_CONNECTIONS], 1);
    world_down(w);
}

static void sessions_at_a_place(void **state)
{
    struct world *w = world_up();
    struct ip ip;
    assert_true(ip_parse(SLICE("2001:db8::7"), &ip));
    world_client_of(w, "[2001:db8::1]:1", 0);
    world_client_of(w, "[2001:db8::2]:1", 0);
    world_client_of(w, "[2001:db8:0:1::2]:1", 0);
    assert_int_equal(engine_sessions_at(w->e, &ip), 2);
    assert_int_equal(engine_session_count(w->e), 3);
    world_down(w);
}

static struct world_conn *in_body(struct world *w)
{
    struct world_conn *c = world_client(w);
    world_envelope(w, c, "s@sender.example", "r@a.example");
    world_say(w, c, "x: y\r\n\r\n");
    (void)world_heard(c);
    return c;
}

/* `a_second` bytes a second for five minutes, where `least` are asked for. */
static void slow_messages(void **state)
{
    static const struct {
        const char *shows;
        int a_second;
        unsigned least;
        bool is_taken;
    } rows[] = {
        {"below it", 9, 10, false},
        {"just as fast", 10, 10, true},
        {"no such limit", 1, 0, true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world *w = world_new();
        w->opt.data_rate_min = rows[i].least;
        world_start(w);
        struct world_conn *c = in_body(w);
        for (int s = 0; s < 5 * 60 && c->is_open; s++) {
            char text[16] = "";
            memset(text, 'x', (size_t)rows[i].a_second);
            world_bytes(w, c->id, text);
            world_pass(w, 1000);
        }
        assert_int_equal(c->is_open, rows[i].is_taken);
        assert_int_equal(w->notes[NOTE_SESSION_REFUSED], !rows[i].is_taken);
        assert_int_equal(w->limits[NOTE_LIMIT_DATA_RATE], !rows[i].is_taken);
        if (rows[i].is_taken)
            world_say(w, c, "\r\n.\r\n");
        world_settle(w);
        world_expect(c, rows[i].is_taken ? "250 2.0.0" : "421 4.4.2");
        world_down(w);
    }
}

/* A message that is thrown away because it is too large still comes at a rate. */
static void a_discarded_message_has_a_rate(void **state)
{
    struct world *w = world_new();
    w->opt.data_rate_min = 10;
    w->opt.message_bytes_max = 100;
    world_start(w);
    struct world_conn *c = in_body(w);
    for (int s = 0; s < 5 * 60 && c->is_open; s++) {
        world_bytes(w, c->id, "xxxxxxxxxxxxxx\r\n");
        world_pass(w, 1000);
    }
    assert_true(c->is_open);
    world_say(w, c, ".\r\n");
    world_expect(c, "552 5.3.4");
    world_down(w);
}

/* The disk is slow, the client is not. */
static void waiting_for_the_disk_is_not_slow(void **state)
{
    struct world *w = world_new();
    w->opt.data_rate_min = 1000;
    w->holds_appends = true;
    world_start(w);
    struct world_conn *c = in_body(w);
    static char line[1001];
    memset(line, 'x', 998);
    memcpy(line + 998, "\r\n", 3);
    for (int i = 0; i < 1000 && c->is_reading; i++)
        world_bytes(w, c->id, line);
    assert_false(c->is_reading);
    world_pass(w, w->opt.idle_ms + MINUTE_MS);
    assert_true(c->is_open);
    while (w->append_count)
        world_appended(w, 0, ERR_OK);
    world_pass(w, MINUTE_MS - 1);
    assert_true(c->is_open);
    world_pass(w, 2); /* and now nothing came */
    world_expect(c, "421 4.4.2");
    world_down(w);
}

static void a_message_ends_in_time(void **state)
{
    struct world *w = world_new();
    w->opt.transaction_ms = HOUR_MS;
    w->opt.data_rate_min = 0;
    world_start(w);
    struct world_conn *c = in_body(w);
    for (int i = 0; i < 59; i++) {
        world_bytes(w, c->id, "x\r\n");
        world_pass(w, MINUTE_MS);
    }
    assert_true(c->is_open);
    world_pass(w, MINUTE_MS + 1);
    world_expect(c, "421 4.4.2");
    assert_false(c->is_open);
    assert_int_equal(w->notes[NOTE_SESSION_REFUSED], 1);
    assert_int_equal(w->limits[NOTE_LIMIT_TRANSACTION_TIME], 1);
    assert_int_equal(world_stats(w).messages, 0);
    world_down(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places),
        cmocka_unit_test(no_limit_of_a_place),
        cmocka_unit_test(connections_in_all),
        cmocka_unit_test(handshakes_of_a_place),
        cmocka_unit_test(sessions_at_a_place),
        cmocka_unit_test(one_byte_at_a_time_is_idle),
        cmocka_unit_test(slow_messages),
        cmocka_unit_test(a_discarded_message_has_a_rate),
        cmocka_unit_test(waiting_for_the_disk_is_not_slow),
        cmocka_unit_test(a_message_ends_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
