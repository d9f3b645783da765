/* route: which route a request means, and what stands in for its {names}. Pure functions over text. */
#ifndef WEB_ROUTE_H
#define WEB_ROUTE_H

#include "web/web.h"

#define ROUTE_PARAMS 3

/* What a path has in the places of {names}: slices of the pattern and of the path as it was sent. */
struct route_params {
    size_t count;
    struct {
        const char *name, *value;
        size_t name_length, value_length;
    } items[ROUTE_PARAMS];
};

bool route_matches(const char *pattern, const char *raw_path, struct route_params *ret_params);

/* The route of a table list for this request, or NULL: then *ret_allow (g_free) is the Allow header's list when the
 * path exists with other methods, else NULL. HEAD means GET. `runner` selects the Unix socket's routes, or all others.
 */
const struct web_route *route_find(const struct web_route *const *tables, bool runner, const char *method,
                                   const char *raw_path, struct route_params *ret_params, char **ret_allow);

/* The decoded value of a {name}; NULL when there is none, or when it holds NUL or bad UTF-8. g_free. */
char *route_param(const struct route_params *params, const char *name);
/* All of them into `request`; false when one cannot be decoded. */
bool route_params_to_json(const struct route_params *params, json_t *request);

/* May this role use a route that needs that one? Runners stand apart from people. */
bool route_role_allows(enum role have, enum role need);

#endif
