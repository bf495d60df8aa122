/* submit_certificate.c -- see the header.
 *
 * A fingerprint is the operator's own word: neither dates nor authorities matter. A name counts in
 * a certificate that the authorities of clients have signed and that is valid now (the shell has
 * checked that). What a user may do is asked later, as with any other login (submit_judge.c). */
#include "submit_certificate.h"

#include <string.h>

enum { SHA256_BYTES = 32 };

static bool has_fingerprint(const struct engine_user *u, const struct engine_certificate *c)
{
    for (unsigned i = 0; i < u->certificate_count; i++) {
        const struct engine_fingerprint *f = &u->certificates[i];
        if (memcmp(f->sha256, f->is_of_key ? c->key_sha256 : c->sha256, SHA256_BYTES) == 0)
            return true;
    }
    return false;
}

static bool has_name(const struct engine_user *u, const struct engine_certificate *c)
{
    for (struct slice rest = c->names; rest.n; rest = slice_from(rest, slice_find(rest, 0) + 1)) {
        struct slice name = slice_head(rest, slice_find(rest, 0));
        for (unsigned i = 0; i < u->certificate_name_count; i++)
            if (slice_glob_nocase(u->certificate_names[i], name))
                return true;
    }
    return false;
}

const struct engine_user *submit_certificate_user(const struct engine_options *o,
                                                  const struct engine_tls *tls)
{
    const struct engine_certificate *c = tls->certificate;
    if (!c)
        return NULL;
    for (unsigned i = 0; i < o->user_count; i++)
        if (has_fingerprint(&o->users[i], c))
            return &o->users[i];
    for (unsigned i = 0; tls->is_verified && i < o->user_count; i++)
        if (has_name(&o->users[i], c))
            return &o->users[i];
    return NULL;
}

static void tell_certificate(struct engine *e, struct note *n, const struct engine_certificate *c)
{
    static const char digit[] = "0123456789abcdef";
    char text[7 + 2 * SHA256_BYTES] = "sha256:";
    for (int i = 0; i < SHA256_BYTES; i++) {
        text[7 + 2 * i] = digit[c->sha256[i] >> 4];
        text[8 + 2 * i] = digit[c->sha256[i] & 15];
    }
    engine_tell(e, n, "certificate", slice_of(text, sizeof text));
    if (c->names.n)
        engine_tell(e, n, "name", slice_head(c->names, slice_find(c->names, 0)));
}

static void tell_unknown(struct engine *e, struct session *s, const struct engine_tls *tls)
{
    bool is_required = s->profile->certificates == LISTENER_CERTIFICATES_REQUIRED;
    struct slice reason = tls->verdict;
    if (!tls->certificate && !reason.n && !is_required)
        return; /* there was none, and need not be */
    struct note *n = session_note(e, s, NOTE_CERTIFICATE_UNKNOWN, 0);
    if (tls->certificate)
        tell_certificate(e, n, tls->certificate);
    else if (!reason.n)
        reason = SLICE("none was shown");
    engine_tell(e, n, "reason", reason.n ? reason : SLICE("it is no user's"));
}

void submit_certificate_on_tls(struct engine *e, struct session *s, const struct engine_tls *tls)
{
    smtp_server_set_binding(s->smtp, SMTP_BINDING_END_POINT, tls->end_point);
    smtp_server_set_binding(s->smtp, SMTP_BINDING_UNIQUE, tls->unique);
    if (s->profile->certificates == LISTENER_CERTIFICATES_NONE)
        return;
    const struct engine_user *u = submit_certificate_user(e->opt, tls);
    if (!u) {
        tell_unknown(e, s, tls);
        return;
    }
    smtp_server_set_certified(s->smtp, u->name);
    tell_certificate(e, session_note(e, s, NOTE_LOGIN, 0), tls->certificate);
}
