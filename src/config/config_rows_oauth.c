/* config_rows_oauth.c -- the options of OAuth2 accounts. */
#include "config_rows.h"

static const struct config_choice presets[] = {
    {"custom", OAUTH_CUSTOM, NULL},
    {"microsoft", OAUTH_MICROSOFT, NULL},
    {"google", OAUTH_GOOGLE, NULL},
    {0},
};

static const struct config_choice grants[] = {
    {"refresh_token", OAUTH_REFRESH_TOKEN, NULL},
    {"client_credentials", OAUTH_CLIENT_CREDENTIALS, NULL},
    {0},
};

static const struct config_option rows[] = {
    ROW("oauth2.name", NAME, OAUTH(name), NULL, NULL, "64",
        "What route.auth.oauth2 and `outpost login` call it; a file under state_dir/tokens is "
        "named so.",
        .is_required = true, .sample = "office"),
    ROW("oauth2.preset", CHOICE, OAUTH(preset), NULL, NULL, NULL,
        "Who issues the tokens: fills in token_url, device_url and scope. custom: they are given "
        "here.",
        .choices = presets, .sample = "microsoft", .normal_said = "custom"),
    ROW("oauth2.grant", CHOICE, OAUTH(grant), "refresh_token", NULL, NULL,
        "refresh_token: a person agrees once, with `outpost login`. client_credentials: the "
        "application asks by itself.",
        .choices = grants),
    ROW("oauth2.tenant", NAME, OAUTH(tenant), NULL, NULL, "255",
        "Microsoft: the directory's id or domain; client_credentials need it.",
        .sample = "example.onmicrosoft.com", .normal_said = "organizations, for microsoft"),
    ROW("oauth2.client_id", NAME, OAUTH(client_id), NULL, NULL, "512",
        "The application, as it is registered there.", .is_required = true,
        .sample = "00000000-0000-0000-0000-000000000000"),
    ROW("oauth2.client_secret", SECRET, OAUTH(client_secret), NULL, NULL, NULL,
        "Its secret; or client_secret_file = \"/path\".", .sample = "secret",
        .normal_said = "none: a public application"),
    ROW("oauth2.refresh_token", SECRET, OAUTH(refresh_token), NULL, NULL, NULL,
        "One that was had elsewhere; or refresh_token_file = \"/path\". Newer ones are kept under "
        "state_dir/tokens and go before it.",
        .sample = "token", .normal_said = "none; `outpost login` gets one"),
    ROW("oauth2.scope", NAME, OAUTH(scope), NULL, NULL, "2048", "What the tokens are to be for.",
        .sample = "https://mail.example.net/smtp offline_access",
        .normal_said = "the preset's; none for custom"),
    ROW("oauth2.token_url", NAME, OAUTH(token_url), NULL, NULL, "2048",
        "Where tokens are had: \"https://host/path\", verified by tls.ca_file.",
        .sample = "https://login.example.net/token", .normal_said = "the preset's"),
    ROW("oauth2.device_url", NAME, OAUTH(device_url), NULL, NULL, "2048",
        "Where `outpost login` gets a code to show (RFC 8628).",
        .sample = "https://login.example.net/devicecode",
        .normal_said = "the preset's; none for custom, so that a refresh token must be imported"),
};
const struct config_rows config_rows_oauth = {rows, COUNT_OF(rows)};
