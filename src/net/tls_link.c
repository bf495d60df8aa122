/* tls_link.c -- drives a BearSSL engine.
 *
 * The engine has two buffers of its own. Records that must be sent leave it by copy, so that
 * nothing outside ever points into it: a write in flight, a worker and a close cannot meet.
 *
 * Never br_ssl_engine_set_buffer: it lays the output over the input. */
#include "tls_link.h"

#include <bearssl.h>
#include <string.h>

#include "tls_certificate.h"
#include "tls_check.h"
#include "tls_profile.h"
#include "tls_server.h"
#include "tls_trust.h"

enum {
    IN_BYTES = BR_SSL_BUFSIZE_INPUT, /* peers send full records whatever we ask */
    SERVER_OUT_BYTES = 1109,         /* records of 1 KiB: replies are short */
    CLIENT_OUT_BYTES = 4181,         /* records of 4 KiB: messages are not */
    RECORD_HEAD_BYTES = 5,
};

struct tls_link {
    br_ssl_engine_context *engine; /* inside one of the two below */
    bool is_server, is_up;
    const char *verdict;
    bool is_verified;
    struct tls_check *check; /* who judges, until the handshake is over */
    struct tls_trust *trust; /* the same */
    struct tls_server_config *config;
    struct tls_server_policy policy;
    union {
        br_ssl_server_context server;
        br_ssl_client_context client;
    } context;
};

/* ---- buffers --------------------------------------------------------------------------------- */

static size_t out_bytes(const struct tls_link *l)
{
    return l->is_server ? SERVER_OUT_BYTES : CLIENT_OUT_BYTES;
}

/* The only place that changes the engine's inside (BearSSL 0.6): there is no call to take buffers
 * away from an idle engine, and setting them again would reset its keys. Idle means: no part of a
 * record has come (it waits for the 5 bytes of a header), nothing waits to go, nothing was put. */
static void wake(struct tls_link *l)
{
    br_ssl_engine_context *e = l->engine;
    if (e->ibuf)
        return;
    e->ibuf = mem_new(IN_BYTES);
    e->obuf = mem_new(out_bytes(l));
}

void tls_link_rest(struct tls_link *l)
{
    br_ssl_engine_context *e = l->engine;
    unsigned busy = BR_SSL_SENDREC | BR_SSL_RECVAPP;
    if (!e->ibuf || !l->is_up)
        return;
    unsigned state = br_ssl_engine_current_state(e);
    if (state != BR_SSL_CLOSED && ((state & busy) || !(state & BR_SSL_SENDAPP) || e->ixa != 0 ||
                                   e->ixb != 0 || e->ixc != RECORD_HEAD_BYTES || e->oxa != e->oxc))
        return;
    mem_free(e->ibuf);
    mem_free(e->obuf);
    e->ibuf = e->obuf = NULL;
}

/* ---- making ---------------------------------------------------------------------------------- */

static struct tls_link *make(bool is_server)
{
    struct tls_link *l = mem_new(sizeof *l);
    l->is_server = is_server;
    l->verdict = "";
    return l;
}

static void open_engine(struct tls_link *l, const unsigned char *seed)
{
    br_ssl_engine_set_buffers_bidi(l->engine, mem_new(IN_BYTES), IN_BYTES, mem_new(out_bytes(l)),
                                   out_bytes(l));
    br_ssl_engine_inject_entropy(l->engine, seed, TLS_LINK_SEED_BYTES);
}

/* Without a name there would be no request at all, so when we know no authority an empty one goes.
 */
static void ask_certificate(struct tls_link *l)
{
    static unsigned char no_name[] = {0x30, 0x00};
    static const br_x500_name any = {no_name, sizeof no_name};
    br_ssl_server_context *s = &l->context.server;
    if (l->config->clients)
        l->trust = tls_trust_ref(l->config->clients);
    l->check = mem_new(sizeof *l->check);
    tls_check_init_client(l->check, l->trust);
    br_ssl_engine_set_x509(l->engine, &l->check->vtable);
    br_ssl_engine_add_flags(l->engine, BR_OPT_TOLERATE_NO_CLIENT_AUTH);
    if (l->trust)
        br_ssl_server_set_trust_anchor_names_alt(s, l->trust->anchor, l->trust->count);
    else
        br_ssl_server_set_trust_anchor_names(s, &any, 1);
}

struct tls_link *tls_link_server(struct tls_server_config *config, bool asks_certificate,
                                 const unsigned char seed[TLS_LINK_SEED_BYTES])
{
    struct tls_link *l = make(true);
    br_ssl_server_context *s = &l->context.server;
    l->config = tls_server_config_ref(config);
    br_ssl_server_zero(s);
    l->engine = &s->eng;
    tls_profile_strict(l->engine);
    br_ssl_engine_add_flags(l->engine, BR_OPT_ENFORCE_SERVER_PREFERENCES);
    tls_server_policy_init(&l->policy, config);
    br_ssl_server_set_policy(s, &l->policy.vtable);
    if (asks_certificate)
        ask_certificate(l);
    else if (config->has_cache)
        br_ssl_server_set_cache(s, &config->cache.vtable);
    open_engine(l, seed);
    br_ssl_server_reset(s);
    return l;
}

