/* test_tls_client_certificate.c -- what is told of a client's certificate: handshakes with a
 * BearSSL client that sends what it is given and signs with the key it is given, right or wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../../../src/net/tls_certificate.h"
#include "../../../src/net/tls_check.h"
#include "../../../src/net/tls_link.h"
#include "../../../src/net/tls_pem.h"
#include "../../../src/net/tls_profile.h"
#include "client_certificates.h"

enum { CHAIN_MAX = TLS_CHECK_CHAIN_MAX + 1, OUT_BYTES_MAX = 1 << 20 };

static struct tls_server_config *identity;

static int setup(void **state)
{
    unsigned char seed[32] = {3};
    struct buf cert, key;
    struct fault why;
    buf_init(&cert, 8192);
    buf_init(&key, 8192);
    int e = tls_self_signed(SLICE("mail.example"), seed, time(NULL), &cert, &key, &why);
    if (!e)
        e = tls_server_config_new(&identity, buf_slice(&cert), buf_slice(&key), 100, &why);
    buf_close(&cert);
    buf_close(&key);
    return e;
}

static int teardown(void **state)
{
    tls_server_config_unref(identity);
    return 0;
}

static bool keep_object(void *ctx, const char *name, struct slice der)
{
    buf_clear(ctx);
    return buf_add(ctx, der) && false; /* the first is the one */
}

static void der_of(const char *pem, struct buf *out)
{
    buf_init(out, TLS_PEM_OBJECT_BYTES_MAX);
    assert_int_equal(tls_pem_each(slice_cstr(pem), keep_object, out), 0);
    assert_true(out->n > 0);
}

/* ---- a client ---------------------------------------------------------------------------------
 */

struct peer {
    br_ssl_client_context context;
    struct tls_check check;
    struct tls_client_config config;
    struct buf der[CHAIN_MAX], key_der;
    br_x509_certificate chain[CHAIN_MAX];
    unsigned chain_count;
    struct {
        br_skey_decoder_context key;
        char spare[64];
    } secret;
    unsigned char in[BR_SSL_BUFSIZE_INPUT], out[BR_SSL_BUFSIZE_OUTPUT];
};

static void add_der(struct peer *p, struct slice der)
{
    struct buf *b = &p->der[p->chain_count];
    buf_init(b, 100000);
    assert_true(buf_add(b, der));
    p->chain[p->chain_count++] = (br_x509_certificate){(unsigned char *)b->p, b->n};
}

static void add_pem(struct peer *p, const char *pem)
{
    struct buf der;
    der_of(pem, &der);
    add_der(p, buf_slice(&der));
    buf_close(&der);
}

static struct peer *peer_new(void)
{
    unsigned char seed[32] = {7};
    struct peer *p = mem_new(sizeof *p);
    p->config.verify = TLS_VERIFY_NONE;
    tls_check_init(&p->check, &p->config, SLICE_NONE);
    br_ssl_client_zero(&p->context);
    tls_profile_strict(&p->context.eng);
    br_ssl_client_set_default_rsapub(&p->context);
    br_ssl_engine_set_x509(&p->context.eng, &p->check.vtable);
    br_ssl_engine_set_buffers_bidi(&p->context.eng, p->in, sizeof p->in, p->out, sizeof p->out);
    br_ssl_engine_inject_entropy(&p->context.eng, seed, sizeof seed);
    buf_init(&p->key_der, TLS_PEM_OBJECT_BYTES_MAX);
    return p;
}

static void use_key(struct peer *p, const char *pem)
{
    der_of(pem, &p->key_der);
    br_skey_decoder_init(&p->secret.key);
    br_skey_decoder_push(&p->secret.key, p->key_der.p, p->key_der.n);
    const br_skey_decoder_context *key = &p->secret.key;
    if (key->key_type == BR_KEYTYPE_RSA)
        br_ssl_client_set_single_rsa(&p->context, p->chain, p->chain_count, &key->key.rsa,
                                     br_rsa_pkcs1_sign_get_default());
    else
        br_ssl_client_set_single_ec(&p->context, p->chain, p->chain_count, &key->key.ec,
                                    BR_KEYTYPE_SIGN, BR_KEYTYPE_EC, br_ec_get_default(),
                                    br_ecdsa_sign_asn1_get_default());
}

