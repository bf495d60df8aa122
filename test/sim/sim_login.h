/* sim_login.h -- how a receiving host lets the relay log in, and the sums of this world: no real
 * digests, but both sides agree. */
#pragma once

#include "smtp/smtp_sasl.h"

#include "base/buf.h"

/* What the engine asks for; how many bytes. `chance` is the nonce's. */
size_t sim_login_sum(const struct smtp_sasl_sum *sum, uint64_t chance,
                     uint8_t out[SMTP_SASL_SCRAM_BYTES]);

enum sim_login_step {
    SIM_LOGIN_NONE, /* no exchange is under way */
    SIM_LOGIN_USER,
    SIM_LOGIN_PASSWORD,
    SIM_LOGIN_DIGEST,
    SIM_LOGIN_PROOF,
    SIM_LOGIN_EMPTY,
};
struct sim_login {
    enum sim_login_step step;
    bool is_user_right;
    char nonce[128], signed_text[512];
};
enum sim_login_end { SIM_LOGIN_GOES_ON, SIM_LOGIN_IS_GOOD, SIM_LOGIN_IS_BAD, SIM_LOGIN_IS_ODD };
/* One line of the relay's: a command ("AUTH ..."), or what answers the last 334. GOES_ON: `out` has
 * the next one. ODD: what a relay must not say. offered: as in EHLO; user is "sim". */
enum sim_login_end sim_login_on_line(struct sim_login *l, const char *offered, const char *password,
                                     struct slice line, struct buf *out);