/* SNI and reference name: no final dot; RFC 6066 section 3 forbids address literals. */
static struct slice sni(struct slice name)
{
    struct slice ip = name;
    bool is_digits = true;
    if (name.n && name.p[name.n - 1] == '.')
        name.n--;
    for (size_t i = 0; i < ip.n; i++)
        is_digits &= ascii_is_digit(ip.p[i]) || ip.p[i] == '.';
    if (name.n >= TLS_CHECK_NAME_BYTES_MAX || is_digits || slice_find(name, ':') < name.n ||
        slice_find(name, '\0') < name.n)
        return SLICE_NONE;
    return name;
}

/* Shown when the server asks for one; else nobody sees it. */
static void show_identity(struct tls_link *l, struct tls_server_config *identity)
{
    br_ssl_client_context *c = &l->context.client;
    const br_skey_decoder_context *key = &identity->secret.key;
    l->config = tls_server_config_ref(identity);
    if (key->key_type == BR_KEYTYPE_EC)
        br_ssl_client_set_single_ec(c, identity->chain, identity->chain_count, &key->key.ec,
                                    BR_KEYTYPE_SIGN, BR_KEYTYPE_EC, br_ec_get_default(),
                                    br_ecdsa_sign_asn1_get_default());
    else
        br_ssl_client_set_single_rsa(c, identity->chain, identity->chain_count, &key->key.rsa,
                                     br_rsa_pkcs1_sign_get_default());
}

struct tls_link *tls_link_client(const struct tls_client_config *config, struct slice server_name,
                                 const unsigned char seed[TLS_LINK_SEED_BYTES])
{
    struct tls_link *l = make(false);
    br_ssl_client_context *c = &l->context.client;
    if (config->trust)
        l->trust = tls_trust_ref(config->trust);
    l->check = mem_new(sizeof *l->check);
    tls_check_init(l->check, config, sni(server_name));
    br_ssl_client_zero(c);
    l->engine = &c->eng;
    if (config->verify == TLS_VERIFY_NONE)
        tls_profile_lax(l->engine);
    else
        tls_profile_strict(l->engine);
    br_ssl_client_set_default_rsapub(c);
    br_ssl_engine_set_x509(l->engine, &l->check->vtable);
    if (config->identity)
        show_identity(l, config->identity);
    open_engine(l, seed);
    br_ssl_client_reset(c, l->check->name[0] ? l->check->name : NULL, 0);
    return l;
}

static void drop_check(struct tls_link *l)
{
    if (l->check) {
        tls_check_close(l->check);
        mem_free(l->check);
        l->check = NULL;
    }
    tls_trust_unref(l->trust);
    l->trust = NULL;
}

void tls_link_free(struct tls_link *l)
{
    if (!l)
        return;
    mem_free(l->engine->ibuf);
    mem_free(l->engine->obuf);
    drop_check(l);
    tls_server_config_unref(l->config);
    explicit_bzero(l, sizeof *l); /* session keys */
    mem_free(l);
}

/* ---- the handshake ------------------------------------------------------------------------------
 */

size_t tls_link_step(struct tls_link *l, struct slice in, struct buf *out)
{
    br_ssl_engine_context *e = l->engine;
    size_t used = 0, n;
    for (;;) {
        unsigned state = br_ssl_engine_current_state(e);
        if (state & BR_SSL_SENDREC) {
            const unsigned char *p = br_ssl_engine_sendrec_buf(e, &n);
            if (!buf_add(out, slice_of(p, n)))
                break;
            br_ssl_engine_sendrec_ack(e, n);
        } else if (state & (BR_SSL_CLOSED | BR_SSL_SENDAPP | BR_SSL_RECVAPP)) {
            l->is_up = state != BR_SSL_CLOSED;
            break;
        } else if ((state & BR_SSL_RECVREC) && used < in.n) {
            unsigned char *p = br_ssl_engine_recvrec_buf(e, &n);
            if (n > in.n - used)
                n = in.n - used;
            memcpy(p, in.p + used, n);
            used += n;
            br_ssl_engine_recvrec_ack(e, n);
        } else {
            break;
        }
    }
    if (l->check) {
        l->verdict = l->check->verdict;
        l->is_verified = l->check->is_verified;
    }
    return used;
}

bool tls_link_is_up(const struct tls_link *l)
{
    return l->is_up;
}

