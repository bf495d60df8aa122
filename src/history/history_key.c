/* history_key.c -- see the header. What is hashed begins with a letter that says of what kind it
 * is, so that a Message-ID that looks like an address is another key. Of a Message-ID the 32 bits
 * are hashed that the queue keeps: of a message that ends without its body at hand no more is
 * known, and it is to be found all the same. */
#include "history/history_key.h"

#include <string.h>

#include "base/map.h"
#include "mail/message_id.h"

enum { COMPARED = 16 }; /* keys looked at for doubles; more than that cost only room */

static uint64_t hash(const struct history_salt *salt, char kind, struct slice s, bool folds)
{
    char text[1 + HISTORY_TEXT_BYTES_MAX];
    s = slice_head(s, HISTORY_TEXT_BYTES_MAX);
    text[0] = kind;
    for (size_t i = 0; i < s.n; i++)
        text[i + 1] = folds ? ascii_lower(s.p[i]) : s.p[i];
    return hash_sip13(salt->k0, salt->k1, slice_of(text, s.n + 1));
}

uint64_t history_key_id(const struct history_salt *salt, uint64_t id)
{
    return hash(salt, 'i', slice_of(&id, sizeof id), false);
}

uint64_t history_key_address(const struct history_salt *salt, struct slice address)
{
    return hash(salt, 'a', address, true);
}

static uint64_t key_of_hash(const struct history_salt *salt, uint32_t message_id_hash)
{
    return hash(salt, 'm', slice_of(&message_id_hash, sizeof message_id_hash), false);
}

uint64_t history_key_message_id(const struct history_salt *salt, struct slice message_id)
{
    return key_of_hash(salt, mail_message_id_hash(message_id));
}

static unsigned add(uint64_t *key, unsigned count, uint64_t fresh)
{
    for (unsigned i = 0; i < count && i < COMPARED; i++)
        if (key[i] == fresh)
            return count;
    key[count] = fresh;
    return count + 1;
}

unsigned history_keys(const struct history_salt *salt, const struct history_record *r,
                      uint64_t *key)
{
    unsigned count = add(key, 0, history_key_id(salt, r->id));
    if (r->message_id_hash)
        count = add(key, count, key_of_hash(salt, r->message_id_hash));
    if (r->sender.n)
        count = add(key, count, history_key_address(salt, r->sender));
    struct history_recipient to;
    for (struct slice rest = r->recipients; history_record_next(&rest, &to);)
        count = add(key, count, history_key_address(salt, to.address));
    return count;
}
