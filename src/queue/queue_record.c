/* queue_record.c -- payload codecs. All integers little-endian, texts as length u16 + bytes.
 *
 *   accept   version u8 | flags u8 (1: 8bit, 2: report, 4: order, 8: utf8, 16: requires TLS,
 *            32: binary) | ret u8 | zero u8 | accepted_ms i64 | wire_bytes u64 |
 *            prefix_bytes u32 | extents u32 | recipients u32 | sender | user | client |
 *            Message-ID | [order] | recipients: address, state | [dsn] |
 *            extents: segment u64, offset u32, bytes u32 | prefix | tail (the rest)
 *   dsn      ENVID | recipients: notify u8, ORCPT          (version 2 only)
 *   order    flags u8 (1: held, 2: bouncing, 4: removing) | zero u8[3] | since_ms i64 |
 *            held_ms i64 | who | words
 *   state    fate u8 | flags u8 (1: warned) | attempts u32 | next_ms i64 | reason
 *   outcome  version u8 | zero u8[3] | count u32 | time_ms i64 | count times: index u32, state
 *   operator version u8 | verb u8 | zero u16 | time_ms i64 | who | words
 *   pauses   version u8 | is_all u8 | zero u16 | count u32 | count times: name
 *   checkpoint  version u32 | count u32 | segment u64 | from u32 | to u32 | count times: offset u32
 */
#include "queue/queue_record.h"

enum {
    VERSION = 1,
    VERSION_DSN = 2, /* of an accept record that says what version 1 cannot */
    FLAG_8BIT = 1,
    FLAG_REPORT = 2,
    FLAG_ORDER = 4,
    FLAG_UTF8 = 8,
    FLAG_REQUIRES_TLS = 16,
    FLAG_BINARY = 32,
    FLAGS_1 = FLAG_8BIT | FLAG_REPORT | FLAG_ORDER,
    FLAGS_2 = FLAGS_1 | FLAG_UTF8 | FLAG_REQUIRES_TLS | FLAG_BINARY,
    ORDER_HELD = 1,
    ORDER_BOUNCING = 2,
    ORDER_REMOVING = 4,
    STATE_WARNED = 1,
    EXTENT_BYTES = 16,
};

const char *queue_fate_name(enum queue_fate f)
{
    static const char *const name[QUEUE_FATE_COUNT] = {"waiting", "delivered", "bounced", "expired",
                                                       "removed"};
    return f < QUEUE_FATE_COUNT ? name[f] : "unknown";
}

static bool add_text(struct buf *out, struct slice s, size_t max)
{
    s = slice_head(s, max);
    return buf_add_u16(out, (uint16_t)s.n) && buf_add(out, s);
}

/* An address that was cut is another address: what does not fit fails the whole record. */
static bool add_whole(struct buf *out, struct slice s)
{
    if (s.n > QUEUE_TEXT_BYTES_MAX)
        out->is_full = true;
    return add_text(out, s, QUEUE_TEXT_BYTES_MAX) && !out->is_full;
}

static struct slice read_text(struct reader *r, size_t max)
{
    struct slice s = read_bytes(r, read_u16(r));
    r->is_bad |= s.n > max;
    return s;
}

/* Flags and fields that this version does not know are not to be ignored. */
static unsigned read_flags(struct reader *r, unsigned known)
{
    unsigned flags = read_u8(r);
    r->is_bad |= (flags & ~known) != 0;
    return flags & known;
}

static void read_zero_u16(struct reader *r)
{
    r->is_bad |= read_u16(r) != 0;
}

static size_t reason_bytes_max(enum queue_fate fate)
{
    return fate == QUEUE_WAITING ? QUEUE_REASON_BYTES_MAX : QUEUE_LAST_WORDS_BYTES_MAX;
}

static bool add_state(struct buf *out, const struct queue_state *s)
{
    buf_add_u8(out, (uint8_t)s->fate);
    buf_add_u8(out, s->is_warned ? STATE_WARNED : 0);
    buf_add_u32(out, s->attempts);
    buf_add_u64(out, (uint64_t)s->next_ms);
    return add_text(out, s->reason, reason_bytes_max(s->fate)) && !out->is_full;
}

