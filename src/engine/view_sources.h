/* view_sources.h -- where a destination is called from, and whether by IPv6: for explain. */
#pragma once

#include "base/json.h"

struct engine;
struct destination;

/* A way that a message would take. */
struct view_sources {
    const struct engine *e;
    int route;                   /* -1: none */
    struct slice name;           /* of the destination */
    const struct destination *d; /* NULL: nothing goes there now */
    int64_t now_ms;
};
void view_sources_json(const struct view_sources *v, struct json *j);  /* keys of an open object */
void view_sources_text(const struct view_sources *v, struct buf *out); /* lines */
