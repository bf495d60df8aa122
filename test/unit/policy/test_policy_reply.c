/* test_policy_reply.c -- which rule fits a reply, what it may do to a verdict, and what it may
 * never do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "policy/policy_reply.h"

static struct slice google[] = {SLICE_INIT("*.google.com")};
static struct slice example[] = {SLICE_INIT("other.example"), SLICE_INIT("*.example.org")};
static struct slice bulk[] = {SLICE_INIT("bulk")};

static struct smtp_reply reply_of(const char *wire)
{
    struct smtp_reply r;
    size_t used;
    assert_int_equal(smtp_reply_parse(slice_cstr(wire), &r, &used), PARSE_DONE);
    return r;
}

static const struct policy_reply_rule *find(const struct policy_reply_rule *rule, unsigned count,
                                            const struct policy_place *p, const char *wire)
{
    struct smtp_reply r = reply_of(wire);
    struct buf text;
    buf_init(&text, POLICY_REPLY_TEXT_BYTES_MAX + 2);
    policy_reply_text(&r, &text);
    const struct policy_reply_rule *found = policy_reply_find(rule, count, p, &r, buf_slice(&text));
    buf_close(&text);
    return found;
}

static void which_fits(void **state)
{
    (void)state;
    static const struct {
        const char *shown, *code, *status, *text, *wire;
        bool fits;
    } rows[] = {
        {"the code", "421", "", "", "421 x\r\n", true},
        {"another code", "421", "", "", "451 x\r\n", false},
        {"any 4xx", "4??", "", "", "499 x\r\n", true},
        {"no 4xx", "4??", "", "", "550 x\r\n", false},
        {"a digit in the middle", "4?1", "", "", "451 x\r\n", true},
        {"any refusal", "???", "", "", "550 x\r\n", true},
        {"never a success", "???", "", "", "250 x\r\n", false},
        {"never a success without a code", "", "", "*x*", "250 x\r\n", false},
        {"never a 354", "", "", "*x*", "354 x\r\n", false},
        {"the status", "", "4.7.28", "", "421 4.7.28 x\r\n", true},
        {"a status that begins so", "", "4.7.28", "", "421 4.7.280 x\r\n", false},
        {"a glob", "", "4.7.*", "", "421 4.7.500 x\r\n", true},
        {"no status", "", "4.7.*", "", "421 x\r\n", false},
        {"no status fits no star", "", "*", "", "421 x\r\n", false},
        {"the text, case ignored", "", "", "*UNUSUAL rate*", "421 4.7.28 An unusual Rate.\r\n",
         true},
        {"the whole text", "", "", "too fast", "421 4.7.0 too fast\r\n", true},
        {"not a part of it", "", "", "too fast", "421 4.7.0 much too fast\r\n", false},
        {"over two lines", "", "", "*rate of*mail*", "421-4.7.28 a rate\r\n421 4.7.28 of mail\r\n",
         true},
        {"a status in the middle is text", "", "", "*see 4.7.1 x", "421 4.7.28 see 4.7.1 x\r\n",
         true},
        {"bytes beyond ASCII", "", "", "caf?? x", "421 caf\xc3\xa9 x\r\n", true},
        {"all of it", "421", "4.7.*", "*x*", "421 4.7.0 axb\r\n", true},
        {"all but one", "421", "4.7.*", "*y*", "421 4.7.0 axb\r\n", false},
    };
    static const struct policy_place nowhere = {0};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct policy_reply_rule rule = {.code = slice_cstr(rows[i].code),
                                         .status = slice_cstr(rows[i].status),
                                         .text = slice_cstr(rows[i].text)};
        if ((find(&rule, 1, &nowhere, rows[i].wire) != NULL) != rows[i].fits)
            fail_msg("%s", rows[i].shown);
    }
}

static void where_it_fits(void **state)
{
    (void)state;
    static const struct slice hosts[] = {SLICE_INIT("mx.example.net"),
                                         SLICE_INIT("ASPMX.L.google.com")};
    const struct policy_where any = {0}, host = {.hosts = google, .host_count = 1},
                              domain = {.domains = example, .domain_count = 2},
                              route = {.routes = bulk, .route_count = 1},
                              both = {.hosts = google,
                                      .host_count = 1,
                                      .domains = example,
                                      .domain_count = 2};
    struct policy_place p = {.domain = SLICE("a.example.org"), .hosts = hosts, .host_count = 2};
    assert_true(policy_where_matches(&any, &p));
    assert_true(policy_where_matches(&host, &p));
    assert_true(policy_where_matches(&domain, &p));
    assert_true(policy_where_matches(&both, &p));
    assert_false(policy_where_matches(&route, &p));
    p.host_count = 1;
    assert_false(policy_where_matches(&host, &p));
    assert_false(policy_where_matches(&both, &p));
    p.host_count = 0; /* not known yet */
    assert_false(policy_where_matches(&host, &p));
    assert_true(policy_where_matches(&domain, &p));
    p.route = SLICE("bulk");
    assert_true(policy_where_matches(&route, &p));
    p.domain = SLICE_NONE;
    assert_false(policy_where_matches(&domain, &p));
    assert_true(policy_where_matches(&any, &p));
}