static void peer_free(struct peer *p)
{
    for (unsigned i = 0; i < p->chain_count; i++)
        buf_close(&p->der[i]);
    buf_close(&p->key_der);
    tls_check_close(&p->check);
    mem_free(p);
}

/* False: it has failed, on our side. */
static bool shake_hands_again(struct peer *p, struct tls_link *link, bool resumes)
{
    br_ssl_engine_context *e = &p->context.eng;
    struct buf to_client;
    size_t n;
    buf_init(&to_client, OUT_BYTES_MAX);
    assert_true(br_ssl_client_reset(&p->context, NULL, resumes));
    for (int turn = 0; turn < 100000 && !tls_link_is_closed(link); turn++) {
        unsigned state = br_ssl_engine_current_state(e);
        if (state & BR_SSL_SENDREC) {
            unsigned char *out = br_ssl_engine_sendrec_buf(e, &n);
            size_t used = tls_link_step(link, slice_of(out, n), &to_client);
            br_ssl_engine_sendrec_ack(e, used ? used : n);
        } else if ((state & BR_SSL_RECVREC) && to_client.n) {
            unsigned char *in = br_ssl_engine_recvrec_buf(e, &n);
            if (n > to_client.n)
                n = to_client.n;
            memcpy(in, to_client.p, n);
            buf_drop(&to_client, n);
            br_ssl_engine_recvrec_ack(e, n);
        } else {
            break;
        }
    }
    buf_close(&to_client);
    return tls_link_is_up(link) && !tls_link_is_closed(link);
}

static bool shake_hands(struct peer *p, struct tls_link *link)
{
    return shake_hands_again(p, link, false);
}

static struct tls_link *server(bool asks)
{
    unsigned char seed[32] = {8};
    return tls_link_server(identity, asks, seed);
}

/* ---- what is told ------------------------------------------------------------------------------
 */

static const struct {
    const char *shows, *certificate, *key;
    bool has_certificate, is_verified;
    const char *verdict; /* part of it */
    const char *name;    /* the first */
} rows[] = {
    {"none", NULL, NULL, false, false, "", ""},
    {"EC", app_pem, app_key, true, true, "", "app.example"},
    {"RSA, for servers and clients", rsa_pem, rsa_key, true, true, "", "rsa.example"},
    {"for any use, with no alternative name of ours", any_pem, any_key, true, true, "",
     "any.example"},
    {"for servers only", server_pem, server_key, true, false, "is not for clients", "app.example"},
    {"expired", expired_pem, expired_key, true, false, "expired", "app.example"},
    {"another authority", strange_pem, strange_key, true, false, "not trusted", "app.example"},
    {"self-signed", self_pem, self_key, true, false, "self-signed", "Stranger"},
    {"signed with RSA-PSS", pss_pem, rsa_key, true, false, "not supported", "pss"},
    {"a weak key", weak_pem, weak_key, false, false, "too weak", ""},
    {"Ed25519", ed_pem, app_key, false, false, "not supported", ""},
};

static void what_is_told(void **state)
{
    struct tls_trust *clients;
    struct fault why;
    assert_int_equal(tls_trust_new(&clients, slice_cstr(ca_pem), NULL, &why), ERR_OK);
    assert_int_equal(tls_server_config_trust(identity, clients, &why), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct peer *p = peer_new();
        struct tls_link *link = server(true);
        struct tls_facts facts;
        if (rows[i].certificate) {
            add_pem(p, rows[i].certificate);
            use_key(p, rows[i].key);
        }
        if (!shake_hands(p, link))
            fail_msg("%s: %s", rows[i].shows, tls_link_error_text(link));
        tls_link_settle(link, &facts);
        if (facts.has_certificate != rows[i].has_certificate ||
            facts.is_verified != rows[i].is_verified || !strstr(facts.verdict, rows[i].verdict) ||
            (!*rows[i].verdict && *facts.verdict) ||
            (facts.has_certificate && strcmp(facts.certificate.names, rows[i].name) != 0))
            fail_msg("%s: %d %d %s %s", rows[i].shows, facts.has_certificate, facts.is_verified,
                     facts.verdict, facts.certificate.names);
        tls_link_free(link);
        peer_free(p);
    }
    assert_int_equal(tls_server_config_trust(identity, NULL, &why), ERR_OK);
}

