/* smtp_client_words.c -- what the sending side says and is offered, as text. */
#include "smtp_client_words.h"

#include "base/base64.h"

#include <inttypes.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The next word of *s, which moves behind it; empty at the end. */
static struct slice take_word(struct slice *s)
{
    size_t from = 0;
    while (from < s->n && is_blank(s->p[from]))
        from++;
    size_t end = from;
    while (end < s->n && !is_blank(s->p[end]))
        end++;
    struct slice word = slice_head(slice_from(*s, from), end - from);
    *s = slice_from(*s, end);
    return word;
}

static void add_mechanism(struct smtp_client_offer *offer, struct slice word)
{
    if (slice_eq_nocase(word, SLICE("PLAIN")))
        offer->has_auth_plain = true;
    else if (slice_eq_nocase(word, SLICE("LOGIN")))
        offer->has_auth_login = true;
    else if (slice_eq_nocase(word, SLICE("XOAUTH2")))
        offer->has_auth_xoauth2 = true;
}

static void add_keyword(struct smtp_client_offer *offer, struct slice line)
{
    const struct {
        struct slice keyword;
        bool *has;
    } rows[] = {
        {SLICE("PIPELINING"), &offer->has_pipelining},
        {SLICE("8BITMIME"), &offer->has_8bitmime},
        {SLICE("STARTTLS"), &offer->has_starttls},
        {SLICE("ENHANCEDSTATUSCODES"), &offer->has_enhanced_codes},
        {SLICE("CHUNKING"), &offer->has_chunking},
        {SLICE("BINARYMIME"), &offer->has_binarymime},
        {SLICE("SMTPUTF8"), &offer->has_smtputf8},
        {SLICE("SIZE"), &offer->has_size},
        {SLICE("DSN"), &offer->has_dsn},
        {SLICE("REQUIRETLS"), &offer->has_requiretls},
    };
    /* "AUTH=LOGIN" is how servers said it before RFC 2554, and some still do. */
    struct slice old_auth = SLICE("AUTH=");
    struct slice keyword = take_word(&line);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (slice_eq_nocase(keyword, rows[i].keyword))
            *rows[i].has = true;
    }
    if (slice_eq_nocase(keyword, SLICE("SIZE"))) {
        /* A number that cannot be read is no limit that we could keep. */
        if (!slice_to_u64(take_word(&line), &offer->size_bytes))
            offer->size_bytes = 0;
        return;
    }
    bool is_old_auth = slice_starts_nocase(keyword, old_auth);
    if (!is_old_auth && !slice_eq_nocase(keyword, SLICE("AUTH")))
        return;
    if (is_old_auth)
        add_mechanism(offer, slice_from(keyword, old_auth.n));
    for (struct slice word = take_word(&line); word.n; word = take_word(&line))
        add_mechanism(offer, word);
}

struct smtp_client_offer smtp_client_offer_parse(const struct smtp_reply *r)
{
    struct smtp_client_offer offer = {0};
    for (int i = 1; i < r->line_count; i++)
        add_keyword(&offer, r->line[i]);
    return offer;
}

/* Outside of a quoted local part a blank would begin a parameter and ">" end the path; a control
 * character could begin a command anywhere. */
static bool can_be_said(struct slice address)
{
    bool is_quoted = false;
    for (size_t i = 0; i < address.n; i++) {
        unsigned char c = (unsigned char)address.p[i];
        if (c < 32 || c == 127)
            return false;
        if (is_quoted && c == '\\') {
            i++; /* the quoted character is looked at on its own */
            if (i == address.n || (unsigned char)address.p[i] < 32 || address.p[i] == 127)
                return false;
        } else if (c == '"') {
            is_quoted = !is_quoted;
        } else if (!is_quoted && (c == ' ' || c == '<' || c == '>')) {
            return false;
        }
    }
    return !is_quoted && address.n <= SMTP_CLIENT_ADDRESS_BYTES_MAX;
}

