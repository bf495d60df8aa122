/* view.h -- what an operator sees of the whole relay: figures as JSON, one screen as text. */
#pragma once

#include "driver.h"

struct view {
    const struct driver *driver;
    const struct metrics *metrics;
    const struct clock *clock;
};

void view_stats_json(const struct view *v, struct buf *out);
void view_status_text(const struct view *v, struct buf *out);
void view_metrics(const struct view *v, struct buf *out);
/* {"all":false,"domains":["example.org"]} and lines for people. */
void view_paused_json(const struct view *v, struct buf *out);
void view_paused_text(const struct view *v, struct buf *out);
