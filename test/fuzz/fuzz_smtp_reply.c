/* fuzz_smtp_reply.c -- any bytes as a reply: a cut input never gives another answer than the whole
 * one, what is read lies inside the input, and what is said of it can be read again. */
#include "smtp/smtp_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    struct smtp_reply r, again;
    size_t used, used_again;
    enum parse p = smtp_reply_parse(in, &r, &used);
    CHECK(used <= size);
    for (size_t n = 0; n < size && n < 300; n++) {
        enum parse q = smtp_reply_parse(slice_head(in, n), &again, &used_again);
        CHECK(q == PARSE_MORE || (q == p && used_again == used));
    }
    if (p != PARSE_DONE)
        return 0;
    CHECK(r.code >= 200 && r.code <= 599);
    CHECK(r.line_count > 0 && r.line_count <= SMTP_REPLY_LINES_MAX);
    CHECK(r.status.class == 0 || r.status.class == r.code / 100);
    for (int i = 0; i < r.line_count; i++) {
        CHECK(r.line[i].p >= in.p && r.line[i].p + r.line[i].n <= in.p + used);
        CHECK(slice_find(r.line[i], '\n') == r.line[i].n);
    }

    struct buf text;
    buf_init(&text, 1000);
    smtp_reply_text(&r, &text, 900);
    CHECK(text.n >= 3 && text.n <= 900 && !text.is_full);
    CHECK(buf_add_cstr(&text, "\r\n"));
    CHECK(smtp_reply_parse(buf_slice(&text), &again, &used_again) == PARSE_DONE);
    CHECK(again.code == r.code && again.line_count == 1 && used_again == text.n);
    buf_close(&text);
    return 0;
}
