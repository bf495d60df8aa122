/* letter.h -- a message as a local program writes it, made fit for SMTP: what sendmail(1) does to
 * its input, without the system.
 *
 *   text: lines that end in LF or CRLF ->  wire: CRLF lines, not dot-stuffed
 *
 * A "From " line of a mailbox at the start goes; so do Bcc, Resent-Bcc, Return-Path and
 * Content-Length. A missing From is added. Without a header section an empty line comes first.
 * A CR within a line ends it too (progress bars in cron's mail): it may not travel. Date and
 * Message-ID are the relay's to add. */
#pragma once

#include "base/buf.h"

enum { LETTER_RECIPIENTS_MAX = 10000, LETTER_HEADER_BYTES_MAX = 4 * 1024 * 1024 };

struct letter_options {
    bool takes_recipients;  /* -t: from To, Cc and Bcc, or, where there are any, Resent-* */
    struct slice hostname;  /* completes addresses without a domain */
    struct slice from;      /* address of the From that is added */
    struct slice full_name; /* and the name there; may be empty */
};

/* Addresses, canonical, each once. */
struct letter_recipients {
    struct buf text; /* a NUL behind each */
    unsigned count;
};
void letter_recipients_init(struct letter_recipients *r);
void letter_recipients_close(struct letter_recipients *r);
/* All of a list ("a@b, Bob <c@d>"). False: *why says what is wrong. */
MUST_USE bool letter_recipients_add(struct letter_recipients *r, struct slice list,
                                    struct slice hostname, struct fault *why);
/* The next one, from *at = 0 on; empty: no more. */
struct slice letter_recipients_next(const struct letter_recipients *r, size_t *at);

/* Where the line "." alone ends the input: sendmail(1) without -i. in.n: nowhere yet. *from is
 * where the search goes on when more has come; 0 at first. *next: the first byte behind the dot's
 * line. */
size_t letter_find_dot(struct slice in, size_t *from, size_t *next);

/* False: the text cannot be sent, *why says why. Recipients found are added to *to. */
MUST_USE bool letter_build(struct slice text, const struct letter_options *o, struct buf *wire,
                           struct letter_recipients *to, bool *is_8bit, struct fault *why);
