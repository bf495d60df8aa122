/* history_key.h -- what a finished message is found by: its id, its addresses, its Message-ID; each
 * as a 64-bit hash under the installation's salt, so that the index tells nobody an address, also
 * where the record itself holds only a redacted one. */
#pragma once

#include "history/history_record.h"

enum { HISTORY_KEYS_MAX = HISTORY_RECIPIENTS_MAX + 3 };

struct history_salt {
    uint64_t k0, k1;
};

uint64_t history_key_id(const struct history_salt *salt, uint64_t id);
/* Sender or recipient, case ignored. */
uint64_t history_key_address(const struct history_salt *salt, struct slice address);
/* With or without its angle brackets. */
uint64_t history_key_message_id(const struct history_salt *salt, struct slice message_id);
/* All keys of a parsed record: how many; each once as long as they are few. key: HISTORY_KEYS_MAX
 * places. */
unsigned history_keys(const struct history_salt *salt, const struct history_record *r,
                      uint64_t *key);
