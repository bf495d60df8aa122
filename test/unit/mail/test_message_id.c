/* test_message_id.c -- a Message-ID is the same one with and without its brackets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mail/message_id.h"

static void test_bare(void **state)
{
    static const struct {
        const char *shown, *in, *is;
    } row[] = {
        {"in brackets", "<a@b>", "a@b"},
        {"without", "a@b", "a@b"},
        {"blanks around", " <a@b>\t", "a@b"},
        {"half a pair", "<a@b", "<a@b"},
        {"nothing in it", "<>", ""},
        {"nothing", "", ""},
        {"one sign", "<", "<"},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++)
        if (!slice_eq(mail_message_id_bare(slice_cstr(row[i].in)), slice_cstr(row[i].is)))
            fail_msg("%s", row[i].shown);
}

static void test_hash(void **state)
{
    uint32_t hash = mail_message_id_hash(SLICE("<a@b>"));
    assert_int_equal(hash, 0x82b1908c); /* stands in files: never another one */
    assert_int_equal(mail_message_id_hash(SLICE("a@b")), hash);
    assert_int_not_equal(mail_message_id_hash(SLICE("A@b")), hash);
    assert_int_equal(mail_message_id_hash(SLICE("<>")), 0);
    assert_int_equal(mail_message_id_hash(SLICE_NONE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bare), cmocka_unit_test(test_hash)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
