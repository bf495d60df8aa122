/* test_config_shape.c -- [[shape]] and [[reply]]: what they become, and each mistake with its
 * place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "fake_world.h"

static struct config *load(const char *text, struct config_mistake **mistakes, unsigned *count)
{
    struct config_world world = fake_world();
    return config_load(slice_cstr(text), &world, mistakes, count);
}

static void assert_slice(struct slice s, const char *wanted)
{
    if (!slice_eq(s, slice_cstr(wanted)))
        fail_msg("\"%.*s\" is not \"%s\"", SLICE_FMT(s), wanted);
}

static void assert_limits(const struct policy_limits *a, const struct policy_limits *b)
{
    assert_int_equal(a->connections, b->connections);
    assert_int_equal(a->connection_messages, b->connection_messages);
    assert_int_equal(a->idle_ms, b->idle_ms);
    assert_int_equal(a->connect_ms, b->connect_ms);
    assert_int_equal(a->greeting_ms, b->greeting_ms);
    assert_int_equal(a->command_ms, b->command_ms);
    assert_int_equal(a->data_ms, b->data_ms);
    assert_int_equal(a->final_ms, b->final_ms);
    assert_int_equal(a->messages.count, b->messages.count);
    assert_int_equal(a->messages.per_ms, b->messages.per_ms);
}

static void what_they_become(void **state)
{
    (void)state;
    static const char text[] = "[retry]\ngreylisted = '7m'\n"
                               "[delivery]\nbuiltin_rules = false\n"
                               "[[route]]\nname = 'bulk'\nrecipients = ['*@x.example']\n"
                               "[[shape]]\n"
                               "name = 'gentle'\n"
                               "domains = ['example.org', '*.Example.org']\n"
                               "mx = ['*.mx.example.net']\n"
                               "routes = ['bulk', 'b*']\n"
                               "max_connections = 3\n"
                               "max_messages_per_connection = 4\n"
                               "message_rate = '100/m'\n"
                               "idle_timeout = '5s'\n"
                               "connect_timeout = '6s'\n"
                               "greeting_timeout = '7s'\n"
                               "command_timeout = '8s'\n"
                               "data_timeout = '9s'\n"
                               "final_timeout = '10s'\n"
                               "[[shape]]\nmax_connections = 1\n"
                               "[[reply]]\n"
                               "name = 'busy'\n"
                               "domains = ['d.example']\n"
                               "mx = ['m.example']\n"
                               "routes = ['bulk']\n"
                               "code = '4?\?'\n"
                               "status = '4.7.*'\n"
                               "text = '*too fast*'\n"
                               "then = 'slow_down'\n"
                               "for = '10m'\n"
                               "[[reply]]\ncode = '550'\nthen = 'temporary'\n"
                               "[[reply]]\ncode = '421'\nthen = 'back_off'\n";
    struct config_mistake *mistakes;
    unsigned count;
    struct config *c = load(text, &mistakes, &count);
    if (count)
        fail_msg("%d: %.*s", mistakes[0].line, SLICE_FMT(mistakes[0].text));
    const struct engine_options *e = &c->engine;
    assert_int_equal(e->greylisted_ms, 7 * 60000);
    assert_false(e->has_builtin_rules);
    assert_int_equal(e->shape_count, 2);
    const struct engine_shape *s = &e->shapes[0];
    assert_slice(s->name, "gentle");
    assert_int_equal(s->where.domain_count, 2);
    assert_slice(s->where.domains[1], "*.Example.org");
    assert_slice(s->where.hosts[0], "*.mx.example.net");
    assert_slice(s->where.routes[1], "b*");
    struct policy_limits wanted = {.connections = 3,
                                   .connection_messages = 4,
                                   .idle_ms = 5000,
                                   .connect_ms = 6000,
                                   .greeting_ms = 7000,
                                   .command_ms = 8000,
                                   .data_ms = 9000,
                                   .final_ms = 10000,
                                   .messages = {100, 60000}};
    assert_limits(&s->limits, &wanted);
    assert_slice(e->shapes[1].name, "shape 2");
    struct policy_limits one = {.connections = 1};
    assert_limits(&e->shapes[1].limits, &one);

    assert_int_equal(e->reply_count, 3);
    const struct policy_reply_rule *r = &e->replies[0];
    assert_slice(r->name, "busy");
    assert_slice(r->where.domains[0], "d.example");
    assert_slice(r->where.hosts[0], "m.example");
    assert_slice(r->where.routes[0], "bulk");
    assert_slice(r->code, "4??");
    assert_slice(r->status, "4.7.*");
    assert_slice(r->text, "*too fast*");
    assert_int_equal(r->then, POLICY_REPLY_SLOW_DOWN);
    assert_int_equal(r->for_ms, 10 * 60000);
    assert_false(r->is_builtin);
    assert_slice(e->replies[1].name, "reply 2");
    assert_int_equal(e->replies[1].then, POLICY_REPLY_TEMPORARY);
    assert_int_equal(e->replies[2].for_ms, 30 * 60000);
    config_free(c);
}

static void defaults_are_the_engines(void **state)
{
    (void)state;
    struct config_mistake *mistakes;
    unsigned count;
    struct config *c = load("", &mistakes, &count);
    struct engine_options o;
    engine_options_default(&o);
    assert_int_equal(c->engine.greylisted_ms, o.greylisted_ms);
    assert_int_equal(c->engine.has_builtin_rules, o.has_builtin_rules);
    assert_int_equal(c->engine.shape_count, 0);
    assert_int_equal(c->engine.reply_count, 0);
    config_free(c);
}

#define LIMIT "max_connections = 1"
#define THEN "then = 'permanent'"
#define LONG "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 41 */

