/* config.c -- walks the TOML tree along the option table.
 *
 *   defaults of each section -> entries of the file -> required keys -> rules between keys
 *
 * A wrong value leaves its default in place and goes on, so that one run tells every mistake. What
 * one value may be is config_value.c's business, what goes together config_rules.c's. */
#include "config/config.h"

#include "config_expand.h"
#include "config_mistakes.h"
#include "config_rules.h"
#include "config_table.h"
#include "config_users.h"
#include "config_value.h"
#include "smtp/smtp_scram.h"

enum { ARENA_BLOCK_BYTES = 16 * 1024, SAMPLE_BYTES_MAX = 256 };

struct loader {
    struct config_draft *draft;
    struct arena *arena; /* the config's */
    const struct config_world *world;
    struct config_mistakes mistakes;
};

static void *at(void *base, size_t offset)
{
    return (char *)base + offset;
}

static void complain(struct loader *l, struct toml_spot spot, const struct config_option *o,
                     struct slice said)
{
    config_mistakes_add(&l->mistakes, spot, o->path, SLICE_NONE, "%.*s", SLICE_FMT(said));
}

/* ---- defaults ---- */

static void set_default_list(struct loader *l, const struct config_option *o, void *base)
{
    struct slice rest = slice_cstr(o->normal);
    size_t bytes = config_type_facts[o->type].bytes;
    char *items = arena_new(l->arena, o->items_most * bytes);
    unsigned count = 0;
    while (rest.n > 0) {
        size_t end = slice_find(rest, ' ');
        CHECK(count < o->items_most);
        CHECK(!config_value_set(o, slice_head(rest, end), l->arena, items + count * bytes).n);
        count++;
        rest = slice_from(rest, end + 1);
    }
    *(void **)at(base, o->at) = items;
    *(unsigned *)at(base, o->count_at) = count;
}

static void set_defaults(struct loader *l, const char *section, void *base)
{
    for (const struct config_option *o = config_option_next(NULL); o; o = config_option_next(o)) {
        if (!o->normal || !config_option_is_in(o, section))
            continue;
        if (o->is_list)
            set_default_list(l, o, base);
        else
            CHECK(!config_value_set(o, slice_cstr(o->normal), l->arena, at(base, o->at)).n);
    }
}

/* ---- values ---- */

static void complain_of_kind(struct loader *l, const struct config_option *o, bool is_item,
                             enum toml_kind kind, struct toml_spot spot)
{
    struct buf sample;
    buf_init(&sample, SAMPLE_BYTES_MAX);
    struct config_option one = *o;
    one.is_list = o->is_list && !is_item;
    struct slice raw = slice_cstr(o->normal ? o->normal : o->sample);
    if (is_item)
        raw = slice_head(raw, slice_find(raw, ' '));
    raw = arena_copy(l->arena, raw);
    config_value_build(&one, raw.p, &sample);
    const char *wanted = one.is_list ? "a list" : config_type_facts[o->type].said;
    const char *found = toml_kind_name(kind);
    bool has_vowel = slice_find(SLICE("aeiou"), found[0]) < 5;
    bool is_bool = o->type == CONFIG_BOOL;
    struct slice s = buf_slice(&sample);
    struct slice said = arena_printf(
        l->arena, "%s %s%s%.*s, not %s %s", is_item ? "each item must be" : "must be", wanted,
        is_bool ? "" : " such as ", is_bool ? 0 : (int)s.n, s.p, has_vowel ? "an" : "a", found);
    buf_close(&sample);
    complain(l, spot, o, said);
}

/* What the node says, as text for config_value_set. False: it is of the wrong kind. */
static bool text_of(struct loader *l, const struct config_option *o, const struct toml_node *node,
                    struct slice *text, struct slice *said)
{
    bool is_text = config_type_facts[o->type].is_text;
    bool is_number = o->type == CONFIG_COUNT || o->type == CONFIG_PORT || o->type == CONFIG_SIZE ||
                     o->type == CONFIG_FACTOR || o->type == CONFIG_LEVEL;
    if (node->kind == TOML_STRING && is_text) {
        *said = config_expand(node->string, l->world, l->arena, text);
        return true;
    }
    if (node->kind == TOML_INTEGER && is_number) {
        *text = arena_printf(l->arena, "%lld", (long long)node->integer);
        return true;
    }
    if (node->kind == TOML_BOOL && o->type == CONFIG_BOOL) {
        *text = slice_cstr(node->boolean ? "true" : "false");
        return true;
    }
    return false;
}

