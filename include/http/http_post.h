/* http_post.h -- where a form is posted to, and the request that does it (RFC 9112; forms:
 * application/x-www-form-urlencoded). */
#pragma once

#include "base/buf.h"

enum {
    HTTP_URL_BYTES_MAX = 2048,
    HTTP_POST_BYTES_MAX = 65536, /* of a request */
};

struct http_url {
    struct slice host; /* without brackets */
    uint16_t port;
    struct slice target; /* path and query; "" stands for "/" */
    bool is_address;     /* the host is an address literal, not a name */
};

/* "https://host[:port][/path][?query]" and nothing else: no user, no fragment, no plain HTTP. The
 * slices point into `text`. */
MUST_USE bool http_url_parse(struct slice text, struct http_url *out);
/* One more "key=value" of a form, escaped. */
bool http_form_add(struct buf *form, const char *key, struct slice value);
/* The whole request; the connection ends with its reply. False: it does not fit. */
MUST_USE bool http_post_build(const struct http_url *url, struct slice form, struct buf *out);
