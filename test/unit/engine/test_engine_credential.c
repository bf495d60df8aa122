/* test_engine_credential.c -- what mail logs in with at a smarthost: which credential, what is
 * worked out for it, and what becomes of a refusal. */
#include "engine_world.h"

#include "engine/engine_view.h"

static struct slice one_sender[] = {SLICE_INIT("*@one.example")};
static struct slice one_login[] = {SLICE_INIT("app")};
static struct engine_user users[] = {{.name = SLICE_INIT("app")}};
static struct engine_host hosts[] = {{.name = SLICE_INIT("smart.example"), .port = 587}};
static struct engine_route routes[] = {{.hosts = hosts,
                                        .host_count = 1,
                                        .tls = DELIVERY_TLS_NONE,
                                        .user = SLICE_INIT("u"),
                                        .password = SLICE_INIT("p"),
                                        .name = SLICE_INIT("smart.example")}};
static struct engine_credential credentials[] = {
    {.senders = one_sender,
     .sender_count = 1,
     .logins = one_login,
     .login_count = 1,
     .user = SLICE_INIT("both"),
     .password = SLICE_INIT("p")},
    {.senders = one_sender,
     .sender_count = 1,
     .user = SLICE_INIT("one"),
     .password = SLICE_INIT("p")},
};

static struct world *world_with_login(void)
{
    struct world *w = world_new();
    w->opt.users = users;
    w->opt.user_count = COUNT_OF(users);
    w->opt.routes = routes;
    w->opt.route_count = 1;
    w->opt.credentials = credentials;
    w->opt.credential_count = COUNT_OF(credentials);
    world_start(w);
    return w;
}

static unsigned count_said(const struct world *w, const char *part)
{
    unsigned n = 0;
    for (unsigned i = 0; i < w->conn_count; i++)
        n += w->conn[i]->is_out && strstr(buf_cstr(&w->conn[i]->sent), part);
    return n;
}

static void a_sender_has_its_own(void **state)
{
    struct world *w = world_with_login();
    world_submit(w, "a@one.example", "r@a.example");
    world_submit(w, "a@two.example", "r@a.example");
    world_submit(w, "b@one.example", "r@b.example");
    world_submit(w, "b@two.example", "r@b.example");
    world_settle(w);
    assert_int_equal(w->mail_count, 4);
    assert_int_equal(count_said(w, "AUTH PLAIN AG9uZQBw\r\n"), 1); /* one */
    assert_int_equal(count_said(w, "AUTH PLAIN AHUAcA==\r\n"), 1); /* u */
    for (unsigned i = 0; i < w->conn_count; i++) {                 /* no connection is shared */
        const char *sent = buf_cstr(&w->conn[i]->sent);
        assert_false(w->conn[i]->is_out && strstr(sent, "@one.example>") &&
                     strstr(sent, "@two.example>"));
    }
    assert_int_equal(world_stats(w).destinations, 2);
    world_all_done(w);
    world_down(w);
}

static void what_is_explained(void **state)
{
    static const struct {
        const char *from, *user, *login;
    } rows[] = {
        {"a@one.example", "", "logging in as one\n"},
        {"a@one.example", "app", "logging in as both\n"},
        {"a@two.example", "app", "logging in as u\n"},
        {"", "", "logging in as u\n"},
    };
    struct world *w = world_with_login();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf out;
        buf_init(&out, 4096);
        const struct engine_case c = {.sender = slice_cstr(rows[i].from),
                                      .user = slice_cstr(rows[i].user),
                                      .recipient = SLICE("r@a.example"),
                                      .bytes = 1000};
        engine_explain_text(w->e, &c, w->now_ms, &out);
        if (!strstr(buf_cstr(&out), rows[i].login))
            fail_msg("%s: %s", rows[i].login, buf_cstr(&out));
        buf_close(&out);
    }
    world_down(w);
}

