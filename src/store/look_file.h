/* look_file.h -- inside of store_look: one file, from its bytes to its words. */
#pragma once

#include "store/store_look.h"
#include "store_image.h"

struct look_file {
    struct store_look_file f;
    bool is_told;
    bool is_begun; /* its header is its own */
};

struct store_look {
    char *path; /* of the queue directory */
    int queue_fd;
    uint64_t installation;
    struct look_file *file; /* owned; in order of number, a segment before its .bad */
    size_t count, cap;
    struct image image;
    const struct store_look_callbacks *cb; /* while it walks */
};

int look_file_open(const struct store_look *l, const char *name); /* -1, errno */
/* Takes its bytes until it is sure of them, judges, walks, tells. */
void look_file_tell(struct store_look *l, struct store_look_file *f);
