/* toml_case.h -- what the tests of this room share: a tree as one line of text, and a table of
 * documents with what comes of them.
 *
 * Every document is also cut short at each byte: the beginning of a document is a document or it
 * is refused at a place within it. Documents are parsed from memory of their exact size, so that
 * the sanitizer sees a byte too many. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "toml/toml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct toml_case {
    const char *shows;
    const char *text;
    const char *tree; /* NULL: refused, as the next three say */
    int line, column;
    const char *error;
};

static void dump_time(struct buf *out, const struct toml_node *n)
{
    const struct toml_time *t = &n->time;
    if (n->kind != TOML_LOCAL_TIME)
        buf_addf(out, "%04d-%02d-%02d", t->year, t->month, t->day);
    if (n->kind == TOML_LOCAL_DATE)
        return;
    buf_addf(out, "T%02d:%02d:%02d.%09d", t->hour, t->minute, t->second, t->nanosecond);
    if (n->kind == TOML_OFFSET_DATE_TIME)
        buf_addf(out, "%+dmin", t->offset_minutes);
}

static void dump_node(struct buf *out, const struct toml_node *n)
{
    switch (n->kind) {
    case TOML_STRING:
        buf_add_char(out, '"');
        buf_add(out, n->string);
        buf_add_char(out, '"');
        assert_int_equal(n->string.p[n->string.n], 0);
        break;
    case TOML_INTEGER:
        buf_addf(out, "%lld", (long long)n->integer);
        break;
    case TOML_FLOAT:
        buf_addf(out, "f%.17g", n->number);
        break;
    case TOML_BOOL:
        buf_add_cstr(out, n->boolean ? "true" : "false");
        break;
    case TOML_OFFSET_DATE_TIME:
    case TOML_LOCAL_DATE_TIME:
    case TOML_LOCAL_DATE:
    case TOML_LOCAL_TIME:
        dump_time(out, n);
        break;
    case TOML_ARRAY:
    case TOML_TABLE:
        buf_add_char(out, n->kind == TOML_TABLE ? '{' : '[');
        for (const struct toml_node *e = toml_first(n); e; e = e->next) {
            if (n->kind == TOML_TABLE) {
                assert_ptr_equal(toml_get(n, e->key), e);
                buf_add(out, e->key);
                buf_add_char(out, '=');
            }
            dump_node(out, e);
            if (e->next)
                buf_add_char(out, ' ');
        }
        buf_add_char(out, n->kind == TOML_TABLE ? '}' : ']');
        break;
    }
}

static void check_error(struct slice text, const struct toml_error *e)
{
    int lines = 1;
    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    assert_in_range(e->line, 1, lines);
    assert_in_range(e->column, 1, text.n + 1);
    assert_in_range(strlen(e->text), 1, sizeof e->text - 1);
    assert_true(utf8_is_valid(slice_cstr(e->text)));
    for (const char *p = e->text; *p; p++)
        assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
}

static void check_cut_short(struct slice text)
{
    for (size_t n = 0; n <= text.n; n++) {
        struct arena arena;
        struct toml_node *root = NULL;
        struct toml_error error;
        char *copy = malloc(n + 1);
        memcpy(copy + 1, text.p, n); /* the end of the block is the end of the text */
        arena_init(&arena, 4096);
        if (toml_parse(slice_of(copy + 1, n), &arena, &root, &error)) {
            assert_non_null(root);
        } else {
            assert_null(root);
            check_error(slice_of(copy + 1, n), &error);
        }
        arena_close(&arena);
        free(copy);
    }
}

static void check_case(const struct toml_case *c)
{
    struct arena arena;
    struct buf out;
    struct toml_node *root;
    struct toml_error error;
    arena_init(&arena, 4096);
    buf_init(&out, 64 * 1024);

    bool is_valid = toml_parse(slice_cstr(c->text), &arena, &root, &error);
    if (is_valid)
        dump_node(&out, root);
    if (is_valid != (c->tree != NULL))
        fail_msg("%s: %s", c->shows, is_valid ? buf_cstr(&out) : error.text);
    if (is_valid && strcmp(buf_cstr(&out), c->tree) != 0)
        fail_msg("%s: expected %s, got %s", c->shows, c->tree, buf_cstr(&out));
    if (!is_valid &&
        (error.line != c->line || error.column != c->column || strcmp(error.text, c->error) != 0))
        fail_msg("%s: expected %d:%d: %s, got %d:%d: %s", c->shows, c->line, c->column, c->error,
                 error.line, error.column, error.text);
    check_cut_short(slice_cstr(c->text));
    buf_close(&out);
    arena_close(&arena);
}

static void check_cases(const struct toml_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_case(&cases[i]);
}
