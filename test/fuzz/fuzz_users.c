/* fuzz_users.c -- a users file as it may be found: what is taken has a name and a hash that the
 * configuration would take, no name twice, and every other line is told of or says nothing. */
#include <stdint.h>
#include <string.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum err give(void *ctx, struct slice path, struct arena *arena, struct slice *out,
                     struct fault *why)
{
    *out = arena_copy(arena, *(const struct slice *)ctx);
    return ERR_OK;
}

static const char *no_env(void *ctx, const char *name)
{
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    const struct config_world world = {
        .ctx = &in, .read_file = give, .env = no_env, .host_name = "host.example", .is_root = true};
    struct config_mistake *mistake;
    unsigned mistakes;
    struct config *c = config_load(SLICE("users_file = '/u'\n"), &world, &mistake, &mistakes);
    size_t lines = 1;
    for (size_t i = 0; i < in.n; i++)
        lines += in.p[i] == '\n';
    CHECK(c->user_count <= lines && c->user_count == c->engine.user_count);
    for (unsigned i = 0; i < c->user_count; i++) {
        struct slice name = c->users[i].name, hash = c->users[i].passwords[0];
        CHECK(name.n && name.n <= 255 && slice_find(name, 0) == name.n);
        CHECK(c->users[i].password_count == 1 && hash.n && slice_find(hash, '$') < hash.n);
        for (unsigned k = 0; k < i && i < 50; k++)
            CHECK(!slice_eq(name, c->users[k].name));
    }
    config_free(c);
    return 0;
}
