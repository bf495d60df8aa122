/* crc32c.c -- CRC-32C: the processor's instruction where it has one, else eight tables that take
 * eight bytes a step. */
#include "base/crc32c.h"

#include <string.h>

enum { POLYNOMIAL_BITS = 8, TABLES = 8 };

static uint32_t table[TABLES][256];

/* Before main, so that threads only ever read. */
__attribute__((constructor)) static void fill_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < POLYNOMIAL_BITS; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
        table[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++) {
        for (int k = 1; k < TABLES; k++)
            table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 0xff];
    }
}

static uint32_t load_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint32_t crc32c_by_table(uint32_t crc, struct slice s)
{
    const uint8_t *p = (const uint8_t *)s.p;
    size_t n = s.n;
    crc = ~crc;
    for (; n >= 8; p += 8, n -= 8) {
        uint32_t a = crc ^ load_u32(p), b = load_u32(p + 4);
        crc = table[7][a & 0xff] ^ table[6][a >> 8 & 0xff] ^ table[5][a >> 16 & 0xff] ^
              table[4][a >> 24] ^ table[3][b & 0xff] ^ table[2][b >> 8 & 0xff] ^
              table[1][b >> 16 & 0xff] ^ table[0][b >> 24];
    }
    for (; n > 0; p++, n--)
        crc = crc >> 8 ^ table[0][(crc ^ *p) & 0xff];
    return ~crc;
}

#ifdef __x86_64__
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, struct slice s)
{
    const char *p = s.p;
    size_t n = s.n;
    uint64_t wide = ~crc;
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        wide = _mm_crc32_u64(wide, word);
    }
    crc = (uint32_t)wide;
    for (; n > 0; p++, n--)
        crc = _mm_crc32_u8(crc, (uint8_t)*p);
    return ~crc;
}

uint32_t crc32c(uint32_t crc, struct slice s)
{
    return __builtin_cpu_supports("sse4.2") ? by_instruction(crc, s) : crc32c_by_table(crc, s);
}
#else
uint32_t crc32c(uint32_t crc, struct slice s)
{
    return crc32c_by_table(crc, s);
}
#endif
