/* sums.c -- see sums.h. */
#include "sums.h"

#include <sodium.h>
#include <string.h>

#include "base/list.h"
#include "net/digest.h"
#include "scram.h"

struct sums_job {
    uv_work_t work;
    struct list link; /* in waiting, while it waits */
    struct sums *owner;
    uint64_t conn;
    bool is_forgotten;
    struct smtp_sasl_sum sum; /* its texts are owned; the password is zeroed before it is freed */
    uint8_t out[SMTP_SASL_SCRAM_BYTES];
    size_t out_bytes;
};

struct sums {
    uv_loop_t *loop;
    sums_answered *answered;
    void *ctx;
    struct list waiting;
    struct sums_job *running[SUMS_RUNNING_MAX];
    bool is_closing;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static size_t work_out_scram(const struct smtp_sasl_sum *sum, uint8_t out[SMTP_SASL_SCRAM_BYTES])
{
    struct smtp_scram_secret secret = {.rounds = sum->rounds, .salt_bytes = sum->salt.n};
    if (sum->salt.n > sizeof secret.salt)
        return 0;
    memcpy(secret.salt, sum->salt.p, sum->salt.n);
    scram_prove(&secret, sum->password, sum->text, out);
    return SMTP_SASL_SCRAM_BYTES;
}

size_t sums_work_out(const struct smtp_sasl_sum *sum, uint8_t out[SMTP_SASL_SCRAM_BYTES])
{
    switch (sum->kind) {
    case SMTP_SASL_SUM_NONCE:
        randombytes_buf(out, SMTP_SASL_NONCE_BYTES);
        return SMTP_SASL_NONCE_BYTES;
    case SMTP_SASL_SUM_SCRAM:
        return work_out_scram(sum, out);
    case SMTP_SASL_SUM_HMAC_MD5:
        digest_hmac_md5(sum->password, sum->text, out);
        return SMTP_SASL_MD5_BYTES;
    }
    return 0;
}

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
    mem_free(s);
    if (closed)
        closed(ctx);
}

static void on_worker(uv_work_t *w)
{
    struct sums_job *j = w->data;
    j->out_bytes = sums_work_out(&j->sum, j->out);
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
    start_next(s);
    if (!j->is_forgotten)
        s->answered(s->ctx, j->conn, slice_of(j->out, status ? 0 : j->out_bytes));
    free_job(j);
}

static void start_next(struct sums *s)
{
    for (unsigned i = 0; i < SUMS_RUNNING_MAX; i++) {
        if (s->running[i] || list_is_empty(&s->waiting))
            continue;
        struct sums_job *j = CONTAINER_OF(list_take_first(&s->waiting), struct sums_job, link);
        s->running[i] = j;
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
