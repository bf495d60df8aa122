/* test_tls.c -- certificates made, identities and anchors read, and what is said about bad ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "net/tls.h"

static struct buf cert, key, other_key;

static int setup(void **state)
{
    unsigned char seed[32] = {1};
    struct buf unused;
    struct fault why;
    buf_init(&cert, 8192);
    buf_init(&key, 8192);
    buf_init(&other_key, 8192);
    buf_init(&unused, 8192);
    int e = tls_self_signed(SLICE("mail.example"), seed, time(NULL), &cert, &key, &why);
    seed[0] = 2;
    e |= tls_self_signed(SLICE("mail.example"), seed, time(NULL), &unused, &other_key, &why);
    buf_close(&unused);
    return e;
}

static int teardown(void **state)
{
    buf_close(&cert);
    buf_close(&key);
    buf_close(&other_key);
    return 0;
}

static void test_self_signed_is_a_pair(void **state)
{
    struct tls_server_config *c;
    struct fault why;
    assert_int_equal(tls_server_config_new(&c, buf_slice(&cert), buf_slice(&key), 100, &why), 0);
    assert_ptr_equal(tls_server_config_ref(c), c);
    tls_server_config_unref(c);
    tls_server_config_unref(c);
    assert_true(slice_starts(buf_slice(&key), SLICE("-----BEGIN EC PRIVATE KEY-----\n")));
}

static void test_same_seed_same_key(void **state)
{
    unsigned char seed[32] = {1};
    struct buf c2, k2;
    buf_init(&c2, 8192);
    buf_init(&k2, 8192);
    assert_int_equal(tls_self_signed(SLICE("mail.example"), seed, 0, &c2, &k2, NULL), ERR_OK);
    assert_true(slice_eq(buf_slice(&k2), buf_slice(&key)));
    buf_close(&c2);
    buf_close(&k2);
}

static void test_self_signed_refuses(void **state)
{
    unsigned char seed[32] = {1};
    char longest[255];
    struct buf c2, k2;
    struct fault why;
    buf_init(&c2, 8192);
    buf_init(&k2, 8192);
    memset(longest, 'a', sizeof longest);
    assert_int_equal(tls_self_signed(SLICE(""), seed, 0, &c2, &k2, &why), ERR_BAD);
    assert_int_equal(tls_self_signed(slice_of(longest, 254), seed, 0, &c2, &k2, &why), ERR_BAD);
    assert_int_equal(tls_self_signed(slice_of(longest, 253), seed, 0, &c2, &k2, &why), ERR_OK);
    assert_int_equal(tls_self_signed(SLICE("a"), seed, -9999999999, &c2, &k2, &why), ERR_BAD);
    assert_int_equal(tls_self_signed(SLICE("a"), seed, 4000000000, &c2, &k2, &why), ERR_OK);
    buf_close(&c2);
    buf_init(&c2, 100);
    assert_int_equal(tls_self_signed(SLICE("a"), seed, 0, &c2, &k2, &why), ERR_FULL);
    buf_close(&c2);
    buf_close(&k2);
}

/* An Ed25519 key in PKCS#8. */
#define ED25519_KEY                                                                                \
    "-----BEGIN PRIVATE KEY-----\n"                                                                \
    "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"                           \
    "-----END PRIVATE KEY-----\n"

