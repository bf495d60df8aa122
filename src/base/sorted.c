/* sorted.c -- two levels: a directory of pages, pages of pairs. See the header.
 *
 *   leaf:  [first|page] [first|page] [first|page] ...      in order, no page is empty
 *   page:  count, number[PAIRS], value[PAIRS]
 *
 * A full last page is left full, since what comes next is mostly higher still; a full page in the
 * middle is split. Two neighbours that fit into half a page become one. */
#include "base/sorted.h"

#include <string.h>

enum {
    PAIRS = 127, /* a page and malloc's word in front of it are 2 KiB */
    FIRST_LEAVES = 16,
};

struct sorted_page {
    uint64_t count;
    uint64_t number[PAIRS];
    void *value[PAIRS];
};

void sorted_init(struct sorted *s)
{
    *s = (struct sorted){0};
}

void sorted_close(struct sorted *s)
{
    for (size_t i = 0; i < s->leaf_count; i++)
        mem_free(s->leaf[i].page);
    mem_free(s->leaf);
    *s = (struct sorted){0};
}

/* The last leaf whose first number is not above; 0 when all are above. There is one at least. */
static size_t find_leaf(const struct sorted *s, uint64_t number)
{
    size_t low = 0, high = s->leaf_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (s->leaf[middle].first <= number)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The first place in the page whose number is not below. */
static size_t find_place(const struct sorted_page *p, uint64_t number)
{
    size_t low = 0, high = p->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (p->number[middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct sorted_page *add_leaf(struct sorted *s, size_t at, uint64_t first)
{
    if (s->leaf_count == s->leaf_cap) {
        s->leaf_cap = s->leaf_cap ? s->leaf_cap * 2 : FIRST_LEAVES;
        s->leaf = mem_resize(s->leaf, s->leaf_cap * sizeof *s->leaf);
    }
    memmove(s->leaf + at + 1, s->leaf + at, (s->leaf_count - at) * sizeof *s->leaf);
    s->leaf_count++;
    s->leaf[at] = (struct sorted_leaf){first, mem_new(sizeof(struct sorted_page))};
    return s->leaf[at].page;
}

static void drop_leaf(struct sorted *s, size_t at)
{
    mem_free(s->leaf[at].page);
    s->leaf_count--;
    memmove(s->leaf + at, s->leaf + at + 1, (s->leaf_count - at) * sizeof *s->leaf);
}

static void copy_pairs(struct sorted_page *to, size_t to_at, const struct sorted_page *from,
                       size_t from_at, size_t count)
{
    memmove(to->number + to_at, from->number + from_at, count * sizeof *to->number);
    memmove(to->value + to_at, from->value + from_at, count * sizeof *to->value);
}

/* The upper half goes to a page of its own. */
static void split(struct sorted *s, size_t at)
{
    struct sorted_page *low = s->leaf[at].page;
    size_t half = low->count / 2;
    struct sorted_page *high = add_leaf(s, at + 1, low->number[half]);
    high->count = low->count - half;
    copy_pairs(high, 0, low, half, high->count);
    low->count = half;
}

static void insert(struct sorted *s, size_t leaf, size_t at, uint64_t number, void *value)
{
    struct sorted_page *p = s->leaf[leaf].page;
    copy_pairs(p, at + 1, p, at, p->count - at);
    p->number[at] = number;
    p->value[at] = value;
    p->count++;
    s->leaf[leaf].first = p->number[0];
    s->count++;
}

bool sorted_put(struct sorted *s, uint64_t number, void *value)
{
    CHECK(value != NULL);
    if (!s->leaf_count)
        (void)add_leaf(s, 0, number);
    size_t leaf = find_leaf(s, number);
    const struct sorted_page *p = s->leaf[leaf].page;
    size_t at = find_place(p, number);
    if (at < p->count && p->number[at] == number)
        return false;
    if (p->count == PAIRS && at == PAIRS && leaf + 1 == s->leaf_count) {
        (void)add_leaf(s, ++leaf, number);
        at = 0;
    } else if (p->count == PAIRS) {
        split(s, leaf);
        size_t half = s->leaf[leaf].page->count;
        if (at > half) {
            leaf++;
            at -= half;
        }
    }
    insert(s, leaf, at, number, value);
    return true;
}

static void join_with_next(struct sorted *s, size_t leaf)
{
    if (leaf + 1 >= s->leaf_count)
        return;
    struct sorted_page *p = s->leaf[leaf].page;
    const struct sorted_page *next = s->leaf[leaf + 1].page;
    if (p->count + next->count > PAIRS / 2)
        return;
    copy_pairs(p, p->count, next, 0, next->count);
    p->count += next->count;
    drop_leaf(s, leaf + 1);
}

void *sorted_take(struct sorted *s, uint64_t number)
{
    if (!s->leaf_count)
        return NULL;
    size_t leaf = find_leaf(s, number);
    struct sorted_page *p = s->leaf[leaf].page;
    size_t at = find_place(p, number);
    if (at == p->count || p->number[at] != number)
        return NULL;
    void *value = p->value[at];
    s->count--;
    p->count--;
    copy_pairs(p, at, p, at + 1, p->count - at);
    if (!p->count) {
        drop_leaf(s, leaf);
        return value;
    }
    s->leaf[leaf].first = p->number[0];
    join_with_next(s, leaf);
    if (leaf)
        join_with_next(s, leaf - 1);
    return value;
}

void *sorted_get(const struct sorted *s, uint64_t number)
{
    if (!s->leaf_count)
        return NULL;
    const struct sorted_page *p = s->leaf[find_leaf(s, number)].page;
    size_t at = find_place(p, number);
    return at < p->count && p->number[at] == number ? p->value[at] : NULL;
}

void *sorted_first(const struct sorted *s)
{
    return s->leaf_count ? s->leaf[0].page->value[0] : NULL;
}

void *sorted_after(const struct sorted *s, uint64_t number)
{
    if (!s->leaf_count || number == UINT64_MAX)
        return NULL;
    size_t leaf = find_leaf(s, number);
    const struct sorted_page *p = s->leaf[leaf].page;
    size_t at = find_place(p, number + 1);
    if (at < p->count)
        return p->value[at];
    return leaf + 1 < s->leaf_count ? s->leaf[leaf + 1].page->value[0] : NULL;
}

void *sorted_before(const struct sorted *s, uint64_t number)
{
    if (!s->leaf_count)
        return NULL;
    size_t leaf = find_leaf(s, number);
    const struct sorted_page *p = s->leaf[leaf].page;
    size_t at = find_place(p, number);
    if (at)
        return p->value[at - 1];
    if (!leaf)
        return NULL;
    p = s->leaf[leaf - 1].page;
    return p->value[p->count - 1];
}
