/* sim_mood.h -- what may be wrong with a receiving host today. */
#pragma once

#include "base/err.h"

enum sim_point {
    SIM_AT_CONNECT,
    SIM_AT_GREETING,
    SIM_AT_EHLO,
    SIM_AT_MAIL,
    SIM_AT_RCPT,
    SIM_AT_DATA,
    SIM_AT_BODY, /* while it comes */
    SIM_AT_FINAL,
    SIM_AT_RSET,
};

enum sim_deed {
    SIM_DOES_NOTHING,
    SIM_DOES_REFUSE, /* connect: refused */
    SIM_DOES_IGNORE, /* no answer at all */
    SIM_DOES_TEMP,   /* 4xx */
    SIM_DOES_PERM,   /* 5xx */
    SIM_DOES_SHUT,   /* 421, and closes */
    SIM_DOES_DROP,   /* the line dies instead of a reply */
    SIM_DOES_LOSE,   /* final dot: taken, and the line dies instead of the reply */
    SIM_DOES_HALF,   /* the reply breaks off in the middle; at the final dot: taken */
};

enum { SIM_FAULTS_MAX = 6 };
struct sim_mood {
    const char *name;
    int64_t slow_ms; /* replies take up to this long */
    struct sim_fault {
        enum sim_point stage;
        enum sim_deed deed;
        unsigned percent;
    } fault[SIM_FAULTS_MAX];
};
extern const struct sim_mood sim_moods[];
extern const unsigned sim_mood_count;
const struct sim_mood *sim_mood_named(const char *name); /* "good", "dead", ... */
