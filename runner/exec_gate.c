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

/* What an input may be now: the list that stands at `choices: data.x`. */
static const json_t *gate_choices(const struct exec *exec, const char *name, const char *path, GError **error)
{
    g_autoptr(json_t) roots = json_pack("{s:O}", "data", exec->data);
    const json_t *list = json_path(roots, path);
    size_t i;
    json_t *value;
    bool fine = json_array_size(list) > 0;

    json_array_foreach (list, i, value)
        fine = fine && !json_is_array(value) && !json_is_object(value) && !json_is_null(value);
    if (!fine)
        errors_set(error, ERROR_INVALID, "input '%s': '%s' must be a list with a value to choose", name, path);
    return fine ? list : NULL;
}

/* What the approver fills in: the inputs of `asks` as declared. */
static json_t *gate_asks(const struct exec *exec, GError **error)
{
    g_autoptr(json_t) asks = json_array();
    size_t i;
    json_t *name;

    json_array_foreach (json_object_get(exec->step, "asks"), i, name) {
        const char *text = json_string_value(name);
        const json_t *input = json_find(json_object_get(exec->options.job, "inputs"), "name", text);
        const char *path = json_get_string(input, "choices", NULL);
        const json_t *choices = path ? gate_choices(exec, text, path, error) : json_object_get(input, "choices");
        if (!input)
            errors_set(error, ERROR_INVALID, "asks: the job declares no input '%s'", text);
        if (!input || (path && !choices))
            return NULL;
        json_t *ask = json_copy((json_t *)input);
        json_object_set(ask, "choices", (json_t *)choices);
        json_array_append_new(asks, ask);
    }
    return g_steal_pointer(&asks);
}

static bool gate_small(const char *what, const json_t *values, GError **error)
{
    g_autofree char *text = json_text(values);

    if (strlen(text) > LIMIT_DATA_BYTES)
        errors_set(error, ERROR_TOO_LARGE, "%s: the values are over %d KiB together", what, LIMIT_DATA_BYTES / 1024);
    return strlen(text) <= LIMIT_DATA_BYTES;
}

static void gate_ask(struct exec *exec, json_t *names)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) shown = gate_shown(exec), asks = gate_asks(exec, &error);

    if (!asks || !gate_small("shows", shown, &error) || !gate_small("asks", asks, &error)) {
        exec_tell_step_start(exec);
        exec_fail_step(exec, error);
        return;
    }
    json_t *event = exec_event(exec);
    json_set_string(event, "policy", json_get_string(exec->step, "approve", NULL));
    json_object_set(event, "hosts", names);
    json_object_set(event, "shows", shown);
    json_object_set(event, "asks", asks);
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
