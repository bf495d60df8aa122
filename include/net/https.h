/* https.h -- one form posted over HTTPS (TLS 1.2, chain and name verified), from the look-up of
 * the host to the whole answer. A connection of its own each time: for what is asked now and then.
 */
#pragma once

#include "http/http_post.h"
#include "net/resolver.h"
#include "net/tls.h"

struct https_options {
    const struct resolver_options *dns; /* read during https_post */
    struct tls_trust *trust;            /* a reference is taken; NULL: every answer is a failure */
    uint64_t seed;
    int64_t connect_ms, whole_ms; /* for one address, handshake included; for everything */
    size_t answer_bytes_max;      /* of the body */
};

struct https_answer {
    enum err err; /* ERR_OK: status and body are there, whatever they say */
    int status;
    struct slice body;  /* during the call */
    const char *reason; /* err: one line for a person */
};
typedef void https_answered(void *ctx, const struct https_answer *answer);

struct https;
/* Exactly one answer follows, on the loop and never inside this call, unless https_close comes
 * first. url and form are copied. */
MUST_USE struct https *https_post(uv_loop_t *loop, const struct https_options *o,
                                  const struct http_url *url, struct slice form,
                                  https_answered *answered, void *ctx);
/* Also inside `answered`. closed: when all handles are; the struct is gone then. */
void https_close(struct https *h, void (*closed)(void *ctx), void *ctx);