/* Whose certificate it is counts only for who has its key. */
static void the_key_has_to_sign(void **state)
{
    static const struct {
        const char *certificate, *key;
    } pairs[] = {{app_pem, strange_key}, {rsa_pem, weak_key}, {app_pem, rsa_key}};
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        struct peer *p = peer_new();
        struct tls_link *link = server(true);
        add_pem(p, pairs[i].certificate);
        use_key(p, pairs[i].key);
        assert_false(shake_hands(p, link));
        assert_int_equal(tls_link_error(link), BR_ERR_BAD_SIGNATURE);
        tls_link_free(link);
        peer_free(p);
    }
}

static void without_authorities(void **state)
{
    struct peer *p = peer_new();
    struct tls_link *link = server(true);
    struct tls_facts facts;
    add_pem(p, app_pem);
    use_key(p, app_key);
    assert_true(shake_hands(p, link));
    tls_link_settle(link, &facts);
    assert_true(facts.has_certificate);
    assert_false(facts.is_verified);
    assert_string_equal(facts.verdict, "no authority of clients is configured");
    tls_link_free(link);
    peer_free(p);
}

static void nobody_asks(void **state)
{
    struct peer *p = peer_new();
    struct tls_link *link = server(false);
    struct tls_facts facts;
    add_pem(p, app_pem);
    use_key(p, app_key);
    assert_true(shake_hands(p, link));
    tls_link_settle(link, &facts);
    assert_false(facts.has_certificate);
    assert_string_equal(facts.verdict, "");
    tls_link_free(link);
    peer_free(p);
}

/* What is too much is no certificate; the session goes on. */
static void chains_are_bounded(void **state)
{
    for (int kind = 0; kind < 4; kind++) {
        static char garbage[TLS_CHECK_CLIENT_BYTES_MAX];
        struct peer *p = peer_new();
        struct tls_link *link = server(true);
        struct tls_facts facts;
        bool is_too_much = kind != 0;
        add_pem(p, app_pem);
        unsigned more = kind < 2 ? TLS_CHECK_CHAIN_MAX - 1 + (unsigned)kind : 0;
        for (unsigned i = 0; i < more; i++)
            add_pem(p, ca_pem);
        if (kind == 2)
            add_der(p, slice_of(garbage, sizeof garbage));
        if (kind == 3) { /* the leaf itself is none */
            p->chain[0].data = (unsigned char *)garbage;
            p->chain[0].data_len = 1000;
        }
        use_key(p, app_key);
        assert_true(shake_hands(p, link));
        tls_link_settle(link, &facts);
        assert_int_equal(facts.has_certificate, !is_too_much);
        assert_true(kind == 3 ? *facts.verdict != 0
                              : (strstr(facts.verdict, "too large") != NULL) == is_too_much);
        tls_link_free(link);
        peer_free(p);
    }
}

static void hints_are_bounded(void **state)
{
    struct tls_trust *many;
    struct buf text;
    struct fault why;
    buf_init(&text, 4 << 20);
    for (int i = 0; i < 1000; i++) /* the name takes 20 bytes, and 2 for its length */
        buf_add_cstr(&text, ca_pem);
    assert_int_equal(tls_trust_new(&many, buf_slice(&text), NULL, &why), ERR_OK);
    assert_int_equal(tls_server_config_trust(identity, many, &why), ERR_FULL);
    assert_non_null(strstr(why.text, "more than 16384 bytes"));
    buf_close(&text);
}