static bool is_ascii(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] > 127)
            return false;
    }
    return true;
}

const char *smtp_client_address_flaw(struct slice address, bool is_sender, bool has_smtputf8)
{
    if (!can_be_said(address) || (!address.n && !is_sender))
        return is_sender ? "553 5.1.7 the sender address is not valid in SMTP\r\n"
                         : "553 5.1.3 the recipient address is not valid in SMTP\r\n";
    if (!has_smtputf8 && !is_ascii(address))
        return "553 5.6.7 the address is not ASCII and the server does not offer SMTPUTF8\r\n";
    return NULL;
}

static bool needs_smtputf8(const struct smtp_client_message *m)
{
    for (unsigned i = 0; i < m->recipient_count; i++) {
        if (!is_ascii(m->recipient[i].address))
            return true;
    }
    return m->needs_utf8 || !is_ascii(m->sender);
}

void smtp_client_say_mail(struct buf *out, const struct smtp_client_message *m,
                          const struct smtp_client_offer *offer)
{
    buf_addf(out, "MAIL FROM:<%.*s>", SLICE_FMT(m->sender));
    if (offer->has_size)
        buf_addf(out, " SIZE=%" PRIu64, m->wire_bytes);
    if (m->is_binary)
        buf_add_cstr(out, " BODY=BINARYMIME");
    else if (offer->has_8bitmime && m->is_8bit)
        buf_add_cstr(out, " BODY=8BITMIME");
    if (offer->has_smtputf8 && needs_smtputf8(m))
        buf_add_cstr(out, " SMTPUTF8");
    if (offer->has_requiretls && m->requires_tls)
        buf_add_cstr(out, " REQUIRETLS");
    if (offer->has_dsn && m->ret)
        buf_add_cstr(out, m->ret == MAIL_RET_FULL ? " RET=FULL" : " RET=HDRS");
    if (offer->has_dsn && m->envid.n)
        buf_addf(out, " ENVID=%.*s", SLICE_FMT(m->envid));
    buf_add_cstr(out, "\r\n");
}

void smtp_client_say_rcpt(struct buf *out, const struct smtp_client_recipient *r,
                          const struct smtp_client_offer *offer)
{
    buf_addf(out, "RCPT TO:<%.*s>", SLICE_FMT(r->address));
    if (offer->has_dsn && r->notify) {
        buf_add_cstr(out, " NOTIFY=");
        mail_notify_build(r->notify, out);
    }
    if (offer->has_dsn && r->orcpt.n)
        buf_addf(out, " ORCPT=%.*s", SLICE_FMT(r->orcpt));
    buf_add_cstr(out, "\r\n");
}

void smtp_client_say_auth_plain(struct buf *out, struct slice user, struct slice password)
{
    struct buf text;
    buf_init(&text, SMTP_CLIENT_CREDENTIAL_BYTES_MAX + 2);
    buf_add_char(&text, 0);
    buf_add(&text, user);
    buf_add_char(&text, 0);
    buf_add(&text, password);
    CHECK(!text.is_full);
    buf_add_cstr(out, "AUTH PLAIN ");
    smtp_client_say_base64(out, buf_slice(&text));
    buf_close(&text);
}

void smtp_client_say_xoauth2(struct buf *out, struct slice user, struct slice token)
{
    struct buf text;
    buf_init(&text, SMTP_CLIENT_CREDENTIAL_BYTES_MAX + 32);
    buf_addf(&text, "user=%.*s\1auth=Bearer %.*s\1\1", SLICE_FMT(user), SLICE_FMT(token));
    CHECK(!text.is_full);
    buf_add_cstr(out, "AUTH XOAUTH2 ");
    smtp_client_say_base64(out, buf_slice(&text));
    buf_close(&text);
}

void smtp_client_say_base64(struct buf *out, struct slice text)
{
    CHECK(base64_build(text, out));
    buf_add_cstr(out, "\r\n");
}
