/* control_operate.h -- the operator's orders on the control socket, and the filters that lists and
 * orders share. */
#pragma once

#include "control_route.h"

struct control_filter {
    struct engine_filter filter; /* its texts live in the buffers */
    struct buf from, to, domain;
    bool is_given;  /* something restricts it, or all=1 says that nothing shall */
    bool has_empty; /* a text that was given is empty: in a list it means any */
};
/* From the parameters of a request. False: they are wrong, and x says so. To be closed either way.
 */
bool control_filter_read(struct exchange *x, struct control_filter *f);
void control_filter_close(struct control_filter *f);

/* An order that is done when the call returns: pause, resume. */
void control_operate(struct exchange *x, enum operator_verb verb, struct slice domain);

/* Routes: of one message (x->msg), of a page of those a filter means, or, retry only, of all. */
void control_retry(struct exchange *x);
void control_hold(struct exchange *x);
void control_release(struct exchange *x);
void control_bounce(struct exchange *x);
void control_delete(struct exchange *x);
/* control_explain.c: GET /explain */
void control_explain(struct exchange *x);
/* control_body.c: GET /queue/ID/body */
void control_body(struct exchange *x);
