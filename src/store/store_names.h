/* store_names.h -- how the files of a queue directory are called, and what lies in one. Names are
 * read and written here alone. */
#pragma once

#include "base/slice.h"

struct file_name {
    char s[40];
};
struct file_name segment_name(uint64_t sequence);
struct file_name spare_name(uint64_t number);
struct file_name bad_name(uint64_t sequence);
struct file_name index_name(uint64_t sequence);
#define MAKING_NAME "making"     /* a spare that is not whole yet */
#define INDEXING_NAME "indexing" /* an index that is not whole yet */

/* No relay lives to make so many files: such a name was put there, and counting on from it would
 * run over. */
#define FILE_NUMBER_MAX (UINT64_MAX / 2)

enum store_name {
    FILE_STRANGE,
    FILE_SEGMENT,
    FILE_SPARE,
    FILE_BAD,
    FILE_INDEX,
    FILE_UNFINISHED, /* worth nothing after a start */
};
/* One number must not come in twice: what is not spelt as we spell it is not ours. */
enum store_name file_kind_of(const char *name, uint64_t *number);
/* Every name in the directory, once, in no order. 0, or an errno. */
int file_names_list(int dir_fd, void *ctx, void (*found)(void *ctx, const char *name));
