/* routes: every table. Webhooks come first: they are the ones that arrive by the thousand. */
#include "web/api/api.h"

const struct web_route *const web_routes[] = {
    routes_hooks,
    routes_runs,
    routes_approvals,
    routes_incidents,
    routes_deliveries,
    routes_sources,
    routes_runbooks,
    routes_schedules,
    routes_tokens,
    routes_hosts,
    routes_go,
    routes_meta,
    routes_runner,
    NULL,
};
