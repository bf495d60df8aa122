/* control.h -- the control socket (HTTP over a Unix socket, and bare words) and the metrics
 * listener (TCP, GET /metrics and /health only). doc/control.md describes what is served.
 *
 * Who may open the socket may look; changing anything needs root or the relay's own uid. */
#pragma once

#include <uv.h>

#include "driver.h"

enum {
    CONTROL_CONNECTIONS_MAX = 64,
    CONTROL_REQUEST_MS = 10000, /* for a request to arrive, or the next one to begin */
    CONTROL_BODY_BYTES_MAX = 4 * 1024 * 1024,
    CONTROL_LIST_DEFAULT = 100,
    CONTROL_LIST_MAX = 1000,
};

struct control_options {
    uv_loop_t *loop;
    struct driver *driver;
    const struct metrics *metrics;
    const struct clock *clock;
    /* Reads the configuration again. ERR_BAD: it has mistakes, the old one stays. */
    enum err (*reload)(void *ctx, struct fault *why);
    void *ctx;
};

struct control;
/* socket: a path, its directory is made when missing; empty: none. metrics_listen: "host:port" or
 * empty. */
MUST_USE enum err control_open(struct control **out, const struct control_options *o,
                               struct slice socket, struct slice metrics_listen, struct fault *why);
void control_tick(struct control *c); /* about once a second */
void control_close(struct control *c, void (*closed)(void *ctx), void *ctx);
