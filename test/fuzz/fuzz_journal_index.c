/* fuzz_journal_index.c -- any bytes as an index, and any bytes as a segment that gets one: what is
 * read stays inside and in order, and says the same twice; what is made can be read, and knows the
 * records that a walk finds.
 *
 * First byte odd: the input is a segment behind its header, seen through windows of the second
 * byte's size. Even: it is an index; the checksums and what names the segment are repaired. */
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "journal/journal_index.h"
#include "journal/journal_recover.h"

enum { INPUT_BYTES_MAX = 64 * 1024 };

static const struct journal_header life = {.sequence = 3,
                                           .nonce = 0xfeedbeefcafe1234u,
                                           .installation = 7,
                                           .segment_bytes = 2 * INPUT_BYTES_MAX};

static size_t head_bytes(uint8_t type, struct slice payload)
{
    return type * 3u < payload.n ? type * 3u : payload.n;
}

/* How many records there are. */
static unsigned read_all(struct slice file)
{
    struct journal_index x;
    struct journal_record r;
    unsigned records = 0;
    uint64_t end = JOURNAL_HEADER_BYTES;
    if (journal_index_open(&x, file, &life) != ERR_OK)
        return 0;
    uint32_t valid_end = x.valid_end, count = x.count;
    CHECK(valid_end <= life.segment_bytes);
    for (; journal_index_next(&x, &r); records++) {
        CHECK(r.type != 0 && r.type != JOURNAL_TYPE_OWN && r.pos.segment == life.sequence);
        CHECK(r.pos.offset >= end && r.pos.offset % 8 == 0 && r.payload.n <= r.pos.bytes);
        CHECK(r.payload.n == 0 ||
              (r.payload.p >= file.p && r.payload.p + r.payload.n <= file.p + file.n));
        end = r.pos.offset + (uint64_t)journal_record_span(r.pos.bytes);
        CHECK(end <= valid_end);
    }
    CHECK(records == count);
    return records;
}

static void put(char *p, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (char)(uint8_t)(v >> (8 * i));
}

static void index_of(struct slice in)
{
    char *copy = malloc(in.n + 1);
    memcpy(copy, in.p, in.n);
    (void)read_all(slice_of(copy, in.n));
    if (in.n >= JOURNAL_INDEX_HEADER_BYTES) {
        struct slice file = slice_of(copy, in.n);
        memcpy(copy, "OUTPOSTI\1\0\0\0\110\0\0", 16);
        put(copy + 16, life.sequence, 8);
        put(copy + 24, life.nonce, 8);
        put(copy + 32, life.installation, 8);
        put(copy + 40, life.segment_bytes, 8);
        put(copy + 56, in.n - JOURNAL_INDEX_HEADER_BYTES, 8);
        put(copy + 64, crc32c(0, slice_from(file, JOURNAL_INDEX_HEADER_BYTES)), 4);
        put(copy + 68, crc32c(0, slice_head(file, 68)), 4);
        CHECK(read_all(file) == read_all(file));
    }
    free(copy);
}

static enum parse make(struct slice segment, size_t window, struct buf *file)
{
    struct journal_index_builder b;
    char header[JOURNAL_INDEX_HEADER_BYTES] = {0};
    enum parse p = PARSE_MORE;
    buf_add(file, slice_of(header, sizeof header));
    journal_index_begin(&b, &life, (uint32_t)segment.n, head_bytes);
    for (size_t n = window + 1; p == PARSE_MORE && n < 4 * INPUT_BYTES_MAX; n *= 2) {
        uint32_t before = b.offset;
        p = journal_index_add(&b, slice_head(slice_from(segment, b.offset), n));
        CHECK(b.offset >= before && b.offset <= segment.n);
        buf_add(file, buf_slice(&b.out));
        buf_clear(&b.out);
        if (b.offset > before)
            n = window + 1;
    }
    journal_index_header(&b, header);
    CHECK(!file->is_full);
    memcpy(file->p, header, sizeof header);
    journal_index_close(&b);
    return p;
}

static unsigned walk(struct slice segment)
{
    struct journal_walk w;
    struct journal_record r;
    unsigned records = 0;
    journal_walk_init(&w, segment, &life, UINT32_MAX);
    while (journal_walk_next(&w, &r) == JOURNAL_STEP_RECORD)
        records++;
    CHECK(w.offset == segment.n);
    return records;
}

/* [type, bytes] for each record until type is 0; the rest stands behind them as it is. */
static void segment_of(struct slice in, size_t window)
{
    struct buf segment, file;
    struct reader script = {.in = in};
    char header[JOURNAL_HEADER_BYTES];
    uint8_t type;
    buf_init(&segment, 2 * INPUT_BYTES_MAX);
    buf_init(&file, 16 * INPUT_BYTES_MAX);
    journal_header_build(&life, header);
    buf_add(&segment, slice_of(header, sizeof header));
    while ((type = read_u8(&script)) != 0) {
        struct slice part = slice_head(in, (size_t)read_u8(&script) * 3);
        if (!journal_record_build(&segment, &life, type, segment.n, &part, 1))
            break;
    }
    size_t built = segment.n;
    (void)buf_add(&segment, script.in);
    if (make(buf_slice(&segment), window, &file) == PARSE_DONE)
        CHECK(read_all(buf_slice(&file)) == walk(buf_slice(&segment)));
    else
        CHECK(segment.n > built);
    buf_close(&segment);
    buf_close(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > INPUT_BYTES_MAX)
        return 0;
    struct slice in = slice_of(data + 2, size - 2);
    if (data[0] & 1)
        segment_of(in, data[1]);
    else
        index_of(in);
    return 0;
}
