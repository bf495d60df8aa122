/* toml.c -- the document: lines, keys, tables, and who may be defined or extended how.
 *
 * Strings are read by toml_string.c, bare values by toml_scalar.c. A table comes to be in one of
 * four ways, and that decides what may be done to it later:
 *
 *             made by                      own header  keys by     sub-tables
 *                                          later?      a.b = ...?  by header?
 *   IMPLICIT  the way: a in [a.b]          once        yes         yes
 *   DOTTED    the way: a in a.b = 1        no          yes         yes
 *   HEADER    [a], or an item of [[a]]     no          no          yes
 *   CLOSED    a = { ... }                  no          no          no
 *
 * A dotted key makes DOTTED of an IMPLICIT table, because it defines it. An array is HEADER when
 * made by [[a]]: then [[a]] adds an item and [a.b] goes on in its last item. Written as a value it
 * is CLOSED. */
#include "toml_scalar.h"
#include "toml_string.h"

#include "base/map.h"

enum origin { CLOSED, HEADER, IMPLICIT, DOTTED };

struct parser {
    struct toml_text text;
    size_t node_count;
};

/* ---- the tree ---- */

/* The index of a table is a binary trie over the bits of the keys' hashes, its nodes the entries
 * themselves: it needs no memory of its own and no closing. Gives the place where the entry hangs,
 * or where it has to be hung. */
static struct toml_node **index_place(struct toml_node **place, struct slice key)
{
    uint64_t hash = hash_sip13(0, 0, key);
    while (*place && !slice_eq((*place)->key, key)) {
        place = &(*place)->child[hash >> 63];
        hash <<= 1;
    }
    return place;
}

static void list_append(struct toml_node *list, struct toml_node *node)
{
    if (list->list.last)
        list->list.last->next = node;
    else
        list->list.first = node;
    list->list.last = node;
    list->list.count++;
}

/* A new last item of an array. NULL: a ceiling is reached, the error is set. */
static struct toml_node *new_item(struct parser *p, struct toml_node *array, const char *at)
{
    if (array->depth >= TOML_DEPTH_MAX) {
        toml_text_fail(&p->text, at, "nested deeper than %d", TOML_DEPTH_MAX);
        return NULL;
    }
    if (p->node_count >= TOML_NODES_MAX) {
        toml_text_fail(&p->text, at, "the document has more than %d values", TOML_NODES_MAX);
        return NULL;
    }
    p->node_count++;
    struct toml_node *node = arena_new(p->text.arena, sizeof *node);
    node->depth = array->depth + 1;
    node->at = toml_text_locate(&p->text, at);
    list_append(array, node);
    return node;
}

/* One part of a key as it was written. */
struct part {
    struct slice name; /* decoded, in the arena */
    const char *at;
    struct slice path; /* from the key's first part to this one, for error texts */
};

/* A new entry of a table, to hang at `place` of its index. NULL: the error is set. */
static struct toml_node *new_entry(struct parser *p, struct toml_node *table,
                                   struct toml_node **place, const struct part *part)
{
    struct toml_node *node = new_item(p, table, part->at);
    if (!node)
        return NULL;
    node->key = part->name;
    node->key_at = node->at;
    *place = node;
    return node;
}

static bool is_table(const struct toml_node *node, enum origin origin)
{
    return node->kind == TOML_TABLE && node->origin == (int)origin;
}

/* What part->path names is there already and cannot be what the document wants of it now. */
static void fail_entry(struct parser *p, const struct part *part, const struct toml_node *found)
{
    struct toml_quote path = toml_quote(part->path);
    int line = found->key_at.line ? found->key_at.line : found->at.line;
    if (is_table(found, CLOSED))
        toml_text_fail(&p->text, part->at,
                       "nothing can be added to '%s', the inline table of line %d", path.s, line);
    else if (found->kind == TOML_TABLE)
        toml_text_fail(&p->text, part->at,
                       "table '%s' of line %d cannot be extended with dotted keys", path.s, line);
    else if (found->kind == TOML_ARRAY && found->origin == CLOSED)
        toml_text_fail(&p->text, part->at, "nothing can be added to '%s', the array of line %d",
                       path.s, line);
    else if (found->kind == TOML_ARRAY)
        toml_text_fail(&p->text, part->at,
                       "array of tables '%s' of line %d cannot be extended with dotted keys",
                       path.s, line);
    else
        toml_text_fail(&p->text, part->at, "'%s' is not a table but the %s of line %d", path.s,
                       toml_kind_name(found->kind), line);
}

