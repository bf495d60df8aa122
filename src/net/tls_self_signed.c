/* tls_self_signed.c -- a certificate for hosts that were given none: ECDSA P-256, X.509 version 3
 * (RFC 5280), written as DER by hand. BearSSL makes keys and signatures; it does not write
 * certificates. Elements are built inside out: the content first, then its header around it. */
#include <bearssl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "net/tls.h"

enum {
    DAY_S = 86400,
    YEARS = 10,
    COMMON_NAME_MAX = 64, /* ub-common-name; longer host names stand in the SAN only */
    CERTIFICATE_BYTES_MAX = 2048,
    SERIAL_BYTES = 16,
    T_BOOLEAN = 0x01,
    T_INTEGER = 0x02,
    T_BIT_STRING = 0x03,
    T_OCTET_STRING = 0x04,
    T_OID = 0x06,
    T_UTF8 = 0x0c,
    T_UTC_TIME = 0x17,
    T_GENERAL_TIME = 0x18,
    T_SEQUENCE = 0x30,
    T_SET = 0x31,
    T_DNS_NAME = 0x82, /* [2] in GeneralName */
    T_VERSION = 0xa0,
    T_EXTENSIONS = 0xa3,
};

#define OID_ECDSA_SHA256 SLICE("\x2a\x86\x48\xce\x3d\x04\x03\x02")
#define OID_EC_KEY SLICE("\x2a\x86\x48\xce\x3d\x02\x01")
#define OID_P256 SLICE("\x2a\x86\x48\xce\x3d\x03\x01\x07")
#define OID_COMMON_NAME SLICE("\x55\x04\x03")
#define OID_SAN SLICE("\x55\x1d\x11")
#define OID_BASIC_CONSTRAINTS SLICE("\x55\x1d\x13")
#define OID_KEY_USAGE SLICE("\x55\x1d\x0f")
#define OID_EXT_KEY_USAGE SLICE("\x55\x1d\x25")
#define OID_SERVER_AUTH SLICE("\x2b\x06\x01\x05\x05\x07\x03\x01")

/* ---- DER ---------------------------------------------------------------------------------- */

static void element(struct buf *out, unsigned tag, struct slice body)
{
    buf_add_u8(out, (uint8_t)tag);
    if (body.n >= 0x100) {
        buf_add_u8(out, 0x82);
        buf_add_u8(out, (uint8_t)(body.n >> 8));
    } else if (body.n >= 0x80) {
        buf_add_u8(out, 0x81);
    }
    buf_add_u8(out, (uint8_t)body.n);
    buf_add(out, body);
}

/* What stands in out from `from` on becomes the body of an element. */
static void wrap(struct buf *out, size_t from, unsigned tag)
{
    char body[CERTIFICATE_BYTES_MAX];
    size_t n = out->n - from;
    CHECK(n <= sizeof body);
    memcpy(body, out->p + from, n);
    out->n = from;
    element(out, tag, slice_of(body, n));
}

static void algorithm(struct buf *out, struct slice oid, struct slice parameter)
{
    size_t from = out->n;
    element(out, T_OID, oid);
    if (parameter.n)
        element(out, T_OID, parameter);
    wrap(out, from, T_SEQUENCE);
}

/* ---- fields of the certificate -------------------------------------------------------------- */

static void name(struct buf *out, struct slice hostname)
{
    size_t from = out->n;
    element(out, T_OID, OID_COMMON_NAME);
    element(out, T_UTF8, hostname.n <= COMMON_NAME_MAX ? hostname : SLICE("outpost"));
    wrap(out, from, T_SEQUENCE);
    wrap(out, from, T_SET);
    wrap(out, from, T_SEQUENCE);
}

static bool moment(struct buf *out, int64_t at_s)
{
    char text[40];
    struct tm tm;
    time_t t = (time_t)at_s;
    if (!gmtime_r(&t, &tm) || tm.tm_year < 50 || tm.tm_year > 8099)
        return false;
    bool is_short = tm.tm_year < 150; /* before 2050: RFC 5280 section 4.1.2.5 */
    if (is_short)
        snprintf(text, sizeof text, "%02d", tm.tm_year % 100);
    else
        snprintf(text, sizeof text, "%04d", tm.tm_year + 1900);
    size_t n = strlen(text);
    snprintf(text + n, sizeof text - n, "%02d%02d%02d%02d%02dZ", tm.tm_mon + 1, tm.tm_mday,
             tm.tm_hour, tm.tm_min, tm.tm_sec);
    element(out, is_short ? T_UTC_TIME : T_GENERAL_TIME, slice_cstr(text));
    return true;
}

static void public_key(struct buf *out, const br_ec_public_key *key)
{
    size_t from = out->n;
    algorithm(out, OID_EC_KEY, OID_P256);
    size_t bits = out->n;
    buf_add_u8(out, 0); /* unused bits */
    buf_add(out, slice_of(key->q, key->qlen));
    wrap(out, bits, T_BIT_STRING);
    wrap(out, from, T_SEQUENCE);
}

static void extension(struct buf *out, struct slice oid, bool is_critical, struct slice value)
{
    size_t from = out->n;
    element(out, T_OID, oid);
    if (is_critical)
        element(out, T_BOOLEAN, SLICE("\xff"));
    element(out, T_OCTET_STRING, value);
    wrap(out, from, T_SEQUENCE);
}

