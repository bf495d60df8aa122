/* cli_check.c -- `outpost check`: every mistake of the configuration, with its place; else a short
 * summary of what it says. Files named in it are read too. */
#include <sodium.h>
#include <stdio.h>

#include "cli.h"
#include "config_file.h"
#include "identity.h"
#include "sources.h"

static const char *const tls_word[] = {
    [LISTENER_TLS_STARTTLS] = "starttls",
    [LISTENER_TLS_IMPLICIT] = "implicit TLS",
    [LISTENER_TLS_NONE] = "no TLS",
};
static const char *const auth_word[] = {
    [SMTP_AUTH_REQUIRED] = "required",
    [SMTP_AUTH_OPTIONAL] = "optional",
    [SMTP_AUTH_OFF] = "off",
};

static const char *const certificates_word[] = {
    [LISTENER_CERTIFICATES_NONE] = "",
    [LISTENER_CERTIFICATES_OPTIONAL] = ", client certificates optional",
    [LISTENER_CERTIFICATES_REQUIRED] = ", client certificates required",
};

static void print_summary(const struct config_file *f)
{
    const struct config *c = f->config;
    const struct engine_options *e = &c->engine;
    printf("configuration is good: %s%s\n", f->path,
           f->is_missing ? " (there is no such file: built-in defaults)" : "");
    printf("  hostname   %.*s\n", SLICE_FMT(e->hostname));
    for (unsigned i = 0; i < e->listener_count; i++)
        printf("  listen     %.*s, %s, auth %s%s\n", SLICE_FMT(e->listeners[i].address),
               tls_word[e->listeners[i].tls], auth_word[e->listeners[i].auth],
               certificates_word[e->listeners[i].certificates]);
    printf("  queue      %.*s, at most %llu MiB\n", SLICE_FMT(c->state_dir),
           (unsigned long long)(e->queue_bytes_max >> 20));
    printf("  users      %u\n", e->user_count);
    printf("  routes     ");
    for (unsigned i = 0; i < e->route_count; i++)
        printf("%.*s, ", SLICE_FMT(e->routes[i].name));
    printf("%s\n", e->route_count ? "else direct to MX hosts" : "direct to MX hosts");
    if (e->source_count)
        printf("  sources    %u, %u for direct MX\n", e->source_count, e->mx_source_count);
    printf("  control    %.*s\n", SLICE_FMT(c->control_socket));
}

static bool check_clients(const struct config_file *f)
{
    struct tls_trust *clients;
    struct fault why = {0};
    if (identity_clients_load(f->config, &clients, &why) != ERR_OK) {
        printf("%s: %s\n", f->path, why.text);
        return false;
    }
    tls_trust_unref(clients);
    return true;
}

static bool check_shown(const struct config_file *f)
{
    struct identity_shown shown;
    struct fault why = {0};
    if (identity_shown_load(f->config, &shown, &why) != ERR_OK) {
        printf("%s: %s\n", f->path, why.text);
        return false;
    }
    identity_shown_close(&shown);
    return true;
}

/* The certificate is tried as `run` would; a self-signed one is not made here. */
static bool check_certificate(const struct config_file *f)
{
    struct tls_server_config *identity = NULL;
    struct fault why = {0};
    if (!check_clients(f) || !check_shown(f))
        return false;
    if (!f->config->tls_certificate.n || !f->config->tls_key.n) /* one alone: has been said */
        return true;
    if (identity_load(f->config, &identity, &why) != ERR_OK) {
        printf("%s: tls.certificate: %s\n", f->path, why.text);
        return false;
    }
    if (identity)
        tls_server_config_unref(identity);
    return true;
}

static void print_warning(void *path, const char *text)
{
    printf("%s: warning: %s\n", (const char *)path, text);
}

int cli_check(const struct cli *c)
{
    struct config_file f;
    struct fault why = {0};
    if (sodium_init() < 0)
        return cli_fail(EXIT_FAILED, "no random numbers can be had from this system");
    if (config_file_load(&f, c->config, &why) != ERR_OK)
        return cli_fail(EXIT_CONFIG, "%s", why.text);
    config_file_print_mistakes(&f, stdout);
    bool is_good = check_certificate(&f) && f.mistake_count == 0;
    /* Another machine may be meant, or an address that is still to come. */
    (void)sources_check(f.config, print_warning, (void *)(uintptr_t)f.path);
    if (is_good)
        print_summary(&f);
    config_file_close(&f);
    return is_good ? EXIT_GOOD : EXIT_CONFIG;
}
