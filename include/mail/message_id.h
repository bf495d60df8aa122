/* message_id.h -- the Message-ID of a message as something to find it by. */
#pragma once

#include "base/slice.h"

/* "<x@y>" without its angle brackets and the blanks around. */
struct slice mail_message_id_bare(struct slice s);
/* 32 bits of it, with or without its brackets: enough to find a message by where the whole is not
 * at hand. 0: it is empty. Stays the same for ever: it stands in files. */
uint32_t mail_message_id_hash(struct slice s);
