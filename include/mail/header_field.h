/* header_field.h -- a whole header section, field by field, in text form: not dot-stuffed.
 *
 * For sections that mail/header.h has found the end of: each line is the begin of a field, the
 * continuation of one, or the empty line at the end. Pure; slices point into the section. */
#pragma once

#include "base/buf.h"

struct mail_header_field {
    struct slice whole; /* up to its last line end, which a section that was cut may lack */
    struct slice name;
    struct slice body; /* all behind the colon, folding and line end included */
};

/* False: no more; *rest is the empty line, or whatever is no field. */
bool mail_header_field_next(struct slice *rest, struct mail_header_field *out);

/* Does any line begin with a dot? Else wire form and text form are the same. */
bool mail_header_is_stuffed(struct slice section);
/* Between the two (RFC 5321 4.5.2). `lines` begins where a line does. False: out is full. */
bool mail_header_unstuff(struct slice wire, struct buf *out);
bool mail_header_stuff(struct slice lines, struct buf *out);
