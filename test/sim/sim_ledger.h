/* sim_ledger.h -- the world's book-keeping: what clients were promised, what the engine wrote, said
 * and recorded, and what receivers took; and whether all of that goes together (DESIGN.md, 1).
 *
 * A parcel is what the engine put into its journal under one id: a submitted message, or a report
 * of its own. Each of its recipients has a fate. A crash may take back what was not synced: then,
 * and where a final reply was lost, a second delivery is excused; otherwise it is a failure. */
#pragma once

#include "base/map.h"
#include "engine/engine_port.h"
#include "queue/queue_record.h"
#include "sim_mail.h"

struct sim_world;

enum sim_crash { SIM_KILL, SIM_POWER_CUT, SIM_ORDERLY };

enum sim_record { SIM_RECORD_NONE, SIM_RECORD_OUT, SIM_RECORD_WRITTEN };

struct sim_fate {
    struct slice address;   /* in the parcel's memory */
    enum queue_fate noted;  /* the last word on it; QUEUE_WAITING: none yet */
    enum queue_fate before; /* the latest crash */
    unsigned takes;
    bool is_told;                /* the engine has read the final reply of the latest take */
    bool may_repeat;             /* the latest take may be forgotten: another is excused */
    bool was_lost;               /* an outcome was taken back by a crash */
    bool is_reported, is_warned; /* named in a stored report about a failure, a delay */
    unsigned reports, warnings;  /* how often */
    unsigned tries;
    /* The record of `noted`. */
    enum sim_record record;
    bool was_safe;       /* before the io that may fail now */
    bool is_record_lost; /* a failed sync: the next crash may take it back */
    uint64_t ticket;
    struct journal_pos pos;
};

enum sim_parcel_state {
    SIM_PARCEL_OUT,     /* being appended */
    SIM_PARCEL_STORED,  /* on disk, so the engine was told */
    SIM_PARCEL_FAILED,  /* could not be written, so the engine was told */
    SIM_PARCEL_UNKNOWN, /* was being appended when the engine died */
    SIM_PARCEL_GONE,    /* and was not found afterwards */
};

/* The newest order of the operator's for a parcel. */
struct sim_order {
    uint64_t ticket, answer;
    struct journal_pos pos;
    bool is_stop, is_hold;    /* hold, bounce, delete; hold */
    bool is_written, is_sure; /* its record; and the operator was told */
    bool may_take;            /* an attempt was in flight */
};

struct sim_parcel {
    uint64_t id;
    enum sim_parcel_state state;
    struct sim_mail *mail; /* what it is, or, a report, what it is about */
    bool is_report, is_failure;
    bool may_return;                 /* failed, and its seal was not on disk when the world ended */
    bool has_returned;               /* so it did: a power cut may still take it away */
    bool is_found;                   /* by the latest recovery */
    bool is_waiting;                 /* for an outcome, as recovery left it */
    struct buf text;                 /* a report's */
    uint32_t content;                /* a checksum: copies have the same */
    struct journal_pos pos, *extent; /* in the world's arena */
    unsigned extent_count;
    bool is_told_of, may_tell_again; /* to the history; a crash may have taken its end back */
    unsigned count;
    struct sim_fate *fate;
    struct sim_order order;
    bool is_delete_ordered; /* ever */
    char *memory;
};

struct sim_taking {
    struct sim_parcel *parcel;
    unsigned count;
    unsigned *index;
};

struct sim_ledger {
    struct map by_id;   /* parcels */
    struct map tickets; /* appends under way */
    struct map orders;  /* the same, of operator records: parcels */
    struct sim_parcel **all;
    size_t count, cap;
    struct sim_taking **told; /* in the present event */
    size_t told_count, told_cap;
    bool is_looked_at; /* since the start: what recovery made of it was compared */
    uint64_t notes[NOTE_COUNT];
};

void sim_ledger_init(struct sim_world *w);
void sim_ledger_close(struct sim_world *w);
struct sim_parcel *sim_ledger_find(struct sim_world *w, uint64_t id);
struct sim_parcel *sim_ledger_of_mail(struct sim_world *w, const struct sim_mail *m);
struct sim_fate *sim_ledger_fate(struct sim_parcel *p, struct slice address);

/* What the engine does. */
void sim_ledger_on_append(struct sim_world *w, const struct engine_action *a);
void sim_ledger_on_appended(struct sim_world *w, uint64_t ticket, enum err err,
                            struct journal_pos pos);
void sim_ledger_on_note(struct sim_world *w, const struct note *n);
/* The operator is told that his order is on disk, or cannot be written. */
void sim_ledger_on_operated(struct sim_world *w, uint64_t answer, bool is_on_disk);
/* A finished message is told to the history: once a life, and as it was. */
void sim_ledger_on_history(struct sim_world *w, uint64_t id, struct slice record);
/* Bytes to a client: a 250 to a message may only be among them when all of it is on disk. */
void sim_ledger_on_said(struct sim_world *w, struct slice bytes);
/* A client has read the 250 to its message. */
void sim_ledger_on_accepted(struct sim_world *w, struct sim_mail *m, uint64_t id);
/* All actions of an event were carried out. */
void sim_ledger_on_event_over(struct sim_world *w);

/* What receivers do. NULL: something is wrong, and the world has failed. */
struct sim_taking *sim_ledger_take(struct sim_world *w, struct slice sender,
                                   char (*recipient)[SIM_ADDRESS_BYTES], unsigned count,
                                   struct slice text);
void sim_ledger_told(struct sim_world *w, struct sim_taking *t);
void sim_ledger_unsure(struct sim_world *w, struct sim_taking *t);

/* What the disk does, and the end of a life. */
void sim_ledger_before_io(struct sim_world *w,
                          uint64_t segment); /* a write or sync that may fail */
void sim_ledger_on_io_failed(struct sim_world *w, uint64_t segment);
void sim_ledger_on_crash(struct sim_world *w, enum sim_crash kind, bool has_unsealed);
void sim_ledger_on_recovered(struct sim_world *w, const struct journal_record *r);
void sim_ledger_after_recovery(struct sim_world *w); /* before EVENT_STARTED */
void sim_ledger_after_start(struct sim_world *w);

/* When the world has come to rest: every promise kept? */
void sim_ledger_check_end(struct sim_world *w);
