/* tls_server.c -- the identity our listeners show: reads certificate and key, proves that they
 * belong together, and chooses and signs in handshakes. */
#include "tls_server.h"

#include <stdlib.h>
#include <string.h>

#include "tls_certificate.h"
#include "tls_pem.h"
#include "tls_trust.h"

enum { CACHE_ENTRY_BYTES = 100, SIGNATURE_BYTES_MAX = 512, EC_SIGNATURE_BYTES_MAX = 139 };

/* ---- the session cache ------------------------------------------------------------------- */

static void cache_save(const br_ssl_session_cache_class **ctx, br_ssl_server_context *server,
                       const br_ssl_session_parameters *session)
{
    struct tls_server_cache *c = (struct tls_server_cache *)ctx;
    pthread_mutex_lock(&c->lock);
    c->lru.vtable->save(&c->lru.vtable, server, session);
    pthread_mutex_unlock(&c->lock);
}

static int cache_load(const br_ssl_session_cache_class **ctx, br_ssl_server_context *server,
                      br_ssl_session_parameters *session)
{
    struct tls_server_cache *c = (struct tls_server_cache *)ctx;
    pthread_mutex_lock(&c->lock);
    int is_found = c->lru.vtable->load(&c->lru.vtable, server, session);
    pthread_mutex_unlock(&c->lock);
    return is_found;
}

static const br_ssl_session_cache_class cache_class = {
    .context_size = sizeof(struct tls_server_cache),
    .save = cache_save,
    .load = cache_load,
};

static void cache_open(struct tls_server_config *c, unsigned entries)
{
    size_t n = (size_t)entries * CACHE_ENTRY_BYTES;
    c->cache.vtable = &cache_class;
    c->cache.store = mem_new(n);
    br_ssl_session_cache_lru_init(&c->cache.lru, c->cache.store, n);
    pthread_mutex_init(&c->cache.lock, NULL);
    c->has_cache = true;
}

/* ---- choosing and signing ---------------------------------------------------------------- */

/* The best hash that the client can verify with this kind of key: RSA in bits 0-7, ECDSA 8-15. */
static int choose_hash(const br_ssl_server_context *server, bool is_ec)
{
    static const int best_first[] = {br_sha256_ID, br_sha384_ID, br_sha512_ID};
    uint32_t hashes = br_ssl_server_get_client_hashes(server) >> (is_ec ? 8 : 0);
    for (size_t i = 0; i < COUNT_OF(best_first); i++) {
        if (hashes >> best_first[i] & 1)
            return best_first[i];
    }
    return 0;
}

static int choose(const br_ssl_server_policy_class **ctx, const br_ssl_server_context *server,
                  br_ssl_server_choices *choices)
{
    struct tls_server_policy *p = (struct tls_server_policy *)ctx;
    const br_skey_decoder_context *key = &p->config->secret.key;
    bool is_ec = key->key_type == BR_KEYTYPE_EC;
    unsigned wanted = is_ec ? BR_SSLKEYX_ECDHE_ECDSA : BR_SSLKEYX_ECDHE_RSA;
    size_t count;
    const br_suite_translated *suites = br_ssl_server_get_client_suites(server, &count);
    p->was_asked = true;
    int hash = choose_hash(server, is_ec);
    if (!hash)
        return 0;
    if (is_ec && !(br_ssl_server_get_client_curves(server) >> key->key.ec.curve & 1))
        return 0;
    for (size_t i = 0; i < count; i++) {
        if (suites[i][1] >> 12 != wanted)
            continue;
        choices->cipher_suite = suites[i][0];
        choices->algo_id = 0xFF00u + (unsigned)hash;
        choices->chain = p->config->chain;
        choices->chain_len = p->config->chain_count;
        return 1;
    }
    return 0;
}

static uint32_t do_keyx(const br_ssl_server_policy_class **ctx, unsigned char *data, size_t *n)
{
    return 0; /* no suite without ECDHE is offered */
}

static const unsigned char *hash_oid(int hash)
{
    return hash == br_sha384_ID   ? BR_HASH_OID_SHA384
           : hash == br_sha512_ID ? BR_HASH_OID_SHA512
                                  : BR_HASH_OID_SHA256;
}

static const br_hash_class *hash_class(int hash)
{
    return hash == br_sha384_ID   ? &br_sha384_vtable
           : hash == br_sha512_ID ? &br_sha512_vtable
                                  : &br_sha256_vtable;
}

