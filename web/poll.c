/* poll: a worker's long poll (docs/design/wire.md). Its connection says more than its body: which process of this
 * machine it is, and that nobody waits any more. A job given to a poll whose worker has hung up would lie until its
 * lease ends. */
#include "jobs/run.h"
#include "web/call.h"
#include "web/raw.h"

struct poll {
    struct jobs *jobs;
    struct server_request *request;
    int success;
};

static void answered(void *arg, json_t *job, const GError *error)
{
    struct poll *poll = arg;
    web_call_answer(poll->request, poll->success, job, error);
    server_request_unref(poll->request);
    g_free(poll);
}

static void hung_up(void *arg)
{
    struct poll *poll = arg;
    run_lease_cancel(poll->jobs, poll);
}

void poll_serve(struct web_call *call)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) request = web_call_request(call, &error);
    if (error != NULL) {
        web_call_fail(call->request, error);
        return;
    }
    json_object_set_new(request, "peer_pid", json_integer(server_peer_pid(call->request)));
    struct poll *poll = g_new(struct poll, 1);
    *poll = (struct poll){
        .jobs = call->web->jobs, .request = server_request_ref(call->request), .success = call->route->success};
    server_request_on_hangup(call->request, hung_up, poll);
    run_lease(call->web->jobs, request, call->actor, answered, poll);
}
