/* reap: ssh_reap(): ends what a command left on a host whose worker is gone, known by nothing but its marker. */
#include "core/errors.h"
#include "runner/ssh/pool.h"
#include "runner/ssh/stop.h"
#include "runner/ssh/wrap.h"

struct reap {
    struct ssh_pool *pool;
    struct ssh_target *target;
    struct ssh_stop *stop;
    struct op *op;
    struct ssh_task task;
};

static void reap_end(struct reap *reap, json_t *result, GError *error)
{
    struct op *op = reap->op;
    op_on_cancel(op, NULL, NULL);
    ssh_pool_remove_task(reap->pool, &reap->task);
    ssh_stop_cancel(reap->stop);
    ssh_target_unref(reap->target);
    g_free(reap);
    op_done(op, result, error);
    op_unref(op);
}

static void looked(void *arg, enum ssh_stop_outcome outcome)
{
    struct reap *reap = arg;
    reap->stop = NULL;
    json_t *result = json_pack("{s:s,s:o}", "host", reap->target->name, "stopped",
                               outcome == SSH_STOP_UNKNOWN ? json_null() : json_boolean(outcome == SSH_STOP_NONE_LEFT));
    reap_end(reap, result, NULL);
}

static void cancelled(void *arg, int code)
{
    struct reap *reap = arg;
    reap_end(reap, NULL,
             g_error_new(HIKESHI_ERROR, code, "looking for processes on %s was given up", reap->target->label));
}

static void aborted(void *arg)
{
    cancelled(arg, ERROR_CANCELLED);
}

void ssh_reap(struct ssh_pool *pool, const json_t *host, const json_t *inventory, const char *marker, bool sudo,
              struct op *op)
{
    GError *error = NULL;
    struct ssh_target *target =
        ssh_wrap_check_marker(marker, &error) ? ssh_pool_target(pool, host, inventory, &error) : NULL;
    if (target == NULL) {
        op_done(op, NULL, error);
        return;
    }
    struct reap *reap = g_new0(struct reap, 1);
    reap->pool = pool;
    reap->target = target;
    reap->op = op_ref(op);
    reap->task = (struct ssh_task){aborted, reap};
    ssh_pool_add_task(pool, &reap->task);
    op_on_cancel(op, cancelled, reap);
    reap->stop = ssh_stop_start(pool, target, NULL, marker, sudo, looked, reap);
}
