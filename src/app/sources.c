/* sources.c -- see the header.
 *
 * A socket is bound and closed: that knows of addresses that no interface has (loopback's network,
 * ip_nonlocal_bind), as a list of interfaces does not. */
#include "sources.h"

#include <stdio.h>

#include "net/net.h"

unsigned sources_check(const struct config *c, void (*tell)(void *ctx, const char *text), void *ctx)
{
    unsigned bad = 0;
    for (unsigned i = 0; i < c->engine.source_count; i++) {
        const struct engine_source *s = &c->engine.sources[i];
        const struct ip *const address[] = {&s->v4, &s->v6};
        for (size_t k = 0; k < COUNT_OF(address); k++) {
            char text[512];
            struct fault why;
            if (address[k]->family == IP_NONE || net_source_check(address[k], &why) == ERR_OK)
                continue;
            bad++;
            snprintf(text, sizeof text,
                     "source \"%.*s\" cannot be used on this machine: %s: others of its pool are "
                     "used instead, and mail waits where there are none",
                     SLICE_FMT(slice_head(s->name, 100)), why.text);
            tell(ctx, text);
        }
    }
    return bad;
}
