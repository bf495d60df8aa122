/* guard.c -- see the header. One table for three kinds of entries; a key is the kind's letter and
 *
 *   a  prefix          failures of an address
 *   u  user            failures of a user
 *   k  prefix user     this address is known as this user's */
#include "guard.h"

#include <string.h>

enum { PREFIX_BYTES = 9, KEY_BYTES_MAX = 1 + PREFIX_BYTES + 255 };

struct guard_entry {
    struct list link; /* in engine.guard_age, touched longest ago first */
    int64_t since_ms;
    unsigned count;
    size_t key_bytes;
    char key[];
};

struct key {
    char p[KEY_BYTES_MAX];
    size_t n;
};

static struct key make_key(char kind, const struct ip *from, struct slice user)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct key k = {.p = {kind}, .n = 1};
    if (from) {
        bool is_mapped = from->family == IP_V6 && memcmp(from->b, mapped, sizeof mapped) == 0;
        bool is_v6 = from->family == IP_V6 && !is_mapped;
        k.p[k.n++] = is_v6 ? 6 : 4;
        memcpy(k.p + k.n, is_mapped ? from->b + 12 : from->b, is_v6 ? 8 : 4);
        k.n = 1 + PREFIX_BYTES;
    }
    user = slice_head(user, KEY_BYTES_MAX - k.n);
    if (user.n)
        memcpy(k.p + k.n, user.p, user.n);
    k.n += user.n;
    return k;
}

void guard_init(struct engine *e)
{
    map_init(&e->guards, rng_u64(&e->rng));
    list_init(&e->guard_age);
}

static void drop(struct engine *e, struct guard_entry *g)
{
    map_take(&e->guards, slice_of(g->key, g->key_bytes));
    list_remove(&g->link);
    mem_free(g);
}

void guard_close(struct engine *e)
{
    while (!list_is_empty(&e->guard_age))
        drop(e, CONTAINER_OF(e->guard_age.next, struct guard_entry, link));
    map_close(&e->guards);
}

static struct guard_entry *touch(struct engine *e, const struct key *k)
{
    struct guard_entry *g = map_get(&e->guards, slice_of(k->p, k->n));
    if (g) {
        list_remove(&g->link);
    } else {
        if (e->guards.count >= GUARD_ENTRIES_MAX)
            drop(e, CONTAINER_OF(e->guard_age.next, struct guard_entry, link));
        g = mem_new(sizeof *g + k->n);
        g->since_ms = e->now_ms;
        g->key_bytes = k->n;
        memcpy(g->key, k->p, k->n);
        map_put(&e->guards, slice_of(g->key, g->key_bytes), g);
    }
    list_add_last(&e->guard_age, &g->link);
    return g;
}

/* 0: not too often. */
static int64_t wait_of(const struct engine *e, struct key k, unsigned most)
{
    const struct guard_entry *g = map_get(&e->guards, slice_of(k.p, k.n));
    int64_t until_ms = g ? g->since_ms + e->opt->login_window_ms : 0;
    return g && g->count >= most && until_ms > e->now_ms ? until_ms - e->now_ms : 0;
}

static bool is_known(const struct engine *e, const struct ip *from, struct slice user)
{
    struct key k = make_key('k', from, user);
    const struct guard_entry *g = map_get(&e->guards, slice_of(k.p, k.n));
    return g && g->since_ms + GUARD_KNOWN_MS > e->now_ms;
}

enum guard_verdict guard_ask(struct engine *e, const struct ip *from, bool is_trusted,
                             struct slice user, int64_t *wait_ms)
{
    unsigned most = e->opt->login_failures_max;
    *wait_ms = is_trusted ? 0 : wait_of(e, make_key('a', from, SLICE_NONE), most);
    if (*wait_ms)
        return GUARD_ADDRESS;
    *wait_ms = wait_of(e, make_key('u', NULL, user), most * GUARD_USER_TIMES);
    return *wait_ms && !is_known(e, from, user) ? GUARD_USER : GUARD_FREE;
}

static void count(struct engine *e, struct key k)
{
    struct guard_entry *g = touch(e, &k);
    if (g->since_ms + e->opt->login_window_ms <= e->now_ms) {
        g->since_ms = e->now_ms;
        g->count = 0;
    }
    g->count++;
}

void guard_wrong(struct engine *e, const struct ip *from, struct slice user)
{
    count(e, make_key('a', from, SLICE_NONE));
    count(e, make_key('u', NULL, user));
}

void guard_right(struct engine *e, const struct ip *from, struct slice user)
{
    struct key k = make_key('k', from, user);
    touch(e, &k)->since_ms = e->now_ms;
}
