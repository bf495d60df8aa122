/* message_id.c -- see the header. */
#include "mail/message_id.h"

#include "base/map.h"

struct slice mail_message_id_bare(struct slice s)
{
    s = slice_trim(s);
    if (s.n > 1 && s.p[0] == '<' && s.p[s.n - 1] == '>')
        s = slice_of(s.p + 1, s.n - 2);
    return s;
}

uint32_t mail_message_id_hash(struct slice s)
{
    struct slice bare = mail_message_id_bare(s);
    uint32_t hash = (uint32_t)hash_sip13(0, 0, bare);
    return !bare.n ? 0 : hash ? hash : 1;
}