static void load_value(struct loader *l, const struct config_option *o, bool is_item,
                       const struct toml_node *node, void *out)
{
    struct slice text = SLICE_NONE, said = SLICE_NONE;
    if (node->kind == TOML_FLOAT && o->type == CONFIG_FACTOR) {
        said = config_value_set_factor(o, node->number, l->arena, out);
    } else if (text_of(l, o, node, &text, &said)) {
        if (!said.n)
            said = config_value_set(o, text, l->arena, out);
    } else {
        complain_of_kind(l, o, is_item, node->kind, node->at);
    }
    if (said.n)
        complain(l, node->at, o, said);
}

static void load_list(struct loader *l, const struct config_option *o,
                      const struct toml_node *array, void *base)
{
    if (array->kind != TOML_ARRAY) {
        complain_of_kind(l, o, false, array->kind, array->at);
        return;
    }
    size_t count = array->list.count, bytes = config_type_facts[o->type].bytes;
    if (count < o->items_least) {
        complain(l, array->at, o,
                 arena_printf(l->arena, "is empty; without the key it is %s", o->normal_said));
        return;
    }
    if (count > o->items_most) {
        complain(l, array->at, o,
                 arena_printf(l->arena, "has %zu items; %u are the most", count, o->items_most));
        return;
    }
    char *items = arena_new(l->arena, count * bytes);
    size_t n = 0;
    for (const struct toml_node *item = toml_first(array); item; item = item->next)
        load_value(l, o, true, item, items + n++ * bytes);
    *(void **)at(base, o->at) = items;
    *(unsigned *)at(base, o->count_at) = (unsigned)n;
}

/* ---- secrets in files ---- */

/* The secret that KEY_file stands for. */
static const struct config_option *find_secret_of(const char *section, struct slice key)
{
    struct slice tail = SLICE("_file");
    if (key.n <= tail.n || !slice_eq(slice_from(key, key.n - tail.n), tail))
        return NULL;
    const struct config_option *o = config_option_find(section, slice_head(key, key.n - tail.n));
    return o && config_type_facts[o->type].is_secret && !o->is_list ? o : NULL;
}

static struct slice without_newline(struct slice s)
{
    if (s.n > 0 && s.p[s.n - 1] == '\n')
        s.n--;
    else
        return s;
    if (s.n > 0 && s.p[s.n - 1] == '\r')
        s.n--;
    return s;
}

/* Gives what is wrong. */
static struct slice read_secret(struct loader *l, const struct config_option *o, struct slice path,
                                void *out)
{
    struct slice q = config_value_quote(l->arena, path);
    if (path.n == 0 || path.p[0] != '/' || slice_find(path, '\0') < path.n)
        return arena_printf(l->arena, "%.*s is not an absolute path: it must begin with \"/\"",
                            SLICE_FMT(q));
    struct slice secret = SLICE_NONE;
    struct fault why = {0};
    if (!l->world->read_file || l->world->read_file(l->world->ctx, path, l->arena, &secret, &why))
        return arena_printf(l->arena, "%.*s cannot be read: %s", SLICE_FMT(q), why.text);
    secret = without_newline(secret);
    if (secret.n > CONFIG_SECRET_BYTES_MAX)
        return arena_printf(l->arena, "%.*s is longer than %d bytes", SLICE_FMT(q),
                            CONFIG_SECRET_BYTES_MAX);
    struct slice said = config_value_set(o, secret, l->arena, out);
    if (!said.n)
        return SLICE_NONE;
    return arena_printf(l->arena, "%.*s: %.*s", SLICE_FMT(q), SLICE_FMT(said));
}

static void load_secret_file(struct loader *l, const char *section, const struct config_option *o,
                             const struct toml_node *node, const struct toml_node *table,
                             void *base)
{
    struct slice said = SLICE_NONE, path = SLICE_NONE;
    const char *name = config_last_part(o->path);
    if (toml_get(table, slice_cstr(name)))
        said = arena_printf(l->arena, "%s is given too: one of them must go", name);
    else if (node->kind != TOML_STRING)
        said = arena_printf(l->arena, "must be an absolute path such as \"/run/secrets/smtp\"");
    else
        said = config_expand(node->string, l->world, l->arena, &path);
    if (!said.n)
        said = read_secret(l, o, path, at(base, o->at));
    if (said.n)
        config_mistakes_add(&l->mistakes, node->at, section, node->key, "%.*s", SLICE_FMT(said));
}

/* ---- tables ---- */

