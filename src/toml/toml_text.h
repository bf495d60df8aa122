/* toml_text.h -- the document under a cursor, its places, and how a mistake is told.
 *
 * Inside of the room: toml.c, toml_string.c and toml_scalar.c read through it. */
#pragma once

#include "toml/toml.h"

struct toml_text {
    const char *start, *end; /* borrowed; behind a byte order mark */
    const char *p;           /* the cursor */
    struct arena *arena;
    struct toml_error *error;
    const char *located; /* where toml_text_locate was asked last, and what it said */
    struct toml_spot spot;
};

/* Words out of the document or a key, made fit for an error text: cut to what an error has room
 * for, control characters replaced. */
struct toml_quote {
    char s[64];
};

/* Skips the byte order mark and checks what holds everywhere in a document: its size, UTF-8, no
 * control characters, CR only before LF. After this a NUL can only be the end. */
bool toml_text_init(struct toml_text *t, struct slice text, struct arena *arena,
                    struct toml_error *error);
/* Cheap while the places asked for go forward. */
struct toml_spot toml_text_locate(struct toml_text *t, const char *at);
/* Fills the error and returns false. */
bool toml_text_fail(struct toml_text *t, const char *at, const char *fmt, ...) PRINTF_LIKE(3, 4);
struct toml_quote toml_quote(struct slice s);
/* What stands at the cursor, in words: "'x'", "the end of the line", "the end of the file". */
struct toml_quote toml_text_found(const struct toml_text *t);

/* The byte i places behind the cursor; NUL at and after the end. */
static inline char toml_text_peek(const struct toml_text *t, size_t i)
{
    return i < (size_t)(t->end - t->p) ? t->p[i] : '\0';
}
static inline struct slice toml_text_rest(const struct toml_text *t)
{
    return slice_of(t->p, (size_t)(t->end - t->p));
}
/* True when these bytes stand at the cursor, which then moves behind them. */
bool toml_text_accept(struct toml_text *t, const char *what);
void toml_text_skip_blanks(struct toml_text *t);  /* blanks and tabs */
void toml_text_skip_comment(struct toml_text *t); /* up to the line's end, if there is one */
bool toml_text_skip_newline(struct toml_text *t); /* false: none here */
