/* resolver.h -- carries DNS questions to the resolvers and answers back (udns for UDP, TCP by
 * ourselves).
 *
 * Knows /etc/hosts and /etc/resolv.conf (both re-read when they change). No cache, no MX logic:
 * that is the engine's. */
#pragma once

#include <uv.h>

#include "dns/dns_message.h"

enum { RESOLVER_INFLIGHT_MAX = 200, RESOLVER_WAITING_MAX = 100000 };

struct resolver_options {
    const struct ip_port *servers; /* none: those of resolv_conf */
    unsigned server_count;
    int64_t timeout_ms;      /* for a whole look-up */
    const char *resolv_conf; /* "/etc/resolv.conf" */
    const char *hosts;       /* "/etc/hosts"; NULL: not used */
};

typedef void resolver_answered(void *ctx, uint64_t ticket, const struct dns_answer *answer);

struct resolver;
MUST_USE enum err resolver_new(struct resolver **out, uv_loop_t *loop,
                               const struct resolver_options *o, uint64_t seed,
                               resolver_answered *answered, void *ctx, struct fault *why);
/* Exactly one answer per ticket follows, on the loop, never inside this call. */
void resolver_ask(struct resolver *r, uint64_t ticket, struct slice name, enum dns_type type);
/* New options (reload): queries under way end by the old ones. */
MUST_USE enum err resolver_configure(struct resolver *r, const struct resolver_options *o,
                                     struct fault *why);
void resolver_close(struct resolver *r, void (*closed)(void *ctx),
                    void *ctx); /* unanswered ones stay unanswered */
