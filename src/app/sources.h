/* sources.h -- can this machine call from the addresses of [[source]]? */
#pragma once

#include "config/config.h"

/* Tries each; `tell` gets a sentence for each that cannot be used. Gives how many those are. */
unsigned sources_check(const struct config *c, void (*tell)(void *ctx, const char *text),
                       void *ctx);
