/* text.h -- write foreign bytes into header fields and plain text, folded, so that nothing in
 * them can end a line of ours. Inside of the mail room. */
#pragma once

#include "base/buf.h"

enum {
    MAIL_TEXT_COLUMN_MAX = 78, /* RFC 5322 section 2.1.1: should */
    MAIL_TEXT_WORD_MAX = 900,  /* a word is broken here, to stay under 998: must */
};

/* One field or paragraph in the making. */
struct mail_text {
    struct buf *out;
    const char *indent; /* of the lines after the first */
    size_t column;
    bool has_word;   /* the line has one: a blank goes before the next */
    bool keeps_utf8; /* else '?' for every byte above 0x7e */
};

/* Appends `in`, at most max bytes of it, as one piece: what is not printable, and each byte of
 * `bad`, becomes '?'. */
void mail_text_add_clean(struct buf *out, struct slice in, size_t max, const char *bad,
                         bool keeps_utf8);
/* Starts with a piece of our own that is never broken, "Name:" or an indent. */
struct mail_text mail_text_start(struct buf *out, const char *first, const char *indent,
                                 bool keeps_utf8);
/* One unbroken word, prefix and suffix being ours. */
void mail_text_word(struct mail_text *t, const char *prefix, struct slice word, const char *suffix);
/* Running text: blanks, tabs, CR and LF part its words. */
void mail_text_run(struct mail_text *t, struct slice text);
void mail_text_end(struct mail_text *t); /* CRLF */
