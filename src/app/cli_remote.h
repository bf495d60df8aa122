/* cli_remote.h -- asks the running relay through its control socket. Blocking, wait_s at most for
 * each step. */
#pragma once

#include "base/buf.h"
#include "cli.h"
#include "http.h"

enum {
    REMOTE_WAIT_S = 40, /* longer than the relay gives itself for an answer (CONTROL_LATER_MS) */
    REMOTE_WAIT_HEALTH_S = 10,
    REMOTE_ANSWER_BYTES_MAX = 16 * 1024 * 1024,
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
