/* config_map.c -- see the header. What only one list allows (names without '@', several targets)
 * is config_rules'. */
#include "config_map.h"

#include "config_value.h"

static bool canonical(struct slice text, struct arena *a, struct slice *out)
{
    struct mail_address address;
    size_t used;
    struct buf b;
    if (mail_address_parse(text, MAIL_ADDRESS_UNQUALIFIED | MAIL_ADDRESS_UTF8, &address, &used) !=
        PARSE_DONE)
        return false;
    buf_init(&b, MAIL_ADDRESS_BYTES_MAX);
    bool is_built = mail_address_build(&address, &b);
    if (is_built)
        *out = arena_copy(a, buf_slice(&b));
    buf_close(&b);
    return is_built;
}

struct slice config_map_set_address(struct slice text, struct arena *a, struct slice *out)
{
    if (slice_find(text, '@') < text.n && canonical(text, a, out))
        return SLICE_NONE;
    return arena_printf(a, "%.*s is not a mail address: write one such as \"ops@example.com\"",
                        SLICE_FMT(config_value_quote(a, text)));
}

static bool target_of(struct slice text, struct arena *a, struct slice *out)
{
    if (!text.n || text.p[0] != '@')
        return canonical(text, a, out);
    *out = arena_copy(a, text);
    return mail_domain_is_valid(slice_from(text, 1), 0);
}

struct slice config_map_set_rule(struct slice text, struct arena *a, struct rewrite_rule *out)
{
    size_t at = slice_find(text, '=');
    struct slice rest = slice_trim(slice_from(text, at + 1));
    struct slice pattern = slice_trim(slice_head(text, at));
    if (at == text.n || !pattern.n || !rest.n)
        return arena_printf(a, "%.*s is no rule: write \"pattern = target\"",
                            SLICE_FMT(config_value_quote(a, text)));
    *out = (struct rewrite_rule){.pattern = arena_copy(a, pattern)};
    out->targets = arena_new(a, REWRITE_TARGETS_MAX * sizeof *out->targets);
    for (bool is_last = false; !is_last;) {
        size_t n = slice_find(rest, ',');
        struct slice target = slice_trim(slice_head(rest, n));
        is_last = n == rest.n;
        rest = slice_from(rest, n + 1);
        if (out->target_count == REWRITE_TARGETS_MAX)
            return arena_printf(a, "has more than %d targets", REWRITE_TARGETS_MAX);
        if (!target_of(target, a, &out->targets[out->target_count++]))
            return arena_printf(a,
                                "%.*s is no target: write an address such as \"ops@example.com\", "
                                "or \"@example.com\" to change the domain alone",
                                SLICE_FMT(config_value_quote(a, target)));
    }
    return SLICE_NONE;
}
