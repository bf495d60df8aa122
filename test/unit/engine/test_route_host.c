/* test_route_host.c -- several smarthosts: priority, weight, failing over, and the way back. */
#include "engine_world.h"

static struct engine_host two[] = {{.name = SLICE_INIT("10.0.0.1"), .port = 2525},
                                   {.name = SLICE_INIT("10.0.0.2"), .port = 2525}},
                          equal[] = {{.name = SLICE_INIT("10.0.0.1"), .port = 2525, .weight = 3},
                                     {.name = SLICE_INIT("10.0.0.2"), .port = 2525, .weight = 1},
                                     {.name = SLICE_INIT("10.0.0.3"), .port = 2525, .priority = 2}};
static struct engine_route by_order = {.name = SLICE_INIT("smart"), .hosts = two, .host_count = 2},
                           by_weight = {
                               .name = SLICE_INIT("smart"), .hosts = equal, .host_count = 3};

static struct world *via(struct engine_route *route, struct world_rule *rules)
{
    struct world *w = world_new();
    w->opt.routes = route;
    w->opt.route_count = 1;
    w->rules = rules;
    world_start(w);
    return w;
}

static void send_one(struct world *w)
{
    world_submit(w, "s@sender.example", "r@a.example");
    world_settle(w);
}

/* Of the last mail. */
static void assert_went_to(struct world *w, const char *ip)
{
    assert_true(w->mail_count > 0);
    assert_string_equal(w->mail[w->mail_count - 1].ip, ip);
}

static unsigned connections_to(const struct world *w, const char *ip)
{
    unsigned n = 0;
    for (unsigned i = 0; i < w->conn_count; i++)
        n += w->conn[i]->is_out && !strcmp(ip_build(&w->conn[i]->address.ip).s, ip);
    return n;
}

static void the_first_takes_all(void **state)
{
    struct world *w = via(&by_order, NULL);
    for (int i = 0; i < 30; i++) {
        send_one(w);
        assert_went_to(w, "10.0.0.1");
        world_pass(w, w->opt.limits.idle_ms + 1);
    }
    assert_int_equal(connections_to(w, "10.0.0.1"), 30);
    assert_int_equal(connections_to(w, "10.0.0.2"), 0);
    world_down(w);
}

static void equals_share_by_weight(void **state)
{
    struct world *w = via(&by_weight, NULL);
    for (int i = 0; i < 200; i++) {
        send_one(w);
        world_pass(w, w->opt.limits.idle_ms + 1);
    }
    assert_in_range(connections_to(w, "10.0.0.1"), 130, 170);
    assert_int_equal(connections_to(w, "10.0.0.1") + connections_to(w, "10.0.0.2"), 200);
    assert_int_equal(connections_to(w, "10.0.0.3"), 0);
    world_down(w);
}

/* Each trouble that a host can have: the message goes to the next one at once, the host is left
 * alone for a while and said to be so; then it gets its mail again. */
static void over_and_back(void **state)
{
    static const struct {
        const char *shown;
        struct world_rule rule;
        enum delivery_tls tls;
    } rows[] = {
        {"no connection", {"10.0.0.1", "CONNECT", "refuse", 1}, DELIVERY_TLS_NONE},
        {"421 in the greeting", {"10.0.0.1", "CONNECT", "421 4.3.2 later!", 1}, DELIVERY_TLS_NONE},
        {"554 in the greeting", {"10.0.0.1", "CONNECT", "554 5.7.1 no!", 1}, DELIVERY_TLS_NONE},
        {"421 to EHLO", {"10.0.0.1", "EHLO", "421 4.3.2 later!", 1}, DELIVERY_TLS_NONE},
        {"421 to MAIL", {"10.0.0.1", "MAIL", "421 4.3.2 later!", 1}, DELIVERY_TLS_NONE},
        {"421 to RCPT", {"10.0.0.1", "RCPT", "421 4.3.2 later!", 1}, DELIVERY_TLS_NONE},
        {"421 after the dot", {"10.0.0.1", "DOT", "421 4.3.2 later!", 1}, DELIVERY_TLS_NONE},
        {"a handshake that fails", {"10.0.0.1", "TLS", "fail", 1}, DELIVERY_TLS_VERIFY},
        {"no TLS where it is required", {"10.0.0.1", "EHLO", "250 mx", 1}, DELIVERY_TLS_REQUIRE},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world_rule rules[] = {rows[i].rule, {0}};
        struct engine_route route = by_order;
        route.tls = rows[i].tls;
        struct world *w = via(&route, rules);
        w->offers_tls = rows[i].tls != DELIVERY_TLS_NONE;
        send_one(w);
        if (w->mail_count != 1 || strcmp(w->mail[0].ip, "10.0.0.2"))
            fail_msg("%s: not at the next one\n%s", rows[i].shown, buf_cstr(&w->log));
        if (w->notes[NOTE_HOST_SKIPPED] != 1 || w->notes[NOTE_DEFERRED])
            fail_msg("%s: not said\n%s", rows[i].shown, buf_cstr(&w->log));
        world_pass(w, w->opt.limits.idle_ms + 1);
        send_one(w);
        assert_went_to(w, "10.0.0.2"); /* still left alone */
        world_pass(w, 40000);
        send_one(w);
        assert_went_to(w, "10.0.0.1");
        assert_int_equal(w->notes[NOTE_HOST_BACK], 1);
        world_down(w);
    }
}

