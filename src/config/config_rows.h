/* config_rows.h -- how the rows of the option table are written, and where they stand. */
#pragma once

#include "config_table.h"

#define TOP(member) offsetof(struct config_draft, config.member)
#define ENGINE(member) offsetof(struct config_draft, config.engine.member)
#define LISTENER(member) offsetof(struct engine_listener, member)
#define USER(member) offsetof(struct config_user_item, member)
#define SOURCE(member) offsetof(struct engine_source, member)
#define CREDENTIAL(member) offsetof(struct engine_credential, member)
#define ROUTE(member) offsetof(struct engine_route, member)
#define OAUTH(member) offsetof(struct oauth_account, member)
/* The last argument is the meaning, and what few rows have besides. */
#define ROW(path_, type_, at_, normal_, least_, most_, ...)                                        \
    {                                                                                              \
        .path = path_, .type = CONFIG_##type_, .at = at_, .normal = normal_, .least = least_,      \
        .most = most_, .meaning = __VA_ARGS__                                                      \
    }
#define LIST(count, least, most)                                                                   \
    .is_list = true, .count_at = (count), .items_least = (least), .items_most = (most)

struct config_rows {
    const struct config_option *row;
    size_t count;
};
extern const struct config_rows config_rows_in;    /* the relay itself, and what clients may do */
extern const struct config_rows config_rows_out;   /* the queue, delivery, and the operator */
extern const struct config_rows config_rows_shape; /* [[shape]] and [[reply]] */
extern const struct config_rows config_rows_oauth; /* accounts whose tokens are fetched */
