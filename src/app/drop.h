/* drop.h -- takes up what sendmail(1) left in the drop directory (drop_file.h), on a thread of its
 * own.
 *
 *   thread: list -> open, check -> socketpair ----- fd, owner ---> loop: a client like any other
 *           handover: MAIL, RCPT, DATA ... 250 -> remove the file
 *
 * So limits, rights and promises are those of the socket; the owner of the file is the identity.
 * A file is removed only after the 250, which means it is on disk. When the relay dies in between,
 * the accept record names the file (" drop=NAME" in its client): at the next start it is removed
 * without being sent again. What is refused for good is set aside as NAME.bad, with a warning. */
#pragma once

#include <uv.h>

#include "base/map.h"
#include "drop_file.h"

enum {
    DROP_LIST_MAX = 10000,    /* names looked at in one round */
    DROP_LATER_MS = 5000,     /* after a round that left something; twice as long after the next */
    DROP_ROUND_MS = 60000,    /* when nothing is told (inotify) */
    DROP_STALE_S = 24 * 3600, /* files that a sendmail(1) never finished */
    DROP_TEXTS_MAX = 100,     /* warnings that wait for the loop */
};

struct drop_options {
    uv_loop_t *loop;
    const char *dir;
    struct slice helo;
    uint64_t bytes_max; /* of a message */
    /* On the loop. The client at the other end of fd is who. The fd is the callee's. */
    void (*client)(void *ctx, int fd, uid_t owner, const char *name);
    void (*warn)(void *ctx, const char *text);
    void *ctx;
};

struct drop;
/* Makes the directory (01733) and lists what is there. Blocking. */
MUST_USE enum err drop_open(struct drop **out, const struct drop_options *o, struct fault *why);
/* While the journal is replayed: the client of an accepted message. */
void drop_on_accepted(struct drop *d, struct slice client);
void drop_start(struct drop *d);
void drop_configure(struct drop *d, uint64_t bytes_max);
void drop_stop(struct drop *d); /* no new message; the one under way goes on */
/* Waits for the thread, which is quick: the message under way is cut off. */
void drop_close(struct drop *d, void (*closed)(void *ctx), void *ctx);