/* Many messages and a wrong password: one login at a time, and no more of them than tries. */
static void a_wrong_login_is_tried_once(void **state)
{
    struct world *w = world_with_login();
    w->rules = (struct world_rule[]){{NULL, "AUTH", "535 5.7.8 go away", 0}, {0}};
    for (int i = 0; i < 8; i++)
        world_submit(w, "a@two.example", "r@a.example");
    world_settle(w);
    assert_int_equal(count_said(w, "AUTH PLAIN"), 1);
    assert_int_equal(w->notes[NOTE_SMARTHOST_LOGIN_REFUSED], 1);
    assert_int_equal(w->notes[NOTE_BOUNCED], 0);
    world_log_has(w, "smarthost-login-refused");
    world_log_has(w, "login refused (PLAIN): 535 5.7.8 go away");
    struct buf out; /* and who asks is told */
    buf_init(&out, 4096);
    const struct engine_case c = {
        .sender = SLICE("a@two.example"), .recipient = SLICE("r@a.example"), .bytes = 1000};
    engine_explain_text(w->e, &c, w->now_ms, &out);
    assert_non_null(strstr(buf_cstr(&out), "login refused (PLAIN): 535 5.7.8 go away"));
    buf_close(&out);
    w->rules = NULL;
    world_pass(w, 3600000);
    assert_int_equal(w->notes[NOTE_DELIVERED], 8);
    world_all_done(w);
    world_down(w);
}

/* Until the first one is taken, others wait; then they may come side by side. */
static void a_login_is_tried_by_one_line_first(void **state)
{
    struct world *w = world_with_login();
    w->holds_remotes = true;
    for (int i = 0; i < 8; i++)
        world_submit(w, "a@two.example", "r@a.example");
    world_settle(w);
    assert_int_equal(world_open_out(w) + world_stats(w).destinations, 2);
    w->holds_remotes = false;
    world_settle(w);
    assert_int_equal(w->notes[NOTE_DELIVERED], 8);
    world_all_done(w);
    world_down(w);
}

static void what_is_worked_out(void **state)
{
    struct world *w = world_with_login();
    w->ehlo = "250-AUTH CRAM-MD5\r\n";
    w->rules = (struct world_rule[]){
        {NULL, "AUTH CRAM-MD5", "334 PGFAYj4=", 0}, {NULL, "dSA", "235 ok", 0}, {0}};
    world_submit(w, "a@two.example", "r@a.example");
    world_settle(w);
    assert_int_equal(w->sums, 1);
    assert_int_equal(w->sum.kind, SMTP_SASL_SUM_HMAC_MD5);
    uint64_t conn = 0;
    for (unsigned i = 0; i < w->conn_count; i++)
        if (w->conn[i]->is_out)
            conn = w->conn[i]->id;
    world_tell(w, (struct engine_event){
                      .kind = EVENT_SUM, .conn = conn, .bytes = SLICE("0123456789abcdef")});
    world_settle(w);
    /* base64 of "u 30313233..." */
    assert_int_equal(count_said(w, "\r\ndSAzMDMxMzIzMzM0MzUzNjM3MzgzOTYxNjI2MzY0NjU2Ng==\r\n"), 1);
    assert_int_equal(w->notes[NOTE_DELIVERED], 1);
    world_all_done(w);
    world_tell(w, (struct engine_event){.kind = EVENT_SUM, .conn = 4242}); /* a line that is gone */
    world_down(w);
}

/* The line dies while its sum is worked out: the job is tried again. */
static void a_line_that_dies_meanwhile(void **state)
{
    struct world *w = world_with_login();
    w->ehlo = "250-AUTH SCRAM-SHA-256\r\n";
    world_submit(w, "a@two.example", "r@a.example");
    world_settle(w);
    assert_int_equal(w->sum.kind, SMTP_SASL_SUM_NONCE);
    for (unsigned i = 0; i < w->conn_count; i++)
        if (w->conn[i]->is_out && w->conn[i]->is_open)
            world_closed(w, w->conn[i], ERR_CLOSED, "gone");
    world_settle(w);
    assert_int_equal(w->notes[NOTE_DEFERRED], 1);
    w->ehlo = NULL;
    world_pass(w, 3600000);
    assert_int_equal(w->notes[NOTE_DELIVERED], 1);
    world_all_done(w);
    world_down(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sender_has_its_own),
        cmocka_unit_test(what_is_explained),
        cmocka_unit_test(a_wrong_login_is_tried_once),
        cmocka_unit_test(a_login_is_tried_by_one_line_first),
        cmocka_unit_test(what_is_worked_out),
        cmocka_unit_test(a_line_that_dies_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
