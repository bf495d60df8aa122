/* test_engine_view.c -- figures and lists at every moment of a message's life: valid JSON, readable
 * text, and the right messages in them. */
#include "engine_world.h"

#include "base/utf8.h"

/* A small JSON checker: one value, nothing behind it. */
struct checker {
    const char *p, *end;
    int depth;
};

static void skip_blanks(struct checker *c)
{
    while (c->p < c->end && strchr(" \t\r\n", *c->p))
        c->p++;
}

static bool take_char(struct checker *c, char wanted)
{
    skip_blanks(c);
    if (c->p == c->end || *c->p != wanted)
        return false;
    c->p++;
    return true;
}

static bool take_string(struct checker *c)
{
    if (!take_char(c, '"'))
        return false;
    for (; c->p < c->end && *c->p != '"'; c->p++) {
        if ((unsigned char)*c->p < 0x20)
            return false;
        if (*c->p == '\\' && (++c->p == c->end || !strchr("\"\\/bfnrtu", *c->p)))
            return false;
    }
    return take_char(c, '"');
}

static bool take_value(struct checker *c);

static bool take_members(struct checker *c, char closing)
{
    if (take_char(c, closing))
        return true;
    do {
        if (closing == '}' && !(take_string(c) && take_char(c, ':')))
            return false;
        if (!take_value(c))
            return false;
    } while (take_char(c, ','));
    return take_char(c, closing);
}

static bool take_value(struct checker *c)
{
    if (++c->depth > 20)
        return false;
    skip_blanks(c);
    bool is_good = false;
    if (c->p == c->end) {
        is_good = false;
    } else if (take_char(c, '{')) {
        is_good = take_members(c, '}');
    } else if (take_char(c, '[')) {
        is_good = take_members(c, ']');
    } else if (*c->p == '"') {
        is_good = take_string(c);
    } else {
        const char *from = c->p;
        while (c->p < c->end && strchr("+-.0123456789abcdefghijklmnopqrstuvwxyzE", *c->p))
            c->p++;
        size_t n = (size_t)(c->p - from);
        is_good = (n == 4 && (!memcmp(from, "true", 4) || !memcmp(from, "null", 4))) ||
                  (n == 5 && !memcmp(from, "false", 5)) ||
                  (n > 0 && (*from == '-' || ascii_is_digit(*from)) && !ascii_is_alpha(c->p[-1]));
    }
    c->depth--;
    return is_good;
}

static bool is_json(struct slice s)
{
    struct checker c = {s.p, s.p + s.n, 0};
    bool is_value = take_value(&c);
    skip_blanks(&c);
    return is_value && c.p == c.end;
}

static void the_checker_checks(void **state)
{
    static const char *const good[] = {"[]", "{}", "[1,-2,true,null,\"a\\\"b\"]", "{\"a\":[{}]}"};
    static const char *const bad[] = {"",      "[",   "[1,]",  "{\"a\"}",  "[1 2]", "nul",
                                      "[\"a]", "[]x", "{1:2}", "\"\x01\"", "[,1]"};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(is_json(slice_cstr(good[i])));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (is_json(slice_cstr(bad[i])))
            fail_msg("%s", bad[i]);
}

/* Everything that can be looked at, now. */
static void look(struct world *w)
{
    struct buf out;
    buf_init(&out, 16 << 20);
    struct engine_stats s = world_stats(w);
    assert_true(s.in_flight + s.ready <= s.recipients);
    assert_true(s.deferred <= s.recipients);
    assert_int_equal(s.messages == 0, s.oldest_ms == 0);
    struct engine_page page;
    uint64_t n = 0;
    struct engine_filter f = {.limit = 1};
    do { /* page by page, one a page */
        buf_clear(&out);
        engine_queue_json(w->e, &f, w->now_ms, &out, &page);
        if (!is_json(buf_slice(&out)))
            fail_msg("no JSON: %s", buf_cstr(&out));
        n += out.n > 2;
        f.after = page.last;
        assert_true(page.count <= 1);
    } while (page.last);
    assert_int_equal(n, s.messages);
    f = (struct engine_filter){.limit = 100};
    buf_clear(&out);
    engine_queue_text(w->e, &f, w->now_ms, &out, &page);
    assert_true(out.n > 10 && page.last == 0);
    for (unsigned i = 0; i < w->record_count; i++) {
        bool is_there = engine_has_message(w->e, w->record[i].id);
        buf_clear(&out);
        assert_int_equal(engine_message_json(w->e, w->record[i].id, w->now_ms, &out), is_there);
        if (is_there && !is_json(buf_slice(&out)))
            fail_msg("no JSON: %s", buf_cstr(&out));
        buf_clear(&out);
        assert_int_equal(engine_message_text(w->e, w->record[i].id, w->now_ms, &out), is_there);
    }
    buf_clear(&out);
    engine_destinations_json(w->e, 100, w->now_ms, &out);
    if (!is_json(buf_slice(&out)))
        fail_msg("no JSON: %s", buf_cstr(&out));
    buf_clear(&out);
    engine_destinations_text(w->e, 100, w->now_ms, &out);
    buf_clear(&out);
    engine_paused_text(w->e, &out);
    buf_close(&out);
}

