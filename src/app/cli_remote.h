/* cli_remote.h -- asks the running relay through its control socket. Blocking, wait_s at most for
 * each step. */
#pragma once

#include <stdio.h>

#include "base/buf.h"
#include "cli.h"
#include "http.h"

enum {
    REMOTE_WAIT_S = 40, /* longer than the relay gives itself for an answer (CONTROL_LATER_MS) */
    REMOTE_WAIT_HEALTH_S = 10,
    REMOTE_ANSWER_BYTES_MAX = 16 * 1024 * 1024,
    REMOTE_TARGET_BYTES_MAX = 8192,
};

struct remote {
    char path[108]; /* of the socket: sun_path has no more */
    int wait_s;     /* REMOTE_WAIT_S, unless changed after remote_init */
    struct buf in;
    struct http_answer answer; /* points into `in` */
};

/* Where the socket is: --socket, or what the configuration says. 0, or an exit status (it has
 * complained). */
MUST_USE int remote_init(struct remote *r, const struct cli *c);
void remote_close(struct remote *r);
/* One request: "GET", "/queue?limit=5". True: r->answer is filled, whatever its status. */
MUST_USE bool remote_ask(struct remote *r, const char *method, const char *target,
                         struct fault *why);
/* The same with GET for an answer of any length: its body goes to `to` as it comes. An answer with
 * another status than 200 is kept in r->answer. False: it failed, or was cut short. */
MUST_USE bool remote_copy(struct remote *r, const char *target, FILE *to, struct fault *why);

/* An error as the relay says it, to stderr; EXIT_FAILED. */
int remote_complain(const struct remote *r);
const char *remote_format(const struct cli *c); /* "format=json" */
/* "&key=value", escaped; nothing when value is NULL. */
void remote_add(struct buf *target, const char *key, const char *value);
void remote_add_filter(struct buf *target, const struct cli *c);
