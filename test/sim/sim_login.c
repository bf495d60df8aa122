/* sim_login.c -- see sim_login.h. */
#include "sim_login.h"

#include "base/base64.h"

#include <stdio.h>
#include <string.h>

static const char user[] = "sim";

static uint64_t mix(uint64_t h, struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (uint8_t)s.p[i]) * 1099511628211ull;
    return (h ^ 0xff) * 1099511628211ull;
}

size_t sim_login_sum(const struct smtp_sasl_sum *sum, uint64_t chance,
                     uint8_t out[SMTP_SASL_SCRAM_BYTES])
{
    static const size_t bytes[] = {[SMTP_SASL_SUM_NONCE] = SMTP_SASL_NONCE_BYTES,
                                   [SMTP_SASL_SUM_SCRAM] = SMTP_SASL_SCRAM_BYTES,
                                   [SMTP_SASL_SUM_HMAC_MD5] = SMTP_SASL_MD5_BYTES};
    uint64_t h = sum->kind == SMTP_SASL_SUM_NONCE ? chance : sum->rounds + 1;
    h = mix(mix(mix(h, sum->password), sum->salt), sum->text);
    for (size_t i = 0; i < bytes[sum->kind]; i++) {
        h = (h ^ i) * 1099511628211ull;
        out[i] = (uint8_t)(h >> 32);
    }
    return bytes[sum->kind];
}

static enum sim_login_end ask(struct sim_login *l, enum sim_login_step step, const char *text,
                              struct buf *out)
{
    l->step = step;
    buf_add_cstr(out, "334 ");
    base64_build(slice_cstr(text), out);
    buf_add_cstr(out, "\r\n");
    return SIM_LOGIN_GOES_ON;
}

static enum sim_login_end end(struct sim_login *l, bool is_good)
{
    l->step = SIM_LOGIN_NONE;
    return is_good ? SIM_LOGIN_IS_GOOD : SIM_LOGIN_IS_BAD;
}

static enum sim_login_end on_plain(struct sim_login *l, struct slice text, const char *password)
{
    char right[200];
    int n = snprintf(right, sizeof right, "%c%s%c%s", 0, user, 0, password);
    return end(l, slice_eq(text, slice_of(right, (size_t)n)));
}

/* "n,,n=sim,r=NONCE" */
static enum sim_login_end on_first(struct sim_login *l, struct slice text, struct buf *out)
{
    char first[256];
    size_t r = slice_find_last(text, '=');
    if (!slice_starts(text, SLICE("n,,n=sim,r=")) || text.n - r > 60)
        return SIM_LOGIN_IS_ODD;
    snprintf(l->nonce, sizeof l->nonce, "%.*sSIM", SLICE_FMT(slice_from(text, r + 1)));
    snprintf(first, sizeof first, "r=%s,s=c2FsdA==,i=4096", l->nonce);
    snprintf(l->signed_text, sizeof l->signed_text, "%.*s,%s", SLICE_FMT(slice_from(text, 3)),
             first);
    return ask(l, SIM_LOGIN_PROOF, first, out);
}

static enum sim_login_end on_proof(struct sim_login *l, struct slice text, const char *password,
                                   struct buf *out)
{
    char wanted[256], final[300];
    uint8_t sum[SMTP_SASL_SCRAM_BYTES];
    size_t p = slice_find_last(text, ',');
    snprintf(wanted, sizeof wanted, "c=biws,r=%s", l->nonce);
    if (!slice_eq(slice_head(text, p), slice_cstr(wanted)))
        return SIM_LOGIN_IS_ODD;
    snprintf(l->signed_text + strlen(l->signed_text),
             sizeof l->signed_text - strlen(l->signed_text), ",%s", wanted);
    const struct smtp_sasl_sum ask_for = {.kind = SMTP_SASL_SUM_SCRAM,
                                          .password = slice_cstr(password),
                                          .salt = SLICE("salt"),
                                          .rounds = 4096,
                                          .text = slice_cstr(l->signed_text)};
    sim_login_sum(&ask_for, 0, sum);
    struct buf b;
    buf_init(&b, 200);
    base64_build(slice_of(sum, 32), &b);
    bool is_right = slice_eq(slice_from(text, p + 3), buf_slice(&b));
    buf_clear(&b);
    base64_build(slice_of(sum + 32, 32), &b);
    snprintf(final, sizeof final, "v=%.*s", SLICE_FMT(buf_slice(&b)));
    buf_close(&b);
    return is_right ? ask(l, SIM_LOGIN_EMPTY, final, out) : end(l, false);
}

