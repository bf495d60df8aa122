/* identity.h -- who we are to clients (certificate and key of the listeners) and whom we believe
 * (certificate authorities). */
#pragma once

#include <uv.h>

#include "config/config.h"
#include "net/tls.h"

/* The listeners' certificate: from the configured files, or self-signed and kept under
 * state_dir/tls/ (made anew when the hostname changed). *out stays NULL when no listener uses TLS.
 * The fault names the file and what is wrong with it. */
MUST_USE enum err identity_load(const struct config *c, struct tls_server_config **out,
                                struct fault *why);

/* tls.client_ca_file; *out stays NULL when none is configured. */
MUST_USE enum err identity_clients_load(const struct config *c, struct tls_trust **out,
                                        struct fault *why);

/* What we show to smarthosts: the certificates of [[route]] and [[credential]], by path. Owned by
 * the caller until identity_shown_close. */
struct identity_shown {
    struct identity_pair {
        char *path;
        struct tls_server_config *identity;
    } * pair;
    size_t count;
};
MUST_USE enum err identity_shown_load(const struct config *c, struct identity_shown *out,
                                      struct fault *why);
void identity_shown_close(struct identity_shown *s);
/* NULL: there is none (any more). */
struct tls_server_config *identity_shown_find(const struct identity_shown *s, struct slice path);

/* Reads tls.ca_file on a worker: parsing takes longer than the loop may wait. */
typedef void identity_trusted(void *ctx, struct tls_trust *trust, /* NULL: none; taken */
                              unsigned count, const struct fault *why);
/* Exactly one call of `trusted` follows, on the loop. path empty: there is no trust. */
void identity_trust_load(uv_loop_t *loop, struct slice path, identity_trusted *trusted, void *ctx);
