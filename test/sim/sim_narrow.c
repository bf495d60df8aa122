/* sim_narrow.c -- see the header. Messages of the simulator have no MIME fields of their own. */
#include "sim_narrow.h"

#include <stdlib.h>

#define ADDED                                                                                      \
    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"                      \
    "Content-Transfer-Encoding: quoted-printable\r\n"

static size_t find(struct slice in, struct slice what)
{
    size_t at = 0;
    while (at < in.n && !slice_starts(slice_from(in, at), what))
        at++;
    return at;
}

static void decode(struct slice in, struct buf *out)
{
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] != '=') {
            buf_add_char(out, in.p[i]);
        } else if (slice_starts(slice_from(in, i), SLICE("=\r\n"))) {
            i += 2;
        } else {
            char hex[3] = {i + 1 < in.n ? in.p[i + 1] : 0, i + 2 < in.n ? in.p[i + 2] : 0, 0};
            buf_add_char(out, (char)strtol(hex, NULL, 16));
            i += 2;
        }
    }
}

bool sim_narrow_undo(struct slice got, struct buf *out)
{
    size_t end = find(got, SLICE("\r\n\r\n")) + 2, added = sizeof ADDED - 1;
    if (end > got.n || end < added)
        return false;
    struct slice head = slice_head(got, end), tail = slice_from(head, end - added);
    if (!slice_eq(tail, SLICE(ADDED)))
        return false;
    buf_add(out, slice_head(head, end - added));
    buf_add_cstr(out, "\r\n");
    decode(slice_from(got, end + 2), out);
    return true;
}
