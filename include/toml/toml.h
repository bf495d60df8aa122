/* toml.h -- read a TOML 1.0.0 document into a tree.
 *
 * Pure. The whole tree, strings included, lives in the arena that the caller gives; nothing points
 * into the text, and nothing has to be closed but the arena. Strict to the standard: what it calls
 * invalid is refused, with the place and a sentence for the person who wrote the file. Beyond the
 * standard there are the three ceilings below, and a float too large for a double is refused.
 * In multi-line strings CRLF becomes LF. */
#pragma once

#include "base/arena.h"
#include "base/slice.h"

enum {
    TOML_BYTES_MAX = 16 * 1024 * 1024, /* of one document */
    TOML_NODES_MAX = 1000 * 1000,      /* values and tables of one document */
    TOML_DEPTH_MAX = 64,               /* of one node below the root */
};

enum toml_kind {
    TOML_STRING,
    TOML_INTEGER,
    TOML_FLOAT,
    TOML_BOOL,
    TOML_OFFSET_DATE_TIME,
    TOML_LOCAL_DATE_TIME,
    TOML_LOCAL_DATE,
    TOML_LOCAL_TIME,
    TOML_ARRAY,
    TOML_TABLE,
};

/* The fields that a kind does not have are 0. */
struct toml_time {
    int year, month, day;
    int hour, minute, second; /* second may be 60, RFC 3339 section 5.7 */
    int nanosecond;           /* what was written behind the ninth digit is cut off */
    int offset_minutes;       /* east of UTC */
};

/* Where something stands: both count from 1, columns in characters (a tab is one). */
struct toml_spot {
    int line, column;
};

struct toml_node {
    enum toml_kind kind;
    struct toml_spot at;     /* of the value; of a table with a header: its bracket */
    struct toml_spot key_at; /* of the key's (last) part; 0 in array items and the root */
    struct slice key;       /* decoded; a NUL stands behind it; empty in array items and the root */
    struct toml_node *next; /* the next item or entry, in the order of the document */
    union {
        struct slice string; /* a NUL stands behind it, and may stand in it (\u0000) */
        int64_t integer;
        double number;
        bool boolean;
        struct toml_time time;
        struct {
            struct toml_node *first, *last;
            size_t count;
        } list; /* items of an array, entries of a table */
    };

    /* The parser's own. */
    struct toml_node *index;    /* of a table: its entries by hash, see toml_get */
    struct toml_node *child[2]; /* below this one in its table's index */
    int depth;
    int origin;
};

struct toml_error {
    int line, column;
    char text[200]; /* valid UTF-8, one line, no place in it */
};

/* False: *error is filled and *root is NULL; what was built until then stays in the arena. */
MUST_USE bool toml_parse(struct slice text, struct arena *arena, struct toml_node **root,
                         struct toml_error *error);

/* Entry of a table, NULL when there is none. Costs O(log n). */
const struct toml_node *toml_get(const struct toml_node *table, struct slice key);
/* First entry of a table or item of an array, NULL when empty; go on with ->next. */
const struct toml_node *toml_first(const struct toml_node *list);
const char *toml_kind_name(enum toml_kind kind); /* "string", "offset date-time", ... */
