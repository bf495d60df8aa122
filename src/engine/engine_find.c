/* engine_find.c -- messages of the queue by address or Message-ID, a step at a time: there is no
 * index for so rare a question, and a million messages must not stop the loop. */
#include "engine/engine_view.h"
#include "engine_core.h"
#include "mail/message_id.h"

static bool has_address(const struct queue_message *m, struct slice address)
{
    if (slice_eq_nocase(queue_sender(m), address))
        return true;
    for (uint32_t i = 0; i < m->recipient_count; i++)
        if (slice_eq_nocase(queue_address(m, i), address))
            return true;
    return false;
}

bool engine_find(const struct engine *e, const struct engine_query *q, uint64_t *after,
                 void (*found)(void *ctx, uint64_t id), void *ctx)
{
    uint32_t hash = mail_message_id_hash(q->message_id);
    const struct queue_message *m = queue_after_id(&e->queue, *after);
    for (int i = 0; m && i < ENGINE_FIND_STEP; i++) {
        bool is_it = (q->address.n && has_address(m, q->address)) ||
                     (hash && queue_message_id_hash(m) == hash);
        *after = m->id;
        if (is_it)
            found(ctx, m->id);
        m = queue_after(&e->queue, m);
    }
    return m != NULL;
}
