/* smtp_line.c -- command lines by RFC 5321 section 2.3.8: CRLF and nothing else. */
#include "smtp_line.h"

#include "smtp/smtp_server.h"

void smtp_line_wipe(struct buf *b)
{
    /* Through a volatile pointer, so that the compiler does not drop the stores as dead. */
    volatile char *p = b->p;
    for (size_t i = 0; i < b->n; i++)
        p[i] = 0;
    buf_clear(b);
    buf_trim(b);
}

void smtp_line_init(struct smtp_line *l)
{
    *l = (struct smtp_line){0};
    buf_init(&l->kept, SMTP_AUTH_LINE_BYTES_MAX);
}

void smtp_line_close(struct smtp_line *l)
{
    smtp_line_wipe(&l->kept);
    buf_close(&l->kept);
    *l = (struct smtp_line){0};
}

void smtp_line_forget(struct smtp_line *l)
{
    if (l->kept.p)
        smtp_line_wipe(&l->kept);
    l->bytes = 0;
    l->is_long = l->has_cr = false;
}

bool smtp_line_is_begun(const struct smtp_line *l)
{
    return l->bytes > 0;
}

/* The longest this line may be; its first bytes decide, and they are there before it matters. */
static size_t bytes_max(const struct smtp_line *l, struct slice in, bool is_auth)
{
    static const char verb[] = "auth ";
    if (is_auth)
        return SMTP_AUTH_LINE_BYTES_MAX;
    for (size_t i = 0; i < sizeof verb - 1; i++) {
        char c;
        if (i < l->kept.n)
            c = l->kept.p[i];
        else if (i - l->kept.n < in.n)
            c = in.p[i - l->kept.n];
        else
            return SMTP_LINE_BYTES_MAX;
        if (ascii_lower(c) != verb[i])
            return SMTP_LINE_BYTES_MAX;
    }
    return SMTP_AUTH_LINE_BYTES_MAX;
}

/* How many bytes of `in` are good: up to the line's end (with LF) or to the first bad byte, about
 * which *found tells. */
static size_t good_bytes(const struct smtp_line *l, struct slice in, enum smtp_line_found *found)
{
    bool has_cr = l->has_cr;
    *found = SMTP_LINE_MORE;
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];
        if (has_cr && c == '\n') {
            *found = SMTP_LINE_DONE;
            return i + 1;
        }
        if (has_cr || c == '\n') {
            *found = SMTP_LINE_BARE;
            return i;
        }
        if (c == 0) {
            *found = SMTP_LINE_NUL;
            return i;
        }
        has_cr = c == '\r';
    }
    return in.n;
}

enum smtp_line_found smtp_line_take(struct smtp_line *l, struct slice in, bool is_auth,
                                    size_t *used, struct slice *text)
{
    enum smtp_line_found found;
    /* No more than a line could be, so that the cost of a call is bounded too. */
    in = slice_head(in, SMTP_LINE_DROP_BYTES_MAX + 1);
    size_t n = good_bytes(l, in, &found);
    *used = n;
    if (l->bytes + n > SMTP_LINE_DROP_BYTES_MAX)
        return SMTP_LINE_ENDLESS;
    if (found == SMTP_LINE_BARE || found == SMTP_LINE_NUL || n == 0)
        return found;

    if (!l->is_long && l->bytes + n > bytes_max(l, in, is_auth)) {
        smtp_line_wipe(&l->kept);
        l->is_long = true;
    }
    if (found == SMTP_LINE_DONE) {
        if (l->is_long)
            return SMTP_LINE_LONG;
        if (l->kept.n) {
            CHECK(buf_add(&l->kept, slice_head(in, n)));
            *text = buf_slice(&l->kept);
        } else {
            *text = slice_head(in, n);
        }
        text->n -= 2;
        return SMTP_LINE_DONE;
    }
    if (!l->is_long)
        CHECK(buf_add(&l->kept, slice_head(in, n)));
    l->bytes += n;
    l->has_cr = in.p[n - 1] == '\r';
    return SMTP_LINE_MORE;
}
