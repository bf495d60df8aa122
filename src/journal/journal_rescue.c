/* journal_rescue.c -- see the header.
 *
 *   crc(payload, frame, synced, nonce) = crc(payload, frame, synced, 0) ^ K(nonce)
 *   K(nonce) = Z(Z(low word) ^ high word), Z: 32 zero bits through the register
 *
 * Z can be undone, so for any low word there is one high word that gives a wanted K. The current
 * life's records stand in front of what is left of earlier ones: the first life found counts. */
#include "journal/journal_rescue.h"

#include "base/crc32c.h"
#include "journal_frame.h"

#include <string.h>

enum {
    ALIGN = 8,
    AT_NONCE = 24, /* in the header */
    AT_CRC = 16,   /* in a frame */
    AT_SYNCED = 20,
    /* Checksummed at most, in images: a body made of false frames must not cost hours. */
    EFFORT_IMAGES = 64,
};

static const uint32_t POLYNOMIAL = 0x82f63b78;

static uint32_t push_zeroes(uint32_t r)
{
    for (int i = 0; i < 32; i++)
        r = r & 1 ? r >> 1 ^ POLYNOMIAL : r >> 1;
    return r;
}

static uint32_t pull_zeroes(uint32_t r)
{
    for (int i = 0; i < 32; i++)
        r = r >> 31 ? (r ^ POLYNOMIAL) << 1 | 1 : r << 1;
    return r;
}

/* All that tells one life's records from another's. */
struct life {
    uint16_t mark;
    uint32_t adds; /* K */
};

static uint64_t nonce_of(struct life l)
{
    uint32_t low = l.mark, high = pull_zeroes(l.adds) ^ push_zeroes(low);
    return (uint64_t)high << 32 | low;
}

struct frame {
    uint32_t bytes;
    uint16_t mark;
    uint32_t crc;
};

/* False: no frame could stand here. */
static bool read_frame(struct slice image, size_t at, struct frame *out)
{
    if (at >= image.n || image.n - at < JOURNAL_FRAME_BYTES)
        return false;
    struct reader r = {.in = slice_from(image, at)};
    out->bytes = read_u32(&r);
    (void)read_u16(&r); /* type and flags: looked at below */
    out->mark = read_u16(&r);
    (void)read_u64(&r);
    out->crc = read_u32(&r);
    return journal_frame_is_likely(image.p + at, image.n - at, out->mark);
}

static struct life life_of(struct slice image, size_t at, const struct frame *f)
{
    static const char no_nonce[8];
    const char *p = image.p + at;
    uint32_t crc = crc32c(0, slice_of(p + JOURNAL_FRAME_BYTES, f->bytes));
    crc = crc32c(crc, slice_of(p, AT_CRC));
    crc = crc32c(crc, slice_of(p + AT_SYNCED, 4));
    crc = crc32c(crc, slice_of(no_nonce, sizeof no_nonce));
    return (struct life){f->mark, f->crc ^ crc};
}

/* Two records in a row that agree. Of two with one checksum the second confirms nothing: any bytes
 * that repeat would agree. */
static bool find_pair(struct slice image, struct life *out)
{
    uint64_t effort = (uint64_t)image.n * EFFORT_IMAGES;
    for (size_t at = JOURNAL_HEADER_BYTES; at + JOURNAL_FRAME_BYTES <= image.n; at += ALIGN) {
        struct frame one, two;
        if (!read_frame(image, at, &one))
            continue;
        size_t behind = at + journal_record_span(one.bytes);
        if (!read_frame(image, behind, &two) || two.mark != one.mark || two.crc == one.crc)
            continue;
        uint64_t cost = (uint64_t)one.bytes + two.bytes + 2 * JOURNAL_FRAME_BYTES;
        if (cost > effort)
            return false;
        effort -= cost;
        struct life a = life_of(image, at, &one), b = life_of(image, behind, &two);
        if (a.adds != b.adds)
            continue;
        *out = a;
        return true;
    }
    return false;
}

/* Often only some of the header's bytes have gone: the nonce may still stand there. But what a
 * wiped header says is known to anybody. */
static bool is_nonce_good(struct slice image, const struct journal_header *h)
{
    struct journal_record r;
    if (h->nonce == 0 || h->nonce == UINT64_MAX)
        return false;
    for (size_t at = JOURNAL_HEADER_BYTES; at + JOURNAL_FRAME_BYTES <= image.n; at += ALIGN) {
        if (journal_frame_is_likely(image.p + at, image.n - at, h->nonce) &&
            journal_record_parse(image, h, (uint32_t)at, &r) == JOURNAL_READ_OK)
            return true;
    }
    return false;
}

bool journal_rescue_header(struct slice image, uint64_t sequence, struct journal_header *out)
{
    image = slice_head(image, UINT32_MAX);
    if (image.n < JOURNAL_HEADER_BYTES)
        return false;
    struct reader at_nonce = {.in = slice_from(image, AT_NONCE)};
    *out = (struct journal_header){
        .sequence = sequence, .nonce = read_u64(&at_nonce), .segment_bytes = image.n};
    if (is_nonce_good(image, out))
        return true;
    struct life life;
    if (!find_pair(image, &life))
        return false;
    out->nonce = nonce_of(life);
    return true;
}