static void read_state(struct reader *r, struct queue_state *s)
{
    unsigned fate = read_u8(r);
    if (fate >= QUEUE_FATE_COUNT)
        r->is_bad = true;
    s->fate = fate < QUEUE_FATE_COUNT ? (enum queue_fate)fate : QUEUE_WAITING;
    s->is_warned = read_flags(r, STATE_WARNED) != 0;
    s->attempts = read_u32(r);
    s->next_ms = (int64_t)read_u64(r);
    s->reason = read_text(r, reason_bytes_max(s->fate));
}

/* Times that are added and subtracted: far from the ends of their type. */
static int64_t read_time(struct reader *r)
{
    uint64_t v = read_u64(r);
    r->is_bad |= v >> 52 != 0;
    return r->is_bad ? 0 : (int64_t)v;
}

static void add_order(struct buf *out, const struct queue_order *o)
{
    buf_add_u8(out,
               (uint8_t)((o->is_held ? ORDER_HELD : 0) | (o->is_bouncing ? ORDER_BOUNCING : 0) |
                         (o->is_removing ? ORDER_REMOVING : 0)));
    buf_add_u8(out, 0);
    buf_add_u16(out, 0);
    buf_add_u64(out, (uint64_t)o->since_ms);
    buf_add_u64(out, (uint64_t)o->held_ms);
    add_text(out, o->who, QUEUE_WHO_BYTES_MAX);
    add_text(out, o->words, QUEUE_REASON_BYTES_MAX);
}

static void read_order(struct reader *r, struct queue_order *o)
{
    unsigned flags = read_flags(r, ORDER_HELD | ORDER_BOUNCING | ORDER_REMOVING);
    o->is_held = (flags & ORDER_HELD) != 0;
    o->is_bouncing = (flags & ORDER_BOUNCING) != 0;
    o->is_removing = (flags & ORDER_REMOVING) != 0;
    (void)read_flags(r, 0);
    read_zero_u16(r);
    o->since_ms = read_time(r);
    o->held_ms = read_time(r);
    o->who = read_text(r, QUEUE_WHO_BYTES_MAX);
    o->words = read_text(r, QUEUE_REASON_BYTES_MAX);
}

static struct queue_dsn dsn_of(const struct queue_accept_source *from, uint32_t i)
{
    struct queue_dsn dsn = {0};
    if (from->dsn)
        from->dsn(from->ctx, i, &dsn);
    return dsn;
}

/* Most messages say nothing that version 1 could not: an older relay can read those. */
static bool needs_version_dsn(const struct queue_accept_source *from)
{
    const struct queue_envelope *e = from->envelope;
    bool is_needed = e->is_utf8 || e->requires_tls || e->is_binary || e->ret || e->envid.n;
    for (uint32_t i = 0; from->dsn && i < e->recipient_count && !is_needed; i++) {
        struct queue_dsn dsn = dsn_of(from, i);
        is_needed = dsn.notify || dsn.orcpt.n;
    }
    return is_needed;
}

static unsigned flags_of(const struct queue_envelope *e)
{
    return (e->is_8bit ? FLAG_8BIT : 0u) | (e->is_report ? FLAG_REPORT : 0u) |
           (e->has_order ? FLAG_ORDER : 0u) | (e->is_utf8 ? FLAG_UTF8 : 0u) |
           (e->requires_tls ? FLAG_REQUIRES_TLS : 0u) | (e->is_binary ? FLAG_BINARY : 0u);
}

static void add_dsn(struct buf *out, const struct queue_accept_source *from)
{
    const struct queue_envelope *e = from->envelope;
    if (e->envid.n > MAIL_ENVID_BYTES_MAX)
        out->is_full = true;
    add_whole(out, e->envid);
    for (uint32_t i = 0; i < e->recipient_count; i++) {
        struct queue_dsn dsn = dsn_of(from, i);
        if (dsn.orcpt.n > MAIL_ORCPT_BYTES_MAX)
            out->is_full = true;
        buf_add_u8(out, (uint8_t)dsn.notify);
        add_whole(out, dsn.orcpt);
    }
}

