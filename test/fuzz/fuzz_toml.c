/* fuzz_toml.c -- any bytes are a TOML document or are refused at a place in them, and a tree keeps
 * what toml.h says of it. */
#include "base/utf8.h"
#include "toml/toml.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_spot(struct toml_spot spot, int lines, size_t size)
{
    CHECK(spot.line >= 1 && spot.line <= lines);
    CHECK(spot.column >= 1 && (size_t)spot.column <= size + 1);
}

static void check_text(struct slice s)
{
    CHECK(s.p && s.p[s.n] == '\0');
    CHECK(utf8_is_valid(s));
}

static void check_time(const struct toml_node *n)
{
    const struct toml_time *t = &n->time;
    bool has_date = n->kind != TOML_LOCAL_TIME;
    CHECK(t->year >= 0 && t->year <= 9999);
    CHECK(t->month >= has_date && t->month <= 12 * has_date);
    CHECK(t->day >= has_date && t->day <= 31 * has_date);
    CHECK(t->hour >= 0 && t->hour <= 23 && t->minute >= 0 && t->minute <= 59);
    CHECK(t->second >= 0 && t->second <= 60);
    CHECK(t->nanosecond >= 0 && t->nanosecond <= 999999999);
    CHECK(t->offset_minutes > -24 * 60 && t->offset_minutes < 24 * 60);
    CHECK(n->kind == TOML_OFFSET_DATE_TIME || t->offset_minutes == 0);
}

static void check_node(const struct toml_node *n, int lines, size_t size, int depth);

static void check_list(const struct toml_node *list, int lines, size_t size, int depth)
{
    bool is_table = list->kind == TOML_TABLE;
    const struct toml_node *last = NULL;
    size_t count = 0;
    for (const struct toml_node *n = toml_first(list); n; n = n->next) {
        if (is_table) {
            check_text(n->key);
            check_spot(n->key_at, lines, size);
            CHECK(toml_get(list, n->key) == n); /* so no key is there twice */
        } else {
            CHECK(n->key.n == 0 && n->key_at.line == 0);
        }
        check_node(n, lines, size, depth + 1);
        last = n;
        count++;
    }
    CHECK(list->list.last == last && list->list.count == count);
}

static void check_node(const struct toml_node *n, int lines, size_t size, int depth)
{
    CHECK(depth <= TOML_DEPTH_MAX && n->depth == depth);
    check_spot(n->at, lines, size);
    CHECK(toml_kind_name(n->kind)[0] != '\0');
    switch (n->kind) {
    case TOML_STRING:
        check_text(n->string);
        break;
    case TOML_INTEGER:
    case TOML_FLOAT:
    case TOML_BOOL:
        break;
    case TOML_OFFSET_DATE_TIME:
    case TOML_LOCAL_DATE_TIME:
    case TOML_LOCAL_DATE:
    case TOML_LOCAL_TIME:
        check_time(n);
        break;
    case TOML_ARRAY:
    case TOML_TABLE:
        check_list(n, lines, size, depth);
        break;
    }
}

static void check_error(const struct toml_error *e, int lines, size_t size)
{
    size_t n = strnlen(e->text, sizeof e->text);
    CHECK(n > 0 && n < sizeof e->text - 1);
    check_text(slice_of(e->text, n));
    check_spot((struct toml_spot){e->line, e->column}, lines, size);
    for (size_t i = 0; i < n; i++)
        CHECK((unsigned char)e->text[i] >= 0x20 && e->text[i] != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';

    struct arena arena;
    struct toml_node *root;
    struct toml_error error;
    arena_init(&arena, 4096);
    if (toml_parse(slice_of(data, size), &arena, &root, &error)) {
        CHECK(root->kind == TOML_TABLE);
        CHECK(utf8_is_valid(slice_of(data, size)));
        check_node(root, lines, size, 0);
    } else {
        CHECK(!root);
        check_error(&error, lines, size);
    }
    arena_close(&arena);
    return 0;
}
