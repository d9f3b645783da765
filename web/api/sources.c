#include "jobs/delivery.h"
#include "web/api/api.h"

const struct web_route routes_sources[] = {
    {.method = "GET",
     .path = "/api/v1/sources",
     .role = ROLE_VIEWER,
     .success = 200,
     .fn = source_list,
     .help = "configured senders, and what they sent last"},
    {0},
};
