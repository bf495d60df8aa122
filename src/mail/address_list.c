/* address_list.c -- see address_list.h.
 *
 * Words are gathered until it is clear what they were: an address (at "," ";" or the end), a
 * display name (at "<") or a group's name (at ":"). */
#include "mail/address_list.h"

#include <string.h>

/* The words gathered so far, put together as an address is written. */
struct gathered {
    struct mail_address_item *item;
    bool is_too_long;
    bool is_apart; /* two words with only blanks between them: no address, but a fine name */
    bool ends_in_word;
};

void mail_address_list_init(struct mail_address_list *l, struct slice in)
{
    *l = (struct mail_address_list){.in = in};
}

static enum parse bad(struct mail_address_list *l, const char *wrong)
{
    l->wrong = wrong;
    return PARSE_BAD;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* What ends an atom. */
static bool is_special(char c)
{
    return is_blank(c) || (c && strchr("()<>[]:;@\\,.\"", c));
}

static bool is_control(char c)
{
    return ((uint8_t)c < ' ' && !is_blank(c)) || c == 0x7f;
}

static void clear(struct gathered *g)
{
    g->item->n = 0;
    g->is_too_long = g->is_apart = g->ends_in_word = false;
}

static void add(struct gathered *g, char c)
{
    if (g->item->n == sizeof g->item->text)
        g->is_too_long = true;
    else
        g->item->text[g->item->n++] = c;
}

/* At "(": to behind the ")" that belongs to it. */
static enum parse skip_comment(struct mail_address_list *l)
{
    size_t depth = 0;
    for (; l->at < l->in.n; l->at++) {
        char c = l->in.p[l->at];
        if (c == '\\')
            l->at++;
        else if (c == '(')
            depth++;
        else if (c == ')' && --depth == 0) {
            l->at++;
            return PARSE_DONE;
        }
    }
    l->at = l->in.n;
    return bad(l, "a comment is not closed");
}

/* At a quote or "[": to behind what closes it; line ends in it were folding. */
static enum parse take_quoted(struct mail_address_list *l, struct gathered *g, char closing)
{
    add(g, l->in.p[l->at++]);
    while (l->at < l->in.n) {
        char c = l->in.p[l->at++];
        if (c == '\r' || c == '\n')
            continue;
        add(g, c);
        if (c == closing)
            return PARSE_DONE;
        if (c == '\\' && l->at < l->in.n)
            add(g, l->in.p[l->at++]);
    }
    return bad(l, closing == ']' ? "a \"[\" is not closed" : "a quoted string is not closed");
}

static void take_atom(struct mail_address_list *l, struct gathered *g)
{
    do
        add(g, l->in.p[l->at++]);
    while (l->at < l->in.n && !is_special(l->in.p[l->at]) && !is_control(l->in.p[l->at]));
}

/* One word, dot or at sign that may be part of an address. */
static enum parse take_word(struct mail_address_list *l, struct gathered *g)
{
    char c = l->in.p[l->at];
    bool is_word = c != '.' && c != '@';
    g->is_apart |= is_word && g->ends_in_word;
    g->ends_in_word = is_word;
    if (c == '"')
        return take_quoted(l, g, '"');
    if (c == '[')
        return take_quoted(l, g, ']');
    if (c == '.' || c == '@') {
        add(g, c);
        l->at++;
    } else {
        take_atom(l, g);
    }
    return PARSE_DONE;
}

/* What was gathered must be an address. */
static enum parse finish(struct mail_address_list *l, struct gathered *g)
{
    struct mail_address_item *item = g->item;
    size_t used;
    if (g->is_too_long)
        return bad(l, "an address is too long");
    if (g->is_apart)
        return bad(l, "words without a comma between them are no address");
    if (mail_address_parse(slice_of(item->text, item->n),
                           MAIL_ADDRESS_UTF8 | MAIL_ADDRESS_UNQUALIFIED | MAIL_ADDRESS_LAX,
                           &item->address, &used) != PARSE_DONE)
        return bad(l, "that is no address");
    return PARSE_DONE;
}

/* Behind "<", to behind ">". */
static enum parse take_angle(struct mail_address_list *l, struct gathered *g)
{
    clear(g);
    g->item->begin = ++l->at;
    while (l->at < l->in.n) {
        char c = l->in.p[l->at];
        enum parse p = PARSE_DONE;
        if (c == '>') {
            g->item->end = l->at++;
            return finish(l, g);
        }
        if (is_blank(c)) {
            l->at++;
        } else if (c == '(') {
            p = skip_comment(l);
        } else if ((c == ':' || c == ',') && (g->item->n == 0 || g->item->text[0] == '@')) {
            if (c == ':') /* the end of a source route */
                clear(g);
            else
                g->ends_in_word = false;
            l->at++;
        } else if (is_control(c) || strchr("<,;:)\\]", c)) {
            p = bad(l, "that is no address");
        } else {
            p = take_word(l, g);
        }
        if (p != PARSE_DONE)
            return p;
    }
    return bad(l, "a \"<\" is not closed");
}

/* Behind ">": only comments, and a name in the wrong place, until the next separator. */
static enum parse skip_rest(struct mail_address_list *l)
{
    struct mail_address_item unused;
    struct gathered g = {.item = &unused};
    while (l->at < l->in.n && l->in.p[l->at] != ',' && l->in.p[l->at] != ';') {
        char c = l->in.p[l->at];
        enum parse p = PARSE_DONE;
        clear(&g);
        if (is_blank(c))
            l->at++;
        else if (c == '(')
            p = skip_comment(l);
        else if (is_control(c) || strchr("<>:)\\]@", c))
            p = bad(l, "a comma is missing between addresses");
        else
            p = take_word(l, &g);
        if (p != PARSE_DONE)
            return p;
    }
    return PARSE_DONE;
}

enum parse mail_address_list_next(struct mail_address_list *l, struct mail_address_item *out)
{
    struct gathered g = {.item = out};
    clear(&g);
    if (l->wrong)
        return PARSE_BAD;
    while (l->at < l->in.n) {
        char c = l->in.p[l->at];
        enum parse p = PARSE_DONE;
        if (is_blank(c)) {
            l->at++;
        } else if (c == '(') {
            p = skip_comment(l);
        } else if (c == ',' || c == ';') {
            l->at++;
            l->is_in_group &= c == ',';
            if (out->n)
                return finish(l, &g);
        } else if (c == ':') {
            if (l->is_in_group || !out->n)
                return bad(l, "a \":\" is in the wrong place");
            l->is_in_group = true;
            clear(&g);
            l->at++;
        } else if (c == '<') {
            p = take_angle(l, &g);
            return p == PARSE_DONE ? skip_rest(l) : p;
        } else if (is_control(c) || strchr(">)\\]", c)) {
            return bad(l, "that is no address");
        } else {
            if (!out->n)
                out->begin = l->at;
            p = take_word(l, &g);
            out->end = l->at;
        }
        if (p != PARSE_DONE)
            return p;
    }
    return out->n ? finish(l, &g) : PARSE_MORE;
}
