/* test_err.c -- faults: the text says what failed and why, and never overflows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/err.h"

static void faults(void **state)
{
    struct fault why;
    assert_int_equal(fault_set(&why, ERR_BAD, 0, "reading %s", "x.toml"), ERR_BAD);
    assert_string_equal(why.text, "reading x.toml");
    assert_int_equal(fault_set(&why, ERR_SYSTEM, ENOENT, "open(%s)", "/x"), ERR_SYSTEM);
    assert_string_equal(why.text, "open(/x): No such file or directory");
    assert_int_equal(why.errnum, ENOENT);
    fault_set(&why, ERR_SYSTEM, 123456, "odd");
    assert_string_equal(why.text, "odd: error 123456");
    assert_int_equal(fault_set(NULL, ERR_BUSY, 0, "nobody asks"), ERR_BUSY);
    fault_set(&why, ERR_SYSTEM, ENOENT, "%0300d", 1);
    assert_int_equal(strlen(why.text), sizeof why.text - 1);
}

static void every_error_has_a_name(void **state)
{
    for (int e = 0; e < ERR_COUNT; e++) {
        assert_non_null(err_name((enum err)e));
        for (int other = 0; other < e; other++)
            assert_string_not_equal(err_name((enum err)e), err_name((enum err)other));
    }
    assert_string_equal(err_name((enum err)99), "unknown");
}

static void memory(void **state)
{
    char *p = mem_new(3);
    assert_memory_equal(p, "\0\0\0", 3);
    p = mem_resize(p, 0);
    assert_non_null(p);
    mem_free(p);
    p = mem_dup("abc", 2);
    assert_string_equal(p, "ab");
    mem_free(p);
    p = mem_dup(NULL, 0);
    assert_string_equal(p, "");
    mem_free(p);
    mem_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults),
        cmocka_unit_test(every_error_has_a_name),
        cmocka_unit_test(memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
