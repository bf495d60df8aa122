/* test_engine_race.c -- several addresses: which are called, when, and from where. */
#include "engine_world.h"

#include "../../../src/engine/race.h"

#include "../../../src/engine/engine_core.h"

static const char zone[] = "one.example MX 10 mx.one.example\n"
                           "mx.one.example A 9.1.0.1\n"
                           "mx.one.example AAAA 2600::1\n"
                           "two.example MX 10 mx.one.example\n"
                           "two.example MX 20 mx.two.example\n"
                           "mx.two.example A 9.2.0.1\n"
                           "six.example MX 10 mx.six.example\n"
                           "mx.six.example AAAA 2600::6\n"
                           "sender.example MX 5 mx.sender.example\n"
                           "mx.sender.example A 9.4.0.1\n";

static struct engine_source sources[] = {
    {.name = SLICE_INIT("a"),
     .v4 = {IP_V4, {81, 2, 69, 1}},
     .v6 = {IP_V6, {0x2a, 1, [15] = 1}},
     .helo = SLICE_INIT("a.relay.example"),
     .weight = 1},
    {.name = SLICE_INIT("b"), .v4 = {IP_V4, {81, 2, 69, 2}}, .weight = 1},
};
static struct slice names[] = {SLICE_INIT("a"), SLICE_INIT("b")};

static struct world *up(struct world_rule *rules)
{
    struct world *w = world_new();
    w->zone = zone;
    w->rules = rules;
    return w;
}

/* The outgoing connections so far, in order: "2600::1 9.1.0.1 ". */
static const char *called(const struct world *w)
{
    static char text[1000];
    text[0] = 0;
    for (unsigned i = 0; i < w->conn_count; i++) {
        if (!w->conn[i]->is_out)
            continue;
        struct ip_text ip = ip_build(&w->conn[i]->address.ip);
        strcat(strcat(text, ip.s), " ");
    }
    return text;
}

static struct world_conn *latest(const struct world *w)
{
    return w->conn[w->conn_count - 1];
}

/* What has been called so long after the first one was. */
struct moment {
    int64_t at_ms;
    const char *called;
};
static const struct {
    const char *shown, *to;
    struct world_rule rules[4];
    unsigned lines_max; /* of the destination; 0: the default */
    struct moment moment[6];
    const char *taken_by; /* NULL: nobody, it is deferred in the end */
} races[] = {
    {"the first answers",
     "r@one.example",
     {{NULL, NULL, NULL, 0}},
     0,
     {{0, "2600::1 "}, {60000, "2600::1 "}},
     "2600::1"},
    {"a black hole costs a quarter of a second",
     "r@one.example",
     {{"2600::1", "CONNECT", "never", 0}},
     0,
     {{249, "2600::1 "}, {250, "2600::1 9.1.0.1 "}},
     "9.1.0.1"},
    {"a refusal costs nothing",
     "r@one.example",
     {{"2600::1", "CONNECT", "refuse", 0}},
     0,
     {{0, "2600::1 9.1.0.1 "}},
     "9.1.0.1"},
    {"no worse host while the better one may answer",
     "r@two.example",
     {{"2600::1", "CONNECT", "never", 0}, {"9.1.0.1", "CONNECT", "never", 0}},
     0,
     {{250, "2600::1 9.1.0.1 "}, {5249, "2600::1 9.1.0.1 "}, {5250, "2600::1 9.1.0.1 9.2.0.1 "}},
     "9.2.0.1"},
    {"a better host that refuses is left at once",
     "r@two.example",
     {{"2600::1", "CONNECT", "refuse", 0}, {"9.1.0.1", "CONNECT", "refuse", 0}},
     0,
     {{0, "2600::1 9.1.0.1 9.2.0.1 "}},
     "9.2.0.1"},
    {"no room for two: one after the other",
     "r@two.example",
     {{"2600::1", "CONNECT", "never", 0}, {"9.1.0.1", "CONNECT", "never", 0}},
     1,
     {{1999, "2600::1 "},
      {2000, "2600::1 9.1.0.1 "},
      {6999, "2600::1 9.1.0.1 "},
      {7000, "2600::1 9.1.0.1 9.2.0.1 "}},
     "9.2.0.1"},
    {"nobody answers: the last ones have their time",
     "r@one.example",
     {{NULL, "CONNECT", "never", 0}},
     0,
     {{250, "2600::1 9.1.0.1 "}, {30249, "2600::1 9.1.0.1 "}, {30250, "2600::1 9.1.0.1 "}},
     NULL},
};

