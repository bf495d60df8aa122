/* submit_certificate.h -- whose client certificate is this? Told by TLS what a client has shown and
 * proved to own, decides who it is. */
#pragma once

#include "session.h"

/* The user with this fingerprint, else, for a verified one, the first whose names match one of its
 * names; NULL: nobody's. */
const struct engine_user *submit_certificate_user(const struct engine_options *o,
                                                  const struct engine_tls *tls);
/* The handshake is done and smtp_server knows it: what the session can now be and do. */
void submit_certificate_on_tls(struct engine *e, struct session *s, const struct engine_tls *tls);
