/* test_address.c -- addresses and paths: strict, lax, cut short, canonical text, patterns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "mail/address.h"

enum {
    U8 = MAIL_ADDRESS_UTF8,
    UNQ = MAIL_ADDRESS_UNQUALIFIED,
    LAX = MAIL_ADDRESS_LAX,
    NUL = MAIL_ADDRESS_NULL,
    POST = MAIL_ADDRESS_POSTMASTER,
};

#define A10 "aaaaaaaaaa"
#define A60 A10 A10 A10 A10 A10 A10
#define L63 A60 "aaa"
#define D247 L63 "." L63 "." L63 "." A10 A10 A10 A10 A10 ".aaaa"

struct row {
    const char *shows;
    struct slice in;
    unsigned options;
    enum parse says;
    size_t used;     /* where it went wrong, for PARSE_BAD; else not looked at */
    const char *out; /* canonical text */
};

static const struct row addresses[] = {
    {"plain", SLICE_INIT("user@example.com"), 0, PARSE_DONE, 0, "user@example.com"},
    {"case of the domain folds, of the local part not", SLICE_INIT("User@Example.COM"), 0,
     PARSE_DONE, 0, "User@example.com"},
    {"all of atext", SLICE_INIT("a!#$%&'*+-/=?^_`{|}~9.b@x"), 0, PARSE_DONE, 0,
     "a!#$%&'*+-/=?^_`{|}~9.b@x"},
    {"digits in the domain", SLICE_INIT("a@1.2x.3"), 0, PARSE_DONE, 0, "a@1.2x.3"},
    {"hyphens inside", SLICE_INIT("a@x--y.z-1"), 0, PARSE_DONE, 0, "a@x--y.z-1"},
    {"needless quotes go", SLICE_INIT("\"joe.user\"@x"), 0, PARSE_DONE, 0, "joe.user@x"},
    {"needless backslashes go", SLICE_INIT("\"\\j\\o\\e\"@x"), 0, PARSE_DONE, 0, "joe@x"},
    {"needed quotes stay", SLICE_INIT("\"a b\"@x"), 0, PARSE_DONE, 0, "\"a b\"@x"},
    {"quoted at sign and brackets", SLICE_INIT("\"a@b>c\"@x"), 0, PARSE_DONE, 0, "\"a@b>c\"@x"},
    {"quoted quote and backslash", SLICE_INIT("\"\\\"\\\\\"@x"), 0, PARSE_DONE, 0,
     "\"\\\"\\\\\"@x"},
    {"empty quotes", SLICE_INIT("\"\"@x"), 0, PARSE_DONE, 0, "\"\"@x"},
    {"quoted dots", SLICE_INIT("\"a..b\"@x"), 0, PARSE_DONE, 0, "\"a..b\"@x"},
    {"v4 literal", SLICE_INIT("a@[192.0.2.1]"), 0, PARSE_DONE, 0, "a@[192.0.2.1]"},
    {"v6 literal", SLICE_INIT("a@[ipv6:2001:DB8:0::1]"), 0, PARSE_DONE, 0, "a@[IPv6:2001:db8::1]"},
    {"longest local part", SLICE_INIT(L63 "a@x"), 0, PARSE_DONE, 0, L63 "a@x"},
    {"longest label", SLICE_INIT("a@" L63), 0, PARSE_DONE, 0, "a@" L63},
    {"longest address", SLICE_INIT("aaaaaa@" D247), 0, PARSE_DONE, 0, "aaaaaa@" D247},
    {"UTF-8 both",
     SLICE_INIT("\xc3\xa4.\xe2\x82\xac@b\xc3\xbc"
                "cher.example"),
     U8, PARSE_DONE, 0,
     "\xc3\xa4.\xe2\x82\xac@b\xc3\xbc"
     "cher.example"},
    {"UTF-8 quoted", SLICE_INIT("\"\xf0\x9f\x93\xa7 x\"@y"), U8, PARSE_DONE, 0,
     "\"\xf0\x9f\x93\xa7 x\"@y"},
    {"a long label that turns wide late", SLICE_INIT("a@" L63 "aaa\xc3\xa4"), U8, PARSE_DONE, 0,
     "a@" L63 "aaa\xc3\xa4"},
    {"unqualified by option", SLICE_INIT("root"), UNQ, PARSE_DONE, 0, "root"},
    {"unqualified quoted", SLICE_INIT("\"a@b\""), UNQ, PARSE_DONE, 0, "\"a@b\""},
    {"underscore by option", SLICE_INIT("a@_x.y_z"), LAX, PARSE_DONE, 0, "a@_x.y_z"},

    {"nothing", SLICE_INIT(""), 0, PARSE_MORE, 0, NULL},
    {"local part alone", SLICE_INIT("root"), 0, PARSE_MORE, 0, NULL},
    {"postmaster is for paths", SLICE_INIT("postmaster"), POST, PARSE_MORE, 0, NULL},
    {"no domain", SLICE_INIT("a@"), UNQ, PARSE_MORE, 0, NULL},
    {"dot at the end", SLICE_INIT("a@x."), 0, PARSE_MORE, 0, NULL},
    {"open quote", SLICE_INIT("\"a@x"), 0, PARSE_MORE, 0, NULL},
    {"open literal", SLICE_INIT("a@[192.0.2.1"), 0, PARSE_MORE, 0, NULL},
    {"open UTF-8", SLICE_INIT("a@\xe2\x82"), U8, PARSE_MORE, 0, NULL},

    {"no local part", SLICE_INIT("@x"), 0, PARSE_BAD, 0, NULL},
    {"dot first", SLICE_INIT(".a@x"), 0, PARSE_BAD, 0, NULL},
    {"dot last", SLICE_INIT("a.@x"), 0, PARSE_BAD, 2, NULL},
    {"two dots", SLICE_INIT("a..b@x"), 0, PARSE_BAD, 2, NULL},
    {"blank", SLICE_INIT("a b@x"), 0, PARSE_BAD, 1, NULL},
    {"blank behind", SLICE_INIT("a@x "), LAX, PARSE_BAD, 3, NULL},
    {"comment", SLICE_INIT("a(c)@x"), 0, PARSE_BAD, 1, NULL},
    {"two at signs", SLICE_INIT("a@x@y"), 0, PARSE_BAD, 3, NULL},
    {"comma", SLICE_INIT("a@x,b@y"), 0, PARSE_BAD, 3, NULL},
    {"empty label", SLICE_INIT("a@x..y"), 0, PARSE_BAD, 4, NULL},
    {"label starts with hyphen", SLICE_INIT("a@-x"), 0, PARSE_BAD, 2, NULL},
    {"label ends with hyphen", SLICE_INIT("a@x-.y"), 0, PARSE_BAD, 4, NULL},
    {"underscore", SLICE_INIT("a@x_y"), 0, PARSE_BAD, 3, NULL},
    {"local part too long", SLICE_INIT(L63 "aa@x"), 0, PARSE_BAD, 64, NULL},
    {"label too long", SLICE_INIT("a@" L63 "a"), 0, PARSE_BAD, 65, NULL},
    {"address too long", SLICE_INIT("aaaaaaa@" D247), 0, PARSE_BAD, 255, NULL},
    {"LF", SLICE_INIT("a\n@x"), 0, PARSE_BAD, 1, NULL},
    {"quoted CR", SLICE_INIT("\"a\r\"@x"), 0, PARSE_BAD, 2, NULL},
    {"quoted pair of LF", SLICE_INIT("\"a\\\n\"@x"), 0, PARSE_BAD, 3, NULL},
    {"quoted tab", SLICE_INIT("\"\t\"@x"), 0, PARSE_BAD, 1, NULL},
    {"NUL in the local part", SLICE_INIT("a\0b@x"), 0, PARSE_BAD, 1, NULL},
    {"NUL in the domain", SLICE_INIT("a@x\0y"), 0, PARSE_BAD, 3, NULL},
    {"DEL quoted", SLICE_INIT("\"\x7f\"@x"), 0, PARSE_BAD, 1, NULL},
    {"UTF-8 not asked for", SLICE_INIT("\xc3\xa4@x"), 0, PARSE_BAD, 0, NULL},
    {"UTF-8 domain not asked for", SLICE_INIT("a@\xc3\xa4"), 0, PARSE_BAD, 2, NULL},
    {"no UTF-8", SLICE_INIT("\xff@x"), U8, PARSE_BAD, 0, NULL},
    {"overlong UTF-8", SLICE_INIT("\xc0\xaf@x"), U8, PARSE_BAD, 0, NULL},
    {"C1 control", SLICE_INIT("a\xc2\x85@x"), U8, PARSE_BAD, 1, NULL},
    {"literal no address", SLICE_INIT("a@[x]"), 0, PARSE_BAD, 2, NULL},
    {"v6 literal without tag", SLICE_INIT("a@[::1]"), 0, PARSE_BAD, 2, NULL},
    {"rest behind literal", SLICE_INIT("a@[192.0.2.1]x"), 0, PARSE_BAD, 13, NULL},
    {"literal without end", SLICE_INIT("a@[" L63 A10 "]"), 0, PARSE_BAD, 2, NULL},
};

