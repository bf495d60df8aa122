/* Tests of toml.c and toml_text.c: lines, keys, tables, arrays, places, ceilings. */
#include "toml_case.h"

static const struct toml_case documents[] = {
    {"nothing", "", "{}", 0, 0, NULL},
    {"only a comment without a line end", "# x", "{}", 0, 0, NULL},
    {"only blank lines", "\n \t\r\n\n", "{}", 0, 0, NULL},
    {"a byte order mark is skipped",
     "\xef\xbb\xbf"
     "a = 1",
     "{a=1}", 0, 0, NULL},
    {"CRLF ends a line", "a = 1\r\nb = 2 # c\r\n[t]\r\n", "{a=1 b=2 t={}}", 0, 0, NULL},
    {"order is the document's", "z=1\na=2\nm=3", "{z=1 a=2 m=3}", 0, 0, NULL},

    {"no newline within a line", "a = 1 b = 2", NULL, 1, 7,
     "expected the end of the line behind the value, found 'b'"},
    {"nothing behind a header", "[a] b = 2", NULL, 1, 5,
     "expected the end of the line behind the table's name, found 'b'"},
    {"a lone carriage return", "a = 1\rb = 2", NULL, 1, 6,
     "a carriage return without a line feed behind it"},
    {"a carriage return at the end", "a = 1\r", NULL, 1, 6,
     "a carriage return without a line feed behind it"},
    {"a control character in a comment", "a = 1\n# \x01", NULL, 2, 3,
     "control character U+0001 is not allowed"},
    {"DEL in a string", "a = '\x7f'", NULL, 1, 6, "control character U+007F is not allowed"},
    {"bad UTF-8 in a comment", "# \xc3\xa9 \xc3", NULL, 1, 5, "byte 0xc3 is not valid UTF-8"},
    {"a surrogate in UTF-8", "a = '\xed\xa0\x80'", NULL, 1, 6, "byte 0xed is not valid UTF-8"},
    {"UTF-16 is named",
     "\xff\xfe"
     "a",
     NULL, 1, 1, "this is UTF-16: save the file as UTF-8"},
    {"a second byte order mark",
     "\xef\xbb\xbf\xef\xbb\xbf"
     "a=1",
     NULL, 1, 1, "expected a key, found character U+FEFF"},
    {"columns count characters", "\"\xc3\xa9\xe2\x82\xac\" = x", NULL, 1, 8,
     "'x' is not a value: put text in quotes"},
    {"a tab is one column", "\t\ta = x", NULL, 1, 7, "'x' is not a value: put text in quotes"},
    {"a direction mark does not reach the terminal", "a = \xe2\x80\xaex", NULL, 1, 5,
     "'?x' is not a value: put text in quotes"},
    {"a long word is cut in the error",
     "a = xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", NULL, 1,
     5,
     "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...' is not a value: put text "
     "in quotes"},
};

static const struct toml_case keys[] = {
    {"bare, of any allowed character", "aZ0_-=1\n0=2\n-=3", "{aZ0_-=1 0=2 -=3}", 0, 0, NULL},
    {"quoted, and empty", "\"a b\"=1\n''=2", "{a b=1 =2}", 0, 0, NULL},
    {"dotted", "a.b.c=1\na.d=2", "{a={b={c=1} d=2}}", 0, 0, NULL},
    {"dotted with blanks and quotes", "a . \"b.c\" .'d'=1", "{a={b.c={d=1}}}", 0, 0, NULL},
    {"a number with a point is two keys", "3.14=1", "{3={14=1}}", 0, 0, NULL},
    {"dotted out of order", "a.x=1\nb.x=2\na.y=3", "{a={x=1 y=3} b={x=2}}", 0, 0, NULL},

    {"none", " = 1", NULL, 1, 2, "expected a key, found '='"},
    {"none behind a dot", "a. = 1", NULL, 1, 4, "expected a key, found '='"},
    {"not ASCII and bare", "\xc3\xa9 = 1", NULL, 1, 1, "expected a key, found '\xc3\xa9'"},
    {"no equals sign", "\n\nkey", NULL, 3, 4,
     "expected '=' behind key 'key', found the end of the file"},
    {"colon as in YAML", "key: 1", NULL, 1, 4, "expected '=' behind key 'key', found ':'"},
    {"no value", "key =\n", NULL, 1, 6, "expected a value, found the end of the line"},
    {"a key of several lines", "'''a''' = 1", NULL, 1, 1,
     "a key cannot be a string of several lines"},
    {"twice", "a = 1\n\n  a = 2", NULL, 3, 3, "key 'a' is already defined on line 1"},
    {"twice, written in two ways", "a = 1\n\"\\u0061\" = 2", NULL, 2, 1,
     "key '\"\\u0061\"' is already defined on line 1"},
    {"twice below dots", "a.b = 1\na.b = 2", NULL, 2, 3, "key 'a.b' is already defined on line 1"},
    {"a value is no table", "a = 1\na.b = 2", NULL, 2, 1,
     "'a' is not a table but the integer of line 1"},
    {"a table is no value", "a.b = 1\na = 2", NULL, 2, 1, "key 'a' is already defined on line 1"},
};

