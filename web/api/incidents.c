#include "jobs/incident.h"
#include "web/api/api.h"

const struct web_route routes_incidents[] = {
    {.method = "GET",
     .path = "/api/v1/incidents",
     .role = ROLE_VIEWER,
     .success = 200,
     .fn = incident_list,
     .query = "status source severity team " PAGE,
     .help = "incidents, newest first"},
    {.method = "GET",
     .path = "/api/v1/incidents/{id}",
     .role = ROLE_VIEWER,
     .success = 200,
     .fn = incident_get,
     .help = "one incident with alerts, documents, timeline and runs"},
    {0},
};
