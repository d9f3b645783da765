#include "jobs/catalog_api.h"
#include "web/api/api.h"

const struct web_route routes_hosts[] = {
    {.method = "GET",
     .path = "/api/v1/hosts",
     .role = ROLE_VIEWER,
     .success = 200,
     .fn = host_list,
     .query = "filter " PAGE,
     .help = "hosts of the inventory in service, by name"},
    {.method = "GET",
     .path = "/api/v1/hosts/{id}",
     .role = ROLE_VIEWER,
     .success = 200,
     .fn = host_get,
     .help = "one host by name, alias or address"},
    {0},
};
