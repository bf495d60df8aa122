/* recovery_case.h -- what a start may find for one segment file, and what doc/journal.md says that
 * comes of it. Files are built from the document, not with the program's own codecs; expectations
 * are rows of their own.
 *
 * The segment in question has number 20 and four records:
 *
 *   64 r1 1088 r2 4096 r3 8192 r4 9216    each says: synced up to where it begins
 *
 * Its neighbours are 10 and 30, with two records each; 30 may hold a seal against it (up to 8192).
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "journal/journal_recover.h"

enum header_kind {
    H_GOOD,
    H_OTHER_SIZE, /* queue.max_size was another one */
    H_ZERO,
    H_TORN,
    H_ZERO_EMPTY, /* and nothing behind */
    H_TORN_EMPTY,
    H_VERSION,
    H_INSTALLATION,
    H_STALE,   /* of a lower number, that is nowhere: a recycled file before its new header */
    H_INDEXED, /* of a lower number, whose index is there: renamed */
    H_COPY,    /* of segment 10 */
    H_LATER,   /* of a higher number */
    HEADERS
};
enum file_kind { F_WHOLE, F_CUT, F_LONGER, F_BAD_PAGE, F_CLOSED, F_GONE, FILES };
enum tail_kind { T_END, T_STALE, T_TORN, T_DAMAGE, TAILS };
enum seal_kind { S_NONE, S_OURS, S_OTHER_LIFE, SEALS };
enum index_kind { I_NONE, I_GOOD, I_TORN, I_OTHER_LIFE, INDICES };
enum position { P_ONLY, P_MIDDLE, P_LAST, POSITIONS };

static const char *const header_name[] = {"good",
                                          "of another size",
                                          "zero",
                                          "torn",
                                          "zero, empty file",
                                          "torn, empty file",
                                          "of another version",
                                          "of another installation",
                                          "stale",
                                          "stale, but indexed",
                                          "a copy's",
                                          "of a later number"};
static const char *const file_name_of[] = {"whole",           "cut",    "longer",
                                           "with a bad page", "closed", "gone"};
static const char *const tail_name[] = {"regular end", "stale bytes", "torn tail", "damage"};
static const char *const seal_name[] = {"no seal", "sealed", "another life's seal"};
static const char *const index_kind_name[] = {"no index", "good index", "torn index",
                                              "another life's index"};
static const char *const position_name[] = {"alone", "in the middle", "last"};

struct recovery_case {
    enum header_kind header;
    enum file_kind file;
    enum tail_kind tail;
    enum seal_kind seal;
    enum index_kind index;
    enum position position;
};

enum {
    CASE_SEGMENT = 64 * 1024,
    CASE_INSTALLATION = 77,
    CASE_BEFORE = 10,
    CASE_NUMBER = 20,
    CASE_AFTER = 30,
    CASE_CUT = 6000,
    CASE_SEALED_END = 8192,
    CASE_END = 9216,
    CASE_HEAD = 16,
};
static const uint32_t case_offset[5] = {64, 1088, 4096, 8192, CASE_END};

/* Why such a thing cannot be; NULL: it can. */
static inline const char *case_impossible(const struct recovery_case *c)
{
    if (c->seal != S_NONE && c->position != P_MIDDLE)
        return "a seal stands in a later segment";
    if (c->header == H_COPY && c->position == P_ONLY)
        return "a copy needs what it is a copy of";
    if ((c->header == H_ZERO_EMPTY || c->header == H_TORN_EMPTY) && c->tail != T_END)
        return "an empty file has no tail";
    if (c->file == F_GONE && (c->header != H_GOOD || c->tail != T_END))
        return "what is not there has neither header nor tail";
    return NULL;
}

/* --- bytes, as the document has them --- */

static inline void case_put(char *p, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (char)(uint8_t)(v >> (8 * i));
}

static inline uint64_t case_nonce(uint64_t sequence)
{
    return 0x1111000000000000u + sequence * 0x10001;
}

static inline void case_header(char *p, uint64_t sequence, uint64_t segment_bytes,
                               uint64_t installation, uint32_t version)
{
    memset(p, 0, 64);
    memcpy(p, "OUTPOSTJ", 8);
    case_put(p + 8, version, 4);
    case_put(p + 12, 64, 4);
    case_put(p + 16, sequence, 8);
    case_put(p + 24, case_nonce(sequence), 8);
    case_put(p + 32, installation, 8);
    case_put(p + 40, segment_bytes, 8);
    case_put(p + 56, crc32c(0, slice_of(p, 56)), 4);
}

