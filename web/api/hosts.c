#include "jobs/catalog_api.h"
#include "jobs/hosts_exec.h"
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
    {.method = "POST",
     .path = "/api/v1/hosts/exec",
     .role = ROLE_ADMIN,
     .success = 201,
     .fn = hosts_exec_request,
     .body = "hosts! argv! reason sudo timeout_ms at_once canary stop_after max_percent max_hosts",
     .once = true,
     .help = "run a command on hosts without a runbook, where the configuration allows it"},
    {0},
};
