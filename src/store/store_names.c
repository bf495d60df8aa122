/* store_names.c -- see store_names.h. */
#include "store_names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct file_name segment_name(uint64_t sequence)
{
    struct file_name n;
    snprintf(n.s, sizeof n.s, "%016" PRIx64 ".seg", sequence);
    return n;
}

struct file_name spare_name(uint64_t number)
{
    struct file_name n;
    snprintf(n.s, sizeof n.s, "spare-%" PRIu64, number);
    return n;
}

struct file_name bad_name(uint64_t sequence)
{
    struct file_name n;
    snprintf(n.s, sizeof n.s, "%016" PRIx64 ".bad", sequence);
    return n;
}

struct file_name index_name(uint64_t sequence)
{
    struct file_name n;
    snprintf(n.s, sizeof n.s, "%016" PRIx64 ".idx", sequence);
    return n;
}

static bool is_spelt(const char *name, struct file_name ours)
{
    return strcmp(name, ours.s) == 0;
}

enum store_name file_kind_of(const char *name, uint64_t *number)
{
    if (strcmp(name, MAKING_NAME) == 0 || strcmp(name, INDEXING_NAME) == 0)
        return FILE_UNFINISHED;
    bool is_spare = strncmp(name, "spare-", 6) == 0;
    uint64_t n = is_spare ? strtoull(name + 6, NULL, 10) : strtoull(name, NULL, 16);
    *number = n;
    if (n == 0 || n > FILE_NUMBER_MAX)
        return FILE_STRANGE;
    if (is_spare)
        return is_spelt(name, spare_name(n)) ? FILE_SPARE : FILE_STRANGE;
    if (is_spelt(name, segment_name(n)))
        return FILE_SEGMENT;
    if (is_spelt(name, index_name(n)))
        return FILE_INDEX;
    return is_spelt(name, bad_name(n)) ? FILE_BAD : FILE_STRANGE;
}

int file_names_list(int dir_fd, void *ctx, void (*found)(void *ctx, const char *name))
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int errnum = errno;
        if (fd >= 0)
            close(fd);
        return errnum;
    }
    struct dirent *entry;
    errno = 0;
    while ((entry = readdir(dir))) {
        found(ctx, entry->d_name);
        errno = 0;
    }
    int errnum = errno;
    closedir(dir);
    return errnum;
}
