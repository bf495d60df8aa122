/* shape.h -- how a destination is treated: limits by [[shape]], the rate of messages kept there,
 * and what the rules about replies have brought upon it.
 *
 * Its state hangs on the destination; stations ask here before a message goes, and tell what was
 * said. */
#pragma once

#include "policy/policy_pace.h"
#include "policy/policy_reply.h"

struct engine;
struct destination;
struct line;
struct job;
struct attempt_result;

enum {
    SHAPE_SLOWED_MAX = 64,  /* times as slow; never fewer than one connection */
    SHAPE_KEPT_MAX = 10000, /* destinations without a job that are not forgotten yet */
};

struct shape {
    struct policy_pace pace;
    int64_t quiet_until_ms; /* left in peace by a rule, or as it asked */
    int64_t slow_until_ms;
    unsigned slowed; /* times: 2, 4, ..; counts until slow_until_ms */
    char *words;     /* why, for people; owned */
    bool is_probing; /* it was left in peace: one connection, until a transaction is done */
    bool is_kept;    /* counted in engine.shaped_count */
};

/* d->limits anew: the options', overlaid by the shapes that match what is known of d by now. */
void shape_limits(const struct engine *e, struct destination *d);
/* Into the key of a set: which shapes are for this domain in particular. */
void shape_add_class(const struct engine *e, const struct destination *domain, struct buf *key);
void shape_close(struct engine *e, struct destination *d);
/* Nothing goes there any more: is it to be remembered all the same, for its rate or its rest? Its
 * timer is set for when it may be forgotten. */
bool shape_keeps(struct engine *e, struct destination *d);
void shape_used(struct engine *e, struct destination *d); /* something does again */
/* New options have made d: what was learned of it before comes along. */
void shape_inherit(struct engine *e, struct destination *d);
/* The operator wants it tried now. The rate is kept all the same. NULL: there is none. */
void shape_forget(struct destination *d);

/* The domain that patterns are compared with; empty: it is a route's. */
struct slice shape_domain(const struct destination *d);
/* It is left in peace until then; 0: it is not, or there is none. */
int64_t shape_quiet_until_ms(const struct destination *d);
/* No message may go there yet; the destination's timer is set for when one may. */
bool shape_holds(struct engine *e, struct destination *d);
/* One goes. */
void shape_took(struct engine *e, struct destination *d);
void shape_proved(struct engine *e, struct destination *d); /* a transaction was done */
/* Of `most` connections those it gets at present. */
uint32_t shape_lines_most(const struct engine *e, const struct destination *d, uint32_t most);
/* A connection that has nothing to do may go, for it is one too many. */
bool shape_has_too_many(const struct engine *e, const struct destination *d);
/* It is left in peace, or slowed down: words say why, until when. NULL: it is not. */
const char *shape_trouble(const struct destination *d, int64_t now_ms, int64_t *until_ms);

/* What was found in a reply besides its verdict. */
struct shape_ruling {
    const struct policy_reply_rule *rule; /* NULL: none fits; lives as long as the options */
    struct smtp_status status;
    int64_t wait_ms;    /* until the message goes again; 0: by its schedule */
    bool is_greylisted; /* wait_ms is for a recipient's first attempt only */
    bool is_resting;    /* the destination is left in peace by this */
};
/* What becomes of a reply for which policy_outcome says v. Treats the destination as the rule has
 * it, and notes it. */
enum policy_verdict shape_judge(struct engine *e, struct line *l, const struct policy_answer *a,
                                enum policy_verdict v, struct shape_ruling *out);
/* How long a recipient waits: as it was told, where that is within reason, else by the schedule. */
int64_t shape_wait_ms(struct engine *e, const struct job *j, const struct attempt_result *r,
                      int64_t schedule_ms);

/* For people: the limits there, and the shapes they come from. */
struct shape_case {
    int route;
    struct slice domain;
    const struct destination *d; /* NULL: nothing goes there now */
    int64_t now_ms;
};
void shape_text(const struct engine *e, const struct shape_case *c, struct buf *out);
unsigned shape_connections(const struct engine *e, const struct shape_case *c);
struct json;
void shape_json(const struct engine *e, const struct shape_case *c, struct json *j);
