/* date.h -- moments as mail and logs write them, always in UTC.
 *
 * Unix time in ms goes in; what lies before 1970 or after 9999 is taken as the nearest end. */
#pragma once

#include "base/buf.h"

enum { MAIL_DATE_BYTES = 40 };

/* RFC 5322 section 3.3: "Sun, 22 Nov 2026 00:47:42 +0000". Gives `out`. */
const char *mail_date_build(int64_t unix_ms, char out[MAIL_DATE_BYTES]);
/* RFC 3339: "2026-11-22T00:47:42.123Z". Gives `out`. */
const char *mail_date_iso(int64_t unix_ms, char out[MAIL_DATE_BYTES]);
/* "Date: ...\r\n". False: out is full. */
bool mail_date_field_build(int64_t unix_ms, struct buf *out);
