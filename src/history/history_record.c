/* history_record.c -- see the header. */
#include "history/history_record.h"

enum { VERSION = 1, FLAG_REPORT = 1 };

const char *history_fate_name(enum history_fate f)
{
    static const char *const name[] = {[HISTORY_DELIVERED] = "delivered",
                                       [HISTORY_BOUNCED] = "bounced",
                                       [HISTORY_EXPIRED] = "expired",
                                       [HISTORY_REMOVED] = "removed"};
    CHECK((unsigned)f < HISTORY_FATE_COUNT);
    return name[f];
}

static void add_text(struct buf *out, struct slice s)
{
    s = slice_head(s, HISTORY_TEXT_BYTES_MAX);
    buf_add_u16(out, (uint16_t)s.n);
    buf_add(out, s);
}

static struct slice read_text(struct reader *r)
{
    uint16_t n = read_u16(r);
    if (n > HISTORY_TEXT_BYTES_MAX)
        r->is_bad = true;
    return read_bytes(r, n);
}

bool history_record_begin(const struct history_record *r, struct buf *out)
{
    buf_add_u8(out, VERSION);
    buf_add_u8(out, r->is_report ? FLAG_REPORT : 0);
    buf_add_u16(out, 0);
    buf_add_u32(out, r->recipient_count);
    buf_add_u64(out, r->id);
    buf_add_u64(out, (uint64_t)r->accepted_ms);
    buf_add_u64(out, (uint64_t)r->finished_ms);
    buf_add_u64(out, r->bytes);
    buf_add_u32(out, r->message_id_hash);
    add_text(out, r->sender);
    add_text(out, r->user);
    add_text(out, r->client);
    add_text(out, r->message_id);
    return !out->is_full;
}

bool history_record_add(const struct history_recipient *r, struct buf *out)
{
    buf_add_u8(out, (uint8_t)r->fate);
    buf_add_u32(out, r->attempts);
    buf_add_u64(out, (uint64_t)r->ended_ms);
    add_text(out, r->address);
    add_text(out, r->host);
    add_text(out, r->ip);
    add_text(out, r->reply);
    return !out->is_full;
}

static void read_recipient(struct reader *r, struct history_recipient *out)
{
    uint8_t fate = read_u8(r);
    if (fate >= HISTORY_FATE_COUNT)
        r->is_bad = true;
    *out = (struct history_recipient){.fate = r->is_bad ? 0 : (enum history_fate)fate};
    out->attempts = read_u32(r);
    out->ended_ms = (int64_t)read_u64(r);
    out->address = read_text(r);
    out->host = read_text(r);
    out->ip = read_text(r);
    out->reply = read_text(r);
}

enum parse history_record_parse(struct slice payload, struct history_record *out)
{
    struct reader r = {.in = payload};
    *out = (struct history_record){0};
    uint8_t version = read_u8(&r), flags = read_u8(&r);
    uint16_t zero = read_u16(&r);
    out->is_report = flags & FLAG_REPORT;
    out->recipient_count = read_u32(&r);
    out->id = read_u64(&r);
    out->accepted_ms = (int64_t)read_u64(&r);
    out->finished_ms = (int64_t)read_u64(&r);
    out->bytes = read_u64(&r);
    out->message_id_hash = read_u32(&r);
    out->sender = read_text(&r);
    out->user = read_text(&r);
    out->client = read_text(&r);
    out->message_id = read_text(&r);
    out->recipients = r.in;
    if (r.is_bad || version != VERSION || (flags & ~FLAG_REPORT) || zero || !out->recipient_count ||
        out->recipient_count > HISTORY_RECIPIENTS_MAX)
        return PARSE_BAD;
    for (uint32_t i = 0; i < out->recipient_count && !r.is_bad; i++) {
        struct history_recipient one;
        read_recipient(&r, &one);
    }
    return r.is_bad || r.in.n ? PARSE_BAD : PARSE_DONE;
}

bool history_record_next(struct slice *rest, struct history_recipient *out)
{
    if (!rest->n)
        return false;
    struct reader r = {.in = *rest};
    read_recipient(&r, out);
    *rest = r.in;
    return !r.is_bad;
}