/* ---- keys ---- */

static bool is_bare_key(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '_' || c == '-';
}

static bool parse_part(struct parser *p, const char *key_start, struct part *out)
{
    struct toml_text *t = &p->text;
    out->at = t->p;
    char c = toml_text_peek(t, 0);
    if (c == '"' || c == '\'') {
        if (!toml_string_parse_key(t, &out->name))
            return false;
    } else if (is_bare_key(c)) {
        while (is_bare_key(toml_text_peek(t, 0)))
            t->p++;
        out->name = arena_copy(t->arena, slice_of(out->at, (size_t)(t->p - out->at)));
    } else {
        return toml_text_fail(t, t->p, "expected a key, found %s", toml_text_found(t).s);
    }
    out->path = slice_of(key_start, (size_t)(t->p - key_start));
    return true;
}

/* True when a dot follows, which is skipped with the blanks around it. */
static bool skip_dot(struct toml_text *t)
{
    toml_text_skip_blanks(t);
    if (!toml_text_accept(t, "."))
        return false;
    toml_text_skip_blanks(t);
    return true;
}

/* The way of a dotted key through this part. NULL: refused. */
static struct toml_node *step_dotted(struct parser *p, struct toml_node *table,
                                     const struct part *part)
{
    struct toml_node **place = index_place(&table->index, part->name);
    struct toml_node *node = *place;
    if (!node) {
        node = new_entry(p, table, place, part);
        if (!node)
            return NULL;
        node->kind = TOML_TABLE;
    } else if (!is_table(node, IMPLICIT) && !is_table(node, DOTTED)) {
        fail_entry(p, part, node);
        return NULL;
    }
    node->origin = DOTTED;
    return node;
}

/* The way of a header through this part. NULL: refused. */
static struct toml_node *step_header(struct parser *p, struct toml_node *table,
                                     const struct part *part)
{
    struct toml_node **place = index_place(&table->index, part->name);
    struct toml_node *node = *place;
    if (!node) {
        node = new_entry(p, table, place, part);
        if (node) {
            node->kind = TOML_TABLE;
            node->origin = IMPLICIT;
        }
        return node;
    }
    if (node->kind == TOML_TABLE && node->origin != CLOSED)
        return node;
    if (node->kind == TOML_ARRAY && node->origin != CLOSED)
        return node->list.last;
    fail_entry(p, part, node);
    return NULL;
}

/* ---- values ---- */

static bool parse_value(struct parser *p, struct toml_node *out);

/* key = value, the cursor on the key. */
static bool parse_pair(struct parser *p, struct toml_node *table)
{
    struct toml_text *t = &p->text;
    const char *start = t->p;
    struct part part;
    if (!parse_part(p, start, &part))
        return false;
    while (skip_dot(t)) {
        table = step_dotted(p, table, &part);
        if (!table || !parse_part(p, start, &part))
            return false;
    }
    struct toml_quote path = toml_quote(part.path);
    if (!toml_text_accept(t, "="))
        return toml_text_fail(t, t->p, "expected '=' behind key '%s', found %s", path.s,
                              toml_text_found(t).s);
    toml_text_skip_blanks(t);

    struct toml_node **place = index_place(&table->index, part.name);
    if (*place)
        return toml_text_fail(t, part.at, "key '%s' is already defined on line %d", path.s,
                              (*place)->key_at.line);
    struct toml_node *node = new_entry(p, table, place, &part);
    if (!node)
        return false;
    node->at = toml_text_locate(t, t->p);
    return parse_value(p, node);
}

