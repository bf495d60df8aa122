/* journal_rescue.h -- a segment whose header is lost: its records can be proved all the same.
 *
 * A record's CRC ends with the segment's nonce, and a CRC is linear: what the nonce adds to it is
 * the same 32 bits in every record of that life, whatever the record holds. Any one whole record
 * gives these bits, the next one behind it confirms them (with the 16 bits of the mark: 48 bits
 * that must agree by chance otherwise). The true nonce has 16 bits more and stays unknown; one that
 * adds the same bits serves as well.
 *
 * What this cannot give back is the proof of origin: who writes bodies can write two records that
 * agree with each other. So what comes out is for an operator to look at, never to be sent by
 * itself. A segment with one whole record only proves nothing. */
#pragma once

#include "journal/journal_codec.h"

/* image: the whole file. True: *out has what the file's name and its records tell: this sequence,
 * a nonce under which the records of the first life found in it can be read, and the image's
 * size. */
bool journal_rescue_header(struct slice image, uint64_t sequence, struct journal_header *out);
