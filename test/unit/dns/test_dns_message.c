/* test_dns_message.c -- questions built, answers read: whole, cut at every byte, hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/dns_message.h"

/* ---- packets out of words ---------------------------------------------------------------- */

struct packet {
    uint8_t b[65535];
    size_t n;
};
static struct packet pk;
static struct dns_answer got;

static void u16(unsigned v)
{
    pk.b[pk.n++] = (uint8_t)(v >> 8);
    pk.b[pk.n++] = (uint8_t)v;
}

static void u32(uint32_t v)
{
    u16(v >> 16);
    u16(v & 0xffff);
}

static void name(const char *s)
{
    while (*s) {
        size_t n = strcspn(s, ".");
        pk.b[pk.n++] = (uint8_t)n;
        memcpy(pk.b + pk.n, s, n);
        pk.n += n;
        s += n + (s[n] == '.');
    }
    pk.b[pk.n++] = 0;
}

/* id 7, the counts, and the question with its type; the name stands at 12. */
static void start(unsigned flags, const char *question, int type, unsigned an, unsigned ns,
                  unsigned ar)
{
    pk.n = 0;
    u16(7);
    u16(flags);
    u16(1);
    u16(an);
    u16(ns);
    u16(ar);
    name(question);
    u16((unsigned)type);
    u16(1);
}

static size_t rr(const char *owner, int type, uint32_t ttl) /* returns where the length stands */
{
    if (owner)
        name(owner);
    else
        u16(0xc00c);
    u16((unsigned)type);
    u16(1);
    u32(ttl);
    u16(0);
    return pk.n - 2;
}

static void rr_end(size_t at)
{
    size_t n = pk.n - at - 2;
    pk.b[at] = (uint8_t)(n >> 8);
    pk.b[at + 1] = (uint8_t)n;
}

static void rr_a(const char *owner, uint32_t ttl, unsigned last)
{
    size_t at = rr(owner, DNS_A, ttl);
    u32(0xc0000200 | last);
    rr_end(at);
}

static void rr_mx(const char *owner, uint32_t ttl, unsigned preference, const char *target)
{
    size_t at = rr(owner, DNS_MX, ttl);
    u16(preference);
    name(target);
    rr_end(at);
}

static void rr_cname(const char *owner, uint32_t ttl, const char *target)
{
    size_t at = rr(owner, DNS_CNAME, ttl);
    name(target);
    rr_end(at);
}

static void rr_soa(const char *owner, uint32_t ttl, uint32_t minimum)
{
    size_t at = rr(owner, 6, ttl);
    name("ns.example");
    name("root.example");
    for (int i = 0; i < 4; i++)
        u32(1);
    u32(minimum);
    rr_end(at);
}

static void rr_opt(uint32_t ttl)
{
    size_t at = rr("", 41, ttl);
    rr_end(at);
}

static enum dns_result ask(const char *asked, enum dns_type type)
{
    memset(&got, 0xee, sizeof got);
    dns_answer_parse(slice_of(pk.b, pk.n), 7, slice_cstr(asked), type, &got);
    return got.result;
}

/* ---- questions --------------------------------------------------------------------------- */