/* Skips blanks within an inline table. False: its line ends here. */
static bool stay_on_line(struct toml_text *t, const struct toml_node *table)
{
    toml_text_skip_blanks(t);
    char c = toml_text_peek(t, 0);
    if (c == '\r' || c == '\n' || c == '#' || c == '\0')
        return toml_text_fail(t, t->p, "the inline table of line %d is not closed on its line",
                              table->at.line);
    return true;
}

/* One line only, no comma behind the last pair: TOML 1.0.0. */
static bool parse_inline_table(struct parser *p, struct toml_node *out)
{
    struct toml_text *t = &p->text;
    out->kind = TOML_TABLE;
    out->origin = CLOSED;
    t->p++;
    if (!stay_on_line(t, out))
        return false;
    if (toml_text_accept(t, "}"))
        return true;
    for (;;) {
        if (!parse_pair(p, out) || !stay_on_line(t, out))
            return false;
        if (toml_text_accept(t, "}"))
            return true;
        if (!toml_text_accept(t, ","))
            return toml_text_fail(t, t->p, "expected ',' or '}' in the inline table, found %s",
                                  toml_text_found(t).s);
        if (!stay_on_line(t, out))
            return false;
        if (toml_text_peek(t, 0) == '}')
            return toml_text_fail(t, t->p, "no comma behind the last key of an inline table");
    }
}

static void skip_blank_lines(struct toml_text *t)
{
    do {
        toml_text_skip_blanks(t);
        toml_text_skip_comment(t);
    } while (toml_text_skip_newline(t));
}

static bool parse_array(struct parser *p, struct toml_node *out)
{
    struct toml_text *t = &p->text;
    out->kind = TOML_ARRAY;
    out->origin = CLOSED;
    t->p++;
    skip_blank_lines(t);
    while (t->p < t->end) {
        if (toml_text_accept(t, "]"))
            return true;
        struct toml_node *item = new_item(p, out, t->p);
        if (!item || !parse_value(p, item))
            return false;
        skip_blank_lines(t);
        if (toml_text_accept(t, ","))
            skip_blank_lines(t);
        else if (t->p < t->end && *t->p != ']')
            return toml_text_fail(t, t->p, "expected ',' or ']' in the array of line %d, found %s",
                                  out->at.line, toml_text_found(t).s);
    }
    return toml_text_fail(t, t->p, "the array of line %d is not closed", out->at.line);
}

static bool parse_value(struct parser *p, struct toml_node *out)
{
    switch (toml_text_peek(&p->text, 0)) {
    case '"':
    case '\'':
        out->kind = TOML_STRING;
        return toml_string_parse(&p->text, &out->string);
    case '[':
        return parse_array(p, out);
    case '{':
        return parse_inline_table(p, out);
    default:
        return toml_scalar_parse(&p->text, out);
    }
}

/* ---- lines ---- */

/* The last part of [a.b]. NULL: refused. */
static struct toml_node *define_table(struct parser *p, struct toml_node *parent,
                                      const struct part *part, struct toml_spot bracket)
{
    struct toml_node **place = index_place(&parent->index, part->name);
    struct toml_node *node = *place;
    if (!node) {
        node = new_entry(p, parent, place, part);
        if (!node)
            return NULL;
        node->kind = TOML_TABLE;
    } else if (is_table(node, IMPLICIT)) {
        node->key_at = toml_text_locate(&p->text, part->at);
    } else {
        toml_text_fail(&p->text, part->at, "%s '%s' is already defined on line %d",
                       node->kind == TOML_TABLE ? "table" : "key", toml_quote(part->path).s,
                       node->key_at.line);
        return NULL;
    }
    node->at = bracket;
    node->origin = HEADER;
    return node;
}

