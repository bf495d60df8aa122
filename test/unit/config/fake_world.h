/* fake_world.h -- the world that config tests see: a few files, a few variables. */
#pragma once

#include "config/config.h"

struct fake_file {
    const char *path;
    struct slice content;
};

static const struct fake_file fake_files[] = {
    {"/run/secrets/smtp", {"s3cret\n", 7}},
    {"/run/secrets/crlf", {"s3cret\r\n", 8}},
    {"/run/secrets/bare", {"s3cret", 6}},
    {"/run/secrets/two", {"s3cret\n\n", 8}},
    {"/run/secrets/any", {"\0\"${X}\\\n#\xff\r", 10}},
    {"/run/secrets/empty", {"\n", 1}},
    {"/run/secrets/hash", {"$argon2id$v=19$x\n", 17}},
    {"/run/secrets/plain", {"hunter2\n", 8}},
    {"/etc/outpost/users", SLICE_INIT("# of the web server\n\nalice:$2y$05$x\r\n  bob:$6$x$y:z  \n"
                                      "app:$6$x$new")},
    {"/etc/outpost/bad",
     SLICE_INIT("alice:$6$x$y\nno colon\n:$6$x$y\nalice:$6$x$z\neve:hunter2\na\xff:$6$x$y\n")},
};

static inline enum err fake_read_file(void *ctx, struct slice path, struct arena *arena,
                                      struct slice *out, struct fault *why)
{
    (void)ctx;
    for (size_t i = 0; i < COUNT_OF(fake_files); i++) {
        if (!slice_eq(path, slice_cstr(fake_files[i].path)))
            continue;
        *out = arena_copy(arena, fake_files[i].content);
        return ERR_OK;
    }
    if (slice_eq(path, SLICE("/run/secrets/large"))) {
        *out = slice_of(arena_new(arena, 5000), 5000);
        return ERR_OK;
    }
    return fault_set(why, ERR_MISSING, 0, "no such file");
}

static inline const char *fake_env(void *ctx, const char *name)
{
    static char large[40 * 1024];
    struct slice s = slice_cstr(name);
    (void)ctx;
    if (slice_eq(s, SLICE("LARGE"))) {
        for (size_t i = 0; i + 1 < sizeof large; i++)
            large[i] = 'a';
        return large;
    }
    return slice_eq(s, SLICE("NAME"))     ? "relay"
           : slice_eq(s, SLICE("_Z9"))    ? "example"
           : slice_eq(s, SLICE("EMPTY"))  ? ""
           : slice_eq(s, SLICE("DOLLAR")) ? "a${NAME}b"
           : slice_eq(s, SLICE("WEIRD"))  ? "a\n\xff"
                                          : NULL;
}

/* Root on a host with a good name. */
static inline struct config_world fake_world(void)
{
    return (struct config_world){
        .read_file = fake_read_file,
        .env = fake_env,
        .host_name = "box.example.org",
        .is_root = true,
        .home_dir = "/root",
    };
}
