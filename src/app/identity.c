/* identity.c -- see identity.h. */
#include "identity.h"

#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "file.h"

enum { SESSION_CACHE_ENTRIES = 10000 };

static enum err path_of(struct slice s, const char *behind, char out[PATH_MAX], struct fault *why)
{
    if ((size_t)snprintf(out, PATH_MAX, "%.*s%s", SLICE_FMT(s), behind) >= PATH_MAX)
        return fault_set(why, ERR_BAD, 0, "a path is longer than %d bytes", PATH_MAX);
    return ERR_OK;
}

static enum err load_pair(const char *certificate_path, const char *key_path,
                          struct tls_server_config **out, struct fault *why)
{
    struct buf certificate, key;
    buf_init(&certificate, FILE_BYTES_MAX);
    buf_init(&key, FILE_BYTES_MAX);
    struct fault inner = {0};
    enum err e = file_read(certificate_path, &certificate, &inner);
    if (!e)
        e = file_read(key_path, &key, &inner);
    if (e)
        fault_set(why, e, 0, "the certificate of the listeners: %s", inner.text);
    if (!e) {
        e = tls_server_config_new(out, buf_slice(&certificate), buf_slice(&key),
                                  SESSION_CACHE_ENTRIES, &inner);
        if (e)
            fault_set(why, e, 0, "%s (tls.certificate %s, tls.key %s)", inner.text,
                      certificate_path, key_path);
    }
    if (key.p)
        sodium_memzero(key.p, key.cap);
    buf_close(&key);
    buf_close(&certificate);
    return e;
}

/* The first line of the certificate's file says for which host it was made; PEM readers skip it. */
static bool is_made_for(const char *path, struct slice hostname)
{
    struct buf text;
    buf_init(&text, FILE_BYTES_MAX);
    struct fault unused;
    bool is_ours = file_read(path, &text, &unused) == ERR_OK;
    if (is_ours) {
        struct slice line = buf_slice(&text);
        line = slice_head(line, slice_find(line, '\n'));
        is_ours = slice_starts(line, SLICE("# ")) && slice_eq_nocase(slice_from(line, 2), hostname);
    }
    buf_close(&text);
    return is_ours;
}

static enum err make_self_signed(struct slice hostname, const char *certificate_path,
                                 const char *key_path, struct fault *why)
{
    unsigned char random32[32];
    struct buf certificate, key;
    buf_init(&certificate, FILE_BYTES_MAX);
    buf_init(&key, FILE_BYTES_MAX);
    buf_addf(&certificate, "# %.*s\n", SLICE_FMT(hostname));
    randombytes_buf(random32, sizeof random32);
    enum err e = tls_self_signed(hostname, random32, (int64_t)time(NULL), &certificate, &key, why);
    if (!e)
        e = file_make_parent(key_path, 0700, why);
    if (!e)
        e = file_write(key_path, buf_slice(&key), why);
    if (!e)
        e = file_write(certificate_path, buf_slice(&certificate), why);
    sodium_memzero(random32, sizeof random32);
    if (key.p)
        sodium_memzero(key.p, key.cap);
    buf_close(&key);
    buf_close(&certificate);
    return e;
}

static enum err load_own(const struct config *c, struct tls_server_config **out, struct fault *why)
{
    char certificate_path[PATH_MAX], key_path[PATH_MAX];
    bool is_configured = c->tls_certificate.n > 0;
    enum err e = is_configured
                     ? path_of(c->tls_certificate, "", certificate_path, why)
                     : path_of(c->state_dir, "/tls/self-signed.pem", certificate_path, why);
    if (!e)
        e = is_configured ? path_of(c->tls_key, "", key_path, why)
                          : path_of(c->state_dir, "/tls/self-signed.key", key_path, why);
    if (e)
        return e;
    if (is_configured)
        return load_pair(certificate_path, key_path, out, why);
    struct slice hostname = c->engine.hostname;
    if (is_made_for(certificate_path, hostname) &&
        load_pair(certificate_path, key_path, out, why) == ERR_OK)
        return ERR_OK;
    e = make_self_signed(hostname, certificate_path, key_path, why);
    return e ? e : load_pair(certificate_path, key_path, out, why);
}

enum err identity_clients_load(const struct config *c, struct tls_trust **out, struct fault *why)
{
    struct buf text;
    char path[PATH_MAX];
    struct fault inner = {0};
    *out = NULL;
    if (!c->tls_client_ca_file.n)
        return ERR_OK;
    enum err e = path_of(c->tls_client_ca_file, "", path, why);
    if (e)
        return e;
    buf_init(&text, FILE_BYTES_MAX);
    e = file_read(path, &text, &inner);
    if (!e)
        e = tls_trust_new(out, buf_slice(&text), NULL, &inner);
    buf_close(&text);
    return e ? fault_set(why, e, 0, "tls.client_ca_file %s: %s", path, inner.text) : ERR_OK;
}

static enum err add_clients(const struct config *c, struct tls_server_config *own,
                            struct fault *why)
{
    struct tls_trust *clients;
    struct fault inner = {0};
    enum err e = identity_clients_load(c, &clients, why);
    if (e)
        return e;
    e = tls_server_config_trust(own, clients, &inner);
    return e ? fault_set(why, e, 0, "tls.client_ca_file: %s", inner.text) : ERR_OK;
}

enum err identity_load(const struct config *c, struct tls_server_config **out, struct fault *why)
{
    *out = NULL;
    bool is_wanted = false;
    for (unsigned i = 0; i < c->engine.listener_count; i++)
        is_wanted |= c->engine.listeners[i].tls != LISTENER_TLS_NONE;
    if (!is_wanted)
        return ERR_OK;
    enum err e = load_own(c, out, why);
    if (!e)
        e = add_clients(c, *out, why);
    if (e && *out) {
        tls_server_config_unref(*out);
        *out = NULL;
    }
    return e;
}

struct trust_job {
    uv_work_t work;
    char *path;
    identity_trusted *trusted;
    void *ctx;
    struct tls_trust *trust;
    unsigned count;
    struct fault why;
};

static void read_trust(uv_work_t *w)
{
    struct trust_job *j = w->data;
    struct buf text;
    buf_init(&text, FILE_BYTES_MAX);
    if (!j->path[0])
        fault_set(&j->why, ERR_MISSING, 0, "tls.ca_file is not set");
    else if (file_read(j->path, &text, &j->why) == ERR_OK) {
        struct fault inner = {0};
        enum err e = tls_trust_new(&j->trust, buf_slice(&text), &j->count, &inner);
        if (e) {
            j->trust = NULL;
            fault_set(&j->why, e, 0, "tls.ca_file %s: %s", j->path, inner.text);
        }
    }
    buf_close(&text);
}

static void on_trust_read(uv_work_t *w, int status)
{
    struct trust_job *j = w->data;
    j->trusted(j->ctx, j->trust, j->count, &j->why);
    mem_free(j->path);
    mem_free(j);
}

void identity_trust_load(uv_loop_t *loop, struct slice path, identity_trusted *trusted, void *ctx)
{
    struct trust_job *j = mem_new(sizeof *j);
    j->work.data = j;
    j->path = mem_dup(path.p, path.n);
    j->trusted = trusted;
    j->ctx = ctx;
    CHECK(uv_queue_work(loop, &j->work, read_trust, on_trust_read) == 0);
}