static void test_bad_pairs(void **state)
{
    struct {
        const char *what;
        struct slice cert, key;
        const char *says;
    } row[] = {
        {"no certificate", SLICE("nothing here\n"), buf_slice(&key), "no certificate"},
        {"an empty file", SLICE_NONE, buf_slice(&key), "no certificate"},
        {"no key", buf_slice(&cert), buf_slice(&cert), "no private key"},
        {"an empty key file", buf_slice(&cert), SLICE(""), "no private key"},
        {"another key", buf_slice(&cert), buf_slice(&other_key), "does not belong"},
        {"an encrypted key", buf_slice(&cert),
         SLICE("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n"
               "-----END ENCRYPTED PRIVATE KEY-----\n"),
         "is encrypted"},
        {"an encrypted key, old style", buf_slice(&cert),
         SLICE("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIB\n"
               "-----END RSA PRIVATE KEY-----\n"),
         "is encrypted"},
        {"Ed25519", buf_slice(&cert), SLICE(ED25519_KEY), "Ed25519"},
        {"a damaged key", buf_slice(&cert),
         SLICE("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"),
         "cannot be read"},
        {"a damaged certificate",
         SLICE("-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"), buf_slice(&key),
         "damaged"},
        {"a certificate that is none",
         SLICE("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), buf_slice(&key),
         "cannot be used"},
        {"half a certificate", slice_head(buf_slice(&cert), cert.n / 2), buf_slice(&key),
         "damaged"},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        struct tls_server_config *c;
        struct fault why = {.errnum = 0};
        enum err e = tls_server_config_new(&c, row[i].cert, row[i].key, 0, &why);
        if (e != ERR_BAD || c || !strstr(why.text, row[i].says))
            fail_msg("%s: %d, %s", row[i].what, (int)e, why.text);
    }
}

static void test_key_file_variants(void **state)
{
    struct tls_server_config *c;
    struct fault why;
    struct buf text;
    buf_init(&text, 8192);
    /* certificate and parameters before the key, CRLF, no end of line at the end */
    buf_add(&text, buf_slice(&cert));
    buf_add_cstr(&text, "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n"
                        "-----END EC PARAMETERS-----\n");
    for (size_t i = 0; i + 1 < key.n; i++) {
        if (key.p[i] == '\n')
            buf_add_char(&text, '\r');
        buf_add_char(&text, key.p[i]);
    }
    if (tls_server_config_new(&c, buf_slice(&text), buf_slice(&text), 0, &why))
        fail_msg("%s", why.text);
    tls_server_config_unref(c);
    buf_close(&text);
}

static void test_trust(void **state)
{
    struct tls_trust *t;
    struct fault why;
    struct buf text;
    unsigned count = 9;
    buf_init(&text, 1 << 20);
    assert_int_equal(tls_trust_new(&t, SLICE("none\n"), &count, &why), ERR_BAD);
    assert_null(t);
    assert_int_equal(count, 0);
    for (int i = 0; i < 100; i++) {
        buf_add_cstr(&text, "# a comment\n");
        buf_add(&text, buf_slice(&cert));
    }
    buf_add_cstr(&text, "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n");
    buf_add(&text, buf_slice(&cert));
    assert_int_equal(tls_trust_new(&t, buf_slice(&text), &count, &why), ERR_OK);
    assert_int_equal(count, 101);
    tls_trust_unref(tls_trust_ref(t));
    tls_trust_unref(t);
    buf_close(&text);
}

static void test_trust_ceiling(void **state)
{
    struct tls_trust *t;
    struct fault why;
    struct buf text;
    buf_init(&text, 64 << 20);
    for (int i = 0; i < 5001; i++)
        buf_add(&text, buf_slice(&cert));
    assert_int_equal(tls_trust_new(&t, buf_slice(&text), NULL, &why), ERR_FULL);
    buf_close(&text);
}

static void test_error_texts(void **state)
{
    static const int known[] = {
        0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 12, 13,       14,       15,       16,
        17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29,       31,       32,       33,
        34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46,       47,       48,       49,
        50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 62, 256 + 40, 256 + 48, 512 + 40, 512 + 80};
    for (size_t i = 0; i < COUNT_OF(known); i++)
        assert_null(strstr(tls_error_text(known[i]), "unknown error"));
    static const int unknown[] = {-1, 11, 30, 61, 63, 255, 768, 100000};
    for (size_t i = 0; i < COUNT_OF(unknown); i++)
        assert_string_equal(tls_error_text(unknown[i]), "unknown error");
    assert_string_equal(tls_error_text(256 + 48), "the other side reports: unknown CA");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_self_signed_is_a_pair), cmocka_unit_test(test_same_seed_same_key),
        cmocka_unit_test(test_self_signed_refuses),   cmocka_unit_test(test_bad_pairs),
        cmocka_unit_test(test_key_file_variants),     cmocka_unit_test(test_trust),
        cmocka_unit_test(test_trust_ceiling),         cmocka_unit_test(test_error_texts),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
