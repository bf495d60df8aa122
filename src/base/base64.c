/* base64.c -- RFC 4648 section 4: with padding, strict, no line breaks. */
#include "base/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool base64_build(struct slice in, struct buf *out)
{
    const uint8_t *p = (const uint8_t *)in.p;
    if (in.n > SIZE_MAX / 2)
        return false;
    size_t n = (in.n + 2) / 3 * 4;
    char *to = buf_reserve(out, n);
    if (!to)
        return false;
    for (size_t i = 0; i < in.n; i += 3) {
        size_t left = in.n - i;
        uint32_t v = (uint32_t)p[i] << 16;
        if (left > 1)
            v |= (uint32_t)p[i + 1] << 8;
        if (left > 2)
            v |= p[i + 2];
        *to++ = digits[v >> 18];
        *to++ = digits[v >> 12 & 63];
        *to++ = left > 1 ? digits[v >> 6 & 63] : '=';
        *to++ = left > 2 ? digits[v & 63] : '=';
    }
    buf_wrote(out, n);
    return true;
}

/* 0..63, or -1 for a byte that is no digit. */
static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_parse(struct slice in, struct buf *out)
{
    if (in.n % 4)
        return false;
    size_t pad = 0;
    if (in.n && in.p[in.n - 1] == '=')
        pad = in.p[in.n - 2] == '=' ? 2 : 1;
    size_t n = in.n / 4 * 3 - pad;
    char *to = buf_reserve(out, n);
    if (!to)
        return false;
    size_t wrote = 0;
    for (size_t i = 0; i < in.n; i += 4) {
        uint32_t v = 0;
        size_t digits_here = i + 4 == in.n ? 4 - pad : 4;
        for (size_t k = 0; k < 4; k++) {
            int d = k < digits_here ? value_of(in.p[i + k]) : 0;
            if (d < 0)
                return false;
            v = v << 6 | (uint32_t)d;
        }
        /* Bits behind the last byte must be zero, so that each text has one meaning and back. */
        if ((digits_here == 3 && (v & 0xff)) || (digits_here == 2 && (v & 0xffff)))
            return false;
        for (size_t k = 0; k + 1 < digits_here; k++)
            to[wrote++] = (char)(uint8_t)(v >> (16 - 8 * k));
    }
    buf_wrote(out, wrote);
    return true;
}
