/* fuzz_journal.c -- any bytes as a segment: header, records, walk, survey and rescue stay inside
 * them, and say the same twice; records that are built from the input come back as they were.
 *
 * First byte even: the input is an image; its header is repaired when the second byte is odd. Odd:
 * it is a script of records to build, then of damage. */
#include <stdlib.h>
#include <string.h>

#include "journal/journal_recover.h"
#include "journal/journal_rescue.h"

enum { IMAGE_BYTES_MAX = 64 * 1024 };

static const struct journal_header life = {.sequence = 3,
                                           .nonce = 0xfeedbeefcafe1234u,
                                           .installation = 7,
                                           .segment_bytes = IMAGE_BYTES_MAX};

static void check_inside(struct slice image, const struct journal_record *r)
{
    CHECK(r->type != 0);
    CHECK(r->pos.offset % 8 == 0 && r->pos.offset >= JOURNAL_HEADER_BYTES);
    CHECK(r->payload.p == image.p + r->pos.offset + JOURNAL_FRAME_BYTES);
    CHECK(r->payload.n == r->pos.bytes && r->pos.bytes <= JOURNAL_RECORD_BYTES_MAX);
    CHECK(r->pos.offset + journal_record_span(r->payload.n) <= image.n);
}

/* Walks it all; every record must verify alone. Returns how many there were. */
static unsigned walk(struct slice image, const struct journal_header *h, uint32_t valid_end)
{
    struct journal_walk w;
    struct journal_record r, alone;
    unsigned records = 0;
    uint32_t last = 0;
    journal_walk_init(&w, image, h, valid_end);
    for (;;) {
        switch (journal_walk_next(&w, &r)) {
        case JOURNAL_STEP_RECORD: {
            check_inside(image, &r);
            CHECK(r.pos.offset > last && w.offset <= valid_end);
            last = r.pos.offset;
            struct slice bytes = slice_from(image, r.pos.offset);
            bytes.n = journal_record_span(r.payload.n);
            CHECK(journal_record_verify(bytes, h, r.pos, r.id, &alone, NULL) == ERR_OK);
            CHECK(alone.payload.n == r.payload.n && alone.type == r.type);
            records++;
            break;
        }
        case JOURNAL_STEP_DAMAGED:
            CHECK(w.bad_from < w.bad_to && w.bad_to == w.offset && w.bad_to <= image.n);
            break;
        case JOURNAL_STEP_END:
            return records;
        case JOURNAL_STEP_TORN:
            CHECK(w.bad_from == w.offset && w.bad_from < w.bad_to);
            return records;
        }
    }
}

/* Without its header: what is proved can be read, and stays inside. */
static void rescue(struct slice image)
{
    struct journal_header h, again;
    struct journal_walk w;
    struct journal_record r;
    bool is_proved = journal_rescue_header(image, 3, &h);
    CHECK(journal_rescue_header(image, 3, &again) == is_proved);
    if (!is_proved)
        return;
    CHECK(again.nonce == h.nonce && h.sequence == 3 && h.segment_bytes == image.n);
    journal_walk_init(&w, image, &h, UINT32_MAX);
    for (uint32_t last = 0; journal_walk_beyond(&w, &r); last = r.pos.offset) {
        check_inside(image, &r);
        CHECK(r.pos.offset > last);
    }
    walk(image, &h, UINT32_MAX);
}

static void survey(struct slice image)
{
    struct journal_survey s;
    journal_survey_init(&s);
    journal_survey_add(&s, 3, 7, slice_head(image, JOURNAL_SURVEY_BYTES));
    journal_survey_add(&s, 2, 7, slice_head(image, 100));
    journal_survey_finish(&s);
    CHECK(s.count == 2 && s.found[0].sequence == 2 && s.found[1].sequence == 3);
    for (size_t i = 0; i < 2; i++) {
        const struct journal_found *f = &s.found[i];
        if (f->verdict == SEGMENT_GOOD)
            walk(image, &f->header, f->valid_end);
    }
    journal_survey_close(&s);
}

static void raw(struct slice in, bool is_repaired)
{
    struct journal_header h;
    char *copy = malloc(in.n + 1);
    memcpy(copy, in.p, in.n);
    if (is_repaired && in.n >= JOURNAL_HEADER_BYTES)
        journal_header_build(&life, copy);
    struct slice image = slice_of(copy, in.n);
    if (journal_header_parse(image, &h, NULL) == ERR_OK) {
        char again[JOURNAL_HEADER_BYTES];
        journal_header_build(&h, again);
        CHECK(memcmp(again, copy, 60) == 0);
        walk(image, &h, UINT32_MAX);
        walk(image, &h, (uint32_t)(in.n / 2));
    }
    survey(image);
    rescue(image);
    if (in.n >= JOURNAL_HEADER_BYTES)
        memset(copy, 0, JOURNAL_HEADER_BYTES);
    rescue(image);
    free(copy);
}

/* [type, bytes, parts] for each record until type is 0, then [at u16, xor] for each damage. */
static void script(struct slice in)
{
    struct buf b;
    struct reader rd = {.in = in};
    char header[JOURNAL_HEADER_BYTES];
    unsigned built = 0;
    buf_init(&b, IMAGE_BYTES_MAX);
    journal_header_build(&life, header);
    buf_add(&b, slice_of(header, sizeof header));
    uint8_t type;
    while ((type = read_u8(&rd)) != 0 && type != JOURNAL_TYPE_OWN) {
        size_t n = (size_t)read_u8(&rd) * 3;
        int parts = read_u8(&rd) % (JOURNAL_PARTS_MAX + 1);
        struct slice part[JOURNAL_PARTS_MAX];
        for (int i = 0; i < parts; i++)
            part[i] = slice_head(slice_from(in, n % (in.n + 1)), n);
        if (!journal_record_build(&b, &life, type, built, part, parts))
            break;
        built++;
    }
    CHECK(walk(buf_slice(&b), &life, UINT32_MAX) == built);
    bool is_hurt = false;
    while (rd.in.n >= 3 && !rd.is_bad) {
        size_t at = read_u16(&rd) % b.n;
        uint8_t turn = read_u8(&rd);
        b.p[at] = (char)(b.p[at] ^ (char)turn);
        is_hurt = is_hurt || turn;
    }
    CHECK(walk(buf_slice(&b), &life, UINT32_MAX) <= built || is_hurt);
    survey(buf_slice(&b));
    memset(b.p, 0, JOURNAL_HEADER_BYTES);
    rescue(buf_slice(&b));
    buf_close(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > IMAGE_BYTES_MAX)
        return 0;
    struct slice in = slice_of(data + 2, size - 2);
    if (data[0] & 1)
        script(in);
    else
        raw(in, data[1] & 1);
    return 0;
}
