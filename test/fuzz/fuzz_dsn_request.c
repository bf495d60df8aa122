/* fuzz_dsn_request.c -- any bytes as RET, NOTIFY, ENVID, ORCPT and as a domain or an address to be
 * made ASCII: what is let in can be written into a command and a report, and comes back the same.
 */
#include "base/utf8.h"
#include "mail/dsn_request.h"
#include "mail/idn.h"

static bool is_one_word(struct slice text, bool is_utf8)
{
    for (size_t i = 0; i < text.n; i++)
        if ((uint8_t)text.p[i] <= ' ' || text.p[i] == 0x7f ||
            (!is_utf8 && (uint8_t)text.p[i] >= 0x80))
            return false;
    return utf8_is_valid(text);
}

static void check_xtext(struct slice in, struct buf *out, struct buf *back)
{
    buf_clear(out);
    buf_clear(back);
    CHECK(mail_xtext_decode(in, out));
    for (size_t i = 0; i < out->n; i++)
        CHECK(out->p[i] >= ' ' && out->p[i] <= '~');
    buf_clear(out);
    CHECK(mail_xtext_build(in, out));
    CHECK(mail_xtext_is_valid(buf_slice(out)) && is_one_word(buf_slice(out), false));
    CHECK(mail_xtext_decode(buf_slice(out), back));
    CHECK(back->n == in.n);
    for (size_t i = 0; i < in.n; i++)
        CHECK(back->p[i] == (in.p[i] >= ' ' && in.p[i] <= '~' ? in.p[i] : '?'));
}

static void check_values(struct slice in, struct buf *out)
{
    unsigned notify, again;
    enum mail_ret ret;
    if (mail_ret_parse(in, &ret))
        CHECK(ret == MAIL_RET_FULL || ret == MAIL_RET_HDRS);
    if (mail_notify_parse(in, &notify)) {
        buf_clear(out);
        CHECK(notify && mail_notify_is_valid(notify) && mail_notify_build(notify, out));
        CHECK(mail_notify_parse(buf_slice(out), &again) && again == notify && out->n == in.n);
    }
    if (mail_envid_is_valid(in))
        CHECK(in.n && in.n <= MAIL_ENVID_BYTES_MAX && is_one_word(in, false));
    if (mail_orcpt_is_valid(in, true))
        CHECK(in.n && in.n <= MAIL_ORCPT_BYTES_MAX && is_one_word(in, true));
    if (mail_orcpt_is_valid(in, false))
        CHECK(is_one_word(in, false) && mail_orcpt_is_valid(in, true));
}

static void check_ascii(struct slice in, bool (*convert)(struct slice in, struct buf *out),
                        struct buf *out, struct buf *back)
{
    buf_clear(out);
    buf_clear(back);
    if (!convert(in, out))
        return;
    for (size_t i = 0; i < out->n; i++)
        CHECK((uint8_t)out->p[i] < 0x80);
    CHECK(convert(buf_slice(out), back) && slice_eq(buf_slice(out), buf_slice(back)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    struct buf out, back;
    buf_init(&out, 1 << 22);
    buf_init(&back, 1 << 22);
    check_xtext(in, &out, &back);
    check_values(in, &out);
    check_ascii(in, mail_domain_to_ascii, &out, &back);
    check_ascii(in, mail_address_to_ascii, &out, &back);
    buf_close(&out);
    buf_close(&back);
    return 0;
}