/* The last part of [[a.b]]. NULL: refused. */
static struct toml_node *define_item(struct parser *p, struct toml_node *parent,
                                     const struct part *part, struct toml_spot bracket)
{
    struct toml_node **place = index_place(&parent->index, part->name);
    struct toml_node *array = *place;
    if (!array) {
        array = new_entry(p, parent, place, part);
        if (!array)
            return NULL;
        array->kind = TOML_ARRAY;
        array->origin = HEADER;
        array->at = bracket;
    } else if (array->kind != TOML_ARRAY || array->origin != HEADER) {
        toml_text_fail(&p->text, part->at, "'%s' is not an array of tables but the %s of line %d",
                       toml_quote(part->path).s, toml_kind_name(array->kind), array->key_at.line);
        return NULL;
    }
    struct toml_node *item = new_item(p, array, part->at);
    if (item) {
        item->kind = TOML_TABLE;
        item->origin = HEADER;
        item->at = bracket;
    }
    return item;
}

/* [a.b] or [[a.b]]: *open becomes the table that the next lines fill. */
static bool parse_header(struct parser *p, struct toml_node *root, struct toml_node **open)
{
    struct toml_text *t = &p->text;
    struct toml_spot bracket = toml_text_locate(t, t->p);
    bool is_item = toml_text_accept(t, "[[");
    if (!is_item)
        t->p++;
    toml_text_skip_blanks(t);

    const char *start = t->p;
    struct toml_node *table = root;
    struct part part;
    if (!parse_part(p, start, &part))
        return false;
    while (skip_dot(t)) {
        table = step_header(p, table, &part);
        if (!table || !parse_part(p, start, &part))
            return false;
    }
    if (!toml_text_accept(t, is_item ? "]]" : "]"))
        return toml_text_fail(t, t->p, "expected '%s' behind the table's name, found %s",
                              is_item ? "]]" : "]", toml_text_found(t).s);
    *open =
        is_item ? define_item(p, table, &part, bracket) : define_table(p, table, &part, bracket);
    return *open != NULL;
}

static bool parse_document(struct parser *p, struct toml_node *root)
{
    struct toml_text *t = &p->text;
    struct toml_node *open = root;
    for (;;) {
        skip_blank_lines(t);
        if (t->p == t->end)
            return true;
        bool is_header = toml_text_peek(t, 0) == '[';
        if (!(is_header ? parse_header(p, root, &open) : parse_pair(p, open)))
            return false;
        toml_text_skip_blanks(t);
        toml_text_skip_comment(t);
        if (t->p < t->end && !toml_text_skip_newline(t))
            return toml_text_fail(t, t->p, "expected the end of the line behind the %s, found %s",
                                  is_header ? "table's name" : "value", toml_text_found(t).s);
    }
}

bool toml_parse(struct slice text, struct arena *arena, struct toml_node **root,
                struct toml_error *error)
{
    struct parser p = {.node_count = 0};
    *root = NULL;
    *error = (struct toml_error){.line = 0};
    if (!toml_text_init(&p.text, text, arena, error))
        return false;

    struct toml_node *table = arena_new(arena, sizeof *table);
    table->kind = TOML_TABLE;
    table->origin = HEADER;
    table->at = (struct toml_spot){1, 1};
    if (!parse_document(&p, table))
        return false;
    *root = table;
    return true;
}

const struct toml_node *toml_get(const struct toml_node *table, struct slice key)
{
    CHECK(table->kind == TOML_TABLE);
    struct toml_node *index = table->index;
    return *index_place(&index, key);
}

const struct toml_node *toml_first(const struct toml_node *list)
{
    CHECK(list->kind == TOML_TABLE || list->kind == TOML_ARRAY);
    return list->list.first;
}

const char *toml_kind_name(enum toml_kind kind)
{
    static const char *const names[] = {
        [TOML_STRING] = "string",
        [TOML_INTEGER] = "integer",
        [TOML_FLOAT] = "float",
        [TOML_BOOL] = "boolean",
        [TOML_OFFSET_DATE_TIME] = "offset date-time",
        [TOML_LOCAL_DATE_TIME] = "local date-time",
        [TOML_LOCAL_DATE] = "local date",
        [TOML_LOCAL_TIME] = "local time",
        [TOML_ARRAY] = "array",
        [TOML_TABLE] = "table",
    };
    return names[kind];
}