/* Refused for good there: that is the message's, not the host's. */
static void a_refusal_stays_one(void **state)
{
    struct world_rule rules[] = {{"10.0.0.1", "RCPT", "550 5.1.1 no", 0}, {0}};
    struct world *w = via(&by_order, rules);
    world_submit(w, "", "r@a.example");
    world_settle(w);
    assert_int_equal(w->notes[NOTE_BOUNCED], 1);
    assert_int_equal(w->notes[NOTE_HOST_SKIPPED], 0);
    assert_int_equal(connections_to(w, "10.0.0.2"), 0);
    world_down(w);
}

/* It is tried again by one connection at a time, and more and more seldom. */
static void a_dead_one_costs_little(void **state)
{
    struct world_rule rules[] = {{"10.0.0.1", "CONNECT", "refuse", 0}, {0}};
    struct world *w = via(&by_order, rules);
    for (int minute = 0; minute < 120; minute++) {
        for (int i = 0; i < 3; i++)
            world_submit(w, "s@sender.example", "r@a.example");
        world_settle(w);
        world_pass(w, 60000);
    }
    assert_int_equal(w->mail_count, 360);
    assert_int_equal(w->notes[NOTE_HOST_SKIPPED], 1);
    assert_in_range(connections_to(w, "10.0.0.1"), 3 + 8, 3 + 25);
    assert_int_equal(w->notes[NOTE_DEFERRED], 0);
    world_down(w);
}

/* While one finds out, which takes long, the others go where it works. */
static void the_trial_is_one(void **state)
{
    struct world_rule rules[] = {
        {"10.0.0.1", "CONNECT", "refuse", 1}, {"10.0.0.1", "CONNECT", "never", 0}, {0}};
    struct world *w = via(&by_order, rules);
    send_one(w);
    world_pass(w, 40000);
    for (int i = 0; i < 10; i++)
        world_submit(w, "s@sender.example", "r@a.example");
    world_settle(w);
    assert_int_equal(connections_to(w, "10.0.0.1"), 2);
    assert_int_equal(w->mail_count, 10); /* all but the one on trial */
    world_pass(w, w->opt.limits.connect_ms);
    assert_int_equal(w->mail_count, 11);
    world_down(w);
}

/* Connections to the worse one would live as long as there is mail: they end when the better one
 * is back, the busy after their message, the idle at once. */
static void steady_mail_comes_back(void **state)
{
    struct world_rule rules[] = {{"10.0.0.1", "CONNECT", "refuse", 4}, {0}};
    struct world *w = via(&by_order, rules);
    unsigned at_worse = 0;
    for (int second = 0; second < 60; second++) {
        for (int i = 0; i < 4; i++)
            world_submit(w, "s@sender.example", "r@a.example");
        world_settle(w);
        world_pass(w, 1000);
        if (!w->notes[NOTE_HOST_BACK])
            at_worse = w->mail_count;
    }
    assert_int_equal(w->mail_count, 240);
    assert_in_range(at_worse, 80, 160); /* 30 s and some, of 4 a second */
    for (unsigned i = at_worse + 4; i < w->mail_count; i++)
        assert_string_equal(w->mail[i].ip, "10.0.0.1");
    assert_int_equal(w->notes[NOTE_DEFERRED], 0);
    world_down(w);
}

/* It takes only so many connections; the others stay with the next one, and none of them ends
 * after each message. */
static void too_many_for_the_better_one(void **state)
{
    struct world_rule rules[] = {{"10.0.0.1", "CONNECT", "220 mx", 1},
                                 {"10.0.0.1", "CONNECT", "421 4.7.0 too many!", 0},
                                 {0}};
    struct world *w = via(&by_order, rules);
    send_one(w);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 6; i++)
            world_submit(w, "s@sender.example", "r@a.example");
        world_settle(w);
    }
    assert_int_equal(w->mail_count, 61);
    assert_int_equal(w->notes[NOTE_HOST_SKIPPED], 0);
    assert_in_range(connections_to(w, "10.0.0.2"), 1, 6);
    world_down(w);
}

/* What is known of hosts outlives the mail, for a while, and no reload. */
static void trouble_is_remembered(void **state)
{
    struct world_rule rules[] = {{"10.0.0.1", "CONNECT", "refuse", 0}, {0}};
    struct world *w = via(&by_order, rules);
    send_one(w);
    world_pass(w, w->opt.limits.idle_ms + 1);
    assert_int_equal(world_stats(w).destinations, 0);
    send_one(w);
    assert_int_equal(connections_to(w, "10.0.0.1"), 1);
    world_pass(w, 2 * 3600 * 1000);
    send_one(w);
    assert_int_equal(w->notes[NOTE_HOST_SKIPPED], 2); /* it had been as good as new */
    world_pass(w, w->opt.limits.idle_ms + 1);
    struct engine_options next = w->opt;
    world_tell(w, (struct engine_event){.kind = EVENT_OPTIONS, .options = &next});
    send_one(w);
    assert_int_equal(w->notes[NOTE_HOST_SKIPPED], 3);
    world_pass(w, 2 * 3600 * 1000);
    world_tell(w, (struct engine_event){.kind = EVENT_OPTIONS, .options = &w->opt});
    world_down(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_takes_all),     cmocka_unit_test(equals_share_by_weight),
        cmocka_unit_test(over_and_back),           cmocka_unit_test(a_refusal_stays_one),
        cmocka_unit_test(a_dead_one_costs_little), cmocka_unit_test(the_trial_is_one),
        cmocka_unit_test(steady_mail_comes_back),  cmocka_unit_test(too_many_for_the_better_one),
        cmocka_unit_test(trouble_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
