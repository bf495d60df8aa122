/* scram.c -- see scram.h. RFC 5802 section 3:
 *
 *   SaltedPassword  = PBKDF2-HMAC-SHA-256(password, salt, rounds)
 *   ClientKey       = HMAC(SaltedPassword, "Client Key")    StoredKey = SHA-256(ClientKey)
 *   ServerKey       = HMAC(SaltedPassword, "Server Key")
 *   AuthMessage     = client-first-bare "," server-first "," client-final-without-proof
 *   ClientProof     = ClientKey XOR HMAC(StoredKey, AuthMessage)
 *   ServerSignature = HMAC(ServerKey, AuthMessage)
 *
 * Passwords are taken byte for byte: SASLprep would change nothing of ASCII. */
#include "scram.h"

#include <sodium.h>
#include <string.h>

#include "base/base64.h"

enum { NONCE_BYTES = 18, KEY_BYTES = SMTP_SCRAM_KEY_BYTES, TEXT_BYTES_MAX = 8192 };

_Static_assert(KEY_BYTES == crypto_auth_hmacsha256_BYTES, "SHA-256");

static void hmac(const uint8_t *key, size_t key_bytes, struct slice a, struct slice b,
                 uint8_t out[KEY_BYTES])
{
    crypto_auth_hmacsha256_state st;
    crypto_auth_hmacsha256_init(&st, key, key_bytes);
    crypto_auth_hmacsha256_update(&st, (const uint8_t *)a.p, a.n);
    crypto_auth_hmacsha256_update(&st, (const uint8_t *)b.p, b.n);
    crypto_auth_hmacsha256_final(&st, out);
    sodium_memzero(&st, sizeof st);
}

/* One block is all we need. The key's share of each HMAC is worked out once. */
static void pbkdf2(struct slice password, const struct smtp_scram_secret *s, uint8_t out[KEY_BYTES])
{
    crypto_auth_hmacsha256_state keyed, st;
    static const uint8_t first_block[4] = {0, 0, 0, 1};
    uint8_t u[KEY_BYTES];
    crypto_auth_hmacsha256_init(&keyed, (const uint8_t *)password.p, password.n);
    st = keyed;
    crypto_auth_hmacsha256_update(&st, s->salt, s->salt_bytes);
    crypto_auth_hmacsha256_update(&st, first_block, sizeof first_block);
    crypto_auth_hmacsha256_final(&st, u);
    memcpy(out, u, KEY_BYTES);
    for (unsigned i = 1; i < s->rounds; i++) {
        st = keyed;
        crypto_auth_hmacsha256_update(&st, u, KEY_BYTES);
        crypto_auth_hmacsha256_final(&st, u);
        for (int k = 0; k < KEY_BYTES; k++)
            out[k] ^= u[k];
    }
    sodium_memzero(&keyed, sizeof keyed);
    sodium_memzero(&st, sizeof st);
    sodium_memzero(u, sizeof u);
}

void scram_make(struct smtp_scram_secret *out, struct slice password)
{
    uint8_t salted[KEY_BYTES], client_key[KEY_BYTES];
    pbkdf2(password, out, salted);
    hmac(salted, KEY_BYTES, SLICE("Client Key"), SLICE_NONE, client_key);
    crypto_hash_sha256(out->stored_key, client_key, KEY_BYTES);
    hmac(salted, KEY_BYTES, SLICE("Server Key"), SLICE_NONE, out->server_key);
    sodium_memzero(salted, sizeof salted);
    sodium_memzero(client_key, sizeof client_key);
}

void scram_keys(const struct smtp_scram_secret *s, struct slice password, struct scram_keys *out)
{
    uint8_t salted[KEY_BYTES];
    pbkdf2(password, s, salted);
    hmac(salted, KEY_BYTES, SLICE("Client Key"), SLICE_NONE, out->client);
    hmac(salted, KEY_BYTES, SLICE("Server Key"), SLICE_NONE, out->server);
    sodium_memzero(salted, sizeof salted);
}

