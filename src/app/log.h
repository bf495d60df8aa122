/* log.h -- prints notes as lines to stderr without making the loop wait for whoever reads them.
 *
 * Lines gather until log_flush(), once a turn of the loop. What the reader does not take stays in
 * a bounded buffer; lines that do not fit there are dropped and counted, and the count is told in
 * a line of its own as soon as there is room. */
#pragma once

#include "base/buf.h"
#include "note/note.h"

enum {
    LOG_BYTES_MAX = 1024 * 1024,
    LOG_LINE_BYTES_MAX = 16384,
    LOG_PIPE_BYTES = 4096, /* what a pipe that says it is writable takes without waiting */
    LOG_CLOSE_MS = 1000,
};

struct log {
    int fd;
    bool is_regular, is_socket; /* neither: a pipe or a terminal */
    enum note_level least;
    bool is_json;
    struct buf out;  /* whole lines; the first may have been written in part */
    struct buf line; /* the one being made */
    uint64_t lost;   /* lines, ever */
    uint64_t lost_told;
};

void log_init(struct log *l, int fd);
void log_configure(struct log *l, enum note_level least, bool is_json);
void log_note(struct log *l, const struct note *n, int64_t now_ms);
bool log_flush(struct log *l, int64_t now_ms); /* false: lines are left, try again soon */
/* Waits LOG_CLOSE_MS at most for the reader. */
void log_close(struct log *l);
