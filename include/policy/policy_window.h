/* policy_window.h -- how many connections to a destination at once: few at first, more with
 * success, half with trouble. TCP's slow start and congestion avoidance, with transactions for
 * segments.
 *
 * Each success of a full window adds one connection up to the threshold (so a round of successes
 * doubles it), and beyond that every POLICY_WINDOW_ROUNDS rounds add one. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    POLICY_WINDOW_FIRST = 4,
    POLICY_WINDOW_ROUNDS = 4,
    POLICY_WINDOW_REST_MS = 10 * 1000, /* what falls together is one trouble */
};

struct policy_window {
    unsigned most;      /* connections now */
    unsigned threshold; /* 0: none yet */
    unsigned successes; /* beyond it, since the last step */
    int64_t halved_ms;
};

void policy_window_init(struct policy_window *w);
/* A transaction is done while so many connections were in use. limit: never more. */
void policy_window_success(struct policy_window *w, unsigned in_use, unsigned limit);
/* 421, a lost session, a time-out: half of what is in use, once in a while. True: it was. */
bool policy_window_trouble(struct policy_window *w, unsigned in_use, int64_t now_ms);
/* One more connection than `in_use` was refused while those work: so many it takes. */
void policy_window_crowded(struct policy_window *w, unsigned in_use);
