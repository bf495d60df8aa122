/* fuzz_downgrade.c -- any message for a server of seven bits: what comes out is lines, whole and
 * cut anywhere the same; and text in 8bit without a header of its own comes back when decoded.
 *
 * Input: a byte of options, one that says where it is cut, then the message in wire form. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "mail/downgrade.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void convert(struct slice in, bool is_binary, size_t cut, struct buf *out)
{
    struct mail_downgrade *d = mail_downgrade_new(is_binary);
    buf_init(out, MAIL_DOWNGRADE_OUT_BASE + in.n * MAIL_DOWNGRADE_OUT_EACH);
    mail_downgrade_feed(d, slice_head(in, cut), out);
    mail_downgrade_feed(d, slice_from(in, cut), out);
    mail_downgrade_end(d, out);
    CHECK(!out->is_full);
    mail_downgrade_free(d);
}

static void check_form(struct slice wire)
{
    size_t line = 0;
    for (size_t i = 0; i < wire.n; i++) {
        char c = wire.p[i];
        CHECK(c != 0);
        CHECK(c != '\n' || (i > 0 && wire.p[i - 1] == '\r'));
        CHECK(i == 0 || wire.p[i - 1] != '\r' || c == '\n');
        CHECK(c != '.' || line > 0 || (i + 1 < wire.n && wire.p[i + 1] == '.'));
        line = c == '\n' ? 0 : line + 1;
        CHECK(line <= 998 + 2);
    }
    CHECK(!wire.n || wire.p[wire.n - 1] == '\n');
}

/* Quoted-printable undone, the wire form's dots too. */
static void decode(struct slice wire, struct buf *out)
{
    bool is_start = true;
    for (size_t i = 0; i < wire.n; i++) {
        char c = wire.p[i];
        if (is_start && c == '.')
            c = wire.p[++i];
        is_start = c == '\n';
        if (c == '=' && wire.p[i + 1] == '\r') {
            i += 2;
            is_start = true;
        } else if (c == '=') {
            char hex[3] = {wire.p[i + 1], wire.p[i + 2], 0};
            buf_add_char(out, (char)strtol(hex, NULL, 16));
            i += 2;
        } else {
            buf_add_char(out, c);
        }
    }
}

static void check_text(struct slice text)
{
    static const char head[] = "MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n\r\n";
    static const char said[] =
        "MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n";
    struct buf in, out, back;
    buf_init(&in, sizeof head + 2 * text.n);
    buf_init(&back, sizeof head + 4 * text.n);
    buf_add_cstr(&in, head);
    for (size_t i = 0; i < text.n; i++) { /* into wire form: dots doubled */
        bool is_start = i == 0 || (text.p[i - 1] == '\n' && i > 1 && text.p[i - 2] == '\r');
        if (is_start && text.p[i] == '.')
            buf_add_char(&in, '.');
        buf_add_char(&in, text.p[i]);
    }
    convert(buf_slice(&in), false, in.n, &out);
    struct slice body = buf_slice(&out);
    CHECK(slice_starts(body, slice_cstr(said)));
    decode(slice_from(body, sizeof said - 1), &back);
    CHECK(slice_eq(buf_slice(&back), text));
    buf_close(&in);
    buf_close(&out);
    buf_close(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct slice in = slice_of(data + 2, size - 2);
    struct buf whole, cut;
    convert(in, data[0] & 1, in.n, &whole);
    check_form(buf_slice(&whole));
    convert(in, data[0] & 1, in.n * data[1] / 255, &cut);
    CHECK(slice_eq(buf_slice(&whole), buf_slice(&cut)));
    buf_close(&whole);
    buf_close(&cut);
    check_text(in);
    return 0;
}