static void who_is_called_and_when(void **state)
{
    for (size_t i = 0; i < COUNT_OF(races); i++) {
        struct world_rule rules[5] = {{0}};
        memcpy(rules, races[i].rules, sizeof races[i].rules);
        struct world *w = up(rules);
        if (races[i].lines_max)
            w->opt.limits.connections = races[i].lines_max;
        world_start(w);
        world_submit(w, "", races[i].to);
        world_settle(w);
        int64_t began_ms = w->now_ms;
        for (const struct moment *m = races[i].moment; m->called; m++) {
            world_pass(w, began_ms + m->at_ms - w->now_ms);
            if (strcmp(called(w), m->called))
                fail_msg("%s: after %lld ms called are %s", races[i].shown, (long long)m->at_ms,
                         called(w));
            assert_true(world_open_out(w) <= (races[i].lines_max ? races[i].lines_max : 2));
        }
        assert_int_equal(w->mail_count, races[i].taken_by != NULL);
        if (races[i].taken_by)
            assert_string_equal(w->mail[0].ip, races[i].taken_by);
        assert_int_equal(w->notes[NOTE_DEFERRED], !races[i].taken_by);
        world_down(w);
    }
}

/* One more message there, and who took it. */
static const char *taken_by(struct world *w, const char *to)
{
    unsigned before = w->mail_count;
    world_submit(w, "", to);
    world_pass(w, 20000); /* the connection is not kept so long */
    return w->mail_count == before + 1 ? w->mail[before].ip : "nobody";
}

/* The connections of the last message: how many, and the family of the first. */
static unsigned calls(struct world *w, const char *to, enum ip_family *first)
{
    unsigned before = w->conn_count, n = 0;
    *first = IP_NONE;
    (void)taken_by(w, to);
    for (unsigned i = before; i < w->conn_count; i++) {
        bool is_six = w->conn[i]->address.ip.b[15] == 6; /* whose turn may come meanwhile */
        if (!w->conn[i]->is_out || (is_six && !strstr(to, "six")))
            continue;
        if (!n++)
            *first = w->conn[i]->address.ip.family;
    }
    return n;
}

static const int64_t minute_ms = 60 * 1000;

static void v6_that_keeps_losing_comes_last(void **state)
{
    enum ip_family first;
    struct world_rule rules[] = {{"2600::1", "CONNECT", "never", 0}, {0}};
    struct world *w = up(rules);
    world_start(w);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(calls(w, "r@one.example", &first), 2);
        assert_int_equal(first, IP_V6);
    }
    assert_int_equal(w->notes[NOTE_V6_AVOIDED], 1);
    world_log_has(w, "destination=one.example");
    assert_int_equal(calls(w, "r@one.example", &first), 1);
    assert_int_equal(first, IP_V4);
    world_pass(w, 10 * minute_ms); /* and then it is tested */
    assert_int_equal(calls(w, "r@one.example", &first), 2);
    assert_int_equal(first, IP_V6);
    world_pass(w, 15 * minute_ms); /* the second period is longer */
    assert_int_equal(calls(w, "r@one.example", &first), 1);
    rules[0].prefix = "-";
    world_pass(w, 6 * minute_ms);
    assert_string_equal(taken_by(w, "r@one.example"), "2600::1");
    rules[0].prefix = "CONNECT"; /* all is forgotten: three losses again */
    for (int i = 0; i < 3; i++) {
        (void)calls(w, "r@one.example", &first);
        assert_int_equal(first, IP_V6);
    }
    (void)calls(w, "r@one.example", &first);
    assert_int_equal(first, IP_V4);
    world_down(w);
}

