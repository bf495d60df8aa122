/* fuzz_letter.c -- the first byte chooses -t, the rest is what a program writes to sendmail(1).
 *
 * What comes out is lines that end in CRLF, without a bare CR or LF or a NUL, so that nothing can
 * be smuggled; and made again from that it is itself. */
#include <stdint.h>

#include "mail/letter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool build(struct slice in, bool takes, struct buf *wire, struct letter_recipients *to)
{
    const struct letter_options o = {.takes_recipients = takes,
                                     .hostname = SLICE("host.example"),
                                     .from = SLICE("bob@host.example"),
                                     .full_name = SLICE("Bob")};
    struct fault why;
    bool is_8bit;
    return letter_build(in, &o, wire, to, &is_8bit, &why);
}

static void check_recipients(const struct letter_recipients *to)
{
    size_t at = 0;
    unsigned count = 0;
    for (struct slice one; (one = letter_recipients_next(to, &at)).n; count++) {
        for (size_t i = 0; i < one.n; i++)
            CHECK((uint8_t)one.p[i] >= ' ' && one.p[i] != 0x7f);
    }
    CHECK(count == to->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf wire, again;
    struct letter_recipients to, unused;
    if (size == 0)
        return 0;
    buf_init(&wire, 4 * size + 4096);
    buf_init(&again, 4 * size + 8192);
    letter_recipients_init(&to);
    letter_recipients_init(&unused);
    struct slice in = slice_of(data + 1, size - 1);
    size_t from = 0, next;
    CHECK(letter_find_dot(in, &from, &next) <= in.n);
    if (build(in, data[0] & 1, &wire, &to)) {
        for (size_t i = 0; i < wire.n; i++) {
            CHECK(wire.p[i] != 0);
            CHECK(wire.p[i] != '\n' || (i > 0 && wire.p[i - 1] == '\r'));
            CHECK(wire.p[i] != '\r' || (i + 1 < wire.n && wire.p[i + 1] == '\n'));
        }
        CHECK(build(buf_slice(&wire), false, &again, &unused));
        CHECK(slice_eq(buf_slice(&wire), buf_slice(&again)));
        check_recipients(&to);
    }
    letter_recipients_close(&to);
    letter_recipients_close(&unused);
    buf_close(&wire);
    buf_close(&again);
    return 0;
}
