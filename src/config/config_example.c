/* config_example.c -- config.example.toml and the key list of doc/configuration.md, written from
 * the option table.
 *
 * In the example a line that begins with "#" and no blank is a key with its default or a sample:
 * take the "#" away to use it. Tables of which there is one stand open; [[tables]] are behind "#"
 * too, as an open one would count. */
#include "base/buf.h"
#include "config/config.h"
#include "config_table.h"
#include "config_value.h"

enum { WIDTH = 88, TEXT_BYTES_MAX = 2048 };

static bool has_range(const struct config_option *o)
{
    switch (o->type) {
    case CONFIG_COUNT:
    case CONFIG_LEVEL:
    case CONFIG_PORT:
    case CONFIG_SIZE:
    case CONFIG_DURATION:
    case CONFIG_FACTOR:
        return true;
    case CONFIG_NAME:
    case CONFIG_HOSTNAME:
    case CONFIG_ADDRESS:
    case CONFIG_RULE:
    case CONFIG_SHA256:
    case CONFIG_FIELD:
    case CONFIG_HEADING:
    case CONFIG_PATH:
    case CONFIG_HASH:
    case CONFIG_SECRET:
    case CONFIG_LISTEN:
    case CONFIG_ENDPOINT:
    case CONFIG_PATTERN:
    case CONFIG_GLOB:
    case CONFIG_BOOL:
    case CONFIG_RATE:
    case CONFIG_CHOICE:
    case CONFIG_IP:
    case CONFIG_NETWORK:
    case CONFIG_RESOLVER:
    case CONFIG_HOST:
    case CONFIG_TYPE_COUNT:
        break;
    }
    return false;
}

static void add_choices(const struct config_option *o, const char *gap, struct buf *out)
{
    const char *before = "";
    for (const struct config_choice *c = o->choices; c->name; c++) {
        if (c->later)
            continue;
        buf_addf(out, "%s%s", before, c->name);
        before = gap;
    }
}

/* ---- the example ---- */

/* As comment lines of at most WIDTH bytes. */
static void add_wrapped(struct buf *out, struct slice text)
{
    size_t column = 0;
    while (text.n > 0) {
        size_t word = slice_find(text, ' ');
        if (column > 0 && column + 1 + word > WIDTH) {
            buf_add_cstr(out, "\n");
            column = 0;
        }
        if (column == 0) {
            buf_add_cstr(out, "#");
            column = 1;
        }
        buf_add_cstr(out, " ");
        buf_add(out, slice_head(text, word));
        column += 1 + word;
        text = slice_from(text, word + 1);
    }
    buf_add_cstr(out, "\n");
}

static void add_example_option(const struct config_option *o, struct buf *out)
{
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    buf_add_cstr(&text, o->meaning);
    if (o->choices) {
        buf_add_cstr(&text, " One of: ");
        add_choices(o, ", ", &text);
        buf_add_cstr(&text, ".");
    }
    if (has_range(o))
        buf_addf(&text, " From %s to %s.", o->least, o->most);
    if (o->is_required)
        buf_add_cstr(&text, " Required.");
    if (!o->normal && o->normal_said)
        buf_addf(&text, " Default: %s.", o->normal_said);
    add_wrapped(out, buf_slice(&text));
    CHECK(!text.is_full);
    buf_close(&text);

    buf_addf(out, "#%s = ", config_last_part(o->path));
    config_value_build(o, o->normal ? o->normal : o->sample, out);
    buf_add_cstr(out, "\n");
}