bool queue_accept_build(struct buf *out, const struct queue_accept_source *from)
{
    const struct queue_envelope *e = from->envelope;
    bool has_dsn = needs_version_dsn(from);
    buf_add_u8(out, has_dsn ? VERSION_DSN : VERSION);
    buf_add_u8(out, (uint8_t)flags_of(e));
    buf_add_u8(out, (uint8_t)e->ret);
    buf_add_u8(out, 0);
    buf_add_u64(out, (uint64_t)e->accepted_ms);
    buf_add_u64(out, e->wire_bytes);
    buf_add_u32(out, e->prefix_bytes);
    buf_add_u32(out, e->extent_count);
    buf_add_u32(out, e->recipient_count);
    add_whole(out, e->sender);
    add_text(out, e->user, QUEUE_TEXT_BYTES_MAX);
    add_text(out, e->client, QUEUE_TEXT_BYTES_MAX);
    add_text(out, e->message_id, QUEUE_TEXT_BYTES_MAX);
    if (e->has_order)
        add_order(out, &e->order);
    for (uint32_t i = 0; i < e->recipient_count; i++) {
        struct queue_state state = {.fate = QUEUE_WAITING};
        add_whole(out, from->recipient(from->ctx, i));
        if (from->state)
            from->state(from->ctx, i, &state);
        add_state(out, &state);
    }
    if (has_dsn)
        add_dsn(out, from);
    for (uint32_t i = 0; i < e->extent_count; i++) {
        buf_add_u64(out, from->extent[i].segment);
        buf_add_u32(out, from->extent[i].offset);
        buf_add_u32(out, from->extent[i].bytes);
    }
    return !out->is_full;
}

static void read_notify(struct reader *r, struct queue_dsn *dsn)
{
    dsn->notify = read_u8(r);
    r->is_bad |= !mail_notify_is_valid(dsn->notify);
    dsn->orcpt = read_text(r, MAIL_ORCPT_BYTES_MAX);
}

/* What version 2 adds. One that adds nothing is not to be: it would be built as version 1. */
static void read_dsn(struct reader *r, struct queue_accept *out)
{
    struct queue_envelope *e = &out->envelope;
    e->envid = read_text(r, MAIL_ENVID_BYTES_MAX);
    bool says_something = e->is_utf8 || e->requires_tls || e->is_binary || e->ret || e->envid.n;
    struct slice rest = r->in;
    for (uint32_t i = 0; i < e->recipient_count && !r->is_bad; i++) {
        struct queue_dsn dsn;
        read_notify(r, &dsn);
        says_something |= dsn.notify || dsn.orcpt.n;
    }
    r->is_bad |= !says_something;
    out->dsn = slice_head(rest, rest.n - r->in.n);
}

static bool read_accept_flags(struct reader *r, struct queue_envelope *e)
{
    unsigned version = read_u8(r);
    bool has_dsn = version == VERSION_DSN;
    unsigned flags = read_flags(r, has_dsn ? FLAGS_2 : FLAGS_1);
    unsigned ret = read_u8(r);
    (void)read_flags(r, 0);
    r->is_bad |= (version != VERSION && !has_dsn) || ret >= (has_dsn ? MAIL_RET_COUNT : 1);
    e->is_8bit = (flags & FLAG_8BIT) != 0;
    e->is_report = (flags & FLAG_REPORT) != 0;
    e->has_order = (flags & FLAG_ORDER) != 0;
    e->is_utf8 = (flags & FLAG_UTF8) != 0;
    e->requires_tls = (flags & FLAG_REQUIRES_TLS) != 0;
    e->is_binary = (flags & FLAG_BINARY) != 0;
    e->ret = r->is_bad ? MAIL_RET_NONE : (enum mail_ret)ret;
    return has_dsn;
}

