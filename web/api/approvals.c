#include "jobs/approval.h"
#include "web/api/api.h"

const struct web_route routes_approvals[] = {
    {.method = "GET",
     .path = "/api/v1/approvals",
     .role = ROLE_VIEWER,
     .success = 200,
     .fn = approval_list,
     .query = "state run " PAGE,
     .help = "approval requests, newest first"},
    {.method = "GET",
     .path = "/api/v1/approvals/{id}",
     .role = ROLE_VIEWER,
     .success = 200,
     .fn = approval_get,
     .help = "one request: what would run, where, and what is still needed"},
    {.method = "POST",
     .path = "/api/v1/approvals/{id}/decisions",
     .role = ROLE_APPROVER,
     .success = 200,
     .fn = approval_decide,
     .body = "verdict! digest! reason inputs",
     .help = "approve or deny exactly what the digest stands for"},
    {0},
};
