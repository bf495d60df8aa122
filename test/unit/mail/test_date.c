/* test_date.c -- dates: known moments, leap years, both ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <time.h>

#include "mail/date.h"

static void known(void **state)
{
    static const struct {
        const char *shows;
        int64_t unix_ms;
        const char *mail, *iso;
    } rows[] = {
        {"the beginning", 0, "Thu, 1 Jan 1970 00:00:00 +0000", "1970-01-01T00:00:00.000Z"},
        {"before it", -5, "Thu, 1 Jan 1970 00:00:00 +0000", "1970-01-01T00:00:00.000Z"},
        {"an ordinary day", 1795308462123, "Sun, 22 Nov 2026 00:47:42 +0000",
         "2026-11-22T00:47:42.123Z"},
        {"leap day of 2000", 951782400000, "Tue, 29 Feb 2000 00:00:00 +0000",
         "2000-02-29T00:00:00.000Z"},
        {"no leap day in 2100", 4107542399999, "Sun, 28 Feb 2100 23:59:59 +0000",
         "2100-02-28T23:59:59.999Z"},
        {"the day after", 4107542400000, "Mon, 1 Mar 2100 00:00:00 +0000",
         "2100-03-01T00:00:00.000Z"},
        {"past 32 bits", 2147483648000, "Tue, 19 Jan 2038 03:14:08 +0000",
         "2038-01-19T03:14:08.000Z"},
        {"the end", 253402300799999, "Fri, 31 Dec 9999 23:59:59 +0000", "9999-12-31T23:59:59.999Z"},
        {"after it", INT64_MAX, "Fri, 31 Dec 9999 23:59:59 +0000", "9999-12-31T23:59:59.999Z"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char out[MAIL_DATE_BYTES];
        if (strcmp(mail_date_build(rows[i].unix_ms, out), rows[i].mail) != 0)
            fail_msg("%s: %s", rows[i].shows, out);
        if (strcmp(mail_date_iso(rows[i].unix_ms, out), rows[i].iso) != 0)
            fail_msg("%s: %s", rows[i].shows, out);
    }
}

/* The C library is the second opinion, about 38,000 moments in 8000 years. */
static void against_the_library(void **state)
{
    for (int64_t t = 0; t < 253402300800; t += 37 * 3600 * 50 + 1) {
        char ours[MAIL_DATE_BYTES], theirs[MAIL_DATE_BYTES];
        struct tm tm;
        time_t seconds = (time_t)t;
        gmtime_r(&seconds, &tm);
        strftime(theirs, sizeof theirs, "%a, %e %b %Y %H:%M:%S +0000", &tm);
        if (theirs[5] == ' ')
            memmove(theirs + 5, theirs + 6, strlen(theirs + 5));
        assert_string_equal(mail_date_build(t * 1000, ours), theirs);
    }
}

static void field(void **state)
{
    struct buf b;
    buf_init(&b, 39);
    assert_true(mail_date_field_build(1795308462123, &b));
    assert_string_equal(buf_cstr(&b), "Date: Sun, 22 Nov 2026 00:47:42 +0000\r\n");
    assert_false(mail_date_field_build(0, &b));
    buf_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known),
        cmocka_unit_test(against_the_library),
        cmocka_unit_test(field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
