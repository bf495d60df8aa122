/* fuzz_dns_answer.c -- any packet as an answer. The question is taken from the packet itself, so
 * that the fuzzer gets past it; what comes out must be well-formed and independent of the case. */
#include <stdlib.h>
#include <string.h>

#include "dns/dns_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_name(const char *s)
{
    size_t n = strlen(s);
    CHECK(n < DNS_NAME_BYTES_MAX);
    for (size_t i = 0; i < n; i++)
        CHECK(s[i] > 0x20 && s[i] < 0x7f && !(s[i] >= 'A' && s[i] <= 'Z'));
    if (n) { /* a name that was read can be asked */
        struct buf out;
        buf_init(&out, 1024);
        CHECK(dns_query_build(&out, 1, slice_of(s, n), DNS_A, 1232, false));
        buf_close(&out);
    }
}

static void check_answer(const struct dns_answer *a, const uint8_t *data, size_t n)
{
    CHECK(a->count <= DNS_RECORDS_MAX);
    CHECK((a->result == DNS_OK) == (a->count > 0));
    check_name(a->canonical);
    for (unsigned i = 0; i < a->count; i++) {
        const struct dns_record *r = &a->record[i];
        check_name(r->name);
        CHECK(r->data.n == 0 ||
              (r->data.p >= (const char *)data && r->data.p + r->data.n <= (const char *)data + n));
    }
}

/* The question as text, as far as it is plain. */
static size_t question(const uint8_t *data, size_t n, char out[300], unsigned *type)
{
    size_t at = 12, used = 0;
    while (at < n && data[at] > 0 && data[at] < 64 && at + 1 + data[at] < n && used < 230) {
        size_t label = data[at];
        memcpy(out + used, data + at + 1, label);
        used += label;
        out[used++] = '.';
        at += 1 + label;
    }
    *type = at + 2 < n ? (unsigned)data[at + 1] << 8 | data[at + 2] : 0;
    return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const enum dns_type types[] = {DNS_A,   DNS_CNAME, DNS_PTR, DNS_MX,
                                          DNS_TXT, DNS_AAAA,  DNS_TLSA};
    static struct dns_answer a, b;
    char asked[300];
    unsigned type;
    if (n > DNS_PACKET_BYTES_MAX)
        return 0;
    size_t asked_n = question(data, n, asked, &type);
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if ((unsigned)types[i] != type && i != 0)
            continue;
        dns_answer_parse(slice_of(data, n), -1, slice_of(asked, asked_n), types[i], &a);
        check_answer(&a, data, n);
        dns_answer_parse(slice_of(data, n), -1, slice_of(asked, asked_n), types[i], &b);
        CHECK(a.result == b.result && a.count == b.count && a.ttl_s == b.ttl_s);
        if (n > 0 && a.result != DNS_BAD && a.result != DNS_TRUNCATED && a.result != DNS_SERVFAIL) {
            dns_name_randomise(asked, asked_n, 1);
            dns_answer_parse(slice_of(data, n), -1, slice_of(asked, asked_n), types[i], &b);
            CHECK(b.result == DNS_BAD || a.count == b.count);
            dns_name_randomise(asked, asked_n, 1);
        }
    }
    return 0;
}
