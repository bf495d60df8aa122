/* dns_message.c -- one question out, one answer in (RFC 1035 section 4, EDNS of RFC 6891).
 *
 *   header: id, flags, four counts   question: name type class
 *   record: name type class ttl rdlength rdata      answers, then authority, then additional
 *
 * An answer is walked twice. The first walk looks at every record's frame, collects the CNAMEs and
 * what is said about absence; then the chain of names is followed in memory; the second walk takes
 * the records of the asked type at the end of the chain.
 *
 * Names are kept as on the wire, uncompressed. Length bytes are below 64 and letters above, so one
 * case-blind comparison of all bytes compares the labels. */
#include "dns/dns_message.h"

#include <string.h>

enum {
    HEADER_BYTES = 12,
    WIRE_NAME_MAX = 255,
    LABEL_MAX = 63,
    POINTERS_MAX = 32, /* in one name; each must point further back as well */
    CLASS_IN = 1,
    TYPE_NS = 2,
    TYPE_SOA = 6,
    TYPE_OPT = 41,
    FLAG_QR = 0x8000,
    FLAG_OPCODE = 0x7800,
    FLAG_TC = 0x0200,
    FLAG_RD = 0x0100,
    FLAG_AD = 0x0020,
    FLAG_RCODE = 0x000f,
    RCODE_OK = 0,
    RCODE_NXDOMAIN = 3,
    OPT_DO = 0x8000,
};

struct wire_name {
    uint8_t b[WIRE_NAME_MAX];
    size_t n; /* with the root's zero byte */
};

struct cursor {
    const uint8_t *p; /* the whole packet: compressed names point anywhere before */
    size_t n, at;
    bool is_bad; /* something was read past the end */
};

struct frame { /* one record */
    size_t owner_at;
    unsigned type, class_, rdata_n;
    uint32_t ttl_s;
    size_t rdata_at;
};

struct alias {
    struct wire_name owner, target;
    uint32_t ttl_s;
};

struct reading {
    struct cursor c;
    unsigned answers;
    size_t answers_at;
    struct alias alias[DNS_CNAMES_MAX];
    unsigned alias_count;
    bool has_soa, has_ns;
    uint32_t soa_ttl_s;
    unsigned rcode;
};

/* ---- names ------------------------------------------------------------------------------- */

static bool is_plain(uint8_t c) /* may stand in our text form, which knows no escapes */
{
    return c > 0x20 && c < 0x7f && c != '.' && c != '\\';
}

static bool name_from_text(struct slice s, struct wire_name *out)
{
    if (s.n && s.p[s.n - 1] == '.')
        s.n--;
    if (s.n == 0 || s.n >= DNS_NAME_BYTES_MAX)
        return false;
    out->n = 0;
    while (s.n > 0) {
        size_t label = slice_find(s, '.');
        if (label == 0 || label > LABEL_MAX || label + 1 == s.n)
            return false;
        out->b[out->n++] = (uint8_t)label;
        for (size_t i = 0; i < label; i++) {
            if (!is_plain((uint8_t)s.p[i]))
                return false;
            out->b[out->n++] = (uint8_t)s.p[i];
        }
        s = slice_from(s, label + 1);
    }
    out->b[out->n++] = 0;
    return true;
}

/* Lower case, no final dot. False: a byte that the text form cannot show. */
static bool name_to_text(const struct wire_name *name, char out[DNS_NAME_BYTES_MAX])
{
    size_t n = 0;
    for (size_t at = 0; name->b[at] != 0;) {
        size_t label = name->b[at++];
        if (n)
            out[n++] = '.';
        for (; label; label--, at++) {
            if (!is_plain(name->b[at]))
                return false;
            out[n++] = ascii_lower((char)name->b[at]);
        }
    }
    out[n] = 0;
    return true;
}

static bool name_eq_nocase(const struct wire_name *a, const struct wire_name *b)
{
    return slice_eq_nocase(slice_of(a->b, a->n), slice_of(b->b, b->n));
}

/* Reads the name at *at and moves behind it. A pointer must lead to before the place where the run
 * of labels that it ends began, so every name ends. */
