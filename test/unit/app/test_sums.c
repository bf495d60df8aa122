/* test_sums.c -- the sums of logins of ours, with the examples of the RFCs, and on the pool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "../../../src/app/scram.h"
#include "../../../src/app/sums.h"
#include "base/base64.h"

static void assert_base64(const uint8_t *bytes, size_t n, const char *wanted)
{
    struct buf b;
    buf_init(&b, 200);
    assert_true(base64_build(slice_of(bytes, n), &b));
    assert_string_equal(buf_cstr(&b), wanted);
    buf_close(&b);
}

static const char auth_message[] =
    "n=user,r=rOprNGfwEbeRWgbNEkqO,"
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
static const uint8_t salt[16] = {0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e,
                                 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81};

static struct smtp_sasl_sum scram_sum(void)
{
    return (struct smtp_sasl_sum){.kind = SMTP_SASL_SUM_SCRAM,
                                  .password = SLICE("pencil"),
                                  .salt = slice_of(salt, sizeof salt),
                                  .text = slice_cstr(auth_message),
                                  .rounds = 4096};
}

static void scram_as_in_rfc_7677(void **state)
{
    uint8_t out[SMTP_SASL_SCRAM_BYTES];
    const struct smtp_sasl_sum sum = scram_sum();
    assert_int_equal(sums_work_out(&sum, out), 64);
    assert_base64(out, 32, "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    assert_base64(out + 32, 32, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

static void hmac_md5_as_in_rfc_2195(void **state)
{
    static const uint8_t wanted[16] = {0xb9, 0x13, 0xa6, 0x02, 0xc7, 0xed, 0xa7, 0xa4,
                                       0x95, 0xb4, 0xe6, 0xe7, 0x33, 0x4d, 0x38, 0x90};
    uint8_t out[SMTP_SASL_SCRAM_BYTES];
    const struct smtp_sasl_sum sum = {.kind = SMTP_SASL_SUM_HMAC_MD5,
                                      .password = SLICE("tanstaaftanstaaf"),
                                      .text = SLICE("<1896.697170952@postoffice.reston.mci.net>")};
    assert_int_equal(sums_work_out(&sum, out), 16);
    assert_memory_equal(out, wanted, sizeof wanted);
}

static void a_nonce_is_new_each_time(void **state)
{
    uint8_t a[SMTP_SASL_SCRAM_BYTES], b[SMTP_SASL_SCRAM_BYTES];
    const struct smtp_sasl_sum sum = {.kind = SMTP_SASL_SUM_NONCE};
    assert_int_equal(sums_work_out(&sum, a), SMTP_SASL_NONCE_BYTES);
    assert_int_equal(sums_work_out(&sum, b), SMTP_SASL_NONCE_BYTES);
    assert_memory_not_equal(a, b, SMTP_SASL_NONCE_BYTES);
}

static void a_salt_that_is_too_long(void **state)
{
    uint8_t out[SMTP_SASL_SCRAM_BYTES], long_salt[SMTP_SCRAM_SALT_BYTES_MAX + 1] = {0};
    struct smtp_sasl_sum sum = scram_sum();
    sum.salt = slice_of(long_salt, sizeof long_salt);
    assert_int_equal(sums_work_out(&sum, out), 0);
}

/* ---- on the pool ---- */

struct answers {
    unsigned count;
    uint64_t conn[8];
    size_t bytes[8];
    bool is_closed;
};

static void on_answer(void *ctx, uint64_t conn, struct slice sum)
{
    struct answers *a = ctx;
    a->conn[a->count] = conn;
    a->bytes[a->count++] = sum.n;
}

static void on_closed(void *ctx)
{
    ((struct answers *)ctx)->is_closed = true;
}

struct last {
    uint8_t bytes[SMTP_SASL_SCRAM_BYTES];
};

static void on_last(void *ctx, uint64_t conn, struct slice sum)
{
    assert_int_equal(sum.n, SMTP_SASL_SCRAM_BYTES);
    memcpy(((struct last *)ctx)->bytes, sum.p, sum.n);
}

