/* rewrite_field.h -- the addresses in one header field. Inside of the rewrite room. */
#pragma once

#include "rewrite/rewrite_header.h"

struct rewrite_field {
    bool is_changed;
    bool is_forced;     /* by a rule of `from` */
    bool is_bad;        /* from some place on it could not be read, and stayed */
    unsigned addresses; /* before that */
};

/* What is done to the addresses of a field besides completing them. */
enum rewrite_how {
    REWRITE_AS_AUTHOR,
    REWRITE_AS_RECIPIENT,
    REWRITE_AS_FROM, /* rules of `from` first, then as any author */
};

struct rewrite_field rewrite_field_build(const struct rewrite_options *o,
                                         const struct rewrite_message *m, enum rewrite_how how,
                                         struct slice body, struct buf *out);
/* May the address stand in this message's header? */
bool rewrite_field_can_hold(const struct rewrite_message *m, struct slice address);
