/* sim_index.c -- see the header. */
#include "sim_index.h"

#include "journal/journal_index.h"
#include "sim_world.h"

#include <string.h>

enum { WINDOW_BYTES_LEAST = 100, INDEX_BYTES_MAX = 16 * 1024 * 1024 };

/* Windows of any size: what does not fit into one comes with the next, larger one. */
struct slice sim_index_make(struct sim_world *w, const struct journal_io *io)
{
    struct sim_file *f = sim_disk_find(&w->disk, false, io->segment);
    const struct journal_header *h = journal_segment(w->journal, io->segment);
    CHECK(f && h);
    struct journal_index_builder b;
    enum parse p = PARSE_MORE;
    char header[JOURNAL_INDEX_HEADER_BYTES] = {0};
    buf_close(&w->index);
    buf_init(&w->index, INDEX_BYTES_MAX);
    buf_add(&w->index, slice_of(header, sizeof header));
    journal_index_begin(&b, h, io->offset, queue_record_head_bytes);
    for (size_t n = WINDOW_BYTES_LEAST; p == PARSE_MORE && n < 2 * w->disk.file_bytes; n *= 2) {
        struct slice rest = slice_of(f->now + b.offset, w->disk.file_bytes - b.offset);
        uint32_t before = b.offset;
        p = journal_index_add(&b, slice_head(rest, n));
        buf_add(&w->index, buf_slice(&b.out));
        buf_clear(&b.out);
        if (b.offset > before)
            n = WINDOW_BYTES_LEAST / 2 + rng_below(&w->rng, WINDOW_BYTES_LEAST);
    }
    if (p != PARSE_DONE)
        sim_fail(w, "segment %llu cannot be indexed at byte %u", (unsigned long long)io->segment,
                 b.offset);
    journal_index_header(&b, header);
    CHECK(!w->index.is_full);
    memcpy(w->index.p, header, sizeof header);
    journal_index_close(&b);
    return buf_slice(&w->index);
}

static bool is_same(const struct journal_record *head, const struct journal_record *whole)
{
    size_t n = queue_record_head_bytes(whole->type, whole->payload);
    return head->type == whole->type && head->id == whole->id &&
           head->pos.segment == whole->pos.segment && head->pos.offset == whole->pos.offset &&
           head->pos.bytes == whole->pos.bytes &&
           slice_eq(head->payload, slice_head(whole->payload, n));
}

bool sim_index_load(struct sim_world *w, const struct journal_found *f,
                    void (*tell)(struct sim_world *w, const struct journal_record *head,
                                 const struct journal_record *whole))
{
    struct sim_index *file = sim_disk_find_index(&w->disk, f->sequence);
    struct sim_file *segment = sim_disk_find(&w->disk, false, f->sequence);
    struct journal_index index;
    struct journal_record head, whole;
    struct journal_walk walk;
    if (!file || f->sealed_by ||
        journal_index_open(&index, slice_of(file->bytes, file->n), &f->header) != ERR_OK)
        return false;
    journal_found_segment(w->journal, &f->header);
    journal_found_indexed(w->journal, f->sequence, index.valid_end, file->n);
    uint32_t count = index.count, seen = 0;
    journal_walk_init(&walk, slice_of(segment->now, w->disk.file_bytes), &f->header, UINT32_MAX);
    while (!w->has_failed && journal_walk_next(&walk, &whole) == JOURNAL_STEP_RECORD) {
        if (!journal_index_next(&index, &head) || !is_same(&head, &whole)) {
            sim_fail(w, "the index of segment %llu does not know what stands at %u",
                     (unsigned long long)f->sequence, whole.pos.offset);
            break;
        }
        tell(w, &head, &whole);
        seen++;
    }
    /* After a failed sync a start reads from the cache what is not on disk. What it believed then
     * stays believed, also when a power cut takes it from the segment. */
    while (file->is_doubtful && journal_index_next(&index, &head)) {
        tell(w, &head, &head);
    }
    if (file->is_doubtful)
        return true;
    if (!w->has_failed && (seen != count || walk.offset != index.valid_end))
        sim_fail(w, "the index of segment %llu knows %u records up to %u, there are %u up to %u",
                 (unsigned long long)f->sequence, count, index.valid_end, seen, walk.offset);
    return true;
}

void sim_index_drop_orphans(struct sim_world *w)
{
    for (size_t i = 0; i < w->disk.index_count;) {
        struct sim_index *x = &w->disk.index[i];
        if (journal_segment(w->journal, x->number))
            i++;
        else
            sim_disk_delete_index(&w->disk, x);
    }
}
