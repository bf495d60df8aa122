/* drop_file.h -- messages in the drop directory: what sendmail(1) leaves while the relay is down.
 *
 *   outpost-drop 1        lines that end in LF: a word, a blank, a value
 *   from bob@example.com
 *   to ann@example.net    once a recipient
 *   8bit                  the message has bytes beyond ASCII
 *   notify, ret, envid    as in SMTP, when given
 *   bytes 1234            of the message
 *                         an empty line, then the message: CRLF lines
 *
 * The directory belongs to the relay and has mode 01733: everybody may add a file, nobody else may
 * list. A file is written under another name, synced, and renamed to `m` and 32 hexadecimal digits
 * (16 of time, so that names sort by it, and 16 of chance). Who owns it sent it. A relay that is
 * not root could not read a file of mode 0600: then it is 0644, and protected by a name that cannot
 * be listed or guessed. */
#pragma once

#include <sys/types.h>

#include "handover.h"

enum {
    DROP_NAME_BYTES = 33,
    DROP_HEADER_BYTES_MAX = 4 * 1024 * 1024,
    DROP_RECIPIENTS_MAX = 100, /* in one file: so many any relay takes in one message */
    DROP_FILE_RECIPIENTS_MAX = 10000,
};

struct drop_name {
    char s[DROP_NAME_BYTES + 1];
};
bool drop_name_is_good(const char *name);

/* All or nothing on disk, one file for every DROP_RECIPIENTS_MAX of the recipients that are not
 * taken yet. ERR_MISSING: there is no such directory. */
MUST_USE enum err drop_file_write(const char *dir, const struct handover_envelope *e,
                                  struct slice message, struct fault *why);

struct drop_file {
    int fd;
    uid_t owner;
    struct buf header; /* the envelope points into it */
    struct handover_envelope envelope;
    uint64_t begin, bytes; /* the message in the file */
};
/* ERR_BAD: it is none, or somebody else's (a link, a pipe); ERR_FULL: too large; else it cannot be
 * read now. */
MUST_USE enum err drop_file_open(struct drop_file *f, int dir_fd, const char *name,
                                 uint64_t bytes_max, struct fault *why);
void drop_file_close(struct drop_file *f);
/* handover.read */
bool drop_file_read(void *ctx, uint64_t at, char *to, size_t *n);
/* Pure: the header, without the empty line behind it. False: *why says what is wrong. */
MUST_USE bool drop_file_parse(struct slice header, struct handover_envelope *out, uint64_t *bytes,
                              struct fault *why);
