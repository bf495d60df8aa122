/* tls_certificate.c -- see tls_certificate.h. */
#include "tls_certificate.h"

#include <bearssl.h>
#include <string.h>

#include "tls_der.h"

enum {
    TAG_EMAIL = 0x81, /* GeneralName: rfc822Name [1] */
    TAG_DNS = 0x82,   /* dNSName [2] */
    TAG_UTF8 = 0x0c,
    TAG_PRINTABLE = 0x13,
    TAG_IA5 = 0x16,
    TAG_BOOLEAN = 0x01,
};

static const struct slice oid_common_name = SLICE_INIT("\x55\x04\x03");
static const struct slice oid_alternative_name = SLICE_INIT("\x55\x1d\x11");
static const struct slice oid_extended_use = SLICE_INIT("\x55\x1d\x25");
static const struct slice oid_any_use = SLICE_INIT("\x55\x1d\x25\x00");
static const struct slice oid_client_use = SLICE_INIT("\x2b\x06\x01\x05\x05\x07\x03\x02");

/* ---- names -------------------------------------------------------------------------------- */

/* A NUL inside, and whatever else no name has, must not make another name of it. */
static void add_name(struct tls_certificate *c, struct slice name)
{
    if (name.n == 0 || name.n > TLS_NAME_BYTES_MAX || name.n >= sizeof c->names - c->names_bytes)
        return;
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] < ' ' || name.p[i] > '~')
            return;
    memcpy(c->names + c->names_bytes, name.p, name.n);
    c->names_bytes += (unsigned)name.n;
    c->names[c->names_bytes++] = 0;
}

/* What the extension of this kind holds; empty: there is none. */
static struct slice find_extension(const struct tls_der_certificate *c, struct slice oid)
{
    struct slice rest = c->extensions, one, id, whole, value;
    unsigned tag;
    while (rest.n) {
        if (!tls_der_take_of(&rest, TLS_DER_SEQUENCE, &one) ||
            !tls_der_take_of(&one, TLS_DER_OID, &id))
            break;
        if (!slice_eq(id, oid))
            continue;
        if (!tls_der_take(&one, &tag, &whole, &value))
            break;
        if (tag == TAG_BOOLEAN && !tls_der_take(&one, &tag, &whole, &value)) /* critical */
            break;
        return tag == TLS_DER_OCTET_STRING ? value : SLICE_NONE;
    }
    return SLICE_NONE;
}

static bool add_alternative_names(struct tls_certificate *to, const struct tls_der_certificate *c)
{
    struct slice list = find_extension(c, oid_alternative_name), rest, whole, value;
    unsigned tag;
    bool has_any = false;
    if (!tls_der_take_of(&list, TLS_DER_SEQUENCE, &rest))
        return false;
    while (rest.n && tls_der_take(&rest, &tag, &whole, &value)) {
        if (tag != TAG_EMAIL && tag != TAG_DNS)
            continue;
        has_any = true;
        add_name(to, value);
    }
    return has_any;
}

/* The last one is the most specific. */
static void add_common_name(struct tls_certificate *to, const struct tls_der_certificate *c)
{
    struct slice subject = c->subject, rest, set, pair, id, whole, value, found = SLICE_NONE;
    unsigned tag;
    if (!tls_der_take_of(&subject, TLS_DER_SEQUENCE, &rest))
        return;
    while (rest.n && tls_der_take_of(&rest, TLS_DER_SET, &set)) {
        while (set.n && tls_der_take_of(&set, TLS_DER_SEQUENCE, &pair)) {
            if (!tls_der_take_of(&pair, TLS_DER_OID, &id) || !slice_eq(id, oid_common_name))
                continue;
            if (tls_der_take(&pair, &tag, &whole, &value) &&
                (tag == TAG_UTF8 || tag == TAG_PRINTABLE || tag == TAG_IA5))
                found = value;
        }
    }
    add_name(to, found);
}

/* ---- hashes ------------------------------------------------------------------------------- */

static void hash(const br_hash_class *class, struct slice data, uint8_t *out)
{
    br_hash_compat_context ctx;
    class->init(&ctx.vtable);
    class->update(&ctx.vtable, data.p, data.n);
    class->out(&ctx.vtable, out);
}

bool tls_certificate_read(struct slice der, struct tls_certificate *out)
{
    struct tls_der_certificate c;
    *out = (struct tls_certificate){.names_bytes = 0};
    if (!tls_der_certificate(der, &c))
        return false;
    hash(&br_sha256_vtable, der, out->sha256);
    hash(&br_sha256_vtable, c.key, out->key_sha256);
    /* RFC 6125 section 6.4.4: the common name counts only where there is nothing better. */
    if (!add_alternative_names(out, &c))
        add_common_name(out, &c);
    return true;
}

bool tls_certificate_is_for_clients(struct slice der)
{
    struct tls_der_certificate c;
    struct slice list, rest, use;
    if (!tls_der_certificate(der, &c))
        return false;
    list = find_extension(&c, oid_extended_use);
    if (list.n == 0)
        return true;
    if (!tls_der_take_of(&list, TLS_DER_SEQUENCE, &rest))
        return false;
    while (rest.n && tls_der_take_of(&rest, TLS_DER_OID, &use))
        if (slice_eq(use, oid_client_use) || slice_eq(use, oid_any_use))
            return true;
    return false;
}

static const struct {
    struct slice oid;
    const br_hash_class *hash;
    unsigned bytes;
} signatures[] = {
    {SLICE_INIT("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05"), &br_sha256_vtable, 32}, /* RSA, SHA-1 */
    {SLICE_INIT("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"), &br_sha256_vtable, 32},
    {SLICE_INIT("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c"), &br_sha384_vtable, 48},
    {SLICE_INIT("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d"), &br_sha512_vtable, 64},
    {SLICE_INIT("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0e"), &br_sha224_vtable, 28},
    {SLICE_INIT("\x2a\x86\x48\xce\x3d\x04\x01"), &br_sha256_vtable, 32}, /* ECDSA, SHA-1 */
    {SLICE_INIT("\x2a\x86\x48\xce\x3d\x04\x03\x01"), &br_sha224_vtable, 28},
    {SLICE_INIT("\x2a\x86\x48\xce\x3d\x04\x03\x02"), &br_sha256_vtable, 32},
    {SLICE_INIT("\x2a\x86\x48\xce\x3d\x04\x03\x03"), &br_sha384_vtable, 48},
    {SLICE_INIT("\x2a\x86\x48\xce\x3d\x04\x03\x04"), &br_sha512_vtable, 64},
};

unsigned tls_certificate_end_point(struct slice der, uint8_t out[TLS_BINDING_BYTES_MAX])
{
    struct tls_der_certificate c;
    if (!tls_der_certificate(der, &c))
        return 0;
    for (size_t i = 0; i < COUNT_OF(signatures); i++) {
        if (!slice_eq(c.signature, signatures[i].oid))
            continue;
        hash(signatures[i].hash, der, out);
        return signatures[i].bytes;
    }
    return 0;
}
