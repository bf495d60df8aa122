/* config_users.c -- see the header. */
#include "config_users.h"

#include "base/map.h"
#include "base/utf8.h"
#include "config_value.h"

#include <string.h>

/* What a name from the TOML file must be, too. */
static bool is_name(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((uint8_t)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return s.n > 0 && s.n <= 255 && utf8_is_valid(s);
}

enum parse config_users_line(struct slice line, struct arena *arena, struct slice *name,
                             struct slice *hash, struct slice *said)
{
    line = slice_trim(line);
    if (!line.n || line.p[0] == '#')
        return PARSE_MORE;
    size_t colon = slice_find(line, ':');
    *name = slice_head(line, colon);
    *hash = SLICE_NONE;
    if (line.n > CONFIG_FILE_USER_BYTES_MAX)
        *said = SLICE("is too long");
    else if (colon == line.n)
        *said = SLICE("has no colon: write \"name:hash\"");
    else if (!is_name(*name))
        *said = SLICE("a name has 1 to 255 bytes, no control characters, and is valid UTF-8");
    else
        *said = config_value_set(config_option_find("user", SLICE("password")),
                                 slice_from(line, colon + 1), arena, hash);
    return said->n ? PARSE_BAD : PARSE_DONE;
}

struct adding {
    struct config_draft *draft;
    struct arena *arena;
    struct config_user_item *item; /* room for all there may be */
    unsigned count, block_count;   /* the first ones come from [[user]] */
    struct map by_name, seen;      /* item; whoever the file has named */
};

/* Its list of passwords with one more. */
static void add_password(struct adding *a, struct config_user_item *u, struct slice hash)
{
    struct slice *list = arena_new(a->arena, (u->password_count + 1) * sizeof *list);
    if (u->password_count)
        memcpy(list, u->passwords, u->password_count * sizeof *list);
    list[u->password_count++] = hash;
    u->passwords = list;
}

/* Gives what is wrong. */
static struct slice add_user(struct adding *a, struct slice name, struct slice hash)
{
    if (map_get(&a->seen, name))
        return SLICE("the name stands there already");
    struct config_user_item *u = map_get(&a->by_name, name);
    if (!u) {
        if (a->count - a->block_count == CONFIG_FILE_USERS_MAX)
            return SLICE("is one user too many: 5000 are the most");
        u = &a->item[a->count++];
        u->engine.name = arena_copy(a->arena, name);
        map_put(&a->by_name, u->engine.name, u);
    }
    map_put(&a->seen, u->engine.name, u);
    add_password(a, u, hash);
    return SLICE_NONE;
}

static void begin(struct adding *a, struct config_draft *d)
{
    *a = (struct adding){.draft = d,
                         .arena = &d->config.arena,
                         .count = d->user_count,
                         .block_count = d->user_count};
    a->item = arena_new(a->arena, (a->count + CONFIG_FILE_USERS_MAX) * sizeof *a->item);
    if (a->count)
        memcpy(a->item, d->users, a->count * sizeof *a->item);
    map_init(&a->by_name, 0);
    map_init(&a->seen, 0);
    for (unsigned i = 0; i < a->count; i++)
        if (a->item[i].engine.name.n)
            map_put(&a->by_name, a->item[i].engine.name, &a->item[i]);
}

void config_users_add(struct config_draft *d, struct slice text, struct toml_spot at,
                      struct config_mistakes *m)
{
    struct adding a;
    begin(&a, d);
    for (int number = 1; text.n; number++) {
        size_t end = slice_find(text, '\n');
        struct slice line = slice_head(text, end), name, hash, said = SLICE_NONE;
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        if (config_users_line(line, a.arena, &name, &hash, &said) == PARSE_DONE)
            said = add_user(&a, name, hash);
        if (said.n)
            config_mistakes_add(m, at, "", SLICE("users_file"), "line %d: %.*s", number,
                                SLICE_FMT(said));
        text = slice_from(text, end + 1);
    }
    d->users = a.item;
    d->user_count = a.count;
    map_close(&a.by_name);
    map_close(&a.seen);
}
