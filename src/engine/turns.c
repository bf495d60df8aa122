/* turns.c -- see the header. */
#include "turns.h"

enum { WEIGHT_OF_0 = 64, NAME_BYTES_MAX = 1024 };

/* Four times as often every third step. */
static const uint16_t weight_of[2 * TURNS_PRIORITY_MAX + 1] = {
    1, 2, 3, 4, 6, 10, 16, 25, 40, WEIGHT_OF_0, 102, 161, 256, 406, 645, 1024, 1625, 2580, 4096,
};

struct entry {
    struct heap_node node; /* its tag: the weight */
    uint64_t id;
    struct list jobs;
};

static int64_t cost(uint64_t bytes, uint32_t weight)
{
    return (int64_t)((TURNS_MESSAGE_BYTES + bytes) * WEIGHT_OF_0 / weight);
}

static uint64_t hash(const struct turns_book *b, const struct turns *t, char kind,
                     struct slice name, int priority)
{
    char key[NAME_BYTES_MAX + 2] = {kind, (char)priority};
    size_t n = name.n < NAME_BYTES_MAX ? name.n : NAME_BYTES_MAX;
    for (size_t i = 0; i < n; i++)
        key[2 + i] = ascii_lower(name.p[i]);
    return hash_sip13(b->entries.k0 ^ t->serial, b->entries.k1, slice_of(key, n + 2));
}

/* Two names of one hash share their turns. */
static struct entry *entry_get(struct turns_book *b, struct turns *t, const struct turns_who *who)
{
    uint64_t id = hash(b, t, who->is_login ? 'l' : 'd', who->name, who->priority);
    struct entry *x = map_get_id(&b->entries, id);
    if (!x && t->round.count >= TURNS_SUBMITTERS_MAX) {
        char slot = (char)(id % TURNS_SHARED);
        id = hash(b, t, 's', slice_of(&slot, 1), who->priority);
        x = map_get_id(&b->entries, id);
    }
    if (x)
        return x;
    x = mem_new(sizeof *x);
    x->id = id;
    x->node.tag = weight_of[who->priority + TURNS_PRIORITY_MAX];
    list_init(&x->jobs);
    map_put_id(&b->entries, id, x);
    heap_put(&t->round, &x->node, t->now + cost(0, x->node.tag));
    return x;
}

void turns_book_init(struct turns_book *b, uint64_t seed)
{
    *b = (struct turns_book){0};
    map_init(&b->entries, seed);
}

void turns_book_close(struct turns_book *b)
{
    CHECK(!b->entries.count);
    map_close(&b->entries);
}

void turns_init(struct turns_book *b, struct turns *t)
{
    *t = (struct turns){.serial = ++b->last_serial};
    heap_init(&t->round);
    list_init(&t->urgent);
}

void turns_close(struct turns *t)
{
    CHECK(turns_is_empty(t));
    heap_close(&t->round);
}

void turns_add(struct turns_book *b, struct turns *t, struct list *job, const struct turns_who *who,
               enum turns_place place)
{
    CHECK(who->priority >= -TURNS_PRIORITY_MAX && who->priority <= TURNS_PRIORITY_MAX);
    if (place == TURNS_URGENT)
        list_add_first(&t->urgent, job);
    else if (place == TURNS_FIRST)
        list_add_first(&entry_get(b, t, who)->jobs, job);
    else
        list_add_last(&entry_get(b, t, who)->jobs, job);
}

void turns_remove(struct turns_book *b, struct turns *t, struct list *job)
{
    struct list *left = job->prev;
    list_remove(job);
    if (left->next != left || left == &t->urgent)
        return;
    struct entry *x = CONTAINER_OF(left, struct entry, jobs); /* only a head is alone */
    heap_remove(&t->round, &x->node);
    map_take_id(&b->entries, x->id);
    mem_free(x);
}

bool turns_is_empty(const struct turns *t)
{
    return !t->round.count && list_is_empty(&t->urgent);
}

struct list *turns_first(const struct turns *t)
{
    if (!list_is_empty(&t->urgent))
        return t->urgent.next;
    struct heap_node *n = heap_first(&t->round);
    return n ? CONTAINER_OF(n, struct entry, node)->jobs.next : NULL;
}

void turns_charge(struct turns *t, uint64_t bytes)
{
    struct heap_node *n = heap_first(&t->round);
    if (!list_is_empty(&t->urgent) || !n)
        return;
    if (n->key > t->now)
        t->now = n->key;
    heap_put(&t->round, n, n->key + cost(bytes, n->tag));
}
