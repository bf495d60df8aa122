/* salvage_write.h -- one message of a queue into two files of a directory: ID.eml, the message as
 * it would go out (dots undone), and ID.envelope.json. Whole, synced, under their names at once,
 * and never over a file that is there. */
#pragma once

#include "base/buf.h"
#include "queue/queue_audit.h"
#include "store/store_look.h"

struct salvage_writer {
    const char *dir; /* borrowed */
    int dir_fd;
    uint64_t files; /* temporary names given out */
    struct buf accept, piece, text;
};

/* Makes the directory (0700) where it is missing. */
MUST_USE enum err salvage_writer_init(struct salvage_writer *w, const char *dir, struct fault *why);
/* Syncs the names; the first error counts. */
MUST_USE enum err salvage_writer_close(struct salvage_writer *w, struct fault *why);
/* *is_new: false when just these files were there already. ERR_BUSY: others were. ERR_MISSING,
 * ERR_DAMAGED: the message is not whole, and nothing was written. ERR_FULL, ERR_SYSTEM: the
 * directory takes no more. */
MUST_USE enum err salvage_write(struct salvage_writer *w, struct store_look *look,
                                const struct queue_audit_message *m, bool *is_new,
                                struct fault *why);
