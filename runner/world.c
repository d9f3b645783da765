/* world: see world.h. */
#include "runner/world.h"

static void run(void *arg, const char *step, const struct ssh_command *command, struct op *op)
{
    (void)step;
    ssh_run(arg, command, op);
}

static void reach(void *arg, const json_t *host, const json_t *inventory, struct op *op)
{
    ssh_reach(arg, host, inventory, op);
}

struct world world_of_ssh(struct ssh_pool *pool)
{
    return (struct world){.run = run, .reach = reach, .arg = pool};
}
