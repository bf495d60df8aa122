/* config_mistakes.c -- the list of what is wrong, and words for keys that nobody knows. */
#include "config_mistakes.h"

#include "base/buf.h"
#include "config_value.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    TEXT_BYTES_MAX = 1024,
    KEY_BYTES_MAX = 64,    /* a longer one is near to none of ours */
    DISTANCE_MAX = 3,      /* mistyped characters in a name we still recognise */
    KNOWN_BYTES_MAX = 4096 /* of a list of all keys */
};

void config_mistakes_init(struct config_mistakes *m, struct arena *arena)
{
    *m = (struct config_mistakes){.arena = arena};
    m->list = arena_new(arena, (CONFIG_MISTAKES_MAX + 1) * sizeof *m->list);
}

static bool is_bare(struct slice key)
{
    for (size_t i = 0; i < key.n; i++) {
        char c = key.p[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '_' && c != '-')
            return false;
    }
    return key.n > 0 && key.n <= KEY_BYTES_MAX;
}

static struct slice dotted(struct arena *a, const char *section, struct slice key)
{
    if (key.n && !is_bare(key))
        key = config_value_quote(a, key);
    const char *dot = *section && key.n ? "." : "";
    return arena_printf(a, "%s%s%.*s", section, dot, SLICE_FMT(key));
}

void config_mistakes_add(struct config_mistakes *m, struct toml_spot at, const char *section,
                         struct slice key, const char *fmt, ...)
{
    if (m->count == CONFIG_MISTAKES_MAX) {
        m->has_more = true;
        return;
    }
    char text[TEXT_BYTES_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    m->list[m->count++] = (struct config_mistake){
        .line = at.line,
        .column = at.column,
        .key = dotted(m->arena, section, key),
        .text = arena_copy(m->arena, slice_cstr(text)),
    };
}

static bool is_before(const struct config_mistake *a, const struct config_mistake *b)
{
    return a->line != b->line ? a->line < b->line : a->column < b->column;
}

void config_mistakes_finish(struct config_mistakes *m)
{
    for (unsigned i = 1; i < m->count; i++) {
        struct config_mistake one = m->list[i];
        unsigned k = i;
        for (; k > 0 && is_before(&one, &m->list[k - 1]); k--)
            m->list[k] = m->list[k - 1];
        m->list[k] = one;
    }
    if (!m->has_more)
        return;
    struct config_mistake *last = &m->list[m->count - 1];
    m->list[m->count++] = (struct config_mistake){
        .line = last->line,
        .column = last->column,
        .key = arena_copy(m->arena, SLICE_NONE),
        .text =
            arena_printf(m->arena, "there are more mistakes than these %d", CONFIG_MISTAKES_MAX),
    };
}

/* ---- keys that nobody knows ---- */

/* Levenshtein's distance, ASCII case ignored. Both at most KEY_BYTES_MAX long. */
static unsigned distance(struct slice a, struct slice b)
{
    unsigned row[KEY_BYTES_MAX + 1];
    for (size_t k = 0; k <= b.n; k++)
        row[k] = (unsigned)k;
    for (size_t i = 1; i <= a.n; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t k = 1; k <= b.n; k++) {
            unsigned best = diagonal + (ascii_lower(a.p[i - 1]) != ascii_lower(b.p[k - 1]));
            if (row[k] + 1 < best)
                best = row[k] + 1;
            if (row[k - 1] + 1 < best)
                best = row[k - 1] + 1;
            diagonal = row[k];
            row[k] = best;
        }
    }
    return row[b.n];
}

struct nearest {
    struct slice key; /* the one we look for */
    unsigned distance;
    const struct config_option *option; /* the best so far is one of these */
    const struct config_section *section;
};

static bool is_nearer(struct nearest *n, const char *path)
{
    struct slice known = slice_cstr(config_last_part(path));
    if (known.n == 0 || n->key.n > KEY_BYTES_MAX)
        return false;
    unsigned d = distance(n->key, known);
    if (d >= n->distance || d >= known.n)
        return false;
    n->distance = d;
    return true;
}

static struct nearest find_nearest(const char *section, struct slice key)
{
    struct nearest n = {.key = key, .distance = DISTANCE_MAX + 1};
    for (const struct config_option *o = config_option_next(NULL); o; o = config_option_next(o)) {
        if (config_option_is_in(o, section) && is_nearer(&n, o->path))
            n.option = o;
    }
    for (size_t i = 0; i < config_section_count; i++) {
        if (config_section_is_in(&config_sections[i], section) &&
            is_nearer(&n, config_sections[i].path)) {
            n.option = NULL;
            n.section = &config_sections[i];
        }
    }
    return n;
}

/* As it stands in a file: [queue], [[user]], auth = { ... } */
static struct slice said_section(const struct config_section *s, struct arena *a)
{
    switch (s->shape) {
    case CONFIG_ONE:
        return arena_printf(a, "[%s]", s->path);
    case CONFIG_MANY:
        return arena_printf(a, "[[%s]]", s->path);
    case CONFIG_INNER:
        break;
    }
    return slice_cstr(config_last_part(s->path));
}

static struct slice said_home(const char *section, struct arena *a)
{
    if (!*section)
        return slice_cstr("the top of the file, above the first [table]");
    for (size_t i = 0; i < config_section_count; i++) {
        if (slice_eq(slice_cstr(config_sections[i].path), slice_cstr(section)))
            return said_section(&config_sections[i], a);
    }
    return slice_cstr(section);
}

/* A key of that very name in another section. */
static const struct config_section *find_elsewhere(struct slice key)
{
    for (size_t i = 0; i < config_section_count; i++) {
        if (config_option_find(config_sections[i].path, key) ||
            (key.n && config_section_find(config_sections[i].path, key)))
            return &config_sections[i];
    }
    return NULL;
}

static void add_known(struct buf *out, struct slice name)
{
    buf_addf(out, "%s%.*s", out->n ? ", " : "", SLICE_FMT(name));
}

struct slice config_mistakes_unknown(const char *section, struct slice key, struct arena *a)
{
    const struct config_section *home = find_elsewhere(key);
    if (home) {
        struct slice place = said_home(home->path, a);
        return arena_printf(a, "there is no such key here; it belongs to %.*s", SLICE_FMT(place));
    }
    struct nearest n = find_nearest(section, key);
    if (n.option)
        return arena_printf(a, "there is no such key; did you mean %s?",
                            config_last_part(n.option->path));
    if (n.section) {
        struct slice name = said_section(n.section, a);
        return arena_printf(a, "there is no such key; did you mean %.*s?", SLICE_FMT(name));
    }
    struct buf known;
    buf_init(&known, KNOWN_BYTES_MAX);
    for (const struct config_option *o = config_option_next(NULL); o; o = config_option_next(o)) {
        if (config_option_is_in(o, section))
            add_known(&known, slice_cstr(config_last_part(o->path)));
    }
    for (size_t i = 0; i < config_section_count; i++) {
        if (config_section_is_in(&config_sections[i], section))
            add_known(&known, said_section(&config_sections[i], a));
    }
    struct slice place = *section ? said_home(section, a) : slice_cstr("the file");
    struct slice all = buf_slice(&known);
    struct slice said =
        arena_printf(a, "there is no such key; %.*s knows %.*s", SLICE_FMT(place), SLICE_FMT(all));
    buf_close(&known);
    return said;
}
