/* test_rewrite.c -- envelope addresses through completion, aliases, maps and staging. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "rewrite/rewrite.h"

#define TARGETS(...)                                                                               \
    (struct slice[])                                                                               \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define S(text)                                                                                    \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

static struct rewrite_rule aliases[] = {
    {S("root"), TARGETS(S("ops@example.com"), S("admin")), 2},
    {S("admin"), TARGETS(S("eve@example.net")), 1},
    {S("all"), TARGETS(S("root"), S("eve@example.net"), S("bob@old.example")), 3},
    {S("archive"), TARGETS(S("@archive.example")), 1},
};
static struct rewrite_rule maps[] = {
    {S("vip@old.example"), TARGETS(S("vip@example.com")), 1},
    {S("*@old.example"), TARGETS(S("@new.example")), 1},
    {S("*@new.example"), TARGETS(S("never@example.org")), 1}, /* rules are not applied twice */
    {S("*@*.dev.example"), TARGETS(S("dev@example.com")), 1},
};
static struct rewrite_rule masquerade[] = {
    {S("root@*"), TARGETS(S("box@example.com")), 1},
    {S("*@*.example.com"), TARGETS(S("@example.com")), 1},
};
static struct slice allow[] = {S("*@example.com"), S("qa@example.net")};

static struct rewrite_options options(bool is_staging)
{
    return (struct rewrite_options){
        .domain = SLICE("corp.example"),
        .aliases = aliases,
        .alias_count = COUNT_OF(aliases),
        .senders = masquerade,
        .sender_count = COUNT_OF(masquerade),
        .recipients = maps,
        .recipient_count = COUNT_OF(maps),
        .environment = is_staging ? REWRITE_STAGING : REWRITE_PRODUCTION,
        .staging_mailbox = SLICE("stage@example.org"),
        .staging_allow = allow,
        .staging_allow_count = COUNT_OF(allow),
    };
}

static const struct {
    const char *what, *in, *out, *staged;
} recipients[] = {
    {"untouched", "a@b.example", "a@b.example", "stage@example.org"},
    {"untouched and allowed", "a@example.com", "a@example.com", "a@example.com"},
    {"completed", "bob", "bob@corp.example", "stage@example.org"},
    {"a completed alias of two levels", "root", "ops@example.com eve@example.net",
     "ops@example.com stage@example.org"},
    {"an alias by our name, in capitals", "ROOT@box.example", "ops@example.com eve@example.net",
     "ops@example.com stage@example.org"},
    {"by localhost", "admin@localhost", "eve@example.net", "stage@example.org"},
    {"no alias elsewhere", "root@b.example", "root@b.example", "stage@example.org"},
    {"nobody twice, maps behind aliases", "all", "ops@example.com eve@example.net bob@new.example",
     "ops@example.com stage@example.org"},
    {"an alias that keeps the name", "archive", "archive@archive.example", "stage@example.org"},
    {"the first rule wins", "vip@old.example", "vip@example.com", "vip@example.com"},
    {"a domain, once", "x@old.example", "x@new.example", "stage@example.org"},
    {"a wildcard", "x@a.dev.example", "dev@example.com", "dev@example.com"},
    {"a quoted local part is kept", "\"a b\"@old.example", "\"a b\"@new.example",
     "stage@example.org"},
    {"a look-alike is not allowed", "a@example.com.evil.example", "a@example.com.evil.example",
     "stage@example.org"},
    {"nor is one in quotes", "\"a@example.com\"@evil.example", "\"a@example.com\"@evil.example",
     "stage@example.org"},
};

static void joined(const struct rewrite_list *l, char *out, size_t max)
{
    size_t n = 0;
    out[0] = 0;
    for (unsigned i = 0; i < l->count; i++)
        n += (size_t)snprintf(out + n, max - n, "%s%.*s", i ? " " : "", (int)l->address[i].n,
                              l->address[i].s);
}

static void test_recipients(void **state)
{
    for (size_t i = 0; i < COUNT_OF(recipients); i++) {
        for (int is_staging = 0; is_staging < 2; is_staging++) {
            struct rewrite_options o = options(is_staging);
            const char *want = is_staging ? recipients[i].staged : recipients[i].out;
            struct rewrite_list l;
            char got[4096];
            rewrite_recipient(&o, SLICE("box.example"), slice_cstr(recipients[i].in), &l);
            joined(&l, got, sizeof got);
            if (strcmp(got, want) || l.is_too_many)
                fail_msg("%s: %s, not %s", recipients[i].what, got, want);
            assert_int_equal(l.is_redirected, is_staging && strstr(want, "stage@") != NULL);
        }
    }
}

static const struct {
    const char *what, *in, *out;
} senders[] = {
    {"null stays null", "", ""},
    {"untouched", "a@b.example", "a@b.example"},
    {"completed, then mapped", "root", "box@example.com"},
    {"masqueraded", "app@web1.example.com", "app@example.com"},
    {"not a look-alike", "app@web1example.com", "app@web1example.com"},
};

static void test_senders(void **state)
{
    struct rewrite_options o = options(true); /* staging leaves senders alone */
    for (size_t i = 0; i < COUNT_OF(senders); i++) {
        struct rewrite_text t;
        rewrite_sender(&o, SLICE("box.example"), slice_cstr(senders[i].in), &t);
        if (!slice_eq(rewrite_text_slice(&t), slice_cstr(senders[i].out)))
            fail_msg("%s: %.*s", senders[i].what, (int)t.n, t.s);
    }
}