static void complain_of_missing(struct loader *l, const char *section,
                                const struct toml_node *table)
{
    for (const struct config_option *o = config_option_next(NULL); o; o = config_option_next(o)) {
        if (!o->is_required || !config_option_is_in(o, section))
            continue;
        const char *name = config_last_part(o->path);
        bool is_secret = config_type_facts[o->type].is_secret;
        struct slice file = arena_printf(l->arena, "%s_file", name);
        if (toml_get(table, slice_cstr(name)) || (is_secret && toml_get(table, file)))
            continue;
        complain(l, table->at, o,
                 arena_printf(l->arena, "is missing: write %s = \"%s\"%s%s%s", name, o->sample,
                              is_secret ? " or " : "", is_secret ? file.p : "",
                              is_secret ? " = \"/path\"" : ""));
    }
}

/* The entries of one table. Inner ones are handed back, so that this needs no recursion: the
 * caller loads them into the same base. */
static const struct toml_node *load_entries(struct loader *l, const char *section,
                                            const struct toml_node *table, void *base)
{
    const struct toml_node *inner = NULL;
    for (const struct toml_node *node = toml_first(table); node; node = node->next) {
        const struct config_option *o = config_option_find(section, node->key);
        const struct config_option *secret = find_secret_of(section, node->key);
        const struct config_later *later = config_later_find(section, node->key);
        if (o && o->is_list) {
            load_list(l, o, node, base);
        } else if (o) {
            load_value(l, o, false, node, at(base, o->at));
        } else if (secret) {
            load_secret_file(l, section, secret, node, table, base);
        } else if (later) {
            config_mistakes_add(&l->mistakes, node->key_at, section, node->key, "%s", later->said);
        } else if (config_section_find(section, node->key)) {
            inner = *section ? node : inner;
        } else {
            struct slice said = config_mistakes_unknown(section, node->key, l->arena);
            config_mistakes_add(&l->mistakes, node->key_at, section, node->key, "%.*s",
                                SLICE_FMT(said));
        }
    }
    complain_of_missing(l, section, table);
    return inner;
}

static void load_inner(struct loader *l, const char *around, const struct toml_node *node,
                       void *base)
{
    const struct config_section *s = config_section_find(around, node->key);
    CHECK(s && s->shape == CONFIG_INNER);
    if (node->kind == TOML_TABLE)
        (void)load_entries(l, s->path, node, base);
    else
        config_mistakes_add(&l->mistakes, node->at, around, node->key, "must be a table such as %s",
                            s->sample);
}

static void load_item(struct loader *l, const struct config_section *s,
                      const struct toml_node *node, void *base)
{
    set_defaults(l, s->path, base);
    if (node->kind != TOML_TABLE) {
        config_mistakes_add(&l->mistakes, node->at, s->path, SLICE_NONE,
                            "must be a table: write [[%s]] and its keys below it", s->path);
        return;
    }
    const struct toml_node *inner = load_entries(l, s->path, node, base);
    if (inner)
        load_inner(l, s->path, inner, base);
}

static void load_many(struct loader *l, const struct config_section *s,
                      const struct toml_node *node)
{
    const struct toml_node *item = node;
    size_t count = 1;
    if (node->kind == TOML_ARRAY) {
        item = toml_first(node);
        count = node->list.count;
    } else if (node->kind == TOML_TABLE) {
        config_mistakes_add(&l->mistakes, node->at, s->path, SLICE_NONE,
                            "there may be several: write [[%s]] instead of [%s]", s->path, s->path);
    }
    if (count < s->items_least)
        config_mistakes_add(&l->mistakes, node->at, s->path, SLICE_NONE,
                            "is empty: at least one [[%s]] is needed", s->path);
    if (count > s->items_most) {
        config_mistakes_add(&l->mistakes, node->at, s->path, SLICE_NONE,
                            "there are %zu of them; %u are the most", count, s->items_most);
        count = s->items_most;
    }
    char *items = arena_new(l->arena, count * s->item_bytes);
    for (size_t i = 0; i < count; i++, item = item->next)
        load_item(l, s, item, items + i * s->item_bytes);
    *(void **)at(l->draft, s->at) = items;
    *(unsigned *)at(l->draft, s->count_at) = (unsigned)count;
}

static void load_one(struct loader *l, const struct config_section *s, const struct toml_node *node)
{
    if (node->kind == TOML_TABLE)
        (void)load_entries(l, s->path, node, l->draft);
    else if (node->kind == TOML_ARRAY && toml_first(node) && toml_first(node)->kind == TOML_TABLE)
        config_mistakes_add(&l->mistakes, node->at, s->path, SLICE_NONE,
                            "there is only one: write [%s] instead of [[%s]]", s->path, s->path);
    else
        config_mistakes_add(&l->mistakes, node->at, s->path, SLICE_NONE,
                            "must be a table: write [%s] and its keys below it", s->path);
}

