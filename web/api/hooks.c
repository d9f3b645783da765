#include "web/api/api.h"
#include "web/raw.h"

/* Statuses of webhooks are those of each sender's contract (docs/pagerduty.md, docs/alertmanager.md). */
const struct web_route routes_hooks[] = {
    {.method = "POST",
     .path = "/hooks/{source}",
     .success = 202,
     .raw = hook_serve,
     .admit = hook_admit,
     .help = "a delivery of a configured source"},
    {.method = "POST",
     .path = "/hooks/git/{repository}",
     .success = 202,
     .raw = hook_serve_push,
     .admit = hook_admit_push,
     .help = "a push to a repository: fetch it now"},
    {0},
};
