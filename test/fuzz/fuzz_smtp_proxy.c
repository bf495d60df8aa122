/* fuzz_smtp_proxy.c -- any bytes as a header of the PROXY protocol: a cut input never gives another
 * answer than the whole one, nothing is undecided beyond the longest header, and who is named is
 * a real address. */
#include "smtp/smtp_proxy.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    struct smtp_proxy p, again;
    size_t used, used_again;
    enum parse whole = smtp_proxy_parse(in, &p, &used);
    CHECK(used <= size && (whole == PARSE_DONE) == (used > 0));
    CHECK(whole != PARSE_MORE || size < SMTP_PROXY_BYTES_MAX);
    for (size_t n = 0; n < size && n < 400; n++) {
        enum parse q = smtp_proxy_parse(slice_head(in, n), &again, &used_again);
        CHECK(q == PARSE_MORE || (q == whole && used_again == used));
    }
    if (whole != PARSE_DONE)
        return 0;
    CHECK(used <= (in.p[0] == 'P' ? SMTP_PROXY_LINE_MAX : SMTP_PROXY_BYTES_MAX));
    CHECK(smtp_proxy_parse(slice_head(in, used), &again, &used_again) == PARSE_DONE);
    CHECK(used_again == used && again.has_peer == p.has_peer && ip_eq(&again.peer.ip, &p.peer.ip));
    struct ip_text text = ip_port_build(&p.peer);
    struct ip_port back;
    CHECK(p.has_peer == (text.s[0] != 0));
    CHECK(!p.has_peer || (ip_port_parse(slice_cstr(text.s), 1, &back) &&
                          ip_eq(&back.ip, &p.peer.ip) && back.port == p.peer.port));
    return 0;
}
