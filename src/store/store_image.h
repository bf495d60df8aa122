/* store_image.h -- a segment file's bytes in memory: room for one, used again and again. */
#pragma once

#include "base/slice.h"
#include "store_syscalls.h"

struct image {
    char *p; /* owned */
    size_t cap;
};

void image_close(struct image *i);
/* The file's first n bytes. What cannot be read becomes zeroes; false then. */
bool image_read(struct image *i, const struct store_syscalls *sys, int fd, size_t n,
                struct fault *why);