static void extensions(struct buf *out, struct slice hostname)
{
    struct buf value;
    size_t from = out->n;
    buf_init(&value, CERTIFICATE_BYTES_MAX);
    element(&value, T_DNS_NAME, hostname);
    wrap(&value, 0, T_SEQUENCE);
    extension(out, OID_SAN, false, buf_slice(&value));
    buf_clear(&value);
    element(&value, T_OID, OID_SERVER_AUTH);
    wrap(&value, 0, T_SEQUENCE);
    extension(out, OID_EXT_KEY_USAGE, false, buf_slice(&value));
    buf_close(&value);
    extension(out, OID_BASIC_CONSTRAINTS, true, SLICE("\x30\x00")); /* no CA */
    extension(out, OID_KEY_USAGE, true, SLICE("\x03\x02\x07\x80")); /* digital signature */
    wrap(out, from, T_SEQUENCE);
    wrap(out, from, T_EXTENSIONS);
}

static bool to_be_signed(struct buf *out, struct slice hostname, const unsigned char *serial,
                         int64_t now_s, const br_ec_public_key *key)
{
    element(out, T_INTEGER, SLICE("\x02")); /* version 3 */
    wrap(out, 0, T_VERSION);
    element(out, T_INTEGER, slice_of(serial, SERIAL_BYTES));
    algorithm(out, OID_ECDSA_SHA256, SLICE_NONE);
    name(out, hostname);
    size_t from = out->n;
    if (!moment(out, now_s - DAY_S) || !moment(out, now_s + (int64_t)YEARS * 365 * DAY_S))
        return false;
    wrap(out, from, T_SEQUENCE);
    name(out, hostname);
    public_key(out, key);
    extensions(out, hostname);
    wrap(out, 0, T_SEQUENCE);
    return !out->is_full;
}

static void sign(struct buf *out, const br_ec_private_key *key)
{
    unsigned char hash[32], signature[145];
    br_sha256_context sha;
    br_sha256_init(&sha);
    br_sha256_update(&sha, out->p, out->n);
    br_sha256_out(&sha, hash);
    size_t n = br_ecdsa_sign_asn1_get_default()(br_ec_get_default(), &br_sha256_vtable, hash, key,
                                                signature);
    CHECK(n > 0);
    algorithm(out, OID_ECDSA_SHA256, SLICE_NONE);
    size_t from = out->n;
    buf_add_u8(out, 0);
    buf_add(out, slice_of(signature, n));
    wrap(out, from, T_BIT_STRING);
    wrap(out, 0, T_SEQUENCE);
}

static bool add_pem(struct buf *out, const void *der, size_t n, const char *banner)
{
    size_t room = br_pem_encode(NULL, NULL, n, banner, BR_PEM_LINE64);
    char *to = buf_reserve(out, room + 1); /* a NUL is written behind */
    if (!to)
        return false;
    buf_wrote(out, br_pem_encode(to, der, n, banner, BR_PEM_LINE64));
    return true;
}

enum err tls_self_signed(struct slice hostname, const unsigned char random32[32], int64_t now_s,
                         struct buf *certificate_pem, struct buf *key_pem, struct fault *why)
{
    br_hmac_drbg_context rng;
    br_ec_private_key key;
    br_ec_public_key pub;
    unsigned char key_bytes[BR_EC_KBUF_PRIV_MAX_SIZE], pub_bytes[BR_EC_KBUF_PUB_MAX_SIZE];
    unsigned char serial[SERIAL_BYTES], key_der[256];
    const br_ec_impl *ec = br_ec_get_default();
    if (hostname.n == 0 || hostname.n > 253)
        return fault_set(why, ERR_BAD, 0, "a certificate needs a host name");
    br_hmac_drbg_init(&rng, &br_sha256_vtable, random32, 32);
    br_hmac_drbg_generate(&rng, serial, sizeof serial);
    serial[0] = (serial[0] & 0x3f) | 0x40; /* positive, no leading zero */
    if (!br_ec_keygen(&rng.vtable, ec, &key, key_bytes, BR_EC_secp256r1) ||
        !br_ec_compute_pub(ec, &pub, pub_bytes, &key))
        return fault_set(why, ERR_SYSTEM, 0, "cannot make an ECDSA key");

    enum err e = ERR_OK;
    struct buf der;
    buf_init(&der, CERTIFICATE_BYTES_MAX);
    size_t key_n = br_encode_ec_raw_der(NULL, &key, &pub);
    CHECK(key_n <= sizeof key_der);
    br_encode_ec_raw_der(key_der, &key, &pub);
    if (!to_be_signed(&der, hostname, serial, now_s, &pub)) {
        e = fault_set(why, ERR_BAD, 0, "no certificate can be made for this name and time");
    } else {
        sign(&der, &key);
        if (!add_pem(certificate_pem, der.p, der.n, "CERTIFICATE") ||
            !add_pem(key_pem, key_der, key_n, BR_ENCODE_PEM_EC_RAW))
            e = fault_set(why, ERR_FULL, 0, "no room for the certificate");
    }
    explicit_bzero(key_bytes, sizeof key_bytes);
    explicit_bzero(key_der, sizeof key_der);
    explicit_bzero(&rng, sizeof rng);
    buf_close(&der);
    return e;
}
