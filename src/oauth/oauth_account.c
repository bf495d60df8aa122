/* oauth_account.c -- see the header. Where Microsoft and Google issue tokens for SMTP:
 * learn.microsoft.com, "Authenticate an IMAP, POP or SMTP connection using OAuth";
 * developers.google.com, "OAuth 2.0 Mechanism" of Gmail. */
#include "oauth/oauth_account.h"

#include "http/http_post.h"

#include <string.h>

const struct oauth_preset_facts oauth_preset_facts[] = {
    [OAUTH_CUSTOM] = {0},
    [OAUTH_MICROSOFT] =
        {
            .token_url = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
            .device_url = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/devicecode",
            .scope = "https://outlook.office.com/SMTP.Send offline_access",
            .scope_of_client = "https://outlook.office365.com/.default",
            .tenant = "organizations",
        },
    [OAUTH_GOOGLE] =
        {
            .token_url = "https://oauth2.googleapis.com/token",
            .device_url = "https://oauth2.googleapis.com/device/code",
            .scope = "https://mail.google.com/",
        },
};

bool oauth_name_is_valid(struct slice name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!ascii_is_alpha(name.p[i]) && !ascii_is_digit(name.p[i]) &&
            (!name.p[i] || !memchr("-_.@+", name.p[i], 5)))
            return false;
    return name.n > 0 && name.n <= OAUTH_NAME_BYTES_MAX && name.p[0] != '.';
}

/* As which application we ask. The secret goes into the form, where both providers want it. */
static void add_client(const struct oauth_account *a, struct buf *form, bool has_secret)
{
    http_form_add(form, "client_id", a->client_id);
    if (has_secret && a->client_secret.n)
        http_form_add(form, "client_secret", a->client_secret);
}

bool oauth_form_token(const struct oauth_account *a, struct slice refresh_token, struct buf *form)
{
    switch (a->grant) {
    case OAUTH_REFRESH_TOKEN:
        http_form_add(form, "grant_type", SLICE("refresh_token"));
        http_form_add(form, "refresh_token", refresh_token);
        break;
    case OAUTH_CLIENT_CREDENTIALS:
        http_form_add(form, "grant_type", SLICE("client_credentials"));
        break;
    }
    add_client(a, form, true);
    /* Google refuses a scope with a refresh token that was made for more. */
    if (a->scope.n && (a->grant != OAUTH_REFRESH_TOKEN || a->preset != OAUTH_GOOGLE))
        http_form_add(form, "scope", a->scope);
    return !form->is_full;
}

bool oauth_form_device(const struct oauth_account *a, struct buf *form)
{
    add_client(a, form, false);
    if (a->scope.n)
        http_form_add(form, "scope", a->scope);
    return !form->is_full;
}

bool oauth_form_poll(const struct oauth_account *a, struct slice device_code, struct buf *form)
{
    http_form_add(form, "grant_type", SLICE("urn:ietf:params:oauth:grant-type:device_code"));
    http_form_add(form, "device_code", device_code);
    add_client(a, form, true);
    return !form->is_full;
}
