/* config_file.h -- the configuration file as `run` and `check` read it: from disk, with this
 * process' environment. */
#pragma once

#include <stdio.h>

#include "base/buf.h"
#include "config/config.h"

#define CONFIG_FILE_DEFAULT "/etc/outpost/outpost.toml"

struct config_file {
    const char *path;               /* borrowed; the default one when none was named */
    bool is_default_path;           /* nobody named one: it may be missing */
    bool is_missing;                /* the built-in defaults are used */
    struct config *config;          /* NULL: the file could not be read */
    struct config_mistake *mistake; /* in the config's arena */
    unsigned mistake_count;
    struct buf text; /* as it was read */
};

/* path NULL: the default one. ERR_OK: f->config is there, perhaps with mistakes. */
MUST_USE enum err config_file_load(struct config_file *f, const char *path, struct fault *why);
/* The same with this text instead of what stands in the file now: what it names is read anew. */
void config_file_load_text(struct config_file *f, const char *path, struct slice text);
void config_file_close(struct config_file *f);
struct config *config_file_take(struct config_file *f); /* the caller owns it now */
/* FILE:LINE:COLUMN: key: text; a mistake in the file as a whole has no line. */
void config_file_print_mistakes(const struct config_file *f, FILE *to);
/* "hostname: ..." with its line, for a log. */
void config_file_first_mistake(const struct config_file *f, struct fault *out);
