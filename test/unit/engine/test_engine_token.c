/* Access tokens: when one is asked for, what waits for it, and what a refusal means. */
#include "engine_world.h"

enum { SECOND_MS = 1000, MINUTE_MS = 60 * SECOND_MS, HOUR_MS = 60 * MINUTE_MS };

static struct engine_host smart_hosts[] = {{.name = SLICE_INIT("smart.example"), .port = 587}};
static struct engine_route token_routes[] = {{.hosts = smart_hosts,
                                              .host_count = 1,
                                              .tls = DELIVERY_TLS_NONE,
                                              .user = SLICE_INIT("u"),
                                              .account = SLICE_INIT("office"),
                                              .name = SLICE_INIT("smart.example")}};

static struct world *up(void)
{
    struct world *w = world_new();
    w->ehlo = "250-AUTH XOAUTH2\r\n";
    w->opt.routes = token_routes;
    w->opt.route_count = 1;
    world_start(w);
    assert_int_equal(w->tokens_asked, 1); /* at the start, before any mail */
    assert_string_equal(w->token_account, "office");
    return w;
}

static void give(struct world *w, const char *token, int64_t life_ms)
{
    const struct engine_token t = {
        .account = SLICE("office"), .token = slice_cstr(token), .until_ms = w->now_ms + life_ms};
    world_tell(w, (struct engine_event){.kind = EVENT_TOKEN, .token = &t});
    world_settle(w);
}

static void give_none(struct world *w, bool needs_login)
{
    const struct engine_token t = {.account = SLICE("office"),
                                   .why = needs_login ? SLICE("the server says invalid_grant")
                                                      : SLICE("no answer in time"),
                                   .needs_login = needs_login};
    world_tell(w, (struct engine_event){.kind = EVENT_TOKEN, .token = &t});
    world_settle(w);
}

static struct engine_token_view look(const struct world *w)
{
    struct engine_token_view v;
    size_t at = 0;
    assert_true(engine_token_next(w->e, &at, &v));
    assert_false(engine_token_next(w->e, &at, &(struct engine_token_view){0}));
    return v;
}

/* The nth outgoing connection has said this. */
static bool was_said(const struct world *w, const char *text)
{
    for (unsigned i = 0; i < w->conn_count; i++)
        if (w->conn[i]->is_out && strstr(buf_cstr(&w->conn[i]->sent), text))
            return true;
    return false;
}

static void mail_waits_for_its_token(void **state)
{
    (void)state;
    struct world *w = up();
    world_submit(w, "s@sender.example", "r@a.example");
    world_settle(w);
    assert_int_equal(world_out(w), 0);
    assert_int_equal(w->lookups, 0);
    give(w, "abc", HOUR_MS);
    assert_int_equal(w->mail_count, 1);
    /* "user=u\1auth=Bearer abc\1\1" */
    assert_true(was_said(w, "AUTH XOAUTH2 dXNlcj11AWF1dGg9QmVhcmVyIGFiYwEB\r\n"));
    assert_int_equal(w->notes[NOTE_TOKEN], 1);
    assert_null(strstr(buf_cstr(&w->log), "abc")); /* never in the log */
    world_pass(w, MINUTE_MS);
    world_all_done(w);
    world_down(w);
}

static void it_is_fetched_anew_before_its_end(void **state)
{
    (void)state;
    struct world *w = up();
    give(w, "abc", HOUR_MS);
    world_pass(w, 52 * MINUTE_MS);
    assert_int_equal(w->tokens_asked, 1);
    world_pass(w, 3 * MINUTE_MS + SECOND_MS);
    assert_int_equal(w->tokens_asked, 2);
    world_pass(w, 2 * MINUTE_MS);
    assert_int_equal(w->tokens_asked, 2); /* one at a time */
    world_submit(w, "s@sender.example", "r@a.example");
    world_settle(w);
    assert_int_equal(w->mail_count, 1); /* the old one is good to its end */
    give(w, "def", MINUTE_MS);          /* a short one */
    world_pass(w, 40 * SECOND_MS);
    assert_int_equal(w->tokens_asked, 2);
    world_pass(w, 10 * SECOND_MS);
    assert_int_equal(w->tokens_asked, 3);
    world_down(w);
}