static const struct toml_case tables[] = {
    {"header", "[a]\nx=1\n[b]\nx=2", "{a={x=1} b={x=2}}", 0, 0, NULL},
    {"header with blanks, quotes and dots", "[ a . 'b.c' ]\nx=1", "{a={b.c={x=1}}}", 0, 0, NULL},
    {"the table above may come later", "[a.b]\nx=1\n[a]\ny=2", "{a={b={x=1} y=2}}", 0, 0, NULL},
    {"sub-table of a dotted table", "a.b.c=1\n[a.b.d]\nx=1", "{a={b={c=1 d={x=1}}}}", 0, 0, NULL},
    {"dots into a table that was only a way", "[a.b]\n[a]\nc.x=1\nb2.x=2",
     "{a={b={} c={x=1} b2={x=2}}}", 0, 0, NULL},
    {"dots extend a table that was only a way", "[a.b.c]\n[a]\nb.x=1", "{a={b={c={} x=1}}}", 0, 0,
     NULL},
    {"array of tables", "[[a]]\nx=1\n[[a]]\n[[a]]\nx=3", "{a=[{x=1} {} {x=3}]}", 0, 0, NULL},
    {"nested: the last item goes on", "[[a]]\n[[a.b]]\nx=1\n[[a]]\n[[a.b]]\nx=2\n[a.c]",
     "{a=[{b=[{x=1}]} {b=[{x=2}] c={}}]}", 0, 0, NULL},
    {"inline", "a = { x = 1, y.z = 2 , w={} }", "{a={x=1 y={z=2} w={}}}", 0, 0, NULL},
    {"inline with lines inside a value", "a = { x = [\n1,\n2\n], y = '''\nb''' }",
     "{a={x=[1 2] y=\"b\"}}", 0, 0, NULL},

    {"header twice", "[a]\n[b]\n[a]", NULL, 3, 2, "table 'a' is already defined on line 1"},
    {"header over a value", "[a]\nb = 1\n[ a.b ]", NULL, 3, 5,
     "key 'a.b' is already defined on line 2"},
    {"header below a value", "a = 'x'\n[a.b]", NULL, 2, 2,
     "'a' is not a table but the string of line 1"},
    {"header over a dotted table", "[a]\nb.c = 1\n[a.b]", NULL, 3, 4,
     "table 'a.b' is already defined on line 2"},
    {"dots into a table with its own header", "[a.b]\n[a]\nb.c = 1", NULL, 3, 1,
     "table 'b' of line 1 cannot be extended with dotted keys"},
    {"dots into an array of tables", "[[a.b]]\n[a]\nb.c = 1", NULL, 3, 1,
     "array of tables 'b' of line 1 cannot be extended with dotted keys"},
    {"header over a table that dots extended", "[a.b.c]\n[a]\nb.x=1\n[a.b]", NULL, 4, 4,
     "table 'a.b' is already defined on line 1"},
    {"an inline table is closed for dots", "a = {x=1}\na.y = 2", NULL, 2, 1,
     "nothing can be added to 'a', the inline table of line 1"},
    {"an inline table is closed for headers", "a = {x={}}\n[a.x.y]", NULL, 2, 2,
     "nothing can be added to 'a', the inline table of line 1"},
    {"an inline table is closed within another", "t = { a = {x=1}, a.y = 2 }", NULL, 1, 18,
     "nothing can be added to 'a', the inline table of line 1"},
    {"a key twice in an inline table", "t = { a = 1, a = 2 }", NULL, 1, 14,
     "key 'a' is already defined on line 1"},
    {"a written array is closed", "a = [{}]\n[[a]]", NULL, 2, 3,
     "'a' is not an array of tables but the array of line 1"},
    {"a written array is closed below", "a = [{}]\n[a.b]", NULL, 2, 2,
     "nothing can be added to 'a', the array of line 1"},
    {"an array of tables over a table", "[a]\n[[a]]", NULL, 2, 3,
     "'a' is not an array of tables but the table of line 1"},
    {"an array of tables over a way", "[[a.b]]\n[[a]]", NULL, 2, 3,
     "'a' is not an array of tables but the table of line 1"},
    {"a table over an array of tables", "[[a]]\n[a]", NULL, 2, 2,
     "key 'a' is already defined on line 1"},
    {"header without end", "[a\nb=1", NULL, 1, 3,
     "expected ']' behind the table's name, found the end of the line"},
    {"half an array header", "[[a] ]", NULL, 1, 4,
     "expected ']]' behind the table's name, found ']'"},
    {"blank between the brackets", "[ [a]]", NULL, 1, 3, "expected a key, found '['"},
    {"header without a name", "[]", NULL, 1, 2, "expected a key, found ']'"},
    {"inline over several lines", "a = {\nx=1 }", NULL, 1, 6,
     "the inline table of line 1 is not closed on its line"},
    {"inline without end", "a = { x=1", NULL, 1, 10,
     "the inline table of line 1 is not closed on its line"},
    {"inline with a comma at the end", "a = { x=1, }", NULL, 1, 12,
     "no comma behind the last key of an inline table"},
    {"inline without a comma", "a = { x=1 y=2 }", NULL, 1, 11,
     "expected ',' or '}' in the inline table, found 'y'"},
};

