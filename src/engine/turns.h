/* turns.h -- who goes next at one destination: those who submitted take turns.
 *
 * A turn is one message. What it costs is its bytes and a fixed part, so that one sender's large
 * messages do not take the time of ten others; a message count would let them. The cost is divided
 * by the weight of the priority: a higher one comes more often, and no lower one ever waits for
 * good (start-time fair queueing: the least time of those in line goes next, and is moved on by
 * what it took). Within one submitter and priority it is first in, first out.
 *
 * A submitter's entry exists while it has jobs in line. Who comes back is charged one least turn
 * in advance: leaving and returning gains nothing. Adding, removing and looking cost O(1), a turn
 * O(log submitters); a job costs nothing but its link. */
#pragma once

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"

enum {
    TURNS_PRIORITY_MAX = 9,          /* and its negative, as in RFC 6710 */
    TURNS_SUBMITTERS_MAX = 4096,     /* at one destination; more of them share TURNS_SHARED turns */
    TURNS_SHARED = 64,               /* of each priority */
    TURNS_MESSAGE_BYTES = 16 * 1024, /* the fixed part of a turn's cost */
};

/* The entries of all destinations: most have one, and need no table of their own then. */
struct turns_book {
    struct map entries;
    uint64_t last_serial;
};

struct turns {
    uint64_t serial;
    struct heap round;  /* entries, by the time of their next turn */
    int64_t now;        /* of the last turn; no clock's time: cost by weight */
    struct list urgent; /* before all others: the operator's */
};

struct turns_who {
    struct slice name; /* a login, or the sender's domain; compared without case */
    bool is_login;
    int priority;
};

enum turns_place {
    TURNS_LAST,
    TURNS_FIRST,  /* of its submitter's */
    TURNS_URGENT, /* the first of all */
};

void turns_book_init(struct turns_book *b, uint64_t seed);
void turns_book_close(struct turns_book *b); /* all jobs have been removed */
void turns_init(struct turns_book *b, struct turns *t);
void turns_close(struct turns *t); /* the same */

void turns_add(struct turns_book *b, struct turns *t, struct list *job, const struct turns_who *who,
               enum turns_place place);
void turns_remove(struct turns_book *b, struct turns *t, struct list *job);
bool turns_is_empty(const struct turns *t);
/* Who goes next; NULL: nobody is in line. */
struct list *turns_first(const struct turns *t);
/* The first one is taken and goes: what its submitter pays. It is still to be removed. */
void turns_charge(struct turns *t, uint64_t bytes);
