/* config_fingerprint.c -- see the header. */
#include "config_fingerprint.h"

#include "config_value.h"

static int digit(char c)
{
    if (ascii_is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Pairs of digits, with a colon between any two of them, or none. */
static bool read_hex(struct slice text, uint8_t *out, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (i > 0 && text.n && text.p[0] == ':')
            text = slice_from(text, 1);
        if (text.n < 2 || digit(text.p[0]) < 0 || digit(text.p[1]) < 0)
            return false;
        out[i] = (uint8_t)(digit(text.p[0]) << 4 | digit(text.p[1]));
        text = slice_from(text, 2);
    }
    return text.n == 0;
}

struct slice config_fingerprint_set(struct slice text, struct arena *a,
                                    struct engine_fingerprint *out)
{
    struct engine_fingerprint f = {.is_of_key = slice_starts(text, SLICE("spki-sha256:"))};
    bool is_known = f.is_of_key || slice_starts(text, SLICE("sha256:"));
    if (is_known &&
        read_hex(slice_from(text, slice_find(text, ':') + 1), f.sha256, sizeof f.sha256)) {
        *out = f;
        return SLICE_NONE;
    }
    return arena_printf(a,
                        "%.*s is not a fingerprint: write \"sha256:\" or \"spki-sha256:\" and 64 "
                        "hexadecimal digits",
                        SLICE_FMT(config_value_quote(a, text)));
}
