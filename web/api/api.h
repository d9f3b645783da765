/* api: the tables of routes, one file a resource. A new resource is one file and one line in routes.c. */
#ifndef WEB_API_API_H
#define WEB_API_API_H

#include "web/web.h"

/* The query parameters that every list takes: its page. */
#define PAGE "limit after"

extern const struct web_route routes_hooks[], routes_runs[], routes_approvals[], routes_incidents[],
    routes_deliveries[], routes_sources[], routes_runbooks[], routes_schedules[], routes_tokens[], routes_hosts[], routes_go[],
    routes_meta[], routes_runner[];

#endif
