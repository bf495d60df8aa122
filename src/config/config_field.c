/* config_field.c -- see the header. Fields that a relay has to leave alone, or sets by other keys,
 * are refused with the reason. */
#include "config_field.h"

#include "config_value.h"

static const struct {
    struct slice name;
    bool may_remove, may_add;
    const char *why;
} special[] = {
    {SLICE_INIT("Received"), false, false, "the trace of a message must stay (RFC 5321 4.4)"},
    {SLICE_INIT("From"), false, false, "use rewrite.from"},
    {SLICE_INIT("Bcc"), true, false, "it is always removed"},
    {SLICE_INIT("Resent-Bcc"), true, false, "it is always removed"},
    {SLICE_INIT("Return-Path"), true, false, "it is for those who deliver"},
    {SLICE_INIT("Date"), true, false, "a message without one gets the time it came"},
    {SLICE_INIT("Message-ID"), true, false, "a message without one gets one of its own"},
};

static bool is_name(struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] <= ' ' || text.p[i] >= 0x7f || text.p[i] == ':')
            return false;
    return text.n > 0;
}

static const char *why_not(struct slice name, bool is_added)
{
    for (size_t i = 0; i < COUNT_OF(special); i++)
        if (slice_eq_nocase(special[i].name, name))
            return (is_added ? special[i].may_add : special[i].may_remove) ? NULL : special[i].why;
    return NULL;
}

static struct slice judge(const struct config_option *o, struct slice text, struct slice name,
                          bool is_added, struct arena *a)
{
    uint64_t most;
    CHECK(slice_to_u64(slice_cstr(o->most), &most));
    if (text.n > most)
        return arena_printf(a, "is longer than %s bytes", o->most);
    const char *why = why_not(name, is_added);
    if (why)
        return arena_printf(a, "%.*s cannot be %s: %s", SLICE_FMT(name),
                            is_added ? "added" : "removed", why);
    return SLICE_NONE;
}

struct slice config_field_set(const struct config_option *o, struct slice text, struct arena *a,
                              struct slice *out)
{
    size_t colon = slice_find(text, ':');
    struct slice name = slice_head(text, colon), value = slice_trim(slice_from(text, colon + 1));
    bool is_ascii = true;
    for (size_t i = 0; i < text.n; i++)
        is_ascii &= (uint8_t)text.p[i] >= ' ' && (uint8_t)text.p[i] < 0x7f;
    if (colon == text.n || !is_name(name) || !value.n || !is_ascii)
        return arena_printf(
            a,
            "%.*s is no header field: write \"Name: value\", in ASCII (other text as "
            "encoded words)",
            SLICE_FMT(config_value_quote(a, text)));
    struct slice said = judge(o, text, name, true, a);
    if (!said.n)
        *out = arena_printf(a, "%.*s: %.*s", SLICE_FMT(name), SLICE_FMT(value));
    return said;
}

struct slice config_field_set_name(const struct config_option *o, struct slice text,
                                   struct arena *a, struct slice *out)
{
    if (!is_name(text))
        return arena_printf(a, "%.*s is no name of a header field: write one such as \"X-Mailer\"",
                            SLICE_FMT(config_value_quote(a, text)));
    struct slice said = judge(o, text, text, false, a);
    if (!said.n)
        *out = arena_copy(a, text);
    return said;
}
