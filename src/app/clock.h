/* clock.h -- the time that everything here is told: the wall's at the start, carried on by the
 * monotonic clock, so that it never goes back. */
#pragma once

#include <time.h>
#include <uv.h>

#include "base/err.h"

struct clock {
    int64_t wall_ms; /* at the start */
    uint64_t start_ns;
};

static inline void clock_start(struct clock *c)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    c->wall_ms = (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
    c->start_ns = uv_hrtime();
}
static inline int64_t clock_uptime_ms(const struct clock *c)
{
    return (int64_t)((uv_hrtime() - c->start_ns) / 1000000);
}
static inline int64_t clock_now_ms(const struct clock *c)
{
    return c->wall_ms + clock_uptime_ms(c);
}
