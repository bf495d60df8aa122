/* sim_disk.h -- the false disk under the journal: segment and spare files that remember what was
 * written and what was synced, and the ways in which a disk goes wrong.
 *
 * A power cut keeps what was synced and, of the rest, each sector or not. A mere kill of the
 * process keeps all that was written. What was in flight happened wholly, in part or not at all. */
#pragma once

#include "base/rng.h"
#include "journal/journal.h"

enum { SIM_DISK_SECTOR = 512, SIM_DISK_KINDS = JOURNAL_IO_INDEX + 1 };

struct sim_file {
    bool is_spare;
    uint64_t number;
    char *now, *safe;            /* as read back; what survives a power cut for sure */
    size_t dirty_from, dirty_to; /* written since the last sync */
    size_t lost_from, lost_to;   /* a sync failed here: no later one makes it good */
};

/* A segment's index: never synced, so a power cut may do anything to it. */
struct sim_index {
    uint64_t number;
    char *bytes; /* owned */
    size_t n;
    bool is_doubtful; /* a sync of the segment had failed: it knows what the cache knew */
};

struct sim_disk {
    struct rng *rng; /* the world's */
    size_t file_bytes;
    struct sim_file *file; /* owned */
    size_t count, cap;
    struct sim_index *index; /* owned */
    size_t index_count, index_cap;
    unsigned fail_percent[SIM_DISK_KINDS]; /* of each kind of journal io */
    unsigned read_fail_percent;
    bool is_full; /* nothing new can be made */
    uint64_t failures;
};

void sim_disk_init(struct sim_disk *d, struct rng *rng, size_t file_bytes);
void sim_disk_close(struct sim_disk *d);
/* Carries it out, or a part of it when it is its turn to fail. INDEX: bytes is the file. */
MUST_USE enum err sim_disk_do(struct sim_disk *d, const struct journal_io *io);
/* It was in flight when the world ended. */
void sim_disk_do_some(struct sim_disk *d, const struct journal_io *io);
void sim_disk_power_cut(struct sim_disk *d);
struct sim_file *sim_disk_find(struct sim_disk *d, bool is_spare, uint64_t number);
struct sim_index *sim_disk_find_index(struct sim_disk *d, uint64_t number);
void sim_disk_delete_index(struct sim_disk *d, struct sim_index *x);
void sim_disk_rename(struct sim_disk *d, bool was_spare, uint64_t from, uint64_t to);
void sim_disk_delete(struct sim_disk *d, struct sim_file *f);
void sim_disk_sync(struct sim_file *f);
/* A power cut now would leave this record as it is. */
bool sim_disk_is_safe(struct sim_disk *d, struct journal_pos pos);
