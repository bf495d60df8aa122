/* control_route.h -- what the control socket answers: one table of paths, and the answers. */
#pragma once

#include "control.h"
#include "http.h"
#include "view.h"

enum { CONTROL_PARAMETER_BYTES_MAX = 1024 };

struct control_conn;
struct exchange {
    const struct control_options *o;
    struct control *control; /* both for control_later() */
    struct control_conn *conn;
    bool is_late; /* the answer comes later: what is below counts for its head only */
    struct view view;
    const struct http_request *request;
    bool is_tcp;      /* the metrics listener */
    bool wants_text;  /* lines for people instead of JSON */
    uint32_t uid;     /* of the peer, on the Unix socket */
    struct slice id;  /* "ID" of the path */
    uint64_t msg;     /* the same, parsed */
    struct buf *body; /* the answer */
    int status;
    const char *type;
    char next[16]; /* where a list continues; "" at the end */
};

/* Fills status, type, body and next. request is a parsed one; a bare word is answered like the
 * request it stands for. */
void control_route(struct exchange *x);
/* The value of a parameter: of the query, or of a form sent as the body. False: there is none. To
 * be closed either way. */
bool control_parameter(const struct exchange *x, const char *key, struct buf *out);
/* It went well. */
void control_done(struct exchange *x, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* An error as the answer. */
void control_refuse(struct exchange *x, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);