static void load_root(struct loader *l, const struct toml_node *root)
{
    (void)load_entries(l, "", root, l->draft);
    for (size_t i = 0; i < config_section_count; i++) {
        const struct config_section *s = &config_sections[i];
        const struct toml_node *node = toml_get(root, slice_cstr(s->path));
        if (!node || !*s->path || s->shape == CONFIG_INNER)
            continue;
        if (s->shape == CONFIG_MANY)
            load_many(l, s, node);
        else
            load_one(l, s, node);
    }
}

static void gather_passwords(struct loader *l, const struct config_user_item *item,
                             struct config_user *out)
{
    out->passwords = arena_new(l->arena, (item->password_count + 1) * sizeof *out->passwords);
    if (item->password.n)
        out->passwords[out->password_count++] = item->password;
    for (unsigned i = 0; i < item->password_count; i++)
        out->passwords[out->password_count++] = item->passwords[i];
}

static bool has_scram(const struct config_user *u)
{
    for (unsigned i = 0; i < u->password_count; i++)
        if (slice_starts(u->passwords[i], SLICE(SMTP_SCRAM_SECRET_HEAD)))
            return true;
    return false;
}

/* Both halves of each user, side by side. */
static void split_users(struct loader *l)
{
    struct config_draft *d = l->draft;
    struct config *c = &d->config;
    c->engine.users = arena_new(l->arena, d->user_count * sizeof *c->engine.users);
    c->users = arena_new(l->arena, d->user_count * sizeof *c->users);
    c->engine.user_count = c->user_count = d->user_count;
    for (unsigned i = 0; i < d->user_count; i++) {
        c->engine.users[i] = d->users[i].engine;
        c->users[i].name = d->users[i].engine.name;
        gather_passwords(l, &d->users[i], &c->users[i]);
        c->engine.users[i].has_scram = has_scram(&c->users[i]);
    }
}

static void load_users_file(struct loader *l, const struct toml_node *node)
{
    struct slice path = l->draft->config.users_file, text = SLICE_NONE;
    struct fault why = {0};
    if (!node || !path.n)
        return;
    if (!l->world->read_file || l->world->read_file(l->world->ctx, path, l->arena, &text, &why))
        config_mistakes_add(&l->mistakes, node->at, "", SLICE("users_file"), "%s", why.text);
    else
        config_users_add(l->draft, text, node->at, &l->mistakes);
}

static void load_text(struct loader *l, struct slice text, struct arena *tree)
{
    static const struct toml_node empty = {.kind = TOML_TABLE};
    const struct toml_node *root = &empty;
    struct toml_node *parsed;
    struct toml_error error;
    if (text.n > CONFIG_BYTES_MAX) {
        config_mistakes_add(&l->mistakes, (struct toml_spot){0, 0}, "", SLICE_NONE,
                            "the file is longer than %d bytes", CONFIG_BYTES_MAX);
    } else if (!toml_parse(text, tree, &parsed, &error)) {
        struct toml_spot spot = {error.line, error.column};
        config_mistakes_add(&l->mistakes, spot, "", SLICE_NONE, "%s", error.text);
    } else {
        root = parsed;
    }
    if (root == &empty && l->mistakes.count > 0)
        return; /* one mistake at a time: what follows would be guesses */
    load_root(l, root);
    load_users_file(l, toml_get(root, SLICE("users_file")));
    config_rules_apply(l->draft, root, l->world, &l->mistakes);
}

struct config *config_load(struct slice text, const struct config_world *world,
                           struct config_mistake **mistakes, unsigned *mistake_count)
{
    struct config_draft *d = mem_new(sizeof *d);
    arena_init(&d->config.arena, ARENA_BLOCK_BYTES);
    struct arena tree;
    arena_init(&tree, ARENA_BLOCK_BYTES);

    struct loader l = {.draft = d, .arena = &d->config.arena, .world = world};
    config_mistakes_init(&l.mistakes, l.arena);
    for (size_t i = 0; i < config_section_count; i++) {
        if (config_sections[i].shape == CONFIG_ONE)
            set_defaults(&l, config_sections[i].path, d);
    }
    load_text(&l, text, &tree);
    split_users(&l);
    config_mistakes_finish(&l.mistakes);
    arena_close(&tree);

    *mistakes = l.mistakes.list;
    *mistake_count = l.mistakes.count;
    return &d->config;
}

void config_free(struct config *c)
{
    if (!c)
        return;
    arena_close(&c->arena);
    mem_free(c);
}
