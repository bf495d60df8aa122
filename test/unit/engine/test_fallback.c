/* test_fallback.c -- what the MX hosts of its domain cannot be given goes by the fallback. */
#include "engine_world.h"

enum { AFTER_MS = 10 * 60 * 1000, HOUR_MS = 3600 * 1000 };

static struct engine_host smart = {.name = SLICE_INIT("10.0.0.9"), .port = 2525};
static struct slice to_news[] = {SLICE_INIT("*@b.example")};
static struct slice to_kept[] = {SLICE_INIT("*@sender.example")};
static struct engine_route routes[] = {
    {.name = SLICE_INIT("backup"), .hosts = &smart, .host_count = 1, .is_fallback = true},
    {.name = SLICE_INIT("direct"),
     .recipients = to_news,
     .recipient_count = 1,
     .has_fallback = true,
     .fallback = 0},
    {.name = SLICE_INIT("kept"),
     .recipients = to_kept,
     .recipient_count = 1,
     .has_no_fallback = true},
};
/* Port 25 is closed to us, everywhere but at the smarthost. */
static const struct world_rule blocked[] = {
    {"10.0.0.9", "CONNECT", "220 smart", 0}, {NULL, "CONNECT", "never", 0}, {0}};

static struct world *with(struct world_rule *rules, bool is_general)
{
    struct world *w = world_new();
    w->opt.routes = routes;
    w->opt.route_count = COUNT_OF(routes);
    w->opt.has_fallback = is_general;
    w->opt.fallback_after_ms = AFTER_MS;
    w->rules = rules;
    world_start(w);
    return w;
}

static unsigned mails_at(const struct world *w, const char *ip)
{
    unsigned n = 0;
    for (unsigned i = 0; i < w->mail_count; i++)
        n += !strcmp(w->mail[i].ip, ip);
    return n;
}

static void after_a_time_and_then_at_once(void **state)
{
    struct world_rule rules[COUNT_OF(blocked)];
    memcpy(rules, blocked, sizeof rules);
    struct world *w = with(rules, true);
    for (int i = 0; i < 200; i++)
        world_submit(w, "s@sender.example", "r@a.example");
    world_pass(w, AFTER_MS / 2);
    assert_int_equal(w->mail_count, 0);
    world_pass(w, AFTER_MS / 2 + 2 * 60 * 1000); /* trouble begins when the first try has failed */
    assert_int_equal(w->mail_count, 200);
    assert_int_equal(mails_at(w, "10.0.0.9"), 200);
    assert_int_equal(w->notes[NOTE_FALLBACK], 1);
    assert_non_null(strstr(buf_cstr(&w->log), "route=backup"));
    struct buf list;
    buf_init(&list, 1 << 16);
    engine_destinations_text(w->e, 10, w->now_ms, &list);
    engine_destinations_json(w->e, 10, w->now_ms, &list);
    assert_non_null(strstr(buf_cstr(&list), "; mail goes by backup\n"));
    assert_non_null(strstr(buf_cstr(&list), "\"fallback\":\"backup\"}"));
    buf_close(&list);
    world_pass(w, 10000); /* its connections are closed */
    world_submit(w, "s@sender.example", "r@a.example");
    world_submit(w, "s@sender.example", "r@a.example");
    world_pass(w, 1000);
    assert_in_range(w->mail_count, 201, 202); /* one of them may be trying the direct way */
    world_pass(w, 5 * 60 * 1000);
    assert_int_equal(w->mail_count, 202);
    world_all_done(w);
    world_down(w);
}

/* The direct way is tried by one message at a time, ever more seldom, and used when it works. */
static void back_to_direct(void **state)
{
    struct world_rule rules[COUNT_OF(blocked)];
    memcpy(rules, blocked, sizeof rules);
    struct world *w = with(rules, true);
    for (int minute = 0; minute < 240; minute++) {
        world_submit(w, "s@sender.example", "r@a.example");
        world_pass(w, 60000);
    }
    unsigned tries = 0;
    for (unsigned i = 0; i < w->conn_count; i++)
        tries += w->conn[i]->is_out && w->conn[i]->address.port == 25;
    assert_in_range(tries, 10, 60); /* two hosts; back-off from 1 minute to 1 hour */
    assert_true(w->mail_count >= 239);
    assert_int_equal(mails_at(w, "10.0.0.9"), w->mail_count);
    w->rules = NULL;
    for (int minute = 0; minute < 90; minute++) {
        world_submit(w, "s@sender.example", "r@a.example");
        world_pass(w, 60000);
    }
    assert_int_equal(w->notes[NOTE_DIRECT_AGAIN], 1);
    unsigned at_smart = mails_at(w, "10.0.0.9");
    world_submit(w, "s@sender.example", "r@a.example");
    world_pass(w, 60000);
    assert_int_equal(w->mail_count, 331);
    assert_int_equal(mails_at(w, "10.0.0.9"), at_smart);
    world_down(w);
}

