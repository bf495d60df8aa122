/* fuzz_smtp_scram.c -- the messages of SCRAM and the stored secret. What is found points into the
 * input; a secret that was read is built again as one that reads the same. */
#include <stdint.h>
#include <string.h>

#include "smtp/smtp_scram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_within(struct slice part, struct slice in)
{
    CHECK(part.p >= in.p && part.p + part.n <= in.p + in.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    struct smtp_scram_first first;
    if (smtp_scram_first_parse(in, &first)) {
        CHECK(first.header.n + first.bare.n == size);
        CHECK(first.name_bytes > 0 && !memchr(first.name, 0, first.name_bytes));
        CHECK(!first.name[SMTP_SCRAM_NAME_BYTES_MAX]);
        check_within(first.nonce, in);
        CHECK((first.flag == SMTP_SCRAM_BOUND) == (first.binding.n > 0));
    }
    struct smtp_scram_final final;
    if (smtp_scram_final_parse(in, &final)) {
        check_within(final.binding, in);
        check_within(final.nonce, in);
        check_within(final.without_proof, in);
    }
    struct smtp_scram_secret secret, again;
    if (smtp_scram_secret_parse(in, &secret)) {
        struct buf out;
        buf_init(&out, 1024);
        CHECK(smtp_scram_secret_build(&secret, &out));
        CHECK(smtp_scram_secret_parse(buf_slice(&out), &again));
        CHECK(memcmp(&secret, &again, sizeof secret) == 0);
        buf_close(&out);
    }
    return 0;
}