static bool name_read(const struct cursor *c, size_t *at, struct wire_name *out)
{
    size_t p = *at, run_at = *at, end = 0;
    int pointers = 0;
    out->n = 0;
    while (p < c->n) {
        unsigned head = c->p[p];
        if (head >= 0xc0) {
            if (c->n - p < 2 || ++pointers > POINTERS_MAX)
                return false;
            size_t to = (head & 0x3f) << 8 | c->p[p + 1];
            if (!end)
                end = p + 2;
            if (to < HEADER_BYTES || to >= run_at)
                return false;
            p = run_at = to;
            continue;
        }
        if (head > LABEL_MAX || c->n - p < 1 + head || out->n + 1 + head > WIRE_NAME_MAX)
            return false;
        memcpy(out->b + out->n, c->p + p, 1 + head);
        out->n += 1 + head;
        p += 1 + head;
        if (head == 0) {
            *at = end ? end : p;
            return true;
        }
    }
    return false;
}

/* ---- bytes ------------------------------------------------------------------------------- */

static unsigned take_u16(struct cursor *c)
{
    if (c->n - c->at < 2) {
        c->is_bad = true;
        return 0;
    }
    unsigned v = (unsigned)c->p[c->at] << 8 | c->p[c->at + 1];
    c->at += 2;
    return v;
}

static uint32_t take_u32(struct cursor *c)
{
    uint32_t high = take_u16(c);
    return high << 16 | take_u16(c);
}

static void skip_name(struct cursor *c)
{
    while (c->at < c->n) {
        unsigned head = c->p[c->at];
        size_t n = head >= 0xc0 ? 2 : 1 + head;
        if ((head > LABEL_MAX && head < 0xc0) || c->n - c->at < n)
            break;
        c->at += n;
        if (head == 0 || head >= 0xc0)
            return;
    }
    c->is_bad = true;
}

static bool take_frame(struct cursor *c, struct frame *f)
{
    f->owner_at = c->at;
    skip_name(c);
    f->type = take_u16(c);
    f->class_ = take_u16(c);
    f->ttl_s = take_u32(c);
    if (f->ttl_s & 0x80000000u)
        f->ttl_s = 0; /* RFC 2181 section 8 */
    f->rdata_n = take_u16(c);
    f->rdata_at = c->at;
    if (c->is_bad || c->n - c->at < f->rdata_n)
        return false;
    c->at += f->rdata_n;
    return true;
}

static bool add_be16(struct buf *out, unsigned v)
{
    return buf_add_u8(out, (uint8_t)(v >> 8)) && buf_add_u8(out, (uint8_t)v);
}

/* ---- the first walk ---------------------------------------------------------------------- */

/* A name that fills the rest of a record's data to its last byte. */
static bool rdata_name(const struct cursor *c, const struct frame *f, size_t skip,
                       struct wire_name *out)
{
    size_t at = f->rdata_at + skip;
    return f->rdata_n > skip && name_read(c, &at, out) && at == f->rdata_at + f->rdata_n;
}

static bool on_alias(struct reading *r, const struct frame *f)
{
    size_t at = f->owner_at;
    if (r->alias_count == DNS_CNAMES_MAX)
        return false;
    struct alias *a = &r->alias[r->alias_count++];
    a->ttl_s = f->ttl_s;
    return name_read(&r->c, &at, &a->owner) && rdata_name(&r->c, f, 0, &a->target);
}

/* RFC 2308 section 5: the lower of the record's TTL and its MINIMUM field. */
static bool on_soa(struct reading *r, const struct frame *f)
{
    struct wire_name ignored;
    struct cursor c = r->c;
    c.at = f->rdata_at;
    c.n = f->rdata_at + f->rdata_n;
    if (!name_read(&c, &c.at, &ignored) || !name_read(&c, &c.at, &ignored) || c.n - c.at != 20)
        return false;
    c.at += 16;
    uint32_t minimum = take_u32(&c);
    r->has_soa = true;
    r->soa_ttl_s = minimum < f->ttl_s ? minimum : f->ttl_s;
    return true;
}

static bool walk_frames(struct reading *r, enum dns_type type, unsigned authority,
                        unsigned additional)
{
    struct frame f;
    r->answers_at = r->c.at;
    for (unsigned i = 0; i < r->answers; i++) {
        if (!take_frame(&r->c, &f))
            return false;
        if (f.type == DNS_CNAME && f.class_ == CLASS_IN && type != DNS_CNAME && !on_alias(r, &f))
            return false;
    }
    for (unsigned i = 0; i < authority; i++) {
        if (!take_frame(&r->c, &f))
            return false;
        if (f.type == TYPE_NS)
            r->has_ns = true;
        if (f.type == TYPE_SOA && !on_soa(r, &f))
            return false;
    }
    for (unsigned i = 0; i < additional; i++) {
        if (!take_frame(&r->c, &f))
            return false;
        if (f.type == TYPE_OPT)
            r->rcode |= f.ttl_s >> 24 << 4; /* RFC 6891 section 6.1.3 */
    }
    return true;
}