static void the_first_wins(void **state)
{
    (void)state;
    static const struct policy_place nowhere = {0};
    const struct policy_reply_rule rules[] = {{.code = SLICE("451")},
                                              {.code = SLICE("4??"), .text = SLICE("*b*")},
                                              {.code = SLICE("4??")}};
    assert_ptr_equal(find(rules, 3, &nowhere, "451 b\r\n"), &rules[0]);
    assert_ptr_equal(find(rules, 3, &nowhere, "421 b\r\n"), &rules[1]);
    assert_ptr_equal(find(rules, 3, &nowhere, "421 c\r\n"), &rules[2]);
    assert_null(find(rules, 3, &nowhere, "550 c\r\n"));
    assert_null(find(rules, 0, &nowhere, "451 b\r\n"));
}

/* The longest reply there may be: what is behind the limit is not looked at, and the worst pattern
 * ends. */
static void long_replies(void **state)
{
    (void)state;
    static const struct policy_place nowhere = {0};
    struct buf wire;
    buf_init(&wire, 100000);
    for (int i = 0; i < SMTP_REPLY_LINES_MAX; i++) {
        buf_addf(&wire, "421%c", i + 1 < SMTP_REPLY_LINES_MAX ? '-' : ' ');
        for (int k = 0; k < 900; k++)
            buf_add_char(&wire, 'a');
        buf_add_cstr(&wire, "\r\n");
    }
    char pattern[256];
    memset(pattern, 'a', 254);
    pattern[0] = '*';
    pattern[254] = 'b';
    pattern[255] = 0;
    struct policy_reply_rule rule = {.text = slice_cstr(pattern)};
    assert_null(find(&rule, 1, &nowhere, buf_cstr(&wire)));
    rule.text = SLICE("*a*");
    assert_ptr_equal(find(&rule, 1, &nowhere, buf_cstr(&wire)), &rule);
    struct smtp_reply r = reply_of(buf_cstr(&wire));
    struct buf text;
    buf_init(&text, POLICY_REPLY_TEXT_BYTES_MAX + 2);
    policy_reply_text(&r, &text);
    assert_false(text.is_full);
    assert_in_range(text.n, POLICY_REPLY_TEXT_BYTES_MAX, POLICY_REPLY_TEXT_BYTES_MAX + 1);
    buf_close(&text);
    buf_close(&wire);
}

/* Every action at every answer: scope, code and facts in all combinations. */
static void what_no_rule_can_do(void **state)
{
    (void)state;
    static const int codes[] = {0, 220, 250, 354, 421, 450, 452, 500, 550, 552, 554};
    unsigned moved = 0;
    for (int scope = 0; scope <= SMTP_SCOPE_RECIPIENT; scope++) {
        for (size_t c = 0; c < COUNT_OF(codes); c++) {
            for (unsigned facts = 0; facts < 32; facts++) {
                struct smtp_reply r = {.code = codes[c]};
                struct policy_answer a = {.scope = (enum smtp_scope)scope,
                                          .reply = codes[c] ? &r : NULL,
                                          .is_unsure = facts & 1,
                                          .is_reused = facts & 2,
                                          .may_go_plain = facts & 4,
                                          .has_next_host = facts & 8,
                                          .is_crowded = facts & 16};
                enum policy_verdict table = policy_outcome(&a);
                for (int then = 0; then < POLICY_REPLY_THEN_COUNT; then++) {
                    struct policy_reply_rule rule = {.then = (enum policy_reply_then)then};
                    enum policy_verdict v = policy_reply_verdict(&rule, &a, table);
                    moved += v != table;
                    if (table == POLICY_DELIVERED || table == POLICY_UNSURE ||
                        table == POLICY_RETURN || table == POLICY_IN_PLAIN)
                        assert_int_equal(v, table);
                    if (codes[c] < 400 || a.is_unsure) /* no refusal, or a line that died */
                        assert_int_equal(v, table);
                    assert_true(v != POLICY_DELIVERED || table == v);
                    assert_true(v != POLICY_UNSURE || table == v);
                    if (v == POLICY_BOUNCE && table != v)
                        assert_int_equal(then, POLICY_REPLY_PERMANENT);
                    if (v == POLICY_NEXT_HOST && table != v)
                        assert_true(a.has_next_host);
                }
            }
        }
    }
    assert_true(moved > 500);
}

static void what_a_report_says(void **state)
{
    (void)state;
    static const struct {
        const char *wire, *bounce, *later;
    } rows[] = {
        {"421 4.7.28 x\r\n", "5.7.28", "4.7.28"},
        {"550 5.2.1 x\r\n", "5.2.1", "4.2.1"},
        {"421 x\r\n", "5.7.1", "4.7.1"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct smtp_reply r = reply_of(rows[i].wire);
        assert_string_equal(smtp_status_build(policy_reply_status(&r, POLICY_BOUNCE)).s,
                            rows[i].bounce);
        assert_string_equal(smtp_status_build(policy_reply_status(&r, POLICY_LATER)).s,
                            rows[i].later);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_fits),          cmocka_unit_test(where_it_fits),
        cmocka_unit_test(the_first_wins),      cmocka_unit_test(long_replies),
        cmocka_unit_test(what_no_rule_can_do), cmocka_unit_test(what_a_report_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
