/* fuzz_address_list.c -- the input is a header field's list of addresses.
 *
 * It ends; each address has no control characters and is an address of the envelope too. */
#include <stdint.h>

#include "mail/address_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mail_address_list l;
    struct mail_address_item item;
    mail_address_list_init(&l, slice_of(data, size));
    enum parse p;
    size_t count = 0, before = 0;
    while ((p = mail_address_list_next(&l, &item)) == PARSE_DONE) {
        struct mail_address again;
        struct buf text;
        size_t used;
        CHECK(++count <= size && l.at > before && l.at <= size);
        before = l.at;
        buf_init(&text, MAIL_ADDRESS_BYTES_MAX);
        CHECK(mail_address_build(&item.address, &text));
        for (size_t i = 0; i < text.n; i++)
            CHECK((uint8_t)text.p[i] >= ' ' && text.p[i] != 0x7f);
        CHECK(mail_address_parse(buf_slice(&text),
                                 MAIL_ADDRESS_UTF8 | MAIL_ADDRESS_UNQUALIFIED | MAIL_ADDRESS_LAX,
                                 &again, &used) == PARSE_DONE);
        buf_close(&text);
    }
    CHECK(p == PARSE_MORE || l.wrong);
    return 0;
}
