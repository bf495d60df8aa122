/* journal_index.c -- an index's bytes, there and back. The layout stands in the header.
 *
 * The file's header is known last and written last: a file that was left half way has none. */
#include "journal/journal_index.h"

#include "base/crc32c.h"

#include <string.h>

enum {
    ALIGN = 8,
    HEADER_CRC_AT = JOURNAL_INDEX_HEADER_BYTES - 4,
    SHARE = 2, /* of the segment's bytes: an index takes half of them at most */
};

static const struct slice magic = SLICE_INIT("OUTPOSTI");

uint64_t journal_index_bytes_max(uint64_t segment_bytes)
{
    return segment_bytes / SHARE;
}

static size_t entry_span(size_t head_bytes)
{
    return JOURNAL_INDEX_ENTRY_BYTES + (head_bytes + ALIGN - 1) / ALIGN * ALIGN;
}

/* --- making one --- */

void journal_index_begin(struct journal_index_builder *b, const struct journal_header *h,
                         uint32_t valid_end,
                         size_t (*head_bytes)(uint8_t type, struct slice payload))
{
    *b = (struct journal_index_builder){.header = *h,
                                        .head_bytes = head_bytes,
                                        .offset = JOURNAL_HEADER_BYTES,
                                        .valid_end = valid_end};
    buf_init(&b->out, JOURNAL_INDEX_OUT_BYTES_MAX + entry_span(JOURNAL_RECORD_BYTES_MAX));
}

void journal_index_close(struct journal_index_builder *b)
{
    buf_close(&b->out);
}

static void add_entry(struct journal_index_builder *b, const struct journal_record *r)
{
    static const char zeroes[ALIGN];
    size_t head = b->head_bytes(r->type, r->payload), from = b->out.n;
    if (head > r->payload.n)
        head = r->payload.n;
    buf_add_u64(&b->out, r->id);
    buf_add_u32(&b->out, b->offset);
    buf_add_u32(&b->out, (uint32_t)r->payload.n);
    buf_add_u32(&b->out, (uint32_t)head);
    buf_add_u32(&b->out, r->type);
    buf_add(&b->out, slice_head(r->payload, head));
    buf_add(&b->out, slice_of(zeroes, entry_span(head) - JOURNAL_INDEX_ENTRY_BYTES - head));
    CHECK(!b->out.is_full);
    b->crc = crc32c(b->crc, slice_from(buf_slice(&b->out), from));
    b->entry_bytes += b->out.n - from;
    b->entries++;
}

/* One record off the front of the window. */
static enum parse add_record(struct journal_index_builder *b, struct slice *window)
{
    uint32_t room = b->valid_end - b->offset;
    if (window->n < JOURNAL_FRAME_BYTES)
        return room < JOURNAL_FRAME_BYTES ? PARSE_BAD : PARSE_MORE;
    struct reader frame = {.in = *window};
    size_t payload_bytes = read_u32(&frame), span = journal_record_span(payload_bytes);
    if (payload_bytes > JOURNAL_RECORD_BYTES_MAX || span > room)
        return PARSE_BAD;
    if (span > window->n)
        return PARSE_MORE;
    struct journal_record r;
    if (journal_record_parse(slice_head(*window, span), &b->header, 0, &r) != JOURNAL_READ_OK)
        return PARSE_BAD;
    if (r.type != JOURNAL_TYPE_OWN)
        add_entry(b, &r);
    b->offset += (uint32_t)span;
    *window = slice_from(*window, span);
    return PARSE_DONE;
}

enum parse journal_index_add(struct journal_index_builder *b, struct slice window)
{
    while (b->offset < b->valid_end && b->out.n < JOURNAL_INDEX_OUT_BYTES_MAX) {
        enum parse p = add_record(b, &window);
        if (p != PARSE_DONE)
            return p;
    }
    return b->offset < b->valid_end ? PARSE_MORE : PARSE_DONE;
}

