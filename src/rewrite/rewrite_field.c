/* rewrite_field.c -- see the header. The list is read by mail/address_list.h; what stands between
 * the addresses is copied. */
#include "rewrite_field.h"

#include "mail/address_list.h"

#include <string.h>

enum { LINE_BYTES_MAX = 998 }; /* RFC 5322 2.1.1 */

struct edit {
    const struct rewrite_options *o;
    const struct rewrite_message *m;
    enum rewrite_how how;
    struct buf *out;
    struct rewrite_field field;
};

bool rewrite_field_can_hold(const struct rewrite_message *m, struct slice address)
{
    for (size_t i = 0; i < address.n && !m->is_utf8; i++)
        if ((uint8_t)address.p[i] >= 0x80)
            return false;
    return true;
}

/* `"Undisclosed recipients"` is a display name without an address and not somebody here. */
static bool may_complete(const struct mail_address *a)
{
    return a->local.n && a->local.p[0] != '"';
}

/* The rules that are for this field. False: none changes it. */
static bool map(struct edit *e, struct slice address, struct rewrite_text *text)
{
    switch (e->how) {
    case REWRITE_AS_FROM:
        if (rewrite_force(e->o, address, text)) {
            bool is_new = !slice_eq(rewrite_text_slice(text), address) &&
                          rewrite_field_can_hold(e->m, rewrite_text_slice(text));
            e->field.is_forced |= is_new;
            return is_new;
        }
        return rewrite_map(e->o, REWRITE_SENDERS, address, text);
    case REWRITE_AS_AUTHOR:
        return rewrite_map(e->o, REWRITE_SENDERS, address, text);
    case REWRITE_AS_RECIPIENT:
        return rewrite_map(e->o, REWRITE_RECIPIENTS, address, text);
    }
    return false;
}

/* What shall stand in its place. False: it stays. */
static bool replace(struct edit *e, const struct mail_address *a, struct rewrite_text *text)
{
    struct slice domain = rewrite_completion(e->o, e->m->host);
    struct buf canonical;
    bool is_completed = !a->domain.n && domain.n && may_complete(a);
    if (!a->domain.n && !is_completed)
        return false;
    buf_init(&canonical, MAIL_ADDRESS_BYTES_MAX);
    bool is_fine = mail_address_build(a, &canonical);
    if (is_completed) /* with the name as it is: it may be an address literal */
        is_fine &= buf_add_char(&canonical, '@') && buf_add(&canonical, domain);
    bool is_new = is_fine && (map(e, buf_slice(&canonical), text) &&
                              rewrite_field_can_hold(e->m, rewrite_text_slice(text)));
    if (is_fine && !is_new && is_completed) {
        text->n = canonical.n;
        memcpy(text->s, canonical.p, canonical.n);
        is_new = true;
    }
    buf_close(&canonical);
    return is_new;
}

/* The comment at the start of `in`, nested ones included. */
static size_t comment_bytes(struct slice in)
{
    size_t depth = 0;
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] == '\\')
            i++;
        else if (in.p[i] == '(')
            depth++;
        else if (in.p[i] == ')' && --depth == 0)
            return i + 1;
    }
    return in.n;
}

/* Comments that stood within the address go behind it. */
static void keep_comments(struct slice old, struct buf *out)
{
    bool is_quoted = false;
    for (size_t i = 0; i < old.n;) {
        size_t n = 1;
        if (old.p[i] == '\\') {
            n = 2;
        } else if (old.p[i] == '"') {
            is_quoted = !is_quoted;
        } else if (old.p[i] == '(' && !is_quoted) {
            n = comment_bytes(slice_from(old, i));
            buf_add_char(out, ' ');
            buf_add(out, slice_head(slice_from(old, i), n));
        }
        i += n;
    }
}

static size_t column_of(const struct buf *out)
{
    struct slice all = buf_slice(out);
    size_t lf = slice_find_last(all, '\n');
    return lf == all.n ? all.n : all.n - lf - 1;
}

static void add_address(const struct edit *e, const struct rewrite_text *text, struct slice old,
                        struct slice behind)
{
    size_t column = column_of(e->out);
    behind = slice_head(behind, LINE_BYTES_MAX);
    if (column > 1 && column + text->n + slice_find(behind, '\n') > LINE_BYTES_MAX)
        buf_add_cstr(e->out, "\r\n ");
    buf_add(e->out, rewrite_text_slice(text));
    keep_comments(old, e->out);
}

struct rewrite_field rewrite_field_build(const struct rewrite_options *o,
                                         const struct rewrite_message *m, enum rewrite_how how,
                                         struct slice body, struct buf *out)
{
    struct edit e = {.o = o, .m = m, .how = how, .out = out};
    struct mail_address_list list;
    struct mail_address_item item;
    size_t copied = 0;
    enum parse p;
    mail_address_list_init(&list, body);
    while ((p = mail_address_list_next(&list, &item)) == PARSE_DONE) {
        struct rewrite_text text;
        e.field.addresses++;
        if (!replace(&e, &item.address, &text))
            continue;
        buf_add(out, slice_head(slice_from(body, copied), item.begin - copied));
        add_address(&e, &text, slice_head(slice_from(body, item.begin), item.end - item.begin),
                    slice_from(body, item.end));
        copied = item.end;
        e.field.is_changed = true;
    }
    buf_add(out, slice_from(body, copied));
    e.field.is_bad = p == PARSE_BAD;
    return e.field;
}
