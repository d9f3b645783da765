/* exec: see exec.h. The order of steps is plan.c's; this file walks it, one turn of the machine at a time: gate
 * (exec_gate.c) → tries → step_end. Runs no step itself (exec_lua.c, exec_shell.c); stops are in exec_stop.c. */
#include "runner/exec_private.h"

#include "core/clock.h"
#include "core/errors.h"
#include "core/limits.h"
#include "core/wire.h"
#include "runner/command.h"

#include <string.h>

/* What runs one try of a step. */
static const struct language {
    const char *name;
    void (*start)(struct exec *exec);
    void (*interrupt)(struct exec *exec, int code);
} languages[] = {
    {"lua", exec_lua_start, exec_lua_interrupt},
    {"sh", exec_shell_start, exec_shell_interrupt},
    {"bash", exec_shell_start, exec_shell_interrupt},
    {"argv", exec_shell_start, exec_shell_interrupt},
};

static const struct language *exec_language(const struct exec *exec)
{
    const char *name = json_get_string(exec->step, "language", "lua");

    for (size_t i = 0; i < G_N_ELEMENTS(languages); i++)
        if (strcmp(languages[i].name, name) == 0)
            return &languages[i];
    return NULL; /* exec_new() refused it */
}

/* ---- events ---- */

const char *exec_step_id(const struct exec *exec)
{
    return json_get_string(exec->step, "id", "");
}

json_t *exec_event(const struct exec *exec)
{
    json_t *event = json_object();

    if (exec->step)
        json_set_string(event, "step", exec_step_id(exec));
    return event;
}

bool exec_in_try(const struct exec *exec, const json_t *step, int64_t try_number)
{
    return exec->step == step && exec->try_number == try_number;
}

json_t *exec_error_json(const GError *error, const char *host)
{
    json_t *object = json_object();

    json_set_string(object, "code", errors_code(errors_of(error)));
    json_object_set_new(object, "message", json_text_value(error->message, strlen(error->message)));
    json_set_string(object, "host", host);
    return object;
}

void exec_kick(struct exec *exec)
{
    loop_timer_start(exec->kick, 0, 0);
}

bool exec_flag(const struct exec *exec, const char *flag)
{
    return json_get_bool(exec->step, flag, false);
}

/* ---- steps ---- */

json_t *exec_or_null(json_t *value)
{
    return value ? json_incref(value) : json_null();
}

static void exec_tell_step_end(struct exec *exec, const json_t *step, const struct step_outcome *outcome,
                               const char *reason, int64_t duration_ms)
{
    json_t *event = json_object();

    json_set_string(event, "step", json_get_string(step, "id", ""));
    json_set_string(event, "result", step_result_name(outcome->result));
    json_set_string(event, "reason", reason);
    json_set_string(event, "message", outcome->message);
    json_object_set_new(event, "error", exec_or_null(outcome->error));
    json_object_set_new(event, "data", exec_or_null(exec->data));
    json_object_set_new(event, "output", exec_or_null(outcome->output));
    json_object_set_new(event, "duration_ms", json_integer(duration_ms));
    journal_add(exec->journal, "step_end", event);
}

/* Keeps what later steps may read as steps.ID. */
static void exec_keep_result(struct exec *exec, size_t index, const json_t *output)
{
    const json_t *step = plan_step(&exec->plan, index);
    json_t *hosts = json_object_get(output, "hosts");
    json_t *kept = json_object();

    json_set_string(kept, "result", step_result_name(exec->plan.results[index]));
    json_object_set_new(kept, "hosts", hosts ? json_incref(hosts) : json_object());
    json_object_set_new(exec->results, json_get_string(step, "id", ""), kept);
}

static void exec_settle(struct exec *exec, size_t index, const struct step_outcome *outcome, const char *reason,
                        int64_t duration_ms)
{
    exec->plan.results[index] = outcome->result;
    exec_keep_result(exec, index, outcome->output);
    exec_tell_step_end(exec, plan_step(&exec->plan, index), outcome, reason, duration_ms);
}

