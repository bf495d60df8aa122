/* msgid.h -- a message's id: 64 bits that sort by time, 13 characters to a person.
 *
 * High 42 bits: Unix time in ms; low 22 bits: a counter. Written in lower-case Crockford base 32
 * (0-9 a-z without i l o u), most significant first, so the text sorts as the number does. */
#pragma once

#include "base/slice.h"

enum { MSGID_CHARS = 13 };

struct msgid_text {
    char s[MSGID_CHARS + 1];
};

struct msgid_text msgid_build(uint64_t id);
bool msgid_parse(struct slice s, uint64_t *id); /* case ignored; false: not an id */
/* The next id after `last` at this time: strictly greater than last, even if the clock went back.
 */
uint64_t msgid_next(uint64_t last, int64_t now_ms);
