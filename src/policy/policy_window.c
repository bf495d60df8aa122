/* policy_window.c -- see the header. */
#include "policy/policy_window.h"

void policy_window_init(struct policy_window *w)
{
    *w = (struct policy_window){.most = POLICY_WINDOW_FIRST, .halved_ms = INT64_MIN / 2};
}

void policy_window_success(struct policy_window *w, unsigned in_use, unsigned limit)
{
    if (w->most >= limit || in_use < w->most) /* what is not used is not tried */
        return;
    if (!w->threshold || w->most < w->threshold) {
        w->most++;
        w->successes = 0;
    } else if (++w->successes >= w->most * POLICY_WINDOW_ROUNDS) {
        w->most++;
        w->successes = 0;
    }
}

bool policy_window_trouble(struct policy_window *w, unsigned in_use, int64_t now_ms)
{
    if (now_ms - w->halved_ms < POLICY_WINDOW_REST_MS)
        return false;
    w->halved_ms = now_ms;
    w->most = w->threshold = in_use > 1 ? in_use / 2 : 1;
    w->successes = 0;
    return true;
}

void policy_window_crowded(struct policy_window *w, unsigned in_use)
{
    w->most = w->threshold = in_use ? in_use : 1;
    w->successes = 0;
}
