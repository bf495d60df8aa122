/* crc32c.h -- CRC-32C (Castagnoli), with the processor's instruction where it has one.
 * crc starts at 0 and may be carried on: crc32c(crc32c(0, a), b) == crc32c(0, ab). */
#pragma once

#include "base/slice.h"

uint32_t crc32c(uint32_t crc, struct slice s);
/* The same without the instruction; tests hold the two against each other. */
uint32_t crc32c_by_table(uint32_t crc, struct slice s);
