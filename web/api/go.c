#include "web/api/api.h"
#include "web/raw.h"

const struct web_route routes_go[] = {
    {.method = "GET",
     .path = "/go/{runbook...}",
     .success = 200,
     .raw = go_show,
     .help = "a page for people: what the runbook is about, and a form that starts it; query parameters fill it in"},
    {.method = "POST",
     .path = "/go/{runbook...}",
     .success = 200,
     .raw = go_start,
     .help = "that form, from its own page only: starts the run as the token's person, once for each form"},
    {0},
};
