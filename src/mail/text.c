/* text.c -- cleaning and folding of foreign bytes. */
#include "text.h"

#include <string.h>

#include "base/utf8.h"

/* Bytes of the character at the start of s that may be written as it is, 0: it may not. */
static size_t clean_char(struct slice s, const char *bad, bool keeps_utf8)
{
    uint32_t code;
    int n = utf8_next(s, &code);
    if (n == 1)
        return code >= ' ' && code < 0x7f && !strchr(bad, (int)code);
    /* U+0085, U+2028 and U+2029 end lines for some readers. */
    bool is_fine = n > 1 && code >= 0xa0 && code != 0x2028 && code != 0x2029;
    return keeps_utf8 && is_fine ? (size_t)n : 0;
}

void mail_text_add_clean(struct buf *out, struct slice in, size_t max, const char *bad,
                         bool keeps_utf8)
{
    for (size_t at = 0; at < in.n && at < max;) {
        size_t n = clean_char(slice_from(in, at), bad, keeps_utf8);
        if (n && at + n > max)
            break;
        if (n)
            buf_add(out, slice_of(in.p + at, n));
        else
            buf_add_char(out, '?');
        at += n ? n : 1;
    }
}

struct mail_text mail_text_start(struct buf *out, const char *first, const char *indent,
                                 bool keeps_utf8)
{
    buf_add_cstr(out, first);
    struct mail_text t = {.out = out,
                          .indent = indent,
                          .column = strlen(first),
                          .has_word = first[0] && first[strlen(first) - 1] != ' ',
                          .keeps_utf8 = keeps_utf8};
    return t;
}

static void new_line(struct mail_text *t)
{
    buf_add_cstr(t->out, "\r\n");
    buf_add_cstr(t->out, t->indent);
    t->column = strlen(t->indent);
    t->has_word = false;
}

void mail_text_word(struct mail_text *t, const char *prefix, struct slice word, const char *suffix)
{
    size_t n = strlen(prefix) + word.n + strlen(suffix);
    if (t->has_word && t->column + 1 + n > MAIL_TEXT_COLUMN_MAX)
        new_line(t);
    if (t->has_word) {
        buf_add_char(t->out, ' ');
        t->column++;
    }
    buf_add_cstr(t->out, prefix);
    for (;;) {
        size_t piece = word.n < MAIL_TEXT_WORD_MAX ? word.n : MAIL_TEXT_WORD_MAX;
        /* Not inside of a UTF-8 character. */
        while (piece < word.n && piece > 4 && ((uint8_t)word.p[piece] & 0xc0) == 0x80 &&
               piece > MAIL_TEXT_WORD_MAX - 4)
            piece--;
        mail_text_add_clean(t->out, slice_head(word, piece), piece, "", t->keeps_utf8);
        word = slice_from(word, piece);
        if (!word.n)
            break;
        new_line(t);
    }
    buf_add_cstr(t->out, suffix);
    t->column += n;
    t->has_word = true;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void mail_text_run(struct mail_text *t, struct slice text)
{
    for (size_t at = 0; at < text.n;) {
        size_t from = at;
        while (at < text.n && !is_space(text.p[at]))
            at++;
        if (at > from)
            mail_text_word(t, "", slice_of(text.p + from, at - from), "");
        while (at < text.n && is_space(text.p[at]))
            at++;
    }
}

void mail_text_end(struct mail_text *t)
{
    buf_add_cstr(t->out, "\r\n");
}
