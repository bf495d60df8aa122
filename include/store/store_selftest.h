/* store_selftest.h -- tries a volume with the journal itself: how long a sync takes, and whether
 * what was confirmed survives when the writer is killed. For `outpost selftest spool`.
 *
 * A kill takes nothing from what the kernel has: it shows that recovery is right on this file
 * system, also after half a write. Whether the volume keeps its word about syncs only a pulled plug
 * can show; a sync that takes no time at all is a hint. */
#pragma once

#include "journal/journal.h"

enum {
    SELFTEST_LIVES = 6, /* a round: the writer starts so often, and dies before the next */
    SELFTEST_SEGMENT_BYTES = 1024 * 1024,
    SELFTEST_SEGMENTS = 24,
    SELFTEST_SYNC_FILE_BYTES = 4 * 1024 * 1024,
    SELFTEST_WRITE_BYTES = 5 * 1024,
    SELFTEST_SYNCS_MAX = 1000,
    /* All together, at any time. */
    SELFTEST_BYTES_MAX = (SELFTEST_SEGMENTS + JOURNAL_RESERVE_SEGMENTS + JOURNAL_SPARES_MAX + 2) *
                         SELFTEST_SEGMENT_BYTES,
};

struct store_selftest_syncs {
    unsigned count;
    int64_t min_us, median_us, p99_us, max_us;
};
/* `count` times 5 KiB written and synced, no longer than `limit_ms`. is_filled: over a file of
 * zeroes, as the journal does it; else over one that grows. dir: ours alone. */
MUST_USE enum err store_selftest_measure(const char *dir, bool is_filled, unsigned count,
                                         int64_t limit_ms, struct store_selftest_syncs *out,
                                         struct fault *why);

struct store_selftest_round {
    uint64_t kills;     /* lives that ended by one */
    uint64_t confirmed; /* records that asked for a sync and were told to be on disk */
    uint64_t checked;   /* times such a record was looked for after a start */
    uint64_t lost, altered;
    uint64_t notes; /* things a start had to say: torn tails cut */
};
/* One round in dir, which must be empty and ours (else ERR_DENIED); what it leaves there the caller
 * removes. An error says that the test could not be made; losses are in *out. */
MUST_USE enum err store_selftest_round(const char *dir, uint64_t seed,
                                       struct store_selftest_round *out, struct fault *why);