static void v6_that_is_refused_comes_last(void **state)
{
    static const char *const to[] = {"r@one.example"};
    for (size_t k = 0; k < COUNT_OF(to); k++) {
        enum ip_family first;
        struct world_rule rules[] = {{"2600::1", "CONNECT", "refuse", 0},
                                     {k ? "9.1.0.1" : "-", "CONNECT", "refuse", 0},
                                     {0}};
        struct world *w = up(rules);
        world_start(w);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(calls(w, to[k], &first), 2 + k);
            assert_int_equal(first, IP_V6);
        }
        assert_int_equal(calls(w, to[k], &first), 1 + k);
        assert_int_equal(first, IP_V4);
        assert_int_equal(w->notes[NOTE_V6_AVOIDED], 1);
        world_down(w);
    }
}

static void a_slow_v4_is_no_loss(void **state)
{
    enum ip_family first;
    struct world_rule rules[] = {{"9.1.0.1", "CONNECT", "never", 0}, {0}};
    struct world *w = up(rules);
    world_start(w);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(calls(w, "r@one.example", &first), 1);
        assert_int_equal(first, IP_V6);
    }
    world_down(w);
}

static void without_a_route_v6_is_last_everywhere(void **state)
{
    enum ip_family first;
    struct world_rule rules[] = {
        {"2600::1", "CONNECT", "no route", 0}, {"2600::6", "CONNECT", "no route", 0}, {0}};
    struct world *w = up(rules);
    world_start(w);
    for (int i = 0; i < 3; i++)
        assert_int_equal(calls(w, i ? "r@one.example" : "r@two.example", &first), 2);
    world_log_has(w, "destination=*");
    assert_int_equal(calls(w, "r@one.example", &first), 1);
    assert_int_equal(first, IP_V4);
    assert_int_equal(calls(w, "r@two.example", &first), 1);
    assert_int_equal(first, IP_V4);
    assert_int_equal(calls(w, "r@six.example", &first), 1); /* last is not never */
    assert_int_equal(first, IP_V6);
    rules[0].reply = "never"; /* a route, and a hole behind it: then it is the destination's */
    world_pass(w, 6 * minute_ms);
    assert_int_equal(calls(w, "r@one.example", &first), 2); /* two were lost before */
    assert_int_equal(calls(w, "r@one.example", &first), 1);
    assert_int_equal(first, IP_V4);
    world_pass(w, 10 * minute_ms);
    rules[0].prefix = rules[1].prefix = "-";
    world_pass(w, 6 * minute_ms);
    assert_string_equal(taken_by(w, "r@one.example"), "2600::1");
    world_down(w);
}

/* Refused for coming by IPv6. */
static const struct {
    const char *shown, *to;
    struct world_rule rules[4];
    const char *calls, *taken_by;
    enum note_kind fate;
} refusals[] = {
    {"at RCPT",
     "r@one.example",
     {{"2600::1", "RCPT", "550 5.7.25 no PTR", 0}},
     "2600::1 9.1.0.1 ",
     "9.1.0.1",
     NOTE_DELIVERED},
    {"at the final dot",
     "r@one.example",
     {{"2600::1", "DOT", "550 5.7.1 does not meet IPv6 sending guidelines", 0}},
     "2600::1 9.1.0.1 ",
     "9.1.0.1",
     NOTE_DELIVERED},
    {"at MAIL",
     "r@one.example",
     {{"2600::1", "MAIL", "450 4.7.25 no PTR", 0}},
     "2600::1 9.1.0.1 ",
     "9.1.0.1",
     NOTE_DELIVERED},
    {"in the greeting",
     "r@one.example",
     {{"2600::1", "CONNECT", "554 no mail over IPv6", 0}},
     "2600::1 9.1.0.1 ",
     "9.1.0.1",
     NOTE_DELIVERED},
    {"a refusal of the mail is one",
     "r@one.example",
     {{"2600::1", "RCPT", "550 5.7.1 spam", 0}},
     "2600::1 ",
     NULL,
     NOTE_BOUNCED},
    {"there is no other way",
     "r@six.example",
     {{"2600::6", "RCPT", "550 5.7.25 no PTR", 0}},
     "2600::6 ",
     NULL,
     NOTE_BOUNCED},
    {"the other way is dead today: nothing bounces",
     "r@one.example",
     {{"2600::1", "RCPT", "550 5.7.25 no PTR", 0}, {"9.1.0.1", "CONNECT", "refuse", 0}},
     "2600::1 9.1.0.1 2600::1 ",
     NULL,
     NOTE_DEFERRED},
};

