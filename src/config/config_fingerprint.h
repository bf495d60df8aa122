/* config_fingerprint.h -- the reader for fingerprints of certificates. */
#pragma once

#include "base/arena.h"
#include "engine/engine_options.h"

/* "sha256:HEX" or "spki-sha256:HEX"; colons between the bytes, as openssl writes them, are let in.
 * Gives what is wrong. */
struct slice config_fingerprint_set(struct slice text, struct arena *a,
                                    struct engine_fingerprint *out);
