/* exec_gate: what a step must pass before it runs: its `when`, its `wait`, its people. At `wait` and `approve` the run
 * leaves this process and comes back as a new job that says so. */
#include "runner/exec_private.h"

#include "core/clock.h"
#include "core/errors.h"
#include "core/limits.h"

#include <string.h>

static void gate_wait(struct exec *exec)
{
    json_t *event = exec_event(exec);

    json_object_set_new(event, "until", json_integer(clock_now_ms() + json_get_integer(exec->step, "wait_ms", 0)));
    exec_leave(exec, "delay", event);
}

/* The values at the paths of `shows`: "data.used" from data, "params.x" from params. */
static json_t *gate_shown(const struct exec *exec)
{
    g_autoptr(json_t) roots = json_object();
    json_t *shown = json_object();
    size_t i;
    json_t *path;

    json_object_set(roots, "data", exec->data);
    json_object_set(roots, "params", json_object_get(exec->options.job, "params"));
    json_object_set(roots, "incident", json_object_get(exec->options.job, "incident"));
    json_object_set(roots, "alert", json_object_get(exec->options.job, "alert"));
    json_object_set(roots, "steps", exec->results);
    json_array_foreach (json_object_get(exec->step, "shows"), i, path)
        json_object_set_new(shown, json_string_value(path), exec_or_null(json_path(roots, json_string_value(path))));
    return shown;
}

static void gate_ask(struct exec *exec, json_t *names)
{
    g_autoptr(json_t) shown = gate_shown(exec);
    g_autofree char *text = json_text(shown);

    if (strlen(text) > LIMIT_DATA_BYTES) {
        g_autoptr(GError) error = g_error_new(HIKESHI_ERROR, ERROR_TOO_LARGE,
                                              "shows: the values are over %d KiB together", LIMIT_DATA_BYTES / 1024);
        exec_tell_step_start(exec);
        exec_fail_step(exec, error);
        return;
    }
    json_t *event = exec_event(exec);
    json_set_string(event, "policy", json_get_string(exec->step, "approve", NULL));
    json_object_set(event, "hosts", names);
    json_object_set(event, "shows", shown);
    json_object_set(event, "data", exec->data);
    exec_leave(exec, "approval", event);
}

/* Approved, and for the hosts that the step would touch now. */
static bool gate_approved(const struct exec *exec, const json_t *names)
{
    const json_t *approval = json_object_get(exec->step, "approval");
    const json_t *hosts = json_object_get(approval, "hosts");

    return strcmp(json_get_string(approval, "state", ""), "approved") == 0 &&
           (!json_is_array(hosts) || json_equal(hosts, names));
}

static void gate_pass(struct exec *exec)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) names = NULL;

    if (exec->options.read_only && strcmp(json_get_string(exec->step, "effect", "write"), "read") != 0) {
        exec_leave(exec, "plan", exec_event(exec));
        return;
    }
    if (json_get_integer(exec->step, "wait_ms", 0) > 0 && !exec_flag(exec, "waited")) {
        gate_wait(exec);
        return;
    }
    if (json_get_string(exec->step, "approve", NULL)) {
        if (!(names = hosts_select(&exec->hosts, exec->step, &error))) {
            exec_tell_step_start(exec);
            exec_fail_step(exec, error);
            return;
        }
        if (!gate_approved(exec, names)) {
            gate_ask(exec, names);
            return;
        }
    }
    exec_try(exec);
}

static void gate_when_known(void *arg, bool value, const GError *error)
{
    struct exec *exec = arg;
    struct step_outcome outcome = {.result = RESULT_SKIPPED};

    if (exec->stop != PLAN_GOING) {
        if (exec->stop == PLAN_FENCED)
            exec_over(exec);
        else
            exec_idle(exec);
    } else if (error) {
        exec_tell_step_start(exec);
        exec_fail_step(exec, error);
    } else if (value) {
        gate_pass(exec);
    } else {
        exec_end_step(exec, &outcome, "when");
    }
}

/* Whether this step already stood at a gate (its `when` was true then, and nothing ran since). */
static bool gate_came_back(const struct exec *exec)
{
    return exec_flag(exec, "waited") || json_is_object(json_object_get(exec->step, "approval"));
}

void exec_gate(struct exec *exec)
{
    const char *when = json_get_string(exec->step, "when", NULL);

    if (when && !gate_came_back(exec)) {
        exec->phase = PHASE_WHEN;
        exec_lua_when(exec, when, gate_when_known);
    } else {
        gate_pass(exec);
    }
}