/* RFC 5929 section 3.1: the first Finished of a full handshake is the client's, and BearSSL keeps
 * it for secure renegotiation (there is no call for it, but the field is in the public struct). Of
 * a resumed one it would not be unique, as there is no extended master secret (RFC 7627). */
static void tell_bindings(const struct tls_link *l, struct tls_facts *facts)
{
    if (l->is_server) {
        facts->end_point_bytes = l->config->end_point_bytes;
        memcpy(facts->end_point, l->config->end_point, facts->end_point_bytes);
    } else {
        facts->end_point_bytes =
            tls_certificate_end_point(tls_check_first(l->check), facts->end_point);
    }
    if (facts->is_resumed)
        return;
    facts->unique_bytes = TLS_UNIQUE_BYTES;
    memcpy(facts->unique, l->engine->saved_finished, TLS_UNIQUE_BYTES);
}

void tls_link_settle(struct tls_link *l, struct tls_facts *facts)
{
    br_ssl_session_parameters session;
    br_ssl_engine_get_session_parameters(l->engine, &session);
    *facts = (struct tls_facts){
        .version = tls_profile_version_name(session.version),
        .cipher = tls_profile_suite_name(session.cipher_suite),
        .is_verified = l->is_verified,
        .verdict = l->is_verified ? "" : l->verdict,
        .is_resumed = l->is_server && !l->policy.was_asked,
    };
    explicit_bzero(&session, sizeof session);
    if (l->is_server || l->check)
        tell_bindings(l, facts);
    if (!l->check)
        return;
    struct slice leaf = l->is_server ? tls_check_leaf(l->check) : SLICE_NONE;
    facts->has_certificate = leaf.n && tls_certificate_read(leaf, &facts->certificate);
    br_ssl_engine_set_x509(l->engine, NULL);
    if (l->is_server) /* the names it was told are gone with the check */
        br_ssl_server_set_trust_anchor_names(&l->context.server, NULL, 0);
    drop_check(l);
}

/* ---- afterwards
 * ----------------------------------------------------------------------------------- */

size_t tls_link_feed(struct tls_link *l, struct slice in)
{
    size_t used = 0, n;
    while (used < in.n) {
        wake(l);
        unsigned char *p = br_ssl_engine_recvrec_buf(l->engine, &n);
        if (!p)
            break;
        if (n > in.n - used)
            n = in.n - used;
        memcpy(p, in.p + used, n);
        used += n;
        br_ssl_engine_recvrec_ack(l->engine, n);
    }
    return used;
}

struct slice tls_link_got(struct tls_link *l)
{
    size_t n = 0;
    const unsigned char *p = NULL;
    if (l->engine->ibuf)
        p = br_ssl_engine_recvapp_buf(l->engine, &n);
    return p ? slice_of(p, n) : SLICE_NONE;
}

void tls_link_ate(struct tls_link *l, size_t n)
{
    br_ssl_engine_recvapp_ack(l->engine, n);
}

size_t tls_link_put(struct tls_link *l, struct slice plain)
{
    size_t n;
    if (plain.n == 0)
        return 0;
    wake(l);
    unsigned char *p = br_ssl_engine_sendapp_buf(l->engine, &n);
    if (!p)
        return 0;
    if (n > plain.n)
        n = plain.n;
    memcpy(p, plain.p, n);
    br_ssl_engine_sendapp_ack(l->engine, n);
    return n;
}

void tls_link_flush(struct tls_link *l)
{
    if (l->engine->obuf)
        br_ssl_engine_flush(l->engine, 0);
}

size_t tls_link_records(struct tls_link *l, char *to, size_t room)
{
    size_t used = 0, n;
    while (used < room && l->engine->obuf) {
        const unsigned char *p = br_ssl_engine_sendrec_buf(l->engine, &n);
        if (!p)
            break;
        if (n > room - used)
            n = room - used;
        memcpy(to + used, p, n);
        used += n;
        br_ssl_engine_sendrec_ack(l->engine, n);
    }
    return used;
}

/* With unread data pending the engine would stop dead: it is drained first. */
void tls_link_end(struct tls_link *l)
{
    wake(l);
    for (struct slice got = tls_link_got(l); got.n; got = tls_link_got(l))
        tls_link_ate(l, got.n);
    br_ssl_engine_close(l->engine);
}

bool tls_link_is_closed(const struct tls_link *l)
{
    return br_ssl_engine_current_state(l->engine) == BR_SSL_CLOSED;
}

int tls_link_error(const struct tls_link *l)
{
    return br_ssl_engine_last_error(l->engine);
}

const char *tls_link_error_text(const struct tls_link *l)
{
    int e = tls_link_error(l);
    bool is_verdict = e > BR_ERR_X509_OK && e <= BR_ERR_X509_NOT_TRUSTED && l->verdict[0];
    return is_verdict && l->check && l->check->verify != TLS_VERIFY_NONE ? l->verdict
                                                                         : tls_error_text(e);
}
