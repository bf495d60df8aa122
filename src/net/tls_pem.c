/* tls_pem.c -- drives BearSSL's PEM decoder. Text between objects is skipped by it; a last line
 * without its end is completed here. */
#include "tls_pem.h"

#include <bearssl.h>
#include <string.h>

#include "base/buf.h"

struct walk {
    br_pem_decoder_context decoder;
    char name[128];
    struct buf der;
    bool is_inside, is_over;
    unsigned damaged;
    tls_pem_object *on_object;
    void *ctx;
};

static void on_bytes(void *ctx, const void *p, size_t n)
{
    struct walk *w = ctx;
    buf_add(&w->der, slice_of(p, n));
}

/* The decoder leaves the dashes on when the line ends in CRLF. */
static void take_name(struct walk *w)
{
    struct slice name = slice_cstr(br_pem_decoder_name(&w->decoder));
    while (name.n && name.p[name.n - 1] == '-')
        name.n--;
    name = slice_head(name, sizeof w->name - 1);
    memcpy(w->name, name.p, name.n);
    w->name[name.n] = 0;
}

static void on_event(struct walk *w)
{
    switch (br_pem_decoder_event(&w->decoder)) {
    case BR_PEM_BEGIN_OBJ:
        buf_clear(&w->der);
        w->is_inside = true;
        take_name(w);
        br_pem_decoder_setdest(&w->decoder, on_bytes, w);
        break;
    case BR_PEM_END_OBJ:
        if (w->is_inside && !w->der.is_full)
            w->is_over = !w->on_object(w->ctx, w->name, buf_slice(&w->der));
        else
            w->damaged++;
        w->is_inside = false;
        break;
    case BR_PEM_ERROR:
        w->damaged++;
        w->is_inside = false;
        br_pem_decoder_init(&w->decoder);
        break;
    }
}

static void push(struct walk *w, struct slice in)
{
    while (in.n > 0 && !w->is_over) {
        size_t used = br_pem_decoder_push(&w->decoder, in.p, in.n);
        in = slice_from(in, used);
        on_event(w);
    }
}

unsigned tls_pem_each(struct slice pem, tls_pem_object *on_object, void *ctx)
{
    struct walk w = {.on_object = on_object, .ctx = ctx};
    br_pem_decoder_init(&w.decoder);
    buf_init(&w.der, TLS_PEM_OBJECT_BYTES_MAX);
    push(&w, pem);
    push(&w, SLICE("\n"));
    unsigned damaged = w.damaged + w.is_inside;
    if (w.der.p)
        explicit_bzero(w.der.p, w.der.cap); /* it may have been a key */
    buf_close(&w.der);
    explicit_bzero(&w.decoder, sizeof w.decoder);
    return damaged;
}

bool tls_pem_is_certificate(const char *name)
{
    return strcmp(name, "CERTIFICATE") == 0 || strcmp(name, "X509 CERTIFICATE") == 0;
}