static void a_failure_waits_longer_and_longer(void **state)
{
    (void)state;
    struct world *w = up();
    w->opt.warn_after_ms = 0;
    world_submit(w, "s@sender.example", "r@a.example");
    int64_t before_ms = 0;
    for (unsigned i = 1; i <= 16; i++) {
        give_none(w, false);
        struct engine_token_view v = look(w);
        int64_t wait_ms = v.next_ms - w->now_ms;
        assert_int_equal(v.failure_count, i);
        assert_true(wait_ms >= 8 * SECOND_MS && wait_ms <= 72 * MINUTE_MS);
        assert_true(i > 8 || wait_ms > before_ms);
        before_ms = wait_ms;
        world_pass(w, wait_ms);
        assert_int_equal(w->tokens_asked, i + 1);
    }
    assert_true(before_ms > 40 * MINUTE_MS);
    assert_int_equal(w->notes[NOTE_TOKEN_FAILED], 1);
    assert_int_equal(world_out(w), 0);
    assert_int_equal(world_stats(w).destinations_in_trouble, 1);
    struct buf b;
    buf_init(&b, 10000);
    engine_destinations_text(w->e, 10, w->now_ms, &b);
    assert_non_null(strstr(buf_cstr(&b), "no access token for account office: no answer in time"));
    buf_close(&b);
    give(w, "abc", HOUR_MS);
    assert_int_equal(w->mail_count, 1);
    assert_int_equal(world_stats(w).destinations_in_trouble, 0);
    assert_false(look(w).trouble.n);
    world_down(w);
}

static void a_lost_grant_is_said_and_a_login_repairs_it(void **state)
{
    (void)state;
    struct world *w = up();
    world_submit(w, "s@sender.example", "r@a.example");
    give_none(w, false);
    world_pass(w, 20 * SECOND_MS);
    give_none(w, true);
    assert_true(look(w).needs_login);
    assert_int_equal(w->notes[NOTE_TOKEN_FAILED], 2); /* it is another trouble now */
    world_log_has(w, "invalid_grant");
    unsigned asked = w->tokens_asked;
    world_pass(w, 40 * MINUTE_MS);
    assert_int_equal(w->tokens_asked, asked);
    world_tell(w, (struct engine_event){.kind = EVENT_ENROLLED, .text = SLICE("nobody")});
    assert_int_equal(w->tokens_asked, asked);
    world_tell(w, (struct engine_event){.kind = EVENT_ENROLLED, .text = SLICE("office")});
    assert_int_equal(w->tokens_asked, asked + 1);
    give(w, "abc", HOUR_MS);
    assert_int_equal(w->mail_count, 1);
    assert_false(look(w).needs_login);
    world_down(w);
}

static void a_refused_token_is_fetched_anew_once(void **state)
{
    (void)state;
    struct world *w = up();
    struct world_rule rules[] = {{NULL, "AUTH", "535 5.7.8 bad token", 1}, {0}};
    w->rules = rules;
    world_submit(w, "s@sender.example", "r@a.example");
    give(w, "abc", HOUR_MS);
    assert_int_equal(w->tokens_asked, 2); /* at once */
    assert_int_equal(w->notes[NOTE_DEFERRED], 0);
    assert_int_equal(w->notes[NOTE_TOKEN_FAILED], 0);
    assert_int_equal(w->mail_count, 0);
    give(w, "def", HOUR_MS);
    assert_int_equal(w->mail_count, 1);
    world_pass(w, MINUTE_MS);
    world_all_done(w);
    world_down(w);
}

static void one_that_is_refused_again_waits(void **state)
{
    (void)state;
    struct world *w = up();
    struct world_rule rules[] = {
        {NULL, "AUTH", "535 5.7.139 SmtpClientAuthentication is disabled", 0}, {0}};
    w->rules = rules;
    world_submit(w, "s@sender.example", "r@a.example");
    give(w, "abc", HOUR_MS);
    give(w, "abc", HOUR_MS); /* the server keeps what it gave */
    assert_int_equal(w->tokens_asked, 2);
    assert_int_equal(w->notes[NOTE_TOKEN_FAILED], 1);
    assert_int_equal(w->notes[NOTE_DEFERRED], 1); /* now it was an attempt */
    world_log_has(w, "SmtpClientAuthentication is disabled");
    int64_t first_ms = look(w).next_ms - w->now_ms;
    world_pass(w, first_ms);
    assert_int_equal(w->tokens_asked, 3);
    give(w, "def", HOUR_MS);
    world_pass(w, 2 * MINUTE_MS); /* the job's own wait */
    assert_true(look(w).trouble.n > 0);
    assert_true(look(w).next_ms - w->now_ms > 0);
    rules[0].reply = "235 ok";
    for (int i = 0; i < 10 && !w->mail_count; i++) {
        world_pass(w, 5 * MINUTE_MS);
        give(w, "ghi", HOUR_MS);
    }
    assert_int_equal(w->mail_count, 1);
    assert_false(look(w).trouble.n);
    world_down(w);
}

/* Of a server that is down, or that refuses for another reason, nothing follows for the token. */
static void other_failures_are_not_the_tokens(void **state)
{
    (void)state;
    struct world *w = up();
    struct world_rule rules[] = {
        {NULL, "CONNECT", "refuse", 1}, {NULL, "AUTH", "454 4.7.0 try again later", 1}, {0}};
    w->rules = rules;
    give(w, "abc", 4 * HOUR_MS);
    world_submit(w, "s@sender.example", "r@a.example");
    world_pass(w, HOUR_MS);
    assert_int_equal(w->mail_count, 1);
    assert_int_equal(w->tokens_asked, 1);
    assert_int_equal(w->notes[NOTE_DEFERRED], 2);
    world_down(w);
}