/* Steps that will not run any more get their result. */
static void exec_settle_leftovers(struct exec *exec)
{
    struct step_outcome outcome = {0};
    ssize_t index;

    while ((index = plan_leftover(&exec->plan, exec->stop, &outcome.result)) >= 0)
        exec_settle(exec, (size_t)index, &outcome, NULL, 0);
}

/* finish(): every step that is not `always` is skipped. */
static void exec_skip_rest(struct exec *exec)
{
    struct step_outcome outcome = {.result = RESULT_SKIPPED};

    for (size_t i = 0; i < exec->plan.count; i++)
        if (exec->plan.results[i] == RESULT_NONE && !json_get_bool(plan_step(&exec->plan, i), "always", false))
            exec_settle(exec, i, &outcome, "finished", 0);
}

void exec_idle(struct exec *exec)
{
    exec->phase = PHASE_IDLE;
    exec->step = NULL;
    exec->current = -1;
    exec_kick(exec);
}

void exec_end_step(struct exec *exec, const struct step_outcome *outcome, const char *reason)
{
    int64_t duration_ms = (int64_t)loop_now_ms(exec->options.loop) - exec->step_started_ms;
    size_t index = (size_t)exec->current;

    exec_settle(exec, index, outcome, reason, duration_ms);
    exec_idle(exec);
    if (!outcome->finish)
        return;
    g_free(exec->finish_message);
    exec->finish_message = g_strdup(outcome->message);
    exec_skip_rest(exec);
}

void exec_fail_step(struct exec *exec, const GError *error)
{
    g_autoptr(json_t) object = exec_error_json(error, NULL);
    struct step_outcome outcome = {.result = RESULT_FAILED, .error = object};

    exec_end_step(exec, &outcome, NULL);
}

static void exec_retry(struct exec *exec, const struct step_outcome *outcome)
{
    json_t *event = exec_event(exec);
    int64_t delay_ms = json_get_integer(exec->step, "retry_delay_ms", 0);

    json_object_set_new(event, "try", json_integer(exec->try_number));
    json_object_set_new(event, "error", exec_or_null(outcome->error));
    json_object_set_new(event, "delay_ms", json_integer(delay_ms));
    journal_add(exec->journal, "retry", event);
    exec->phase = PHASE_RETRYING;
    loop_timer_start(exec->delay, (uint64_t)delay_ms, 0);
}

static void exec_retry_due(void *arg)
{
    exec_try(arg);
}

void exec_over(struct exec *exec)
{
    exec->phase = PHASE_OVER;
    loop_timer_stop(exec->deadline);
    loop_timer_stop(exec->delay);
    exec_kick(exec);
}

void exec_step_ended(struct exec *exec, const struct step_outcome *outcome)
{
    const char *reason = outcome->finish ? "finished" : outcome->result == RESULT_SKIPPED ? "skip" : NULL;

    if (exec->stop == PLAN_FENCED) {
        exec_over(exec);
        return;
    }
    if (outcome->data) {
        json_decref(exec->data);
        exec->data = json_incref(outcome->data);
    }
    if (step_result_retried(outcome->result) && --exec->tries_left > 0 && exec->stop == PLAN_GOING)
        exec_retry(exec, outcome);
    else
        exec_end_step(exec, outcome, reason);
}

void exec_tell_step_start(struct exec *exec)
{
    json_t *event = exec_event(exec);

    json_object_set_new(event, "try", json_integer(++exec->try_number));
    journal_add(exec->journal, "step_start", event);
}

/* One try. Its effects wait for step_start's acknowledgement because each waits for its own, later event. */
void exec_try(struct exec *exec)
{
    exec->phase = PHASE_RUNNING;
    exec_tell_step_start(exec);
    exec_language(exec)->start(exec);
}

