/* smtp_scram_client.c -- see the header. */
#include "smtp_scram_client.h"

#include "base/base64.h"

#include <string.h>

void smtp_scram_client_init(struct smtp_scram_client *s)
{
    *s = (struct smtp_scram_client){0};
    buf_init(&s->header, SMTP_SCRAM_TEXT_BYTES_MAX);
    buf_init(&s->nonce, SMTP_SCRAM_TEXT_BYTES_MAX);
    buf_init(&s->signed_text, SMTP_SCRAM_TEXT_BYTES_MAX);
    buf_init(&s->without_proof, SMTP_SCRAM_TEXT_BYTES_MAX);
}

void smtp_scram_client_close(struct smtp_scram_client *s)
{
    buf_close(&s->header);
    buf_close(&s->nonce);
    buf_close(&s->signed_text);
    buf_close(&s->without_proof);
    *s = (struct smtp_scram_client){0};
}

/* saslname: "," and "=" have a meaning of their own. */
static void add_name(struct buf *out, struct slice user)
{
    for (size_t i = 0; i < user.n; i++) {
        if (user.p[i] == ',')
            buf_add_cstr(out, "=2C");
        else if (user.p[i] == '=')
            buf_add_cstr(out, "=3D");
        else
            buf_add_char(out, user.p[i]);
    }
}

void smtp_scram_client_first(struct smtp_scram_client *s, struct slice user, struct slice nonce,
                             struct slice binding, bool is_able, struct buf *out)
{
    buf_clear(&s->header);
    buf_clear(&s->nonce);
    buf_clear(&s->signed_text);
    if (binding.n)
        buf_addf(&s->header, "p=%.*s,,", SLICE_FMT(binding));
    else
        buf_add_cstr(&s->header, is_able ? "y,," : "n,,");
    base64_build(nonce, &s->nonce);
    buf_add_cstr(&s->signed_text, "n=");
    add_name(&s->signed_text, user);
    buf_addf(&s->signed_text, ",r=%.*s", SLICE_FMT(buf_slice(&s->nonce)));
    buf_add(out, buf_slice(&s->header));
    buf_add(out, buf_slice(&s->signed_text));
}

/* "X=value" up to the next comma, which is taken, too. */
static bool take(struct slice *in, char name, struct slice *value)
{
    if (in->n < 2 || in->p[0] != name || in->p[1] != '=')
        return false;
    struct slice rest = slice_from(*in, 2);
    *value = slice_head(rest, slice_find(rest, ','));
    *in = slice_from(rest, value->n + 1);
    return value->n > 0;
}

static bool is_printable(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x21 || s.p[i] > 0x7e)
            return false;
    return true;
}

static bool take_salt(struct smtp_scram_client *s, struct slice text)
{
    struct buf salt;
    buf_init(&salt, sizeof s->salt);
    bool is_good = base64_parse(text, &salt) && salt.n;
    s->salt_bytes = is_good ? salt.n : 0;
    if (is_good)
        memcpy(s->salt, salt.p, salt.n);
    buf_close(&salt);
    return is_good;
}

/* RFC 5802 section 7, cbind-input: the header, and what it binds to. */
static void add_binding(struct smtp_scram_client *s, struct slice data)
{
    struct buf input;
    buf_init(&input, SMTP_SCRAM_TEXT_BYTES_MAX);
    buf_add(&input, buf_slice(&s->header));
    buf_add(&input, data);
    base64_build(buf_slice(&input), &s->without_proof);
    buf_close(&input);
}

const char *smtp_scram_client_challenge(struct smtp_scram_client *s, struct slice in,
                                        struct slice data)
{
    struct slice rest = in, nonce, salt, rounds, ours = buf_slice(&s->nonce);
    uint64_t count;
    if (!take(&rest, 'r', &nonce) || !take(&rest, 's', &salt) || !take(&rest, 'i', &rounds) ||
        !is_printable(nonce) || !take_salt(s, salt) || !slice_to_u64(rounds, &count))
        return "its first message is no SCRAM that we know";
    if (nonce.n <= ours.n || !slice_starts(nonce, ours))
        return "it answers with a nonce that is not ours";
    if (count < SMTP_SCRAM_ROUNDS_LEAST)
        return "it asks for fewer than 4096 rounds, which makes the password easy to guess";
    if (count > SMTP_SCRAM_ROUNDS_MAX)
        return "it asks for more than 1000000 rounds";
    s->rounds = (unsigned)count;
    buf_clear(&s->without_proof);
    buf_add_cstr(&s->without_proof, "c=");
    add_binding(s, data);
    buf_addf(&s->without_proof, ",r=%.*s", SLICE_FMT(nonce));
    buf_addf(&s->signed_text, ",%.*s,%.*s", SLICE_FMT(in), SLICE_FMT(buf_slice(&s->without_proof)));
    bool is_whole = !s->without_proof.is_full && !s->signed_text.is_full;
    return is_whole ? NULL : "its first message is too long";
}

void smtp_scram_client_final(struct smtp_scram_client *s,
                             const uint8_t proof[2 * SMTP_SCRAM_KEY_BYTES], struct buf *out)
{
    memcpy(s->signature, proof + SMTP_SCRAM_KEY_BYTES, sizeof s->signature);
    buf_addf(out, "%.*s,p=", SLICE_FMT(buf_slice(&s->without_proof)));
    base64_build(slice_of(proof, SMTP_SCRAM_KEY_BYTES), out);
}

const char *smtp_scram_client_verify(const struct smtp_scram_client *s, struct slice in)
{
    struct slice value;
    struct buf got;
    buf_init(&got, sizeof s->signature);
    bool is_right = take(&in, 'v', &value) && base64_parse(value, &got) &&
                    got.n == sizeof s->signature &&
                    memcmp(got.p, s->signature, sizeof s->signature) == 0;
    buf_close(&got);
    return is_right ? NULL : "it does not know the password itself: this may be an impostor";
}
