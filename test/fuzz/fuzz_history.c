/* fuzz_history.c -- any bytes as a history record, as a history file and as a sealed index: what
 * parses is built again byte for byte the same, what is shown stays bounded, a redacted record is a
 * record, and a search in any index ends. */
#include <string.h>

#include "base/json.h"
#include "history/history_file.h"
#include "history/history_index.h"
#include "history/history_key.h"
#include "history/history_redact.h"
#include "history/history_view.h"

static void try_record(struct slice in)
{
    static uint64_t key[HISTORY_KEYS_MAX];
    const struct history_salt salt = {1, 2};
    struct history_record r, again;
    if (history_record_parse(in, &r) != PARSE_DONE)
        return;
    struct buf out;
    struct json j;
    buf_init(&out, 8 * in.n + 4096);
    CHECK(history_redact(&r, HISTORY_REDACT_NONE, &out));
    CHECK(slice_eq(buf_slice(&out), in));
    for (int how = HISTORY_REDACT_LOCAL_PART; how <= HISTORY_REDACT_ALL; how++) {
        buf_clear(&out);
        CHECK(history_redact(&r, (enum history_redaction)how, &out));
        CHECK(history_record_parse(buf_slice(&out), &again) == PARSE_DONE);
        CHECK(again.recipient_count == r.recipient_count && again.id == r.id);
    }
    unsigned n = history_keys(&salt, &r, key);
    CHECK(n >= 1 && n <= HISTORY_KEYS_MAX);
    buf_clear(&out);
    history_view_text(&r, &out);
    buf_clear(&out);
    json_init(&j, &out);
    history_view_json(&r, &j);
    buf_close(&out);
}

static void try_file(struct slice in)
{
    struct buf out;
    struct history_frame f;
    size_t used;
    buf_init(&out, HISTORY_FRAME_BYTES_MAX);
    (void)history_file_is_good(in, 1);
    while (history_frame_parse(in, &f, &used) == PARSE_DONE) {
        static uint64_t key[HISTORY_FRAME_KEYS_MAX];
        for (uint32_t i = 0; i < f.key_count; i++)
            key[i] = history_frame_key(&f, i);
        buf_clear(&out);
        CHECK(history_frame_build(f.time_ms, key, f.key_count, f.payload, &out));
        CHECK(slice_eq(buf_slice(&out), slice_head(in, used)));
        in = slice_from(in, used);
    }
    buf_close(&out);
}

static bool read_slice(void *ctx, uint64_t at, void *to, size_t n)
{
    const struct slice *s = ctx;
    if (at > s->n || n > s->n - at)
        return false;
    memcpy(to, s->p + at, n);
    return true;
}

static void try_index(struct slice in)
{
    struct history_index_head head;
    uint32_t offset[8];
    unsigned n;
    if (!history_index_head_parse(in, &head)) /* mostly: then with a head that fits the bytes */
        head = (struct history_index_head){
            .log_bytes = UINT32_MAX,
            .entries = (uint32_t)(in.n > HISTORY_INDEX_HEADER_BYTES
                                      ? (in.n - HISTORY_INDEX_HEADER_BYTES) / 16 + 1
                                      : 1)};
    const struct history_index_source from = {&in, read_slice};
    for (uint64_t key = 0; key < 4; key++) {
        if (history_index_search(&from, &head, key * 0x5555555555555555, offset, 8, &n))
            CHECK(n <= 8);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (!n || n > HISTORY_RECORD_BYTES_MAX)
        return 0;
    struct slice in = slice_of(data + 1, n - 1);
    switch (data[0] % 3) {
    case 0:
        try_record(in);
        break;
    case 1:
        try_file(in);
        break;
    case 2:
        try_index(in);
        break;
    }
    return 0;
}