static const struct row paths[] = {
    {"plain", SLICE_INIT("<a@x>"), 0, PARSE_DONE, 5, "a@x"},
    {"parameters follow", SLICE_INIT("<a@x> SIZE=5"), 0, PARSE_DONE, 5, "a@x"},
    {"null", SLICE_INIT("<>"), NUL, PARSE_DONE, 2, ""},
    {"null with parameters", SLICE_INIT("<> BODY=8BITMIME"), NUL, PARSE_DONE, 2, ""},
    {"quoted bracket", SLICE_INIT("<\"a>b\"@x>"), 0, PARSE_DONE, 9, "\"a>b\"@x"},
    {"source route", SLICE_INIT("<@a,@b.c:user@x>"), 0, PARSE_DONE, 16, "user@x"},
    {"source route of one", SLICE_INIT("<@a:user@x>"), 0, PARSE_DONE, 11, "user@x"},
    {"postmaster", SLICE_INIT("<PostMaster>"), POST, PARSE_DONE, 12, "PostMaster"},
    {"unqualified", SLICE_INIT("<root>"), UNQ, PARSE_DONE, 6, "root"},
    {"blank before", SLICE_INIT(" <a@x>"), LAX, PARSE_DONE, 6, "a@x"},
    {"blanks inside", SLICE_INIT("< a@x >"), LAX, PARSE_DONE, 7, "a@x"},
    {"no brackets", SLICE_INIT("a@x SIZE=5"), LAX, PARSE_DONE, 3, "a@x"},
    {"no brackets, unqualified", SLICE_INIT(" root"), LAX | UNQ, PARSE_DONE, 5, "root"},

    {"nothing", SLICE_INIT(""), 0, PARSE_MORE, 0, NULL},
    {"blanks only", SLICE_INIT("  "), LAX, PARSE_MORE, 0, NULL},
    {"not closed", SLICE_INIT("<a@x"), 0, PARSE_MORE, 0, NULL},
    {"route alone", SLICE_INIT("<@a,@b:"), 0, PARSE_MORE, 0, NULL},
    {"route not ended", SLICE_INIT("<@a"), 0, PARSE_MORE, 0, NULL},

    {"null not allowed", SLICE_INIT("<>"), UNQ | POST | LAX, PARSE_BAD, 1, NULL},
    {"blank before, strict", SLICE_INIT(" <a@x>"), 0, PARSE_BAD, 0, NULL},
    {"no brackets, strict", SLICE_INIT("a@x"), 0, PARSE_BAD, 0, NULL},
    {"bracket behind only", SLICE_INIT("a@x>"), LAX, PARSE_BAD, 3, NULL},
    {"blank inside", SLICE_INIT("<a@x >"), 0, PARSE_BAD, 4, NULL},
    {"glued parameter", SLICE_INIT("<a@x>SIZE=5"), LAX, PARSE_BAD, 5, NULL},
    {"two paths", SLICE_INIT("<a@x><b@y>"), LAX, PARSE_BAD, 5, NULL},
    {"double brackets", SLICE_INIT("<<a@x>>"), LAX, PARSE_BAD, 1, NULL},
    {"somebody else without domain", SLICE_INIT("<root>"), POST, PARSE_BAD, 5, NULL},
    {"route with a bad domain", SLICE_INIT("<@-a:b@x>"), 0, PARSE_BAD, 2, NULL},
    {"route without at", SLICE_INIT("<@a,b:c@x>"), 0, PARSE_BAD, 4, NULL},
    {"route into nothing", SLICE_INIT("<@a:>"), NUL, PARSE_BAD, 4, NULL},
    {"CRLF behind", SLICE_INIT("<a@x>\r\n"), LAX, PARSE_BAD, 5, NULL},
};