static const struct {
    const char *shows, *text;
    int line;
    const char *key, *says;
} bad[] = {
    {"no limit", "[[shape]]\ndomains = ['a.example']", 1, "shape", "sets nothing"},
    {"an address", "[[shape]]\ndomains = ['*@a.example']\n" LIMIT, 2, "shape.domains",
     "without \"@\""},
    {"no ASCII", "[[shape]]\ndomains = ['b\xc3\xbc.example']\n" LIMIT, 2, "shape.domains",
     "is not a name pattern"},
    {"a blank", "[[shape]]\nmx = ['a b']\n" LIMIT, 2, "shape.mx", "is not a name pattern"},
    {"an empty list", "[[shape]]\nmx = []\n" LIMIT, 2, "shape.mx", "without the key it is any"},
    {"no such route", "[[shape]]\nroutes = ['bulk']\n" LIMIT, 2, "shape.routes",
     "there is no [[route]] named \"bulk\""},
    {"no connection", "[[shape]]\nmax_connections = 0", 2, "shape.max_connections",
     "must be from 1"},
    {"no rate", "[[shape]]\nmessage_rate = '0/m'", 2, "shape.message_rate", "is not a rate"},
    {"a rate of a number", "[[shape]]\nmessage_rate = 5", 2, "shape.message_rate",
     "must be a rate such as"},
    {"no time", "[[shape]]\nfinal_timeout = '0s'", 2, "shape.final_timeout", "from 10ms"},
    {"a long name", "[[shape]]\nname = '" LONG "'\n" LIMIT, 2, "shape.name", "longer than 40"},
    {"an unknown key", "[[shape]]\nmax_conections = 1\n" LIMIT, 2, "shape.max_conections",
     "did you mean max_connections?"},
    {"[] for [[]]", "[shape]\n" LIMIT, 1, "shape", "write [[shape]]"},

    {"nothing to do", "[[reply]]\ncode = '421'", 1, "reply.then", "is missing"},
    {"an unknown action", "[[reply]]\ncode = '421'\nthen = 'bounce'", 3, "reply.then",
     "\"permanent\""},
    {"every refusal", "[[reply]]\n" THEN, 1, "reply", "fits every refusal"},
    {"a success", "[[reply]]\ncode = '250'\n" THEN, 2, "reply.code", "is no code of a refusal"},
    {"two digits", "[[reply]]\ncode = '42'\n" THEN, 2, "reply.code", "is no code"},
    {"four digits", "[[reply]]\ncode = '4210'\n" THEN, 2, "reply.code", "longer than 3"},
    {"a star", "[[reply]]\ncode = '4*'\n" THEN, 2, "reply.code", "is no code"},
    {"a number", "[[reply]]\ncode = 421\n" THEN, 2, "reply.code", "must be a string"},
    {"a good status", "[[reply]]\nstatus = '2.0.0'\n" THEN, 2, "reply.status",
     "is no enhanced code of a refusal"},
    {"a word", "[[reply]]\nstatus = '4.7.x'\n" THEN, 2, "reply.status", "is no enhanced code"},
    {"a time for nothing", "[[reply]]\ncode = '421'\n" THEN "\nfor = '5m'", 4, "reply.for",
     "is for back_off and slow_down only"},
    {"too long a time", "[[reply]]\ncode = '421'\nthen = 'back_off'\nfor = '8d'", 4, "reply.for",
     "from 1s to 7d"},
    {"no such route there", "[[reply]]\ncode = '421'\nroutes = ['x']\n" THEN, 3, "reply.routes",
     "there is no [[route]]"},
    {"nothing in quotes", "[[reply]]\ntext = ''\n" THEN, 2, "reply.text", "is empty"},
};

static void each_mistake_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct config_mistake *m;
        unsigned count;
        struct config *c = load(bad[i].text, &m, &count);
        char said[1000] = "";
        if (count)
            snprintf(said, sizeof said, "%.*s", SLICE_FMT(m[0].text));
        if (count != 1 || m[0].line != bad[i].line || !slice_eq(m[0].key, slice_cstr(bad[i].key)) ||
            !strstr(said, bad[i].says))
            fail_msg("%s: %u mistakes, line %d, %.*s: %s", bad[i].shows, count,
                     count ? m[0].line : 0, count ? (int)m[0].key.n : 0, count ? m[0].key.p : "",
                     said);
        config_free(c);
    }
}

static void so_many_and_no_more(void **state)
{
    (void)state;
    for (unsigned n = 200; n <= 201; n++) {
        struct buf text;
        buf_init(&text, 1 << 20);
        for (unsigned i = 0; i < n; i++)
            buf_add_cstr(&text, "[[shape]]\n" LIMIT "\n");
        for (unsigned i = 0; i < n; i++)
            buf_add_cstr(&text, "[[reply]]\ncode = '421'\n" THEN "\n");
        struct config_mistake *m;
        unsigned count;
        struct config *c = load(buf_cstr(&text), &m, &count);
        assert_int_equal(count, n > 200 ? 2 : 0);
        assert_int_equal(c->engine.shape_count, 200);
        assert_int_equal(c->engine.reply_count, 200);
        config_free(c);
        buf_close(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_they_become),
        cmocka_unit_test(defaults_are_the_engines),
        cmocka_unit_test(each_mistake_is_told),
        cmocka_unit_test(so_many_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