static enum parse parse_head(struct slice payload, struct queue_accept *out, struct slice *rest_out)
{
    struct reader r = {.in = payload};
    *out = (struct queue_accept){0};
    struct queue_envelope *e = &out->envelope;
    bool has_dsn = read_accept_flags(&r, e);
    e->accepted_ms = (int64_t)read_u64(&r);
    e->wire_bytes = read_u64(&r);
    e->prefix_bytes = read_u32(&r);
    e->extent_count = read_u32(&r);
    e->recipient_count = read_u32(&r);
    e->sender = read_text(&r, QUEUE_TEXT_BYTES_MAX);
    e->user = read_text(&r, QUEUE_TEXT_BYTES_MAX);
    e->client = read_text(&r, QUEUE_TEXT_BYTES_MAX);
    e->message_id = read_text(&r, QUEUE_TEXT_BYTES_MAX);
    if (e->has_order)
        read_order(&r, &e->order);
    if (r.is_bad || e->recipient_count > QUEUE_RECIPIENTS_MAX ||
        e->wire_bytes > QUEUE_WIRE_BYTES_MAX || e->extent_count > QUEUE_EXTENTS_MAX ||
        e->recipient_count == 0)
        return PARSE_BAD;
    struct slice rest = r.in;
    for (uint32_t i = 0; i < e->recipient_count && !r.is_bad; i++) {
        struct queue_state state;
        (void)read_text(&r, QUEUE_TEXT_BYTES_MAX);
        read_state(&r, &state);
    }
    if (r.is_bad)
        return PARSE_BAD;
    out->recipients = slice_head(rest, rest.n - r.in.n);
    if (has_dsn)
        read_dsn(&r, out);
    out->extents = read_bytes(&r, (size_t)e->extent_count * EXTENT_BYTES);
    out->head_bytes = payload.n - r.in.n;
    *rest_out = r.in;
    return r.is_bad ? PARSE_BAD : PARSE_DONE;
}

enum parse queue_accept_parse_head(struct slice payload, struct queue_accept *out)
{
    struct slice rest;
    return parse_head(payload, out, &rest);
}

enum parse queue_accept_parse(struct slice payload, struct queue_accept *out)
{
    struct slice rest;
    if (parse_head(payload, out, &rest) != PARSE_DONE || rest.n < out->envelope.prefix_bytes)
        return PARSE_BAD;
    out->prefix = slice_head(rest, out->envelope.prefix_bytes);
    out->tail = slice_from(rest, out->prefix.n);
    return PARSE_DONE;
}

size_t queue_record_head_bytes(uint8_t type, struct slice payload)
{
    struct queue_accept a;
    if (type == QUEUE_RECORD_CHUNK)
        return 0;
    if (type == QUEUE_RECORD_ACCEPT && queue_accept_parse_head(payload, &a) == PARSE_DONE)
        return a.head_bytes;
    return payload.n;
}

bool queue_accept_next(struct slice *rest, struct slice *address, struct queue_state *state)
{
    if (!rest->n)
        return false;
    struct reader r = {.in = *rest};
    *address = read_text(&r, QUEUE_TEXT_BYTES_MAX);
    read_state(&r, state);
    *rest = r.in;
    return !r.is_bad;
}

bool queue_accept_next_dsn(struct slice *rest, struct queue_dsn *dsn)
{
    if (!rest->n)
        return false;
    struct reader r = {.in = *rest};
    read_notify(&r, dsn);
    *rest = r.in;
    return !r.is_bad;
}

struct journal_pos queue_accept_extent(const struct queue_accept *a, uint32_t i)
{
    CHECK(i < a->envelope.extent_count);
    struct reader r = {.in = slice_from(a->extents, (size_t)i * EXTENT_BYTES)};
    struct journal_pos pos;
    pos.segment = read_u64(&r);
    pos.offset = read_u32(&r);
    pos.bytes = read_u32(&r);
    return pos;
}

bool queue_outcome_begin(struct buf *out, int64_t time_ms, uint32_t count)
{
    buf_add_u32(out, VERSION);
    buf_add_u32(out, count);
    return buf_add_u64(out, (uint64_t)time_ms) && !out->is_full;
}

bool queue_outcome_add(struct buf *out, uint32_t index, const struct queue_state *state)
{
    buf_add_u32(out, index);
    return add_state(out, state);
}

enum parse queue_outcome_parse(struct slice payload, struct queue_outcome *out)
{
    struct reader r = {.in = payload};
    uint32_t version = read_u32(&r);
    out->count = read_u32(&r);
    out->time_ms = (int64_t)read_u64(&r);
    out->states = r.in;
    if (version != VERSION || out->count > QUEUE_RECIPIENTS_MAX)
        return PARSE_BAD;
    for (uint32_t i = 0; i < out->count && !r.is_bad; i++) {
        struct queue_state state;
        (void)read_u32(&r);
        read_state(&r, &state);
    }
    return r.is_bad || r.in.n ? PARSE_BAD : PARSE_DONE;
}

