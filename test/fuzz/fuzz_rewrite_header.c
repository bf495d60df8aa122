/* fuzz_rewrite_header.c -- any header section under many rules: what comes out is a header section
 * again, as well formed as it was, Bcc is gone, a second time changes nothing, and with "keep" what
 * a signature covers stands as it stood.
 *
 * Input: one byte of options, then the section; what the scan calls its end is cut off. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mail/header.h"
#include "mail/header_field.h"
#include "rewrite/rewrite_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Targets that no rule matches: applied once or twice is the same. */
static struct slice at_new[] = {SLICE_INIT("@new.example")}, to_no[] = {SLICE_INIT("no@x.example")};
static struct rewrite_rule maps[] = {{SLICE_INIT("*@a*"), at_new, 1}, {SLICE_INIT("b@"), to_no, 1}};
static struct rewrite_rule force[] = {{SLICE_INIT("*@f*"), to_no, 1}};
static struct rewrite_rule force_all[] = {{SLICE_INIT("*"), to_no, 1}};
static struct slice masked[] = {SLICE_INIT("mask.test"), SLICE_INIT("m.test")};
static struct slice added[] = {SLICE_INIT("X-A: added"), SLICE_INIT("Sender: <s@x.test>")};
static struct slice removed[] = {SLICE_INIT("X-R"), SLICE_INIT("Subject")};

static struct rewrite_options options_of(uint8_t bits)
{
    struct rewrite_options o = {.domain = SLICE("d.example"),
                                .senders = maps,
                                .sender_count = COUNT_OF(maps),
                                .recipients = maps,
                                .recipient_count = COUNT_OF(maps),
                                .from = bits & 1 ? force_all : force,
                                .from_count = 1,
                                .on_signed = (enum rewrite_signed)((bits >> 1) % 3)};
    if (bits & 8) {
        o.masquerade = masked;
        o.masquerade_count = COUNT_OF(masked);
    }
    if (bits & 16) {
        o.add_headers = added;
        o.add_header_count = COUNT_OF(added);
        o.remove_headers = removed;
        o.remove_header_count = COUNT_OF(removed);
    }
    if (bits & 32)
        o.unqualified = REWRITE_UNQUALIFIED_REFUSED;
    o.is_envelope_only = bits & 64;
    return o;
}

/* Cut off behind its end; false: there is none. */
static bool cut(struct slice *in, struct mail_header_scan *scan)
{
    mail_header_scan_init(scan);
    if (mail_header_scan_feed(scan, *in))
        mail_header_scan_end(scan);
    *in = slice_head(*in, (size_t)scan->header_bytes);
    return !scan->is_malformed;
}

static struct slice text_of(struct slice section, struct buf *out)
{
    buf_init(out, REWRITE_HEADER_OUT_MAX);
    CHECK(mail_header_unstuff(section, out));
    return buf_slice(out);
}

static bool has_field(struct slice text, struct slice name)
{
    struct mail_header_field f;
    while (mail_header_field_next(&text, &f))
        if (slice_eq_nocase(f.name, name))
            return true;
    return false;
}

/* All fields of that name, one behind the other. */
static void gather(struct slice text, struct slice name, struct buf *out)
{
    struct mail_header_field f;
    while (mail_header_field_next(&text, &f))
        if (slice_eq_nocase(f.name, name))
            buf_add(out, f.whole);
}

static void check_kept(struct slice before, struct slice after)
{
    struct mail_header_field f;
    struct buf old, new;
    if (!has_field(before, SLICE("DKIM-Signature")))
        return;
    for (struct slice rest = before; mail_header_field_next(&rest, &f);) {
        /* The plainest of signatures; the others are for the unit test. */
        if (!slice_eq_nocase(f.name, SLICE("DKIM-Signature")) ||
            !slice_starts(f.body, SLICE(" h=from\r\n")))
            continue;
        buf_init(&old, REWRITE_HEADER_OUT_MAX);
        buf_init(&new, REWRITE_HEADER_OUT_MAX);
        gather(before, SLICE("From"), &old);
        gather(after, SLICE("From"), &new);
        CHECK(slice_eq(buf_slice(&old), buf_slice(&new)));
        buf_close(&old);
        buf_close(&new);
        return;
    }
}

static void check(const struct rewrite_options *o, struct slice section,
                  const struct rewrite_header *h)
{
    struct mail_header_scan scan;
    struct slice out = buf_slice(&h->out), whole = out;
    struct buf before, after;
    bool is_fine = cut(&out, &scan);
    CHECK(is_fine && out.n == whole.n); /* no line in it is something else, no empty line within */
    CHECK(!slice_ends_nocase(section, SLICE("\n")) || !out.n ||
          slice_ends_nocase(out, SLICE("\n")));
    struct slice old = text_of(section, &before), new = text_of(out, &after);
    CHECK(!has_field(new, SLICE("Bcc")) && !has_field(new, SLICE("Resent-Bcc")));
    if (o->on_signed == REWRITE_SIGNED_KEEP)
        check_kept(old, new);
    buf_close(&before);
    buf_close(&after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    struct rewrite_options o = options_of(data[0]);
    struct rewrite_message m = {SLICE("h.example"), SLICE("f@sender.test"), data[0] & 128};
    struct slice section = slice_of((const char *)data + 1, size - 1);
    struct mail_header_scan scan;
    (void)cut(&section, &scan);
    if (section.n > REWRITE_HEADER_BYTES_MAX)
        return 0;
    struct rewrite_header h, again;
    rewrite_header_build(&o, &m, section, &h);
    CHECK(h.changed.n <= sizeof h.changed.s && h.is_signed.n <= sizeof h.is_signed.s);
    CHECK((h.outcome == REWRITE_HEADER_REFUSED) <= (o.on_signed == REWRITE_SIGNED_REFUSE));
    if (h.outcome == REWRITE_HEADER_SAME) {
        struct buf text;
        struct slice same = text_of(section, &text);
        CHECK(!has_field(same, SLICE("Bcc")));
        buf_close(&text);
    }
    if (h.outcome == REWRITE_HEADER_CHANGED) {
        check(&o, section, &h);
        if (h.out.n <= REWRITE_HEADER_BYTES_MAX) {
            rewrite_header_build(&o, &m, buf_slice(&h.out), &again);
            CHECK(again.outcome == REWRITE_HEADER_SAME);
            rewrite_header_close(&again);
        }
    }
    rewrite_header_close(&h);
    return 0;
}
