/* Tests of toml_string.c: the four forms. */
#include "toml_case.h"

static const struct toml_case strings[] = {
    {"basic", "a = \"b'c\"", "{a=\"b'c\"}", 0, 0, NULL},
    {"basic, empty", "a = \"\"", "{a=\"\"}", 0, 0, NULL},
    {"each escape of one letter", "a = \"\\b\\t\\n\\f\\r\\\"\\\\\"", "{a=\"\b\t\n\f\r\"\\\"}", 0, 0,
     NULL},
    {"escapes by number", "a = \"\\u00e9\\u20AC\\U0001F600\"",
     "{a=\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}", 0, 0, NULL},
    {"the last code points", "a = \"\\uD7FF\\uE000\\U0010FFFF\"",
     "{a=\"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\"}", 0, 0, NULL},
    {"a byte order mark inside is text", "a = '\xef\xbb\xbf'", "{a=\"\xef\xbb\xbf\"}", 0, 0, NULL},
    {"a tab stands for itself", "a = \"\t\"\nb = '\t'", "{a=\"\t\" b=\"\t\"}", 0, 0, NULL},
    {"# is no comment inside", "a = \"#\" # c\nb='#'", "{a=\"#\" b=\"#\"}", 0, 0, NULL},
    {"literal: a backslash is one", "a = 'C:\\new\\'", "{a=\"C:\\new\\\"}", 0, 0, NULL},

    {"many lines: the first newline is dropped", "a = \"\"\"\nx\ny\n\"\"\"", "{a=\"x\ny\n\"}", 0, 0,
     NULL},
    {"many lines: only the first", "a = '''\r\n\r\nx'''", "{a=\"\nx\"}", 0, 0, NULL},
    {"many lines: CRLF becomes LF", "a = \"\"\"x\r\ny\"\"\"", "{a=\"x\ny\"}", 0, 0, NULL},
    {"many lines: an escaped CR stays", "a = \"\"\"x\\r\ny\"\"\"", "{a=\"x\r\ny\"}", 0, 0, NULL},
    {"many lines, empty", "a = \"\"\"\"\"\"\nb = ''''''", "{a=\"\" b=\"\"}", 0, 0, NULL},
    {"quotes inside", "a = \"\"\"\"x\"\" y\"\"\"", "{a=\"\"x\"\" y\"}", 0, 0, NULL},
    {"one quote before the end", "a = \"\"\"x\"\"\"\"", "{a=\"x\"\"}", 0, 0, NULL},
    {"two quotes before the end", "a = '''x'''''", "{a=\"x''\"}", 0, 0, NULL},
    {"an escaped quote is no end", "a = \"\"\"x\\\"\"\"\"", "{a=\"x\"\"}", 0, 0, NULL},
    {"a line goes on", "a = \"\"\"x \\\n\n   y\"\"\"", "{a=\"x y\"}", 0, 0, NULL},
    {"a line goes on: CRLF, blanks behind", "a = \"\"\"x\\ \t\r\n\r\n y\"\"\"", "{a=\"xy\"}", 0, 0,
     NULL},
    {"a line goes on up to the end", "a = \"\"\"x\\\n  \"\"\"", "{a=\"x\"}", 0, 0, NULL},
    {"literal of many lines: nothing is escaped", "a = '''x\\\n\\n'''", "{a=\"x\\\n\\n\"}", 0, 0,
     NULL},

    {"not closed on its line", "a = \"x\nb = 1\"", NULL, 1, 5,
     "the string is not closed on its line"},
    {"a line end cannot be escaped", "a = \"x\\\ny\"", NULL, 1, 5,
     "the string is not closed on its line"},
    {"not closed", "\na = 'x", NULL, 2, 5, "the string is not closed"},
    {"closed by an escaped quote", "a = \"x\\\"", NULL, 1, 5, "the string is not closed"},
    {"many lines, not closed", "a = \"\"\"x\n\"\"\nb=1", NULL, 1, 5, "the string is not closed"},
    {"three quotes before the end", "a = '''x''''''", NULL, 1, 14,
     "expected the end of the line behind the value, found '''"},
    {"unknown escape", "a = \"x\\d\"", NULL, 1, 7,
     "unknown escape '\\d': write \\\\ for a backslash, or use '...'"},
    {"an escape of TOML 1.1", "a = \"\\x41\"", NULL, 1, 6,
     "unknown escape '\\x': write \\\\ for a backslash, or use '...'"},
    {"unknown escape in a later line", "a = \"\"\"\n\n \\\xc3\xa9\"\"\"", NULL, 3, 2,
     "unknown escape '\\\xc3\xa9': write \\\\ for a backslash, or use '...'"},
    {"a backslash before blanks alone", "a = \"\"\"x\\  y\"\"\"", NULL, 1, 9,
     "unknown escape '\\ ': write \\\\ for a backslash, or use '...'"},
    {"too few digits", "a = \"\\u12\"", NULL, 1, 6, "\\u needs 4 hexadecimal digits"},
    {"no digits", "a = \"\\U0000123x\"", NULL, 1, 6, "\\U needs 8 hexadecimal digits"},
    {"a surrogate", "a = \"\\uD800\"", NULL, 1, 6, "\\uD800 is not a Unicode character"},
    {"past the last", "a = \"\\U00110000\"", NULL, 1, 6, "\\U00110000 is not a Unicode character"},
    {"no newline in a quoted key", "'a\n' = 1", NULL, 1, 1, "the string is not closed on its line"},
};

static void test_strings(void **state)
{
    check_cases(strings, COUNT_OF(strings));
}

/* \u0000 is legal: the length counts, not the NUL. */
static void test_nul(void **state)
{
    struct arena arena;
    struct toml_node *root;
    struct toml_error error;
    arena_init(&arena, 4096);
    assert_true(toml_parse(SLICE("\"k\\u0000x\" = \"v\\u0000w\""), &arena, &root, &error));
    const struct toml_node *n = toml_get(root, slice_of("k\0x", 3));
    assert_non_null(n);
    assert_int_equal(n->string.n, 3);
    assert_memory_equal(n->string.p, "v\0w", 4);
    assert_null(toml_get(root, SLICE("k")));
    arena_close(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
