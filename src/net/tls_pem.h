/* tls_pem.h -- the objects of a PEM text (RFC 7468), one after the other. */
#pragma once

#include "base/slice.h"

enum { TLS_PEM_OBJECT_BYTES_MAX = 65536 };

/* name: "CERTIFICATE"; der lives during the call. False ends the walk. */
typedef bool tls_pem_object(void *ctx, const char *name, struct slice der);

/* How many objects were damaged or too large and are left out. */
unsigned tls_pem_each(struct slice pem, tls_pem_object *on_object, void *ctx);

bool tls_pem_is_certificate(const char *name);