static void refused_for_coming_by_v6(void **state)
{
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        struct world_rule rules[5] = {{0}};
        memcpy(rules, refusals[i].rules, sizeof refusals[i].rules);
        struct world *w = up(rules);
        world_start(w);
        world_submit(w, "", refusals[i].to);
        world_pass(w, 1000);
        if (strcmp(called(w), refusals[i].calls) || w->notes[refusals[i].fate] != 1)
            fail_msg("%s: %s\n%s", refusals[i].shown, called(w), buf_cstr(&w->log));
        assert_int_equal(w->mail_count, refusals[i].taken_by != NULL);
        if (refusals[i].taken_by)
            assert_string_equal(w->mail[0].ip, refusals[i].taken_by);
        world_down(w);
    }
}

static void only_the_refused_go_on_by_v4(void **state)
{
    enum ip_family first;
    struct world_rule rules[] = {{"2600::1", "RCPT TO:<b@", "550 5.7.25 no PTR", 1}, {0}};
    struct world *w = up(rules);
    world_start(w);
    world_submit(w, "", "a@one.example b@one.example c@one.example");
    world_pass(w, 20000);
    assert_int_equal(w->mail_count, 2);
    assert_string_equal(w->mail[0].to, "a@one.example c@one.example ");
    assert_string_equal(w->mail[1].to, "b@one.example ");
    assert_string_equal(w->mail[1].ip, "9.1.0.1");
    assert_int_equal(w->notes[NOTE_DELIVERED], 3);
    assert_int_equal(calls(w, "r@one.example", &first), 1); /* for an hour */
    assert_int_equal(first, IP_V4);
    world_pass(w, 55 * minute_ms);
    (void)calls(w, "r@one.example", &first);
    assert_int_equal(first, IP_V4);
    world_pass(w, 5 * minute_ms);
    (void)calls(w, "r@one.example", &first);
    assert_int_equal(first, IP_V6);
    world_all_done(w);
    world_down(w);
}

/* Whoever has it is on record before anything else is tried: a crash now sends nothing twice. */
static void the_delivered_do_not_wait(void **state)
{
    struct world_rule rules[] = {{"2600::1", "RCPT TO:<b@", "550 5.7.25 no PTR", 0},
                                 {"9.1.0.1", "CONNECT", "never", 0},
                                 {0}};
    struct world *w = up(rules);
    world_start(w);
    world_submit(w, "", "a@one.example b@one.example");
    world_settle(w);
    assert_int_equal(w->notes[NOTE_DELIVERED], 1);
    assert_string_equal(w->mail[0].to, "a@one.example ");
    world_crash(w);
    rules[1].prefix = "-";
    world_pass(w, 2 * minute_ms);
    assert_int_equal(w->mail_count, 2);
    assert_string_equal(w->mail[1].to, "b@one.example ");
    assert_string_equal(w->mail[1].ip, "9.1.0.1");
    world_all_done(w);
    world_down(w);
}

/* Sources */

