/* config_expand.c -- ${NAME} in strings, from the environment. */
#include "config_expand.h"

#include "base/buf.h"

enum { NAME_BYTES_MAX = 255 };

static size_t name_bytes(struct slice s)
{
    size_t n = 0;
    while (n < s.n &&
           (s.p[n] == '_' || ascii_is_alpha(s.p[n]) || (n > 0 && ascii_is_digit(s.p[n]))))
        n++;
    return n;
}

/* One ${NAME} at the start of *rest goes into out, and *rest moves behind it. */
static struct slice expand_one(struct slice *rest, const struct config_world *world,
                               struct arena *a, struct buf *out)
{
    struct slice s = slice_from(*rest, 2);
    size_t n = name_bytes(s);
    if (n == 0 || n == s.n || s.p[n] != '}' || n > NAME_BYTES_MAX)
        return arena_printf(a, "after \"${\" the name of an environment variable and \"}\" must "
                               "follow; for the characters \"${\" themselves write \"$${\"");
    struct slice name = arena_copy(a, slice_head(s, n)); /* for its NUL */
    const char *value = world->env ? world->env(world->ctx, name.p) : NULL;
    if (!value)
        return arena_printf(a, "the environment variable %s is not set", name.p);
    *rest = slice_from(s, n + 1);
    buf_add_cstr(out, value);
    return SLICE_NONE;
}

struct slice config_expand(struct slice text, const struct config_world *world, struct arena *a,
                           struct slice *out)
{
    struct buf expanded;
    buf_init(&expanded, CONFIG_STRING_BYTES_MAX);
    struct slice said = SLICE_NONE;
    while (text.n > 0 && !said.n) {
        if (slice_starts(text, SLICE("$${"))) {
            buf_add_cstr(&expanded, "${");
            text = slice_from(text, 3);
        } else if (slice_starts(text, SLICE("${"))) {
            said = expand_one(&text, world, a, &expanded);
        } else {
            size_t dollar = slice_find(slice_from(text, 1), '$') + 1;
            buf_add(&expanded, slice_head(text, dollar));
            text = slice_from(text, dollar);
        }
    }
    if (!said.n && expanded.is_full)
        said = arena_printf(a, "is longer than %d bytes", CONFIG_STRING_BYTES_MAX);
    if (!said.n)
        *out = arena_copy(a, buf_slice(&expanded));
    buf_close(&expanded);
    return said;
}
