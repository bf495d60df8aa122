/* json_read.h -- read a small JSON object (RFC 8259) that somebody else wrote: members by name.
 *
 * For answers of a few kilobytes: each question walks over the text. Of members with the same name
 * the first one counts. Objects and arrays inside are checked and passed over. */
#pragma once

#include "base/buf.h"

enum { JSON_READ_DEPTH_MAX = 16 };

/* Is it one object, whole and nothing but blanks behind it? */
MUST_USE bool json_read_is_object(struct slice text);
/* The text of the member, unescaped, added to out. False: there is none that is a string, or it
 * does not fit. Of an object that json_read_is_object() takes. */
MUST_USE bool json_read_string(struct slice text, const char *key, struct buf *out);
/* The member as a whole number: what stands behind the point is dropped, what is too large is the
 * largest there is. A string of digits will do, as some servers quote their numbers. */
MUST_USE bool json_read_int(struct slice text, const char *key, int64_t *out);