static struct world *up_with_sources(struct world_rule *rules, unsigned first, unsigned count)
{
    struct world *w = up(rules);
    w->opt.sources = sources;
    w->opt.source_count = COUNT_OF(sources);
    w->opt.mx_sources = names + first;
    w->opt.mx_source_count = count;
    world_start(w);
    return w;
}

static void the_source_has_its_name(void **state)
{
    struct world *w = up_with_sources(NULL, 0, 1);
    (void)taken_by(w, "r@one.example");
    assert_string_equal(ip_build(&latest(w)->source).s, "2a01::1");
    assert_non_null(strstr(buf_cstr(&latest(w)->sent), "EHLO a.relay.example\r\n"));
    world_log_has(w, "source=2a01::1");
    world_down(w);
    w = up_with_sources(NULL, 1, 1); /* it has no IPv6, and no name */
    assert_string_equal(taken_by(w, "r@one.example"), "9.1.0.1");
    assert_string_equal(ip_build(&latest(w)->source).s, "81.2.69.2");
    assert_non_null(strstr(buf_cstr(&latest(w)->sent), "EHLO relay.example\r\n"));
    assert_int_equal(w->notes[NOTE_V6_AVOIDED], 0);
    world_down(w);
}

static void no_source_of_the_family(void **state)
{
    struct world *w = up_with_sources(NULL, 1, 1);
    world_submit(w, "", "r@six.example");
    world_pass(w, 1000);
    assert_int_equal(world_out(w), 0);
    assert_int_equal(w->notes[NOTE_DEFERRED], 1);
    world_log_has(w, "none of the sources for it has an IPv6 address");
    world_down(w);
}

static void a_refused_source_is_left_for_the_next(void **state)
{
    struct world *w = up_with_sources(NULL, 0, 2);
    /* Whichever of the two has this destination. */
    assert_string_equal(taken_by(w, "r@sender.example"), "9.4.0.1");
    struct ip chosen = latest(w)->source;
    for (int i = 0; i < 3; i++) {
        (void)taken_by(w, "r@sender.example");
        assert_true(ip_eq(&chosen, &latest(w)->source)); /* it stays */
    }
    w->bad_source = chosen;
    assert_string_equal(taken_by(w, "r@sender.example"), "9.4.0.1");
    assert_false(ip_eq(&chosen, &latest(w)->source));
    assert_int_equal(w->notes[NOTE_SOURCE_REFUSED], 1);
    assert_int_equal(w->notes[NOTE_DEFERRED], 0);
    unsigned before = world_out(w);
    (void)taken_by(w, "r@sender.example");
    assert_int_equal(world_out(w), before + 1); /* it is not tried each time */
    w->bad_source.family = IP_NONE;
    world_pass(w, 5 * minute_ms);
    (void)taken_by(w, "r@sender.example");
    assert_true(ip_eq(&chosen, &latest(w)->source));
    world_down(w);
}

static void no_source_can_be_used(void **state)
{
    struct world *w = up_with_sources(NULL, 1, 1);
    w->bad_source = sources[1].v4;
    world_submit(w, "", "r@one.example");
    world_pass(w, 1000);
    assert_int_equal(w->mail_count, 0);
    assert_int_equal(w->notes[NOTE_DEFERRED], 1);
    world_log_has(w, "source-refused");
    assert_int_equal(world_stats(w).sources_refused, 1);
    w->bad_source.family = IP_NONE;
    world_tell(w, (struct engine_event){.kind = EVENT_OPTIONS, .options = &w->opt});
    assert_true(source_is_usable(w->e, &sources[1].v4, w->now_ms)); /* it may have been mended */
    assert_int_equal(world_stats(w).sources_refused, 0);
    world_pass(w, 15 * minute_ms);
    assert_int_equal(w->mail_count, 1);
    world_down(w);
}

