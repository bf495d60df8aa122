/* history_redact.c -- see the header. */
#include "history/history_redact.h"

#include <string.h>

enum { LOCAL_BYTES_LEAST = 2 }; /* a shorter word is left: "a" stands in every sentence */

static bool is_address_char(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || (uint8_t)c >= 0x80 ||
           (c && strchr("!#$%&'*+-/=?^_`{|}~.@", c) != NULL);
}

static bool is_word_char(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || (uint8_t)c >= 0x80;
}

static void add_address(struct slice a, enum history_redaction how, struct buf *out)
{
    size_t at = slice_find_last(a, '@');
    if (how == HISTORY_REDACT_LOCAL_PART && at > 0 && at < a.n)
        buf_add_char(out, a.p[0]);
    buf_add(out, SLICE("***"));
    if (how == HISTORY_REDACT_LOCAL_PART && at < a.n)
        buf_add(out, slice_from(a, at));
}

/* How many bytes at the start of `text` are `local` as a word. */
static size_t local_here(struct slice text, size_t at, struct slice local)
{
    struct slice here = slice_head(slice_from(text, at), local.n);
    if (local.n < LOCAL_BYTES_LEAST || !slice_eq_nocase(here, local))
        return 0;
    bool begins = at == 0 || !is_word_char(text.p[at - 1]);
    bool ends = at + local.n == text.n || !is_word_char(text.p[at + local.n]);
    return begins && ends ? local.n : 0;
}

void history_redact_text(struct slice text, struct slice local, enum history_redaction how,
                         struct buf *out)
{
    for (size_t at = 0; at < text.n;) {
        size_t n = 0;
        bool begins = at == 0 || !is_address_char(text.p[at - 1]);
        while (begins && at + n < text.n && is_address_char(text.p[at + n]))
            n++;
        struct slice run = slice_of(text.p + at, n);
        size_t sign = slice_find(run, '@');
        if (sign > 0 && sign + 1 < n) {
            add_address(run, how, out);
            at += n;
        } else if ((n = local_here(text, at, local)) > 0) {
            buf_add(out, SLICE("***"));
            at += n;
        } else {
            buf_add_char(out, text.p[at++]);
        }
    }
}

static struct slice redacted_address(struct slice a, enum history_redaction how, struct buf *room)
{
    buf_clear(room);
    if (a.n)
        add_address(a, how, room);
    return buf_slice(room);
}

bool history_redact(const struct history_record *r, enum history_redaction how, struct buf *out)
{
    struct buf address, text;
    buf_init(&address, 4 * HISTORY_TEXT_BYTES_MAX);
    buf_init(&text, 4 * HISTORY_TEXT_BYTES_MAX);
    struct history_record head = *r;
    if (how != HISTORY_REDACT_NONE) {
        head.sender = redacted_address(r->sender, how, &address);
        if (slice_find(r->user, '@') < r->user.n) {
            history_redact_text(r->user, SLICE_NONE, how, &text);
            head.user = buf_slice(&text);
        }
    }
    history_record_begin(&head, out);
    struct history_recipient to;
    for (struct slice rest = r->recipients; history_record_next(&rest, &to);) {
        if (how != HISTORY_REDACT_NONE) {
            struct slice local = slice_head(to.address, slice_find_last(to.address, '@'));
            buf_clear(&text);
            history_redact_text(to.reply, local, how, &text);
            to.reply = buf_slice(&text);
            to.address = redacted_address(to.address, how, &address);
        }
        history_record_add(&to, out);
    }
    buf_close(&address);
    buf_close(&text);
    return !out->is_full;
}
