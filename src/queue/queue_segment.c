/* queue_segment.c -- segments: who holds them, which need others to die first, which are dead.
 *
 * A finished message leaves a trace: the segment D with its last outcome needs every segment S with
 * an accept record of it to die first, else a restart would find the accept record in S without the
 * outcome and deliver again. D keeps a short list of such S. A checkpoint of S, written to a
 * segment N, says the same for all of D's messages at once: then only N needs S.
 *
 * Segments die in two steps: nothing holds one any more (it is marked dead), and queue_next_dead
 * hands it out. In between it may be needed again: at start a body's chunks stand before the accept
 * record that names them. */
#include "queue_inside.h"

struct queue_segment *queue_segment_find(const struct queue *q, uint64_t segment)
{
    return sorted_get(&q->segments, segment);
}

struct queue_segment *queue_segment_after(const struct queue *q, uint64_t segment)
{
    return sorted_after(&q->segments, segment);
}

struct queue_segment *segment_get(struct queue *q, uint64_t sequence)
{
    struct queue_segment *s = queue_segment_find(q, sequence);
    if (s)
        return s;
    s = mem_new(sizeof *s);
    s->sequence = sequence;
    bool is_new = sorted_put(&q->segments, sequence, s);
    CHECK(is_new);
    return s;
}

static void set_dead(struct queue *q, struct queue_segment *s, bool is_dead)
{
    if (s->is_dead == is_dead)
        return;
    s->is_dead = is_dead;
    q->dead_count += is_dead ? 1 : UINT64_MAX;
}

void segment_consider(struct queue *q, struct queue_segment *s)
{
    set_dead(q, s, !s->live && !s->need_count && s->sequence < q->newest_segment);
}

void segment_weigh(struct queue *q, uint64_t sequence, uint64_t bytes)
{
    segment_get(q, sequence)->live_bytes += bytes;
    q->live_bytes += bytes;
}

void segment_hold(struct queue *q, uint64_t sequence, uint64_t bytes)
{
    struct queue_segment *s = segment_get(q, sequence);
    s->live++;
    segment_weigh(q, sequence, bytes);
    set_dead(q, s, false);
}

void segment_drop(struct queue *q, uint64_t sequence, uint64_t bytes)
{
    struct queue_segment *s = queue_segment_find(q, sequence);
    CHECK(s && s->live > 0 && s->live_bytes >= bytes);
    s->live--;
    s->live_bytes -= bytes;
    q->live_bytes -= bytes;
    segment_consider(q, s);
}

void segment_needs(struct queue *q, struct queue_segment *s, uint64_t other)
{
    if (other == s->sequence || !queue_segment_find(q, other))
        return;
    for (uint32_t i = 0; i < s->need_count; i++) {
        if (s->need[i].segment == other) {
            s->need[i].pass = q->pass;
            return;
        }
    }
    if (s->need_count == s->need_cap) {
        s->need_cap = s->need_cap ? s->need_cap * 2 : 4;
        s->need = mem_resize(s->need, s->need_cap * sizeof *s->need);
    }
    s->need[s->need_count++] = (struct queue_need){other, q->pass};
    set_dead(q, s, false);
}

/* Nobody needs to outlive `gone` any more, as far as it was needed before this pass. One step a
 * segment, only when one dies or gets a checkpoint. */
static void forget_needs(struct queue *q, uint64_t gone, uint64_t before_pass)
{
    for (struct queue_segment *s = sorted_first(&q->segments); s;
         s = queue_segment_after(q, s->sequence)) {
        for (uint32_t i = 0; i < s->need_count; i++) {
            if (s->need[i].segment != gone || s->need[i].pass >= before_pass)
                continue;
            s->need[i] = s->need[--s->need_count];
            segment_consider(q, s);
            break;
        }
    }
}

void queue_pin(struct queue *q, uint64_t segment)
{
    segment_hold(q, segment, 0);
}

void queue_unpin(struct queue *q, uint64_t segment)
{
    segment_drop(q, segment, 0);
}

void queue_newest(struct queue *q, uint64_t segment)
{
    if (segment <= q->newest_segment)
        return;
    uint64_t before = q->newest_segment;
    q->newest_segment = segment;
    (void)segment_get(q, segment);
    struct queue_segment *old = before ? queue_segment_find(q, before) : NULL;
    if (old)
        segment_consider(q, old);
}

uint64_t queue_segment_live(const struct queue *q, uint64_t segment)
{
    const struct queue_segment *s =
        segment < q->newest_segment ? queue_segment_find(q, segment) : NULL;
    return s ? s->live : 0;
}

bool queue_segment_is_stuck(const struct queue *q, const struct queue_segment *s)
{
    return !s->live && s->need_count && s->sequence < q->newest_segment;
}

uint64_t queue_next_dead(struct queue *q)
{
    struct queue_segment *s = q->dead_count ? sorted_first(&q->segments) : NULL;
    while (s && !s->is_dead)
        s = queue_segment_after(q, s->sequence);
    if (!s)
        return 0;
    uint64_t sequence = s->sequence;
    set_dead(q, s, false);
    (void)sorted_take(&q->segments, sequence);
    mem_free(s->need);
    mem_free(s);
    forget_needs(q, sequence, UINT64_MAX);
    return sequence;
}

void queue_pass(struct queue *q)
{
    q->pass++;
}

void queue_checkpoint_part(struct queue *q, uint64_t segment, uint64_t holder)
{
    segment_needs(q, segment_get(q, holder), segment);
}

void queue_checkpointed(struct queue *q, uint64_t segment)
{
    forget_needs(q, segment, q->pass);
}

void segments_close(struct queue *q)
{
    for (struct queue_segment *s; (s = sorted_first(&q->segments));) {
        (void)sorted_take(&q->segments, s->sequence);
        mem_free(s->need);
        mem_free(s);
    }
    sorted_close(&q->segments);
}
