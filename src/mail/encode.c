/* encode.c -- see the header. */
#include "encode.h"

enum { ENCODED_COLUMNS = 76, PLAIN_COLUMNS = 998 };

static void put(struct mail_encode *e, char c)
{
    if (!e->is_in_line && c == '.')
        buf_add_char(e->out, '.');
    buf_add_char(e->out, c);
    e->is_in_line = true;
    e->column++;
}

void mail_encode_line_end(struct mail_encode *e)
{
    buf_add_cstr(e->out, "\r\n");
    e->is_in_line = false;
    e->column = 0;
}

void mail_encode_plain(struct mail_encode *e, struct slice text, bool folds)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (e->column >= PLAIN_COLUMNS - 1) {
            mail_encode_line_end(e);
            if (folds)
                put(e, ' ');
        }
        if ((c == '\r' || c == '\n') && !folds)
            mail_encode_line_end(e);
        else
            put(e, c == '\r' || c == '\n' || c == 0 ? '?' : c);
    }
}

/* A unit is never broken; the last column is the soft line break's. */
static void put_qp(struct mail_encode *e, const char *unit, size_t n)
{
    if (e->column + n > ENCODED_COLUMNS - 1) {
        put(e, '=');
        mail_encode_line_end(e);
    }
    for (size_t i = 0; i < n; i++)
        put(e, unit[i]);
}

static void put_hex(struct mail_encode *e, uint8_t c)
{
    static const char digit[] = "0123456789ABCDEF";
    char unit[3] = {'=', digit[c >> 4], digit[c & 15]};
    put_qp(e, unit, sizeof unit);
}

static void put_blank(struct mail_encode *e, bool is_last)
{
    char c = e->blank;
    e->blank = 0;
    if (c && is_last)
        put_hex(e, (uint8_t)c);
    else if (c)
        put_qp(e, &c, 1);
}

void mail_encode_qp(struct mail_encode *e, struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        put_blank(e, false);
        if (c == ' ' || c == '\t')
            e->blank = c;
        else if (c > ' ' && c < 0x7f && c != '=')
            put_qp(e, &c, 1);
        else
            put_hex(e, (uint8_t)c);
    }
}

void mail_encode_qp_line_end(struct mail_encode *e)
{
    put_blank(e, true);
    mail_encode_line_end(e);
}

void mail_encode_qp_end(struct mail_encode *e)
{
    put_blank(e, true);
    if (!e->is_in_line)
        return;
    put(e, '=');
    mail_encode_line_end(e);
}

static void put_quad(struct mail_encode *e)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t v = (uint32_t)e->rest[0] << 16 | (uint32_t)e->rest[1] << 8 | e->rest[2];
    for (unsigned i = 0; i < 4; i++)
        put(e, i > e->rest_count ? '=' : digit[v >> (18 - 6 * i) & 63]);
    e->rest_count = 0;
    e->rest[0] = e->rest[1] = e->rest[2] = 0;
    if (e->column >= ENCODED_COLUMNS)
        mail_encode_line_end(e);
}

void mail_encode_base64(struct mail_encode *e, struct slice bytes)
{
    for (size_t i = 0; i < bytes.n; i++) {
        e->rest[e->rest_count++] = (uint8_t)bytes.p[i];
        if (e->rest_count == 3)
            put_quad(e);
    }
}

void mail_encode_base64_end(struct mail_encode *e)
{
    if (e->rest_count)
        put_quad(e);
    if (e->is_in_line)
        mail_encode_line_end(e);
}
