/* config_value.h -- one value of the configuration: text in, memory out, checked against its row.
 *
 * Pure. Answers are sentences for the person who wrote the file, in the arena; SLICE_NONE means
 * that the value was taken. Secrets never appear in them. */
#pragma once

#include "base/buf.h"
#include "config_table.h"

/* Reads text as the option's type (one item of it, when it is a list) into *out, which has the
 * type's size. Strings are copied into the arena, a NUL behind them. */
MUST_USE struct slice config_value_set(const struct config_option *o, struct slice text,
                                       struct arena *a, void *out);
MUST_USE struct slice config_value_set_factor(const struct config_option *o, double v,
                                              struct arena *a, double *out);

/* "50MiB", "1048576": bytes. "250ms", "5d": ms. False: not one, or it does not fit. */
bool config_value_parse_size(struct slice text, uint64_t *bytes);
bool config_value_parse_duration(struct slice text, int64_t *ms);
/* Digits and perhaps a point with digits behind it. */
bool config_value_parse_decimal(struct slice text, double *v);

/* Text for a mistake: in quotes, cut when it is long, in one line of valid UTF-8. */
struct slice config_value_quote(struct arena *a, struct slice text);

/* The other way: a text as the table writes it (normal, sample), as TOML. */
void config_value_build(const struct config_option *o, const char *raw, struct buf *out);