void journal_index_header(const struct journal_index_builder *b,
                          char out[JOURNAL_INDEX_HEADER_BYTES])
{
    const struct journal_header *h = &b->header;
    struct buf text;
    buf_init(&text, JOURNAL_INDEX_HEADER_BYTES);
    buf_add(&text, magic);
    buf_add_u32(&text, JOURNAL_INDEX_VERSION);
    buf_add_u32(&text, JOURNAL_INDEX_HEADER_BYTES);
    buf_add_u64(&text, h->sequence);
    buf_add_u64(&text, h->nonce);
    buf_add_u64(&text, h->installation);
    buf_add_u64(&text, h->segment_bytes);
    buf_add_u32(&text, b->valid_end);
    buf_add_u32(&text, b->entries);
    buf_add_u64(&text, b->entry_bytes);
    buf_add_u32(&text, b->crc);
    buf_add_u32(&text, crc32c(0, buf_slice(&text)));
    CHECK(text.n == JOURNAL_INDEX_HEADER_BYTES && !text.is_full);
    memcpy(out, text.p, text.n);
    buf_close(&text);
}

/* --- reading one --- */

/* The entry at the front of `entries`, which are moved on. False: it is none. */
static bool read_entry(struct slice *entries, struct journal_record *out)
{
    struct reader r = {.in = *entries};
    *out = (struct journal_record){.id = read_u64(&r)};
    out->pos.offset = read_u32(&r);
    out->pos.bytes = read_u32(&r);
    size_t head = read_u32(&r);
    uint32_t type = read_u32(&r);
    if (r.is_bad || type == 0 || type >= JOURNAL_TYPE_OWN || head > out->pos.bytes ||
        out->pos.bytes > JOURNAL_RECORD_BYTES_MAX || entry_span(head) > entries->n)
        return false;
    out->type = (uint8_t)type;
    out->payload = read_bytes(&r, head);
    *entries = slice_from(*entries, entry_span(head));
    return true;
}

static bool are_entries_sound(const struct journal_index *x)
{
    struct slice rest = x->entries;
    struct journal_record r;
    uint64_t end = JOURNAL_HEADER_BYTES;
    for (uint32_t i = 0; i < x->count; i++) {
        if (!read_entry(&rest, &r) || r.pos.offset < end || r.pos.offset % ALIGN)
            return false;
        end = r.pos.offset + (uint64_t)journal_record_span(r.pos.bytes);
        if (end > x->valid_end)
            return false;
    }
    return rest.n == 0;
}

/* What stands behind the owner in the header; false: no header. */
static bool read_header(struct slice file, struct journal_header *owner, struct reader *rest)
{
    struct reader r = {.in = file};
    bool is_ours = slice_eq(read_bytes(&r, magic.n), magic);
    is_ours &= read_u32(&r) == JOURNAL_INDEX_VERSION;
    is_ours &= read_u32(&r) == JOURNAL_INDEX_HEADER_BYTES;
    *owner = (struct journal_header){.sequence = read_u64(&r)};
    owner->nonce = read_u64(&r);
    owner->installation = read_u64(&r);
    owner->segment_bytes = read_u64(&r);
    *rest = r;
    struct reader crc = {.in = slice_from(file, HEADER_CRC_AT)};
    return is_ours && read_u32(&crc) == crc32c(0, slice_head(file, HEADER_CRC_AT)) && !crc.is_bad;
}

enum err journal_index_owner(struct slice file, struct journal_header *out)
{
    struct reader ignored;
    return read_header(file, out, &ignored) ? ERR_OK : ERR_BAD;
}

enum err journal_index_open(struct journal_index *x, struct slice file,
                            const struct journal_header *h)
{
    struct journal_header owner;
    struct reader r;
    *x = (struct journal_index){.segment = h->sequence};
    if (!read_header(file, &owner, &r) || owner.sequence != h->sequence ||
        owner.nonce != h->nonce || owner.installation != h->installation ||
        owner.segment_bytes != h->segment_bytes)
        return ERR_BAD;
    x->valid_end = read_u32(&r);
    x->count = read_u32(&r);
    uint64_t entry_bytes = read_u64(&r);
    uint32_t entries_crc = read_u32(&r);
    x->entries = slice_from(file, JOURNAL_INDEX_HEADER_BYTES);
    if (x->valid_end < JOURNAL_HEADER_BYTES || x->valid_end > h->segment_bytes ||
        entry_bytes != x->entries.n || entries_crc != crc32c(0, x->entries) ||
        !are_entries_sound(x))
        return ERR_BAD;
    return ERR_OK;
}

bool journal_index_next(struct journal_index *x, struct journal_record *out)
{
    if (!read_entry(&x->entries, out))
        return false;
    out->pos.segment = x->segment;
    return true;
}
