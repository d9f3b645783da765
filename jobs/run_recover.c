/* run_recover: leases that ended, delays that are over, runs that cannot be executed. */
#include "jobs/run_recover.h"
#include "core/clock.h"
#include "core/errors.h"
#include "core/log.h"
#include "jobs/outbox.h"
#include "jobs/run_private.h"
#include "jobs/run_reap.h"
#include <string.h>

enum { WAKE_AGAIN_MS = 5000 };

static void after_write(struct jobs *jobs)
{
    run_queue_kick(jobs);
    outbox_kick(jobs);
}

/* --- leases --------------------------------------------------------------------------------------------------------
 */

struct recovery {
    struct jobs *jobs;
    char *lease, *run;
    bool confirmed; /* when it ended */
    run_recover_fn done;
    void *arg;
};

static char *command_text(const json_t *command)
{
    GString *text = g_string_new("may have run:");
    size_t index;
    json_t *word;
    json_array_foreach (json_object_get(command, "argv"), index, word) {
        g_autofree char *quoted = g_shell_quote(json_string_value(word) ? json_string_value(word) : "?");
        g_string_append_printf(text, " %s", quoted);
    }
    if (!json_array_size(json_object_get(command, "argv")))
        g_string_append(text, " the step's script");
    if (json_get_string(command, "sudo", NULL))
        g_string_append(text, " (with sudo)");
    return g_string_free(text, FALSE);
}

/* The hosts where a command was sent and nobody said how it ended: a person has to look there. */
static bool lose_hosts(struct store_tx *tx, const char *run, const char *step, GError **error)
{
    g_autoptr(json_t) events = NULL, open = json_object();
    if (!store_list(tx, SQL_STEP_COMMANDS, &events, error, "ss", run, step))
        return false;
    size_t index;
    json_t *event, *command;
    const char *host;
    json_array_foreach (events, index, event) {
        json_t *body = json_object_get(event, "body_json");
        const char *name = json_get_string(body, "host", "");
        if (strcmp(json_get_string(event, "kind", ""), "command") == 0)
            json_object_set(open, name, body);
        else
            json_object_del(open, name);
    }
    json_object_foreach (open, host, command) {
        g_autofree char *text = command_text(command);
        if (!store_exec(tx, SQL_STEP_HOST_PUT, NULL, error, "ssssssi", run, step, host, "unknown", NULL, text,
                        (int64_t)0))
            return false;
    }
    return true;
}

static bool lose_step(struct store_tx *tx, const json_t *row, const json_t *step, GError **error)
{
    const char *run = json_get_string(row, "id", ""), *id = json_get_string(step, "id", "");
    g_autoptr(json_t) problem = json_pack("{s:s, s:s, s:n}", "code", "lost", "message",
                                          "the runner was lost while the step was running", "host");
    struct run_step_end end = {.result = "unknown", .reason = "may have run", .error = problem, .duration_ms = -1};
    g_autofree char *text =
        g_strdup_printf("\"%s\", step %s: may have run, its runner was lost. Look, then say: hikeshi runs resolve %s "
                        "%s --as ok|failed|rerun --reason TEXT",
                        json_get_string(row, "title", "?"), id, run, id);
    json_t *body = json_pack("{s:s, s:s, s:s}", "state", "done", "result", "unknown", "text", text);
    return lose_hosts(tx, run, id, error) && run_step_end(tx, step, STEP_EVENT_LOSE, &end, error) &&
           run_record(tx, row, "step", id, body, error) && run_tell(tx, row, "step", NULL, text, error);
}

/* Steps that were in the middle: *ret_lost when one of them may have had effects. */
static bool recover_steps(struct store_tx *tx, const json_t *row, bool *ret_lost, GError **error)
{
    g_autoptr(json_t) steps = NULL;
    *ret_lost = false;
    if (!store_list(tx, SQL_STEPS_OF_RUN, &steps, error, "s", json_get_string(row, "id", NULL)))
        return false;
    size_t index;
    json_t *step;
    json_array_foreach (steps, index, step) {
        enum step_state state = run_step_state(step);
        bool lost = state == STEP_RUNNING && !json_get_bool(step, "idempotent_bool", false);
        if (state != STEP_RUNNING && state != STEP_RETRYING)
            continue;
        if (!(lost ? lose_step(tx, row, step, error) : run_step_reset(tx, step, error)))
            return false;
        *ret_lost = *ret_lost || lost;
    }
    return true;
}

static bool recover_running(struct store_tx *tx, const json_t *row, GError **error)
{
    bool lost;
    if (!run_reap_note(tx, row, error) || !recover_steps(tx, row, &lost, error))
        return false;
    const char *cancel = json_get_string(row, "cancel_reason", NULL);
    struct run_change change = {
        .event = RUN_EVENT_REQUEUE, .verified = RUN_VERIFIED_NULL, .text = "is queued again: its runner was lost"};
    if (lost)
        change = (struct run_change){.event = RUN_EVENT_LOSE, .reason = "lost_runner", .verified = RUN_VERIFIED_NULL};
    else if (cancel)
        change = (struct run_change){.event = RUN_EVENT_CANCEL, .reason = cancel, .verified = RUN_VERIFIED_NULL};
    return run_change(tx, row, &change, error);
}

