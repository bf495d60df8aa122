/* oauth_account.h -- an account of OAuth 2.0 (RFC 6749): who issues its tokens, as whom we ask, and
 * the forms that ask. */
#pragma once

#include "base/buf.h"

enum {
    OAUTH_TOKEN_BYTES_MAX = 8000, /* of an access or refresh token; so that AUTH fits its line */
    OAUTH_NAME_BYTES_MAX = 64,    /* of an account's name, which names its file, too */
};

enum oauth_preset { OAUTH_CUSTOM, OAUTH_MICROSOFT, OAUTH_GOOGLE };

enum oauth_grant {
    OAUTH_REFRESH_TOKEN,      /* a person has agreed once; kept by refreshing (section 6) */
    OAUTH_CLIENT_CREDENTIALS, /* the application by itself (section 4.4) */
};

struct oauth_account {
    struct slice name;
    enum oauth_preset preset;
    enum oauth_grant grant;
    struct slice tenant; /* Microsoft */
    struct slice client_id, client_secret;
    struct slice refresh_token; /* of the configuration; a newer one may be kept in a file */
    struct slice scope;
    struct slice token_url, device_url;
};

/* Letters, digits and "-_.@+", not beginning with a dot: a file is named so. */
MUST_USE bool oauth_name_is_valid(struct slice name);

struct oauth_preset_facts {
    const char *token_url, *device_url; /* "{tenant}" stands for the tenant; NULL: none */
    const char *scope;                  /* with a refresh token, and where the user logs in */
    const char *scope_of_client;        /* of client credentials; NULL: they are not for mail */
    const char *tenant;                 /* unless given; NULL: there are none */
};
extern const struct oauth_preset_facts oauth_preset_facts[];

/* The form that asks for an access token; refresh_token: the newest there is, of that grant. */
MUST_USE bool oauth_form_token(const struct oauth_account *a, struct slice refresh_token,
                               struct buf *form);
/* Device flow (RFC 8628): asks for a code to show; asks whether it was entered. */
MUST_USE bool oauth_form_device(const struct oauth_account *a, struct buf *form);
MUST_USE bool oauth_form_poll(const struct oauth_account *a, struct slice device_code,
                              struct buf *form);
