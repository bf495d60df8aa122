/* test_turns.c -- who goes next: shares by bytes and priority, nobody starves, nothing is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/rng.h"

#include "../../../src/engine/turns.h"

enum { BYTES = 4096 };

struct item {
    struct list link;
    unsigned who, order;
    int64_t added, first; /* takes so far when it came into line, and to its submitter's front */
};

static struct turns_who user(const char *name, int priority)
{
    return (struct turns_who){slice_cstr(name), true, priority};
}

static struct item *take(struct turns_book *b, struct turns *t, uint64_t bytes)
{
    struct list *l = turns_first(t);
    if (!l)
        return NULL;
    turns_charge(t, bytes);
    turns_remove(b, t, l);
    return CONTAINER_OF(l, struct item, link);
}

struct table {
    struct turns_book book;
    struct turns turns;
};

static void lay(struct table *x)
{
    turns_book_init(&x->book, 1);
    turns_init(&x->book, &x->turns);
}

static void clear(struct table *x)
{
    while (take(&x->book, &x->turns, BYTES))
        ;
    turns_close(&x->turns);
    turns_book_close(&x->book);
}

static void add(struct table *x, struct item *i, const char *name, int priority,
                enum turns_place place)
{
    struct turns_who who = user(name, priority);
    turns_add(&x->book, &x->turns, &i->link, &who, place);
}

/* Behind any number of another's messages, large or small, one waits for one of them at most. */
static void one_behind_a_bulk(void **state)
{
    static struct item bulk[1000], one;
    for (uint64_t bytes = 0; bytes <= 64 << 20; bytes = bytes * 4 + 1000) {
        struct table x;
        lay(&x);
        for (size_t i = 0; i < COUNT_OF(bulk); i++)
            add(&x, &bulk[i], "bulk", 0, TURNS_LAST);
        for (int i = 0; i < 500; i++)
            assert_ptr_equal(take(&x.book, &x.turns, bytes), &bulk[i]);
        for (int round = 0; round < 20; round++) { /* and again, having gone */
            add(&x, &one, "one", 0, TURNS_LAST);
            int before = 0;
            while (take(&x.book, &x.turns, bytes) != &one)
                before++;
            assert_in_range(before, 0, 1);
        }
        clear(&x);
    }
}

/* The other way round: who always comes back keeps nobody waiting. */
static void coming_back_gains_nothing(void **state)
{
    static struct item bulk[2], one;
    struct table x;
    lay(&x);
    add(&x, &bulk[0], "bulk", 0, TURNS_LAST);
    add(&x, &bulk[1], "bulk", 0, TURNS_LAST);
    int before = 0;
    do {
        if (!list_has(&one.link))
            add(&x, &one, "one", 0, TURNS_FIRST);
        before++;
    } while (take(&x.book, &x.turns, BYTES) != &bulk[1]);
    assert_in_range(before, 2, 6);
    list_has(&one.link) ? turns_remove(&x.book, &x.turns, &one.link) : (void)0;
    clear(&x);
}

static unsigned share_of_a(int a, int b, uint64_t a_bytes, uint64_t b_bytes, unsigned takes)
{
    static struct item item[2];
    struct table x;
    unsigned count = 0;
    lay(&x);
    static struct item rest[2]; /* so that neither leaves */
    add(&x, &rest[0], "a", a, TURNS_LAST);
    add(&x, &rest[1], "b", b, TURNS_LAST);
    add(&x, &item[0], "a", a, TURNS_FIRST);
    add(&x, &item[1], "b", b, TURNS_FIRST);
    for (unsigned i = 0; i < takes; i++) {
        bool is_a = turns_first(&x.turns) == &item[0].link;
        take(&x.book, &x.turns, is_a ? a_bytes : b_bytes);
        count += is_a;
        add(&x, &item[!is_a], is_a ? "a" : "b", is_a ? a : b, TURNS_FIRST);
    }
    clear(&x);
    return count;
}

static void shares(void **state)
{
    assert_in_range(share_of_a(0, 0, BYTES, BYTES, 1000), 499, 501);
    assert_in_range(share_of_a(3, 0, BYTES, BYTES, 1000), 795, 805);     /* 4 : 1 */
    assert_in_range(share_of_a(0, -9, BYTES, BYTES, 6500), 6390, 6410);  /* 64 : 1 */
    assert_in_range(share_of_a(9, -9, BYTES, BYTES, 10000), 9995, 9999); /* 4096 : 1 */
    /* 20 MiB are as much as 1281 times the fixed part: b has 1024 of its small ones meanwhile */
    assert_in_range(share_of_a(0, 0, 20 << 20, 4096, 10250), 9, 12);
}

static void the_operator_goes_first(void **state)
{
    static struct item item[4];
    struct table x;
    lay(&x);
    add(&x, &item[0], "a", 9, TURNS_LAST);
    add(&x, &item[1], "b", -9, TURNS_URGENT);
    add(&x, &item[2], "c", -9, TURNS_URGENT);
    add(&x, &item[3], "A", 9, TURNS_FIRST); /* the same, whatever the case */
    static const int wanted[] = {2, 1, 3, 0};
    for (int i = 0; i < 4; i++)
        assert_ptr_equal(take(&x.book, &x.turns, BYTES), &item[wanted[i]]);
    assert_true(turns_is_empty(&x.turns));
    clear(&x);
}

