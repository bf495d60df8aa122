/* fuzz_header.c -- the header scanner gives the same result for any chunking, and keeps its
 * ceilings; where all lines end with CRLF, it finds what a plain reading line by line finds. The
 * first byte chooses the chunks. */
#include <stdint.h>

#include "base/buf.h"
#include "mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the plain reading finds. */
struct plain {
    bool has_fields, is_malformed;
    unsigned date, message_id, from, recipient, received;
    bool is_in_from; /* the line before belongs to the first From */
    size_t header_bytes;
    struct buf value; /* of the first From, unfolded */
};

static bool has_strict_lines(struct slice in)
{
    for (size_t i = 0; i < in.n; i++) {
        bool has_lf = i + 1 < in.n && in.p[i + 1] == '\n', has_cr = i && in.p[i - 1] == '\r';
        if (in.p[i] == 0 || (in.p[i] == '\r' && !has_lf) || (in.p[i] == '\n' && !has_cr))
            return false;
    }
    return in.n && in.p[in.n - 1] == '\n';
}

/* "name", blanks, ":"; false: the line is no field. */
static bool split(struct slice line, struct slice *name, struct slice *value)
{
    size_t colon = slice_find(line, ':');
    *name = slice_head(line, colon);
    *value = slice_from(line, colon + 1);
    while (name->n && (name->p[name->n - 1] == ' ' || name->p[name->n - 1] == '\t'))
        name->n--;
    for (size_t i = 0; i < name->n; i++) {
        if (name->p[i] <= ' ' || name->p[i] > '~')
            return false;
    }
    return colon < line.n && name->n > 0;
}

static void add_from(struct plain *p, struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        bool is_control = (uint8_t)c < ' ' || c == 0x7f;
        CHECK(buf_add_char(&p->value, c == '\t' ? ' ' : is_control ? '?' : c));
    }
}

static void read_field(struct plain *p, struct slice name, struct slice value)
{
    p->has_fields = true;
    p->date += slice_eq_nocase(name, SLICE("Date"));
    p->message_id += slice_eq_nocase(name, SLICE("Message-ID"));
    p->received += slice_eq_nocase(name, SLICE("Received"));
    p->recipient += slice_eq_nocase(name, SLICE("To")) || slice_eq_nocase(name, SLICE("Cc")) ||
                    slice_eq_nocase(name, SLICE("Bcc"));
    bool is_from = slice_eq_nocase(name, SLICE("From"));
    p->is_in_from = is_from && p->from == 0;
    p->from += is_from;
    if (p->is_in_from)
        add_from(p, value);
}

static void read_plainly(struct slice in, struct plain *p)
{
    for (size_t at = 0; at < in.n;) {
        struct slice rest = slice_from(in, at), name, value;
        struct slice line = slice_head(rest, slice_find(rest, '\r'));
        size_t next = at + line.n + 2;
        p->header_bytes = at;
        if (slice_eq(line, SLICE("."))) /* the final dot */
            return;
        if (slice_starts(line, SLICE(".")))
            line = slice_from(line, 1);
        bool is_folded = line.n && (line.p[0] == ' ' || line.p[0] == '\t') && p->has_fields;
        if (line.n && !is_folded && !split(line, &name, &value)) {
            p->is_malformed = true;
            return;
        }
        p->header_bytes = at = next;
        if (!line.n)
            return;
        if (!is_folded)
            read_field(p, name, value);
        else if (p->is_in_from)
            add_from(p, line);
    }
}

static void check_plainly(const struct mail_header_scan *s, struct slice in)
{
    struct plain p = {0};
    if (!has_strict_lines(in))
        return;
    buf_init(&p.value, 1 << 24);
    read_plainly(in, &p);
    CHECK(s->is_malformed == p.is_malformed && s->header_bytes == p.header_bytes);
    CHECK(s->has_no_header == (p.is_malformed && !p.has_fields));
    CHECK(s->has_date == (p.date > 0) && s->has_message_id == (p.message_id > 0));
    CHECK(s->has_from == (p.from > 0) && s->has_many_from == (p.from > 1));
    CHECK(s->has_to_or_cc == (p.recipient > 0) && s->received_count == p.received);
    struct slice from = slice_trim(buf_slice(&p.value));
    CHECK(from.n > MAIL_HEADER_FROM_MAX || slice_eq(mail_header_from(s), from));
    bool has_8bit = false;
    for (size_t i = 0; i < p.header_bytes; i++)
        has_8bit = has_8bit || (uint8_t)in.p[i] >= 0x80;
    CHECK(s->has_8bit == has_8bit || p.is_malformed);
    buf_close(&p.value);
}

static void check(const struct mail_header_scan *s, struct slice in)
{
    CHECK(s->is_over && s->header_bytes <= in.n);
    CHECK(!s->has_no_header || (s->is_malformed && s->header_bytes == 0));
    struct slice kept[] = {mail_header_message_id(s), mail_header_from(s), mail_header_subject(s)};
    CHECK(kept[0].n <= MAIL_HEADER_MESSAGE_ID_MAX && kept[1].n <= MAIL_HEADER_FROM_MAX &&
          kept[2].n <= MAIL_HEADER_SUBJECT_MAX);
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        for (size_t k = 0; k < kept[i].n; k++)
            CHECK((uint8_t)kept[i].p[k] >= ' ' && kept[i].p[k] != 0x7f);
        CHECK(slice_trim(kept[i]).n == kept[i].n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mail_header_scan whole, parts;
    if (size == 0)
        return 0;
    struct slice in = slice_of(data + 1, size - 1);
    mail_header_scan_init(&whole);
    mail_header_scan_feed(&whole, in);
    bool was_over = whole.is_over;
    mail_header_scan_end(&whole);
    check(&whole, in);
    check_plainly(&whole, in);

    mail_header_scan_init(&parts);
    unsigned step = data[0];
    for (size_t at = 0; at < in.n;) {
        size_t n = step % 7 + (step >> 5) % 3 * 40;
        CHECK(mail_header_scan_feed(&parts, slice_head(slice_from(in, at), n)) == !parts.is_over);
        at += n;
        step = step * 5 + 1;
    }
    CHECK(parts.is_over == was_over);
    mail_header_scan_end(&parts);
    CHECK(parts.header_bytes == whole.header_bytes && parts.has_date == whole.has_date &&
          parts.has_message_id == whole.has_message_id && parts.has_from == whole.has_from &&
          parts.has_to_or_cc == whole.has_to_or_cc && parts.is_malformed == whole.is_malformed &&
          parts.has_no_header == whole.has_no_header &&
          parts.is_auto_submitted == whole.is_auto_submitted &&
          parts.has_many_from == whole.has_many_from && parts.has_8bit == whole.has_8bit &&
          parts.received_count == whole.received_count);
    CHECK(slice_eq(mail_header_message_id(&parts), mail_header_message_id(&whole)));
    CHECK(slice_eq(mail_header_from(&parts), mail_header_from(&whole)));
    CHECK(slice_eq(mail_header_subject(&parts), mail_header_subject(&whole)));

    /* The header section alone, scanned again, is the same section. */
    if (whole.header_bytes && !whole.is_malformed) {
        mail_header_scan_init(&parts);
        mail_header_scan_feed(&parts, slice_head(in, (size_t)whole.header_bytes));
        mail_header_scan_end(&parts);
        CHECK(parts.header_bytes == whole.header_bytes && !parts.is_malformed);
    }
    return 0;
}