static const struct toml_case arrays[] = {
    {"empty", "a=[]\nb=[ \n# c\n ]", "{a=[] b=[]}", 0, 0, NULL},
    {"of mixed kinds", "a=[1,'x',2.5,[true],{b=1}]", "{a=[1 \"x\" f2.5 [true] {b=1}]}", 0, 0, NULL},
    {"over lines, commented, a comma at the end", "a=[ # x\n1, # y\r\n\n2 # z\n,\n]", "{a=[1 2]}",
     0, 0, NULL},
    {"only a comma", "a=[,]", NULL, 1, 4, "expected a value, found ','"},
    {"two commas", "a=[1,,2]", NULL, 1, 6, "expected a value, found ','"},
    {"no comma", "a=[\n1\n2]", NULL, 3, 1, "expected ',' or ']' in the array of line 1, found '2'"},
    {"not closed", "\na=[\n1,\n\n", NULL, 5, 1, "the array of line 2 is not closed"},
    {"not closed before the next key", "a=[1,\nb=2", NULL, 2, 1,
     "'b=2' is not a value: put text in quotes"},
};

static void test_documents(void **state)
{
    check_cases(documents, COUNT_OF(documents));
}

static void test_keys(void **state)
{
    check_cases(keys, COUNT_OF(keys));
}

static void test_tables(void **state)
{
    check_cases(tables, COUNT_OF(tables));
}

static void test_arrays(void **state)
{
    check_cases(arrays, COUNT_OF(arrays));
}

static bool parse_buf(struct buf *text, struct arena *arena, struct toml_node **root,
                      struct toml_error *error)
{
    assert_false(text->is_full);
    return toml_parse(buf_slice(text), arena, root, error);
}

