/* smtp_sasl.c -- see the header. */
#include "smtp/smtp_sasl.h"

static const char *const names[SMTP_SASL_COUNT] = {
    [SMTP_SASL_EXTERNAL] = "EXTERNAL",
    [SMTP_SASL_SCRAM_SHA_256_PLUS] = "SCRAM-SHA-256-PLUS",
    [SMTP_SASL_SCRAM_SHA_256] = "SCRAM-SHA-256",
    [SMTP_SASL_OAUTHBEARER] = "OAUTHBEARER",
    [SMTP_SASL_XOAUTH2] = "XOAUTH2",
    [SMTP_SASL_CRAM_MD5] = "CRAM-MD5",
    [SMTP_SASL_PLAIN] = "PLAIN",
    [SMTP_SASL_LOGIN] = "LOGIN",
};

const char *smtp_sasl_name(enum smtp_sasl mechanism)
{
    return names[mechanism];
}

bool smtp_sasl_find(struct slice name, enum smtp_sasl *out)
{
    for (unsigned i = 0; i < SMTP_SASL_COUNT; i++) {
        if (!slice_eq_nocase(name, slice_cstr(names[i])))
            continue;
        *out = (enum smtp_sasl)i;
        return true;
    }
    return false;
}
