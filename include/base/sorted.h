/* sorted.h -- pointers in the order of a 64-bit number: found, added and removed in O(log n).
 *
 * Pages of some hundred pairs, and a directory of pages. Numbers that mostly grow fill their pages
 * wholly: 17 bytes an entry. Nothing is ever moved but within two pages and the directory, so that
 * no single call is slow, however many there are (a hash table that doubles is, once in a while).
 * Values are the caller's and never NULL. Ceilings are the caller's. */
#pragma once

#include "base/err.h"

struct sorted_page;
struct sorted {
    struct sorted_leaf {
        uint64_t first; /* the page's lowest number */
        struct sorted_page *page;
    } * leaf;
    size_t leaf_count, leaf_cap;
    size_t count; /* entries */
};

void sorted_init(struct sorted *s);
void sorted_close(struct sorted *s);
void *sorted_get(const struct sorted *s, uint64_t number); /* NULL: not there */
/* False: the number is taken; nothing has changed. */
MUST_USE bool sorted_put(struct sorted *s, uint64_t number, void *value);
void *sorted_take(struct sorted *s, uint64_t number); /* removed value or NULL */
void *sorted_first(const struct sorted *s);           /* NULL: empty */
/* The one with the lowest number above this one; NULL: none. The number need not be there. */
void *sorted_after(const struct sorted *s, uint64_t number);
/* The one with the highest number below this one; NULL: none. */
void *sorted_before(const struct sorted *s, uint64_t number);
