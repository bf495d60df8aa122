/* test_engine_route.c -- which route a message takes, and what `outpost explain` says of it. */
#include "../../../src/engine/route.h"
#include "engine_world.h"

static struct slice to_news[] = {SLICE_INIT("*@news.example")}, from_app[] = {SLICE_INIT("app@*")},
                    of_bulk[] = {SLICE_INIT("bulk"), SLICE_INIT("other")},
                    all[] = {SLICE_INIT("*")};
static struct engine_host one = {.name = SLICE_INIT("10.0.0.1"), .port = 2525};
static struct engine_route routes[] = {
    {.name = SLICE_INIT("news"),
     .recipients = to_news,
     .recipient_count = 1,
     .senders = from_app,
     .sender_count = 1},
    {.name = SLICE_INIT("bulk"), .logins = of_bulk, .login_count = 2, .bytes_most = 1000},
    {.name = SLICE_INIT("large"), .bytes_least = 5000, .bytes_most = 9000},
    {.name = SLICE_INIT("any"),
     .senders = all,
     .sender_count = 1,
     .recipients = to_news,
     .recipient_count = 1,
     .hosts = &one,
     .host_count = 1,
     .user = SLICE_INIT("relay")},
};
static struct engine_user users[] = {
    {.name = SLICE_INIT("bulk")},
    {.name = SLICE_INIT("bound"), .has_route = true, .route = 2},
    {.name = SLICE_INIT("small"), .message_bytes_max = 100, .senders = from_app, .sender_count = 1},
};

/* Every condition, just met and just missed. */
static void the_first_that_fits(void **state)
{
    static const struct {
        const char *shows, *user, *from, *to;
        uint64_t bytes;
        int route;
    } rows[] = {
        {"sender and recipient", "", "app@x.example", "u@news.example", 10, 0},
        {"another sender", "", "b@x.example", "u@news.example", 10, 3},
        {"another recipient", "", "app@x.example", "u@a.example", 10, -1},
        {"a report's sender is nobody but *", "", "", "u@news.example", 10, 3},
        {"a login", "bulk", "b@x.example", "u@a.example", 1000, 1},
        {"its message is too large", "bulk", "b@x.example", "u@a.example", 1001, -1},
        {"another login", "small", "b@x.example", "u@a.example", 10, -1},
        {"just too small", "", "b@x.example", "u@a.example", 4999, -1},
        {"large enough", "", "b@x.example", "u@a.example", 5000, 2},
        {"just not too large", "", "b@x.example", "u@a.example", 9000, 2},
        {"just too large", "", "b@x.example", "u@a.example", 9001, -1},
        {"a user's own route, whatever it says", "bound", "b@x.example", "u@a.example", 1, 2},
    };
    struct engine_options o;
    engine_options_default(&o);
    o.routes = routes;
    o.route_count = COUNT_OF(routes);
    o.users = users;
    o.user_count = COUNT_OF(users);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct route_question q = {
            .by = engine_options_user(&o, slice_cstr(rows[i].user)),
            .sender = slice_cstr(rows[i].from),
            .recipient = slice_cstr(rows[i].to),
            .bytes = rows[i].bytes,
        };
        if (route_find(&o, &q) != rows[i].route)
            fail_msg("%s: route %d", rows[i].shows, route_find(&o, &q));
    }
}

static struct world *routed(void)
{
    struct world *w = world_new();
    w->opt.routes = routes;
    w->opt.route_count = COUNT_OF(routes);
    w->opt.users = users;
    w->opt.user_count = COUNT_OF(users);
    world_start(w);
    return w;
}

/* What is explained is what is done. */
static void messages_take_them(void **state)
{
    struct world *w = routed();
    world_submit(w, "b@sender.example", "u@news.example r@a.example");
    world_settle(w);
    assert_int_equal(w->mail_count, 2);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(strcmp(w->mail[i].ip, "10.0.0.1") == 0,
                         strstr(w->mail[i].to, "news") != NULL);
    world_down(w);
}

static void says(struct world *w, struct engine_case c, bool is_json, const char *part)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    if (is_json)
        engine_explain_json(w->e, &c, w->now_ms, &out);
    else
        engine_explain_text(w->e, &c, w->now_ms, &out);
    if (!strstr(buf_cstr(&out), part))
        fail_msg("no %s in\n%s", part, buf_cstr(&out));
    buf_close(&out);
}

