/* config.h -- TOML text in, option structs out. Pure: files and the environment are asked for
 * through the caller.
 *
 * The option table (config_table.h) is the one place that names keys, types, defaults and meanings;
 * parsing, `outpost check`, config.example.toml and doc/configuration.md are read off it. */
#pragma once

#include "base/arena.h"
#include "engine/engine_options.h"
#include "history/history_redact.h"
#include "oauth/oauth_account.h"

enum log_level_option { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format_option { LOG_TEXT, LOG_JSON };

struct config_user {
    struct slice name;
    struct slice *passwords; /* hashes: "$argon2id$...", crypt(3), SCRAM; any of them will do */
    unsigned password_count;
};

struct config {
    struct arena arena;           /* owns every string below; a NUL stands behind each */
    struct engine_options engine; /* all that the engine wants */
    bool has_default_listeners;   /* none was configured: a host without IPv6 lacks [::1] */
    struct slice state_dir;
    enum log_level_option log_level;
    enum log_format_option log_format;
    struct slice tls_certificate, tls_key; /* paths; empty: self-signed under state_dir */
    struct slice tls_ca_file;              /* path */
    struct slice tls_client_ca_file;       /* path; empty: no client's certificate is verified */
    struct slice users_file;               /* path; empty: none */
    struct config_user *users;             /* same order as engine.users */
    unsigned user_count;
    struct ip_port *dns_servers; /* none: the system's */
    unsigned dns_server_count;
    int64_t dns_timeout_ms;
    struct slice control_socket; /* path */
    bool has_sendmail;
    struct slice sendmail_socket, sendmail_drop_dir; /* paths */
    struct slice metrics_listen;                     /* "127.0.0.1:9587", empty: none */
    struct oauth_account *accounts;                  /* with what their presets say */
    unsigned account_count;
    int64_t shutdown_grace_ms;
    uint64_t history_bytes_max; /* how long: engine.history_ms */
    enum history_redaction history_redact;
};

/* The world as config may see it. */
struct config_world {
    void *ctx;
    /* A whole file's content into the arena; a secret's file is read with the same call. */
    enum err (*read_file)(void *ctx, struct slice path, struct arena *arena, struct slice *out,
                          struct fault *why);
    const char *(*env)(void *ctx, const char *name); /* NULL: not set */
    const char *host_name;                           /* default of `hostname` */
    bool is_root;            /* picks the defaults of state_dir and control.socket */
    const char *runtime_dir; /* XDG_RUNTIME_DIR or NULL, for the defaults of a plain user */
    const char *home_dir;
};

struct config_mistake {
    int line, column;  /* 1-based; 0: the file as a whole */
    struct slice key;  /* dotted, "" for syntax */
    struct slice text; /* what is wrong and what would be right; one line */
};

/* Always returns a config (free it with config_free); *mistakes (in its arena) lists every mistake
 * found, in file order. With any mistake the config must not be run. text: the file; empty: all
 * defaults. */
MUST_USE struct config *config_load(struct slice text, const struct config_world *world,
                                    struct config_mistake **mistakes, unsigned *mistake_count);
void config_free(struct config *c);

/* NULL: there is none of that name. */
const struct oauth_account *config_account(const struct config *c, struct slice name);
/* "30s", "5m", "4h", "5d", as in the file. */
bool config_duration_parse(struct slice text, int64_t *ms);
/* "64KiB", "50MiB", as in the file. */
bool config_size_parse(struct slice text, uint64_t *bytes);

/* config.example.toml, whole, made from the option table. */
struct buf;
void config_example(struct buf *out);
/* The part of doc/configuration.md that lists the keys, from the same table. */
void config_reference(struct buf *out);
