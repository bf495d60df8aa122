/* test_engine_turns.c -- senders take turns at a destination, and destinations at connections. */
#include "engine_world.h"

#include "engine/engine_view.h"

enum { BULK = 40 };

static struct engine_user users[] = {{.name = SLICE_INIT("app"), .priority = 9}};

/* The first one waits for the remote's answer, and all others in line. */
static struct world *behind_one(void)
{
    struct world *w = world_new();
    w->opt.limits.connections = 1;
    w->opt.users = users;
    w->opt.user_count = COUNT_OF(users);
    world_start(w);
    w->holds_remotes = true;
    for (int i = 0; i < BULK; i++)
        world_submit(w, "news@bulk.example", "r@a.example");
    world_settle(w);
    return w;
}

static void go(struct world *w)
{
    w->holds_remotes = false;
    world_pass(w, 60000);
    world_all_done(w);
}

/* How many went before the n-th of this sender. */
static unsigned before(const struct world *w, const char *from, unsigned n)
{
    for (unsigned i = 0; i < w->mail_count; i++)
        if (strstr(w->mail[i].from, from) && n-- == 0)
            return i;
    fail_msg("<%s> did not come", from);
    return 0;
}

static uint64_t submit_as_app(struct world *w)
{
    static const struct engine_tls tls = {.version = SLICE_INIT("TLSv1.2"),
                                          .cipher = SLICE_INIT("X")};
    struct world_conn *c = world_client_of(w, "9.9.9.9", 0);
    world_say(w, c, "EHLO x\r\nSTARTTLS\r\n");
    world_tell(w, (struct engine_event){.kind = EVENT_TLS_UP, .conn = c->id, .tls = &tls});
    world_say(w, c, "EHLO x\r\nAUTH PLAIN AGFwcABzZWNyZXQ=\r\n");
    world_tell(w, (struct engine_event){.kind = EVENT_LOGIN, .conn = c->id, .login = LOGIN_OK});
    world_say(w, c, "MAIL FROM:<app@bulk.example>\r\nRCPT TO:<r@a.example>\r\nDATA\r\n");
    world_say(w, c, "Subject: x\r\n\r\nhello\r\n.\r\n");
    while (w->append_count)
        world_appended(w, 0, ERR_OK);
    uint64_t msg = 0;
    const char *id = strstr(world_heard(c), "queued as ");
    assert_non_null(id);
    assert_true(msgid_parse(slice_of(id + 10, MSGID_CHARS), &msg));
    world_say(w, c, "QUIT\r\n");
    return msg;
}

static void one_behind_a_bulk(void **state)
{
    struct world *w = behind_one();
    world_submit(w, "reset@shop.example", "r@a.example");
    world_submit(w, "reset@SHOP.example", "r@a.example");
    go(w);
    assert_in_range(before(w, "@shop", 0), 1, 2);
    assert_in_range(before(w, "@shop", 1), 2, 4);
    world_down(w);
}

/* A login is somebody else than its sender's domain, and its priority weighs its turns. */
static void a_users_priority(void **state)
{
    struct world *w = behind_one();
    uint64_t msg = 0;
    for (int i = 0; i < 8; i++)
        msg = submit_as_app(w);
    struct buf out;
    buf_init(&out, 1 << 16);
    assert_true(engine_message_text(w->e, msg, w->now_ms, &out));
    assert_non_null(strstr(buf_cstr(&out), "logged in as app, priority 9\n"));
    buf_clear(&out);
    assert_true(engine_message_json(w->e, msg, w->now_ms, &out));
    assert_non_null(strstr(buf_cstr(&out), "\"priority\":9"));
    buf_close(&out);
    go(w);
    assert_in_range(before(w, "app@", 7), 8, 9);
    world_down(w);
}

/* The operator's wish goes before any turn. */
static void a_retry_goes_first(void **state)
{
    struct world *w = behind_one();
    world_submit(w, "a@one.example", "r@a.example");
    uint64_t msg = world_submit(w, "b@one.example", "r@a.example");
    world_operator(w, OPERATOR_RETRY, msg, "");
    go(w);
    assert_int_equal(before(w, "b@one", 0), 1);
    world_down(w);
}

/* With one connection for all, a destination with much does not keep it. */
static void destinations_take_turns(void **state)
{
    struct world *w = world_new();
    w->opt.out_connections_max = 1;
    world_start(w);
    w->holds_remotes = true;
    for (int i = 0; i < 60; i++)
        world_submit(w, "news@bulk.example", "r@a.example");
    world_submit(w, "reset@shop.example", "r@b.example");
    go(w);
    assert_in_range(before(w, "reset@", 0), 1, 20);
    assert_int_equal(w->mail_count, 61);
    world_down(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_behind_a_bulk),
        cmocka_unit_test(a_users_priority),
        cmocka_unit_test(a_retry_goes_first),
        cmocka_unit_test(destinations_take_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
