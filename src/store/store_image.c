/* store_image.c -- see store_image.h. */
#include "store_image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { READ_BYTES = 1024 * 1024, PAGE_BYTES = 4096, HUGE_PAGE_BYTES = 2 * 1024 * 1024 };

static void make_room(struct image *i, size_t n)
{
    if (n <= i->cap)
        return;
    free(i->p);
    i->cap = (n + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    i->p = aligned_alloc(HUGE_PAGE_BYTES, i->cap);
    CHECK(i->p != NULL);
    (void)madvise(i->p, i->cap, MADV_HUGEPAGE); /* a wish: fewer page faults */
}

void image_close(struct image *i)
{
    free(i->p);
    *i = (struct image){0};
}

bool image_read(struct image *i, const struct store_syscalls *sys, int fd, size_t n,
                struct fault *why)
{
    bool is_good = true;
    make_room(i, n);
    for (size_t at = 0, step = READ_BYTES; at < n;) {
        size_t want = step - at % step;
        if (want > n - at)
            want = n - at;
        ssize_t got = sys->pread(fd, i->p + at, want, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && step > PAGE_BYTES) {
            step = PAGE_BYTES; /* what lies around the bad spot can be read */
            continue;
        }
        if (got <= 0) {
            if (is_good)
                (void)fault_set(why, ERR_SYSTEM, got < 0 ? errno : ENODATA, "offset %zu", at);
            memset(i->p + at, 0, want);
            is_good = false;
            got = (ssize_t)want;
        }
        at += (size_t)got;
        if (at % READ_BYTES == 0)
            step = READ_BYTES;
    }
    return is_good;
}
