/* test_engine_guard.c -- guessing passwords: answered late, counted by address and by user. */
#include "engine_world.h"

#include "../../../src/engine/guard.h"

static struct engine_user user = {.name = SLICE_INIT("app")};

static struct world *world_of(void)
{
    struct world *w = world_new();
    w->opt.users = &user;
    w->opt.user_count = 1;
    w->opt.login_failures_max = 3;
    world_start(w);
    return w;
}

/* A client from there that has asked to log in. */
static struct world_conn *asking(struct world *w, const char *ip)
{
    static const struct engine_tls tls = {.version = SLICE_INIT("TLSv1.2"),
                                          .cipher = SLICE_INIT("X")};
    struct world_conn *c = world_client_of(w, ip, 0);
    world_say(w, c, "EHLO x\r\nSTARTTLS\r\n");
    world_tell(w, (struct engine_event){.kind = EVENT_TLS_UP, .conn = c->id, .tls = &tls});
    world_say(w, c, "EHLO x\r\n");
    (void)world_heard(c);
    world_say(w, c, "AUTH PLAIN AGFwcABzZWNyZXQ=\r\n");
    return c;
}

static void answer(struct world *w, struct world_conn *c, enum engine_login login)
{
    world_tell(w, (struct engine_event){.kind = EVENT_LOGIN, .conn = c->id, .login = login});
}

static void fails(struct world *w, const char *ip, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        struct world_conn *c = asking(w, ip);
        answer(w, c, LOGIN_WRONG);
        world_expect(c, "535 5.7.8");
        world_say(w, c, "QUIT\r\n");
    }
}

/* What is heard without the app being asked; "": it was asked. */
static void expect(struct world *w, const char *ip, const char *wanted)
{
    unsigned before = w->logins;
    struct world_conn *c = asking(w, ip);
    assert_int_equal(w->logins - before, !*wanted);
    if (*wanted)
        world_expect(c, wanted);
    else
        answer(w, c, LOGIN_TROUBLE);
}

static void a_wrong_password_is_answered_late(void **state)
{
    struct world *w = world_of();
    w->opt.login_delay_ms = 1000;
    struct world_conn *c = asking(w, "9.9.9.9");
    world_pass(w, 300);
    answer(w, c, LOGIN_WRONG);
    assert_int_equal(w->notes[NOTE_LOGIN_FAILED], 1); /* at once: fail2ban reads it */
    world_bytes(w, c->id, "NOOP\r\n");
    world_pass(w, 690);
    assert_string_equal(world_heard(c), "");
    world_pass(w, 20);
    world_expect(c, "535 5.7.8");
    world_say(w, c, "NOOP\r\n");
    world_expect(c, "250 ");

    c = asking(w, "9.9.9.9"); /* its hash alone took longer */
    world_pass(w, 2000);
    answer(w, c, LOGIN_WRONG);
    world_expect(c, "535 5.7.8");
    c = asking(w, "9.9.9.9"); /* a right one is not late */
    answer(w, c, LOGIN_OK);
    world_expect(c, "235 ");
    c = asking(w, "9.9.9.9"); /* gone before */
    answer(w, c, LOGIN_WRONG);
    world_closed(w, c, ERR_CLOSED, "gone");
    world_pass(w, 5000);
    world_down(w);
}

static void an_address_is_sent_away_for_a_while(void **state)
{
    struct world *w = world_of();
    fails(w, "9.9.9.9", 3);
    expect(w, "9.9.9.9",
           "421 4.7.0 too many failed logins from your address, try again in 10 minutes");
    expect(w, "::ffff:9.9.9.9", "421 4.7.0");
    expect(w, "9.9.9.8", "");
    assert_int_equal(w->notes[NOTE_LOGIN_BLOCKED], 2);
    assert_int_equal(w->limits[NOTE_LIMIT_LOGIN_FAILURES], 2);
    world_pass(w, 10 * 60 * 1000);
    expect(w, "9.9.9.9", "");
    fails(w, "9.9.9.9", 2); /* counted anew */
    expect(w, "9.9.9.9", "");
    world_down(w);
}

static void a_v6_client_is_its_64(void **state)
{
    struct world *w = world_of();
    fails(w, "2001:db8:0:1::1", 2);
    fails(w, "2001:db8:0:1:ffff::2", 1);
    expect(w, "2001:db8:0:1::3", "421 4.7.0");
    expect(w, "2001:db8:0:2::1", "");
    world_down(w);
}

/* Behind a trusted one may stand many: a proxy, a webmail. */
static void a_trusted_address_goes_on(void **state)
{
    struct world *w = world_of();
    fails(w, "127.0.0.1", 4);
    expect(w, "127.0.0.1", "");
    world_down(w);
}

static void a_user_is_counted_from_everywhere(void **state)
{
    struct world *w = world_of();
    struct world_conn *c = asking(w, "7.7.7.7"); /* his own address */
    answer(w, c, LOGIN_OK);
    char ip[32];
    for (int i = 0; i < 15; i++) {
        snprintf(ip, sizeof ip, "9.9.%d.9", i);
        fails(w, ip, 1);
    }
    expect(w, "9.9.100.9", "454 4.7.0 too many failed logins of this user");
    expect(w, "7.7.7.7", "");
    world_pass(w, 10 * 60 * 1000);
    expect(w, "9.9.100.9", "");
    world_down(w);
}

/* More addresses than the table holds: the oldest is forgotten, nothing grows. */
static void the_table_is_bounded(void **state)
{
    struct engine_options o;
    engine_options_default(&o);
    o.login_failures_max = 1;
    struct engine *e = engine_new(&o, 7);
    struct ip ip = {.family = IP_V4};
    int64_t wait_ms;
    for (unsigned i = 0; i < 3 * GUARD_ENTRIES_MAX; i++) {
        memcpy(ip.b, &i, 4);
        guard_wrong(e, &ip, SLICE("app"));
        assert_true(e->guards.count <= GUARD_ENTRIES_MAX);
    }
    assert_int_equal(e->guards.count, GUARD_ENTRIES_MAX);
    assert_int_equal(guard_ask(e, &ip, false, SLICE("other"), &wait_ms), GUARD_ADDRESS);
    assert_int_equal(guard_ask(e, &ip, true, SLICE("app"), &wait_ms), GUARD_USER);
    memset(ip.b, 0, 4);
    assert_int_equal(guard_ask(e, &ip, false, SLICE("other"), &wait_ms), GUARD_FREE);
    char longest[300];
    memset(longest, 'x', sizeof longest);
    guard_right(e, &ip, slice_of(longest, sizeof longest)); /* cut, not overrun */
    engine_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_password_is_answered_late),
        cmocka_unit_test(an_address_is_sent_away_for_a_while),
        cmocka_unit_test(a_v6_client_is_its_64),
        cmocka_unit_test(a_trusted_address_goes_on),
        cmocka_unit_test(a_user_is_counted_from_everywhere),
        cmocka_unit_test(the_table_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
