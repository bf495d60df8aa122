/* handover.h -- hands one message to a relay over a connected Unix socket.
 *
 * A small blocking SMTP client, for sendmail(1) and for the thread that empties the drop
 * directory; what the engine speaks to the world is smtp/smtp_client. One command at a time: on a
 * Unix socket a round trip costs microseconds. When the relay takes no more recipients for one
 * message (452), the rest gets a transaction of its own. */
#pragma once

#include "base/buf.h"

enum {
    HANDOVER_WAIT_S = 300,        /* for a reply */
    HANDOVER_CHUNK_BYTES = 32768, /* of the body, read at once */
};

struct handover_recipient {
    struct slice address;
    bool is_taken;   /* the relay said 250 to a message for it */
    bool is_refused; /* for good */
};

struct handover_envelope {
    struct slice sender; /* "" = null */
    struct handover_recipient *recipient;
    unsigned recipient_count;
    bool is_8bit;
    struct slice notify, ret, envid; /* DSN; empty: not given; said when the relay offers DSN */
};

struct handover {
    int fd;
    struct slice helo;
    struct handover_envelope *envelope;
    /* The message, CRLF lines, not dot-stuffed: as many bytes from `at` on as there are, at most
     * *n; 0 is its end. False: it cannot be read; the relay gets no half message. */
    bool (*read)(void *ctx, uint64_t at, char *to, size_t *n);
    void *ctx;
    uint64_t bytes;
    bool is_whole; /* a recipient that is refused for good refuses the message for all */

    char said[512]; /* the last refusal, or why it ended */
    struct buf in;
    bool has_8bit, has_utf8, has_dsn, has_size;
};

enum handover_end {
    HANDOVER_TAKEN,   /* every recipient is taken, or (not is_whole) refused */
    HANDOVER_LATER,   /* the relay wants it later, or the line broke: `said`; some may be taken */
    HANDOVER_REFUSED, /* for good: `said` */
};

/* The fd stays the caller's. */
MUST_USE enum handover_end handover_run(struct handover *h);
/* -1, with errno: nobody answers at this path. */
MUST_USE int handover_connect(const char *path);
bool handover_send(int fd, struct slice s); /* all of it */
