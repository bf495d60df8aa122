/* test_policy_family.c -- which replies refuse IPv6, and which only mention it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "policy/policy_family.h"

static const struct {
    const char *shown, *reply;
    bool is_refusal;
} rows[] = {
    {"no PTR, by its code (RFC 7372)", "550 5.7.25 reverse DNS validation failed\r\n", true},
    {"the same for now", "450 4.7.25 Client host rejected: cannot find your hostname\r\n", true},
    {"guidelines, in several lines",
     "550-5.7.1 [2001:db8::1] Our system has detected that this message does\r\n"
     "550-5.7.1 not meet IPv6 sending guidelines regarding PTR records and\r\n"
     "550 5.7.1 authentication. Please review them.\r\n",
     true},
    {"the word stands at the end", "554 5.7.1 we take no mail over IPv6\r\n", true},
    {"in words alone", "554 No mail by ipv6 please\r\n", true},
    {"a literal, which every refusal may have",
     "554 5.7.1 unknown[IPv6:2001:db8::1]: access denied\r\n", false},
    {"a literal, and more", "554 5.7.1 [IPv6:2001:db8::1]: no IPv6 here\r\n", true},
    {"another subject", "550 5.1.1 ipv6@example.org: no such user\r\n", false},
    {"another subject, detail 25", "550 5.1.25 what is that\r\n", false},
    {"something else of ours", "550 5.7.1 blocked\r\n", false},
    {"no refusal", "250 2.7.25 IPv6 is welcome\r\n", false},
    {"nothing said", "550\r\n", false},
    {"half a word", "550 5.7.1 ipv\r\n", false},
};

static void replies(void **state)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct smtp_reply r;
        size_t used;
        assert_int_equal(
            smtp_reply_parse(slice_of(rows[i].reply, strlen(rows[i].reply)), &r, &used),
            PARSE_DONE);
        if (policy_refuses_v6(&r) != rows[i].is_refusal)
            fail_msg("%s", rows[i].shown);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(replies)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