static void test_nothing_configured(void **state)
{
    struct rewrite_options o = {0};
    struct rewrite_list l;
    rewrite_recipient(&o, SLICE("box.example"), SLICE("root@box.example"), &l);
    assert_true(l.count == 1 && !l.is_redirected);
    assert_true(slice_eq(rewrite_text_slice(&l.address[0]), SLICE("root@box.example")));
    assert_int_equal(rewrite_find_loop(&o, SLICE("box.example")), 0);
}

static void test_too_long(void **state)
{
    char address[MAIL_ADDRESS_BYTES_MAX + 1], domain[MAIL_DOMAIN_BYTES_MAX + 1] = "@";
    memset(address, 'a', sizeof address);
    memcpy(address + 60, "@old.example", 12);
    memset(domain + 1, 'd', 230);
    struct rewrite_rule rule = {S("*@old.example"), TARGETS({domain, 231}), 1};
    struct rewrite_options o = {.recipients = &rule, .recipient_count = 1};
    struct rewrite_list l;
    rewrite_recipient(&o, SLICE("h"), slice_of(address, 72), &l);
    assert_true(slice_eq(rewrite_text_slice(&l.address[0]), slice_of(address, 72)));
}

static void test_loops(void **state)
{
    struct rewrite_rule loop[] = {
        {S("good"), TARGETS(S("x@example.com")), 1},
        {S("a"), TARGETS(S("b")), 1},
        {S("b"), TARGETS(S("a@box.example")), 1},
    };
    struct rewrite_options o = {.aliases = loop, .alias_count = 3};
    struct rewrite_list l;
    assert_int_equal(rewrite_find_loop(&o, SLICE("box.example")), 1);
    rewrite_recipient(&o, SLICE("box.example"), SLICE("a@box.example"), &l);
    assert_true(l.is_too_many && l.count == 0);
    o = options(false);
    assert_int_equal(rewrite_find_loop(&o, SLICE("box.example")), COUNT_OF(aliases));
}

/* Lists of lists that share members: few addresses, very many ways to them. */
static void test_ceilings(void **state)
{
    static struct slice next[8][40];
    static char name[8][2];
    static struct rewrite_rule level[8];
    static char member[100][32];
    static struct slice many[100];
    for (int i = 0; i < 8; i++) {
        name[i][0] = (char)('a' + i);
        for (int k = 0; k < 40; k++)
            next[i][k] = i < 7 ? slice_of(name[i + 1], 1) : SLICE("x@example.com");
        level[i] = (struct rewrite_rule){slice_of(name[i], 1), next[i], 40};
    }
    for (int i = 0; i < 8; i++)
        name[i][0] = (char)('a' + i);
    struct rewrite_options o = {.aliases = level, .alias_count = 8};
    struct rewrite_list l;
    rewrite_recipient(&o, SLICE("box"), SLICE("a@box"), &l);
    assert_true(l.is_too_many);
    for (int i = 0; i < 100; i++) {
        snprintf(member[i], sizeof member[i], "m%d@example.com", i);
        many[i] = slice_cstr(member[i]);
    }
    level[0] = (struct rewrite_rule){SLICE("a"), many, REWRITE_TARGETS_MAX};
    rewrite_recipient(&o, SLICE("box"), SLICE("a@box"), &l);
    assert_true(!l.is_too_many && l.count == REWRITE_TARGETS_MAX);
    level[0].target_count++;
    rewrite_recipient(&o, SLICE("box"), SLICE("a@box"), &l);
    assert_true(l.is_too_many);
}

/* With keys the first rule is found as without. */
static void keys_change_nothing(void **state)
{
    static const char *const pattern[] = {
        "*",         "a@b.example", "*@B.example",       "@b.example",
        "b.example", "*.example",   "a@*.example",       "root@",
        "*@*",       "a@b*",        "\"x@y\"@b.example", "@[192.0.2.1]",
        "b.exampl",  "a@b.example."};
    static const char *const address[] = {
        "a@b.example",       "A@b.example",   "c@b.example",      "a@c.example",  "root",
        "\"x@y\"@b.example", "x@[192.0.2.1]", "b.example@c.test", "a@xb.example", ""};
    static struct slice to[] = {SLICE_INIT("hit@x.test")};
    for (size_t i = 0; i < COUNT_OF(pattern); i++) {
        struct rewrite_rule rule = {slice_cstr(pattern[i]), to, 1};
        uint64_t key = rewrite_key(rule.pattern);
        struct rewrite_options o = {.recipients = &rule, .recipient_count = 1}, with = o;
        with.recipient_keys = &key;
        for (size_t k = 0; k < COUNT_OF(address); k++) {
            struct rewrite_text t;
            struct slice text = slice_cstr(address[k]);
            assert_int_equal(rewrite_map(&o, REWRITE_RECIPIENTS, text, &t),
                             rewrite_map(&with, REWRITE_RECIPIENTS, text, &t));
            assert_int_equal(rewrite_map(&o, REWRITE_RECIPIENTS, text, &t),
                             mail_address_match(rule.pattern, text));
        }
    }
    assert_true(rewrite_key(SLICE("*@b.example")) == rewrite_key(SLICE("B.EXAMPLE")));
    assert_true(rewrite_key(SLICE("*@b.example")) != rewrite_key(SLICE("*@c.example")));
    assert_true(!rewrite_key(SLICE("*@*.example")) && !rewrite_key(SLICE("root@")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_change_nothing), cmocka_unit_test(test_recipients),
        cmocka_unit_test(test_senders),        cmocka_unit_test(test_nothing_configured),
        cmocka_unit_test(test_too_long),       cmocka_unit_test(test_loops),
        cmocka_unit_test(test_ceilings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
