/* test_smtp_proxy.c -- headers of the PROXY protocol: whole, byte by byte, with more behind them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "smtp/smtp_proxy.h"

#define V2 "\r\n\r\n\0\r\nQUIT\n"
#define A4 "\xc0\0\2\7" /* 192.0.2.7 */
#define B4 "\xc6\x33\x64\1"
#define A6 "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7" /* 2001:db8::7 */
#define B6 "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
#define MAPPED "\0\0\0\0\0\0\0\0\0\0\xff\xff" A4
#define ZERO12 "\0\0\0\0\0\0\0\0\0\0\0\0"
#define ZERO108 ZERO12 ZERO12 ZERO12 ZERO12 ZERO12 ZERO12 ZERO12 ZERO12 ZERO12
#define X10 "xxxxxxxxxx"
#define PORTS "\x9c\x40\2\x4b" /* 40000 587 */
#define TEXT(lit)                                                                                  \
    {                                                                                              \
        "" lit, sizeof(lit) - 1                                                                    \
    }

/* The whole input is the header. Peer NULL: nobody is named. */
static const struct {
    const char *shown;
    struct slice in;
    enum parse parse;
    const char *peer;
} rows[] = {
    {"TCP4", TEXT("PROXY TCP4 192.0.2.7 198.51.100.1 40000 587\r\n"), PARSE_DONE,
     "192.0.2.7:40000"},
    {"TCP6", TEXT("PROXY TCP6 2001:db8::7 2001:db8::1 40000 587\r\n"), PARSE_DONE,
     "[2001:db8::7]:40000"},
    {"v4-mapped is v4", TEXT("PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 0 65535\r\n"),
     PARSE_DONE, "192.0.2.7:0"},
    {"UNKNOWN", TEXT("PROXY UNKNOWN\r\n"), PARSE_DONE, NULL},
    {"UNKNOWN with anything behind", TEXT("PROXY UNKNOWN ffff::1 ? 70000\r\n"), PARSE_DONE, NULL},
    {"the longest line of all", TEXT("PROXY UNKNOWN " X10 X10 X10 X10 X10 X10 X10 X10 X10 "x\r\n"),
     PARSE_DONE, NULL},
    {"one byte longer", TEXT("PROXY UNKNOWN " X10 X10 X10 X10 X10 X10 X10 X10 X10 "xx\r\n"),
     PARSE_BAD, NULL},
    {"no end in sight", TEXT("PROXY " X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 "x"), PARSE_BAD,
     NULL},
    {"nothing yet", TEXT(""), PARSE_MORE, NULL},
    {"its first byte", TEXT("P"), PARSE_MORE, NULL},
    {"a line without its end", TEXT("PROXY TCP4 192.0.2.7 198.51.100.1 40000 587\r"), PARSE_MORE,
     NULL},
    {"bare LF", TEXT("PROXY TCP4 192.0.2.7 198.51.100.1 40000 587\n"), PARSE_BAD, NULL},
    {"a CR inside", TEXT("PROXY UNKNOWN a\rb\r\n"), PARSE_BAD, NULL},
    {"a NUL inside", TEXT("PROXY UNKNOWN a\0b\r\n"), PARSE_BAD, NULL},
    {"lower case", TEXT("proxy TCP4 192.0.2.7 198.51.100.1 40000 587\r\n"), PARSE_BAD, NULL},
    {"lower case family", TEXT("PROXY tcp4 192.0.2.7 198.51.100.1 40000 587\r\n"), PARSE_BAD, NULL},
    {"another family", TEXT("PROXY UDP4 192.0.2.7 198.51.100.1 40000 587\r\n"), PARSE_BAD, NULL},
    {"UNKNOWN glued to something", TEXT("PROXY UNKNOWNX\r\n"), PARSE_BAD, NULL},
    {"nothing behind PROXY", TEXT("PROXY \r\n"), PARSE_BAD, NULL},
    {"no addresses", TEXT("PROXY TCP4\r\n"), PARSE_BAD, NULL},
    {"no second port", TEXT("PROXY TCP4 192.0.2.7 198.51.100.1 40000\r\n"), PARSE_BAD, NULL},
    {"a third port", TEXT("PROXY TCP4 192.0.2.7 198.51.100.1 40000 587 1\r\n"), PARSE_BAD, NULL},
    {"two blanks", TEXT("PROXY TCP4  192.0.2.7 198.51.100.1 40000 587\r\n"), PARSE_BAD, NULL},
    {"a blank at the end", TEXT("PROXY TCP4 192.0.2.7 198.51.100.1 40000 587 \r\n"), PARSE_BAD,
     NULL},
    {"a tab", TEXT("PROXY TCP4\t192.0.2.7 198.51.100.1 40000 587\r\n"), PARSE_BAD, NULL},
    {"v6 in TCP4", TEXT("PROXY TCP4 2001:db8::7 198.51.100.1 40000 587\r\n"), PARSE_BAD, NULL},
    {"v4 in TCP6", TEXT("PROXY TCP6 2001:db8::7 198.51.100.1 40000 587\r\n"), PARSE_BAD, NULL},
    {"an octet too large", TEXT("PROXY TCP4 192.0.2.256 198.51.100.1 40000 587\r\n"), PARSE_BAD,
     NULL},
    {"an octal octet", TEXT("PROXY TCP4 192.0.2.07 198.51.100.1 40000 587\r\n"), PARSE_BAD, NULL},
    {"the unspecified address", TEXT("PROXY TCP4 0.0.0.0 198.51.100.1 40000 587\r\n"), PARSE_BAD,
     NULL},
    {"a port too large", TEXT("PROXY TCP4 192.0.2.7 198.51.100.1 65536 587\r\n"), PARSE_BAD, NULL},
    {"a port with a sign", TEXT("PROXY TCP4 192.0.2.7 198.51.100.1 +4000 587\r\n"), PARSE_BAD,
     NULL},
    {"a port with zeros in front", TEXT("PROXY TCP4 192.0.2.7 198.51.100.1 40000 0587\r\n"),
     PARSE_BAD, NULL},
    {"SMTP instead", TEXT("EHLO x\r\n"), PARSE_BAD, NULL},
    {"TLS instead", TEXT("\x16\3\1\2"), PARSE_BAD, NULL},

    {"2: TCP4", TEXT(V2 "\x21\x11\0\x0c" A4 B4 PORTS), PARSE_DONE, "192.0.2.7:40000"},
    {"2: TCP6", TEXT(V2 "\x21\x21\0\x24" A6 B6 PORTS), PARSE_DONE, "[2001:db8::7]:40000"},
    {"2: v4-mapped is v4", TEXT(V2 "\x21\x21\0\x24" MAPPED B6 PORTS), PARSE_DONE,
     "192.0.2.7:40000"},
    {"2: TLVs behind",
     TEXT(V2 "\x21\x11\0\x13" A4 B4 PORTS "\x03\0\x04"
             "abcd"),
     PARSE_DONE, "192.0.2.7:40000"},
    {"2: LOCAL", TEXT(V2 "\x20\0\0\0"), PARSE_DONE, NULL},
    {"2: LOCAL with a block is still nobody", TEXT(V2 "\x20\x11\0\x0c" A4 B4 PORTS), PARSE_DONE,
     NULL},
    {"2: LOCAL with an unknown family", TEXT(V2 "\x20\x77\0\1x"), PARSE_DONE, NULL},
    {"2: PROXY for an unspecified family", TEXT(V2 "\x21\0\0\0"), PARSE_DONE, NULL},
    {"2: PROXY for a Unix socket", TEXT(V2 "\x21\x31\0\xd8" ZERO108 ZERO108), PARSE_DONE, NULL},
    {"2: that cut short", TEXT(V2 "\x21\x31\0\x0c" ZERO12), PARSE_BAD, NULL},
    {"2: the signature", TEXT(V2), PARSE_MORE, NULL},
    {"2: one byte is still to come", TEXT(V2 "\x21\x11\0\x0d" A4 B4 PORTS), PARSE_MORE, NULL},
    {"2: a wrong signature", TEXT("\r\n\r\n\0\r\nQUIX\n\x21\x11\0\x0c" A4 B4 PORTS), PARSE_BAD,
     NULL},
    {"2: version 1 in the binary form", TEXT(V2 "\x11\x11\0\x0c" A4 B4 PORTS), PARSE_BAD, NULL},
    {"2: version 3", TEXT(V2 "\x31\x11\0\x0c" A4 B4 PORTS), PARSE_BAD, NULL},
    {"2: another command", TEXT(V2 "\x22\x11\0\x0c" A4 B4 PORTS), PARSE_BAD, NULL},
    {"2: datagrams", TEXT(V2 "\x21\x12\0\x0c" A4 B4 PORTS), PARSE_BAD, NULL},
    {"2: IPv4 over nothing", TEXT(V2 "\x21\x10\0\x0c" A4 B4 PORTS), PARSE_BAD, NULL},
    {"2: an unknown family", TEXT(V2 "\x21\x41\0\x0c" A4 B4 PORTS), PARSE_BAD, NULL},
    {"2: too short for TCP4", TEXT(V2 "\x21\x11\0\x0b" A4 B4 "\x9c\x40\2"), PARSE_BAD, NULL},
    {"2: too short for TCP6", TEXT(V2 "\x21\x21\0\x0c" A4 B4 PORTS), PARSE_BAD, NULL},
    {"2: the unspecified address", TEXT(V2 "\x21\x11\0\x0c\0\0\0\0" B4 PORTS), PARSE_BAD, NULL},
    {"2: too long, said at once", TEXT(V2 "\x21\x11\x10\1"), PARSE_BAD, NULL},
};

