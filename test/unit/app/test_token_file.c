/* Files of refresh tokens: there and back, and whose files are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../src/app/token_file.h"

static char dir[] = "/tmp/test_token_file.XXXXXX";
static char path[sizeof dir + 32];

static enum err read_it(struct buf *out, struct fault *why)
{
    buf_clear(out);
    return token_file_read(slice_cstr(dir), SLICE("office"), out, why);
}

static void write_raw(const char *text, unsigned mode)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fputs(text, f) >= 0, 1);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void test_there_and_back(void **state)
{
    (void)state;
    struct buf b;
    struct fault why = {0};
    struct stat st;
    buf_init(&b, 8000);
    assert_int_equal(read_it(&b, &why), ERR_MISSING);
    assert_int_equal(token_file_time(slice_cstr(dir), SLICE("office")), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(token_file_write(slice_cstr(dir), SLICE("office"),
                                          i ? SLICE("second") : SLICE("first"), &why),
                         ERR_OK);
        assert_int_equal(read_it(&b, &why), ERR_OK);
        assert_string_equal(buf_cstr(&b), i ? "second" : "first");
    }
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_true(token_file_time(slice_cstr(dir), SLICE("office")) > 0);
    *strrchr(path, '/') = 0;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    path[strlen(path)] = '/';
    buf_close(&b);
}

static void test_refused(void **state)
{
    (void)state;
    struct buf b;
    struct fault why = {0};
    buf_init(&b, 8000);
    write_raw("token\n", 0640);
    assert_int_equal(read_it(&b, &why), ERR_DENIED);
    assert_non_null(strstr(why.text, "mode 0640"));
    write_raw("token\n", 0602);
    assert_int_equal(read_it(&b, &why), ERR_DENIED);
    write_raw("two tokens\n", 0600);
    assert_int_equal(read_it(&b, &why), ERR_BAD);
    assert_null(strstr(why.text, "tokens\n"));
    write_raw("", 0600);
    assert_int_equal(read_it(&b, &why), ERR_BAD);
    write_raw("  token \r\n\n", 0600);
    assert_int_equal(read_it(&b, &why), ERR_OK);
    assert_string_equal(buf_cstr(&b), "token");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/etc/hostname", path), 0);
    assert_int_not_equal(read_it(&b, &why), ERR_OK);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(read_it(&b, &why), ERR_BAD); /* at once */
    assert_int_equal(unlink(path), 0);
    if (geteuid() == 0) {
        write_raw("token\n", 0600);
        assert_int_equal(chown(path, 12345, 0), 0);
        assert_int_equal(read_it(&b, &why), ERR_DENIED);
        assert_non_null(strstr(why.text, "belongs to uid 12345"));
        assert_int_equal(unlink(path), 0);
    }
    buf_close(&b);
}

static void test_a_write_that_fails(void **state)
{
    (void)state;
    struct buf b;
    struct fault why = {0};
    char fresh[sizeof path + 8];
    buf_init(&b, 8000);
    assert_int_equal(token_file_write(slice_cstr(dir), SLICE("office"), SLICE("old"), &why),
                     ERR_OK);
    snprintf(fresh, sizeof fresh, "%s.new", path);
    assert_int_equal(mkdir(fresh, 0700), 0); /* in its way, and not to be removed as a file */
    assert_int_not_equal(token_file_write(slice_cstr(dir), SLICE("office"), SLICE("new"), &why),
                         ERR_OK);
    assert_int_equal(read_it(&b, &why), ERR_OK);
    assert_string_equal(buf_cstr(&b), "old");
    assert_int_equal(rmdir(fresh), 0);
    buf_close(&b);
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/tokens/office", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    *strrchr(path, '/') = 0;
    rmdir(path);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_a_write_that_fails),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
