/* intake.h -- a message while it arrives: from MAIL until its accept record is on disk.
 *
 *   pieces -> head -> [header is over] -> rewritten --+
 *   pieces of the body -------------------------------+-> tail (64 KiB), overflow -> chunk records
 *   -> [complete] -> all chunks on disk -> accept record
 *
 * Owned by its session; when that is gone, by the appends under way, which come back to submit. */
#pragma once

#include "engine_core.h"
#include "mail/header.h"
#include "mail/line_scan.h"
#include "mail/received.h"
#include "rewrite/rewrite_header.h"

struct intake_address {
    size_t at, n; /* in addresses; behind it stands ORCPT */
    uint16_t orcpt_n;
    uint8_t notify;
};

enum intake_header {
    INTAKE_HEADER_COMES,
    INTAKE_HEADER_KEPT,
    INTAKE_HEADER_LONG,
    INTAKE_HEADER_SIGNED
};

struct intake {
    struct session *session; /* NULL: gone, nobody to answer */
    uint64_t id;
    int64_t began_ms;
    struct buf sender;
    struct buf addresses;
    struct buf originals; /* X-Original-To fields, of those whom staging redirected */
    struct intake_address *recipient;
    unsigned recipient_count;
    bool is_binary, is_utf8, requires_tls; /* as MAIL said */
    bool is_8bit;                          /* as the bytes are, whatever MAIL said */
    bool has_dsn;                          /* RCPT had NOTIFY or ORCPT */
    bool is_complete;                      /* the final dot has come */
    bool is_charged;                       /* to its user's rates and quota */
    uint64_t rate_place;                   /* charged to its rate; 0: to none */
    enum mail_ret ret;
    struct buf envid;
    size_t orcpt_bytes;            /* of all recipients */
    bool is_storing;               /* the accept record is on its way */
    enum err err;                  /* a chunk could not be written */
    struct mail_header_scan scan;  /* of the header as it goes on */
    struct mail_header_scan *said; /* as the client sent it; NULL: the same */
    struct mail_line_scan lines;   /* is_binary: whether it is */
    struct buf head;               /* the header section while it arrives */
    enum intake_header header;
    struct rewrite_text from; /* From for a message without; empty: it gets none */
    bool keeps_without_date, keeps_without_message_id; /* a signature wants it so */
    struct buf tail;
    uint64_t wire_bytes; /* received so far */
    uint64_t kept_bytes; /* of them, as rewritten */
    uint64_t counted;    /* in engine.unsettled_bytes */
    struct journal_pos *extent;
    uint32_t extent_count;
    unsigned chunks_out;
    struct body *body;
    struct slice *address; /* of the spool message below */
    struct queue_dsn *dsn; /* the same; NULL: nothing was asked for */
    struct spool_message message;
    struct buf client, user; /* the session may be gone before the record is on disk */
};

/* Where it comes from, as Received and the queue tell it. */
struct intake_origin {
    struct mail_received received; /* by, id, recipient and time are filled in */
    struct slice client, user;
};

/* By MAIL's event. */
struct intake *intake_new(struct engine *e, struct session *s, const struct smtp_server_event *ev);
/* How many more recipients fit. */
unsigned intake_room(const struct intake *in);
void intake_free(struct engine *e, struct intake *in);
/* Nobody wants the message any more; appends under way still come back. */
void intake_drop(struct engine *e, struct intake *in);
/* By RCPT's event. False: no more fit, nothing was kept. */
bool intake_recipient(struct intake *in, const struct smtp_server_event *ev);
/* The header as the client sent it: what a login may send is judged on that. */
const struct mail_header_scan *intake_said(const struct intake *in);
void intake_body(struct engine *e, struct intake *in, struct slice piece);
/* Bytes as they go on. */
void intake_keep(struct engine *e, struct intake *in, struct slice piece);
/* The final dot has come. What was declared binary and is text counts as text from here on. */
void intake_complete(struct engine *e, struct intake *in);
/* All chunks are on disk: the accept record goes out. */
void intake_store(struct engine *e, struct intake *in, const struct intake_origin *origin);