static void a_route_has_sources_of_its_own(void **state)
{
    struct engine_host host = {.name = SLICE("mx.one.example"), .port = 587};
    struct engine_route route = {
        .hosts = &host, .host_count = 1, .name = SLICE("mx.one.example"), .tls = DELIVERY_TLS_NONE};
    for (int has_own = 0; has_own < 2; has_own++) {
        struct world *w = up(NULL);
        w->opt.sources = sources;
        w->opt.source_count = COUNT_OF(sources);
        w->opt.mx_sources = names;
        w->opt.mx_source_count = 1;
        w->opt.routes = &route;
        w->opt.route_count = 1;
        route.sources = names + 1;
        route.source_count = (unsigned)has_own;
        world_start(w);
        (void)taken_by(w, "r@sender.example");
        assert_string_equal(ip_build(&latest(w)->source).s, has_own ? "81.2.69.2" : "");
        world_down(w);
    }
}

/* Only the address whose handshake failed is talked to in plain. */
static void in_plain_there_is_no_race(void **state)
{
    struct world_rule rules[] = {{"2600::1", "CONNECT", "220 mx ESMTP", 1},
                                 {"2600::1", "TLS", "fail", 0},
                                 {"2600::1", "CONNECT", "never", 0},
                                 {0}};
    struct world *w = up(rules);
    w->offers_tls = true;
    world_start(w);
    world_submit(w, "", "r@one.example");
    world_pass(w, 29000);
    assert_string_equal(called(w), "2600::1 2600::1 ");
    world_pass(w, 1000);
    assert_string_equal(called(w), "2600::1 2600::1 9.1.0.1 ");
    assert_string_equal(w->mail[0].ip, "9.1.0.1");
    assert_true(latest(w)->has_tls);
    world_down(w);
}

static void explained(struct world *w, const char *to, bool is_json, const char *part)
{
    struct engine_case c = {.sender = SLICE("s@sender.example"), .recipient = slice_cstr(to)};
    struct buf out;
    buf_init(&out, 1 << 20);
    is_json ? engine_explain_json(w->e, &c, w->now_ms, &out)
            : engine_explain_text(w->e, &c, w->now_ms, &out);
    if (!strstr(buf_cstr(&out), part))
        fail_msg("no %s in\n%s", part, buf_cstr(&out));
    buf_close(&out);
}

static void it_is_explained(void **state)
{
    struct world_rule rules[] = {{"2600::1", "RCPT", "550 5.7.25 no PTR", 0},
                                 {NULL, "RCPT TO:<later@", "450 4.2.0 later", 0},
                                 {0}};
    struct world *w = up_with_sources(rules, 0, 2);
    explained(w, "r@one.example", false, "a, 2a01::1 or 81.2.69.1, as a.relay.example");
    explained(w, "r@one.example", false, "b, 81.2.69.2, as relay.example");
    explained(w, "r@one.example", true,
              "{\"name\":\"b\",\"address\":\"81.2.69.2\",\"address6\":\"\","
              "\"helo\":\"relay.example\",\"is_usable\":true}");
    explained(w, "r@one.example", true, "\"ipv6_avoided_s\":0");
    assert_string_equal(taken_by(w, "r@one.example"), "9.1.0.1");
    world_submit(w, "", "later@one.example"); /* its hosts are known while it waits */
    world_settle(w);
    explained(w, "r@one.example", false, "ipv6        tried last for another 3580s\n");
    explained(w, "r@one.example", true, "\"ipv6_avoided_s\":3580");
    explained(w, "r@two.example", true, "\"ipv6_avoided_s\":0");
    world_down(w);
    w = up_with_sources(NULL, 1, 1);
    w->bad_source = sources[1].v4;
    world_submit(w, "", "r@one.example");
    world_settle(w);
    explained(w, "r@one.example", false, "; not usable at present (see source-refused)\n");
    explained(w, "r@one.example", true, "\"is_usable\":false");
    world_down(w);
}

