/* smtp_reply.h -- read one SMTP reply out of received bytes.
 *
 * Pure and without allocation. Slices in the result point into `in`:
 * they live as long as the caller keeps those bytes.
 * Grammar: RFC 5321 section 4.2; enhanced codes: RFC 3463. */
#pragma once

#include "base/buf.h"

enum {
    SMTP_REPLY_LINES_MAX = 64,
    SMTP_REPLY_LINE_BYTES_MAX = 1024, /* the RFC says 512; real servers exceed it */
};

/* Enhanced status code, RFC 3463: class 2, 4 or 5; 0 when there is none. */
struct smtp_status {
    int class, subject, detail;
};

struct smtp_reply {
    int code;                  /* 200..599, as sent */
    struct smtp_status status; /* class 0 when none was sent, or it contradicts the code */
    int line_count;
    struct slice line[SMTP_REPLY_LINES_MAX]; /* text after the code and separator, no line end */
};

/* PARSE_DONE: *out is filled, *used bytes belong to it. PARSE_MORE: the last line has not arrived.
 * PARSE_BAD: *used is where it went wrong. A bare LF is tolerated as a line end: servers that send
 * it exist, and nothing can be smuggled into a client that reads one reply per command. */
MUST_USE enum parse smtp_reply_parse(struct slice in, struct smtp_reply *out, size_t *used);

/* "5.1.1 no such user": the enhanced code at the start of a reply text; false: none. *used counts
 * it and the blank behind it. */
bool smtp_status_parse(struct slice text, struct smtp_status *out, size_t *used);
/* "5.1.1" into a small text. */
struct smtp_status_text {
    char s[16];
};
struct smtp_status_text smtp_status_build(struct smtp_status s);

/* The reply in one line for logs and DSNs: "550 5.1.1 no such user", lines joined by " ",
 * control characters and bytes over 126 replaced by '?', at most `max` bytes. */
void smtp_reply_text(const struct smtp_reply *r, struct buf *out, size_t max);