static void test_places(void **state)
{
    static const struct {
        const char *path;
        struct toml_spot key, value;
    } rows[] = {
        {"a", {2, 2}, {2, 6}},     {"t", {3, 3}, {3, 1}},   {"t.b", {4, 1}, {4, 1}},
        {"t.b.c", {4, 3}, {4, 7}}, {"u", {5, 4}, {5, 1}},   {"w", {6, 3}, {6, 3}},
        {"w.v", {8, 4}, {8, 1}},   {"w.x", {6, 6}, {6, 1}},
    };
    struct arena arena;
    struct toml_node *root;
    struct toml_error error;
    arena_init(&arena, 4096);
    assert_true(toml_parse(SLICE("\n a = 1\n[ t]\nb.c = {}\n[[ u]]\n[ w. x]\n[[u]]\n[w.v]\n"),
                           &arena, &root, &error));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct toml_node *n = root;
        struct slice path = slice_cstr(rows[i].path);
        while (path.n > 0) {
            size_t dot = slice_find(path, '.');
            n = toml_get(n, slice_head(path, dot));
            assert_non_null(n);
            path = slice_from(path, dot + 1);
        }
        if (n->key_at.line != rows[i].key.line || n->key_at.column != rows[i].key.column ||
            n->at.line != rows[i].value.line || n->at.column != rows[i].value.column)
            fail_msg("%s: key at %d:%d, value at %d:%d", rows[i].path, n->key_at.line,
                     n->key_at.column, n->at.line, n->at.column);
    }
    const struct toml_node *items = toml_get(root, SLICE("u"));
    assert_int_equal(items->list.count, 2);
    assert_int_equal(toml_first(items)->at.line, 5);
    assert_int_equal(toml_first(items)->next->at.line, 7);
    assert_int_equal(toml_first(items)->next->key_at.line, 0);
    assert_null(toml_get(root, SLICE("A")));
    assert_null(toml_get(root, SLICE("")));
    arena_close(&arena);
}

/* The tree stands on its own: the text may go. */
static void test_text_may_go(void **state)
{
    static const char text[] = "key = 'value'\n\"k2\" = \"v\\n\"";
    struct arena arena;
    struct buf out;
    struct toml_node *root;
    struct toml_error error;
    char *copy = malloc(sizeof text - 1);
    memcpy(copy, text, sizeof text - 1);
    arena_init(&arena, 64);
    buf_init(&out, 1024);
    assert_true(toml_parse(slice_of(copy, sizeof text - 1), &arena, &root, &error));
    memset(copy, 'X', sizeof text - 1);
    free(copy);
    dump_node(&out, root);
    assert_string_equal(buf_cstr(&out), "{key=\"value\" k2=\"v\n\"}");
    buf_close(&out);
    arena_close(&arena);
}

static void test_no_text(void **state)
{
    struct arena arena;
    struct toml_node *root;
    struct toml_error error;
    arena_init(&arena, 64);
    assert_true(toml_parse(SLICE_NONE, &arena, &root, &error));
    assert_null(toml_first(root));
    assert_true(toml_parse(SLICE("\xef\xbb\xbf"), &arena, &root, &error));
    assert_false(toml_parse(slice_of("a=\0", 3), &arena, &root, &error));
    assert_string_equal(error.text, "control character U+0000 is not allowed");
    arena_close(&arena);
}

/* before and after, `count` times each, around the middle */
static void build_nested(struct buf *out, const char *head, const char *before, const char *middle,
                         const char *after, int count)
{
    buf_clear(out);
    buf_add_cstr(out, head);
    for (int i = 0; i < count; i++)
        buf_add_cstr(out, before);
    buf_add_cstr(out, middle);
    for (int i = 0; i < count; i++)
        buf_add_cstr(out, after);
}

static void test_depth(void **state)
{
    static const struct {
        const char *shows, *head, *before, *middle, *after;
        int fits; /* of before and after */
    } rows[] = {
        {"arrays", "a=", "[", "", "]", TOML_DEPTH_MAX},
        {"inline tables", "a=", "{a=", "1", "}", TOML_DEPTH_MAX - 1},
        {"dotted keys", "", "a.", "a=1", "", TOML_DEPTH_MAX - 1},
        {"headers", "[", "a.", "a]", "", TOML_DEPTH_MAX - 1},
        {"arrays of tables", "[[", "a.", "a]]", "", TOML_DEPTH_MAX - 2},
        {"arrays not closed", "a=", "[", "", "", 0},
    };
    struct buf text;
    buf_init(&text, 1 << 20);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        static const int more[] = {0, 1, 10000};
        for (size_t j = 0; j < COUNT_OF(more); j++) {
            struct arena arena;
            struct toml_node *root;
            struct toml_error error;
            build_nested(&text, rows[i].head, rows[i].before, rows[i].middle, rows[i].after,
                         rows[i].fits + more[j]);
            arena_init(&arena, 4096);
            bool is_valid = parse_buf(&text, &arena, &root, &error);
            if (rows[i].fits && is_valid != (more[j] == 0))
                fail_msg("%s, %d more: %s", rows[i].shows, more[j], is_valid ? "fits" : error.text);
            if (more[j] == 10000)
                assert_string_equal(error.text, "nested deeper than 64");
            arena_close(&arena);
        }
    }
    buf_close(&text);
}

