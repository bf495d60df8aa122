/* rewrite_survey.h -- which fields a header has, and which of them its signatures cover. Inside of
 * the rewrite room.
 *
 * A DKIM-Signature (RFC 6376 3.5) or ARC-Message-Signature (RFC 8617 4.1.2) names the fields it
 * covers in its tag h=. One named more often than it is there says that there are no more of it. */
#pragma once

#include "rewrite/rewrite_header.h"

/* The fields that we know ourselves; behind them those of remove_headers, then of add_headers. */
enum rewrite_known {
    KNOWN_FROM,
    KNOWN_SENDER,
    KNOWN_REPLY_TO,
    KNOWN_TO,
    KNOWN_CC,
    KNOWN_BCC,
    KNOWN_RESENT_FROM,
    KNOWN_RESENT_SENDER,
    KNOWN_RESENT_REPLY_TO,
    KNOWN_RESENT_TO,
    KNOWN_RESENT_CC,
    KNOWN_RESENT_BCC,
    KNOWN_DATE,
    KNOWN_MESSAGE_ID,
    KNOWN_COUNT,
    REWRITE_NAMES_MAX = KNOWN_COUNT + 2 * REWRITE_FIELDS_MAX,
};

struct rewrite_survey {
    const struct rewrite_options *o;
    unsigned count; /* of names */
    struct slice name[REWRITE_NAMES_MAX];
    uint32_t present[REWRITE_NAMES_MAX];
    uint32_t covered[REWRITE_NAMES_MAX]; /* by the signature that names it most often */
};

void rewrite_survey_init(struct rewrite_survey *s, const struct rewrite_options *o,
                         struct slice section);
struct slice rewrite_survey_name(const struct rewrite_survey *s, unsigned i);
/* The first index from `from` on that has this name; s->count: none. */
unsigned rewrite_survey_find(const struct rewrite_survey *s, struct slice name, unsigned from);
/* One more of it, or, -1, one less. */
void rewrite_survey_count(struct rewrite_survey *s, struct slice name, int more);