/* The payload stands there already. */
static inline void case_frame(char *p, uint32_t bytes, uint8_t type, uint64_t id, uint32_t synced,
                              uint64_t nonce)
{
    char n[8];
    memset(p, 0, 24);
    case_put(p, bytes, 4);
    p[4] = (char)type;
    case_put(p + 6, nonce & 0xffff, 2);
    case_put(p + 8, id, 8);
    case_put(p + 20, synced, 4);
    case_put(n, nonce, 8);
    uint32_t crc = crc32c(0, slice_of(p + 24, bytes));
    crc = crc32c(crc, slice_of(p, 16));
    crc = crc32c(crc, slice_of(p + 20, 4));
    case_put(p + 16, crc32c(crc, slice_of(n, 8)), 4);
}

/* From `at` to `end`, whole. */
static inline void case_record(char *image, uint32_t at, uint32_t end, uint64_t id, uint64_t nonce)
{
    memset(image + at + 24, (int)(id + 1), end - at - 24);
    case_frame(image + at, end - at - 24, 1, id, at, nonce);
}

/* A neighbour: `sealed` against the segment in question, for the life of that nonce; 0: not. */
static inline void case_neighbour(char *image, uint64_t sequence, uint64_t sealed_nonce)
{
    uint32_t at = 64;
    memset(image, 0, CASE_SEGMENT);
    case_header(image, sequence, CASE_SEGMENT, CASE_INSTALLATION, 1);
    if (sealed_nonce) {
        case_put(image + at + 24, 1, 4);
        case_put(image + at + 28, CASE_SEALED_END, 4);
        case_put(image + at + 32, CASE_NUMBER, 8);
        case_put(image + at + 40, sealed_nonce, 8);
        case_frame(image + at, 24, 255, 0, 0, case_nonce(sequence));
        at += 48;
    }
    case_record(image, at, at + 200, sequence * 10 + 1, case_nonce(sequence));
    case_record(image, at + 200, at + 400, sequence * 10 + 2, case_nonce(sequence));
}

static inline uint64_t case_seal_nonce(const struct recovery_case *c)
{
    uint64_t ours = case_nonce(CASE_NUMBER);
    return c->seal == S_NONE ? 0 : c->seal == S_OURS ? ours : ours + 1;
}

static inline uint64_t case_segment_bytes(const struct recovery_case *c)
{
    return c->header == H_OTHER_SIZE ? 2 * CASE_SEGMENT : CASE_SEGMENT;
}

static inline uint64_t case_header_number(const struct recovery_case *c)
{
    switch (c->header) {
    case H_STALE:
    case H_INDEXED:
        return 5;
    case H_COPY:
        return CASE_BEFORE;
    case H_LATER:
        return CASE_NUMBER + 5;
    case H_GOOD:
    case H_OTHER_SIZE:
    case H_ZERO:
    case H_TORN:
    case H_ZERO_EMPTY:
    case H_TORN_EMPTY:
    case H_VERSION:
    case H_INSTALLATION:
    case HEADERS:
        break;
    }
    return CASE_NUMBER;
}

/* image: two segments' worth of bytes. Returns how many the file has. */
static inline size_t case_image(const struct recovery_case *c, char *image)
{
    uint64_t number = case_header_number(c), nonce = case_nonce(number);
    memset(image, 0, 2 * CASE_SEGMENT + 4096);
    case_header(image, number, case_segment_bytes(c),
                c->header == H_INSTALLATION ? CASE_INSTALLATION + 1 : CASE_INSTALLATION,
                c->header == H_VERSION ? 2 : 1);
    for (unsigned i = 0; i < 4; i++)
        case_record(image, case_offset[i], case_offset[i + 1], 201 + i, nonce);
    switch (c->tail) {
    case T_STALE: /* the same mark, another life */
        case_record(image, CASE_END + 24, CASE_END + 500, 299, nonce ^ (UINT64_C(1) << 40));
        break;
    case T_TORN:
        case_record(image, CASE_END, CASE_END + 2000, 205, nonce);
        memset(image + CASE_END + 1000, 0, 1000);
        break;
    case T_DAMAGE:
        image[2000] ^= 1;
        break;
    case T_END:
    case TAILS:
        break;
    }
    if (c->header == H_ZERO_EMPTY || c->header == H_TORN_EMPTY)
        memset(image + 64, 0, CASE_SEGMENT);
    if (c->header == H_ZERO || c->header == H_ZERO_EMPTY)
        memset(image, 0, 64);
    if (c->header == H_TORN || c->header == H_TORN_EMPTY)
        memset(image + 32, 0, 32);
    size_t n = case_segment_bytes(c);
    if (c->file == F_LONGER)
        n += 4096;
    return c->file == F_CUT ? CASE_CUT : n;
}

