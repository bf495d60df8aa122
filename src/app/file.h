/* file.h -- whole small files, read and written at start-up, on reload and by commands. Blocking.
 */
#pragma once

#include "base/buf.h"

enum { FILE_BYTES_MAX = 4 * 1024 * 1024 };

/* The content is added to out. A file larger than out's ceiling is ERR_FULL. */
MUST_USE enum err file_read(const char *path, struct buf *out, struct fault *why);
/* Mode 0600, synced, in place at once or not at all (through PATH.new). */
MUST_USE enum err file_write(const char *path, struct slice content, struct fault *why);
/* The directory, and those above it, with this mode where they are missing. */
MUST_USE enum err file_make_directory(const char *path, unsigned mode, struct fault *why);
/* The same for the directory that this file lies in. */
MUST_USE enum err file_make_parent(const char *path, unsigned mode, struct fault *why);