void scram_prove(const struct scram_keys *keys, struct slice text,
                 uint8_t out[2 * SMTP_SCRAM_KEY_BYTES])
{
    uint8_t stored_key[KEY_BYTES];
    crypto_hash_sha256(stored_key, keys->client, KEY_BYTES);
    hmac(stored_key, KEY_BYTES, text, SLICE_NONE, out);
    for (int i = 0; i < KEY_BYTES; i++)
        out[i] ^= keys->client[i];
    hmac(keys->server, KEY_BYTES, text, SLICE_NONE, out + KEY_BYTES);
    sodium_memzero(stored_key, sizeof stored_key);
}

bool scram_verify(const struct smtp_scram_secret *secret, struct slice password)
{
    struct smtp_scram_secret made = *secret;
    scram_make(&made, password);
    return sodium_memcmp(made.stored_key, secret->stored_key, KEY_BYTES) == 0;
}

/* RFC 5802 section 7, cbind-input: the header as it came, and what it binds to. */
static void keep_binding(struct scram *s, struct slice header, struct slice binding)
{
    struct buf input;
    buf_init(&input, TEXT_BYTES_MAX);
    buf_add(&input, header);
    buf_add(&input, binding);
    base64_build(buf_slice(&input), &s->binding);
    buf_close(&input);
}

bool scram_begin(struct scram *s, struct slice first, struct slice binding,
                 const struct smtp_scram_secret *secret, bool is_known)
{
    struct smtp_scram_first f;
    *s = (struct scram){.is_known = is_known, .secret = *secret};
    buf_init(&s->signed_text, TEXT_BYTES_MAX);
    buf_init(&s->nonce, TEXT_BYTES_MAX);
    buf_init(&s->binding, TEXT_BYTES_MAX);
    buf_init(&s->out, TEXT_BYTES_MAX);
    if (!smtp_scram_first_parse(first, &f) || (f.flag == SMTP_SCRAM_BOUND) != (binding.n > 0))
        return false;
    uint8_t ours[NONCE_BYTES];
    randombytes_buf(ours, sizeof ours);
    buf_add(&s->nonce, f.nonce);
    base64_build(slice_of(ours, sizeof ours), &s->nonce);
    keep_binding(s, f.header, binding);
    buf_addf(&s->out, "r=%.*s,s=", SLICE_FMT(buf_slice(&s->nonce)));
    base64_build(slice_of(secret->salt, secret->salt_bytes), &s->out);
    buf_addf(&s->out, ",i=%u", secret->rounds);
    buf_addf(&s->signed_text, "%.*s,%.*s,", SLICE_FMT(f.bare), SLICE_FMT(buf_slice(&s->out)));
    return true;
}

enum engine_login scram_end(struct scram *s, struct slice final)
{
    struct smtp_scram_final f;
    if (!smtp_scram_final_parse(final, &f) || !slice_eq(f.nonce, buf_slice(&s->nonce)) ||
        !slice_eq(f.binding, buf_slice(&s->binding)))
        return LOGIN_WRONG;
    uint8_t signature[KEY_BYTES], client_key[KEY_BYTES], stored_key[KEY_BYTES];
    struct slice text = buf_slice(&s->signed_text);
    hmac(s->secret.stored_key, KEY_BYTES, text, f.without_proof, signature);
    for (int i = 0; i < KEY_BYTES; i++)
        client_key[i] = f.proof[i] ^ signature[i];
    crypto_hash_sha256(stored_key, client_key, KEY_BYTES);
    bool is_right = sodium_memcmp(stored_key, s->secret.stored_key, KEY_BYTES) == 0;
    sodium_memzero(client_key, sizeof client_key);
    hmac(s->secret.server_key, KEY_BYTES, text, f.without_proof, signature);
    if (!is_right || !s->is_known)
        return LOGIN_WRONG;
    buf_clear(&s->out);
    buf_add_cstr(&s->out, "v=");
    base64_build(slice_of(signature, sizeof signature), &s->out);
    return LOGIN_OK;
}

void scram_close(struct scram *s)
{
    buf_close(&s->signed_text);
    buf_close(&s->nonce);
    buf_close(&s->binding);
    buf_close(&s->out);
    sodium_memzero(s, sizeof *s);
}
