/* test_list.c -- lists: order, removal, emptiness. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/list.h"

static void order_and_removal(void **state)
{
    struct list head, a = {0}, b = {0}, c = {0};
    list_init(&head);
    assert_true(list_is_empty(&head));
    assert_null(list_take_first(&head));
    list_add_last(&head, &b);
    list_add_last(&head, &c);
    list_add_first(&head, &a);
    assert_true(list_has(&a) && head.next == &a && a.next == &b && b.next == &c);
    assert_true(head.prev == &c && c.prev == &b && b.prev == &a && a.prev == &head);
    list_remove(&b);
    list_remove(&b); /* twice is nothing */
    assert_false(list_has(&b));
    assert_ptr_equal(list_take_first(&head), &a);
    assert_ptr_equal(list_take_first(&head), &c);
    assert_true(list_is_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(order_and_removal)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
