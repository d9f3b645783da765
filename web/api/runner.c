#include "core/wire.h"
#include "jobs/run.h"
#include "jobs/run_reap.h"
#include "web/api/api.h"
#include "web/raw.h"

/* The runner protocol (docs/design/wire.md): on DATA/runner.sock only. */
const struct web_route routes_runner[] = {
    {.method = "POST",
     .path = WIRE_LEASE_PATH,
     .role = ROLE_RUNNER,
     .success = 200,
     .raw = poll_serve,
     .body = "runner! worker! slots",
     .help = "wait for a job"},
    {.method = "POST",
     .path = WIRE_CONFIRM_PATH,
     .role = ROLE_RUNNER,
     .success = 200,
     .fn = run_confirm,
     .body = "lease! run! attempt! worker!",
     .help = "take the job"},
    {.method = "POST",
     .path = WIRE_RENEW_PATH,
     .role = ROLE_RUNNER,
     .success = 200,
     .fn = run_renew,
     .body = "worker! leases!",
     .help = "keep the jobs"},
    {.method = "POST",
     .path = WIRE_EVENTS_PATH,
     .role = ROLE_RUNNER,
     .success = 200,
     .fn = run_events,
     .body = "lease! run! attempt! events!",
     .help = "what happened, numbered"},
    {.method = "POST",
     .path = WIRE_REAPED_PATH,
     .role = ROLE_RUNNER,
     .success = 200,
     .fn = run_reaped,
     .body = "worker! run! attempt! hosts!",
     .help = "what a lost worker had left on hosts"},
    {0},
};