/* The pool's order: how the choice falls, and that it moves no more than it must. */
static void each_destination_keeps_its_source(void **state)
{
    enum { DESTINATIONS = 4000 };
    struct engine_source pool[3];
    struct slice all[3] = {SLICE_INIT("x"), SLICE_INIT("y"), SLICE_INIT("z")};
    const struct engine_source *out[ENGINE_SOURCES_MAX];
    struct engine_options o = {
        .sources = pool, .source_count = 3, .mx_sources = all, .mx_source_count = 3};
    unsigned share[3] = {0};
    for (unsigned i = 0; i < 3; i++)
        pool[i] = (struct engine_source){.name = all[i], .weight = i == 2 ? 2 : 1};
    for (unsigned i = 0; i < DESTINATIONS; i++) {
        char name[40];
        snprintf(name, sizeof name, "d%u.example", i);
        o.mx_source_count = 3;
        assert_int_equal(source_pool(&o, -1, slice_cstr(name), out), 3);
        const struct engine_source *first = out[0], *second = out[1];
        share[first - pool]++;
        o.mx_source_count = 2; /* without z */
        assert_int_equal(source_pool(&o, -1, slice_cstr(name), out), 2);
        assert_ptr_equal(out[0], first == &pool[2] ? second : first);
    }
    for (unsigned i = 0; i < 3; i++) { /* a quarter, a quarter, a half */
        unsigned wanted = DESTINATIONS * pool[i].weight / 4;
        assert_true(share[i] > wanted * 9 / 10 && share[i] < wanted * 11 / 10);
    }
}

