/* story.c -- what became of a message, told to the history when the queue forgets it.
 *
 * Who said the last words is not kept in a field of its own: a million recipients wait without one.
 * It stands before the words, in the reason that a finished recipient leaves behind in queue and
 * journal ("mx.example.org[192.0.2.1]: 250 ok"), and is taken apart here. */
#include "engine_core.h"

#include <stdio.h>
#include <string.h>

#include "history/history_record.h"

struct slice story_words(struct slice host, struct slice ip, struct slice reply,
                         char out[STORY_WORDS_MAX])
{
    if (!host.n)
        return reply;
    int n = snprintf(out, STORY_WORDS_MAX, "%.*s[%.*s]: %.*s", SLICE_FMT(host), SLICE_FMT(ip),
                     SLICE_FMT(reply));
    return slice_of(out, n < STORY_WORDS_MAX ? (size_t)n : STORY_WORDS_MAX - 1);
}

/* A connect that failed says "192.0.2.1:25". */
static struct slice without_port(struct slice ip)
{
    size_t colon = slice_find(ip, ':');
    return slice_find_last(ip, ':') == colon ? slice_head(ip, colon) : ip;
}

/* The other way. Words of ours alone have no such beginning. */
static void split_words(struct slice words, struct history_recipient *out)
{
    size_t open = slice_find(words, '['), end = slice_find(words, ']');
    struct slice host = slice_head(words, open);
    out->reply = words;
    if (!host.n || slice_find(host, ' ') < host.n || end < open ||
        !slice_starts(slice_from(words, end), SLICE("]: ")))
        return;
    out->host = host;
    out->ip = without_port(slice_of(words.p + open + 1, end - open - 1));
    out->reply = slice_from(words, end + 3);
}

static enum history_fate fate_of(enum queue_fate fate)
{
    switch (fate) {
    case QUEUE_DELIVERED:
        return HISTORY_DELIVERED;
    case QUEUE_BOUNCED:
        return HISTORY_BOUNCED;
    case QUEUE_EXPIRED:
        return HISTORY_EXPIRED;
    case QUEUE_REMOVED:
        return HISTORY_REMOVED;
    case QUEUE_WAITING:
    case QUEUE_FATE_COUNT:
        break;
    }
    CHECK(!"the fate of a finished message");
    return HISTORY_REMOVED;
}

/* When its last recipient was done. */
static int64_t ended_ms(const struct engine *e, const struct queue_message *m)
{
    int64_t last_ms = m->accepted_ms;
    for (uint32_t i = 0; i < m->recipient_count; i++)
        if (m->recipient[i].next_ms > last_ms)
            last_ms = m->recipient[i].next_ms;
    return last_ms < e->now_ms ? last_ms : e->now_ms;
}

static bool build(const struct engine *e, const struct queue_message *m, bool has_words,
                  struct buf *out)
{
    const struct body *b = m->body;
    const struct history_record r = {
        .id = m->id,
        .accepted_ms = m->accepted_ms,
        .finished_ms = e->is_started ? e->now_ms : ended_ms(e, m),
        .bytes = m->wire_bytes,
        .is_report = m->is_report,
        .message_id_hash = queue_message_id_hash(m),
        .sender = queue_sender(m),
        .user = queue_user(m),
        .client = queue_client(m),
        .message_id = slice_cstr(b ? b->message_id : NULL),
        .recipient_count = m->recipient_count,
    };
    history_record_begin(&r, out);
    for (uint32_t i = 0; i < m->recipient_count; i++) {
        const struct queue_recipient *q = &m->recipient[i];
        struct history_recipient to = {.address = queue_address(m, i),
                                       .fate = fate_of((enum queue_fate)q->fate),
                                       .attempts = q->attempts,
                                       .ended_ms = q->next_ms};
        if (to.ended_ms < m->accepted_ms || to.ended_ms > r.finished_ms) /* of an older relay */
            to.ended_ms = r.finished_ms;
        if (has_words)
            split_words(slice_cstr(q->reason), &to);
        history_record_add(&to, out);
    }
    return !out->is_full;
}

void story_tell(struct engine *e, const struct queue_message *m)
{
    struct buf out;
    if (!e->opt->history_ms)
        return;
    buf_init(&out, HISTORY_RECORD_BYTES_MAX);
    bool fits = build(e, m, true, &out);
    if (!fits) { /* many recipients, long replies: those are the first to go */
        buf_clear(&out);
        fits = build(e, m, false, &out);
    }
    struct slice kept = fits ? engine_keep(e, buf_slice(&out)) : SLICE_NONE;
    buf_close(&out);
    if (!fits) /* thousands of addresses as long as they may be */
        return;
    struct engine_action *a = engine_do(e, ACTION_HISTORY);
    a->id = m->id;
    a->bytes = kept;
}

static void on_finished(void *ctx, const struct queue_message *m)
{
    struct engine *e = ctx;
    if (ended_ms(e, m) >= e->told_ms)
        story_tell(e, m);
}

void story_on_told(struct engine *e, int64_t told_ms)
{
    e->told_ms = told_ms;
    e->queue.finished = on_finished;
    e->queue.finished_ctx = e;
}