static const char a63[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

static void test_names(void **state)
{
    static const struct {
        const char *what, *name;
        bool is_good;
    } row[] = {
        {"a host", "mx.example.org", true},
        {"a final dot", "mx.example.org.", true},
        {"one label", "localhost", true},
        {"underscores", "_25._tcp.mx.example", true},
        {"empty", "", false},
        {"the root", ".", false},
        {"two final dots", "a..", false},
        {"an empty label", "a..b", false},
        {"a leading dot", ".a", false},
        {"a blank", "a b.example", false},
        {"a backslash", "a\\046b.example", false},
        {"eight-bit letters", "caf\xc3\xa9.example", false},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        struct buf out;
        buf_init(&out, 600);
        bool ok = dns_query_build(&out, 1, slice_cstr(row[i].name), DNS_MX, 1232, true);
        if (ok != row[i].is_good)
            fail_msg("%s", row[i].what);
        buf_close(&out);
    }
}

static void test_name_lengths(void **state)
{
    char text[300];
    struct buf out;
    buf_init(&out, 600);
    snprintf(text, sizeof text, "%s.b", a63);
    assert_true(dns_query_build(&out, 1, slice_cstr(text), DNS_A, 0, false));
    buf_clear(&out);
    snprintf(text, sizeof text, "a%s.b", a63);
    assert_false(dns_query_build(&out, 1, slice_cstr(text), DNS_A, 0, false));
    buf_clear(&out);
    /* 63+1+63+1+63+1+61 = 253 */
    snprintf(text, sizeof text, "%s.%s.%s.%.61s", a63, a63, a63, a63);
    assert_int_equal(strlen(text), 253);
    assert_true(dns_query_build(&out, 1, slice_cstr(text), DNS_A, 0, false));
    assert_int_equal(out.n, 12 + 255 + 4);
    buf_clear(&out);
    strcat(text, ".");
    assert_true(dns_query_build(&out, 1, slice_cstr(text), DNS_A, 0, false));
    buf_clear(&out);
    snprintf(text, sizeof text, "%s.%s.%s.%.62s", a63, a63, a63, a63);
    assert_false(dns_query_build(&out, 1, slice_cstr(text), DNS_A, 0, false));
    buf_close(&out);
}

static void test_query_bytes(void **state)
{
    static const uint8_t want[] = {0x12, 0x34, 1,   0,    0,    1,   0, 0,    0,  0, 0,
                                   1,    1,    'A', 2,    'b',  'C', 0, 0,    15, 0, 1,
                                   0,    0,    41,  0x04, 0xd0, 0,   0, 0x80, 0,  0, 0};
    struct buf out;
    buf_init(&out, 600);
    assert_true(dns_query_build(&out, 0x1234, SLICE("A.bC."), DNS_MX, 1232, true));
    assert_int_equal(out.n, sizeof want);
    assert_memory_equal(out.p, want, sizeof want);
    buf_clear(&out);
    assert_true(dns_query_build(&out, 0x1234, SLICE("A.bC"), DNS_MX, 0, true));
    assert_int_equal(out.n, 22);
    assert_int_equal(out.p[11], 0);
    buf_close(&out);
    buf_init(&out, 20);
    assert_false(dns_query_build(&out, 0x1234, SLICE("A.bC"), DNS_MX, 0, true));
    buf_close(&out);
}

static void test_randomise(void **state)
{
    char s[] = "ab-1.cd";
    dns_name_randomise(s, 7, 0);
    assert_string_equal(s, "ab-1.cd");
    dns_name_randomise(s, 7, 5); /* bits 0 and 2: a and c */
    assert_string_equal(s, "Ab-1.Cd");
    dns_name_randomise(s, 7, 5);
    assert_string_equal(s, "ab-1.cd");
    char many[201];
    memset(many, 'x', 200);
    many[200] = 0;
    dns_name_randomise(many, 200, ~(uint64_t)0);
    for (int i = 0; i < 200; i++)
        assert_int_equal(many[i], 'X');
}

/* ---- answers ----------------------------------------------------------------------------- */

static void make_mx(void)
{
    start(0x81a0, "Ex.org", DNS_MX, 3, 0, 1); /* QR RD RA AD */
    rr_mx(NULL, 300, 20, "MX2.ex.ORG");
    size_t at = rr(NULL, DNS_MX, 200);
    u16(10);
    pk.b[pk.n++] = 3;
    memcpy(pk.b + pk.n, "mx1", 3);
    pk.n += 3;
    u16(0xc00c); /* compressed */
    rr_end(at);
    rr_mx("other.org", 1, 5, "not.ours"); /* another owner's */
    rr_opt(0x8000);
}

static void test_mx(void **state)
{
    make_mx();
    assert_int_equal(ask("Ex.org", DNS_MX), DNS_OK);
    assert_true(got.is_authentic);
    assert_int_equal(got.ttl_s, 200);
    assert_int_equal(got.count, 2);
    assert_int_equal(got.record[0].preference, 20);
    assert_string_equal(got.record[0].name, "mx2.ex.org");
    assert_int_equal(got.record[1].preference, 10);
    assert_string_equal(got.record[1].name, "mx1.ex.org");
    assert_string_equal(got.canonical, "ex.org");
    assert_int_equal(ask("Ex.org.", DNS_MX), DNS_OK);
}

static void test_addresses(void **state)
{
    start(0x8180, "h.x", DNS_A, 2, 0, 0);
    rr_a(NULL, 60, 1);
    rr_a("H.X", 61, 2);
    assert_int_equal(ask("h.x", DNS_A), DNS_OK);
    assert_false(got.is_authentic);
    assert_int_equal(got.count, 2);
    assert_string_equal(ip_build(&got.record[1].ip).s, "192.0.2.2");
    assert_int_equal(got.ttl_s, 60);

    start(0x8180, "h.x", DNS_AAAA, 1, 0, 0);
    size_t at = rr(NULL, DNS_AAAA, 60);
    u32(0x20010db8);
    u32(0);
    u32(0);
    u32(1);
    rr_end(at);
    assert_int_equal(ask("h.x", DNS_AAAA), DNS_OK);
    assert_string_equal(ip_build(&got.record[0].ip).s, "2001:db8::1");
}

static void test_ptr_and_txt(void **state)
{
    start(0x8180, "1.2.0.192.in-addr.arpa", DNS_PTR, 1, 0, 0);
    size_t at = rr(NULL, DNS_PTR, 9);
    name("Mail.Example");
    rr_end(at);
    assert_int_equal(ask("1.2.0.192.in-addr.arpa", DNS_PTR), DNS_OK);
    assert_string_equal(got.record[0].name, "mail.example");

    start(0x8180, "t.x", DNS_TXT, 1, 0, 0);
    at = rr(NULL, DNS_TXT, 9);
    memcpy(pk.b + pk.n, "\6v=spf1\5 -all", 13);
    pk.n += 13;
    rr_end(at);
    assert_int_equal(ask("t.x", DNS_TXT), DNS_OK);
    struct buf out;
    buf_init(&out, 100);
    assert_true(dns_txt_join(got.record[0].data, &out));
    assert_string_equal(buf_cstr(&out), "v=spf1 -all");
    buf_close(&out);
    buf_init(&out, 3);
    assert_false(dns_txt_join(got.record[0].data, &out));
    buf_close(&out);
    pk.b[at + 2] = 7; /* the first string now runs into the second, which then runs out */
    assert_int_equal(ask("t.x", DNS_TXT), DNS_BAD);
}

static void test_null_mx(void **state)
{
    start(0x8180, "no.mail", DNS_MX, 1, 0, 0);
    rr_mx(NULL, 60, 0, "");
    assert_int_equal(ask("no.mail", DNS_MX), DNS_OK);
    assert_int_equal(got.count, 1);
    assert_string_equal(got.record[0].name, "");
}

static void test_strange_mx_names(void **state)
{
    start(0x8180, "x", DNS_MX, 2, 0, 0);
    rr_mx(NULL, 60, 10, "good.x");
    rr_mx(NULL, 60, 20, "line\nfeed.x");
    assert_int_equal(ask("x", DNS_MX), DNS_OK);
    assert_int_equal(got.count, 1);
    /* None left is not "no such record": that would send mail to the domain's own address. */
    start(0x8180, "x", DNS_MX, 1, 0, 0);
    rr_mx(NULL, 60, 20, "line\nfeed.x");
    assert_int_equal(ask("x", DNS_MX), DNS_BAD);
}

static void test_cname_chain_any_order(void **state)
{
    start(0x8180, "a.x", DNS_A, 4, 0, 0);
    rr_a("c.x", 50, 9);
    rr_cname("b.x", 40, "C.x");
    rr_cname("A.x", 30, "b.x");
    rr_a("a.x", 1, 8); /* stands at an alias: not part of the chain's end */
    assert_int_equal(ask("a.x", DNS_A), DNS_OK);
    assert_int_equal(got.count, 1);
    assert_int_equal(got.ttl_s, 30);
    assert_string_equal(got.canonical, "c.x");
    assert_string_equal(ip_build(&got.record[0].ip).s, "192.0.2.9");

    start(0x8180, "a.x", DNS_A, 1, 0, 0);
    rr_cname("a.x", 30, "b.x");
    assert_int_equal(ask("a.x", DNS_A), DNS_SERVFAIL); /* the target was left out, not denied */
    assert_int_equal(ask("a.x", DNS_CNAME), DNS_BAD);  /* not what was asked */
}

static void test_cname_asked_for(void **state)
{
    start(0x8180, "a.x", DNS_CNAME, 1, 0, 0);
    rr_cname("a.x", 30, "b.x");
    assert_int_equal(ask("a.x", DNS_CNAME), DNS_OK);
    assert_string_equal(got.record[0].name, "b.x");
}

static void test_cname_loops(void **state)
{
    start(0x8180, "a.x", DNS_A, 1, 0, 0);
    rr_cname("a.x", 30, "a.x");
    assert_int_equal(ask("a.x", DNS_A), DNS_BAD);
    start(0x8180, "a.x", DNS_A, 3, 0, 0);
    rr_cname("a.x", 30, "b.x");
    rr_cname("b.x", 30, "c.x");
    rr_cname("c.x", 30, "b.x");
    assert_int_equal(ask("a.x", DNS_A), DNS_BAD);
}

static void test_cname_ceiling(void **state)
{
    for (unsigned n = DNS_CNAMES_MAX; n <= DNS_CNAMES_MAX + 1; n++) {
        char from[8], to[8];
        start(0x8180, "n0.x", DNS_A, n + 1, 0, 0);
        for (unsigned i = 0; i < n; i++) {
            snprintf(from, sizeof from, "n%u.x", i);
            snprintf(to, sizeof to, "n%u.x", i + 1);
            rr_cname(from, 100, to);
        }
        snprintf(to, sizeof to, "n%u.x", n);
        rr_a(to, 100, 1);
        assert_int_equal(ask("n0.x", DNS_A), n == DNS_CNAMES_MAX ? DNS_OK : DNS_BAD);
    }
}

static void test_too_many_records(void **state)
{
    start(0x8180, "m.x", DNS_A, 2000, 0, 0);
    for (unsigned i = 0; i < 2000; i++)
        rr_a(NULL, 100, i & 0xff);
    assert_int_equal(ask("m.x", DNS_A), DNS_OK);
    assert_int_equal(got.count, DNS_RECORDS_MAX);
}

static void test_absence(void **state)
{
    static const struct {
        const char *what;
        unsigned flags;
        bool has_soa, has_ns;
        uint32_t soa_ttl, minimum;
        enum dns_result result;
        uint32_t ttl;
    } row[] = {
        {"no name, SOA minimum lower", 0x8183, true, false, 600, 60, DNS_NO_NAME, 60},
        {"no name, SOA TTL lower", 0x8183, true, false, 30, 60, DNS_NO_NAME, 30},
        {"no name, no SOA", 0x8183, false, false, 0, 0, DNS_NO_NAME, 0},
        {"no data", 0x8180, true, false, 600, 60, DNS_NO_DATA, 60},
        {"no data with NS beside the SOA", 0x8180, true, true, 600, 60, DNS_NO_DATA, 60},
        {"no data, no SOA", 0x8180, false, false, 0, 0, DNS_NO_DATA, 0},
        {"a referral says nothing", 0x8180, false, true, 0, 0, DNS_SERVFAIL, 0},
        {"a TTL with its top bit set is 0", 0x8183, true, false, 0x80000001, 60, DNS_NO_NAME, 0},
        {"server failure", 0x8182, false, false, 0, 0, DNS_SERVFAIL, 0},
        {"refused", 0x8185, false, false, 0, 0, DNS_SERVFAIL, 0},
        {"format error", 0x8181, false, false, 0, 0, DNS_SERVFAIL, 0},
        {"truncated", 0x8380, false, false, 0, 0, DNS_TRUNCATED, 0},
        {"a question, not an answer", 0x0180, false, false, 0, 0, DNS_BAD, 0},
        {"another opcode", 0x8980, false, false, 0, 0, DNS_BAD, 0},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        start(row[i].flags, "n.x", DNS_MX, 0, (unsigned)row[i].has_soa + row[i].has_ns, 0);
        if (row[i].has_ns) {
            size_t at = rr("x", 2, 600);
            name("ns.x");
            rr_end(at);
        }
        if (row[i].has_soa)
            rr_soa("x", row[i].soa_ttl, row[i].minimum);
        if (ask("n.x", DNS_MX) != row[i].result || got.ttl_s != row[i].ttl || got.count)
            fail_msg("%s: %s, ttl %u", row[i].what, dns_result_name(got.result), got.ttl_s);
    }
}

static void test_extended_rcode(void **state)
{
    start(0x8180, "n.x", DNS_MX, 0, 0, 1);
    rr_opt(0x01000000); /* BADVERS: 16 */
    assert_int_equal(ask("n.x", DNS_MX), DNS_SERVFAIL);
}

static void test_wrong_question(void **state)
{
    static const struct {
        const char *what, *asked;
        enum dns_type type;
    } row[] = {
        {"another name", "Ex.com", DNS_MX},
        {"another case", "ex.org", DNS_MX},
        {"a longer name", "Ex.org.x", DNS_MX},
        {"another type", "Ex.org", DNS_A},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        make_mx();
        if (ask(row[i].asked, row[i].type) != DNS_BAD)
            fail_msg("%s", row[i].what);
    }
    make_mx();
    dns_answer_parse(slice_of(pk.b, pk.n), 8, SLICE("Ex.org"), DNS_MX, &got);
    assert_int_equal(got.result, DNS_BAD);
    dns_answer_parse(slice_of(pk.b, pk.n), -1, SLICE("Ex.org"), DNS_MX, &got);
    assert_int_equal(got.result, DNS_OK);
    pk.b[5] = 2; /* two questions */
    assert_int_equal(ask("Ex.org", DNS_MX), DNS_BAD);
    make_mx();
    pk.b[23] = 3; /* class */
    assert_int_equal(ask("Ex.org", DNS_MX), DNS_BAD);
}

static void test_cut_short(void **state)
{
    make_mx();
    size_t n = pk.n;
    for (size_t cut = 0; cut < n; cut++) {
        uint8_t *copy = malloc(cut ? cut : 1); /* so that a sanitizer sees the end */
        memcpy(copy, pk.b, cut);
        dns_answer_parse(slice_of(copy, cut), 7, SLICE("Ex.org"), DNS_MX, &got);
        if (got.result != DNS_BAD || got.count || got.is_authentic)
            fail_msg("cut to %zu: %s", cut, dns_result_name(got.result));
        free(copy);
    }
    start(0x8183, "n.x", DNS_MX, 1, 1, 0);
    rr_cname("n.x", 7, "m.x");
    rr_soa("x", 600, 60);
    assert_int_equal(ask("n.x", DNS_MX), DNS_NO_NAME);
    assert_int_equal(got.ttl_s, 7);
    assert_string_equal(got.canonical, "m.x");
    for (n = pk.n; pk.n > 0;) {
        pk.n--;
        assert_int_equal(ask("n.x", DNS_MX), DNS_BAD);
    }
}

/* An answer whose MX target is these bytes; they begin at `at`. */
static enum dns_result target(const void *bytes, size_t n)
{
    start(0x8180, "l.x", DNS_MX, 1, 0, 0);
    size_t at = rr(NULL, DNS_MX, 1);
    u16(1);
    memcpy(pk.b + pk.n, bytes, n);
    pk.n += n;
    rr_end(at);
    return ask("l.x", DNS_MX);
}

static void test_hostile_names(void **state)
{
    start(0x8180, "l.x", DNS_MX, 1, 0, 0);
    unsigned here = (unsigned)pk.n + 2 + 10 + 2;
    uint8_t self[] = {(uint8_t)(0xc0 | here >> 8), (uint8_t)here};
    assert_int_equal(target(self, 2), DNS_BAD);
    uint8_t ahead[] = {0xc0, (uint8_t)(here + 2), 0};
    assert_int_equal(target(ahead, 3), DNS_BAD);
    uint8_t label_then_self[] = {1, 'a', 0xc0, (uint8_t)here};
    assert_int_equal(target(label_then_self, 4), DNS_BAD);
    uint8_t into_header[] = {0xc0, 4};
    assert_int_equal(target(into_header, 2), DNS_BAD);
    uint8_t half_pointer[] = {0xc0};
    assert_int_equal(target(half_pointer, 1), DNS_BAD);
    uint8_t reserved[] = {0x41, 'a', 0};
    assert_int_equal(target(reserved, 3), DNS_BAD);
    uint8_t label_past_end[] = {9, 'a'};
    assert_int_equal(target(label_past_end, 2), DNS_BAD);
    uint8_t left_over[] = {1, 'a', 0, 0};
    assert_int_equal(target(left_over, 4), DNS_BAD);
    assert_int_equal(target("", 0), DNS_BAD);
    uint8_t good[] = {1, 'a', 0xc0, 12};
    assert_int_equal(target(good, 4), DNS_OK);
    assert_string_equal(got.record[0].name, "a.l.x");

    /* A name of more than 255 bytes, put together from pointers. */
    start(0x8180, "l.x", DNS_MX, 6, 0, 0);
    unsigned previous = 12;
    for (int i = 0; i < 6; i++) {
        size_t at = rr(NULL, DNS_MX, 1);
        u16(1);
        unsigned begins = (unsigned)pk.n;
        pk.b[pk.n++] = 60;
        memset(pk.b + pk.n, 'a', 60);
        pk.n += 60;
        u16(0xc000 | previous);
        previous = begins;
        rr_end(at);
    }
    assert_int_equal(ask("l.x", DNS_MX), DNS_BAD);
    pk.b[7] = 4; /* 4 * 61 + 5 bytes: still fits */
    assert_int_equal(ask("l.x", DNS_MX), DNS_OK);
    assert_int_equal(got.count, 4);
}

/* A chain of n pointers to pointers inside a TXT record, and an MX that points at its end. */
static void test_pointer_ceiling(void **state)
{
    for (unsigned n = 30; n <= 33; n++) {
        start(0x8180, "l.x", DNS_MX, 2, 0, 0);
        size_t at = rr(NULL, 99, 1);
        unsigned previous = 12;
        for (unsigned i = 0; i + 1 < n; i++) {
            unsigned begins = (unsigned)pk.n;
            u16(0xc000 | previous);
            previous = begins;
        }
        rr_end(at);
        at = rr(NULL, DNS_MX, 1);
        u16(1);
        u16(0xc000 | previous);
        rr_end(at);
        assert_int_equal(ask("l.x", DNS_MX), n <= 32 ? DNS_OK : DNS_BAD);
    }
}

static void test_wrong_sizes(void **state)
{
    start(0x8180, "h.x", DNS_A, 1, 0, 0);
    size_t at = rr(NULL, DNS_A, 1);
    u32(1);
    u16(1);
    rr_end(at);
    assert_int_equal(ask("h.x", DNS_A), DNS_BAD);
    start(0x8180, "h.x", DNS_AAAA, 1, 0, 0);
    at = rr(NULL, DNS_AAAA, 1);
    u32(1);
    rr_end(at);
    assert_int_equal(ask("h.x", DNS_AAAA), DNS_BAD);
    start(0x8180, "h.x", DNS_TLSA, 1, 0, 0);
    at = rr(NULL, DNS_TLSA, 1);
    pk.b[pk.n++] = 3;
    u16(1);
    rr_end(at);
    assert_int_equal(ask("h.x", DNS_TLSA), DNS_BAD);
}

static void test_result_names(void **state)
{
    for (int i = DNS_OK; i <= DNS_BAD_NAME; i++)
        assert_string_not_equal(dns_result_name((enum dns_result)i), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_name_lengths),
        cmocka_unit_test(test_query_bytes),
        cmocka_unit_test(test_randomise),
        cmocka_unit_test(test_mx),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_ptr_and_txt),
        cmocka_unit_test(test_null_mx),
        cmocka_unit_test(test_strange_mx_names),
        cmocka_unit_test(test_cname_chain_any_order),
        cmocka_unit_test(test_cname_asked_for),
        cmocka_unit_test(test_cname_loops),
        cmocka_unit_test(test_cname_ceiling),
        cmocka_unit_test(test_too_many_records),
        cmocka_unit_test(test_absence),
        cmocka_unit_test(test_extended_rcode),
        cmocka_unit_test(test_wrong_question),
        cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_hostile_names),
        cmocka_unit_test(test_pointer_ceiling),
        cmocka_unit_test(test_wrong_sizes),
        cmocka_unit_test(test_result_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