/* From the asked name to the end of the chain. False: a loop. */
static bool follow_aliases(const struct reading *r, struct wire_name *name, uint32_t *ttl_s)
{
    for (unsigned step = 0; step <= r->alias_count; step++) {
        const struct alias *next = NULL;
        for (unsigned i = 0; i < r->alias_count && !next; i++)
            if (name_eq_nocase(&r->alias[i].owner, name))
                next = &r->alias[i];
        if (!next)
            return true;
        *name = next->target;
        if (next->ttl_s < *ttl_s)
            *ttl_s = next->ttl_s;
    }
    return false;
}

/* ---- the second walk --------------------------------------------------------------------- */

static bool txt_is_whole(struct slice data)
{
    if (data.n == 0)
        return false;
    while (data.n > 0) {
        size_t n = 1 + (size_t)(uint8_t)data.p[0];
        if (n > data.n)
            return false;
        data = slice_from(data, n);
    }
    return true;
}

/* False: the packet is wrong. *fits false: the record is right and of no use to us (a name with
 * bytes that no host name has). */
static bool read_record(const struct cursor *c, const struct frame *f, enum dns_type type,
                        struct dns_record *out, bool *fits)
{
    const uint8_t *data = c->p + f->rdata_at;
    struct wire_name name;
    *out = (struct dns_record){.data = SLICE_NONE};
    *fits = true;
    switch (type) {
    case DNS_A:
        out->ip.family = IP_V4;
        if (f->rdata_n == 4)
            memcpy(out->ip.b, data, 4);
        return f->rdata_n == 4;
    case DNS_AAAA:
        out->ip.family = IP_V6;
        if (f->rdata_n == 16)
            memcpy(out->ip.b, data, 16);
        return f->rdata_n == 16;
    case DNS_MX:
        if (!rdata_name(c, f, 2, &name))
            return false;
        out->preference = (uint16_t)(data[0] << 8 | data[1]);
        *fits = name_to_text(&name, out->name);
        return true;
    case DNS_PTR:
    case DNS_CNAME:
        if (!rdata_name(c, f, 0, &name))
            return false;
        *fits = name_to_text(&name, out->name);
        return true;
    case DNS_TXT:
        out->data = slice_of(data, f->rdata_n);
        return txt_is_whole(out->data);
    case DNS_TLSA:
        out->data = slice_of(data, f->rdata_n);
        return f->rdata_n > 3;
    }
    return false;
}

static enum dns_result walk_records(struct reading *r, enum dns_type type,
                                    const struct wire_name *name, struct dns_answer *out)
{
    struct frame f;
    struct wire_name owner;
    bool has_unfit = false;
    r->c.at = r->answers_at;
    for (unsigned i = 0; i < r->answers && out->count < DNS_RECORDS_MAX; i++) {
        CHECK(take_frame(&r->c, &f)); /* the first walk did */
        size_t at = f.owner_at;
        if (f.type != (unsigned)type || f.class_ != CLASS_IN)
            continue;
        if (!name_read(&r->c, &at, &owner))
            return DNS_BAD;
        if (!name_eq_nocase(&owner, name))
            continue;
        bool fits;
        if (!read_record(&r->c, &f, type, &out->record[out->count], &fits))
            return DNS_BAD;
        if (f.ttl_s < out->ttl_s)
            out->ttl_s = f.ttl_s;
        out->count += fits;
        has_unfit |= !fits;
    }
    if (out->count)
        return DNS_OK;
    return has_unfit ? DNS_BAD : DNS_NO_DATA;
}

/* Neither a referral nor an alias whose target was left out says that there is nothing. */
static enum dns_result absent(const struct reading *r, enum dns_result what, bool is_alias,
                              struct dns_answer *out)
{
    if (what == DNS_NO_DATA && (r->has_ns || is_alias) && !r->has_soa)
        return DNS_SERVFAIL;
    if (!r->has_soa)
        out->ttl_s = 0;
    else if (r->soa_ttl_s < out->ttl_s)
        out->ttl_s = r->soa_ttl_s;
    return what;
}