static void the_order_of_targets(void **state)
{
    /* v6 v4 of one host, v6 v4 of the next */
    struct target_list *t = mem_new(sizeof *t + 4 * sizeof *t->target);
    t->count = 4;
    for (unsigned i = 0; i < 4; i++)
        t->target[i].address.ip.family = i % 2 ? IP_V4 : IP_V6;
    static const struct {
        uint64_t tried;
        bool avoids_v6;
        int next;
    } rows[] = {
        {0, false, 0}, {1, false, 1}, {3, false, 2},  {2, false, 0},   {0, true, 1},  {2, true, 3},
        {10, true, 0}, {11, true, 2}, {15, true, -1}, {15, false, -1}, {13, true, 1},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(race_pick(t, rows[i].tried, rows[i].avoids_v6), rows[i].next);
    mem_free(t);
}

/* Memory of destinations has an end: the one that was least lately of interest is forgotten. */
static void what_is_avoided_is_bounded(void **state)
{
    enum { REMEMBERED = 4096 };
    struct world *w = world_up();
    struct destination d = {0};
    char name[40];
    d.name = name;
    for (unsigned i = 0; i <= REMEMBERED; i++) {
        snprintf(name, sizeof name, "d%u.example", i);
        avoid_refused(w->e, &d, "no");
        assert_true(avoid_v6(w->e, &d));
        assert_true(w->e->avoid.by_name.count <= REMEMBERED);
        while (engine_next_action(w->e))
            ;
    }
    strcpy(name, "d0.example");
    assert_false(avoid_v6(w->e, &d));
    strcpy(name, "d1.example");
    assert_true(avoid_v6(w->e, &d));
    world_down(w);
}

/* Twice as long each time, and never more than a day. */
static void periods_grow_to_a_day(void **state)
{
    struct world *w = world_up();
    char name[] = "one.example";
    struct destination d = {.name = name};
    int64_t most_ms = 0, last_ms = 0;
    for (int i = 0; i < 100; i++) {
        bool everywhere;
        avoid_refused(w->e, &d, "no");
        int64_t until_ms = avoid_v6_until_ms(w->e, slice_cstr(name), &everywhere);
        int64_t ms = until_ms - w->e->now_ms;
        avoid_refused(w->e, &d, "no"); /* what was begun before does not count */
        assert_int_equal(avoid_v6_until_ms(w->e, slice_cstr(name), &everywhere), until_ms);
        assert_true(!last_ms || ms == 2 * last_ms || ms == 24 * 60 * minute_ms);
        last_ms = ms;
        most_ms = ms > most_ms ? ms : most_ms;
        while (engine_next_action(w->e))
            ;
        w->e->now_ms = until_ms;
        assert_false(avoid_v6(w->e, &d));
    }
    assert_int_equal(most_ms, 24 * 60 * minute_ms);
    avoid_delivered(w->e, &d);
    assert_int_equal(w->e->avoid.by_name.count, 0);
    world_down(w);
}

/* So has that of addresses which cannot be called from. */
static void refused_sources_are_bounded(void **state)
{
    struct world *w = world_up();
    for (unsigned i = 0; i < 3 * SOURCES_REFUSED_MAX; i++) {
        struct ip ip = {IP_V4, {81, 3, (uint8_t)(i >> 8), (uint8_t)i}};
        source_refused(w->e, &ip, SLICE("no"));
        assert_false(source_is_usable(w->e, &ip, w->e->now_ms));
        assert_true(w->e->sources_refused.count <= SOURCES_REFUSED_MAX);
    }
    while (engine_next_action(w->e))
        ;
    world_down(w);
}

/* Many lines, all of them racing: never more connections than are allowed. */
static void limits_hold_while_racing(void **state)
{
    enum { MESSAGES = 40 };
    for (unsigned each = 1; each <= 5; each++)
        for (unsigned all = 1; all <= 7; all += 3) {
            struct world_rule rules[] = {{"2600::1", "CONNECT", "never", 0}, {0}};
            struct world *w = up(rules);
            w->opt.limits.connections = each;
            w->opt.out_connections_max = all;
            world_start(w);
            for (int i = 0; i < MESSAGES; i++)
                world_submit(w, "", i % 2 ? "r@one.example" : "r@two.example");
            for (int i = 0; i < 1000 && w->mail_count < MESSAGES; i++) {
                world_pass(w, 50);
                assert_true(world_open_out(w) <= all && world_open_out(w) <= 2 * each);
            }
            assert_int_equal(w->mail_count, MESSAGES);
            world_down(w);
        }
}

/* The loser of a race may still be of use when the winner is not. */
static void the_loser_has_another_turn(void **state)
{
    struct world_rule rules[] = {
        {"2600::1", "CONNECT", "never", 0}, {"9.1.0.1", "CONNECT", "421 too busy!", 0}, {0}};
    struct world *w = up(rules);
    world_start(w);
    world_submit(w, "", "r@one.example");
    world_pass(w, 250);
    rules[0].prefix = "-";
    world_pass(w, 1000);
    assert_string_equal(called(w), "2600::1 9.1.0.1 2600::1 ");
    assert_string_equal(w->mail[0].ip, "2600::1");
    world_down(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_called_and_when),
        cmocka_unit_test(v6_that_keeps_losing_comes_last),
        cmocka_unit_test(v6_that_is_refused_comes_last),
        cmocka_unit_test(a_slow_v4_is_no_loss),
        cmocka_unit_test(without_a_route_v6_is_last_everywhere),
        cmocka_unit_test(refused_for_coming_by_v6),
        cmocka_unit_test(only_the_refused_go_on_by_v4),
        cmocka_unit_test(the_delivered_do_not_wait),
        cmocka_unit_test(the_source_has_its_name),
        cmocka_unit_test(no_source_of_the_family),
        cmocka_unit_test(a_refused_source_is_left_for_the_next),
        cmocka_unit_test(no_source_can_be_used),
        cmocka_unit_test(a_route_has_sources_of_its_own),
        cmocka_unit_test(in_plain_there_is_no_race),
        cmocka_unit_test(it_is_explained),
        cmocka_unit_test(each_destination_keeps_its_source),
        cmocka_unit_test(the_order_of_targets),
        cmocka_unit_test(what_is_avoided_is_bounded),
        cmocka_unit_test(periods_grow_to_a_day),
        cmocka_unit_test(refused_sources_are_bounded),
        cmocka_unit_test(limits_hold_while_racing),
        cmocka_unit_test(the_loser_has_another_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