static void check(const struct row *r, bool is_path)
{
    struct buf b;
    buf_init(&b, 1000);
    for (size_t n = 0; n <= r->in.n; n++) {
        struct mail_address a = {0};
        struct mail_path path = {0};
        size_t used = SIZE_MAX;
        struct slice in = slice_head(r->in, n);
        enum parse p = is_path ? mail_path_parse(in, r->options, &path, &used)
                               : mail_address_parse(in, r->options, &a, &used);
        if (is_path)
            a = path.address;
        if (used > n)
            fail_msg("%s: used %zu of %zu", r->shows, used, n);
        if (n < r->in.n) { /* cut short: no byte that was fine is wrong now */
            if (p == PARSE_BAD && (r->says != PARSE_BAD || n <= r->used))
                fail_msg("%s: cut at %zu is bad", r->shows, n);
            continue;
        }
        if (p != r->says || (p == PARSE_BAD && used != r->used))
            fail_msg("%s: says %d at %zu", r->shows, (int)p, used);
        if (p != PARSE_DONE)
            break;
        if (used != (is_path ? r->used : n))
            fail_msg("%s: used %zu", r->shows, used);
        assert_true(mail_address_build(&a, &b));
        if (strcmp(buf_cstr(&b), r->out) != 0)
            fail_msg("%s: %s", r->shows, buf_cstr(&b));
        assert_int_equal(path.is_null, is_path && r->out[0] == 0);
        if (path.is_null)
            break;
        /* Canonical text is its own canonical text. */
        struct buf again;
        buf_init(&again, 1000);
        if (mail_address_parse(buf_slice(&b), r->options | UNQ, &a, &used) != PARSE_DONE ||
            !mail_address_build(&a, &again) || !slice_eq(buf_slice(&b), buf_slice(&again)))
            fail_msg("%s: %s is not stable", r->shows, buf_cstr(&b));
        buf_close(&again);
    }
    buf_close(&b);
}

