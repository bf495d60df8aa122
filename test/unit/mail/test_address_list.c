/* test_address_list.c -- the addresses in header fields, as RFC 5322 and the wild have them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mail/address_list.h"

/* What a list holds, joined by '|'; "!" and the sentence when it is wrong. */
static void join(struct slice in, struct buf *out)
{
    struct mail_address_list l;
    struct mail_address_item item;
    enum parse p;
    mail_address_list_init(&l, in);
    while ((p = mail_address_list_next(&l, &item)) == PARSE_DONE) {
        assert_true(l.at <= in.n);
        if (out->n)
            buf_add_char(out, '|');
        assert_true(mail_address_build(&item.address, out));
    }
    if (p == PARSE_BAD)
        buf_addf(out, "!%s", l.wrong);
}

static const struct {
    const char *shows, *in, *wanted;
} cases[] = {
    {"one address", "a@b.example", "a@b.example"},
    {"several", "a@b.example, c@d.example,e@f.example", "a@b.example|c@d.example|e@f.example"},
    {"a local name", "root", "root"},
    {"a display name", "Bob Builder <bob@b.example>", "bob@b.example"},
    {"a quoted name with a comma", "\"Builder, Bob\" <bob@b.example>, x@y", "bob@b.example|x@y"},
    {"a quoted name with a quote", "\"B \\\"x\\\" <no@no>\" <bob@b.example>", "bob@b.example"},
    {"a name with a dot", "Bob Q. Builder <bob@b.example>", "bob@b.example"},
    {"a name with brackets", "[list] Bob <bob@b.example>", "bob@b.example"},
    {"a name that looks like an address", "bob@work.example <bob@b.example>", "bob@b.example"},
    {"an encoded word", "=?utf-8?Q?J=C3=BCrgen?= <j@b.example>", "j@b.example"},
    {"8-bit bytes in a name", "J\303\274rgen <j@b.example>", "j@b.example"},
    {"UTF-8 in an address", "j\303\274@b.example", "j\303\274@b.example"},
    {"comments everywhere", "(x) bob (the (nested) \\) one) @ (at) b.example (end)",
     "bob@b.example"},
    {"a comment as a name", "bob@b.example (Bob Builder)", "bob@b.example"},
    {"a comment inside the brackets", "Bob <(x)bob@b.example(y)>", "bob@b.example"},
    {"blanks around the signs", "bob . the @ b . example", "bob.the@b.example"},
    {"a folded list", "a@b.example,\r\n\tBob\r\n <c@d.example>", "a@b.example|c@d.example"},
    {"a group", "Team: a@b.example, Bob <c@d.example>;", "a@b.example|c@d.example"},
    {"a group among others", "x@y, Team: a@b.example; , z@y", "x@y|a@b.example|z@y"},
    {"an empty group", "undisclosed-recipients:;", ""},
    {"a group that is not closed", "Team: a@b.example", "a@b.example"},
    {"a quoted local part", "\"bob builder\"@b.example", "\"bob builder\"@b.example"},
    {"a quoted local part with an at sign", "\"a@b\"@c.example", "\"a@b\"@c.example"},
    {"quotes that are not needed", "\"bob\"@b.example", "bob@b.example"},
    {"an address literal", "bob@[192.0.2.1]", "bob@[192.0.2.1]"},
    {"a source route", "<@a.example,@b.example:bob@c.example>", "bob@c.example"},
    {"empty items", ", ,a@b.example,,", "a@b.example"},
    {"semicolons, as Outlook has them", "a@b.example; c@d.example;", "a@b.example|c@d.example"},
    {"a name behind the address", "<bob@b.example> Bob", "bob@b.example"},
    {"nothing", "", ""},
    {"blanks only", " \r\n\t ", ""},
    {"upper case domain", "Bob@B.EXAMPLE", "Bob@b.example"},

    {"no comma between words", "bob builder", "!words without a comma between them are no address"},
    {"no comma between two", "<a@b.example> <c@d.example>",
     "!a comma is missing between addresses"},
    {"a comment that is not closed", "bob@b.example (Bob", "!a comment is not closed"},
    {"a quote that is not closed", "\"Bob <bob@b.example>", "!a quoted string is not closed"},
    {"an angle that is not closed", "Bob <bob@b.example", "!a \"<\" is not closed"},
    {"a bracket that is not closed", "bob@[192.0.2.1", "!a \"[\" is not closed"},
    {"a null address", "Bob <>", "!that is no address"},
    {"no local part", "@b.example", "!that is no address"},
    {"no domain", "bob@", "!that is no address"},
    {"two at signs", "a@b@c.example", "!that is no address"},
    {"a stray bracket", "bob>", "!that is no address"},
    {"a group in a group", "A: B: c@d;;", "!a \":\" is in the wrong place"},
    {"a control character", "bo\001b@b.example", "!that is no address"},
    {"good ones before the bad one are had", "a@b.example, b@", "a@b.example!that is no address"},
};

static void test_cases(void **state)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf out;
        buf_init(&out, 4096);
        char *exact = mem_dup(cases[i].in, strlen(cases[i].in));
        join(slice_of(exact, strlen(cases[i].in)), &out);
        if (strcmp(buf_cstr(&out), cases[i].wanted) != 0)
            fail_msg("%s: %s gives %s", cases[i].shows, cases[i].in, buf_cstr(&out));
        mem_free(exact);
        buf_close(&out);
    }
}

/* Cut anywhere, a list gives addresses or a complaint, and an end. */
static void test_cut_short(void **state)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t n = 0; n < strlen(cases[i].in); n++) {
            struct buf out;
            buf_init(&out, 4096);
            char *exact = mem_new(n + 1);
            memcpy(exact, cases[i].in, n);
            join(slice_of(exact, n), &out);
            mem_free(exact);
            buf_close(&out);
        }
    }
}

static void test_limits(void **state)
{
    enum { MANY = 200000 };
    struct buf in, out;
    buf_init(&in, MANY * 2);
    buf_init(&out, 4096);
    for (int i = 0; i < MANY; i++)
        buf_add_char(&in, '(');
    join(buf_slice(&in), &out);
    assert_string_equal(buf_cstr(&out), "!a comment is not closed");
    buf_clear(&in);
    buf_clear(&out);
    for (int i = 0; i < MAIL_ADDRESS_LIST_ITEM_MAX + 1; i++)
        buf_add_char(&in, 'a');
    buf_add_cstr(&in, "@b.example");
    join(buf_slice(&in), &out);
    assert_string_equal(buf_cstr(&out), "!an address is too long");
    buf_close(&in);
    buf_close(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