/* Once nothing runs on a host any more. */
static void exec_say_last(struct exec *exec)
{
    if (exec->phase != PHASE_LEAVING || !g_queue_is_empty(&exec->commands))
        return;
    journal_add(exec->journal, exec->last_kind, g_steal_pointer(&exec->last_event));
    exec_over(exec);
}

void exec_command_ended(struct exec *exec)
{
    exec_say_last(exec);
}

void exec_leave(struct exec *exec, const char *kind, json_t *event)
{
    exec->phase = PHASE_LEAVING;
    exec->last_kind = kind;
    exec->last_event = event;
    loop_timer_stop(exec->deadline);
    command_cancel_all(exec, ERROR_CANCELLED); /* ssh.h: a stop ends, confirmed or not */
    exec_say_last(exec);
}

/* ---- one turn ---- */

static void exec_enter(struct exec *exec, size_t index)
{
    g_autoptr(GError) error = NULL;

    exec->current = (ssize_t)index;
    exec->step = plan_step(&exec->plan, index);
    exec->step_started_ms = (int64_t)loop_now_ms(exec->options.loop);
    exec->try_number = json_get_integer(exec->step, "attempt", 0);
    exec->tries_left = MAX(1, json_get_integer(exec->step, "attempts", 1));
    if (!hosts_enter(&exec->hosts, exec->step, &error)) {
        exec_tell_step_start(exec);
        exec_fail_step(exec, error);
        return;
    }
    exec_gate(exec);
}

void exec_interrupt(struct exec *exec, int code)
{
    exec_language(exec)->interrupt(exec, code);
}

/* ---- the end ---- */

static char *exec_end_message(const struct exec *exec, const struct plan_end *end)
{
    if (end->step < 0)
        return g_strdup(exec->finish_message);
    return g_strdup_printf("step '%s': %s", json_get_string(plan_step(&exec->plan, (size_t)end->step), "id", ""),
                           step_result_name(exec->plan.results[end->step]));
}

static void exec_conclude(struct exec *exec)
{
    struct plan_end end = plan_conclude(&exec->plan, exec->stop, exec->cancel_reason);
    g_autofree char *message = exec_end_message(exec, &end);
    json_t *event = json_object();
    bool exceeded = exec->hosts.exceeded && g_strcmp0(end.reason, "step_failed") == 0;

    json_set_string(event, "state", end.state);
    json_set_string(event, "reason", exceeded ? "max_hosts" : end.reason);
    json_object_set(event, "verified", end.verified);
    json_set_string(event, "message", message);
    exec_leave(exec, "run_end", event);
}

/* One turn of the machine. Nothing of the exec may be used after finished(). */
static void exec_turn(void *arg)
{
    struct exec *exec = arg;

    if (exec->phase == PHASE_OVER) {
        if (!exec->finish_told) {
            exec->finish_told = true;
            exec->options.finished(exec->options.arg);
        }
        return;
    }
    if (exec->phase != PHASE_IDLE || !exec->secrets || !secrets_known(exec->secrets))
        return;
    exec_settle_leftovers(exec);
    ssize_t next = plan_next(&exec->plan, exec->stop);
    if (next < 0) {
        exec_conclude(exec);
        return;
    }
    if (exec->stop != PLAN_GOING)
        exec_arm_grace(exec);
    exec_enter(exec, (size_t)next);
}

/* ---- life ---- */

static bool job_check(const json_t *job, GError **error)
{
    size_t i;
    json_t *step;

    json_array_foreach (json_object_get(job, "steps"), i, step) {
        struct exec probe = {.step = step};
        if (exec_language(&probe))
            continue;
        errors_set(error, ERROR_UNSUPPORTED, "step '%s' is in '%s', which this runner does not run",
                   exec_step_id(&probe), json_get_string(step, "language", ""));
        return false;
    }
    return true;
}

/* Nothing leaves without being masked, but for the words of the protocol itself, lest a secret called "failed" stop the
 * run from being understood, and a file's bytes, which were masked before they were encoded. */
