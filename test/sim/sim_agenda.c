/* sim_agenda.c -- see the header. base/heap.h is not used: it lets equals leave in any order. */
#include "sim_agenda.h"

static bool is_before(const struct sim_happening *a, const struct sim_happening *b)
{
    return a->at_us < b->at_us || (a->at_us == b->at_us && a->order < b->order);
}

static void swap(struct sim_happening *a, struct sim_happening *b)
{
    struct sim_happening x = *a;
    *a = *b;
    *b = x;
}

void sim_agenda_close(struct sim_agenda *a)
{
    mem_free(a->item);
    *a = (struct sim_agenda){0};
}

void sim_agenda_add(struct sim_agenda *a, int64_t at_us,
                    void (*run)(struct sim_world *w, void *thing, uint64_t arg), void *thing,
                    uint64_t arg)
{
    if (a->count == a->cap) {
        a->cap = a->cap ? a->cap * 2 : 256;
        a->item = mem_resize(a->item, a->cap * sizeof *a->item);
    }
    size_t i = a->count++;
    a->item[i] = (struct sim_happening){at_us, ++a->order, run, thing, arg};
    while (i > 0 && is_before(&a->item[i], &a->item[(i - 1) / 2])) {
        swap(&a->item[i], &a->item[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
}

int64_t sim_agenda_due_us(const struct sim_agenda *a)
{
    return a->count ? a->item[0].at_us : INT64_MAX;
}

struct sim_happening sim_agenda_take(struct sim_agenda *a)
{
    CHECK(a->count > 0);
    struct sim_happening first = a->item[0];
    a->item[0] = a->item[--a->count];
    for (size_t i = 0;;) {
        size_t least = i;
        for (size_t k = 2 * i + 1; k <= 2 * i + 2 && k < a->count; k++)
            if (is_before(&a->item[k], &a->item[least]))
                least = k;
        if (least == i)
            return first;
        swap(&a->item[i], &a->item[least]);
        i = least;
    }
}
