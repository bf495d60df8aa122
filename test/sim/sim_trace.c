/* sim_trace.c -- what happened, for the hash and for people. */
#include "base/crc32c.h"
#include "sim_world.h"

#include <stdarg.h>
#include <stdio.h>

void sim_fail(struct sim_world *w, const char *fmt, ...)
{
    if (w->has_failed)
        return;
    w->has_failed = true;
    va_list args;
    va_start(args, fmt);
    vsnprintf(w->failure, sizeof w->failure, fmt, args);
    va_end(args);
    sim_trace(w, "FAILED", 0, 0, slice_cstr(w->failure));
}

static void print_time(const struct sim_world *w)
{
    int64_t ms = sim_world_now_ms(w) - w->begin_ms;
    printf("%3lld:%02lld:%02lld.%03lld ", (long long)(ms / SIM_HOUR_MS),
           (long long)(ms / SIM_MINUTE_MS % 60), (long long)(ms / SIM_SECOND_MS % 60),
           (long long)(ms % 1000));
}

static void print_text(struct slice s)
{
    struct slice shown = slice_head(s, 160);
    for (size_t i = 0; i < shown.n; i++)
        putchar(shown.p[i] < ' ' || shown.p[i] > '~' ? '.' : shown.p[i]);
    if (shown.n < s.n)
        printf("... (%zu bytes)", s.n);
}

void sim_trace(struct sim_world *w, const char *what, uint64_t a, uint64_t b, struct slice bytes)
{
    uint64_t x[4] = {(uint64_t)w->now_us, a, b, crc32c(0, bytes)};
    for (size_t i = 0; i < COUNT_OF(x); i++)
        w->hash = (w->hash ^ x[i]) * 0x9e3779b97f4a7c15u + (w->hash >> 29);
    if (!w->is_verbose)
        return;
    print_time(w);
    printf("%-18s %llu %llu ", what, (unsigned long long)a, (unsigned long long)b);
    print_text(bytes);
    putchar('\n');
}
