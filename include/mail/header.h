/* header.h -- what a relay wants to know of a message's header section, read while it arrives.
 *
 * Fed with the wire form of DATA: CRLF lines, a leading dot doubled (RFC 5321 4.5.2). Any
 * chunking gives the same result. Memory is this struct and no more; lines may have any length.
 * Fields: RFC 5322 section 3.6; Auto-Submitted: RFC 3834 section 5. */
#pragma once

#include "base/slice.h"

enum {
    MAIL_HEADER_MESSAGE_ID_MAX = 256,
    MAIL_HEADER_FROM_MAX = 512,
    MAIL_HEADER_SUBJECT_MAX = 256,
    MAIL_HEADER_NAME_MAX = 16, /* longest name we know is shorter */
    MAIL_HEADER_TOKEN_MAX = 16,
};

struct mail_header_scan {
    bool is_over;       /* the header section has ended; what follows is not looked at */
    bool has_no_header; /* the first line was no field: everything is body */
    bool is_malformed;  /* the section was ended by a line that is no field, not by an empty one */
    bool has_date;
    bool has_message_id;
    bool has_from;
    bool has_many_from;      /* readers differ in which one they show */
    bool has_to_or_cc;       /* To, Cc or Bcc */
    bool is_auto_submitted;  /* a value other than "no" */
    bool has_8bit;           /* UTF-8, or what else is not ASCII: RFC 6532 */
    uint32_t received_count; /* loop detection, RFC 5321 section 6.3 */
    /* Wire bytes from the start to the first byte of the body: the empty line belongs to the
     * header section, a line that is no field does not. Final when is_over. */
    uint64_t header_bytes;

    /* First occurrence, unfolded and trimmed, cut at the ceiling; control characters became '?'. */
    size_t message_id_bytes, from_bytes, subject_bytes;
    char message_id[MAIL_HEADER_MESSAGE_ID_MAX];
    char from[MAIL_HEADER_FROM_MAX];
    char subject[MAIL_HEADER_SUBJECT_MAX];

    /* header.c's own. */
    struct {
        int state;
        int field;
        bool has_fields;
        bool may_copy;
        uint64_t seen_bytes; /* all bytes fed before the current chunk */
        uint64_t line_at;    /* where the current line began */
        size_t name_bytes;
        char name[MAIL_HEADER_NAME_MAX];
        size_t token_bytes;
        char token[MAIL_HEADER_TOKEN_MAX];
    } in;
};

void mail_header_scan_init(struct mail_header_scan *s);
/* False once the section is over: no further bytes are needed. */
bool mail_header_scan_feed(struct mail_header_scan *s, struct slice bytes);
/* The message has ended: a section without an empty line behind it is over too. */
void mail_header_scan_end(struct mail_header_scan *s);

static inline struct slice mail_header_message_id(const struct mail_header_scan *s)
{
    return slice_of(s->message_id, s->message_id_bytes);
}
static inline struct slice mail_header_from(const struct mail_header_scan *s)
{
    return slice_of(s->from, s->from_bytes);
}
static inline struct slice mail_header_subject(const struct mail_header_scan *s)
{
    return slice_of(s->subject, s->subject_bytes);
}
