/* smtp_client_auth.h -- what the sending machine remembers of a login, see smtp_client_auth.c. */
#pragma once

#include "smtp/smtp_client.h"
#include "smtp_scram_client.h"

enum {
    /* RFC 4954 section 4: a longer command goes without an initial response, which is a line of its
     * own then, of up to 12288. */
    SMTP_CLIENT_AUTH_COMMAND_BYTES_MAX = 512,
    SMTP_CLIENT_AUTH_LINE_BYTES_MAX = 12288,
    SMTP_CLIENT_BINDING_BYTES_MAX = 64,
};

enum smtp_client_auth_step {
    AUTH_NAMED,     /* the mechanism only: an empty 334 asks for the first message */
    AUTH_CHALLENGE, /* 334 brings something to be answered */
    AUTH_PASSWORD,  /* of LOGIN: the next 334 asks for it */
    AUTH_SIGNATURE, /* of SCRAM: 334 brings the server's */
    AUTH_OVER,      /* all is said: 235 */
};

struct smtp_client_auth {
    enum smtp_sasl mechanism;
    enum smtp_client_auth_step step;
    unsigned refused;  /* mechanisms that are not known after all */
    bool is_by_itself; /* initial responses are not taken: they go in a line of their own */
    bool has_initial;  /* the command had one */
    bool is_cancelled; /* the server said why it does not want the token; 535 comes */
    bool is_refused;   /* for good: what we log in with is wrong */
    struct buf text;   /* our message */
    struct buf got;    /* the server's */
    struct buf line;   /* to be said next */
    struct smtp_sasl_sum sum;
    struct smtp_scram_client scram;
    const char *binding; /* static; NULL: none */
    uint8_t bound[SMTP_CLIENT_BINDING_BYTES_MAX];
    size_t bound_bytes;
    char reason[400];
};

struct smtp_client;
void smtp_client_auth_init(struct smtp_client *c);
void smtp_client_auth_close(struct smtp_client *c);
/* Hello is over: log in, or READY when nothing is configured. */
void smtp_client_auth_begin(struct smtp_client *c);
void smtp_client_auth_on_reply(struct smtp_client *c, const struct smtp_reply *r);