static void address_table(void **state)
{
    for (size_t i = 0; i < COUNT_OF(addresses); i++)
        check(&addresses[i], false);
}

static void path_table(void **state)
{
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        check(&paths[i], true);
}

static void no_bytes_at_all(void **state)
{
    struct mail_address a = {0};
    struct mail_path path;
    struct buf b;
    size_t used;
    buf_init(&b, 10);
    assert_int_equal(mail_address_parse(SLICE_NONE, 31, &a, &used), PARSE_MORE);
    assert_int_equal(mail_path_parse(SLICE_NONE, 31, &path, &used), PARSE_MORE);
    assert_false(mail_domain_is_valid(SLICE_NONE, 31));
    assert_true(mail_address_build(&a, &b));
    assert_string_equal(buf_cstr(&b), "");
    assert_true(mail_address_match(SLICE("*"), SLICE_NONE));
    assert_false(mail_address_match(SLICE_NONE, SLICE_NONE));
    buf_close(&b);
}

static void the_route_has_a_ceiling(void **state)
{
    struct buf b;
    struct mail_path path;
    size_t used;
    buf_init(&b, 100000);
    buf_add_cstr(&b, "<@a");
    for (int i = 0; i < 10000; i++)
        buf_add_cstr(&b, ",@a");
    buf_add_cstr(&b, ":u@x>");
    assert_int_equal(mail_path_parse(buf_slice(&b), 0, &path, &used), PARSE_BAD);
    assert_true(used < MAIL_ROUTE_BYTES_MAX + 10);
    buf_close(&b);
}

/* Each byte value, in each place that takes text: none gets through that could end a line. */
static void no_control_gets_through(void **state)
{
    /* The byte goes where the '~' is. */
    static const char *const shape[] = {"a~b@x.y",        "\"a~b\"@x.y", "\"a\\~b\"@x.y", "a@x~y",
                                        "a@[192.0.2.1~]", "~a@x",        "a@x~"};
    for (size_t i = 0; i < COUNT_OF(shape); i++) {
        for (int c = 0; c < 256; c++) {
            if (c >= ' ' && c != 0x7f && c < 0x80)
                continue;
            char text[32];
            struct slice in = slice_of(text, strlen(shape[i]));
            memcpy(text, shape[i], in.n);
            text[slice_find(in, '~')] = (char)c;
            struct mail_address a;
            size_t used;
            if (mail_address_parse(in, 31, &a, &used) == PARSE_DONE)
                fail_msg("%s with %d", shape[i], c);
        }
    }
}

