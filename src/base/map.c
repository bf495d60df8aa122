/* map.c -- open addressing with linear probing and backward-shift removal.
 *
 * A slot is taken when its value is not NULL. An entry's home is where its hash points; between
 * its home and its place no slot is free, which removal restores by moving followers back. */
#include "base/map.h"

#include <string.h>

enum { FIRST_SLOTS = 16 };

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotl(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotl(s->v1, 13) ^ s->v0;
    s->v0 = rotl(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotl(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotl(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotl(s->v1, 17) ^ s->v2;
    s->v2 = rotl(s->v2, 32);
}

static inline struct sip sip_start(uint64_t k0, uint64_t k1)
{
    return (struct sip){k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du,
                        k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u};
}

static inline void sip_word(struct sip *s, uint64_t m)
{
    s->v3 ^= m;
    sip_round(s);
    s->v0 ^= m;
}

static inline uint64_t sip_end(struct sip *s, uint64_t last)
{
    sip_word(s, last);
    s->v2 ^= 0xff;
    sip_round(s);
    sip_round(s);
    sip_round(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

static inline uint64_t little_endian(const char *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)(uint8_t)p[i] << (8 * i);
    return v;
}

uint64_t hash_sip13(uint64_t k0, uint64_t k1, struct slice s)
{
    struct sip state = sip_start(k0, k1);
    size_t at = 0;
    for (; s.n - at >= 8; at += 8)
        sip_word(&state, little_endian(s.p + at, 8));
    return sip_end(&state, little_endian(s.p + at, s.n - at) | (uint64_t)s.n << 56);
}

/* hash_sip13 of the id's eight bytes. */
static uint64_t hash_id(const struct map *m, uint64_t id)
{
    struct sip state = sip_start(m->k0, m->k1);
    sip_word(&state, id);
    return sip_end(&state, (uint64_t)8 << 56);
}

static size_t home_of(const struct map *m, const struct map_entry *e)
{
    uint64_t hash = e->key.p ? e->hash : hash_id(m, e->hash);
    return (size_t)hash & (m->cap - 1);
}

static bool is_same(const struct map_entry *a, const struct map_entry *b)
{
    return a->hash == b->hash && slice_eq(a->key, b->key);
}

/* The slot that holds the wanted key, or the free one where it would go. cap is not 0. */
static struct map_entry *find(const struct map *m, const struct map_entry *wanted)
{
    size_t at = home_of(m, wanted);
    while (m->slot[at].value && !is_same(&m->slot[at], wanted))
        at = (at + 1) & (m->cap - 1);
    return &m->slot[at];
}

static void grow(struct map *m)
{
    struct map old = *m;
    m->cap = old.cap ? old.cap * 2 : FIRST_SLOTS;
    m->slot = mem_new(m->cap * sizeof *m->slot);
    for (size_t i = 0; i < old.cap; i++) {
        if (old.slot[i].value)
            *find(m, &old.slot[i]) = old.slot[i];
    }
    mem_free(old.slot);
}

static void put(struct map *m, const struct map_entry *e)
{
    CHECK(e->value != NULL);
    if (m->count + 1 > m->cap / 4 * 3)
        grow(m);
    struct map_entry *slot = find(m, e);
    if (!slot->value)
        m->count++;
    *slot = *e;
}

static void *get(const struct map *m, const struct map_entry *wanted)
{
    return m->cap ? find(m, wanted)->value : NULL;
}

static void *take(struct map *m, const struct map_entry *wanted)
{
    if (!m->cap)
        return NULL;
    size_t mask = m->cap - 1;
    struct map_entry *slot = find(m, wanted);
    void *value = slot->value;
    if (!value)
        return NULL;
    size_t hole = (size_t)(slot - m->slot);
    for (size_t at = (hole + 1) & mask; m->slot[at].value; at = (at + 1) & mask) {
        /* It may move back only if its home is not between the hole and its place. */
        size_t home = home_of(m, &m->slot[at]);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            m->slot[hole] = m->slot[at];
            hole = at;
        }
    }
    m->slot[hole] = (struct map_entry){0};
    m->count--;
    return value;
}

static struct map_entry id_entry(uint64_t id, void *value)
{
    return (struct map_entry){.hash = id, .key = SLICE_NONE, .value = value};
}

/* key.p tells the two kinds of entry apart, so an empty key gets an address too. */
static struct map_entry key_entry(const struct map *m, struct slice key, void *value)
{
    if (!key.p)
        key = SLICE("");
    return (struct map_entry){hash_sip13(m->k0, m->k1, key), key, value};
}

void map_init(struct map *m, uint64_t seed)
{
    *m = (struct map){.k0 = seed, .k1 = seed * 0x9e3779b97f4a7c15u ^ 0xd1b54a32d192ed03u};
}

void map_close(struct map *m)
{
    mem_free(m->slot);
    *m = (struct map){0};
}

void *map_get_id(const struct map *m, uint64_t id)
{
    struct map_entry e = id_entry(id, NULL);
    return get(m, &e);
}

void map_put_id(struct map *m, uint64_t id, void *value)
{
    struct map_entry e = id_entry(id, value);
    put(m, &e);
}

void *map_take_id(struct map *m, uint64_t id)
{
    struct map_entry e = id_entry(id, NULL);
    return take(m, &e);
}

void *map_get(const struct map *m, struct slice key)
{
    struct map_entry e = key_entry(m, key, NULL);
    return get(m, &e);
}

void map_put(struct map *m, struct slice key, void *value)
{
    struct map_entry e = key_entry(m, key, value);
    put(m, &e);
}

void *map_take(struct map *m, struct slice key)
{
    struct map_entry e = key_entry(m, key, NULL);
    return take(m, &e);
}

struct map_entry *map_next(const struct map *m, size_t *at)
{
    while (*at < m->cap) {
        struct map_entry *e = &m->slot[(*at)++];
        if (e->value)
            return e;
    }
    return NULL;
}