static void it_is_explained(void **state)
{
    struct world *w = routed();
    struct engine_case c = {
        .sender = SLICE("b@sender.example"), .recipient = SLICE("u@news.example"), .bytes = 300};
    static const char *const lines[] = {
        "from          <b@sender.example>\n",
        "to            <u@news.example>\n",
        "route       any, the first that fits\n",
        "not news: another sender\n",
        "not bulk: another login, or none\n",
        "not large: smaller than its min_size\n",
        "hosts       10.0.0.1:2525\n",
        "tls         none (route.tls), logging in as relay\n",
        "retry         after 1m, 2m, 4m, 8m, 16m, 32m, then up to every 1h; its sender is warned "
        "after 4h; given up after 5d\n",
        "unsure        sent again when the last reply is lost, after 5m at least\n",
        "connections 0 of at most 20, 0 messages waiting\n",
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        says(w, c, false, lines[i]);
    says(w, c, true, "\"route\":\"any\"");
    says(w, c, true, "{\"route\":\"news\",\"why\":\"another sender\"}");
    says(w, c, true, "{\"name\":\"10.0.0.1\",\"port\":2525,\"priority\":1,\"weight\":1,");
    says(w, c, true, "\"login\":\"relay\"");

    c.recipient = SLICE("u@a.example");
    says(w, c, false, "route       none fits\n");
    says(w, c, false, "hosts       the MX hosts of a.example; not looked up yet\n");
    says(w, c, true, "\"route\":null");
    says(w, c, true, "\"is_mx\":true");
    c.user = SLICE("bound");
    says(w, c, false, "route       large, which all mail of this user takes\n");
    world_down(w);
}

static void what_speaks_against_it(void **state)
{
    struct world *w = routed();
    struct engine_case c = {
        .sender = SLICE("b@sender.example"), .recipient = SLICE("u@a.example"), .bytes = 300};
    c.user = SLICE("nobody");
    says(w, c, false, "refused       there is no such user\n");
    c.user = SLICE("small");
    says(w, c, false, "refused       the user may not send as this address\n");
    c.sender = SLICE("app@sender.example");
    says(w, c, false, "refused       larger than max_message_size\n");
    says(w, c, true, "\"refused\":\"larger than max_message_size\"");
    world_down(w);
}

/* Where nobody answers, it says so, and where the operator has stopped it. */
static void trouble_is_told(void **state)
{
    static struct world_rule dead[] = {{NULL, "", "421 4.3.2 no", 0}, {0}};
    struct world *w = world_new();
    w->rules = dead;
    world_start(w);
    struct engine_case c = {.sender = SLICE("b@sender.example"), .recipient = SLICE("r@a.example")};
    world_submit(w, "b@sender.example", "r@a.example");
    world_settle(w);
    says(w, c, false, "1 messages waiting");
    says(w, c, false, "trouble     failed 1 times, next try in ");
    says(w, c, true, "\"trouble\":\"");
    world_operator(w, OPERATOR_PAUSE, 0, "a.example");
    says(w, c, false, "paused      by the operator\n");
    says(w, c, true, "\"is_paused\":true");
    world_down(w);
}

/* Ranks, what is known of each host, and the other way. */
static void hosts_and_fallback_are_told(void **state)
{
    static struct engine_host two[] = {{.name = SLICE_INIT("10.0.0.1"), .port = 2525},
                                       {.name = SLICE_INIT("10.0.0.2"), .port = 2525, .weight = 3}};
    static struct engine_route smart[] = {
        {.name = SLICE_INIT("smart"),
         .recipients = to_news,
         .recipient_count = 1,
         .hosts = two,
         .host_count = 2},
        {.name = SLICE_INIT("backup"), .hosts = &one, .host_count = 1, .is_fallback = true}};
    static struct world_rule dead[] = {{"10.0.0.1", "", "421 4.3.2 no!", 0},
                                       {"9.1.0.1", "CONNECT", "refuse", 0},
                                       {"9.1.0.2", "CONNECT", "refuse", 0},
                                       {0}};
    struct world *w = world_new();
    w->opt.routes = smart;
    w->opt.route_count = 2;
    w->opt.has_fallback = true;
    w->opt.fallback = 1;
    w->rules = dead;
    world_start(w);
    struct engine_case c = {.sender = SLICE("b@sender.example"),
                            .recipient = SLICE("u@news.example")};
    says(w, c, false,
         "  hosts       10.0.0.1:2525, priority 1, weight 1\n"
         "              10.0.0.2:2525, priority 1, weight 3\n");
    for (int i = 0; i < 20; i++)
        world_submit(w, "", "u@news.example");
    world_settle(w);
    says(w, c, false, "10.0.0.1:2525, priority 1, weight 1; failed 1 times, tried last for ");
    world_pass(w, 40000);
    says(w, c, false, "weight 1; failed, the next connection tries it again\n");
    says(w, c, true, "\"failures\":1,\"skipped_s\":0}");

    c.recipient = SLICE("u@a.example");
    says(w, c, false, "  route       none fits\n");
    says(w, c, false, "not backup: it is a fallback only\n");
    says(w, c, false, "  fallback    backup, after 10m of trouble\n");
    says(w, c, true, "\"fallback\":\"backup\",\"is_fallback_in_use\":false");
    world_submit(w, "", "u@a.example");
    world_pass(w, 250 * 1000);
    says(w, c, true, "\"mx\":[\"mx1.a.example\",\"mx2.a.example\"]");
    world_pass(w, 470 * 1000);
    says(w, c, false,
         "  fallback    backup, in use: direct delivery has been in trouble for 12m\n");
    says(w, c, true, "\"is_fallback_in_use\":true");
    world_down(w);
}

static void where_it_comes_from(void **state)
{
    struct world *w = routed();
    struct engine_case c = {.sender = SLICE("b@x.example"), .recipient = SLICE("u@a.example")};
    assert_true(ip_parse(SLICE("192.0.2.1"), &c.from));
    says(w, c, true, "\"refused\":\"no login, and the address is in none of");
    c.user = SLICE("bulk"); /* who has logged in may come from anywhere */
    says(w, c, true, "\"is_redirected\":false,\"retry_s\"");
    c.user = SLICE_NONE;
    assert_true(ip_parse(SLICE("127.0.0.1"), &c.from));
    says(w, c, true, "\"is_redirected\":false,\"retry_s\"");
    world_down(w);
}

/* Recipients are those that the rules make of it; staging lets none out. */
static void rewriting_comes_first(void **state)
{
    static struct slice ops[] = {SLICE_INIT("u@news.example"), SLICE_INIT("r@a.example")};
    static struct rewrite_rule root = {SLICE_INIT("root"), ops, 2};
    struct world *w = world_new();
    w->opt.routes = routes;
    w->opt.route_count = COUNT_OF(routes);
    w->opt.rewrite.aliases = &root;
    w->opt.rewrite.alias_count = 1;
    w->opt.rewrite.domain = SLICE("here.example");
    world_start(w);
    struct engine_case c = {.sender = SLICE("b"), .recipient = SLICE("root")};
    says(w, c, false, "from          <b@here.example>, rewritten from <b>\n");
    says(w, c, false, "rewritten     <root> is 2 recipients\n");
    says(w, c, false, "to            <u@news.example>\n  route       any");
    says(w, c, false, "to            <r@a.example>\n  route       none fits");
    world_down(w);

    w = world_new();
    w->opt.rewrite.environment = REWRITE_STAGING;
    w->opt.rewrite.staging_mailbox = SLICE("box@staging.example");
    world_start(w);
    c.recipient = SLICE("r@a.example");
    says(w, c, false, "<r@a.example> is 1 recipient; staging keeps it inside\n");
    says(w, c, true, "\"to\":\"box@staging.example\"");
    says(w, c, true, "\"is_redirected\":true");
    world_down(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_that_fits), cmocka_unit_test(messages_take_them),
        cmocka_unit_test(it_is_explained),     cmocka_unit_test(what_speaks_against_it),
        cmocka_unit_test(trouble_is_told),     cmocka_unit_test(hosts_and_fallback_are_told),
        cmocka_unit_test(where_it_comes_from), cmocka_unit_test(rewriting_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
