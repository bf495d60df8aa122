/* store_files.c -- segment files that are open, the least recently used closed first. */
#include "base/heap.h" /* CONTAINER_OF */
#include "store_inside.h"

#include <unistd.h>

void files_init(struct files *f, uint64_t seed)
{
    *f = (struct files){0};
    map_init(&f->by_segment, seed);
    list_init(&f->by_use);
}

static void drop(struct files *f, struct open_file *file)
{
    if (!file->is_gone)
        (void)map_take_id(&f->by_segment, file->segment);
    list_remove(&file->by_use);
    f->count--;
    if (file->fd >= 0)
        close(file->fd);
    mem_free(file);
}

void files_close(struct files *f)
{
    struct list *n;
    if (!f->by_use.next)
        return;
    while ((n = f->by_use.next) != &f->by_use)
        drop(f, CONTAINER_OF(n, struct open_file, by_use));
    map_close(&f->by_segment);
    *f = (struct files){0};
}

struct open_file *files_use(struct files *f, uint64_t segment)
{
    struct open_file *file = map_get_id(&f->by_segment, segment);
    if (!file)
        return NULL;
    file->users++;
    list_remove(&file->by_use);
    list_add_last(&f->by_use, &file->by_use);
    return file;
}

void files_done(struct files *f, struct open_file *file)
{
    CHECK(file->users > 0);
    file->users--;
    if (file->users == 0 && file->is_gone)
        drop(f, file);
}

static void make_room(struct files *f)
{
    struct list *n = f->by_use.next;
    while (f->count >= FILES_OPEN_MAX && n != &f->by_use) {
        struct open_file *file = CONTAINER_OF(n, struct open_file, by_use);
        n = n->next;
        if (file->users == 0)
            drop(f, file);
    }
}

void files_add(struct files *f, uint64_t segment, int fd)
{
    if (map_get_id(&f->by_segment, segment)) { /* two had opened it */
        close(fd);
        return;
    }
    make_room(f);
    struct open_file *file = mem_new(sizeof *file);
    file->segment = segment;
    file->fd = fd;
    list_add_last(&f->by_use, &file->by_use);
    map_put_id(&f->by_segment, segment, file);
    f->count++;
}

int files_take(struct files *f, uint64_t segment)
{
    struct open_file *file = map_get_id(&f->by_segment, segment);
    if (!file || file->users)
        return -1;
    int fd = file->fd;
    file->fd = -1;
    drop(f, file);
    return fd;
}

void files_forget(struct files *f, uint64_t segment)
{
    struct open_file *file = map_take_id(&f->by_segment, segment);
    if (!file)
        return;
    file->is_gone = true;
    if (file->users == 0)
        drop(f, file);
}
