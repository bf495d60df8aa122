/* test_from.c -- whom a From field names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "mail/from.h"

static const struct {
    const char *shows, *value,
        *names; /* addresses, each followed by a blank; "!" at the end: bad */
} rows[] = {
    {"bare", "a@b.example", "a@b.example "},
    {"with a name", "A B <a@b.example>", "a@b.example "},
    {"quoted name with a trap", "\"c@d.example, <e@f.example>\" <a@b.example>", "a@b.example "},
    {"comments", "(c@d.example) a@b.example (x \\) (y))", "a@b.example "},
    {"comment in the angle", "X <a@b.example(no)>", "a@b.example "},
    {"two", "a@b.example, C <c@d.example>", "a@b.example c@d.example "},
    {"empty places", ", a@b.example,,", "a@b.example "},
    {"a group", "team: a@b.example, C <c@d.example>;", "a@b.example c@d.example "},
    {"an empty group", "nobody:;", ""},
    {"a literal", "a@[IPv6:2001:db8::1]", "a@IPv6:2001:db8::1 "},
    {"quoted local part", "<\"a b\"@c.example>", "\"a b\"@c.example "},
    {"nothing", "", ""},
    {"two in one", "<a@b.example> <c@d.example>", "!"},
    {"one behind the other", "a@b.example <c@d.example> e@f.example", "!"},
    {"no comma", "a@b.example c@d.example", "!"},
    {"an open quote", "\"a <a@b.example>", "!"},
    {"an open comment", "a@b.example (", "!"},
    {"an open angle", "X <a@b.example", "!"},
    {"a closing angle alone", "a@b.example>", "!"},
    {"an empty angle", "X <>", "!"},
    {"no domain", "root", "!"},
    {"encoded word with an address", "=?utf-8?q?c=40d.example?= <a@b.example>", "a@b.example "},
    {"the second is bad", "a@b.example, x y@z.example", "a@b.example !"},
    {"a route", "<@c.example:a@b.example>", "!"},
};

static void names(void **state)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct slice rest = slice_cstr(rows[i].value);
        char text[MAIL_FROM_ADDRESS_MAX];
        struct mail_address a;
        struct buf out;
        buf_init(&out, 1000);
        enum parse p;
        while ((p = mail_from_next(&rest, text, &a)) == PARSE_DONE)
            buf_addf(&out, "%.*s@%.*s ", SLICE_FMT(a.local), SLICE_FMT(a.domain));
        if (p == PARSE_BAD)
            buf_add_cstr(&out, "!");
        if (strcmp(buf_cstr(&out), rows[i].names) != 0)
            fail_msg("%s: %s", rows[i].shows, buf_cstr(&out));
        buf_close(&out);
    }
}

static void deep_and_long_is_bad(void **state)
{
    char value[2000], text[MAIL_FROM_ADDRESS_MAX];
    struct mail_address a;
    static const char fill[] = "(x\"";
    for (size_t i = 0; i < sizeof fill - 1; i++) {
        memset(value, fill[i], sizeof value);
        struct slice rest = slice_of(value, sizeof value);
        assert_int_equal(mail_from_next(&rest, text, &a), PARSE_BAD);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(deep_and_long_is_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