static void add_example_section(const struct config_section *s, struct buf *out)
{
    if (*s->path) {
        buf_add_cstr(out, "\n\n");
        add_wrapped(out, slice_cstr(s->meaning));
        if (s->shape == CONFIG_MANY)
            buf_addf(out, "#[[%s]]\n", s->path);
        else
            buf_addf(out, "[%s]\n", s->path);
    }
    const char *gap = "";
    for (const struct config_option *o = config_option_next(NULL); o; o = config_option_next(o)) {
        if (!config_option_is_in(o, s->path))
            continue;
        buf_add_cstr(out, gap);
        add_example_option(o, out);
        gap = "\n";
    }
    for (size_t i = 0; i < config_section_count; i++) {
        const struct config_section *inner = &config_sections[i];
        if (inner->shape != CONFIG_INNER || !config_section_is_in(inner, s->path))
            continue;
        buf_add_cstr(out, gap);
        add_wrapped(out, slice_cstr(inner->meaning));
        buf_addf(out, "#%s = %s\n", config_last_part(inner->path), inner->sample);
    }
}

void config_example(struct buf *out)
{
    buf_add_cstr(
        out,
        "# Outpost's configuration: /etc/outpost/outpost.toml, in TOML 1.0.\n"
        "#\n"
        "# Every key stands here with its default (or, where it has none, a sample) behind \"#\".\n"
        "# Take the \"#\" away to change it; of a [[table]], from its first line too.\n"
        "# `outpost check` says every mistake. doc/configuration.md tells more.\n"
        "#\n"
        "# Sizes are integers (bytes) or strings: \"64KiB\", \"50MiB\", \"10GiB\", \"50MB\".\n"
        "# Durations are strings: \"250ms\", \"30s\", \"5m\", \"4h\", \"5d\".\n"
        "# ${NAME} in a string is taken from the environment; \"$${\" is \"${\" itself.\n"
        "# A secret can stand in a file of its own: password_file = \"/path\" for password.\n"
        "\n");
    for (size_t i = 0; i < config_section_count; i++) {
        if (config_sections[i].shape != CONFIG_INNER)
            add_example_section(&config_sections[i], out);
    }
}

/* ---- the documentation ---- */

static void add_type(const struct config_option *o, struct buf *out)
{
    struct slice said = slice_cstr(config_type_facts[o->type].said);
    if (slice_starts(said, SLICE("a ")) || slice_starts(said, SLICE("an ")))
        said = slice_from(said, slice_find(said, ' ') + 1);
    if (o->choices)
        add_choices(o, ", ", out);
    else
        buf_addf(out, "%s%.*s", o->is_list ? "list, each: " : "", SLICE_FMT(said));
    if (has_range(o))
        buf_addf(out, ", %s to %s", o->least, o->most);
    if (o->is_list)
        buf_addf(out, "; at most %u", o->items_most);
}

static void add_reference_option(const struct config_option *o, struct buf *out)
{
    buf_addf(out, "| `%s` | ", config_last_part(o->path));
    add_type(o, out);
    buf_add_cstr(out, " | ");
    if (o->normal) {
        buf_add_cstr(out, "`");
        config_value_build(o, o->normal, out);
        buf_add_cstr(out, "`");
    } else {
        buf_add_cstr(out, o->is_required ? "required" : o->normal_said);
    }
    buf_addf(out, " | %s |\n", o->meaning);
}

static void add_reference_section(const struct config_section *s, struct buf *out)
{
    static const char *const opening[] = {"[", "[[", ""}, *const closing[] = {"]", "]]", ""};
    if (*s->path)
        buf_addf(out, "\n### %s%s%s", opening[s->shape], s->path, closing[s->shape]);
    else
        buf_add_cstr(out, "\n### Top of the file");
    buf_addf(out, "\n\n%s", s->meaning);
    if (s->shape == CONFIG_INNER)
        buf_addf(out, " Mostly written as `%s = %s`.", config_last_part(s->path), s->sample);
    if (s->shape == CONFIG_MANY)
        buf_addf(out, " At most %u.", s->items_most);
    buf_add_cstr(out, "\n\n| key | value | default | meaning |\n| --- | --- | --- | --- |\n");
    for (const struct config_option *o = config_option_next(NULL); o; o = config_option_next(o)) {
        if (config_option_is_in(o, s->path))
            add_reference_option(o, out);
    }
}

void config_reference(struct buf *out)
{
    for (size_t i = 0; i < config_section_count; i++)
        add_reference_section(&config_sections[i], out);
}
