/* config_file.c -- see config_file.h. */
#include "config_file.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"

static enum err read_for_config(void *ctx, struct slice path, struct arena *arena,
                                struct slice *out, struct fault *why)
{
    char name[PATH_MAX];
    if (path.n >= sizeof name || slice_find(path, 0) < path.n)
        return fault_set(why, ERR_BAD, 0, "this is no path of a file");
    memcpy(name, path.p, path.n);
    name[path.n] = 0;
    struct buf text;
    buf_init(&text, FILE_BYTES_MAX);
    enum err e = file_read(name, &text, why);
    if (!e)
        *out = arena_copy(arena, buf_slice(&text));
    buf_close(&text);
    return e;
}

static const char *env_for_config(void *ctx, const char *name)
{
    return getenv(name);
}

static void load(struct config_file *f)
{
    char host_name[256] = "";
    if (gethostname(host_name, sizeof host_name - 1) || !host_name[0])
        strcpy(host_name, "localhost");
    const struct config_world world = {
        .read_file = read_for_config,
        .env = env_for_config,
        .host_name = host_name,
        .is_root = geteuid() == 0,
        .runtime_dir = getenv("XDG_RUNTIME_DIR"),
        .home_dir = getenv("HOME"),
    };
    f->config = config_load(buf_slice(&f->text), &world, &f->mistake, &f->mistake_count);
}

static void begin(struct config_file *f, const char *path)
{
    *f = (struct config_file){.path = path ? path : CONFIG_FILE_DEFAULT,
                              .is_default_path = path == NULL};
    buf_init(&f->text, FILE_BYTES_MAX);
}

enum err config_file_load(struct config_file *f, const char *path, struct fault *why)
{
    begin(f, path);
    enum err e = file_read(f->path, &f->text, why);
    f->is_missing = e == ERR_MISSING;
    if (e && !(f->is_missing && f->is_default_path)) {
        buf_close(&f->text);
        return e;
    }
    load(f);
    return ERR_OK;
}

void config_file_load_text(struct config_file *f, const char *path, struct slice text)
{
    begin(f, path);
    buf_add(&f->text, text);
    load(f);
}

void config_file_close(struct config_file *f)
{
    if (f->config)
        config_free(f->config);
    buf_close(&f->text);
    *f = (struct config_file){0};
}

struct config *config_file_take(struct config_file *f)
{
    struct config *c = f->config;
    f->config = NULL;
    f->mistake = NULL;
    f->mistake_count = 0;
    return c;
}

static void print_mistake(const struct config_file *f, const struct config_mistake *m, char *out,
                          size_t out_bytes)
{
    char place[48] = "";
    if (m->line > 0)
        snprintf(place, sizeof place, "%d:%d:", m->line, m->column);
    snprintf(out, out_bytes, "%s:%s %.*s%s%.*s", f->path, place, SLICE_FMT(m->key),
             m->key.n ? ": " : "", SLICE_FMT(m->text));
}

void config_file_print_mistakes(const struct config_file *f, FILE *to)
{
    for (unsigned i = 0; i < f->mistake_count; i++) {
        char line[PATH_MAX + 1024];
        print_mistake(f, &f->mistake[i], line, sizeof line);
        fprintf(to, "%s\n", line);
    }
}

void config_file_first_mistake(const struct config_file *f, struct fault *out)
{
    out->errnum = 0;
    out->text[0] = 0;
    if (f->mistake_count)
        print_mistake(f, &f->mistake[0], out->text, sizeof out->text);
}
