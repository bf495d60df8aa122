/* test_ip.c -- addresses: text there and back, networks, and where no public host can be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/ip.h"

static struct ip ip_of(const char *text)
{
    struct ip ip = {0};
    if (!ip_parse(slice_cstr(text), &ip))
        fail_msg("no address: %s", text);
    return ip;
}

static void text(void **state)
{
    static const struct {
        const char *shows, *in, *out; /* out NULL: refused */
    } rows[] = {
        {"v4", "192.0.2.1", "192.0.2.1"},
        {"v4 ends", "0.0.0.0", "0.0.0.0"},
        {"v4 greatest", "255.255.255.255", "255.255.255.255"},
        {"v4 octet too large", "192.0.2.256", NULL},
        {"v4 leading zero", "192.0.2.01", NULL},
        {"v4 three parts", "192.0.2", NULL},
        {"v4 five parts", "1.2.3.4.5", NULL},
        {"v4 empty part", "1..2.3", NULL},
        {"v4 dot behind", "1.2.3.4.", NULL},
        {"v4 blank", "1.2.3.4 ", NULL},
        {"v4 hex", "0x7f.0.0.1", NULL},
        {"v4 long octet", "1.2.3.0000000000004", NULL},
        {"nothing", "", NULL},
        {"v6 unspecified", "::", "::"},
        {"v6 loopback", "::1", "::1"},
        {"v6 full", "2001:0DB8:0:0:0:0:0:1", "2001:db8::1"},
        {"v6 gap at the end", "2001:db8::", "2001:db8::"},
        {"v6 gap inside", "1:0:0:2::3", "1:0:0:2::3"},
        {"v6 one zero is not shortened", "1:2:3:0:5:6:7:8", "1:2:3:0:5:6:7:8"},
        {"v6 gap of one group", "1:2:3::5:6:7:8", "1:2:3:0:5:6:7:8"},
        {"v6 first of equal runs", "1:0:0:2:0:0:3:4", "1::2:0:0:3:4"},
        {"v6 longer run", "1:0:0:2:0:0:0:4", "1:0:0:2::4"},
        {"v6 no gap", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
        {"v6 mapped", "::ffff:192.0.2.1", "::ffff:192.0.2.1"},
        {"v6 mapped in hex", "::ffff:c000:201", "::ffff:192.0.2.1"},
        {"v6 dotted tail", "64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
        {"v6 dotted tail full", "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
        {"v6 dotted tail too late", "1:2:3:4:5:6:7:1.2.3.4", NULL},
        {"v6 dotted in the middle", "::1.2.3.4:5", NULL},
        {"v6 bad dotted tail", "::1.2.3", NULL},
        {"v6 two gaps", "1::2::3", NULL},
        {"v6 three colons", ":::", NULL},
        {"v6 one colon", ":", NULL},
        {"v6 starts with one colon", ":1:2:3:4:5:6:7", NULL},
        {"v6 ends with one colon", "1:2:3:4:5:6:7:", NULL},
        {"v6 seven groups", "1:2:3:4:5:6:7", NULL},
        {"v6 nine groups", "1:2:3:4:5:6:7:8:9", NULL},
        {"v6 gap for nothing", "1:2:3:4::5:6:7:8", NULL},
        {"v6 five digits", "::12345", NULL},
        {"v6 scope", "fe80::1%eth0", NULL},
        {"v6 brackets", "[::1]", NULL},
        {"v6 no hex", "::g", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct ip ip = {0}, back;
        bool is_ip = ip_parse(slice_cstr(rows[i].in), &ip);
        struct ip_text t = ip_build(&ip);
        if (is_ip != (rows[i].out != NULL) ||
            !slice_eq(slice_cstr(t.s), slice_cstr(is_ip ? rows[i].out : "")))
            fail_msg("%s: %s", rows[i].shows, t.s);
        if (is_ip && !(ip_parse(slice_cstr(t.s), &back) && ip_eq(&ip, &back)))
            fail_msg("%s: not the same again", rows[i].shows);
    }
}

static void ports(void **state)
{
    static const struct {
        const char *shows, *in;
        uint16_t normal;
        const char *out;
    } rows[] = {
        {"v4 with port", "127.0.0.1:53", 0, "127.0.0.1:53"},
        {"v4 default", "127.0.0.1", 53, "127.0.0.1:53"},
        {"v4 port wanted", "127.0.0.1", 0, NULL},
        {"v6 with port", "[::1]:587", 0, "[::1]:587"},
        {"v6 default", "[::1]", 53, "[::1]:53"},
        {"v6 bare default", "::1", 53, "[::1]:53"},
        {"v6 bare, port wanted", "::1", 0, NULL},
        {"port zero as written", "127.0.0.1:0", 5, "127.0.0.1:0"},
        {"port too large", "127.0.0.1:65536", 0, NULL},
        {"port greatest", "127.0.0.1:65535", 0, "127.0.0.1:65535"},
        {"port empty", "127.0.0.1:", 53, NULL},
        {"port sign", "127.0.0.1:+5", 53, NULL},
        {"v6 port empty", "[::1]:", 53, NULL},
        {"v6 open bracket", "[::1", 53, NULL},
        {"v4 in brackets", "[127.0.0.1]:5", 53, NULL},
        {"rest behind bracket", "[::1]x", 53, NULL},
        {"name", "localhost:53", 53, NULL},
        {"nothing", "", 53, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct ip_port a = {0};
        bool is_ok = ip_port_parse(slice_cstr(rows[i].in), rows[i].normal, &a);
        struct ip_text t = ip_port_build(&a);
        if (is_ok != (rows[i].out != NULL) ||
            !slice_eq(slice_cstr(t.s), slice_cstr(is_ok ? rows[i].out : "")))
            fail_msg("%s: %s", rows[i].shows, t.s);
    }
}

static void networks(void **state)
{
    static const struct {
        const char *shows, *net, *ip;
        bool is_net, is_in;
    } rows[] = {
        {"inside", "10.0.0.0/8", "10.255.0.1", true, true},
        {"outside", "10.0.0.0/8", "11.0.0.0", true, false},
        {"odd bits inside", "172.16.0.0/12", "172.31.255.255", true, true},
        {"odd bits outside", "172.16.0.0/12", "172.32.0.0", true, false},
        {"bare address is itself", "192.0.2.1", "192.0.2.1", true, true},
        {"bare address is no other", "192.0.2.1", "192.0.2.2", true, false},
        {"everything v4", "0.0.0.0/0", "1.2.3.4", true, true},
        {"v4 net holds no v6", "0.0.0.0/0", "::1", true, false},
        {"mapped counts as v4", "127.0.0.0/8", "::ffff:127.0.0.1", true, true},
        {"mapped net counts as v4", "::ffff:10.0.0.0/104", "10.1.2.3", true, true},
        {"v6 inside", "2001:db8::/32", "2001:db8:ffff::1", true, true},
        {"v6 outside", "2001:db8::/32", "2001:db9::", true, false},
        {"v6 whole", "::1/128", "::1", true, true},
        {"host bits", "10.0.0.1/8", "10.0.0.1", false, false},
        {"v6 host bits", "::1/127", "::1", false, false},
        {"too many bits", "10.0.0.0/33", "10.0.0.0", false, false},
        {"v6 too many bits", "::/129", "::", false, false},
        {"no bits", "10.0.0.0/", "10.0.0.0", false, false},
        {"mask", "10.0.0.0/255.0.0.0", "10.0.0.0", false, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct ip_net net;
        struct ip ip = ip_of(rows[i].ip);
        bool is_net = ip_net_parse(slice_cstr(rows[i].net), &net);
        if (is_net != rows[i].is_net || (is_net && ip_in_net(&ip, &net) != rows[i].is_in))
            fail_msg("%s", rows[i].shows);
    }
    struct ip none = {0};
    struct ip_net all;
    assert_true(ip_net_parse(SLICE("0.0.0.0/0"), &all));
    assert_false(ip_in_net(&none, &all));
}

static void privacy(void **state)
{
    static const char *const private[] = {
        "0.0.0.0",
        "10.1.1.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.53",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.0.1",
        "192.0.0.1",
        "192.0.2.9",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:10.0.0.1",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "2001::1",
        "3fff:fff::1",
        "100::1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::8.8.8.8",
        "2002:a00:1::",
        "4000::1",
    };
    static const char *const public[] = {
        "8.8.8.8",         "100.63.0.1",       "100.128.0.1",    "172.15.0.1",
        "172.32.0.1",      "192.0.1.1",        "192.167.1.1",    "198.17.0.1",
        "198.20.0.1",      "223.255.255.255",  "2a00:1450::1",   "2001:4860:4860::8888",
        "2606:4700::1111", "64:ff9b::8.8.8.8", "2002:808:808::", "::ffff:8.8.8.8",
    };
    for (size_t i = 0; i < COUNT_OF(private); i++) {
        struct ip ip = ip_of(private[i]);
        if (!ip_is_private(&ip))
            fail_msg("%s", private[i]);
    }
    for (size_t i = 0; i < COUNT_OF(public); i++) {
        struct ip ip = ip_of(public[i]);
        if (ip_is_private(&ip))
            fail_msg("%s", public[i]);
    }
    struct ip none = {0}, a = ip_of("127.0.0.2"), b = ip_of("::1"), c = ip_of("::ffff:127.0.0.1"),
              d = ip_of("10.0.0.1"), e = ip_of("::2");
    assert_true(ip_is_private(&none));
    assert_false(ip_is_loopback(&none));
    assert_true(ip_is_loopback(&a) && ip_is_loopback(&b) && ip_is_loopback(&c));
    assert_false(ip_is_loopback(&d) || ip_is_loopback(&e));
    assert_false(ip_eq(&a, &c)); /* as values they differ */
    assert_true(ip_eq(&none, &none));
}

static void literals(void **state)
{
    struct ip ip;
    assert_true(ip_literal_parse(SLICE("192.0.2.1"), &ip) && ip.family == IP_V4);
    assert_true(ip_literal_parse(SLICE("ipv6:::1"), &ip) && ip.family == IP_V6);
    assert_false(ip_literal_parse(SLICE("::1"), &ip));
    assert_false(ip_literal_parse(SLICE("IPv6:192.0.2.1"), &ip));
    assert_false(ip_literal_parse(SLICE("IPv6:"), &ip));
    assert_false(ip_literal_parse(SLICE(""), &ip));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text),    cmocka_unit_test(ports),    cmocka_unit_test(networks),
        cmocka_unit_test(privacy), cmocka_unit_test(literals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
