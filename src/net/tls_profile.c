/* tls_profile.c -- two profiles out of one table of suites, best first.
 *
 * AES-GCM is six times as fast as ChaCha20 where the processor helps and a tenth of it where it
 * does not, so the order of the two depends on the machine. */
#include "tls_profile.h"

enum { SUITES_MAX = 32 };
enum kind { K_GCM, K_CHACHA, K_OLD };

static const struct {
    uint16_t number;
    enum kind kind;
    const char *name;
} suite[] = {
    {BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, K_GCM, "ECDHE-ECDSA-AES128-GCM-SHA256"},
    {BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, K_GCM, "ECDHE-RSA-AES128-GCM-SHA256"},
    {BR_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, K_GCM, "ECDHE-ECDSA-AES256-GCM-SHA384"},
    {BR_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, K_GCM, "ECDHE-RSA-AES256-GCM-SHA384"},
    {BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, K_CHACHA, "ECDHE-ECDSA-CHACHA20-POLY1305"},
    {BR_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, K_CHACHA, "ECDHE-RSA-CHACHA20-POLY1305"},
    {BR_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, K_OLD, "ECDHE-ECDSA-AES128-SHA256"},
    {BR_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256, K_OLD, "ECDHE-RSA-AES128-SHA256"},
    {BR_TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384, K_OLD, "ECDHE-ECDSA-AES256-SHA384"},
    {BR_TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384, K_OLD, "ECDHE-RSA-AES256-SHA384"},
    {BR_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, K_OLD, "ECDHE-ECDSA-AES128-SHA"},
    {BR_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, K_OLD, "ECDHE-RSA-AES128-SHA"},
    {BR_TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, K_OLD, "ECDHE-ECDSA-AES256-SHA"},
    {BR_TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, K_OLD, "ECDHE-RSA-AES256-SHA"},
    {BR_TLS_RSA_WITH_AES_128_GCM_SHA256, K_OLD, "AES128-GCM-SHA256"},
    {BR_TLS_RSA_WITH_AES_256_GCM_SHA384, K_OLD, "AES256-GCM-SHA384"},
    {BR_TLS_RSA_WITH_AES_128_CBC_SHA256, K_OLD, "AES128-SHA256"},
    {BR_TLS_RSA_WITH_AES_256_CBC_SHA256, K_OLD, "AES256-SHA256"},
    {BR_TLS_RSA_WITH_AES_128_CBC_SHA, K_OLD, "AES128-SHA"},
    {BR_TLS_RSA_WITH_AES_256_CBC_SHA, K_OLD, "AES256-SHA"},
};

static size_t add_kind(uint16_t *list, size_t n, enum kind kind)
{
    for (size_t i = 0; i < COUNT_OF(suite); i++) {
        if (suite[i].kind == kind)
            list[n++] = suite[i].number;
    }
    return n;
}

static void set_suites(br_ssl_engine_context *e, bool has_old)
{
    static int has_fast_aes = -1; /* asking the processor is dear inside a virtual machine */
    uint16_t list[SUITES_MAX];
    if (has_fast_aes < 0)
        has_fast_aes = br_aes_x86ni_ctr_get_vtable() != NULL && br_ghash_pclmul_get() != 0;
    size_t n = add_kind(list, 0, has_fast_aes ? K_GCM : K_CHACHA);
    n = add_kind(list, n, has_fast_aes ? K_CHACHA : K_GCM);
    if (has_old)
        n = add_kind(list, n, K_OLD);
    br_ssl_engine_set_suites(e, list, n);
}

static void set_common(br_ssl_engine_context *e)
{
    br_ssl_engine_set_hash(e, br_sha256_ID, &br_sha256_vtable);
    br_ssl_engine_set_hash(e, br_sha384_ID, &br_sha384_vtable);
    br_ssl_engine_set_hash(e, br_sha512_ID, &br_sha512_vtable);
    br_ssl_engine_set_prf_sha256(e, &br_tls12_sha256_prf);
    br_ssl_engine_set_prf_sha384(e, &br_tls12_sha384_prf);
    br_ssl_engine_set_default_ec(e);
    br_ssl_engine_set_default_aes_gcm(e);
    br_ssl_engine_set_default_chapol(e);
    br_ssl_engine_set_default_rsavrfy(e);
    br_ssl_engine_set_default_ecdsa(e);
    br_ssl_engine_add_flags(e, BR_OPT_NO_RENEGOTIATION);
}

void tls_profile_strict(br_ssl_engine_context *e)
{
    br_ssl_engine_set_versions(e, BR_TLS12, BR_TLS12);
    set_suites(e, false);
    set_common(e);
}

void tls_profile_lax(br_ssl_engine_context *e)
{
    br_ssl_engine_set_versions(e, BR_TLS10, BR_TLS12);
    set_suites(e, true);
    set_common(e);
    br_ssl_engine_set_hash(e, br_md5_ID, &br_md5_vtable);
    br_ssl_engine_set_hash(e, br_sha1_ID, &br_sha1_vtable);
    br_ssl_engine_set_hash(e, br_sha224_ID, &br_sha224_vtable);
    br_ssl_engine_set_prf10(e, &br_tls10_prf);
    br_ssl_engine_set_default_aes_cbc(e);
}

const char *tls_profile_suite_name(unsigned number)
{
    for (size_t i = 0; i < COUNT_OF(suite); i++) {
        if (suite[i].number == number)
            return suite[i].name;
    }
    return "unknown";
}

const char *tls_profile_version_name(unsigned version)
{
    switch (version) {
    case BR_TLS10:
        return "TLSv1";
    case BR_TLS11:
        return "TLSv1.1";
    case BR_TLS12:
        return "TLSv1.2";
    }
    return "unknown";
}