/* Trouble is what keeps us from a host; what a host says of a message is its answer. */
static void what_is_trouble(void **state)
{
    static const struct {
        const char *shown, *to;
        struct world_rule rule;
        bool is_trouble;
    } rows[] = {
        {"refused connections", "r@a.example", {NULL, "CONNECT", "refuse", 0}, true},
        {"our address is refused", "r@a.example", {NULL, "CONNECT", "554 5.7.1 no!", 0}, true},
        {"421 in the greeting", "r@a.example", {NULL, "CONNECT", "421 4.3.2 no!", 0}, true},
        {"no DNS", "r@timeout.example", {"9.9.9.9", "CONNECT", "", 0}, true},
        {"half a DNS", "r@halffail.example", {"9.9.9.9", "CONNECT", "", 0}, true},
        {"greylisting", "r@a.example", {NULL, "RCPT", "450 4.2.0 later", 0}, false},
        {"no such user", "r@a.example", {NULL, "RCPT", "550 5.1.1 no", 0}, false},
        {"no such domain", "r@none.example", {"9.9.9.9", "CONNECT", "", 0}, false},
        {"null MX", "r@null.example", {"9.9.9.9", "CONNECT", "", 0}, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world_rule rules[] = {{"10.0.0.9", "CONNECT", "220 smart", 0},
                                     {"10.0.0.9", "RCPT", "250 ok", 0},
                                     rows[i].rule,
                                     {0}};
        struct world *w = with(rules, true);
        world_submit(w, "", rows[i].to);
        world_pass(w, HOUR_MS);
        if (mails_at(w, "10.0.0.9") != rows[i].is_trouble)
            fail_msg("%s:\n%s", rows[i].shown, buf_cstr(&w->log));
        world_down(w);
    }
}

/* Of a route without hosts; others wait. A fallback takes no mail of its own accord. */
static void of_one_route(void **state)
{
    struct world_rule rules[COUNT_OF(blocked)];
    memcpy(rules, blocked, sizeof rules);
    struct world *w = with(rules, false);
    world_submit(w, "s@sender.example", "r@b.example q@a.example");
    world_pass(w, HOUR_MS);
    assert_int_equal(w->mail_count, 1);
    assert_string_equal(w->mail[0].to, "r@b.example ");
    assert_int_equal(world_stats(w).messages, 1);
    world_down(w);
    memcpy(rules, blocked, sizeof rules);
    w = with(rules, true); /* and one that goes no other way */
    world_submit(w, "", "r@sender.example");
    world_pass(w, HOUR_MS);
    assert_int_equal(w->mail_count, 0);
    world_down(w);
}

/* Two domains of one message meet at the fallback, where one of them is already on its way. */
static void both_at_once(void **state)
{
    struct world_rule rules[COUNT_OF(blocked)];
    memcpy(rules, blocked, sizeof rules);
    struct world *w = with(rules, true);
    world_submit(w, "s@sender.example", "r@a.example");
    world_pass(w, AFTER_MS + 2 * 60 * 1000);
    assert_int_equal(w->mail_count, 1);
    world_submit(w, "s@sender.example", "r@b.example q@a.example p@implicit.example");
    world_pass(w, 2 * HOUR_MS);
    unsigned recipients = 0;
    for (unsigned i = 1; i < w->mail_count; i++)
        for (const char *p = w->mail[i].to; (p = strchr(p, ' ')); p++)
            recipients++;
    assert_int_equal(recipients, 3);
    assert_int_equal(w->notes[NOTE_DELIVERED], 4);
    world_all_done(w);
    world_down(w);
}

/* Direct delivery is tried first again, and nothing is lost. */
static void a_crash_in_between(void **state)
{
    struct world_rule rules[COUNT_OF(blocked)];
    memcpy(rules, blocked, sizeof rules);
    struct world *w = with(rules, true);
    for (int i = 0; i < 10; i++)
        world_submit(w, "s@sender.example", "r@a.example");
    world_pass(w, AFTER_MS - 1000);
    world_crash(w);
    world_pass(w, AFTER_MS - 1000);
    assert_int_equal(w->mail_count, 0);
    world_pass(w, HOUR_MS);
    assert_int_equal(w->mail_count, 10);
    struct engine_options next = w->opt;
    next.has_fallback = false; /* and without one from now on */
    world_tell(w, (struct engine_event){.kind = EVENT_OPTIONS, .options = &next});
    world_submit(w, "s@sender.example", "r@a.example");
    world_pass(w, 2 * HOUR_MS);
    assert_int_equal(w->mail_count, 10);
    world_tell(w, (struct engine_event){.kind = EVENT_OPTIONS, .options = &w->opt});
    world_pass(w, 2 * HOUR_MS);
    assert_int_equal(w->mail_count, 11);
    world_down(w);
}

/* The fallback fails, too: by the schedule, and not in a circle. */
static void when_nothing_works(void **state)
{
    struct world_rule rules[] = {{NULL, "CONNECT", "refuse", 0}, {0}};
    struct world *w = with(rules, true);
    world_submit(w, "", "r@a.example");
    world_pass(w, 24 * HOUR_MS);
    unsigned tries = 0;
    for (unsigned i = 0; i < w->conn_count; i++)
        tries += w->conn[i]->is_out;
    assert_in_range(tries, 20, 60);
    w->rules = NULL;
    world_pass(w, 2 * HOUR_MS);
    assert_int_equal(w->notes[NOTE_DELIVERED], 1);
    world_down(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_a_time_and_then_at_once),
        cmocka_unit_test(back_to_direct),
        cmocka_unit_test(what_is_trouble),
        cmocka_unit_test(of_one_route),
        cmocka_unit_test(both_at_once),
        cmocka_unit_test(a_crash_in_between),
        cmocka_unit_test(when_nothing_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
