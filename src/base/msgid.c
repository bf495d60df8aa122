/* msgid.c -- message ids: time and counter in 64 bits, written in base 32. */
#include "base/msgid.h"

enum { COUNTER_BITS = 22, CHAR_BITS = 5 };

static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

struct msgid_text msgid_build(uint64_t id)
{
    struct msgid_text t;
    for (int i = MSGID_CHARS - 1; i >= 0; i--) {
        t.s[i] = digits[id & 31];
        id >>= CHAR_BITS;
    }
    t.s[MSGID_CHARS] = 0;
    return t;
}

bool msgid_parse(struct slice s, uint64_t *id)
{
    uint64_t v = 0;
    if (s.n != MSGID_CHARS)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        size_t d = slice_find(slice_of(digits, 32), ascii_lower(s.p[i]));
        if (d == 32 || v >> (64 - CHAR_BITS)) /* 13 characters could hold 65 bits */
            return false;
        v = v << CHAR_BITS | d;
    }
    *id = v;
    return true;
}

uint64_t msgid_next(uint64_t last, int64_t now_ms)
{
    uint64_t id = now_ms > 0 ? (uint64_t)now_ms << COUNTER_BITS : 0;
    return id > last ? id : last + 1;
}
