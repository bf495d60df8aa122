/* base64.h -- RFC 4648 section 4 (with padding), no line breaks. */
#pragma once

#include "base/buf.h"

bool base64_build(struct slice in, struct buf *out); /* false: out is full */
/* Strict: length a multiple of 4, padding right, no other byte. False: not base64 or out is full;
 * out may then hold a part. */
bool base64_parse(struct slice in, struct buf *out);
