/* view_token.h -- what an operator sees of OAuth2 accounts. */
#pragma once

#include "engine/engine_view.h"

/* Those that routes name; account: only this one ("": all). True: each has a token and no trouble.
 */
bool view_tokens_json(const struct engine *e, struct slice account, int64_t now_ms,
                      struct buf *out);
bool view_tokens_text(const struct engine *e, struct slice account, int64_t now_ms,
                      struct buf *out);
/* Lines of the status screen; nothing without accounts. */
void view_tokens_status(const struct engine *e, int64_t now_ms, struct buf *out);
/* Series labelled with the account. */
void view_tokens_metrics(const struct engine *e, int64_t now_ms, struct buf *out);