static void check(const char *shown, struct slice in, enum parse want, size_t used_want,
                  const char *peer)
{
    struct smtp_proxy p;
    size_t used;
    enum parse got = smtp_proxy_parse(in, &p, &used);
    if (got != want || used != (want == PARSE_DONE ? used_want : 0))
        fail_msg("%s: parse %d, used %zu", shown, got, used);
    if (want != PARSE_DONE)
        return;
    if (p.has_peer != (peer != NULL))
        fail_msg("%s: has_peer %d", shown, p.has_peer);
    struct ip_text said = ip_port_build(&p.peer);
    if (strcmp(said.s, peer ? peer : "") != 0)
        fail_msg("%s: %s", shown, said.s);
}

static void whole_and_byte_by_byte(void **state)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct slice in = rows[i].in;
        check(rows[i].shown, in, rows[i].parse, in.n, rows[i].peer);
        for (size_t n = 0; n < in.n; n++) {
            struct smtp_proxy p;
            size_t used;
            enum parse q = smtp_proxy_parse(slice_head(in, n), &p, &used);
            if (q != PARSE_MORE && !(q == PARSE_BAD && rows[i].parse == PARSE_BAD))
                fail_msg("%s: parse %d of the first %zu", rows[i].shown, q, n);
        }
    }
}

static void what_follows_is_the_clients(void **state)
{
    char with_more[1024];
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].parse != PARSE_DONE)
            continue;
        size_t n = rows[i].in.n;
        memcpy(with_more, rows[i].in.p, n);
        memcpy(with_more + n, "EHLO x\r\n", 8);
        check(rows[i].shown, slice_of(with_more, n + 8), PARSE_DONE, n, rows[i].peer);
    }
}

/* The longest of version 2, filled with TLVs. */
static void the_longest(void **state)
{
    static char in[SMTP_PROXY_BYTES_MAX] = V2 "\x21\x11\x10\0" A4 B4 PORTS;
    struct smtp_proxy p;
    size_t used;
    assert_int_equal(smtp_proxy_parse(slice_of(in, sizeof in - 1), &p, &used), PARSE_MORE);
    check("the longest", slice_of(in, sizeof in), PARSE_DONE, sizeof in, "192.0.2.7:40000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_and_byte_by_byte),
        cmocka_unit_test(what_follows_is_the_clients),
        cmocka_unit_test(the_longest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
