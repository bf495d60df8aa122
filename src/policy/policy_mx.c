/* policy_mx.c -- see the header. */
#include "policy/policy_mx.h"

#include <string.h>

static bool same_name(const struct dns_record *r, struct slice name)
{
    return slice_eq_nocase(slice_cstr(r->name), name);
}

/* At most DNS_RECORDS_MAX entries: insertion sort, stable. */
static void sort_by_preference(struct dns_record *r, unsigned n)
{
    for (unsigned i = 1; i < n; i++) {
        struct dns_record x = r[i];
        unsigned j = i;
        for (; j > 0 && r[j - 1].preference > x.preference; j--)
            r[j] = r[j - 1];
        r[j] = x;
    }
}

static void shuffle_equals(struct dns_record *r, unsigned n, struct rng *rng)
{
    for (unsigned from = 0; from < n;) {
        unsigned to = from + 1;
        while (to < n && r[to].preference == r[from].preference)
            to++;
        for (unsigned i = to - 1; i > from; i--) {
            unsigned j = from + (unsigned)rng_below(rng, i - from + 1);
            struct dns_record x = r[i];
            r[i] = r[j];
            r[j] = x;
        }
        from = to;
    }
}

/* The better preference of a name listed twice stays. */
static unsigned drop_repeated(struct dns_record *r, unsigned n)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < n; i++) {
        bool is_repeated = false;
        for (unsigned j = 0; j < kept && !is_repeated; j++)
            is_repeated = same_name(&r[j], slice_cstr(r[i].name));
        if (!is_repeated)
            r[kept++] = r[i];
    }
    return kept;
}

enum policy_mx policy_mx_order(struct dns_record *record, unsigned *count, struct slice own_name,
                               struct rng *rng)
{
    unsigned n = *count;
    unsigned kept = 0; /* a root target beside others is a mistake of theirs: skip it */
    for (unsigned i = 0; i < n; i++)
        if (record[i].name[0])
            record[kept++] = record[i];
    if (!kept) /* nothing but the root, once as RFC 7505 wants it or oftener */
        return POLICY_MX_NULL;
    n = kept;
    sort_by_preference(record, n);
    n = drop_repeated(record, n);
    for (unsigned i = 0; i < n; i++) {
        if (!same_name(&record[i], own_name))
            continue;
        unsigned cut = i; /* hosts as good as us are no way forward either */
        while (cut > 0 && record[cut - 1].preference == record[i].preference)
            cut--;
        n = cut;
        break;
    }
    shuffle_equals(record, n, rng);
    *count = n;
    return n ? POLICY_MX_OK : POLICY_MX_LOOP;
}
