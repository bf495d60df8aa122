/* resolver_tcp.h -- one DNS question over TCP (RFC 7766): for answers that UDP cannot carry or that
 * came back wrong. */
#pragma once

#include <uv.h>

#include "base/ip.h"

struct resolver_tcp;

/* The answer without its length, or SLICE_NONE: this server did not give one. Called once, from the
 * loop; the connection is gone then. */
typedef void resolver_tcp_done(void *ctx, struct slice answer);

/* gone (at the very end, also after a cancel): the last handle is closed. */
struct resolver_tcp *resolver_tcp_ask(uv_loop_t *loop, const struct ip_port *server,
                                      struct slice query, resolver_tcp_done *done, void *ctx,
                                      void (*gone)(void *ctx), void *gone_ctx);
void resolver_tcp_cancel(struct resolver_tcp *t); /* no `done` follows */
