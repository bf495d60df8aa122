/* fuzz_header.c -- the header scanner gives the same result for any chunking, and keeps its
 * ceilings. The first byte chooses the chunks. */
#include <stdint.h>

#include "mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
