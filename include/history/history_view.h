/* history_view.h -- the story of a finished message, for people and for programs. */
#pragma once

#include "history/history_record.h"

struct json;
/* {"id","from","accepted","finished",...,"to":[{"address","state",...}]} (doc/control.md). */
void history_view_json(const struct history_record *r, struct json *j);
void history_view_text(const struct history_record *r, struct buf *out);
/* "40 ms", "1.4 s", "3 m 20 s", "5 h 2 m", "4 d". */
struct history_span {
    char s[32];
};
struct history_span history_span_of(int64_t ms);
