/* raw: the routes whose answer is not the JSON of a jobs_fn. */
#ifndef WEB_RAW_H
#define WEB_RAW_H

#include "web/web.h"

/* POST /hooks/{source}: the delivery goes to the source as it came; its kind decides the status. */
void hook_serve(struct web_call *call);
/* POST /hooks/git/{repository}: a push webhook; 202 and a fetch, or 403. */
void hook_serve_push(struct web_call *call);
/* Whether their bodies may come: not those of sources that there are not, or whose credentials are in the headers and
 * wrong. */
void hook_admit(struct web_call *call);
void hook_admit_push(struct web_call *call);
/* POST /runner/v1/lease: a worker's poll, which knows the process behind it and ends when it hangs up. */
void poll_serve(struct web_call *call);
/* GET, POST /go/{runbook...}: pages for people who start a runbook by a link. */
void go_show(struct web_call *call);
void go_start(struct web_call *call);
/* GET /readyz: 200 or 503 with what is not ready. */
void ready_serve(struct web_call *call);
/* GET /metrics: the Prometheus text format. */
void metrics_serve(struct web_call *call);

#endif
