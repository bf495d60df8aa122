/* received.c -- the trace field and the Message-ID that a relay writes.
 *
 *   Received: from HELO ([ADDRESS])
 *           by US (Outpost) with ESMTPSA (TLSv1.2 CIPHER)
 *           id ID for <RECIPIENT>;
 *           DATE */
#include "mail/received.h"

#include "mail/address.h"
#include "mail/date.h"
#include "text.h"

enum { WORD_BYTES_MAX = 320, TLS_BYTES_MAX = 128, ID_BYTES_MAX = 64 };

/* A word is cleaned into a buffer on the stack first, as folding wants to know its width. */
static void add_word(struct mail_text *t, const char *prefix, struct slice in, const char *bad,
                     const char *suffix)
{
    char memory[WORD_BYTES_MAX];
    size_t n = 0;
    for (size_t i = 0; i < in.n && n < sizeof memory && i < MAIL_DOMAIN_BYTES_MAX; i++) {
        bool is_bad = (uint8_t)in.p[i] <= ' ' || in.p[i] == 0x7f;
        for (const char *b = bad; *b && !is_bad; b++)
            is_bad = in.p[i] == *b;
        memory[n++] = is_bad ? '?' : in.p[i];
    }
    mail_text_word(t, prefix, slice_of(memory, n), suffix);
}

/* "(local)" or "(uid=1000 bob)". */
static void add_local(struct mail_text *t, struct slice who)
{
    who = who.n ? who : SLICE("local");
    for (const char *prefix = "("; who.n; prefix = "") {
        struct slice word = slice_head(who, slice_find(who, ' '));
        who = slice_trim(slice_from(who, word.n));
        add_word(t, prefix, word, "()\\", who.n ? "" : ")");
    }
}

static void add_from(struct mail_text *t, const struct mail_received *r)
{
    struct ip_text address = ip_build(&r->peer);
    mail_text_word(t, "from", SLICE_NONE, "");
    if (r->helo.n)
        add_word(t, "", r->helo, "()<>\\\",;@", "");
    else
        mail_text_word(t, "unknown", SLICE_NONE, "");
    switch (r->peer.family) {
    case IP_NONE:
        add_local(t, r->local);
        break;
    case IP_V4:
        mail_text_word(t, "([", slice_cstr(address.s), "])");
        break;
    case IP_V6:
        mail_text_word(t, "([IPv6:", slice_cstr(address.s), "])");
        break;
    }
    mail_text_end(t);
}

struct slice mail_received_protocol(bool is_esmtp, bool has_tls, bool has_auth, bool is_utf8)
{
    static const struct slice name[2][2][2] = {
        {{SLICE_INIT("ESMTP"), SLICE_INIT("ESMTPA")},
         {SLICE_INIT("ESMTPS"), SLICE_INIT("ESMTPSA")}},
        {{SLICE_INIT("UTF8SMTP"), SLICE_INIT("UTF8SMTPA")},
         {SLICE_INIT("UTF8SMTPS"), SLICE_INIT("UTF8SMTPSA")}},
    };
    return is_esmtp ? name[is_utf8][has_tls][has_auth] : SLICE("SMTP");
}

bool mail_received_build(struct buf *out, const struct mail_received *r)
{
    char date[MAIL_DATE_BYTES];
    struct mail_text t = mail_text_start(out, "Received:", "\t", false);
    if (!r->hides_client) {
        add_from(&t, r);
        t = mail_text_start(out, "\tby", "\t", false);
    } else {
        mail_text_word(&t, "by", SLICE_NONE, "");
    }
    add_word(&t, "", r->by, "()<>\\\",;@", "");
    mail_text_word(&t, "(Outpost)", SLICE_NONE, "");
    mail_text_word(&t, "with", SLICE_NONE, "");
    add_word(&t, "", r->protocol, "()<>\\\",;@", "");
    if (r->tls.n) {
        struct slice version = slice_head(r->tls, slice_find(r->tls, ' '));
        struct slice cipher = slice_trim(slice_from(r->tls, version.n));
        add_word(&t, "(", slice_head(version, TLS_BYTES_MAX), "()\\", cipher.n ? "" : ")");
        if (cipher.n)
            add_word(&t, "", slice_head(cipher, TLS_BYTES_MAX), "()\\", ")");
    }
    mail_text_end(&t);

    t = mail_text_start(out, "\tid", "\t", true);
    add_word(&t, "", slice_head(r->id, ID_BYTES_MAX), "()<>\\\",;@", r->recipient.n ? "" : ";");
    if (r->recipient.n) {
        mail_text_word(&t, "for", SLICE_NONE, "");
        /* Blanks of a quoted local part become '?': folding must not touch them. */
        add_word(&t, "<", r->recipient, "<>", ">;");
    }
    mail_text_end(&t);

    buf_addf(out, "\t%s\r\n", mail_date_build(r->time_ms, date));
    return !out->is_full;
}

bool mail_message_id_build(struct buf *out, struct slice id, struct slice hostname)
{
    static const char bad[] = " ()<>[]:;@\\,\"";
    buf_add_cstr(out, "Message-ID: <");
    mail_text_add_clean(out, id, ID_BYTES_MAX, bad, false);
    buf_add_char(out, '@');
    mail_text_add_clean(out, hostname, MAIL_DOMAIN_BYTES_MAX, bad, false);
    buf_add_cstr(out, ">\r\n");
    return !out->is_full;
}