static void domains(void **state)
{
    assert_true(mail_domain_is_valid(SLICE("mx.Example.com"), 0));
    assert_true(mail_domain_is_valid(SLICE("localhost"), 0));
    assert_true(mail_domain_is_valid(SLICE("a_b.c"), LAX));
    assert_false(mail_domain_is_valid(SLICE("a_b.c"), 0));
    assert_true(mail_domain_is_valid(SLICE(D247 ".aaaaaaa"), 0));
    assert_false(mail_domain_is_valid(SLICE(D247 ".aaaaaaaa"), 0));
    assert_false(mail_domain_is_valid(SLICE(""), 0));
    assert_false(mail_domain_is_valid(SLICE("a."), 0));
    assert_false(mail_domain_is_valid(SLICE("a b"), 0));
    assert_false(mail_domain_is_valid(SLICE("[192.0.2.1]"), 0));
    struct mail_address a;
    struct buf b;
    size_t used;
    buf_init(&b, 20);
    assert_int_equal(mail_address_parse(SLICE("a@[192.0.2.1]"), 0, &a, &used), PARSE_DONE);
    assert_true(mail_address_build_domain(&a, &b));
    assert_string_equal(buf_cstr(&b), "[192.0.2.1]");
    assert_int_equal(mail_address_parse(SLICE("a@EXAMPLE.com"), 0, &a, &used), PARSE_DONE);
    assert_false(mail_address_build_domain(&a, &b)); /* does not fit */
    buf_close(&b);
}

static void halves(void **state)
{
    assert_true(slice_eq(mail_address_local_of(SLICE("\"a@b\"@x")), SLICE("\"a@b\"")));
    assert_true(slice_eq(mail_address_domain_of(SLICE("\"a@b\"@x")), SLICE("x")));
    assert_true(slice_eq(mail_address_local_of(SLICE("\"a@b\"")), SLICE("\"a@b\"")));
    assert_int_equal(mail_address_domain_of(SLICE("\"a@b\"")).n, 0);
    assert_int_equal(mail_address_domain_of(SLICE("root")).n, 0);
    assert_int_equal(mail_address_domain_of(SLICE_NONE).n, 0);
}

static void patterns(void **state)
{
    static const struct {
        const char *shows, *pattern, *text;
        bool does_match;
    } rows[] = {
        {"star takes all", "*", "user@example.com", true},
        {"star takes the null sender", "*", "", true},
        {"star takes the unqualified", "*", "root", true},
        {"any user", "*@example.com", "user@example.com", true},
        {"any user, not below", "*@example.com", "user@a.example.com", false},
        {"any user, short form", "@example.com", "user@example.com", true},
        {"short form, other domain", "@example.com", "user@example.org", false},
        {"one user", "user@example.com", "USER@EXAMPLE.COM", true},
        {"another user", "user@example.com", "users@example.com", false},
        {"domain alone", "example.com", "user@example.com", true},
        {"hosts below", "*.example.com", "user@a.b.example.com", true},
        {"not the domain itself", "*.example.com", "user@example.com", false},
        {"not a look-alike", "*.example.com", "user@aexample.com", false},
        {"not in the local part", "*.example.com", "a.example.com@evil.org", false},
        {"not before a quoted at", "*@example.com", "\"x@example.com\"@evil.org", false},
        {"glob in both", "no*ply@*.com", "noreply@example.com", true},
        {"literal", "*@[192.0.2.1]", "a@[192.0.2.1]", true},
        {"unqualified", "root@", "root", true},
        {"unqualified is not qualified", "root@", "root@example.com", false},
        {"any user of no domain is nobody", "*@example.com", "", false},
        {"domain glob needs a domain", "r*t", "root", false},
        {"empty pattern", "", "user@example.com", false},
        {"empty both", "", "", false},
        {"at alone", "@", "root", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (mail_address_match(slice_cstr(rows[i].pattern), slice_cstr(rows[i].text)) !=
            rows[i].does_match)
            fail_msg("%s", rows[i].shows);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(address_table),
        cmocka_unit_test(path_table),
        cmocka_unit_test(no_bytes_at_all),
        cmocka_unit_test(the_route_has_a_ceiling),
        cmocka_unit_test(no_control_gets_through),
        cmocka_unit_test(domains),
        cmocka_unit_test(halves),
        cmocka_unit_test(patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