static enum sim_login_end on_digest(struct sim_login *l, struct slice text, const char *password)
{
    uint8_t sum[SMTP_SASL_SCRAM_BYTES];
    char right[100];
    const struct smtp_sasl_sum ask_for = {.kind = SMTP_SASL_SUM_HMAC_MD5,
                                          .password = slice_cstr(password),
                                          .text = SLICE("<1.2@sim>")};
    size_t bytes = sim_login_sum(&ask_for, 0, sum);
    int n = snprintf(right, sizeof right, "%s ", user);
    for (size_t i = 0; i < bytes; i++)
        n += snprintf(right + n, sizeof right - (size_t)n, "%02x", sum[i]);
    return end(l, slice_eq(text, slice_cstr(right)));
}

static enum sim_login_end on_response(struct sim_login *l, struct slice text, const char *password,
                                      struct buf *out)
{
    switch (l->step) {
    case SIM_LOGIN_USER:
        l->is_user_right = slice_eq(text, slice_cstr(user));
        return ask(l, SIM_LOGIN_PASSWORD, "Password:", out);
    case SIM_LOGIN_PASSWORD:
        return end(l, l->is_user_right && slice_eq(text, slice_cstr(password)));
    case SIM_LOGIN_DIGEST:
        return on_digest(l, text, password);
    case SIM_LOGIN_PROOF:
        return on_proof(l, text, password, out);
    case SIM_LOGIN_EMPTY:
        return text.n ? SIM_LOGIN_IS_ODD : end(l, true);
    case SIM_LOGIN_NONE:
        break;
    }
    return SIM_LOGIN_IS_ODD;
}

static enum sim_login_end on_command(struct sim_login *l, struct slice name, bool has_initial,
                                     struct slice text, const char *password, struct buf *out)
{
    if (slice_eq(name, SLICE("PLAIN")) && has_initial)
        return on_plain(l, text, password);
    if (slice_eq(name, SLICE("SCRAM-SHA-256")) && has_initial)
        return on_first(l, text, out);
    if (slice_eq(name, SLICE("LOGIN")) && !has_initial)
        return ask(l, SIM_LOGIN_USER, "Username:", out);
    if (slice_eq(name, SLICE("CRAM-MD5")) && !has_initial)
        return ask(l, SIM_LOGIN_DIGEST, "<1.2@sim>", out);
    return SIM_LOGIN_IS_ODD;
}

enum sim_login_end sim_login_on_line(struct sim_login *l, const char *offered, const char *password,
                                     struct slice line, struct buf *out)
{
    struct slice name = SLICE_NONE;
    bool is_command = l->step == SIM_LOGIN_NONE;
    if (is_command) {
        line = slice_from(line, sizeof "AUTH " - 1);
        name = slice_head(line, slice_find(line, ' '));
        char word[64];
        snprintf(word, sizeof word, "%.*s", SLICE_FMT(name));
        if (!strstr(offered, word))
            return SIM_LOGIN_IS_ODD;
        line = slice_from(line, name.n + 1);
    }
    struct buf text;
    buf_init(&text, 2048);
    enum sim_login_end e = SIM_LOGIN_IS_ODD;
    if (base64_parse(line, &text))
        e = is_command ? on_command(l, name, line.n > 0, buf_slice(&text), password, out)
                       : on_response(l, buf_slice(&text), password, out);
    buf_close(&text);
    return e;
}
