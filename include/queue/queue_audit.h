/* queue_audit.h -- what a queue's records add up to, without being the queue: which messages wait,
 * which are finished, where the records stand that make up each, and whether all of them are there.
 * For `outpost queue verify` and `queue salvage`.
 *
 * Told every record in order of segments, as at a start. What queue_replay would make of a record,
 * this makes of it too; but it forgets no place and keeps no text: about 150 bytes a message, 24 a
 * chunk. Records that no start would load (from files set aside, from behind a torn tail) come in
 * as uncertain: they add messages and chunks, but never change what a certain record said.
 *
 * What a checkpoint denies has finished, or moved on: a start forgets it. In a damaged queue the
 * record that it moved to may be lost, and the old one is all there is. */
#pragma once

#include "base/sorted.h"
#include "queue/queue_record.h"

struct queue_audit_recipient {
    struct journal_pos state; /* the record with its newest state */
    enum queue_fate fate;
};

/* One heap block with its two lists. */
struct queue_audit_message {
    uint64_t id;
    struct journal_pos accept;
    uint64_t wire_bytes;
    uint64_t own_bytes; /* prefix and tail, as they stand in the accept record */
    uint32_t recipient_count, waiting_count, extent_count;
    bool is_certain;
    bool is_denied; /* a checkpoint says that its accept record does not count any more */
    struct journal_pos *extent;
    struct queue_audit_recipient recipient[];
};

struct queue_audit_chunk {
    struct journal_pos pos;
    uint64_t id;
};

struct queue_audit {
    struct sorted by_id;
    struct queue_audit_chunk *chunk; /* owned; in order once queue_audit_sort was called */
    size_t chunk_count, chunk_cap;
    bool are_chunks_sorted;
    struct queue_checkpoint_list *checkpoints; /* owned */
    bool keeps_finished; /* also denied ones; else a message goes when it is finished */
    uint64_t finished;   /* certain ones */
    uint64_t records, unusable;
};

void queue_audit_init(struct queue_audit *a, bool keeps_finished);
void queue_audit_close(struct queue_audit *a);
/* False: it is of no use (bad payload, unknown type). */
bool queue_audit_record(struct queue_audit *a, const struct journal_record *r, bool is_certain);
/* All messages, oldest id first; free the list with mem_free. Call after the last record. */
MUST_USE struct queue_audit_message **queue_audit_list(struct queue_audit *a, size_t *count);

struct queue_audit_verdict {
    uint32_t missing_count;     /* chunks that are not there, or not whole */
    struct journal_pos missing; /* the first of them */
    bool is_size_wrong;         /* prefix, chunks and tail are not the bytes that were promised */
};
/* True: the message is whole, as far as its records' checksums prove. After queue_audit_list. */
bool queue_audit_check(const struct queue_audit *a, const struct queue_audit_message *m,
                       struct queue_audit_verdict *out);