/* A login is not the domain of that name. */
static void logins_and_domains(void **state)
{
    static struct item item[2];
    struct table x;
    lay(&x);
    struct turns_who login = {SLICE("a.example"), true, 0}, domain = {SLICE("a.example"), false, 0};
    turns_add(&x.book, &x.turns, &item[0].link, &login, TURNS_LAST);
    turns_add(&x.book, &x.turns, &item[1].link, &domain, TURNS_LAST);
    assert_int_equal(x.turns.round.count, 2);
    clear(&x);
}

static void a_flood_of_names(void **state)
{
    static struct item item[3 * TURNS_SUBMITTERS_MAX];
    static char name[COUNT_OF(item)][16];
    struct table x;
    lay(&x);
    for (size_t i = 0; i < COUNT_OF(item); i++) {
        snprintf(name[i], sizeof name[i], "u%zu", i);
        add(&x, &item[i], name[i], 0, TURNS_LAST);
        assert_in_range(x.turns.round.count, 1, TURNS_SUBMITTERS_MAX + TURNS_SHARED);
    }
    assert_int_equal(x.turns.round.count, TURNS_SUBMITTERS_MAX + TURNS_SHARED);
    assert_int_equal(x.book.entries.count, x.turns.round.count);
    size_t count = 0;
    while (take(&x.book, &x.turns, BYTES))
        count++;
    assert_int_equal(count, COUNT_OF(item));
    clear(&x);
}

/* Random operations on two destinations, beside plain lists: first in, first out within each
 * submitter, nothing lost, entries only for those in line, and nobody waits long at the front. */
enum { USERS = 12, ITEMS = 400 };
static const int priority_of[USERS] = {0, 0, 0, 0, 0, 0, 1, 1, -1, -2, 3, -3};

struct model {
    struct item *line[USERS][ITEMS];
    unsigned count[USERS];
};

static void model_drop(struct model *m, unsigned who, unsigned at, int64_t takes)
{
    for (unsigned i = at; i + 1 < m->count[who]; i++)
        m->line[who][i] = m->line[who][i + 1];
    if (--m->count[who] && !at)
        m->line[who][0]->first = takes;
}

static void model_add(struct model *m, struct item *i, bool is_first, int64_t takes)
{
    struct item **line = m->line[i->who];
    unsigned n = m->count[i->who]++;
    i->first = takes;
    if (!is_first) {
        line[n] = i;
        return;
    }
    for (; n > 0; n--)
        line[n] = line[n - 1];
    if (m->count[i->who] > 1)
        i->first = line[1]->first; /* the submitter's wait goes on */
    line[0] = i;
}

static void random_operations(void **state)
{
    static struct item item[2][ITEMS];
    static struct model model[2];
    static const char *const name[USERS] = {"a", "b", "c", "d", "e", "f",
                                            "g", "h", "i", "j", "k", "l"};
    struct turns_book b;
    struct turns t[2];
    struct rng r;
    int64_t takes[2] = {0}, longest = 0;
    rng_init(&r, 7);
    turns_book_init(&b, 3);
    turns_init(&b, &t[0]);
    turns_init(&b, &t[1]);
    for (int step = 0; step < 200000; step++) {
        unsigned at = rng_below(&r, 2);
        struct model *m = &model[at];
        struct item *i = &item[at][rng_below(&r, ITEMS)];
        if (rng_chance(&r, 45) && !list_has(&i->link)) {
            i->who = (unsigned)rng_below(&r, USERS) * (unsigned)rng_below(&r, 2);
            struct turns_who who = user(name[i->who], priority_of[i->who]);
            bool is_first = rng_chance(&r, 10);
            turns_add(&b, &t[at], &i->link, &who, is_first ? TURNS_FIRST : TURNS_LAST);
            model_add(m, i, is_first, takes[at]);
        } else if (rng_chance(&r, 10) && list_has(&i->link)) {
            unsigned k = 0;
            while (m->line[i->who][k] != i)
                k++;
            turns_remove(&b, &t[at], &i->link);
            model_drop(m, i->who, k, takes[at]);
        } else if ((i = take(&b, &t[at], rng_below(&r, 16 * 1024)))) {
            assert_ptr_equal(m->line[i->who][0], i);
            if (takes[at] - i->first > longest)
                longest = takes[at] - i->first;
            model_drop(m, i->who, 0, ++takes[at]);
        }
        size_t entries = 0, here[2] = {0};
        for (unsigned k = 0; k < 2 * USERS; k++)
            here[k / USERS] += model[k / USERS].count[k % USERS] > 0;
        for (int k = 0; k < 2; k++) {
            assert_int_equal(t[k].round.count, here[k]);
            entries += here[k];
        }
        assert_int_equal(b.entries.count, entries);
    }
    /* The least weight is a quarter of the usual: in advance it waits for four of the cheapest
     * turns of each other, or 16 of the one with four times the weight; after a turn of its own of
     * at most twice the cheapest, twice as long. Two turns may come in between by order of the
     * heap. */
    assert_in_range(longest, 1, 2 * (4 * USERS + 16 + 2 * 7) + 2);
    for (int k = 0; k < 2; k++) {
        while (take(&b, &t[k], 1))
            ;
        turns_close(&t[k]);
    }
    turns_book_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_behind_a_bulk),
        cmocka_unit_test(coming_back_gains_nothing),
        cmocka_unit_test(shares),
        cmocka_unit_test(the_operator_goes_first),
        cmocka_unit_test(logins_and_domains),
        cmocka_unit_test(a_flood_of_names),
        cmocka_unit_test(random_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