static void exec_emit(void *arg, json_t *event)
{
    static const char *const protocol[] = {"kind",   "step",        "result",  "state", "reason",
                                           "stream", "report_kind", "content", NULL};
    struct exec *exec = arg;
    static const char *const cut[] = {"error", "message", "text",
                                      NULL}; /* whoever made it may have shortened a value */
    g_autoptr(json_t) masked = json_copy(event);
    const char *key;
    json_t *value;

    if (!mask_is_empty(exec->mask))
        json_object_foreach (event, key, value)
            if (!g_strv_contains(protocol, key))
                json_object_set_new(masked, key,
                                    g_strv_contains(cut, key) ? mask_cut_json(exec->mask, value)
                                                              : mask_json(exec->mask, value));
    exec->options.emit(exec->options.arg, masked);
}

static void exec_adopt_results(struct exec *exec)
{
    for (size_t i = 0; i < exec->plan.count; i++)
        if (exec->plan.results[i] != RESULT_NONE)
            exec_keep_result(exec, i, json_object_get(plan_step(&exec->plan, i), "output"));
}

struct exec *exec_new(const struct exec_options *options, GError **error)
{
    if (!job_check(options->job, error))
        return NULL;
    struct exec *exec = g_new0(struct exec, 1);
    json_t *data = json_object_get(options->job, "data");

    exec->options = *options;
    exec->world = *options->world;
    exec->mask = options->mask ? options->mask : mask_new();
    exec->local_host = json_pack("{s:s}", "name", WIRE_LOCAL_HOST);
    json_incref(options->job);
    exec->current = -1;
    exec->data = json_is_object(data) ? json_incref(data) : json_object();
    exec->results = json_object();
    exec->journal = journal_new(options->loop, exec_emit, exec);
    exec->kick = loop_timer_new(options->loop, exec_turn, exec);
    exec->obey = loop_timer_new(options->loop, exec_obey, exec);
    exec->deadline = loop_timer_new(options->loop, exec_deadline, exec);
    exec->delay = loop_timer_new(options->loop, exec_retry_due, exec);
    g_queue_init(&exec->commands);
    g_queue_init(&exec->pauses);
    hosts_init(&exec->hosts, options->job);
    plan_init(&exec->plan, options->job);
    exec_adopt_results(exec);
    return exec;
}

static void exec_secrets_known(void *arg)
{
    exec_kick(arg);
}

void exec_start(struct exec *exec)
{
    const json_t *job = exec->options.job;
    int64_t timeout_ms = json_get_integer(json_object_get(job, "limits"), "timeout_ms", 0);
    int64_t elapsed_ms = json_get_integer(job, "elapsed_ms", 0);

    if (timeout_ms <= 0)
        timeout_ms = DEFAULT_RUN_TIMEOUT_MS;
    loop_timer_start(exec->deadline, (uint64_t)MAX(0, timeout_ms - elapsed_ms), 0);
    journal_add(exec->journal, "run_start", json_object());
    exec->secrets = secrets_new(exec->options.loop, json_object_get(job, "secrets"), exec->options.secrets, exec->mask,
                                exec_secrets_known, exec);
}

void exec_acknowledge(struct exec *exec, int64_t seq)
{
    journal_acknowledge(exec->journal, seq);
}

void exec_free(struct exec *exec)
{
    if (!exec)
        return;
    command_abandon_all(exec);
    services_abandon_all(exec);
    exec_shell_free(exec->shell);
    lua_run_free(exec->lua);
    journal_free(exec->journal);
    loop_timer_free(exec->kick);
    loop_timer_free(exec->obey);
    loop_timer_free(exec->deadline);
    loop_timer_free(exec->delay);
    hosts_clear(&exec->hosts);
    plan_clear(&exec->plan);
    secrets_free(exec->secrets);
    if (!exec->options.mask)
        mask_free(exec->mask);
    json_decref(exec->local_host);
    json_decref(exec->data);
    json_decref(exec->results);
    json_decref(exec->last_event);
    json_decref(exec->options.job);
    g_free(exec->finish_message);
    g_free(exec);
}