static enum dns_result read_answer(struct reading *r, int id, struct slice asked,
                                   enum dns_type type, struct dns_answer *out)
{
    struct wire_name name, question;
    struct cursor *c = &r->c;
    unsigned got_id = take_u16(c);
    unsigned flags = take_u16(c);
    unsigned questions = take_u16(c);
    r->answers = take_u16(c);
    unsigned authority = take_u16(c);
    unsigned additional = take_u16(c);
    if (c->is_bad || (id >= 0 && got_id != (unsigned)id) || !(flags & FLAG_QR) ||
        (flags & FLAG_OPCODE) || questions != 1)
        return DNS_BAD;
    if (!name_from_text(asked, &name) || !name_read(c, &c->at, &question) ||
        !slice_eq(slice_of(name.b, name.n), slice_of(question.b, question.n)))
        return DNS_BAD;
    unsigned question_type = take_u16(c);
    unsigned question_class = take_u16(c);
    if (c->is_bad || question_type != (unsigned)type || question_class != CLASS_IN)
        return DNS_BAD;
    if (flags & FLAG_TC)
        return DNS_TRUNCATED; /* what follows may be cut anywhere */

    r->rcode = flags & FLAG_RCODE;
    out->is_authentic = (flags & FLAG_AD) != 0;
    if (!walk_frames(r, type, authority, additional))
        return DNS_BAD;
    if (r->rcode != RCODE_OK && r->rcode != RCODE_NXDOMAIN)
        return DNS_SERVFAIL;
    out->ttl_s = UINT32_MAX;
    if (!follow_aliases(r, &name, &out->ttl_s) || !name_to_text(&name, out->canonical))
        return DNS_BAD;
    if (r->rcode == RCODE_NXDOMAIN)
        return absent(r, DNS_NO_NAME, false, out);
    enum dns_result result = walk_records(r, type, &name, out);
    bool is_alias = !name_eq_nocase(&name, &question);
    return result == DNS_NO_DATA ? absent(r, DNS_NO_DATA, is_alias, out) : result;
}

/* ---- the door ---------------------------------------------------------------------------- */

bool dns_query_build(struct buf *out, uint16_t id, struct slice name, enum dns_type type,
                     uint16_t udp_bytes, bool wants_dnssec)
{
    struct wire_name wire;
    if (!name_from_text(name, &wire))
        return false;
    add_be16(out, id);
    add_be16(out, FLAG_RD);
    add_be16(out, 1);
    add_be16(out, 0);
    add_be16(out, 0);
    add_be16(out, udp_bytes ? 1 : 0);
    buf_add(out, slice_of(wire.b, wire.n));
    add_be16(out, (unsigned)type);
    add_be16(out, CLASS_IN);
    if (udp_bytes) { /* OPT: root name, type, size, extended rcode and version, flags, no data */
        buf_add_u8(out, 0);
        add_be16(out, TYPE_OPT);
        add_be16(out, udp_bytes);
        add_be16(out, 0);
        add_be16(out, wants_dnssec ? OPT_DO : 0);
        add_be16(out, 0);
    }
    return !out->is_full;
}

void dns_name_randomise(char *name, size_t n, uint64_t bits)
{
    for (size_t i = 0; i < n; i++) {
        if (!ascii_is_alpha(name[i]))
            continue;
        if (bits & 1)
            name[i] = (char)(name[i] ^ 0x20);
        bits = bits >> 1 | bits << 63;
    }
}

void dns_answer_parse(struct slice packet, int id, struct slice asked, enum dns_type type,
                      struct dns_answer *out)
{
    struct reading r = {.c = {(const uint8_t *)packet.p, packet.n, 0, false}};
    out->is_authentic = false;
    out->ttl_s = 0;
    out->count = 0;
    out->canonical[0] = 0;
    out->result = read_answer(&r, id, asked, type, out);
    if (out->result == DNS_OK || out->result == DNS_NO_DATA || out->result == DNS_NO_NAME)
        return;
    out->is_authentic = false; /* a half-read answer leaves nothing behind */
    out->ttl_s = 0;
    out->count = 0;
    out->canonical[0] = 0;
}

bool dns_txt_join(struct slice data, struct buf *out)
{
    while (data.n > 0) {
        size_t n = (uint8_t)data.p[0];
        buf_add(out, slice_head(slice_from(data, 1), n));
        data = slice_from(data, 1 + n);
    }
    return !out->is_full;
}

const char *dns_result_name(enum dns_result r)
{
    switch (r) {
    case DNS_OK:
        return "ok";
    case DNS_NO_DATA:
        return "no such record";
    case DNS_NO_NAME:
        return "no such name";
    case DNS_SERVFAIL:
        return "server failure";
    case DNS_TIMEOUT:
        return "timed out";
    case DNS_BAD:
        return "unreadable answer";
    case DNS_TRUNCATED:
        return "truncated";
    case DNS_BAD_NAME:
        return "not a domain name";
    }
    return "unknown";
}
