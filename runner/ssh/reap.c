/* reap: ssh_reap(): ends what a command left on a host whose worker is gone, known by nothing but its marker. */
#include "core/errors.h"
#include "core/secret.h"
#include "runner/ssh/pool.h"
#include "runner/ssh/stop.h"
#include "runner/ssh/wrap.h"

/* Nobody holds the command's channel any more, which would tell that it has started: so many looks, so far apart. */
enum { LOOKS = 3, PAUSE_MS = 500 };

struct reap {
    struct ssh_pool *pool;
    struct ssh_target *target;
    char *marker;
    bool sudo;
    struct ssh_password *reading;
    char *password; /* sudo's; NULL = none */
    struct ssh_stop *stop;
    struct loop_timer *pause;
    int looks;
    struct op *op;
    struct ssh_task task;
};

static void reap_end(struct reap *reap, json_t *result, GError *error)
{
    struct op *op = reap->op;
    op_on_cancel(op, NULL, NULL);
    ssh_pool_remove_task(reap->pool, &reap->task);
    ssh_stop_cancel(reap->stop);
    ssh_password_cancel(reap->reading);
    secret_free(reap->password);
    loop_timer_free(reap->pause);
    g_free(reap->marker);
    ssh_target_unref(reap->target);
    g_free(reap);
    op_done(op, result, error);
    op_unref(op);
}

static void looked(void *arg, enum ssh_stop_outcome outcome)
{
    struct reap *reap = arg;
    reap->stop = NULL;
    if (outcome == SSH_STOP_NONE_LEFT && ++reap->looks < LOOKS) {
        loop_timer_start(reap->pause, PAUSE_MS, 0);
        return;
    }
    json_t *result = json_pack("{s:s,s:o}", "host", reap->target->name, "stopped",
                               outcome == SSH_STOP_UNKNOWN ? json_null() : json_boolean(outcome == SSH_STOP_NONE_LEFT));
    reap_end(reap, result, NULL);
}

static void look(void *arg)
{
    struct reap *reap = arg;
    reap->stop = ssh_stop_start(reap->pool, reap->target, NULL, reap->marker, reap->sudo, reap->password, looked, reap);
}

/* Without it something may be found that cannot be stopped, which is better than not to look. */
static void password_read(void *arg, const char *value, const GError *error)
{
    struct reap *reap = arg;
    (void)error;
    reap->reading = NULL;
    reap->password = g_strdup(value);
    look(reap);
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
    reap->marker = g_strdup(marker);
    reap->sudo = sudo;
    reap->pause = loop_timer_new(ssh_pool_loop(pool), look, reap);
    reap->task = (struct ssh_task){aborted, reap};
    ssh_pool_add_task(pool, &reap->task);
    op_on_cancel(op, cancelled, reap);
    if (sudo)
        reap->reading = ssh_password_read(ssh_pool_loop(pool), ssh_pool_passwords(pool), SSH_PASSWORD_SUDO, target,
                                          password_read, reap);
    if (reap->reading == NULL)
        look(reap);
}
