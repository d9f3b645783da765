/* run_control: what people do to runs: cancel, and say what became of an unknown step. */
#include "core/clock.h"
#include "core/errors.h"
#include "jobs/approval.h"
#include "jobs/hosts_exec.h"
#include "jobs/outbox.h"
#include "jobs/run_private.h"

/* --- cancel --------------------------------------------------------------------------------------------------------
 */

/* A queued or waiting run ends at once; a running one is told to stop, and ends when its runner has proved that it did.
 */
static bool cancel_job(struct store_tx *tx, struct call *call, GError **error)
{
    const char *id = call_need_string(call->request, "id", error);
    g_autoptr(json_t) row = id ? run_row(tx, id, error) : NULL;
    if (!row)
        return false;
    const char *why = call_string(call->request, "reason");
    g_autofree char *text =
        g_strdup_printf("is cancelled by %s%s%s", call->actor.name, why ? ": " : "", why ? why : "");
    struct run_change change = {.event = RUN_EVENT_STOP,
                                .reason = "person",
                                .verified = RUN_VERIFIED_NULL,
                                .actor = call->actor.name,
                                .text = text};
    if (!run_change(tx, row, &change, error))
        return false;
    call->result = run_view(tx, call->jobs->base_url, id, error);
    return call->result != NULL;
}

static void cancel_after(struct call *call)
{
    const char *id = call_string(call->request, "id");
    struct run_service *runs = call->jobs->runs;
    if (g_strcmp0(json_get_string(call->result, "state", NULL), "running") == 0)
        run_queue_cancel(runs->queue, id, "person");
    else
        run_leases_drop_run(runs->leases, id);
    run_queue_kick(call->jobs);
    approval_kick(call->jobs);
    outbox_kick(call->jobs);
}

void run_cancel(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_write(jobs, request, actor, cancel_job, cancel_after, done, arg);
}

/* --- resolve -------------------------------------------------------------------------------------------------------
 */

static bool settle(struct store_tx *tx, const json_t *step, const char *as, const char *reason, GError **error)
{
    if (strcmp(as, "rerun") == 0)
        return run_step_redo(tx, step, error);
    struct run_step_end end = {.result = as, .reason = reason, .duration_ms = -1};
    return run_step_end(tx, step, STEP_EVENT_SETTLE, &end, error);
}

static bool check_resolve(const json_t *row, const json_t *step, const char *as, GError **error)
{
    static const char *const ways[] = {"ok", "failed", "rerun", NULL};
    const char *id = json_get_string(step, "id", "?");
    if (!g_strv_contains(ways, as)) {
        errors_set(error, ERROR_INVALID, "'%s' is not ok, failed or rerun", as);
        return false;
    }
    if (run_row_state(row) != RUN_UNKNOWN || g_strcmp0(json_get_string(step, "result", NULL), "unknown") != 0) {
        errors_set(error, ERROR_CONFLICT, "the step '%s' is not unknown", id);
        return false;
    }
    return true;
}

/* The run goes on when its last unknown step was resolved: later steps, handlers and always steps are its runner's to
 * judge. */
static bool revive(struct store_tx *tx, const json_t *row, const char *actor, GError **error)
{
    g_autoptr(json_t) steps = NULL;
    if (!store_list(tx, SQL_STEPS_OF_RUN, &steps, error, "s", json_get_string(row, "id", NULL)))
        return false;
    size_t index;
    json_t *step;
    json_array_foreach (steps, index, step)
        if (g_strcmp0(json_get_string(step, "result", NULL), "unknown") == 0)
            return true;
    struct run_change change = {
        .event = RUN_EVENT_REVIVE, .actor = actor, .text = "is queued again: every unknown step was resolved"};
    return run_change(tx, row, &change, error);
}

static bool resolve_job(struct store_tx *tx, struct call *call, GError **error)
{
    const char *id = call_need_string(call->request, "id", error),
               *as = id ? call_need_string(call->request, "as", error) : NULL;
    const char *name = as ? call_need_string(call->request, "step", error) : NULL;
    const char *reason = name ? call_need_string(call->request, "reason", error) : NULL;
    g_autoptr(json_t) row = reason ? run_row(tx, id, error) : NULL;
    g_autoptr(json_t) step = row ? run_step_row(tx, id, name, error) : NULL;
    if (!step || !check_resolve(row, step, as, error))
        return false;
    if (hosts_exec_made(row) && strcmp(as, "rerun") == 0 && !hosts_exec_may(call->jobs, &call->actor, error))
        return false;
    const char *actor = call->actor.name;
    g_autofree char *text =
        g_strdup_printf("\"%s\", step %s: %s says %s: %s", json_get_string(row, "title", "?"), name, actor, as, reason);
    json_t *body = json_pack("{s:s, s:s?, s:s}", "state", strcmp(as, "rerun") == 0 ? "pending" : "done", "result",
                             strcmp(as, "rerun") == 0 ? NULL : as, "text", text);
    if (!settle(tx, step, as, reason, error) || !run_record(tx, row, "step", name, body, error) ||
        !run_tell(tx, row, "step", actor, text, error) || !revive(tx, row, actor, error))
        return false;
    call->result = run_view(tx, call->jobs->base_url, id, error);
    return call->result != NULL;
}

static void resolve_after(struct call *call)
{
    run_queue_kick(call->jobs);
    outbox_kick(call->jobs);
}

void run_resolve(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_write(jobs, request, actor, resolve_job, resolve_after, done, arg);
}
