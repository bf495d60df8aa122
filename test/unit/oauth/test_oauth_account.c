/* Names of accounts, and the forms that ask for tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "oauth/oauth_account.h"

static struct oauth_account account(enum oauth_preset preset, enum oauth_grant grant)
{
    return (struct oauth_account){.name = SLICE("office"),
                                  .preset = preset,
                                  .grant = grant,
                                  .client_id = SLICE("id"),
                                  .client_secret = SLICE("s&t"),
                                  .scope = SLICE("a b")};
}

static void test_names(void **state)
{
    (void)state;
    static const char longest[] =
        "0123456789012345678901234567890123456789012345678901234567890123";
    static const char *const bad[] = {"", ".x", "..", "a/b", "a b", "\xc3\xa4", "a\n"};
    assert_true(oauth_name_is_valid(SLICE("Office-365_x.y+z@example.com")));
    assert_true(oauth_name_is_valid(slice_cstr(longest)));
    assert_false(oauth_name_is_valid(slice_of(longest, sizeof longest))); /* its NUL */
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(oauth_name_is_valid(slice_cstr(bad[i])));
}

static void expect(struct buf *form, bool is_built, const char *wanted)
{
    assert_true(is_built);
    assert_string_equal(buf_cstr(form), wanted);
    buf_close(form);
}

static void test_forms(void **state)
{
    (void)state;
    struct buf b;
    struct oauth_account a = account(OAUTH_MICROSOFT, OAUTH_REFRESH_TOKEN);
    buf_init(&b, 1000);
    expect(&b, oauth_form_token(&a, SLICE("r/1"), &b),
           "grant_type=refresh_token&refresh_token=r%2F1&client_id=id&client_secret=s%26t&scope=a%"
           "20b");
    a.preset = OAUTH_GOOGLE; /* which takes no scope here */
    buf_init(&b, 1000);
    expect(&b, oauth_form_token(&a, SLICE("r"), &b),
           "grant_type=refresh_token&refresh_token=r&client_id=id&client_secret=s%26t");
    a = account(OAUTH_MICROSOFT, OAUTH_CLIENT_CREDENTIALS);
    buf_init(&b, 1000);
    expect(&b, oauth_form_token(&a, SLICE_NONE, &b),
           "grant_type=client_credentials&client_id=id&client_secret=s%26t&scope=a%20b");
    buf_init(&b, 1000);
    expect(&b, oauth_form_device(&a, &b), "client_id=id&scope=a%20b");
    a.client_secret = SLICE_NONE;
    buf_init(&b, 1000);
    expect(&b, oauth_form_poll(&a, SLICE("code"), &b),
           "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=code&"
           "client_id=id");
    buf_init(&b, 20);
    assert_false(oauth_form_poll(&a, SLICE("code"), &b));
    buf_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
