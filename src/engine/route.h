/* route.h -- which route a recipient of a message takes: the first of which all that it says holds.
 */
#pragma once

#include "engine/engine_options.h"

struct route_question {
    const struct engine_user *by; /* who handed it in; NULL: nobody known */
    struct slice sender;          /* canonical; "": the null sender, as of reports */
    struct slice recipient;       /* canonical */
    uint64_t bytes;               /* of the message, in its wire form */
};

/* Why a route is not taken. */
enum route_miss {
    ROUTE_TAKEN,
    ROUTE_FALLBACK,
    ROUTE_RECIPIENT,
    ROUTE_SENDER,
    ROUTE_LOGIN,
    ROUTE_TOO_SMALL,
    ROUTE_TOO_LARGE,
};

enum route_miss route_judge(const struct engine_route *r, const struct route_question *q);
/* Index into options.routes; -1: the MX hosts of the recipient's domain. */
int route_find(const struct engine_options *o, const struct route_question *q);
/* Index into options.credentials; -1: the route's own, if it has any. */
int route_credential(const struct engine_options *o, int route, const struct route_question *q);
