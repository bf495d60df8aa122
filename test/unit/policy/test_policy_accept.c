/* test_policy_accept.c -- trusted networks, and who may send as whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/policy_accept.h"

static const char *const nets[] = {"127.0.0.0/8", "::1/128", "192.0.2.64/26", "2001:db8::/32",
                                   "203.0.113.7"};
static const struct {
    const char *peer;
    bool is_trusted;
} peers[] = {
    {"127.0.0.1", true},
    {"127.255.255.255", true},
    {"126.255.255.255", false},
    {"128.0.0.0", false},
    {"::1", true},
    {"::2", false},
    {"192.0.2.63", false},
    {"192.0.2.64", true},
    {"192.0.2.127", true},
    {"192.0.2.128", false},
    {"2001:db8::1", true},
    {"2001:db8:ffff::", true},
    {"2001:db9::", false},
    {"203.0.113.7", true},
    {"203.0.113.8", false},
    {"::ffff:127.0.0.1", true},
    {"::ffff:8.8.8.8", false},
    {"0.0.0.0", false},
    {"::", false},
};

static void trusted(void **state)
{
    struct ip_net net[COUNT_OF(nets)];
    for (size_t i = 0; i < COUNT_OF(nets); i++)
        assert_true(ip_net_parse(slice_cstr(nets[i]), &net[i]));
    for (size_t i = 0; i < COUNT_OF(peers); i++) {
        struct ip ip;
        assert_true(ip_parse(slice_cstr(peers[i].peer), &ip));
        if (policy_is_trusted(&ip, net, COUNT_OF(net)) != peers[i].is_trusted)
            fail_msg("%s", peers[i].peer);
        assert_false(policy_is_trusted(&ip, net, 0)); /* closed by default */
    }
    struct ip none = {0}; /* a local socket has no address: never by network */
    assert_false(policy_is_trusted(&none, net, COUNT_OF(net)));
}

static void senders(void **state)
{
    static const struct slice some[] = {SLICE_INIT("*@example.com"), SLICE_INIT("me@example.net")};
    static const struct {
        const char *sender;
        unsigned patterns;
        bool may;
    } rows[] = {
        {"a@example.com", 2, true},          {"A@EXAMPLE.COM", 2, true},
        {"me@example.net", 2, true},         {"you@example.net", 2, false},
        {"me@example.net", 1, false},        {"a@sub.example.com", 2, false},
        {"a@example.com.evil", 2, false},    {"example.com", 2, false},
        {"", 2, true} /* the null sender */, {"", 0, true},
        {"anyone@anywhere", 0, true},        {"\"x@example.com\"@evil.example", 2, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (policy_may_send_as(some, rows[i].patterns, slice_cstr(rows[i].sender)) != rows[i].may)
            fail_msg("%s", rows[i].sender);
    assert_false(policy_matches_any(some, 0, SLICE("a@example.com")));
    assert_true(policy_matches_any(some, 2, SLICE("a@example.com")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trusted),
        cmocka_unit_test(senders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
