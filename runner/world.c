/* world: see world.h. */
#include "runner/world.h"

static void run(void *arg, const char *step, const struct ssh_command *command, struct op *op)
{
    (void)step;
    ssh_run(arg, command, op);
}

static void transfer(void *arg, const struct ssh_transfer_request *request, struct op *op)
{
    if (request->content != NULL)
        ssh_upload(arg, request, op);
    else
        ssh_download(arg, request, op);
}

static void reach(void *arg, const json_t *host, const json_t *inventory, struct op *op)
{
    ssh_reach(arg, host, inventory, op);
}

struct world world_of_ssh(struct ssh_pool *pool)
{
    return (struct world){.run = run, .transfer = transfer, .reach = reach, .arg = pool};
}
