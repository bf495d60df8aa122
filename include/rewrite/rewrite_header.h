/* rewrite_header.h -- the message header as the operator wants it.
 *
 *   wire form in -> survey: which fields are there, which of them a signature covers
 *                -> fields: removed | addresses completed and mapped | From forced | as they were
 *                -> what is missing is put before them -> wire form out
 *
 * Display names, comments, groups, encoded words and folding stay: only the addresses themselves
 * are replaced. Where nothing is to be done the section stays byte for byte, where something is,
 * each field that is not concerned. Pure; the section is whole and bounded, the body is never seen.
 * Fields: RFC 5322 section 3.6; what a submission server may do: RFC 6409 section 8. */
#pragma once

#include "rewrite/rewrite.h"

enum {
    REWRITE_HEADER_BYTES_MAX = 128 * 1024, /* of a section that comes in */
    REWRITE_HEADER_OUT_MAX = 512 * 1024,   /* and that goes out: maps may make addresses longer */
    REWRITE_FIELDS_MAX = 32,               /* each of remove_headers and add_headers */
    REWRITE_FIELD_BYTES_MAX = 900,         /* one of add_headers: it stays a line of its own */
    REWRITE_HEADER_TOLD_MAX = 256,
};

struct rewrite_message {
    struct slice host;   /* our name */
    struct slice sender; /* of the envelope, rewritten; empty: nobody */
    bool is_utf8;        /* SMTPUTF8: addresses may be UTF-8 */
};

enum rewrite_outcome {
    REWRITE_HEADER_SAME,
    REWRITE_HEADER_CHANGED,
    REWRITE_HEADER_REFUSED,  /* on_signed = "refuse" */
    REWRITE_HEADER_TOO_LONG, /* what would go out */
};

/* Names of fields for the log, "From,-Bcc,+Sender", cut at the ceiling. */
struct rewrite_told {
    size_t n;
    char s[REWRITE_HEADER_TOLD_MAX];
};

struct rewrite_header {
    enum rewrite_outcome outcome;
    struct buf out;                /* CHANGED: the section in wire form */
    struct rewrite_told changed;   /* what was done */
    struct rewrite_told is_signed; /* what a signature covers and should have been changed */
    bool is_kept;                  /* some of that stayed */
    bool is_broken;                /* some of that was changed: the signature holds no more */
    bool keeps_without_date;       /* a signature says that there is none: none may be added */
    bool keeps_without_message_id;
    struct rewrite_text from; /* for a message without From; empty: it gets none */
};

/* `section`: wire form, the empty line included where there is one; at most
 * REWRITE_HEADER_BYTES_MAX. */
void rewrite_header_build(const struct rewrite_options *o, const struct rewrite_message *m,
                          struct slice section, struct rewrite_header *out);
void rewrite_header_close(struct rewrite_header *h);
