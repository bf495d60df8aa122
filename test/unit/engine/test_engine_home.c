/* test_engine_home.c -- domains with the same MX hosts are one destination; dead addresses are
 * passed over; connections grow from few. */
#include "engine_world.h"

#include "policy/policy_window.h"

static const char shared_zone[] = "a.example MX 10 mx1.host.example\n"
                                  "a.example MX 20 mx2.host.example\n"
                                  "b.example MX 5 MX1.Host.example\n"
                                  "b.example MX 7 mx2.host.example\n"
                                  "turned.example MX 10 mx2.host.example\n"
                                  "turned.example MX 20 mx1.host.example\n"
                                  "fewer.example MX 10 mx1.host.example\n"
                                  "mx1.host.example A 9.1.0.1\n"
                                  "mx2.host.example A 9.1.0.2\n"
                                  "sender.example MX 5 mx.sender.example\n"
                                  "mx.sender.example A 9.4.0.1\n";

static struct world *up(const char *zone)
{
    struct world *w = world_new();
    w->zone = zone;
    world_start(w);
    return w;
}

static unsigned calls(const struct world *w, const char *ip)
{
    unsigned n = 0;
    for (unsigned i = 0; i < w->conn_count; i++) {
        struct ip_text text = ip_build(&w->conn[i]->address.ip);
        n += w->conn[i]->is_out && !strcmp(text.s, ip);
    }
    return n;
}

static void siblings_share_a_connection(void **state)
{
    struct world *w = up(shared_zone);
    w->opt.limits.connections = 1;
    world_crash(w); /* a start with that limit */
    world_submit(w, "s@sender.example", "r@a.example");
    world_submit(w, "s@sender.example", "r@b.example");
    world_settle(w);
    assert_int_equal(w->mail_count, 2);
    assert_int_equal(calls(w, "9.1.0.1"), 1);
    world_submit(w, "s@sender.example", "r@turned.example"); /* another order: another set */
    world_submit(w, "s@sender.example", "r@fewer.example");
    world_settle(w);
    assert_int_equal(w->mail_count, 4);
    assert_int_equal(calls(w, "9.1.0.1"), 2);
    assert_int_equal(calls(w, "9.1.0.2"), 1);
    world_all_done(w);
    world_down(w);
}

static void siblings_share_a_transaction(void **state)
{
    struct world *w = up(shared_zone);
    world_submit(w, "s@sender.example", "r@a.example q@b.example");
    world_settle(w);
    /* The first domain's hosts are known first: once those of both are, they go together. */
    unsigned before = w->mail_count;
    world_operator(w, OPERATOR_PAUSE, 0, "");
    world_submit(w, "s@sender.example", "r@a.example q@b.example");
    world_settle(w);
    world_operator(w, OPERATOR_RESUME, 0, "");
    world_settle(w);
    world_pass(w, 60000);
    assert_true(before >= 1 && w->mail_count > before);
    world_all_done(w);
    world_down(w);
}

/* Put off together, each comes back as a job of its own domain, once. */
static void who_went_together_parts_again(void **state)
{
    struct world_rule rules[] = {{NULL, "RCPT TO:<q@", "450 4.2.0 later", 1}, {0}};
    struct world *w = up(shared_zone);
    w->rules = rules;
    world_submit(w, "s@sender.example", "r@a.example q@b.example p@a.example o@b.example");
    world_pass(w, 2 * 3600 * 1000);
    static const char *const who[] = {"r@a.example ", "q@b.example ", "p@a.example ",
                                      "o@b.example "};
    for (size_t i = 0; i < COUNT_OF(who); i++) {
        unsigned n = 0;
        for (unsigned k = 0; k < w->mail_count; k++)
            n += strstr(w->mail[k].to, who[i]) != NULL;
        if (n != 1)
            fail_msg("%s: %u", who[i], n);
    }
    world_all_done(w);
    world_down(w);
}

static void a_pause_is_one_domains(void **state)
{
    struct world *w = up(shared_zone);
    world_operator(w, OPERATOR_PAUSE, 0, "a.example");
    world_submit(w, "s@sender.example", "r@a.example q@b.example");
    world_pass(w, 3600000);
    assert_int_equal(w->mail_count, 1);
    assert_string_equal(w->mail[0].to, "q@b.example ");
    world_operator(w, OPERATOR_RESUME, 0, "a.example");
    world_settle(w);
    assert_int_equal(w->mail_count, 2);
    world_operator(w, OPERATOR_PAUSE, 0, "mx1.host.example"); /* the set, as it is shown */
    world_submit(w, "s@sender.example", "r@a.example q@b.example");
    world_pass(w, 3600000);
    assert_int_equal(w->mail_count, 2);
    world_operator(w, OPERATOR_RESUME, 0, "mx1.host.example");
    world_pass(w, 60000);
    world_all_done(w);
    world_down(w);
}