static void test_document_size(void **state)
{
    struct arena arena;
    struct toml_node *root;
    struct toml_error error;
    char *text = malloc(TOML_BYTES_MAX + 1);
    memset(text, '#', TOML_BYTES_MAX + 1);
    arena_init(&arena, 4096);
    assert_true(toml_parse(slice_of(text, TOML_BYTES_MAX), &arena, &root, &error));
    assert_false(toml_parse(slice_of(text, TOML_BYTES_MAX + 1), &arena, &root, &error));
    assert_string_equal(error.text, "the document is larger than 16777216 bytes");
    arena_close(&arena);
    free(text);
}

/* One line, so that this also shows that finding columns is not quadratic. */
static void test_node_count(void **state)
{
    for (int more = 0; more < 2; more++) {
        struct arena arena;
        struct toml_node *root;
        struct toml_error error;
        struct buf text;
        buf_init(&text, TOML_BYTES_MAX);
        buf_add_cstr(&text, "a=[");
        for (int i = 0; i < TOML_NODES_MAX - 1 + more; i++)
            buf_add_cstr(&text, "1,");
        buf_add_cstr(&text, "]");
        arena_init(&arena, 1 << 20);
        assert_int_equal(parse_buf(&text, &arena, &root, &error), more == 0);
        if (more) {
            assert_string_equal(error.text, "the document has more than 1000000 values");
            assert_int_equal(error.column, 4 + 2 * (TOML_NODES_MAX - 1));
        } else {
            assert_int_equal(toml_get(root, SLICE("a"))->list.count, TOML_NODES_MAX - 1);
        }
        arena_close(&arena);
        buf_close(&text);
    }
}

static void test_many_keys(void **state)
{
    enum { KEYS = 100 * 1000 };
    struct arena arena;
    struct toml_node *root;
    struct toml_error error;
    struct buf text;
    char key[32];
    buf_init(&text, TOML_BYTES_MAX);
    for (int i = 0; i < KEYS; i++)
        buf_addf(&text, "[t.k%d]\nv=%d\n", i, i);
    arena_init(&arena, 1 << 20);
    assert_true(parse_buf(&text, &arena, &root, &error));

    const struct toml_node *t = toml_get(root, SLICE("t"));
    assert_int_equal(t->list.count, KEYS);
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "k%d", i);
        const struct toml_node *n = toml_get(t, slice_cstr(key));
        assert_non_null(n);
        assert_int_equal(toml_get(n, SLICE("v"))->integer, i);
    }
    assert_null(toml_get(t, SLICE("k100000")));

    buf_add_cstr(&text, "[t.k99999]\n");
    assert_false(parse_buf(&text, &arena, &root, &error));
    assert_string_equal(error.text, "table 't.k99999' is already defined on line 199999");
    arena_close(&arena);
    buf_close(&text);
}

static void test_kind_names(void **state)
{
    for (int kind = TOML_STRING; kind <= TOML_TABLE; kind++)
        assert_true(strlen(toml_kind_name((enum toml_kind)kind)) > 0);
    assert_string_equal(toml_kind_name(TOML_OFFSET_DATE_TIME), "offset date-time");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_documents),     cmocka_unit_test(test_keys),
        cmocka_unit_test(test_tables),        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_places),        cmocka_unit_test(test_text_may_go),
        cmocka_unit_test(test_no_text),       cmocka_unit_test(test_depth),
        cmocka_unit_test(test_document_size), cmocka_unit_test(test_node_count),
        cmocka_unit_test(test_many_keys),     cmocka_unit_test(test_kind_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
