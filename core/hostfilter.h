/* hostfilter: the filter language over host labels: role=web & env in (prod, stage) & !(name ~ "^old-").
 *
 *   filter = or; or = and {"|" and}; and = unary {"&" unary}; unary = "!" unary | "(" or ")" | term
 *   term   = key ("=" | "!=") value | key "in" "(" value {"," value} ")" | key "~" string
 *   value  = word | "quoted" | $params.NAME        key = label name; `name` is the host's name
 *   A lone $params.NAME is short for name = $params.NAME.
 *
 * $params.NAME is bound as one value at match time, never spliced into text. A missing label equals nothing (and so
 * satisfies != ). Regexes are GRegex, unanchored, with LIMIT_REGEX_MATCH. */
#ifndef CORE_HOSTFILTER_H
#define CORE_HOSTFILTER_H

#include "core/json.h"
#include <glib.h>
#include <stdbool.h>

struct hostfilter;

/* ERROR_PARSE: "host filter: column 7: expected a value after '='". */
struct hostfilter *hostfilter_parse(const char *text, GError **error);
void hostfilter_free(struct hostfilter *filter);

/* labels: JSON object of strings; params: JSON object or NULL. A $params name that is absent or null matches nothing.
 */
bool hostfilter_matches(const struct hostfilter *filter, const char *name, const json_t *labels, const json_t *params);
/* Calls fn for every $params.NAME in the filter (lint). */
void hostfilter_each_param(const struct hostfilter *filter, void (*fn)(void *arg, const char *param), void *arg);

typedef struct hostfilter hostfilter;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(hostfilter, hostfilter_free)

#endif
