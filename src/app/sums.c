/* sums.c -- see sums.h. */
#include "sums.h"

#include <sodium.h>
#include <string.h>

#include "base/list.h"
#include "net/digest.h"
#include "scram.h"

enum { KEY_BYTES = 32 };

struct sums_known {
    uint8_t name[KEY_BYTES]; /* a keyed hash of password, salt and rounds */
    struct scram_keys keys;
};

struct sums_job {
    uv_work_t work;
    struct list link; /* in waiting, while it waits */
    struct sums *owner;
    uint64_t conn;
    bool is_forgotten;
    struct smtp_sasl_sum sum; /* its texts are owned; the password is zeroed before it is freed */
    struct scram_keys keys;   /* of SCRAM: remembered, or the worker's answer */
    bool has_keys, is_new;    /* is_new: the worker's */
    uint8_t name[KEY_BYTES];  /* what they are remembered under */
    uint8_t out[SMTP_SASL_SCRAM_BYTES];
    size_t out_bytes;
};

struct sums {
    uv_loop_t *loop;
    sums_answered *answered;
    void *ctx;
    struct list waiting;
    struct sums_job *running[SUMS_RUNNING_MAX];
    struct sums_known known[SUMS_KEYS_MAX];
    unsigned known_count, oldest;
    uint8_t secret[crypto_generichash_KEYBYTES];
    bool is_closing;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static bool make_keys(const struct smtp_sasl_sum *sum, struct scram_keys *out)
{
    struct smtp_scram_secret secret = {.rounds = sum->rounds, .salt_bytes = sum->salt.n};
    if (sum->salt.n > sizeof secret.salt)
        return false;
    memcpy(secret.salt, sum->salt.p, sum->salt.n);
    scram_keys(&secret, sum->password, out);
    return true;
}

size_t sums_work_out(const struct smtp_sasl_sum *sum, uint8_t out[SMTP_SASL_SCRAM_BYTES])
{
    struct scram_keys keys;
    switch (sum->kind) {
    case SMTP_SASL_SUM_NONCE:
        randombytes_buf(out, SMTP_SASL_NONCE_BYTES);
        return SMTP_SASL_NONCE_BYTES;
    case SMTP_SASL_SUM_SCRAM:
        if (!make_keys(sum, &keys))
            return 0;
        scram_prove(&keys, sum->text, out);
        sodium_memzero(&keys, sizeof keys);
        return SMTP_SASL_SCRAM_BYTES;
    case SMTP_SASL_SUM_HMAC_MD5:
        digest_hmac_md5(sum->password, sum->text, out);
        return SMTP_SASL_MD5_BYTES;
    }
    return 0;
}

/* ---- what is remembered ---- */

static void name_keys(const struct sums *s, const struct smtp_sasl_sum *sum, uint8_t out[KEY_BYTES])
{
    crypto_generichash_state st;
    const uint64_t head[] = {sum->rounds, sum->salt.n};
    crypto_generichash_init(&st, s->secret, sizeof s->secret, KEY_BYTES);
    crypto_generichash_update(&st, (const uint8_t *)head, sizeof head);
    crypto_generichash_update(&st, (const uint8_t *)sum->salt.p, sum->salt.n);
    crypto_generichash_update(&st, (const uint8_t *)sum->password.p, sum->password.n);
    crypto_generichash_final(&st, out, KEY_BYTES);
    sodium_memzero(&st, sizeof st);
}

static const struct sums_known *find(const struct sums *s, const uint8_t name[KEY_BYTES])
{
    for (unsigned i = 0; i < s->known_count; i++)
        if (memcmp(s->known[i].name, name, KEY_BYTES) == 0)
            return &s->known[i];
    return NULL;
}

static void remember(struct sums *s, const struct sums_job *j)
{
    if (find(s, j->name))
        return;
    unsigned at = s->known_count;
    if (at < SUMS_KEYS_MAX)
        s->known_count++;
    else
        at = s->oldest++ % SUMS_KEYS_MAX;
    memcpy(s->known[at].name, j->name, KEY_BYTES);
    s->known[at].keys = j->keys;
}

/* ---- on the pool ---- */

static struct slice copy(struct slice s)
{
    return slice_of(mem_dup(s.p, s.n), s.n);
}

static void free_job(struct sums_job *j)
{
    char *password = (char *)(uintptr_t)j->sum.password.p;
    sodium_memzero(password, j->sum.password.n);
    mem_free(password);
    mem_free((char *)(uintptr_t)j->sum.salt.p);
    mem_free((char *)(uintptr_t)j->sum.text.p);
    sodium_memzero(j->out, sizeof j->out);
    sodium_memzero(&j->keys, sizeof j->keys);
    mem_free(j);
}

static unsigned running_count(const struct sums *s)
{
    unsigned n = 0;
    for (unsigned i = 0; i < SUMS_RUNNING_MAX; i++)
        n += s->running[i] != NULL;
    return n;
}

static void finish_close(struct sums *s)
{
    void (*closed)(void *) = s->closed;
    void *ctx = s->closed_ctx;
    sodium_memzero(s, sizeof *s);
    mem_free(s);
    if (closed)
        closed(ctx);
}

static void on_worker(uv_work_t *w)
{
    struct sums_job *j = w->data;
    if (j->sum.kind != SMTP_SASL_SUM_SCRAM) {
        j->out_bytes = sums_work_out(&j->sum, j->out);
        return;
    }
    if (!j->has_keys)
        j->has_keys = j->is_new = make_keys(&j->sum, &j->keys);
    if (!j->has_keys)
        return;
    scram_prove(&j->keys, j->sum.text, j->out);
    j->out_bytes = SMTP_SASL_SCRAM_BYTES;
}

static void start_next(struct sums *s);

static void on_worked(uv_work_t *w, int status)
{
    struct sums_job *j = w->data;
    struct sums *s = j->owner;
    for (unsigned i = 0; i < SUMS_RUNNING_MAX; i++)
        if (s->running[i] == j)
            s->running[i] = NULL;
    if (s->is_closing) {
        free_job(j);
        if (!running_count(s))
            finish_close(s);
        return;
    }
    if (j->is_new && !status)
        remember(s, j);
    start_next(s);
    if (!j->is_forgotten)
        s->answered(s->ctx, j->conn, slice_of(j->out, status ? 0 : j->out_bytes));
    free_job(j);
}

static void use_known(const struct sums *s, struct sums_job *j)
{
    const struct sums_known *known = find(s, j->name);
    if (!known || j->sum.kind != SMTP_SASL_SUM_SCRAM)
        return;
    j->keys = known->keys;
    j->has_keys = true;
}

static void start_next(struct sums *s)
{
    for (unsigned i = 0; i < SUMS_RUNNING_MAX; i++) {
        if (s->running[i] || list_is_empty(&s->waiting))
            continue;
        struct sums_job *j = CONTAINER_OF(list_take_first(&s->waiting), struct sums_job, link);
        s->running[i] = j;
        use_known(s, j);
        CHECK(uv_queue_work(s->loop, &j->work, on_worker, on_worked) == 0);
    }
}

struct sums *sums_new(uv_loop_t *loop, sums_answered *answered, void *ctx)
{
    struct sums *s = mem_new(sizeof *s);
    s->loop = loop;
    s->answered = answered;
    s->ctx = ctx;
    list_init(&s->waiting);
    crypto_generichash_keygen(s->secret);
    return s;
}

void sums_ask(struct sums *s, uint64_t conn, const struct smtp_sasl_sum *sum)
{
    struct sums_job *j = mem_new(sizeof *j);
    j->work.data = j;
    j->owner = s;
    j->conn = conn;
    j->sum = *sum;
    j->sum.password = copy(sum->password);
    j->sum.salt = copy(sum->salt);
    j->sum.text = copy(sum->text);
    if (sum->kind == SMTP_SASL_SUM_SCRAM)
        name_keys(s, sum, j->name);
    list_add_last(&s->waiting, &j->link);
    start_next(s);
}

void sums_forget(struct sums *s, uint64_t conn)
{
    for (unsigned i = 0; i < SUMS_RUNNING_MAX; i++)
        if (s->running[i] && s->running[i]->conn == conn)
            s->running[i]->is_forgotten = true;
    for (struct list *at = s->waiting.next; at != &s->waiting;) {
        struct sums_job *j = CONTAINER_OF(at, struct sums_job, link);
        at = at->next;
        if (j->conn != conn)
            continue;
        list_remove(&j->link);
        free_job(j);
    }
}

unsigned sums_remembered(const struct sums *s)
{
    return s->known_count;
}

void sums_close(struct sums *s, void (*closed)(void *ctx), void *ctx)
{
    s->is_closing = true;
    s->closed = closed;
    s->closed_ctx = ctx;
    while (!list_is_empty(&s->waiting))
        free_job(CONTAINER_OF(list_take_first(&s->waiting), struct sums_job, link));
    if (!running_count(s))
        finish_close(s);
}