/* A session made where nobody asked for a certificate does not get past where it is asked for. */
static void nothing_is_resumed(void **state)
{
    struct peer *p = peer_new();
    struct tls_facts facts;
    for (int turn = 0; turn < 3; turn++) { /* made, resumed, asked for */
        struct tls_link *link = server(turn == 2);
        assert_true(shake_hands_again(p, link, turn > 0));
        tls_link_settle(link, &facts);
        assert_int_equal(facts.is_resumed, turn == 1);
        /* Nothing that is the same in two connections is called unique. */
        assert_int_equal(facts.unique_bytes, turn == 1 ? 0 : TLS_UNIQUE_BYTES);
        assert_int_equal(facts.end_point_bytes, 32);
        if (turn != 1)
            assert_memory_equal(facts.unique, p->context.eng.saved_finished, TLS_UNIQUE_BYTES);
        tls_link_free(link);
    }
    peer_free(p);
}

/* ---- we as the client -------------------------------------------------------------------------
 */

static bool shake_links(struct tls_link *client, struct tls_link *link)
{
    struct buf to_server, to_client;
    buf_init(&to_server, OUT_BYTES_MAX);
    buf_init(&to_client, OUT_BYTES_MAX);
    for (int turn = 0; turn < 100 && !tls_link_is_closed(link); turn++) {
        buf_drop(&to_client, tls_link_step(client, buf_slice(&to_client), &to_server));
        buf_drop(&to_server, tls_link_step(link, buf_slice(&to_server), &to_client));
        if (tls_link_is_up(client) && tls_link_is_up(link))
            break;
    }
    buf_close(&to_server);
    buf_close(&to_client);
    return tls_link_is_up(client) && tls_link_is_up(link);
}

static void ours_is_shown_when_asked_for(void **state)
{
    static const struct {
        const char *certificate, *key, *name;
        bool asks;
    } shown[] = {
        {app_pem, app_key, "app.example", true},
        {rsa_pem, rsa_key, "rsa.example", true},
        {app_pem, app_key, "", false},
        {NULL, NULL, "", true},
    };
    unsigned char seed[32] = {9};
    for (size_t i = 0; i < COUNT_OF(shown); i++) {
        struct tls_client_config config = {.verify = TLS_VERIFY_NONE};
        struct tls_facts ours, theirs;
        struct fault why;
        if (shown[i].key)
            assert_int_equal(tls_server_config_new(&config.identity,
                                                   slice_cstr(shown[i].certificate),
                                                   slice_cstr(shown[i].key), 0, &why),
                             ERR_OK);
        struct tls_link *client = tls_link_client(&config, SLICE("mail.example"), seed);
        tls_server_config_unref(config.identity); /* the link has its own */
        struct tls_link *link = server(shown[i].asks);
        assert_true(shake_links(client, link));
        tls_link_settle(client, &ours);
        tls_link_settle(link, &theirs);
        assert_int_equal(theirs.has_certificate, shown[i].name[0] != 0);
        if (theirs.has_certificate)
            assert_string_equal(theirs.certificate.names, shown[i].name);
        assert_false(ours.has_certificate);
        /* Both sides see the same channel. */
        assert_int_equal(ours.unique_bytes, TLS_UNIQUE_BYTES);
        assert_memory_equal(ours.unique, theirs.unique, TLS_UNIQUE_BYTES);
        assert_int_equal(ours.end_point_bytes, theirs.end_point_bytes);
        assert_memory_equal(ours.end_point, theirs.end_point, theirs.end_point_bytes);
        tls_link_free(client);
        tls_link_free(link);
    }
}

/* ---- reading ----------------------------------------------------------------------------------
 */

