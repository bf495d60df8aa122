/* utf8.h -- RFC 3629 validity: no overlong forms, no surrogates, nothing over U+10FFFF. */
#pragma once

#include "base/slice.h"

bool utf8_is_valid(struct slice s);
/* Length of the valid sequence at the start of s (1-4), 0 when there is none; *code gets it. */
int utf8_next(struct slice s, uint32_t *code);
int utf8_build(uint32_t code, char out[4]); /* 0: not a scalar value */