/* The hosts are dead and the domain moves: its mail follows, its sibling's does not. */
static void who_moves_is_followed(void **state)
{
    struct world_rule rules[] = {
        {"9.1.0.1", "CONNECT", "refuse", 0}, {"9.1.0.2", "CONNECT", "refuse", 0}, {0}};
    struct world *w = up(shared_zone);
    w->rules = rules;
    for (int i = 0; i < 3; i++) {
        world_submit(w, "s@sender.example", "r@a.example");
        world_submit(w, "s@sender.example", "q@b.example");
    }
    world_pass(w, 3 * 3600 * 1000);
    assert_int_equal(w->mail_count, 0);
    w->zone = "a.example MX 10 new.example\n"
              "b.example MX 5 mx1.host.example\n"
              "b.example MX 7 mx2.host.example\n"
              "mx1.host.example A 9.1.0.1\n"
              "mx2.host.example A 9.1.0.2\n"
              "new.example A 9.9.0.1\n";
    world_pass(w, 4 * 3600 * 1000);
    assert_int_equal(w->mail_count, 3);
    for (unsigned i = 0; i < w->mail_count; i++)
        assert_string_equal(w->mail[i].ip, "9.9.0.1");
    w->rules = NULL;
    world_pass(w, 4 * 3600 * 1000);
    assert_int_equal(w->mail_count, 6);
    world_all_done(w);
    world_down(w);
}

/* The DNS fails while mail waits: it stays where it is known to go. */
static void a_home_outlives_the_dns(void **state)
{
    struct world_rule rules[] = {{NULL, "RCPT", "450 4.2.0 later", 0}, {0}};
    struct world *w = up(shared_zone);
    w->rules = rules;
    world_submit(w, "s@sender.example", "r@a.example");
    world_pass(w, 10 * 60 * 1000);
    w->zone = "a.example MX SERVFAIL\n"
              "mx1.host.example A 9.1.0.1\n"
              "mx2.host.example A 9.1.0.2\n";
    world_pass(w, 3600 * 1000);
    w->rules = NULL;
    world_pass(w, 3 * 3600 * 1000);
    assert_int_equal(w->mail_count, 1);
    world_all_done(w);
    world_down(w);
}

/* Of two hosts the better is dead: it is called seldom, and at once when it is back. */
static void a_dead_host_is_passed_over(void **state)
{
    struct world_rule rules[] = {{"9.1.0.1", "CONNECT", "refuse", 0}, {0}};
    struct world *w = world_new();
    w->zone = shared_zone;
    w->rules = rules;
    w->opt.limits.idle_ms = 0; /* each message calls anew */
    world_start(w);
    for (int i = 0; i < 30; i++) {
        world_submit(w, "s@sender.example", "r@a.example");
        world_pass(w, 1000);
    }
    assert_int_equal(w->mail_count, 30);
    assert_int_equal(calls(w, "9.1.0.1"), 1); /* retry.first is a minute */
    world_pass(w, 2 * 60 * 1000);
    w->rules = NULL;
    for (int i = 0; i < 5; i++)
        world_submit(w, "s@sender.example", "r@a.example");
    world_settle(w);
    world_submit(w, "s@sender.example", "r@a.example");
    world_settle(w);
    assert_int_equal(w->mail_count, 36);
    assert_string_equal(w->mail[35].ip, "9.1.0.1");
    world_all_done(w);
    world_down(w);
}

/* A thousand hours of a dead destination: probes, and nothing a message. */
static void a_dead_destination_costs_probes(void **state)
{
    enum { MESSAGES = 40, DAYS = 4 };
    struct world_rule rules[] = {
        {"9.1.0.1", "CONNECT", "refuse", 0}, {"9.1.0.2", "CONNECT", "refuse", 0}, {0}};
    struct world *w = up(shared_zone);
    w->rules = rules;
    for (int i = 0; i < MESSAGES; i++)
        world_submit(w, "s@sender.example", i % 2 ? "r@a.example" : "r@b.example");
    world_settle(w);
    unsigned at_first = calls(w, "9.1.0.1");
    assert_true(at_first <= POLICY_WINDOW_FIRST);
    world_pass(w, (int64_t)DAYS * 24 * 3600 * 1000);
    /* retry.max is an hour, give or take a fifth. */
    assert_true(calls(w, "9.1.0.1") - at_first <= DAYS * 24 * 5 / 4 + 10);
    assert_true(calls(w, "9.1.0.1") >= DAYS * 24 / 2);
    w->rules = NULL;
    world_pass(w, 3 * 3600 * 1000);
    unsigned delivered = 0;
    for (unsigned i = 0; i < w->mail_count; i++)
        delivered += w->mail[i].to[0] == 'r';
    assert_int_equal(delivered, MESSAGES);
    world_all_done(w);
    world_down(w);
}

static void connections_grow_with_success(void **state)
{
    struct world *w = up(shared_zone);
    w->holds_remotes = true;
    for (int i = 0; i < 40; i++)
        world_submit(w, "s@sender.example", "r@a.example");
    world_settle(w);
    assert_int_equal(world_out(w), POLICY_WINDOW_FIRST);
    w->holds_remotes = false;
    world_settle(w);
    world_pass(w, 1000);
    assert_int_equal(w->mail_count, 40);
    assert_true(calls(w, "9.1.0.1") > POLICY_WINDOW_FIRST);
    assert_true(calls(w, "9.1.0.1") <= w->opt.limits.connections);
    world_all_done(w);
    world_down(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siblings_share_a_connection),
        cmocka_unit_test(siblings_share_a_transaction),
        cmocka_unit_test(who_went_together_parts_again),
        cmocka_unit_test(a_pause_is_one_domains),
        cmocka_unit_test(who_moves_is_followed),
        cmocka_unit_test(a_home_outlives_the_dns),
        cmocka_unit_test(a_dead_host_is_passed_over),
        cmocka_unit_test(a_dead_destination_costs_probes),
        cmocka_unit_test(connections_grow_with_success),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
