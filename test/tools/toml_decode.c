/* toml_decode.c -- TOML on stdin, the tagged JSON of the toml-test suite on stdout.
 *
 * Exit 0 when the document is valid, 1 with "line:column: text" on stderr when it is not. */
#include "toml/toml.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void print_string(struct slice s)
{
    putchar('"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < 0x20)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static void print_date(const struct toml_time *t)
{
    printf("%04d-%02d-%02d", t->year, t->month, t->day);
}

static void print_time(const struct toml_time *t)
{
    printf("%02d:%02d:%02d", t->hour, t->minute, t->second);
    if (t->nanosecond)
        printf(".%09d", t->nanosecond);
}

static void print_offset(int minutes)
{
    if (minutes == 0)
        putchar('Z');
    else
        printf("%c%02d:%02d", minutes < 0 ? '-' : '+', abs(minutes) / 60, abs(minutes) % 60);
}

static void print_float(double v)
{
    if (isnan(v))
        printf("nan");
    else if (isinf(v))
        printf("%sinf", v < 0 ? "-" : "");
    else
        printf("%.17g", v);
}

static void print_node(const struct toml_node *node);

static void print_list(const struct toml_node *list)
{
    bool is_table = list->kind == TOML_TABLE;
    putchar(is_table ? '{' : '[');
    for (const struct toml_node *n = toml_first(list); n; n = n->next) {
        if (is_table) {
            print_string(n->key);
            putchar(':');
        }
        print_node(n);
        if (n->next)
            putchar(',');
    }
    putchar(is_table ? '}' : ']');
}

static const char *tag(enum toml_kind kind)
{
    switch (kind) {
    case TOML_STRING:
        return "string";
    case TOML_INTEGER:
        return "integer";
    case TOML_FLOAT:
        return "float";
    case TOML_BOOL:
        return "bool";
    case TOML_OFFSET_DATE_TIME:
        return "datetime";
    case TOML_LOCAL_DATE_TIME:
        return "datetime-local";
    case TOML_LOCAL_DATE:
        return "date-local";
    case TOML_LOCAL_TIME:
        return "time-local";
    case TOML_ARRAY:
    case TOML_TABLE:
        break;
    }
    return "";
}

static void print_value(const struct toml_node *node)
{
    switch (node->kind) {
    case TOML_STRING:
    case TOML_ARRAY:
    case TOML_TABLE:
        break;
    case TOML_INTEGER:
        printf("%lld", (long long)node->integer);
        break;
    case TOML_FLOAT:
        print_float(node->number);
        break;
    case TOML_BOOL:
        printf(node->boolean ? "true" : "false");
        break;
    case TOML_OFFSET_DATE_TIME:
    case TOML_LOCAL_DATE_TIME:
        print_date(&node->time);
        putchar('T');
        print_time(&node->time);
        if (node->kind == TOML_OFFSET_DATE_TIME)
            print_offset(node->time.offset_minutes);
        break;
    case TOML_LOCAL_DATE:
        print_date(&node->time);
        break;
    case TOML_LOCAL_TIME:
        print_time(&node->time);
        break;
    }
}

static void print_node(const struct toml_node *node)
{
    if (node->kind == TOML_ARRAY || node->kind == TOML_TABLE) {
        print_list(node);
        return;
    }
    printf("{\"type\":\"%s\",\"value\":", tag(node->kind));
    if (node->kind == TOML_STRING) {
        print_string(node->string);
    } else {
        putchar('"');
        print_value(node);
        putchar('"');
    }
    putchar('}');
}

int main(void)
{
    size_t max = TOML_BYTES_MAX + 1; /* one more, so that the parser sees what is too large */
    char *text = malloc(max);
    if (!text) {
        fprintf(stderr, "no memory\n");
        return 2;
    }
    size_t n = fread(text, 1, max, stdin);

    struct arena arena;
    arena_init(&arena, 64 * 1024);
    struct toml_node *root;
    struct toml_error error;
    bool is_valid = toml_parse(slice_of(text, n), &arena, &root, &error);
    if (is_valid) {
        print_node(root);
        putchar('\n');
    } else {
        fprintf(stderr, "%d:%d: %s\n", error.line, error.column, error.text);
    }
    arena_close(&arena);
    free(text);
    return is_valid ? 0 : 1;
}