static void mail_expires_all_the_same(void **state)
{
    (void)state;
    struct world *w = up();
    w->opt.lifetime_ms = 6 * HOUR_MS;
    w->opt.warn_after_ms = 0;
    give_none(w, true);
    world_submit(w, "s@sender.example", "r@a.example");
    world_pass(w, 5 * HOUR_MS);
    assert_int_equal(w->notes[NOTE_EXPIRED], 0);
    world_pass(w, 2 * HOUR_MS);
    assert_int_equal(w->notes[NOTE_EXPIRED], 1);
    world_down(w);
}

static void a_reload_keeps_and_drops(void **state)
{
    (void)state;
    struct world *w = up();
    struct engine_route mx[] = {{.name = SLICE("mx")}};
    struct engine_options other = w->opt;
    give(w, "abc", HOUR_MS);
    world_tell(w, (struct engine_event){.kind = EVENT_OPTIONS, .options = &w->opt});
    assert_int_equal(w->tokens_asked, 1); /* it is kept */
    assert_true(look(w).has_token);
    world_tell(w, (struct engine_event){.kind = EVENT_ENROLLED, .text = SLICE("office")});
    give_none(w, false);
    world_tell(w, (struct engine_event){.kind = EVENT_OPTIONS, .options = &w->opt});
    assert_int_equal(w->tokens_asked, 3); /* the trouble may be repaired */
    give(w, "abc", HOUR_MS);
    other.routes = mx;
    world_submit(w, "s@sender.example", "r@a.example");
    world_settle(w);
    assert_int_equal(w->mail_count, 1);
    world_tell(w, (struct engine_event){.kind = EVENT_OPTIONS, .options = &other});
    size_t at = 0;
    assert_false(engine_token_next(w->e, &at, &(struct engine_token_view){0}));
    world_pass(w, MINUTE_MS);
    world_tell(w, (struct engine_event){.kind = EVENT_OPTIONS, .options = &w->opt});
    assert_int_equal(w->tokens_asked, 4);
    world_tell(w, (struct engine_event){.kind = EVENT_OPTIONS, .options = &other});
    give(w, "too late", HOUR_MS);
    at = 0;
    assert_false(engine_token_next(w->e, &at, &(struct engine_token_view){0}));
    world_down(w);
}

/* In flight while the reload came, refused afterwards: it takes its new way. */
static void a_job_of_a_dropped_account_goes_on(void **state)
{
    (void)state;
    struct world *w = up();
    struct engine_route mx[] = {{.name = SLICE("mx")}};
    struct engine_options other = w->opt;
    struct world_rule rules[] = {{NULL, "AUTH", "535 5.7.8 bad token", 1}, {0}};
    other.routes = mx;
    w->rules = rules;
    w->holds_remotes = true;
    give(w, "abc", HOUR_MS);
    world_submit(w, "s@sender.example", "r@a.example");
    world_settle(w);
    assert_int_equal(world_out(w), 1);
    world_tell(w, (struct engine_event){.kind = EVENT_OPTIONS, .options = &other});
    w->holds_remotes = false;
    world_pass(w, MINUTE_MS);
    assert_int_equal(w->mail_count, 1);
    assert_string_equal(w->mail[0].ip, "9.1.0.1");
    world_down(w);
}

static void a_server_without_the_mechanism(void **state)
{
    (void)state;
    struct world *w = up();
    w->ehlo = NULL;
    give(w, "abc", HOUR_MS);
    world_submit(w, "s@sender.example", "r@a.example");
    world_settle(w);
    assert_int_equal(w->mail_count, 0);
    world_log_has(w, "XOAUTH2");
    assert_false(was_said(w, "AUTH PLAIN"));
    world_down(w);
}

static void nothing_is_fetched_at_the_end(void **state)
{
    (void)state;
    struct world *w = up();
    give_none(w, false);
    world_tell(w, (struct engine_event){.kind = EVENT_STOP});
    world_pass(w, HOUR_MS);
    assert_int_equal(w->tokens_asked, 1);
    assert_true(engine_is_quiet(w->e));
    world_down(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_waits_for_its_token),
        cmocka_unit_test(it_is_fetched_anew_before_its_end),
        cmocka_unit_test(a_failure_waits_longer_and_longer),
        cmocka_unit_test(a_lost_grant_is_said_and_a_login_repairs_it),
        cmocka_unit_test(a_refused_token_is_fetched_anew_once),
        cmocka_unit_test(one_that_is_refused_again_waits),
        cmocka_unit_test(other_failures_are_not_the_tokens),
        cmocka_unit_test(mail_expires_all_the_same),
        cmocka_unit_test(a_reload_keeps_and_drops),
        cmocka_unit_test(a_job_of_a_dropped_account_goes_on),
        cmocka_unit_test(a_server_without_the_mechanism),
        cmocka_unit_test(nothing_is_fetched_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
