/* smtp_scram.c -- see the header. */
#include "smtp/smtp_scram.h"

#include "base/base64.h"
#include "base/utf8.h"

#include <string.h>

/* "X=value" up to the next comma, which is taken, too. */
static bool take_attribute(struct slice *in, char name, struct slice *value)
{
    if (in->n < 2 || in->p[0] != name || in->p[1] != '=')
        return false;
    struct slice rest = slice_from(*in, 2);
    size_t n = slice_find(rest, ',');
    *value = slice_head(rest, n);
    *in = slice_from(rest, n + 1);
    return value->n > 0;
}

/* RFC 5802: printable ASCII without the comma. */
static bool is_nonce(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x21 || s.p[i] > 0x7e || s.p[i] == ',')
            return false;
    return s.n > 0;
}

static bool take_name(struct slice in, struct smtp_scram_first *out)
{
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];
        if (c == '=') {
            struct slice code = slice_head(slice_from(in, i + 1), 2);
            bool is_comma = slice_eq(code, SLICE("2C"));
            if (!is_comma && !slice_eq(code, SLICE("3D")))
                return false;
            c = is_comma ? ',' : '=';
            i += 2;
        }
        if (!c || out->name_bytes == SMTP_SCRAM_NAME_BYTES_MAX)
            return false;
        out->name[out->name_bytes++] = c;
    }
    return out->name_bytes > 0 && utf8_is_valid(slice_of(out->name, out->name_bytes));
}

/* cb-name = 1*(ALPHA / DIGIT / "." / "-") */
static bool is_binding(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_is_alpha(s.p[i]) && !ascii_is_digit(s.p[i]) && s.p[i] != '.' && s.p[i] != '-')
            return false;
    return s.n > 0;
}

/* "n", "y" or "p=TYPE"; *flag_bytes: how long it is. */
static bool take_flag(struct slice in, struct smtp_scram_first *out, size_t *flag_bytes)
{
    struct slice flag = slice_head(in, slice_find(in, ','));
    *flag_bytes = flag.n;
    if (slice_starts(flag, SLICE("p="))) {
        out->flag = SMTP_SCRAM_BOUND;
        out->binding = slice_from(flag, 2);
        return is_binding(out->binding);
    }
    out->flag = slice_eq(flag, SLICE("y")) ? SMTP_SCRAM_UNUSED : SMTP_SCRAM_UNABLE;
    return out->flag == SMTP_SCRAM_UNUSED || slice_eq(flag, SLICE("n"));
}

bool smtp_scram_first_parse(struct slice in, struct smtp_scram_first *out)
{
    size_t flag_bytes;
    *out = (struct smtp_scram_first){0};
    if (in.n > SMTP_SCRAM_MESSAGE_BYTES_MAX || !take_flag(in, out, &flag_bytes))
        return false;
    struct slice authzid = slice_from(in, flag_bytes + 1);
    authzid = slice_head(authzid, slice_find(authzid, ','));
    out->header = slice_head(in, flag_bytes + 1 + authzid.n + 1);
    out->bare = slice_from(in, out->header.n);
    struct slice rest = out->bare, name;
    if (!take_attribute(&rest, 'n', &name) || !take_name(name, out))
        return false;
    if (authzid.n && !slice_starts(authzid, SLICE("a=")))
        return false;
    authzid = slice_from(authzid, 2);
    if (authzid.n && !slice_eq(authzid, name))
        return false;
    return take_attribute(&rest, 'r', &out->nonce) && is_nonce(out->nonce) &&
           out->nonce.n <= SMTP_SCRAM_NONCE_BYTES_MAX;
}

static bool take_key(struct slice text, uint8_t key[SMTP_SCRAM_KEY_BYTES])
{
    struct buf bytes;
    buf_init(&bytes, SMTP_SCRAM_KEY_BYTES);
    bool is_key = base64_parse(text, &bytes) && bytes.n == SMTP_SCRAM_KEY_BYTES;
    if (is_key)
        memcpy(key, bytes.p, SMTP_SCRAM_KEY_BYTES);
    buf_close(&bytes);
    return is_key;
}

bool smtp_scram_final_parse(struct slice in, struct smtp_scram_final *out)
{
    *out = (struct smtp_scram_final){0};
    size_t last = slice_find_last(in, ',');
    struct slice rest = in, proof;
    out->without_proof = slice_head(in, last);
    if (in.n > SMTP_SCRAM_MESSAGE_BYTES_MAX || last == in.n)
        return false;
    if (!take_attribute(&rest, 'c', &out->binding) || !take_attribute(&rest, 'r', &out->nonce))
        return false;
    proof = slice_from(in, last + 1);
    return is_nonce(out->nonce) && take_attribute(&proof, 'p', &rest) && take_key(rest, out->proof);
}

bool smtp_scram_secret_parse(struct slice in, struct smtp_scram_secret *out)
{
    *out = (struct smtp_scram_secret){0};
    if (!slice_starts(in, SLICE(SMTP_SCRAM_SECRET_HEAD)))
        return false;
    in = slice_from(in, sizeof SMTP_SCRAM_SECRET_HEAD - 1);
    size_t colon = slice_find(in, ':'), dollar = slice_find(in, '$');
    uint64_t rounds;
    if (colon >= dollar || dollar == in.n || !slice_to_u64(slice_head(in, colon), &rounds) ||
        rounds < 1 || rounds > SMTP_SCRAM_ROUNDS_MAX)
        return false;
    out->rounds = (unsigned)rounds;
    struct buf salt;
    buf_init(&salt, SMTP_SCRAM_SALT_BYTES_MAX);
    bool has_salt = base64_parse(slice_of(in.p + colon + 1, dollar - colon - 1), &salt) && salt.n;
    out->salt_bytes = has_salt ? salt.n : 0;
    if (has_salt)
        memcpy(out->salt, salt.p, salt.n);
    buf_close(&salt);
    struct slice keys = slice_from(in, dollar + 1);
    size_t middle = slice_find(keys, ':');
    return has_salt && take_key(slice_head(keys, middle), out->stored_key) &&
           take_key(slice_from(keys, middle + 1), out->server_key);
}

bool smtp_scram_secret_build(const struct smtp_scram_secret *s, struct buf *out)
{
    return buf_addf(out, SMTP_SCRAM_SECRET_HEAD "%u:", s->rounds) &&
           base64_build(slice_of(s->salt, s->salt_bytes), out) && buf_add_char(out, '$') &&
           base64_build(slice_of(s->stored_key, sizeof s->stored_key), out) &&
           buf_add_char(out, ':') &&
           base64_build(slice_of(s->server_key, sizeof s->server_key), out);
}
