/* idn.c -- libidn2 behind slices. UTS #46 in its non-transitional form first, as browsers and other
 * relays do, so that "EXÄMPLE" and "exämple" are one name. */
#include "mail/idn.h"

#include "mail/address.h"

#include <idn2.h>
#include <string.h>

static bool has_only_ascii(struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        if ((uint8_t)text.p[i] >= 0x80)
            return false;
    }
    return true;
}

bool mail_domain_to_ascii(struct slice domain, struct buf *out)
{
    char text[MAIL_DOMAIN_BYTES_MAX + 1];
    char *ascii = NULL;
    if (has_only_ascii(domain))
        return buf_add(out, domain);
    if (domain.n > MAIL_DOMAIN_BYTES_MAX || slice_find(domain, 0) < domain.n)
        return false;
    memcpy(text, domain.p, domain.n);
    text[domain.n] = 0;
    bool is_good = idn2_to_ascii_8z(text, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK;
    /* It lets empty labels through, and underscores, as we do. */
    is_good = is_good && mail_domain_is_valid(slice_cstr(ascii), MAIL_ADDRESS_LAX) &&
              buf_add_cstr(out, ascii);
    idn2_free(ascii);
    return is_good;
}

bool mail_address_to_ascii(struct slice text, struct buf *out)
{
    struct slice local = mail_address_local_of(text), domain = mail_address_domain_of(text);
    if (!has_only_ascii(local))
        return false;
    buf_add(out, local);
    if (local.n == text.n)
        return !out->is_full;
    buf_add_char(out, '@');
    return mail_domain_to_ascii(domain, out) && !out->is_full;
}
