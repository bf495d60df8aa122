/* json.h -- write JSON into a buf: commas and quoting are its business.
 *
 * Strings may hold any bytes: control characters are escaped, invalid UTF-8 becomes U+FFFD. */
#pragma once

#include "base/buf.h"

enum { JSON_DEPTH_MAX = 16 };

struct json {
    struct buf *out; /* borrowed */
    int depth;
    bool needs_comma[JSON_DEPTH_MAX];
};

void json_init(struct json *j, struct buf *out);
/* key is NULL inside arrays and at the top. */
void json_object(struct json *j, const char *key);
void json_array(struct json *j, const char *key);
void json_end(struct json *j, char closing); /* '}' or ']' */
void json_string(struct json *j, const char *key, struct slice v);
void json_int(struct json *j, const char *key, int64_t v);
void json_double(struct json *j, const char *key, double v);
void json_bool(struct json *j, const char *key, bool v);
void json_null(struct json *j, const char *key);
