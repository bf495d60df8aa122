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

/* whose, keys: for what is said when something is wrong. */
static enum err load_files(const char *certificate_path, const char *key_path, const char *whose,
                           const char *keys, unsigned cache_entries, struct tls_server_config **out,
                           struct fault *why)
{
    struct buf certificate, key;
    buf_init(&certificate, FILE_BYTES_MAX);
    buf_init(&key, FILE_BYTES_MAX);
    struct fault inner = {0};
    enum err e = file_read(certificate_path, &certificate, &inner);
    if (!e)
        e = file_read(key_path, &key, &inner);
    if (e)
        fault_set(why, e, 0, "the certificate of %s: %s", whose, inner.text);
    if (!e) {
        e = tls_server_config_new(out, buf_slice(&certificate), buf_slice(&key), cache_entries,
                                  &inner);
        if (e)
            fault_set(why, e, 0, "%s (%s.certificate %s, %s.key %s)", inner.text, keys,
                      certificate_path, keys, key_path);
    }
    if (key.p)
        sodium_memzero(key.p, key.cap);
    buf_close(&key);
    buf_close(&certificate);
    return e;
}

static enum err load_pair(const char *certificate_path, const char *key_path,
                          struct tls_server_config **out, struct fault *why)
{
    return load_files(certificate_path, key_path, "the listeners", "tls", SESSION_CACHE_ENTRIES,
                      out, why);
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

static enum err show(struct identity_shown *s, struct slice certificate, struct slice key,
                     const char *keys, struct fault *why)
{
    char certificate_path[PATH_MAX], key_path[PATH_MAX];
    if (!certificate.n || identity_shown_find(s, certificate))
        return ERR_OK;
    enum err e = path_of(certificate, "", certificate_path, why);
    if (!e)
        e = path_of(key, "", key_path, why);
    struct tls_server_config *identity = NULL;
    if (!e)
        e = load_files(certificate_path, key_path, "a smarthost login", keys, 0, &identity, why);
    if (e)
        return e;
    s->pair = mem_resize(s->pair, (s->count + 1) * sizeof *s->pair);
    s->pair[s->count++] = (struct identity_pair){mem_dup(certificate.p, certificate.n), identity};
    return ERR_OK;
}

enum err identity_shown_load(const struct config *c, struct identity_shown *out, struct fault *why)
{
    const struct engine_options *o = &c->engine;
    enum err e = ERR_OK;
    *out = (struct identity_shown){0};
    for (unsigned i = 0; i < o->route_count && !e; i++)
        e = show(out, o->routes[i].certificate, o->routes[i].certificate_key, "route.auth", why);
    for (unsigned i = 0; i < o->credential_count && !e; i++)
        e = show(out, o->credentials[i].certificate, o->credentials[i].certificate_key,
                 "credential", why);
    if (e)
        identity_shown_close(out);
    return e;
}

void identity_shown_close(struct identity_shown *s)
{
    for (size_t i = 0; i < s->count; i++) {
        mem_free(s->pair[i].path);
        tls_server_config_unref(s->pair[i].identity);
    }
    mem_free(s->pair);
    *s = (struct identity_shown){0};
}

struct tls_server_config *identity_shown_find(const struct identity_shown *s, struct slice path)
{
    for (size_t i = 0; i < s->count; i++)
        if (slice_eq(slice_cstr(s->pair[i].path), path))
            return s->pair[i].identity;
    return NULL;
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
