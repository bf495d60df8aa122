/* fuzz_address.c -- the first byte chooses options, the rest is an address and a path.
 *
 * What is taken has no control characters, and its canonical text is an address that has itself
 * as canonical text. What is cut off a good input is never bad. */
#include <stdint.h>
#include <string.h>

#include "mail/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        CHECK((uint8_t)s.p[i] >= ' ' && s.p[i] != 0x7f);
}

/* As typed: blanks that the lax grammar skips may be tabs. */
static void check_typed(struct slice s, unsigned options)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '\t' || !(options & MAIL_ADDRESS_LAX))
            check_text(slice_of(s.p + i, 1));
}

static void check_round_trip(const struct mail_address *a, unsigned options)
{
    struct mail_address again;
    struct buf text, more;
    size_t used;
    options |= MAIL_ADDRESS_UNQUALIFIED;
    buf_init(&text, MAIL_ADDRESS_BYTES_MAX);
    buf_init(&more, MAIL_ADDRESS_BYTES_MAX);
    CHECK(mail_address_build(a, &text));
    check_text(buf_slice(&text));
    CHECK(mail_address_parse(buf_slice(&text), options, &again, &used) == PARSE_DONE);
    CHECK(used == text.n);
    CHECK(mail_address_build(&again, &more));
    CHECK(slice_eq(buf_slice(&text), buf_slice(&more)));

    struct slice local = mail_address_local_of(buf_slice(&text));
    CHECK(slice_eq(local, again.local));
    CHECK(mail_address_domain_of(buf_slice(&text)).n == 0 || !again.is_literal ||
          buf_slice(&text).p[text.n - 1] == ']');
    if (!memchr(text.p, '*', text.n) && again.domain.n)
        CHECK(mail_address_match(buf_slice(&text), buf_slice(&more)));
    CHECK(mail_address_match(SLICE("*"), buf_slice(&text)));
    buf_close(&text);
    buf_close(&more);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    unsigned options = data[0] & 31;
    struct slice in = slice_of(data + 1, size - 1);
    struct mail_address a, other;
    struct mail_path path;
    size_t used, other_used;

    enum parse p = mail_address_parse(in, options, &a, &used);
    CHECK(used <= in.n);
    if (p == PARSE_DONE) {
        CHECK(used == in.n && in.n <= MAIL_ADDRESS_BYTES_MAX);
        check_round_trip(&a, options);
        for (size_t n = 0; n < in.n; n++)
            CHECK(mail_address_parse(slice_head(in, n), options, &other, &other_used) != PARSE_BAD);
    }
    p = mail_path_parse(in, options, &path, &used);
    CHECK(used <= in.n);
    if (p == PARSE_DONE) {
        check_typed(slice_trim(slice_head(in, used)), options);
        if (path.is_null)
            CHECK(path.address.local.n == 0 && path.address.domain.n == 0);
        else
            check_round_trip(&path.address, options);
    }
    /* Any text against any pattern ends soon and without harm. */
    size_t half = in.n / 2;
    (void)mail_address_match(slice_head(in, half), slice_from(in, half));
    (void)mail_domain_is_valid(in, options);
    return 0;
}