static void each_is_answered_but_the_forgotten(void **state)
{
    uv_loop_t loop;
    struct answers a = {0};
    assert_int_equal(uv_loop_init(&loop), 0);
    struct sums *s = sums_new(&loop, on_answer, &a);
    const struct smtp_sasl_sum nonce = {.kind = SMTP_SASL_SUM_NONCE}, slow = scram_sum();
    sums_ask(s, 2, &slow);
    sums_ask(s, 4, &nonce);
    sums_ask(s, 6, &nonce);
    sums_ask(s, 8, &slow);
    sums_forget(s, 2); /* is under way */
    sums_forget(s, 6); /* waits */
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(a.count, 2);
    assert_int_equal(a.conn[0], 4);
    assert_int_equal(a.bytes[0], SMTP_SASL_NONCE_BYTES);
    assert_int_equal(a.conn[1], 8);
    assert_int_equal(a.bytes[1], SMTP_SASL_SCRAM_BYTES);
    sums_close(s, on_closed, &a);
    assert_true(a.is_closed);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void ask_and_compare(struct sums *s, uv_loop_t *loop, struct last *got,
                            const struct smtp_sasl_sum *sum)
{
    uint8_t wanted[SMTP_SASL_SCRAM_BYTES];
    memset(got->bytes, 0, sizeof got->bytes);
    sums_ask(s, 2, sum);
    uv_run(loop, UV_RUN_DEFAULT);
    assert_int_equal(sums_work_out(sum, wanted), SMTP_SASL_SCRAM_BYTES);
    assert_memory_equal(got->bytes, wanted, sizeof wanted);
}

/* The same as if it had been worked out, and no more of them than the limit. */
static void keys_are_remembered(void **state)
{
    uv_loop_t loop;
    struct last got;
    assert_int_equal(uv_loop_init(&loop), 0);
    struct sums *s = sums_new(&loop, on_last, &got);
    struct smtp_sasl_sum sum = scram_sum();
    ask_and_compare(s, &loop, &got, &sum);
    ask_and_compare(s, &loop, &got, &sum);
    sum.text = SLICE("another");
    ask_and_compare(s, &loop, &got, &sum);
    assert_int_equal(sums_remembered(s), 1);
    sum.password = SLICE("crayon"); /* each of the three is a new one */
    ask_and_compare(s, &loop, &got, &sum);
    sum.salt.n--;
    ask_and_compare(s, &loop, &got, &sum);
    sum.rounds++;
    ask_and_compare(s, &loop, &got, &sum);
    assert_int_equal(sums_remembered(s), 4);
    for (sum.rounds = 1; sum.rounds <= 2 * SUMS_KEYS_MAX; sum.rounds++)
        ask_and_compare(s, &loop, &got, &sum);
    assert_int_equal(sums_remembered(s), SUMS_KEYS_MAX);
    sums_close(s, NULL, NULL);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void nothing_comes_after_the_close(void **state)
{
    uv_loop_t loop;
    struct answers a = {0};
    assert_int_equal(uv_loop_init(&loop), 0);
    struct sums *s = sums_new(&loop, on_answer, &a);
    const struct smtp_sasl_sum slow = scram_sum();
    sums_ask(s, 2, &slow);
    sums_ask(s, 4, &slow);
    sums_close(s, on_closed, &a);
    assert_false(a.is_closed);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(a.is_closed);
    assert_int_equal(a.count, 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scram_as_in_rfc_7677),
        cmocka_unit_test(hmac_md5_as_in_rfc_2195),
        cmocka_unit_test(a_nonce_is_new_each_time),
        cmocka_unit_test(a_salt_that_is_too_long),
        cmocka_unit_test(each_is_answered_but_the_forgotten),
        cmocka_unit_test(keys_are_remembered),
        cmocka_unit_test(nothing_comes_after_the_close),
    };
    return sodium_init() < 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
