/* config.example.toml and the key list of doc/configuration.md say what the option table says.
 *
 * After a change of the table run this test with OUTPOST_REWRITE=1 in the environment: it writes
 * both files anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "fake_world.h"

enum { FILE_BYTES_MAX = 1024 * 1024 };

static const char begin_mark[] = "<!-- keys: written by test_config_example -->\n";
static const char end_mark[] = "\n<!-- end of keys -->\n";

/* This file stands in test/unit/config of the source tree. */
static void source_path(char *out, size_t max, const char *name)
{
    static const char here[] = "test/unit/config/test_config_example.c";
    size_t n = strlen(__FILE__) - strlen(here);
    assert_string_equal(&__FILE__[n], here);
    assert_true(snprintf(out, max, "%.*s%s", (int)n, __FILE__, name) < (int)max);
}

static void read_source(const char *name, struct buf *out)
{
    char path[4096];
    source_path(path, sizeof path, name);
    buf_init(out, FILE_BYTES_MAX);
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("%s cannot be opened", path);
    char piece[4096];
    for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;)
        assert_true(buf_add(out, slice_of(piece, n)));
    fclose(f);
}

static void write_source(const char *name, struct slice text)
{
    char path[4096];
    source_path(path, sizeof path, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
    assert_int_equal(fclose(f), 0);
}

static void assert_same(const char *name, struct slice committed, struct slice made)
{
    if (slice_eq(committed, made))
        return;
    if (getenv("OUTPOST_REWRITE")) {
        write_source(name, made);
        return;
    }
    int line = 1;
    size_t i = 0;
    for (; i < committed.n && i < made.n && committed.p[i] == made.p[i]; i++)
        line += made.p[i] == '\n';
    struct slice rest = slice_from(made, i);
    struct slice wanted = slice_head(rest, slice_find(rest, '\n'));
    fail_msg("%s differs from the option table in line %d, which goes on with \"%.*s\" there; "
             "OUTPOST_REWRITE=1 %s writes it anew",
             name, line, SLICE_FMT(wanted), "test/test_config_example");
}

static void test_example_is_current(void **state)
{
    (void)state;
    struct buf committed, made;
    read_source("config.example.toml", &committed);
    buf_init(&made, FILE_BYTES_MAX);
    config_example(&made);
    assert_false(made.is_full);
    assert_same("config.example.toml", buf_slice(&committed), buf_slice(&made));
    buf_close(&committed);
    buf_close(&made);
}

static void test_documentation_is_current(void **state)
{
    (void)state;
    struct buf committed, made;
    read_source("doc/configuration.md", &committed);
    const char *text = buf_cstr(&committed);
    const char *begin = strstr(text, begin_mark);
    const char *end = strstr(text, end_mark);
    assert_non_null(begin);
    assert_non_null(end);
    buf_init(&made, FILE_BYTES_MAX);
    buf_add(&made, slice_of(text, (size_t)(begin - text) + strlen(begin_mark)));
    config_reference(&made);
    buf_add_cstr(&made, end);
    assert_false(made.is_full);
    assert_same("doc/configuration.md", buf_slice(&committed), buf_slice(&made));
    buf_close(&committed);
    buf_close(&made);
}

/* The example with each "#" before a key or [[table]] taken away. */
static void uncomment(struct buf *out)
{
    struct buf example;
    buf_init(&example, FILE_BYTES_MAX);
    buf_init(out, FILE_BYTES_MAX);
    config_example(&example);
    struct slice rest = buf_slice(&example);
    while (rest.n > 0) {
        size_t end = slice_find(rest, '\n');
        struct slice line = slice_head(rest, end);
        bool is_key = line.n > 1 && line.p[0] == '#' && line.p[1] != ' ';
        buf_add(out, slice_from(line, is_key));
        buf_add_char(out, '\n');
        rest = slice_from(rest, end + 1);
    }
    buf_close(&example);
}

static struct config *load_well(struct slice text)
{
    struct config_world world = fake_world();
    struct config_mistake *mistakes;
    unsigned count;
    struct config *c = config_load(text, &world, &mistakes, &count);
    for (unsigned i = 0; i < count; i++)
        print_error("%d:%d: %.*s: %.*s\n", mistakes[i].line, mistakes[i].column,
                    SLICE_FMT(mistakes[i].key), SLICE_FMT(mistakes[i].text));
    assert_int_equal(count, 0);
    return c;
}

static void test_example_as_it_is(void **state)
{
    (void)state;
    struct buf example;
    buf_init(&example, FILE_BYTES_MAX);
    config_example(&example);
    struct config *c = load_well(buf_slice(&example));
    assert_true(c->has_default_listeners);
    assert_int_equal(c->user_count, 0);
    assert_int_equal(c->engine.route_count, 0);
    config_free(c);
    buf_close(&example);
}

static void test_example_uncommented(void **state)
{
    (void)state;
    struct buf text;
    uncomment(&text);
    struct config *c = load_well(buf_slice(&text));
    assert_int_equal(c->engine.listener_count, 2);
    assert_int_equal(c->user_count, 3); /* two of users_file */
    assert_int_equal(c->engine.user_count, 3);
    assert_int_equal(c->engine.users[0].sender_count, 1);
    assert_int_equal(c->engine.route_count, 1);
    assert_string_equal(c->engine.routes[0].user.p, "relay");
    assert_string_equal(c->engine.routes[0].password.p, "s3cret");
    assert_int_equal(c->dns_server_count, 1);
    assert_string_equal(c->metrics_listen.p, "127.0.0.1:9587");
    assert_string_equal(c->tls_key.p, "/etc/outpost/key.pem");
    config_free(c);
    buf_close(&text);
}

/* Cut anywhere, it is loaded or refused, and nothing worse. */
static void test_example_cut_short(void **state)
{
    (void)state;
    struct buf text;
    uncomment(&text);
    struct config_world world = fake_world();
    for (size_t n = 0; n < text.n; n += 13) {
        struct config_mistake *mistakes;
        unsigned count;
        char *exact = mem_dup(text.p, n);
        config_free(config_load(slice_of(exact, n), &world, &mistakes, &count));
        mem_free(exact);
    }
    buf_close(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example_is_current), cmocka_unit_test(test_documentation_is_current),
        cmocka_unit_test(test_example_as_it_is),   cmocka_unit_test(test_example_uncommented),
        cmocka_unit_test(test_example_cut_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
