#include "jobs/schedule.h"
#include "web/api/api.h"

const struct web_route routes_schedules[] = {
    {.method = "GET",
     .path = "/api/v1/schedules",
     .role = ROLE_VIEWER,
     .success = 200,
     .fn = schedule_list,
     .help = "schedules of the runbooks in service, with their next times"},
    {0},
};