static bool recover_job(struct store_tx *tx, void *arg, GError **error)
{
    struct recovery *recovery = arg;
    g_autoptr(json_t) row = run_row(tx, recovery->run, error);
    if (!row)
        return false;
    if (g_strcmp0(json_get_string(row, "lease", NULL), recovery->lease) != 0)
        return true; /* it ended in another way first */
    if (run_row_state(row) == RUN_RUNNING)
        return recovery->confirmed ? recover_running(tx, row, error) : true; /* the confirmation came just in time */
    struct run_change change = {.event = RUN_EVENT_REQUEUE};
    return run_change(tx, row, &change, error);
}

static void recover_done(void *arg, const GError *error)
{
    struct recovery *recovery = arg;
    if (error)
        log_error("cannot end a lease", "run", recovery->run, "error", error->message, NULL);
    else
        after_write(recovery->jobs);
    recovery->done(recovery->arg, recovery->lease, recovery->confirmed, !error);
    g_free(recovery->lease);
    g_free(recovery->run);
    g_free(recovery);
}

void run_recover_lease(struct jobs *jobs, const char *lease, const char *run, bool confirmed, run_recover_fn done,
                       void *arg)
{
    struct recovery *recovery = g_new(struct recovery, 1);
    *recovery = (struct recovery){
        .jobs = jobs, .lease = g_strdup(lease), .run = g_strdup(run), .confirmed = confirmed, .done = done, .arg = arg};
    store_write(jobs->store, STORE_NORMAL, recover_job, recover_done, recovery);
}

/* --- delays --------------------------------------------------------------------------------------------------------
 */

struct waking {
    struct jobs *jobs;
    int64_t next;
};

static bool ready_steps(struct store_tx *tx, const char *run, GError **error)
{
    g_autoptr(json_t) steps = NULL;
    if (!store_list(tx, SQL_STEPS_OF_RUN, &steps, error, "s", run))
        return false;
    size_t index;
    json_t *step;
    json_array_foreach (steps, index, step)
        if (run_step_state(step) == STEP_WAITING && !run_step_ready(tx, step, true, error))
            return false;
    return true;
}

static bool wake_one(struct store_tx *tx, const char *run, GError **error)
{
    g_autoptr(json_t) row = run_row(tx, run, error);
    struct run_change change = {.event = RUN_EVENT_WAKE, .text = "is queued again: its wait is over"};
    return row && ready_steps(tx, run, error) && run_change(tx, row, &change, error);
}

static bool wake_job(struct store_tx *tx, void *arg, GError **error)
{
    struct waking *waking = arg;
    g_autoptr(json_t) rows = NULL, next = NULL;
    if (!store_list(tx, SQL_RUN_DUE, &rows, error, "i", clock_now_ms()))
        return false;
    size_t index;
    json_t *row;
    json_array_foreach (rows, index, row)
        if (!wake_one(tx, json_get_string(row, "id", ""), error))
            return false;
    if (!store_get(tx, SQL_RUN_NEXT_WAKE, &next, error, ""))
        return false;
    waking->next = json_get_integer(next, "wake_at", 0);
    return true;
}

static void wake_done(void *arg, const GError *error)
{
    struct waking *waking = arg;
    if (error)
        log_error("cannot wake runs", "error", error->message, NULL);
    run_queue_note_wake(waking->jobs->runs->queue, error ? clock_now_ms() + WAKE_AGAIN_MS : waking->next);
    after_write(waking->jobs);
    g_free(waking);
}

void run_wake_due(struct jobs *jobs)
{
    struct waking *waking = g_new0(struct waking, 1);
    waking->jobs = jobs;
    store_write(jobs->store, STORE_NORMAL, wake_job, wake_done, waking);
}

/* --- runs that cannot be executed ----------------------------------------------------------------------------------
 */

struct failing {
    struct jobs *jobs;
    char *run, *message;
};

static bool fail_job(struct store_tx *tx, void *arg, GError **error)
{
    struct failing *failing = arg;
    g_autoptr(json_t) row = run_row(tx, failing->run, error);
    struct run_change change = {
        .event = RUN_EVENT_FAIL, .reason = "step_failed", .message = failing->message, .verified = RUN_VERIFIED_NULL};
    return row && run_change(tx, row, &change, error);
}

static void fail_done(void *arg, const GError *error)
{
    struct failing *failing = arg;
    if (error)
        log_error("cannot end a run", "run", failing->run, "error", error->message, NULL);
    else
        run_leases_drop_run(failing->jobs->runs->leases, failing->run);
    after_write(failing->jobs);
    g_free(failing->run);
    g_free(failing->message);
    g_free(failing);
}

void run_fail(struct jobs *jobs, const char *run, const char *message)
{
    struct failing *failing = g_new(struct failing, 1);
    *failing = (struct failing){.jobs = jobs, .run = g_strdup(run), .message = g_strdup(message)};
    store_write(jobs->store, STORE_NORMAL, fail_job, fail_done, failing);
}