/* Returns its bytes. */
static inline size_t case_index(char *p, uint64_t sequence, uint64_t segment_bytes, bool is_other)
{
    size_t at = 72;
    memset(p, 0, 1024);
    for (unsigned i = 0; i < 4; i++) {
        case_put(p + at, 201 + i, 8);
        case_put(p + at + 8, case_offset[i], 4);
        case_put(p + at + 12, case_offset[i + 1] - case_offset[i] - 24, 4);
        case_put(p + at + 16, CASE_HEAD, 4);
        p[at + 20] = 1;
        memset(p + at + 24, (int)(201 + i + 1), CASE_HEAD);
        at += 24 + CASE_HEAD;
    }
    memcpy(p, "OUTPOSTI", 8);
    case_put(p + 8, 1, 4);
    case_put(p + 12, 72, 4);
    case_put(p + 16, sequence, 8);
    case_put(p + 24, case_nonce(sequence) + is_other, 8);
    case_put(p + 32, CASE_INSTALLATION, 8);
    case_put(p + 40, segment_bytes, 8);
    case_put(p + 48, CASE_END, 4);
    case_put(p + 52, 4, 4);
    case_put(p + 56, at - 72, 8);
    case_put(p + 64, crc32c(0, slice_of(p + 72, at - 72)), 4);
    case_put(p + 68, crc32c(0, slice_of(p, 68)), 4);
    return at;
}

/* --- what comes of a walk over it --- */

struct walked {
    enum file_kind file;
    enum tail_kind tail;
    bool is_sealed;
    const char *records; /* numbers of those found */
    bool is_damaged, is_torn;
};

static const struct walked case_walked[] = {
    {F_WHOLE, T_END, false, "1234", false, false},
    {F_WHOLE, T_END, true, "123", false, false},
    {F_WHOLE, T_STALE, false, "1234", false, false},
    {F_WHOLE, T_STALE, true, "123", false, false},
    {F_WHOLE, T_TORN, false, "1234", false, true},
    {F_WHOLE, T_TORN, true, "123", false, false},
    {F_WHOLE, T_DAMAGE, false, "134", true, false},
    {F_WHOLE, T_DAMAGE, true, "13", true, false},
    {F_CUT, T_END, false, "12", false, true},
    {F_CUT, T_END, true, "12", false, true},
    {F_CUT, T_STALE, false, "12", false, true},
    {F_CUT, T_STALE, true, "12", false, true},
    {F_CUT, T_TORN, false, "12", false, true},
    {F_CUT, T_TORN, true, "12", false, true},
    {F_CUT, T_DAMAGE, false, "1", false, true},
    {F_CUT, T_DAMAGE, true, "1", false, true},
    /* r3 cannot be read, and counts as zeroes */
    {F_BAD_PAGE, T_END, false, "124", true, false},
    {F_BAD_PAGE, T_END, true, "12", false, false},
    {F_BAD_PAGE, T_STALE, false, "124", true, false},
    {F_BAD_PAGE, T_STALE, true, "12", false, false},
    {F_BAD_PAGE, T_TORN, false, "124", true, true},
    {F_BAD_PAGE, T_TORN, true, "12", false, false},
    {F_BAD_PAGE, T_DAMAGE, false, "14", true, false},
    {F_BAD_PAGE, T_DAMAGE, true, "1", false, true},
};

static inline const struct walked *case_walk(const struct recovery_case *c)
{
    enum file_kind file = c->file == F_LONGER ? F_WHOLE : c->file;
    for (size_t i = 0; i < COUNT_OF(case_walked); i++) {
        const struct walked *w = &case_walked[i];
        if (w->file == file && w->tail == c->tail && w->is_sealed == (c->seal == S_OURS))
            return w;
    }
    return NULL;
}

static inline void case_fail(const struct recovery_case *c, const char *what)
{
    fail_msg("header %s, file %s, %s, %s, %s, %s: %s", header_name[c->header],
             file_name_of[c->file], tail_name[c->tail], seal_name[c->seal],
             index_kind_name[c->index], position_name[c->position], what);
}
