/* test_engine_login.c -- what a login may send: size, recipients, From, rates, quota, route. */
#include "engine_world.h"

static struct slice senders[] = {SLICE_INIT("*@sender.example")};
static struct slice recipients[] = {SLICE_INIT("*@a.example"), SLICE_INIT("*@b.example")};

/* A world whose user "app" is as given, and a client that is logged in. */
static struct world *world_of(struct engine_user *user)
{
    struct world *w = world_new();
    user->name = SLICE("app");
    w->opt.users = user;
    w->opt.user_count = 1;
    world_start(w);
    return w;
}

static struct world_conn *logged_in(struct world *w)
{
    static const struct engine_tls tls = {.version = SLICE_INIT("TLSv1.2"),
                                          .cipher = SLICE_INIT("X")};
    struct world_conn *c = world_client_of(w, "9.9.9.9", 0);
    world_say(w, c, "EHLO x\r\nSTARTTLS\r\n");
    world_tell(w, (struct engine_event){.kind = EVENT_TLS_UP, .conn = c->id, .tls = &tls});
    world_say(w, c, "EHLO x\r\nAUTH PLAIN AGFwcABzZWNyZXQ=\r\n");
    world_tell(w, (struct engine_event){.kind = EVENT_LOGIN, .conn = c->id, .login = LOGIN_OK});
    world_expect(c, "235 ");
    return c;
}

/* One message; *reply is what the dot or a refusal before it got. */
static void send(struct world *w, struct world_conn *c, const char *header, const char *wanted)
{
    char text[2000];
    (void)world_heard(c);
    snprintf(
        text, sizeof text,
        "MAIL FROM:<x@sender.example>\r\nRCPT TO:<r@a.example>\r\nDATA\r\n%s\r\n\r\nx\r\n.\r\n",
        header);
    world_say(w, c, text);
    while (w->append_count)
        world_appended(w, 0, ERR_OK);
    world_expect(c, wanted);
    world_say(w, c, "RSET\r\n");
    (void)world_heard(c);
}

static void from_is_judged(void **state)
{
    static const struct {
        const char *header, *reply;
    } rows[] = {
        {"From: x@sender.example", "250 2.0.0"},
        {"Subject: no From at all", "250 2.0.0"},
        {"From: X <X@SENDER.example>, y@sender.example", "250 2.0.0"},
        {"From: boss@other.example", "550 5.7.1 this login may not send as <boss@other.example>"},
        {"From: x@sender.example, boss@other.example", "550 5.7.1"},
        {"From: \"x@sender.example\" <boss@other.example>", "550 5.7.1"},
        {"From: boss@other.example (x@sender.example)", "550 5.7.1"},
        {"fRoM :\r\n boss@other.example", "550 5.7.1"},
        {"From: x@sender.example\r\nFrom: boss@other.example", "550 5.7.1 the message has more"},
        {"Subject: x\r\nno field\r\nFrom: boss@other.example", "550 5.7.1 a line of the header"},
        {"From: x@sender.example\r\nno field\r\nFrom: boss@other.example", "550 5.7.1"},
        {"no field at all\r\nFrom: boss@other.example",
         "250 2.0.0"}, /* our empty line is above it */
        {"From: x@sender.example boss@other.example", "550 5.7.1 the From field cannot be read"},
    };
    struct engine_user user = {.senders = senders, .sender_count = 1};
    struct world *w = world_of(&user);
    struct world_conn *c = logged_in(w);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        send(w, c, rows[i].header, rows[i].reply);

    char far[700] = "From: x@sender.example (";
    memset(far + strlen(far), 'x', 600);
    send(w, c, far, "550 5.7.1 the From field is too long");
    world_down(w);
}

static void without_patterns_anyone_may_be_named(void **state)
{
    struct engine_user user = {0};
    struct world *w = world_of(&user);
    send(w, logged_in(w), "From: boss@other.example\r\nFrom: b", "250 2.0.0");
    world_down(w);
}

static void recipients_and_size(void **state)
{
    struct engine_user user = {
        .recipients = recipients, .recipient_count = 2, .message_bytes_max = 100};
    struct world *w = world_of(&user);
    struct world_conn *c = logged_in(w);
    world_say(w, c, "MAIL FROM:<x@y.example> SIZE=101\r\n");
    world_expect(c, "552 5.3.4");
    world_say(w, c, "MAIL FROM:<x@y.example> SIZE=100\r\nRCPT TO:<r@a.example>\r\n");
    world_expect_not(c, "552");
    world_say(w, c, "RCPT TO:<r@other.example>\r\n");
    world_expect(c, "550 5.7.1 this login may not send to that address");
    world_say(w, c, "RSET\r\n");
    send(w, c, "x: y", "250 2.0.0");
    send(w, c,
         "x: 34567890123456789012345678901234567890123456789012345678901234567890123456789012"
         "345678901234567890",
         "552 5.3.4");
    assert_int_equal(w->limits[NOTE_LIMIT_USER_SIZE], 2);
    world_down(w);
}

static void a_rate_is_told_at_mail(void **state)
{
    struct engine_user user = {.quota.messages = {3, 3600000}};
    struct world *w = world_of(&user);
    struct world_conn *c = logged_in(w);
    for (int i = 0; i < 3; i++)
        send(w, c, "x: y", "250 2.0.0");
    world_say(w, c, "MAIL FROM:<x@y.example>\r\n");
    world_expect(c, "450 4.7.1 this login sends too many messages, try again in 20 minutes");
    assert_int_equal(w->limits[NOTE_LIMIT_USER_MESSAGES], 1);
    world_pass(w, 20 * 60 * 1000);
    send(w, logged_in(w), "x: y", "250 2.0.0");
    world_down(w);
}