static void every_moment_can_be_looked_at(void **state)
{
    struct world_rule rules[] = {{NULL, "RCPT TO:<bad", "550 5.1.1 \"no\" \\ \x1b[1m \xff", 0},
                                 {NULL, "RCPT TO:<late", "450 4.2.0 busy \xc3\xa4", 2},
                                 {"9.2.0.1", "CONNECT", "refuse", 0},
                                 {"2600::b", "CONNECT", "refuse", 0},
                                 {0}};
    struct world *w = world_up();
    w->rules = rules;
    look(w);
    world_submit(w, "s@sender.example", "good@a.example bad@a.example late@a.example r@b.example");
    world_submit(w, "", "\"a \\\"b\"@a.example r@null.example");
    world_operator(w, OPERATOR_PAUSE, 0, "implicit.example");
    world_submit(w, "s@sender.example", "r@implicit.example");
    look(w);
    while (world_step(w))
        look(w);
    for (int i = 0; i < 100; i++) {
        world_pass(w, 30000);
        look(w);
    }
    world_crash(w);
    look(w);
    world_operator(w, OPERATOR_RESUME, 0, "");
    world_pass(w, w->opt.lifetime_ms);
    look(w);
    world_all_done(w);
    world_down(w);
}

static unsigned count_rows(struct world *w, struct engine_filter f)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    struct engine_page page;
    f.limit = f.limit ? f.limit : 100;
    engine_queue_json(w->e, &f, w->now_ms, &out, &page);
    unsigned n = 0;
    for (const char *p = buf_cstr(&out); (p = strstr(p, "\"id\":")); p++)
        n++;
    buf_close(&out);
    return n;
}

static void filters(void **state)
{
    struct world *w = world_up();
    w->holds_lookups = true;
    world_submit(w, "s@sender.example", "r@a.example");
    world_submit(w, "t@sender.example", "r@a.example q@b.example");
    world_submit(w, "t@other.example", "r@b.example");
    uint64_t last_id = world_submit(w, "", "r@A.Example");
    static const struct {
        const char *shown, *from, *to, *domain;
        unsigned rows;
    } rows[] = {
        {"all", "", "", "", 4},
        {"from", "t@sender.example", "", "", 1},
        {"from a pattern", "*@sender.example", "", "", 2},
        {"to", "", "q@b.example", "", 1},
        {"to a pattern", "", "r@*", "", 4},
        {"domain", "", "", "a.example", 3},
        {"domain in capitals", "", "", "B.EXAMPLE", 2},
        {"to and domain, of the same recipient", "", "q@*", "a.example", 0},
        {"from and domain", "*@sender.example", "", "b.example", 1},
        {"none", "nobody@*", "", "", 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct engine_filter f = {.from = slice_cstr(rows[i].from),
                                  .to = slice_cstr(rows[i].to),
                                  .domain = slice_cstr(rows[i].domain)};
        if (count_rows(w, f) != rows[i].rows)
            fail_msg("%s: %u", rows[i].shown, count_rows(w, f));
    }
    assert_int_equal(count_rows(w, (struct engine_filter){.after = last_id}), 0);
    assert_int_equal(count_rows(w, (struct engine_filter){.after = last_id - 1}), 1);
    assert_int_equal(count_rows(w, (struct engine_filter){.limit = 3}), 3);
    world_down(w);
}

static void states_are_named(void **state)
{
    struct world_rule rules[] = {{"9.1.0.1", "RCPT", "450 4.2.0 busy", 0},
                                 {"9.2.0.1", "CONNECT", "refuse", 0},
                                 {"2600::b", "CONNECT", "refuse", 0},
                                 {"9.3.0.1", "CONNECT", "", 0},
                                 {0}};
    struct world *w = world_up();
    w->rules = rules;
    world_operator(w, OPERATOR_PAUSE, 0, "sender.example");
    uint64_t id = world_submit(w, "s@x.example",
                               "r@a.example r@b.example r@implicit.example r@sender.example");
    uint64_t second = world_submit(w, "s@x.example", "r@b.example");
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_true(engine_message_json(w->e, id, w->now_ms, &out));
    assert_non_null(strstr(buf_cstr(&out), "\"resolving\""));
    world_settle(w);
    buf_clear(&out);
    assert_true(engine_message_json(w->e, id, w->now_ms, &out));
    static const char *const parts[] = {"\"deferred\"", "450 4.2.0 busy", "\"in flight\"",
                                        "\"paused\"", "connection refused"};
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (!strstr(buf_cstr(&out), parts[i]))
            fail_msg("no %s in %s", parts[i], buf_cstr(&out));
    buf_clear(&out);
    assert_true(engine_message_text(w->e, second, w->now_ms, &out));
    assert_true(strstr(buf_cstr(&out), "backing off") || strstr(buf_cstr(&out), "deferred"));
    buf_clear(&out);
    engine_destinations_text(w->e, 10, w->now_ms, &out);
    assert_non_null(strstr(buf_cstr(&out), "b.example: "));
    assert_non_null(strstr(buf_cstr(&out), "sender.example: 1 waiting, paused"));
    buf_clear(&out);
    engine_paused_text(w->e, &out);
    assert_string_equal(buf_cstr(&out), "sender.example");
    buf_close(&out);
    world_down(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_checker_checks),
        cmocka_unit_test(every_moment_can_be_looked_at),
        cmocka_unit_test(filters),
        cmocka_unit_test(states_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
