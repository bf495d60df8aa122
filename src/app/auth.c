/* auth.c -- see auth.h. */
#include "auth.h"

#include <crypt.h>
#include <sodium.h>
#include <string.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "scram.h"

enum { KEY_BYTES = 32 };

struct auth_job {
    uv_work_t work;
    struct list link; /* in waiting, while it waits */
    struct auth *owner;
    uint64_t conn;
    unsigned generation; /* of the users when it was asked */
    struct slice *hash;  /* owned, as are the texts: any of them will do */
    unsigned hash_count;
    char *password; /* owned, zeroed before it is freed */
    size_t password_bytes;
    bool is_user_known;
    bool is_right; /* the worker's answer */
    unsigned char key[KEY_BYTES];
};

struct verified {
    struct list link; /* oldest first */
    int64_t until_ms;
    unsigned char key[KEY_BYTES];
};

struct auth {
    uv_loop_t *loop;
    auth_answered *answered;
    void *ctx;
    struct config_user *users; /* owned, as are their texts */
    unsigned user_count, generation;
    struct list waiting;
    unsigned waiting_count, running_count;
    struct map cache; /* key -> struct verified */
    struct list by_age;
    struct map scrams; /* by conn: struct scram */
    unsigned char secret[crypto_generichash_KEYBYTES];
    bool is_closing;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* What an unknown user's password is held against when there is no user at all: it takes the time
 * that `outpost passwd` hashes take. */
static const char stand_in[] = "$argon2id$v=19$m=65536,t=2,p=1$b3V0cG9zdG91dHBvc3Rvdw$"
                               "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

static bool verify_argon2(const char *hash, struct slice password)
{
    char text[crypto_pwhash_STRBYTES] = {0};
    size_t n = strlen(hash);
    if (n >= sizeof text)
        return false;
    memcpy(text, hash, n);
    return crypto_pwhash_str_verify(text, password.p ? password.p : "", password.n) == 0;
}

static bool verify_crypt(const char *hash, struct slice password)
{
    if (memchr(password.p ? password.p : "", 0, password.n))
        return false; /* crypt would look at the part before the NUL only */
    struct crypt_data *data = mem_new(sizeof *data);
    char *text = mem_dup(password.p, password.n);
    const char *made = crypt_r(text, hash, data);
    size_t n = strlen(hash);
    bool is_right =
        made && n > 0 && made[0] != '*' && strlen(made) == n && sodium_memcmp(made, hash, n) == 0;
    sodium_memzero(text, password.n);
    sodium_memzero(data, sizeof *data);
    mem_free(text);
    mem_free(data);
    return is_right;
}

static bool is_scram(struct slice hash)
{
    return slice_starts(hash, SLICE(SMTP_SCRAM_SECRET_HEAD));
}

bool auth_verify(const char *hash, struct slice password)
{
    struct smtp_scram_secret secret;
    if (is_scram(slice_cstr(hash)))
        return smtp_scram_secret_parse(slice_cstr(hash), &secret) &&
               scram_verify(&secret, password);
    if (strncmp(hash, "$argon2", 7) == 0)
        return verify_argon2(hash, password);
    return verify_crypt(hash, password);
}

static void make_key(const struct auth *a, struct slice user, struct slice password,
                     unsigned char key[KEY_BYTES])
{
    crypto_generichash_state st;
    const unsigned char nul = 0;
    crypto_generichash_init(&st, a->secret, sizeof a->secret, KEY_BYTES);
    crypto_generichash_update(&st, (const unsigned char *)user.p, user.n);
    crypto_generichash_update(&st, &nul, 1);
    crypto_generichash_update(&st, (const unsigned char *)password.p, password.n);
    crypto_generichash_final(&st, key, KEY_BYTES);
    sodium_memzero(&st, sizeof st);
}

static int64_t now_ms(void)
{
    return (int64_t)(uv_hrtime() / 1000000);
}

static void forget(struct auth *a, struct verified *v)
{
    map_take(&a->cache, slice_of(v->key, KEY_BYTES));
    list_remove(&v->link);
    mem_free(v);
}

static void forget_all(struct auth *a)
{
    while (!list_is_empty(&a->by_age))
        forget(a, CONTAINER_OF(a->by_age.next, struct verified, link));
}

static bool is_remembered(struct auth *a, const unsigned char key[KEY_BYTES])
{
    while (!list_is_empty(&a->by_age)) {
        struct verified *oldest = CONTAINER_OF(a->by_age.next, struct verified, link);
        if (oldest->until_ms > now_ms())
            break;
        forget(a, oldest);
    }
    return map_get(&a->cache, slice_of(key, KEY_BYTES)) != NULL;
}

static void remember(struct auth *a, const unsigned char key[KEY_BYTES])
{
    if (is_remembered(a, key))
        return;
    if (a->cache.count >= AUTH_CACHE_MAX)
        forget(a, CONTAINER_OF(a->by_age.next, struct verified, link));
    struct verified *v = mem_new(sizeof *v);
    memcpy(v->key, key, KEY_BYTES);
    v->until_ms = now_ms() + AUTH_CACHE_MS;
    list_add_last(&a->by_age, &v->link);
    map_put(&a->cache, slice_of(v->key, KEY_BYTES), v);
}

static struct slice *copy_texts(const struct slice *text, unsigned count)
{
    struct slice *copy = mem_new((count + 1) * sizeof *copy);
    for (unsigned i = 0; i < count; i++)
        copy[i] = slice_of(mem_dup(text[i].p, text[i].n), text[i].n);
    return copy;
}

static void free_texts(struct slice *text, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        mem_free((char *)text[i].p);
    mem_free(text);
}

static void free_job(struct auth_job *j)
{
    sodium_memzero(j->password, j->password_bytes);
    mem_free(j->password);
    free_texts(j->hash, j->hash_count);
    sodium_memzero(j->key, sizeof j->key);
    mem_free(j);
}

static void free_users(struct auth *a)
{
    for (unsigned i = 0; i < a->user_count; i++) {
        mem_free((char *)a->users[i].name.p);
        free_texts(a->users[i].passwords, a->users[i].password_count);
    }
    mem_free(a->users);
    a->users = NULL;
    a->user_count = 0;
}

static void drop_scram(struct auth *a, uint64_t conn)
{
    struct scram *s = map_take_id(&a->scrams, conn);
    if (!s)
        return;
    scram_close(s);
    mem_free(s);
}

static void finish_close(struct auth *a)
{
    void (*closed)(void *) = a->closed;
    void *ctx = a->closed_ctx;
    free_users(a);
    forget_all(a);
    map_close(&a->cache);
    size_t at = 0;
    for (struct map_entry *m; (m = map_next(&a->scrams, &at)); at = 0)
        drop_scram(a, m->hash);
    map_close(&a->scrams);
    sodium_memzero(a, sizeof *a);
    mem_free(a);
    if (closed)
        closed(ctx);
}

static void on_worker(uv_work_t *w)
{
    struct auth_job *j = w->data;
    /* All of them, whichever is right: the time says nothing of how many there are before it. */
    for (unsigned i = 0; i < j->hash_count; i++)
        j->is_right |= auth_verify(j->hash[i].p, slice_of(j->password, j->password_bytes));
}

static void start_next(struct auth *a);

static void on_worked(uv_work_t *w, int status)
{
    struct auth_job *j = w->data;
    struct auth *a = j->owner;
    enum engine_login login = status                            ? LOGIN_TROUBLE
                              : j->is_right && j->is_user_known ? LOGIN_OK
                                                                : LOGIN_WRONG;
    a->running_count--;
    if (login == LOGIN_OK && j->generation == a->generation)
        remember(a, j->key);
    uint64_t conn = j->conn;
    free_job(j);
    if (a->is_closing) {
        if (a->running_count == 0)
            finish_close(a);
        return;
    }
    start_next(a);
    a->answered(a->ctx, conn, login);
}

static void start_next(struct auth *a)
{
    while (a->running_count < AUTH_RUNNING_MAX && !list_is_empty(&a->waiting)) {
        struct auth_job *j = CONTAINER_OF(list_take_first(&a->waiting), struct auth_job, link);
        a->waiting_count--;
        a->running_count++;
        CHECK(uv_queue_work(a->loop, &j->work, on_worker, on_worked) == 0);
    }
}

struct auth *auth_new(uv_loop_t *loop, auth_answered *answered, void *ctx)
{
    struct auth *a = mem_new(sizeof *a);
    a->loop = loop;
    a->answered = answered;
    a->ctx = ctx;
    list_init(&a->waiting);
    list_init(&a->by_age);
    uint64_t seed;
    randombytes_buf(&seed, sizeof seed);
    map_init(&a->cache, seed);
    map_init(&a->scrams, seed);
    crypto_generichash_keygen(a->secret);
    return a;
}

void auth_configure(struct auth *a, const struct config_user *users, unsigned count)
{
    forget_all(a);
    free_users(a);
    a->generation++;
    a->users = mem_new(count * sizeof *a->users);
    a->user_count = count;
    for (unsigned i = 0; i < count; i++) {
        a->users[i].name = slice_of(mem_dup(users[i].name.p, users[i].name.n), users[i].name.n);
        a->users[i].passwords = copy_texts(users[i].passwords, users[i].password_count);
        a->users[i].password_count = users[i].password_count;
    }
}

static const struct config_user *find(const struct auth *a, struct slice name)
{
    const struct config_user *found = NULL;
    for (unsigned i = 0; i < a->user_count; i++)
        if (slice_eq(a->users[i].name, name))
            found = &a->users[i];
    return found;
}

bool auth_ask(struct auth *a, uint64_t conn, struct slice user, struct slice password,
              enum engine_login *login)
{
    const struct slice nobodys = slice_cstr(stand_in);
    const struct config_user *u = find(a, user);
    bool is_user_known = u && u->password_count;
    if (!is_user_known)
        u = a->user_count && a->users[0].password_count ? &a->users[0] : NULL;
    const struct slice *hash = u ? u->passwords : &nobodys;
    unsigned hash_count = u ? u->password_count : 1;
    unsigned char key[KEY_BYTES];
    make_key(a, user, password, key);
    if (is_user_known && is_remembered(a, key)) {
        *login = LOGIN_OK;
        return true;
    }
    if (a->is_closing || a->waiting_count >= AUTH_WAITING_MAX) {
        *login = LOGIN_TROUBLE;
        return true;
    }
    struct auth_job *j = mem_new(sizeof *j);
    j->work.data = j;
    j->owner = a;
    j->conn = conn;
    j->generation = a->generation;
    j->hash = copy_texts(hash, hash_count);
    j->hash_count = hash_count;
    j->password = mem_dup(password.p, password.n);
    j->password_bytes = password.n;
    j->is_user_known = is_user_known;
    memcpy(j->key, key, KEY_BYTES);
    list_add_last(&a->waiting, &j->link);
    a->waiting_count++;
    start_next(a);
    return false;
}

static bool take_secret(const struct config_user *u, struct smtp_scram_secret *out)
{
    for (unsigned i = 0; u && i < u->password_count; i++)
        if (is_scram(u->passwords[i]) && smtp_scram_secret_parse(u->passwords[i], out))
            return true;
    return false;
}

/* Who is unknown, or has no secret for SCRAM, gets one that looks like the others' and stays the
 * same while we run. */
static void make_up_secret(const struct auth *a, struct slice user, struct smtp_scram_secret *out)
{
    *out = (struct smtp_scram_secret){.rounds = SCRAM_ROUNDS, .salt_bytes = SCRAM_SALT_BYTES};
    for (unsigned i = 0; i < a->user_count; i++)
        if (take_secret(&a->users[i], out))
            break;
    unsigned char key[KEY_BYTES];
    make_key(a, user, SLICE("SCRAM"), key);
    for (size_t i = 0; i < out->salt_bytes; i++)
        out->salt[i] = key[i % KEY_BYTES];
}

enum engine_login auth_scram(struct auth *a, uint64_t conn, struct slice user, struct slice message,
                             struct slice binding, bool is_first)
{
    struct scram *s = map_get_id(&a->scrams, conn);
    if (!is_first)
        return s ? scram_end(s, message) : LOGIN_TROUBLE;
    drop_scram(a, conn);
    struct smtp_scram_secret secret;
    bool is_known = take_secret(find(a, user), &secret);
    if (!is_known)
        make_up_secret(a, user, &secret);
    s = mem_new(sizeof *s);
    map_put_id(&a->scrams, conn, s);
    return scram_begin(s, message, binding, &secret, is_known) ? LOGIN_CHALLENGE : LOGIN_WRONG;
}

struct slice auth_challenge(const struct auth *a, uint64_t conn)
{
    const struct scram *s = map_get_id(&a->scrams, conn);
    return s ? buf_slice(&s->out) : SLICE_NONE;
}

void auth_forget(struct auth *a, uint64_t conn)
{
    drop_scram(a, conn);
    for (struct list *at = a->waiting.next; at != &a->waiting;) {
        struct auth_job *j = CONTAINER_OF(at, struct auth_job, link);
        at = at->next;
        if (j->conn != conn)
            continue;
        list_remove(&j->link);
        a->waiting_count--;
        free_job(j);
    }
}

unsigned auth_waiting(const struct auth *a)
{
    return a->waiting_count + a->running_count;
}

void auth_close(struct auth *a, void (*closed)(void *ctx), void *ctx)
{
    a->is_closing = true;
    a->closed = closed;
    a->closed_ctx = ctx;
    while (!list_is_empty(&a->waiting)) {
        free_job(CONTAINER_OF(list_take_first(&a->waiting), struct auth_job, link));
        a->waiting_count--;
    }
    if (a->running_count == 0)
        finish_close(a);
}
