/* test_submit_rate.c -- messages of one address in a time. */
#include "engine_world.h"

#include "../../../src/engine/submit_rate.h"

enum { MINUTE_MS = 60 * 1000 };

static struct world *up(unsigned count)
{
    struct world *w = world_new();
    w->opt.address_messages = (struct policy_rate){.count = count, .per_ms = 60 * MINUTE_MS};
    w->zone = world_zone;
    w->holds_remotes = true;
    world_start(w);
    return w;
}

static const char mail[] = "MAIL FROM:<s@sender.example>\r\n";
static const char rest[] = "RCPT TO:<r@a.example>\r\nDATA\r\n";
static const char body[] = "x: y\r\n\r\n.\r\n";

static struct world_conn *client(struct world *w, const char *ip)
{
    struct world_conn *c = world_client_of(w, ip, 0);
    world_say(w, c, "EHLO c\r\n");
    (void)world_heard(c);
    return c;
}

static void send_one(struct world *w, struct world_conn *c)
{
    world_say(w, c, mail);
    world_say(w, c, rest);
    world_expect(c, "354 ");
    world_say(w, c, body);
    world_settle(w);
    world_expect(c, "250 2.0.0 queued");
}

/* Trusted networks have it too: there nobody has to log in. */
static void the_next_one_is_asked_to_wait(void **state)
{
    struct world *w = up(2);
    struct world_conn *c = client(w, "127.0.0.1");
    send_one(w, c);
    world_say(w, c, "QUIT\r\n"); /* a new connection begins nothing anew */
    c = client(w, "127.0.0.1");
    send_one(w, c);
    world_say(w, c, mail);
    world_expect(c, "450 4.7.1 your address sends too many messages, try again in 30 minutes\r\n");
    world_log_has(w, "rejected ip=127.0.0.1 from=s@sender.example code=450 limit=message_rate ");
    assert_int_equal(w->limits[NOTE_LIMIT_ADDRESS_RATE], 1);
    assert_true(c->is_open);
    send_one(w, client(w, "[::1]:1")); /* another one */
    world_pass(w, 4 * MINUTE_MS);      /* within the client's idle time */
    world_say(w, c, mail);
    world_expect(c, "450 4.7.1");
    world_pass(w, 26 * MINUTE_MS);
    send_one(w, client(w, "127.0.0.1"));
    world_down(w);
}

static void a_64_is_one_address(void **state)
{
    struct world *w = world_new();
    static struct ip_net everybody = {.ip = {.family = IP_V6, .b = {0x20, 1}}, .bits = 16};
    w->opt.trusted_networks = &everybody;
    w->opt.trusted_network_count = 1;
    w->opt.address_messages = (struct policy_rate){.count = 1, .per_ms = MINUTE_MS};
    w->holds_remotes = true;
    world_start(w);
    send_one(w, client(w, "[2001:db8::1]:1"));
    struct world_conn *c = client(w, "[2001:db8::ffff:2]:1");
    world_say(w, c, mail);
    world_expect(c, "450 4.7.1");
    send_one(w, client(w, "[2001:db8:0:1::1]:1"));
    world_down(w);
}

/* Sessions at the same time share one allowance: it is asked once more behind the dot. */
static void two_at_once(void **state)
{
    struct world *w = up(1);
    struct world_conn *a = client(w, "127.0.0.1"), *b = client(w, "127.0.0.1");
    world_say(w, a, mail);
    world_say(w, b, mail);
    world_say(w, a, rest);
    world_say(w, b, rest);
    world_say(w, a, body);
    world_say(w, b, body);
    world_settle(w);
    world_expect(a, "250 2.0.0 queued");
    world_expect(b, "450 4.7.1");
    assert_int_equal(world_stats(w).messages, 1);
    world_down(w);
}

/* What was not accepted is not charged: not refused, not left halfway, not failed on the disk. */
static void only_what_is_accepted_counts(void **state)
{
    struct world *w = up(1);
    struct world_conn *c = client(w, "127.0.0.1");
    world_say(w, c, mail);
    world_say(w, c, rest);
    world_say(w, c, "RSET\r\n.\r\n");
    w->append_err = ERR_SYSTEM;
    world_settle(w);
    world_expect(c, "452 4.3.1");
    w->append_err = ERR_OK;
    world_say(w, c, "RSET\r\n");
    world_say(w, c, mail);
    world_say(w, c, rest);
    world_closed(w, c, ERR_CLOSED, "");
    send_one(w, client(w, "127.0.0.1"));
    world_down(w);
}

/* The table is bounded: the place that sent longest ago makes room. */
static void the_table_is_bounded(void **state)
{
    struct world *w = up(1);
    struct engine *e = w->e;
    e->now_ms = w->now_ms;
    for (uint64_t place = 1; place <= 2 * SUBMIT_RATE_PLACES_MAX; place++) {
        submit_rate_charge(e, place);
        submit_rate_charge(e, 1); /* this one goes on sending */
        assert_true(submit_rate_wait_ms(e, place) > 0);
        assert_true(e->rates.count <= SUBMIT_RATE_PLACES_MAX);
    }
    assert_int_equal(e->rates.count, SUBMIT_RATE_PLACES_MAX);
    assert_true(submit_rate_wait_ms(e, 1) > 0);
    assert_int_equal(submit_rate_wait_ms(e, 2), 0); /* forgotten */
    assert_true(submit_rate_wait_ms(e, 2 * SUBMIT_RATE_PLACES_MAX - 1) > 0);
    world_down(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_one_is_asked_to_wait),
        cmocka_unit_test(a_64_is_one_address),
        cmocka_unit_test(two_at_once),
        cmocka_unit_test(only_what_is_accepted_counts),
        cmocka_unit_test(the_table_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
