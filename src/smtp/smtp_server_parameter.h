/* smtp_server_parameter.h -- what stands behind MAIL and RCPT: the path and its parameters.
 *
 * MAIL: SIZE (RFC 1870), BODY (RFC 6152, 3030), AUTH (RFC 4954), SMTPUTF8 (RFC 6531), RET and ENVID
 * (RFC 3461), REQUIRETLS (RFC 8689). RCPT: NOTIFY and ORCPT (RFC 3461). */
#pragma once

#include "smtp_server_state.h"

/* NULL: *ev is filled, its slices point into the scratch buffer; else the reply. */
const char *smtp_server_parameter_mail(struct smtp_server *s, struct slice args,
                                       struct smtp_server_event *ev);
const char *smtp_server_parameter_rcpt(struct smtp_server *s, struct slice args,
                                       struct smtp_server_event *ev);
