/* date.c -- civil dates from Unix time, without the C library's time zone machinery.
 *
 * Days to date: Howard Hinnant's civil_from_days, with years that begin in March, so that the
 * leap day is a year's last. */
#include "mail/date.h"

#include <stdio.h>

enum { MS_PER_DAY = 86400000, DAYS_PER_ERA = 146097 /* 400 years */ };

static const int64_t LAST_MS = 253402300799999; /* 9999-12-31T23:59:59.999Z */

struct civil {
    int year, month, day, weekday; /* month 1-12, weekday 0 = Sunday */
    int hour, minute, second, ms;
};

static struct civil civil_of(int64_t unix_ms)
{
    if (unix_ms < 0)
        unix_ms = 0;
    if (unix_ms > LAST_MS)
        unix_ms = LAST_MS;
    int days = (int)(unix_ms / MS_PER_DAY), rest = (int)(unix_ms % MS_PER_DAY);
    int z = days + 719468; /* since 0000-03-01 */
    int era = z / DAYS_PER_ERA, day_of_era = z % DAYS_PER_ERA;
    int year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int month = (5 * day_of_year + 2) / 153; /* 0 = March */
    struct civil c = {
        .year = era * 400 + year_of_era + (month >= 10),
        .month = month < 10 ? month + 3 : month - 9,
        .day = day_of_year - (153 * month + 2) / 5 + 1,
        .weekday = (days + 4) % 7, /* 1970-01-01 was a Thursday */
        .hour = rest / 3600000,
        .minute = rest / 60000 % 60,
        .second = rest / 1000 % 60,
        .ms = rest % 1000,
    };
    return c;
}

const char *mail_date_build(int64_t unix_ms, char out[MAIL_DATE_BYTES])
{
    static const char weekday[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char month[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct civil c = civil_of(unix_ms);
    snprintf(out, MAIL_DATE_BYTES, "%s, %d %s %04d %02d:%02d:%02d +0000", weekday[c.weekday], c.day,
             month[c.month - 1], c.year, c.hour, c.minute, c.second);
    return out;
}

const char *mail_date_iso(int64_t unix_ms, char out[MAIL_DATE_BYTES])
{
    struct civil c = civil_of(unix_ms);
    snprintf(out, MAIL_DATE_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", c.year, c.month, c.day,
             c.hour, c.minute, c.second, c.ms);
    return out;
}

bool mail_date_field_build(int64_t unix_ms, struct buf *out)
{
    char text[MAIL_DATE_BYTES];
    return buf_addf(out, "Date: %s\r\n", mail_date_build(unix_ms, text));
}