static size_t sign(const br_skey_decoder_context *key, int hash, const unsigned char *value,
                   size_t value_n, unsigned char *out, size_t room)
{
    if (key->key_type == BR_KEYTYPE_EC) {
        if (room < EC_SIGNATURE_BYTES_MAX)
            return 0;
        return br_ecdsa_sign_asn1_get_default()(br_ec_get_default(), hash_class(hash), value,
                                                &key->key.ec, out);
    }
    size_t n = (key->key.rsa.n_bitlen + 7) / 8;
    if (n > room ||
        !br_rsa_pkcs1_sign_get_default()(hash_oid(hash), value, value_n, &key->key.rsa, out))
        return 0;
    return n;
}

static size_t do_sign(const br_ssl_server_policy_class **ctx, unsigned algorithm,
                      unsigned char *data, size_t value_n, size_t room)
{
    struct tls_server_policy *p = (struct tls_server_policy *)ctx;
    unsigned char value[64];
    if (value_n > sizeof value)
        return 0;
    memcpy(value, data, value_n);
    return sign(&p->config->secret.key, (int)(algorithm & 0xff), value, value_n, data, room);
}

static const br_ssl_server_policy_class policy_class = {
    .context_size = sizeof(struct tls_server_policy),
    .choose = choose,
    .do_keyx = do_keyx,
    .do_sign = do_sign,
};

void tls_server_policy_init(struct tls_server_policy *p, const struct tls_server_config *config)
{
    *p = (struct tls_server_policy){.vtable = &policy_class, .config = config};
}

/* ---- reading the files ------------------------------------------------------------------- */

struct key_search {
    struct tls_server_config *config;
    bool is_encrypted, is_too_large;
    int error; /* of the first key found */
    bool has_object;
};

static bool on_certificate(void *ctx, const char *name, struct slice der)
{
    struct tls_server_config *c = ctx;
    if (!tls_pem_is_certificate(name))
        return true;
    if (c->chain_count == TLS_SERVER_CHAIN_MAX)
        return false;
    c->chain[c->chain_count].data = (unsigned char *)mem_dup(der.p, der.n);
    c->chain[c->chain_count++].data_len = der.n;
    return true;
}

static bool on_key(void *ctx, const char *name, struct slice der)
{
    struct key_search *s = ctx;
    br_skey_decoder_context *key = &s->config->secret.key;
    if (strcmp(name, "ENCRYPTED PRIVATE KEY") == 0) {
        s->is_encrypted = true;
        return false;
    }
    if (strcmp(name, "PRIVATE KEY") != 0 && strcmp(name, "RSA PRIVATE KEY") != 0 &&
        strcmp(name, "EC PRIVATE KEY") != 0)
        return true; /* certificates, "EC PARAMETERS" */
    s->has_object = true;
    if (der.n > TLS_SERVER_KEY_BYTES_MAX) {
        s->is_too_large = true;
        return false;
    }
    br_skey_decoder_init(key);
    br_skey_decoder_push(key, der.p, der.n);
    s->error = br_skey_decoder_last_error(key);
    s->config->has_key = s->error == 0;
    return false;
}

static bool contains(struct slice s, struct slice what)
{
    return s.n && memmem(s.p, s.n, what.p, what.n) != NULL;
}

static enum err read_key(struct tls_server_config *c, struct slice pem, struct fault *why)
{
    struct key_search s = {.config = c};
    if (contains(pem, SLICE("Proc-Type: 4,ENCRYPTED")))
        s.is_encrypted = true;
    else
        tls_pem_each(pem, on_key, &s);
    if (s.is_encrypted)
        return fault_set(why, ERR_BAD, 0,
                         "the private key is encrypted: store it without a passphrase");
    if (s.is_too_large)
        return fault_set(why, ERR_BAD, 0, "the private key is too large: RSA up to 4096 bits");
    if (!s.has_object)
        return fault_set(why, ERR_BAD, 0, "no private key in the key file (PEM is expected)");
    if (s.error == BR_ERR_X509_UNSUPPORTED)
        return fault_set(why, ERR_BAD, 0,
                         "the private key is of a type that is not supported (Ed25519, RSA-PSS?): "
                         "use ECDSA P-256 or RSA");
    if (s.error)
        return fault_set(why, ERR_BAD, 0, "the private key cannot be read");
    if (c->secret.key.key_type == BR_KEYTYPE_RSA && c->secret.key.key.rsa.n_bitlen > 4096)
        return fault_set(why, ERR_BAD, 0, "the private key is too large: RSA up to 4096 bits");
    return ERR_OK;
}