/* Two sessions that both began when there was room for one: the second hears it at the dot. */
static void sessions_do_not_share_an_allowance(void **state)
{
    struct engine_user user = {.quota.daily = 1};
    struct world *w = world_of(&user);
    struct world_conn *a = logged_in(w), *b = logged_in(w);
    static const char begin[] =
        "MAIL FROM:<x@y.example>\r\nRCPT TO:<r@a.example>\r\nDATA\r\nx: y\r\n";
    world_say(w, a, begin);
    world_say(w, b, begin);
    world_say(w, a, "\r\n.\r\n");
    world_say(w, b, "\r\n.\r\n");
    world_expect(b, "450 4.7.1 this login's daily quota of recipients is used up");
    /* The first could not be stored: nothing was used. */
    world_appended(w, 0, ERR_SYSTEM);
    world_expect(a, "452 ");
    send(w, b, "x: y", "250 2.0.0");
    send(w, b, "x: y", "450 4.7.1");
    assert_int_equal(w->limits[NOTE_LIMIT_USER_QUOTA], 2);
    assert_int_equal(w->limits[NOTE_LIMIT_QUEUE_SIZE], 0);
    world_down(w);
}

static void a_recipient_too_many(void **state)
{
    struct engine_user user = {.quota.recipients = {2, 3600000}};
    struct world *w = world_of(&user);
    struct world_conn *c = logged_in(w);
    world_say(w, c,
              "MAIL FROM:<x@y.example>\r\nRCPT TO:<1@a.example>\r\nRCPT TO:<2@a.example>\r\n");
    world_expect_not(c, "450");
    world_say(w, c, "RCPT TO:<3@a.example>\r\n");
    world_expect(c, "450 4.7.1 this login sends to too many recipients");
    assert_int_equal(w->limits[NOTE_LIMIT_USER_RECIPIENTS], 1);
    world_down(w);
}

static void counters_survive_a_restart(void **state)
{
    struct engine_user user = {.quota = {.messages = {1, 3600000}, .daily = 100}};
    struct world *w = world_of(&user);
    struct buf saved;
    buf_init(&saved, 10000);
    send(w, logged_in(w), "x: y", "250 2.0.0");
    engine_usage(w->e, &saved);
    world_down(w);

    w = world_of(&user);
    world_tell(w, (struct engine_event){.kind = EVENT_USAGE, .text = buf_slice(&saved)});
    send(w, logged_in(w), "x: y", "450 4.7.1");
    struct buf again;
    buf_init(&again, 10000);
    engine_usage(w->e, &again);
    assert_true(slice_eq(buf_slice(&saved), buf_slice(&again)));
    world_down(w);

    /* What is no such file, or tells of others, counts for nothing. */
    static const char *const bad[] = {"",
                                      "outpost-usage 2\n1 2 3 4 app\n",
                                      "outpost-usage 1\n1 2 3 app\n",
                                      "outpost-usage 1\n1 2 3 99999999999999999999 app\n",
                                      "outpost-usage 1\n1 2 3 4 other\n",
                                      "outpost-usage 1",
                                      "outpost-usage 1\n\n \n1\n"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        w = world_of(&user);
        world_tell(w, (struct engine_event){.kind = EVENT_USAGE, .text = slice_cstr(bad[i])});
        buf_clear(&again);
        engine_usage(w->e, &again);
        assert_string_equal(buf_cstr(&again), "outpost-usage 1\n");
        world_down(w);
    }
    buf_close(&saved);
    buf_close(&again);
}

/* All of the user's mail goes to the route it names, everybody else's to the first that matches. */
static void a_user_has_its_route(void **state)
{
    static struct engine_host first = {.name = SLICE_INIT("10.0.0.1"), .port = 25},
                              second = {.name = SLICE_INIT("10.0.0.2"), .port = 25};
    static struct engine_route routes[] = {
        {.name = SLICE_INIT("all"), .hosts = &first, .host_count = 1},
        {.name = SLICE_INIT("bulk"), .hosts = &second, .host_count = 1}};
    struct engine_user user = {.has_route = true, .route = 1};
    struct world *w = world_new();
    user.name = SLICE("app");
    w->opt.users = &user;
    w->opt.user_count = 1;
    w->opt.routes = routes;
    w->opt.route_count = 2;
    world_start(w);
    send(w, logged_in(w), "x: y", "250 2.0.0");
    world_submit(w, "s@sender.example", "r@a.example");
    world_settle(w);
    assert_int_equal(w->mail_count, 2);
    assert_string_equal(w->mail[0].ip, "10.0.0.2");
    assert_string_equal(w->mail[1].ip, "10.0.0.1");
    world_down(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_is_judged),
        cmocka_unit_test(without_patterns_anyone_may_be_named),
        cmocka_unit_test(recipients_and_size),
        cmocka_unit_test(a_rate_is_told_at_mail),
        cmocka_unit_test(sessions_do_not_share_an_allowance),
        cmocka_unit_test(a_recipient_too_many),
        cmocka_unit_test(counters_survive_a_restart),
        cmocka_unit_test(a_user_has_its_route),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
