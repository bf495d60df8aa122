/* fuzz_from.c -- a From field's value: every mailbox found is a whole address without control
 * characters that stands in the value, and there are no more of them than bytes. */
#include <stdint.h>
#include <string.h>

#include "mail/from.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of(data, size);
    char text[MAIL_FROM_ADDRESS_MAX];
    struct mail_address a;
    size_t count = 0;
    while (mail_from_next(&rest, text, &a) == PARSE_DONE) {
        CHECK(a.domain.n && ++count <= size);
        CHECK(a.local.p >= text && a.domain.p + a.domain.n <= text + sizeof text);
        struct buf canonical;
        buf_init(&canonical, MAIL_ADDRESS_BYTES_MAX);
        CHECK(mail_address_build(&a, &canonical));
        for (size_t i = 0; i < canonical.n; i++)
            CHECK((uint8_t)canonical.p[i] >= ' ' && canonical.p[i] != 0x7f);
        buf_close(&canonical);
    }
    return 0;
}