bool queue_outcome_next(struct slice *rest, uint32_t *index, struct queue_state *state)
{
    if (!rest->n)
        return false;
    struct reader r = {.in = *rest};
    *index = read_u32(&r);
    read_state(&r, state);
    *rest = r.in;
    return !r.is_bad;
}

bool queue_operator_build(struct buf *out, const struct queue_operator *op)
{
    buf_add_u8(out, VERSION);
    buf_add_u8(out, (uint8_t)op->verb);
    buf_add_u16(out, 0);
    buf_add_u64(out, (uint64_t)op->time_ms);
    add_text(out, op->who, QUEUE_WHO_BYTES_MAX);
    return add_text(out, op->words, QUEUE_REASON_BYTES_MAX) && !out->is_full;
}

enum parse queue_operator_parse(struct slice payload, struct queue_operator *out)
{
    struct reader r = {.in = payload};
    unsigned version = read_u8(&r), verb = read_u8(&r);
    read_zero_u16(&r);
    out->time_ms = read_time(&r);
    out->who = read_text(&r, QUEUE_WHO_BYTES_MAX);
    out->words = read_text(&r, QUEUE_REASON_BYTES_MAX);
    if (r.is_bad || r.in.n || version != VERSION || verb < QUEUE_VERB_HOLD ||
        verb >= QUEUE_VERB_END)
        return PARSE_BAD;
    out->verb = (enum queue_verb)verb;
    return PARSE_DONE;
}

bool queue_pauses_begin(struct buf *out, bool is_all, uint32_t count)
{
    buf_add_u8(out, VERSION);
    buf_add_u8(out, is_all);
    buf_add_u16(out, 0);
    return buf_add_u32(out, count) && !out->is_full;
}

bool queue_pauses_add(struct buf *out, struct slice domain)
{
    return add_whole(out, domain);
}

enum parse queue_pauses_parse(struct slice payload, struct queue_pauses *out)
{
    struct reader r = {.in = payload};
    unsigned version = read_u8(&r);
    out->is_all = read_flags(&r, 1) != 0;
    read_zero_u16(&r);
    out->count = read_u32(&r);
    out->names = r.in;
    if (version != VERSION || out->count > QUEUE_PAUSES_MAX)
        return PARSE_BAD;
    for (uint32_t i = 0; i < out->count && !r.is_bad; i++)
        (void)read_text(&r, QUEUE_TEXT_BYTES_MAX);
    return r.is_bad || r.in.n ? PARSE_BAD : PARSE_DONE;
}

bool queue_pauses_next(struct slice *rest, struct slice *domain)
{
    if (!rest->n)
        return false;
    struct reader r = {.in = *rest};
    *domain = read_text(&r, QUEUE_TEXT_BYTES_MAX);
    *rest = r.in;
    return !r.is_bad;
}

bool queue_checkpoint_begin(struct buf *out, uint64_t segment, uint32_t from, uint32_t to,
                            uint32_t count)
{
    buf_add_u32(out, VERSION);
    buf_add_u32(out, count);
    buf_add_u64(out, segment);
    buf_add_u32(out, from);
    return buf_add_u32(out, to) && !out->is_full;
}

bool queue_checkpoint_add(struct buf *out, uint32_t offset)
{
    return buf_add_u32(out, offset);
}

enum parse queue_checkpoint_parse(struct slice payload, struct queue_checkpoint *out)
{
    struct reader r = {.in = payload};
    uint32_t version = read_u32(&r);
    out->count = read_u32(&r);
    out->segment = read_u64(&r);
    out->from = read_u32(&r);
    out->to = read_u32(&r);
    out->offsets = r.in;
    if (r.is_bad || version != VERSION || out->count > QUEUE_CHECKPOINT_OFFSETS_MAX ||
        r.in.n != (size_t)out->count * 4)
        return PARSE_BAD;
    uint64_t least = out->from; /* ascending, within the bounds */
    for (uint32_t i = 0; i < out->count; i++) {
        uint32_t offset = read_u32(&r);
        if (offset < least || offset >= out->to)
            return PARSE_BAD;
        least = (uint64_t)offset + 1;
    }
    return PARSE_DONE;
}
