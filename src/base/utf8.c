/* utf8.c -- RFC 3629: which bytes are UTF-8, and which code points they are. */
#include "base/utf8.h"

int utf8_next(struct slice s, uint32_t *code)
{
    if (s.n == 0)
        return 0;
    const uint8_t *p = (const uint8_t *)s.p;
    if (p[0] < 0x80) {
        *code = p[0];
        return 1;
    }
    int n;
    uint32_t least, v;
    if (p[0] >= 0xc2 && p[0] < 0xe0) {
        n = 2, least = 0x80, v = p[0] & 0x1fu;
    } else if (p[0] >= 0xe0 && p[0] < 0xf0) {
        n = 3, least = 0x800, v = p[0] & 0x0fu;
    } else if (p[0] >= 0xf0 && p[0] < 0xf5) {
        n = 4, least = 0x10000, v = p[0] & 0x07u;
    } else {
        return 0;
    }
    if (s.n < (size_t)n)
        return 0;
    for (int i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        v = v << 6 | (p[i] & 0x3fu);
    }
    if (v < least || v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
        return 0;
    *code = v;
    return n;
}

bool utf8_is_valid(struct slice s)
{
    for (size_t at = 0; at < s.n;) {
        if ((uint8_t)s.p[at] < 0x80) {
            at++;
            continue;
        }
        uint32_t code;
        int n = utf8_next(slice_from(s, at), &code);
        if (!n)
            return false;
        at += (size_t)n;
    }
    return true;
}

int utf8_build(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return 0;
    int n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {[2] = 0xc0, [3] = 0xe0, [4] = 0xf0};
    for (int i = n - 1; i > 0; i--) {
        out[i] = (char)(uint8_t)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (char)(uint8_t)(lead[n] | code);
    return n;
}
