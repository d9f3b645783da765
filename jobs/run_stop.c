/* run_stop: runs that stop because of what happened elsewhere, not because a person said so. */
#include "jobs/approval.h"
#include "jobs/outbox.h"
#include "jobs/run_private.h"

bool run_stop(struct store_tx *tx, const char *run, const char *reason, const char *text, bool *ret_running,
              GError **error)
{
    g_autoptr(json_t) row = run_row(tx, run, error);
    *ret_running = false;
    if (!row)
        return false;
    if (run_state_ended(run_row_state(row)))
        return true;
    const struct run_change change = {
        .event = RUN_EVENT_STOP, .reason = reason, .verified = RUN_VERIFIED_NULL, .text = text};
    *ret_running = run_row_state(row) == RUN_RUNNING;
    return run_change(tx, row, &change, error);
}

void run_stopped_all(struct jobs *jobs, const json_t *stopped)
{
    size_t index;
    json_t *run;
    json_array_foreach (stopped, index, run)
        run_stopped(jobs, json_get_string(run, "run", ""), json_get_string(run, "reason", ""),
                    json_get_bool(run, "running", false));
}

void run_stopped(struct jobs *jobs, const char *run, const char *reason, bool running)
{
    if (running)
        run_queue_cancel(jobs->runs->queue, run, reason);
    else
        run_leases_drop_run(jobs->runs->leases, run);
    run_queue_kick(jobs);
    approval_kick(jobs);
    outbox_kick(jobs);
}
