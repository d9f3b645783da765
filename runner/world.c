/* world: see world.h. */
#include "runner/world.h"

#include "core/errors.h"
#include "runner/http.h"

static void run(void *arg, const char *step, const struct ssh_command *command, struct op *op)
{
    const struct network *network = arg;

    (void)step;
    ssh_run(network->ssh, command, op);
}

static void transfer(void *arg, const struct ssh_transfer_request *request, struct op *op)
{
    const struct network *network = arg;

    if (request->content != NULL)
        ssh_upload(network->ssh, request, op);
    else
        ssh_download(network->ssh, request, op);
}

static void reach(void *arg, const json_t *host, const json_t *inventory, struct op *op)
{
    const struct network *network = arg;

    ssh_reach(network->ssh, host, inventory, op);
}

static void local(void *arg, const struct ssh_command *command, struct op *op)
{
    const struct network *network = arg;

    if (network->local)
        local_run(network->local, command, op);
    else
        op_done(op, NULL,
                g_error_new_literal(HIKESHI_ERROR, ERROR_NOT_ALLOWED,
                                    "exec: this runner runs no programs of its own machine (runner.exec is off)"));
}

static void http(void *arg, const json_t *request, struct op *op)
{
    const struct network *network = arg;

    http_send(network->loop, network->http, network->reach, request, op);
}

struct world world_of_network(const struct network *network)
{
    return (struct world){
        .run = run, .transfer = transfer, .reach = reach, .local = local, .http = http, .arg = (void *)network};
}
