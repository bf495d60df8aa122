/* Addresses, forms and requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/http_post.h"

static void test_urls(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host; /* NULL: none */
        uint16_t port;
        const char *target;
        bool is_address;
    } rows[] = {
        {"https://h.example", "h.example", 443, "", false},
        {"HTTPS://h.example/a/b?c=d", "h.example", 443, "/a/b?c=d", false},
        {"https://h.example:8443?x", "h.example", 8443, "?x", false},
        {"https://127.0.0.1:1/", "127.0.0.1", 1, "/", true},
        {"https://[::1]:65535/t", "::1", 65535, "/t", true},
        {"https://[::1]", "::1", 443, "", true},
        {"http://h.example/", NULL, 0, NULL, false},
        {"https://", NULL, 0, NULL, false},
        {"https:///path", NULL, 0, NULL, false},
        {"https://h.example:0/", NULL, 0, NULL, false},
        {"https://h.example:65536/", NULL, 0, NULL, false},
        {"https://h.example:/", NULL, 0, NULL, false},
        {"https://user@h.example/", NULL, 0, NULL, false},
        {"https://h.example/a b", NULL, 0, NULL, false},
        {"https://h.example/a\r\nX: y", NULL, 0, NULL, false},
        {"https://h.example/#x", NULL, 0, NULL, false},
        {"https://[::1", NULL, 0, NULL, false},
        {"https://[h.example]/", NULL, 0, NULL, false},
        {"https://[::1]x/", NULL, 0, NULL, false},
        {"https://[]/", NULL, 0, NULL, false},
        {"h.example", NULL, 0, NULL, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_url u;
        bool is_url = http_url_parse(slice_cstr(rows[i].text), &u);
        if (is_url != (rows[i].host != NULL))
            fail_msg("%s", rows[i].text);
        if (is_url &&
            (!slice_eq(u.host, slice_cstr(rows[i].host)) || u.port != rows[i].port ||
             !slice_eq(u.target, slice_cstr(rows[i].target)) || u.is_address != rows[i].is_address))
            fail_msg("%s: read otherwise", rows[i].text);
    }
}

static void test_request(void **state)
{
    (void)state;
    struct http_url u;
    struct buf form, out;
    buf_init(&form, 1000);
    buf_init(&out, 1000);
    assert_true(http_form_add(&form, "a", SLICE("x y&z=\xc3\xa4\0-._~+")));
    assert_true(http_form_add(&form, "b", SLICE_NONE));
    assert_true(slice_eq(buf_slice(&form), SLICE("a=x%20y%26z%3D%C3%A4%00-._~%2B&b=")));
    assert_true(http_url_parse(SLICE("https://h.example:8443/t?q"), &u));
    assert_true(http_post_build(&u, buf_slice(&form), &out));
    assert_true(
        slice_starts(buf_slice(&out), SLICE("POST /t?q HTTP/1.1\r\nHost: h.example:8443\r\n")));
    assert_int_equal(form.n, 33);
    assert_true(slice_ends_nocase(buf_slice(&out), SLICE("Content-Length: 33\r\n\r\n"
                                                         "a=x%20y%26z%3D%C3%A4%00-._~%2B&b=")));
    buf_clear(&out);
    assert_true(http_url_parse(SLICE("https://[::1]?q"), &u));
    assert_true(http_post_build(&u, SLICE_NONE, &out));
    assert_true(slice_starts(buf_slice(&out), SLICE("POST /?q HTTP/1.1\r\nHost: [::1]\r\n")));
    buf_close(&out);
    buf_init(&out, 100);
    assert_false(http_post_build(&u, buf_slice(&form), &out)); /* it does not fit */
    buf_close(&out);
    buf_close(&form);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
