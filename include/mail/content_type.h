/* content_type.h -- what a relay wants to know of a Content-Type field (RFC 2045 section 5). */
#pragma once

#include "base/slice.h"

enum { MAIL_BOUNDARY_BYTES_MAX = 70 }; /* RFC 2046 section 5.1.1 */

struct mail_content_type {
    struct slice type, subtype; /* point into the field's body; "": it cannot be read */
    size_t boundary_bytes;      /* 0: none, or none that is allowed */
    char boundary[MAIL_BOUNDARY_BYTES_MAX];
};

/* body: all behind the colon, folding included. Comments are skipped. */
struct mail_content_type mail_content_type_parse(struct slice body);
/* The one token of Content-Transfer-Encoding; "": none. */
struct slice mail_content_encoding_parse(struct slice body);
