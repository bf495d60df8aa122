/* replies.h -- what every reply of the server must look like: RFC 5321 section 4.2, RFC 2034.
 *
 * Lines of at most 512 bytes with their CRLF, printable ASCII, a code that may be; every line of a
 * reply with the same code. Behind the code an enhanced one of its class and a text, but in the
 * greeting, in answers to EHLO and HELO (told by our name), and behind 3xx. Only a 334 may be
 * longer: it carries base64 (RFC 4954 section 4). */
#pragma once

#include "base/slice.h"
#include "smtp/smtp_reply.h"

enum { REPLY_LINE_BYTES_MAX = 512 };

static inline void reply_check_line(struct slice line)
{
    bool is_challenge = slice_starts(line, SLICE("334 "));
    CHECK(line.n >= 4 && (is_challenge || line.n + 2 <= REPLY_LINE_BYTES_MAX));
    CHECK(line.p[0] >= '2' && line.p[0] <= '5' && line.p[1] >= '0' && line.p[1] <= '5');
    CHECK(ascii_is_digit(line.p[2]) && (line.p[3] == ' ' || line.p[3] == '-'));
    for (size_t i = 0; i < line.n; i++)
        CHECK(line.p[i] >= ' ' && line.p[i] <= '~');
}

/* "mx.test", and nothing or a blank behind it. */
static inline bool reply_is_hello(struct slice text, struct slice hostname)
{
    return slice_starts(text, hostname) && (text.n == hostname.n || text.p[hostname.n] == ' ');
}

static inline void reply_check_status(struct slice line, bool is_hello)
{
    struct smtp_status status;
    struct slice text = slice_from(line, 4);
    size_t used = 0;
    bool has = smtp_status_parse(text, &status, &used);
    if (is_hello || line.p[0] == '3') {
        CHECK(!has);
        CHECK(is_hello || slice_starts(line, SLICE("334 ")) || slice_starts(line, SLICE("354 ")));
        return;
    }
    CHECK(has && status.class == line.p[0] - '0');
    CHECK(used < text.n && text.p[used - 1] == ' ' && text.p[used] != ' ');
}

/* Whole replies, one behind the other. How many there are. */
static inline unsigned reply_check_all(struct slice said, struct slice hostname)
{
    unsigned count = 0;
    bool is_hello = false, is_first = true;
    struct slice first = SLICE_NONE;
    while (said.n) {
        size_t n = slice_find(said, '\r');
        CHECK(n + 1 < said.n && said.p[n + 1] == '\n');
        struct slice line = slice_head(said, n);
        said = slice_from(said, n + 2);
        reply_check_line(line);
        if (is_first) {
            first = line;
            is_hello = line.p[0] == '2' && reply_is_hello(slice_from(line, 4), hostname);
        }
        CHECK(slice_eq(slice_head(line, 3), slice_head(first, 3)));
        reply_check_status(line, is_hello);
        is_first = line.p[3] == ' ';
        count += is_first;
    }
    CHECK(is_first);
    return count;
}