static void assert_hex(const uint8_t *bytes, size_t n, const char *wanted)
{
    char text[2 * TLS_BINDING_BYTES_MAX + 1];
    for (size_t i = 0; i < n; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    assert_string_equal(text, wanted);
}

static void fingerprints_and_names(void **state)
{
    struct tls_certificate c;
    struct buf der;
    der_of(app_pem, &der);
    assert_true(tls_certificate_read(buf_slice(&der), &c));
    assert_hex(c.sha256, 32, app_sha256);
    assert_hex(c.key_sha256, 32, app_spki_sha256);
    static const char names[] = "app.example\0ops@app.example";
    assert_int_equal(c.names_bytes, sizeof names);
    assert_memory_equal(c.names, names, sizeof names);

    /* A NUL in the one makes no other name of it: it is left out. */
    char *at = memmem(der.p, der.n, "app.example", 11);
    at[3] = 0;
    assert_true(tls_certificate_read(buf_slice(&der), &c));
    assert_string_equal(c.names, "ops@app.example");
    assert_int_equal(c.names_bytes, sizeof "ops@app.example");
    buf_close(&der);

    der_of(rsa_pem, &der);
    assert_true(tls_certificate_read(buf_slice(&der), &c));
    assert_hex(c.key_sha256, 32, rsa_spki_sha256);
    buf_close(&der);
}

static void names_are_bounded(void **state)
{
    struct tls_certificate c;
    struct buf der;
    der_of(many_pem, &der);
    assert_true(tls_certificate_read(buf_slice(&der), &c));
    assert_true(slice_starts(slice_cstr(c.names), SLICE("10-aaa"))); /* one was too long */
    assert_true(c.names_bytes > TLS_NAMES_BYTES_MAX - 100 && c.names_bytes <= TLS_NAMES_BYTES_MAX);
    assert_int_equal(c.names[c.names_bytes - 1], 0);
    buf_close(&der);
}

static void end_points(void **state)
{
    static const struct {
        const char *pem, *wanted;
    } points[] = {{app_pem, app_sha256}, {rsa_pem, rsa_sha384}, {pss_pem, ""}};
    for (size_t i = 0; i < COUNT_OF(points); i++) {
        uint8_t out[TLS_BINDING_BYTES_MAX];
        struct buf der;
        der_of(points[i].pem, &der);
        unsigned n = tls_certificate_end_point(buf_slice(&der), out);
        assert_int_equal(n, strlen(points[i].wanted) / 2);
        if (n)
            assert_hex(out, n, points[i].wanted);
        buf_close(&der);
    }
}

static void read_all(struct slice der)
{
    struct tls_certificate c;
    uint8_t out[TLS_BINDING_BYTES_MAX];
    char *copy = mem_dup(der.p, der.n); /* with nothing behind it that a sanitizer would miss */
    bool is_read = tls_certificate_read(slice_of(copy, der.n), &c);
    (void)tls_certificate_is_for_clients(slice_of(copy, der.n));
    (void)tls_certificate_end_point(slice_of(copy, der.n), out);
    assert_true(c.names_bytes <= TLS_NAMES_BYTES_MAX && (is_read || c.names_bytes == 0));
    mem_free(copy);
}

static void damage_is_survived(void **state)
{
    static const char *const pems[] = {app_pem, server_pem, any_pem};
    for (size_t i = 0; i < COUNT_OF(pems); i++) {
        struct buf der;
        struct tls_certificate c;
        der_of(pems[i], &der);
        for (size_t n = 0; n < der.n; n++) {
            assert_false(tls_certificate_read(slice_head(buf_slice(&der), n), &c));
            read_all(slice_head(buf_slice(&der), n));
        }
        for (size_t n = 0; n < der.n; n++)
            for (int bit = 0; bit < 8; bit++) {
                der.p[n] ^= (char)(1 << bit);
                read_all(buf_slice(&der));
                der.p[n] ^= (char)(1 << bit);
            }
        buf_close(&der);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_told),
        cmocka_unit_test(the_key_has_to_sign),
        cmocka_unit_test(without_authorities),
        cmocka_unit_test(nobody_asks),
        cmocka_unit_test(chains_are_bounded),
        cmocka_unit_test(hints_are_bounded),
        cmocka_unit_test(nothing_is_resumed),
        cmocka_unit_test(ours_is_shown_when_asked_for),
        cmocka_unit_test(fingerprints_and_names),
        cmocka_unit_test(names_are_bounded),
        cmocka_unit_test(end_points),
        cmocka_unit_test(damage_is_survived),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
