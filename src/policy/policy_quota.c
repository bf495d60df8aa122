/* policy_quota.c -- see the header. */
#include "policy/policy_quota.h"

enum { DAY_MS = 24 * 3600 * 1000 };

static int64_t cost_us(const struct policy_rate *r, unsigned n)
{
    return (int64_t)((double)n * (double)r->per_ms * 1000.0 / r->count);
}

static int64_t after_us(const struct policy_rate *r, int64_t full_us, unsigned n, int64_t now_ms)
{
    int64_t now_us = now_ms * 1000;
    int64_t empty_us = now_us + r->per_ms * 1000;
    if (full_us > empty_us) /* the clock was ahead, or the rate was another one */
        full_us = empty_us;
    return (full_us > now_us ? full_us : now_us) + cost_us(r, n);
}

/* 0: it fits. */
static int64_t wait_ms(const struct policy_rate *r, int64_t full_us, unsigned n, int64_t now_ms)
{
    if (!r->count || !n)
        return 0;
    if (n > r->count)
        return r->per_ms; /* never; who asks for less may go on */
    int64_t over_us = after_us(r, full_us, n, now_ms) - (now_ms + r->per_ms) * 1000;
    return over_us > 0 ? (over_us + 999) / 1000 : 0;
}

enum policy_limit policy_quota_judge(const struct policy_quota *q, const struct policy_usage *u,
                                     unsigned recipients, int64_t now_ms, int64_t *wait)
{
    uint64_t used = u->day == now_ms / DAY_MS ? u->day_count : 0;
    if (q->daily && used + (recipients ? recipients : 1) > q->daily) {
        *wait = DAY_MS - now_ms % DAY_MS;
        return POLICY_LIMIT_DAILY;
    }
    *wait = wait_ms(&q->messages, u->messages_full_us, 1, now_ms);
    if (*wait)
        return POLICY_LIMIT_MESSAGES;
    *wait = wait_ms(&q->recipients, u->recipients_full_us, recipients ? recipients : 1, now_ms);
    return *wait ? POLICY_LIMIT_RECIPIENTS : POLICY_LIMIT_NONE;
}

void policy_quota_charge(const struct policy_quota *q, struct policy_usage *u, unsigned recipients,
                         int64_t now_ms)
{
    if (u->day != now_ms / DAY_MS)
        u->day_count = 0;
    u->day = now_ms / DAY_MS;
    u->day_count += recipients;
    if (q->messages.count)
        u->messages_full_us = after_us(&q->messages, u->messages_full_us, 1, now_ms);
    if (q->recipients.count)
        u->recipients_full_us = after_us(&q->recipients, u->recipients_full_us, recipients, now_ms);
}

void policy_quota_refund(const struct policy_quota *q, struct policy_usage *u, unsigned recipients,
                         int64_t now_ms)
{
    if (u->day == now_ms / DAY_MS)
        u->day_count -= recipients < u->day_count ? recipients : u->day_count;
    if (q->messages.count)
        u->messages_full_us -= cost_us(&q->messages, 1);
    if (q->recipients.count)
        u->recipients_full_us -= cost_us(&q->recipients, recipients);
}

bool policy_usage_is_idle(const struct policy_usage *u, int64_t now_ms)
{
    return u->day != now_ms / DAY_MS && u->messages_full_us <= now_ms * 1000 &&
           u->recipients_full_us <= now_ms * 1000;
}