/* A signature by the one that the other verifies is proof for any kind of key. */
static bool belong_together(const br_skey_decoder_context *key, const br_x509_pkey *certificate)
{
    unsigned char value[32], got[32], signature[SIGNATURE_BYTES_MAX];
    memset(value, 0x5a, sizeof value);
    if (key->key_type != certificate->key_type)
        return false;
    size_t n = sign(key, br_sha256_ID, value, sizeof value, signature, sizeof signature);
    if (n == 0)
        return false;
    if (certificate->key_type == BR_KEYTYPE_EC)
        return key->key.ec.curve == certificate->key.ec.curve &&
               br_ecdsa_vrfy_asn1_get_default()(br_ec_get_default(), value, sizeof value,
                                                &certificate->key.ec, signature, n);
    return br_rsa_pkcs1_vrfy_get_default()(signature, n, BR_HASH_OID_SHA256, sizeof value,
                                           &certificate->key.rsa, got) &&
           memcmp(got, value, sizeof value) == 0;
}

static enum err check_pair(const struct tls_server_config *c, struct fault *why)
{
    br_x509_decoder_context leaf;
    br_x509_decoder_init(&leaf, NULL, NULL);
    br_x509_decoder_push(&leaf, c->chain[0].data, c->chain[0].data_len);
    const br_x509_pkey *key = br_x509_decoder_get_pkey(&leaf);
    if (!key)
        return fault_set(why, ERR_BAD, 0, "the first certificate cannot be used: %s",
                         tls_error_text(br_x509_decoder_last_error(&leaf)));
    if (!belong_together(&c->secret.key, key))
        return fault_set(why, ERR_BAD, 0,
                         "the private key does not belong to the first certificate in the file");
    return ERR_OK;
}

enum err tls_server_config_new(struct tls_server_config **out, struct slice certificate_pem,
                               struct slice key_pem, unsigned session_cache_entries,
                               struct fault *why)
{
    struct tls_server_config *c = mem_new(sizeof *c);
    enum err e;
    *out = NULL;
    c->refs = 1;
    unsigned damaged = tls_pem_each(certificate_pem, on_certificate, c);
    if (damaged)
        e = fault_set(why, ERR_BAD, 0, "the certificate file is damaged");
    else if (c->chain_count == 0)
        e = fault_set(why, ERR_BAD, 0, "no certificate in the certificate file (PEM is expected)");
    else
        e = read_key(c, key_pem, why);
    if (!e)
        e = check_pair(c, why);
    if (e) {
        tls_server_config_unref(c);
        return e;
    }
    if (session_cache_entries)
        cache_open(c, session_cache_entries);
    c->end_point_bytes =
        tls_certificate_end_point(slice_of(c->chain[0].data, c->chain[0].data_len), c->end_point);
    *out = c;
    return ERR_OK;
}

enum err tls_server_config_trust(struct tls_server_config *c, struct tls_trust *clients,
                                 struct fault *why)
{
    size_t bytes = 0;
    for (size_t i = 0; clients && i < clients->count; i++)
        bytes += 2 + clients->anchor[i].dn.len;
    if (bytes > TLS_HINTS_BYTES_MAX) {
        tls_trust_unref(clients);
        return fault_set(why, ERR_FULL, 0,
                         "the names of its authorities take more than %d bytes: leave those of "
                         "your clients",
                         TLS_HINTS_BYTES_MAX);
    }
    tls_trust_unref(c->clients);
    c->clients = clients;
    return ERR_OK;
}

struct tls_server_config *tls_server_config_ref(struct tls_server_config *c)
{
    c->refs++;
    return c;
}

void tls_server_config_unref(struct tls_server_config *c)
{
    if (!c || --c->refs)
        return;
    for (size_t i = 0; i < c->chain_count; i++)
        mem_free(c->chain[i].data);
    tls_trust_unref(c->clients);
    if (c->has_cache) {
        pthread_mutex_destroy(&c->cache.lock);
        explicit_bzero(c->cache.store, c->cache.lru.store_len); /* session secrets */
        mem_free(c->cache.store);
    }
    explicit_bzero(c, sizeof *c);
    mem_free(c);
}
