#include "web/api/api.h"
#include "web/openapi.h"
#include "web/raw.h"

static void health(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    (void)jobs, (void)request, (void)actor;
    g_autoptr(json_t) alive = json_pack("{s:s, s:s}", "status", "ok", "version", HIKESHI_VERSION);
    done(arg, alive, NULL);
}

static void describe(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    (void)jobs, (void)request, (void)actor;
    g_autoptr(json_t) page = openapi_describe(web_routes);
    done(arg, page, NULL);
}

const struct web_route routes_meta[] = {
    {.method = "GET", .path = "/healthz", .success = 200, .fn = health, .help = "200 while the process answers"},
    {.method = "GET",
     .path = "/readyz",
     .success = 200,
     .raw = ready_serve,
     .help = "200 when store, catalog and runner work, else 503"},
    {.method = "GET", .path = "/metrics", .success = 200, .raw = metrics_serve, .help = "the Prometheus text format"},
    {.method = "GET", .path = "/api/openapi.json", .success = 200, .fn = describe, .help = "this API as OpenAPI 3.1"},
    {0},
};
