/* view_explain_hosts.h -- the part of an explanation that tells of hosts, of the fallback, and of
 * when mail is tried again. */
#pragma once

#include "base/json.h"
#include "engine_core.h"

struct view_explain_hosts {
    const struct engine *e;
    const struct engine_route *route; /* NULL: none */
    const struct destination *d;      /* NULL: nothing goes there now */
    struct slice domain;
    int fallback; /* index of options.routes; -1: none */
    int64_t now_ms;
};

void view_explain_hosts_text(struct buf *out, const struct view_explain_hosts *h);
void view_explain_hosts_json(struct json *j, const struct view_explain_hosts *h);
void view_explain_fallback_text(struct buf *out, const struct view_explain_hosts *h);
void view_explain_fallback_json(struct json *j, const struct view_explain_hosts *h);
/* The first waits, without jitter, and when it is given up. */
void view_explain_retry_text(struct buf *out, const struct engine_options *o);
void view_explain_retry_json(struct json *j, const struct engine_options *o);
