/* exec_shell: a shell step: the block on stdin of a shell on each host of its filter, as rollout.h says. Params arrive
 * as PARAM_X, an approver's inputs as INPUT_X, in the same stream. A step of words (`hikeshi hosts exec`) is the same
 * without a shell and variables. */
#include "runner/exec_private.h"

#include "core/errors.h"
#include "core/limits.h"
#include "runner/command.h"
#include "runner/rollout.h"

#include <string.h>

struct shell_host {
    struct shell_step *shell;
    const json_t *host;
    struct op *op; /* under way */
};

struct shell_step {
    struct exec *exec;
    struct shell_host *hosts;
    size_t count; /* admitted */
    struct rollout rollout;
    size_t keep_bytes; /* of each stream of each host, for steps.ID */
    bool filling, unknown;
    int stop_code; /* 0, ERROR_TIMEOUT, ERROR_CANCELLED */
    struct loop_timer *timer;
    json_t *options; /* of every command */
    json_t *output;  /* {"hosts": {NAME: {"stdout","stderr","code"}}} */
    json_t *error;   /* of the first host that failed */
};

static void shell_fill(struct shell_step *shell);

void exec_shell_free(struct shell_step *shell)
{
    if (!shell)
        return;
    for (size_t i = 0; i < shell->count; i++) {
        if (!shell->hosts[i].op)
            continue;
        op_abandon(shell->hosts[i].op);
        op_unref(shell->hosts[i].op);
    }
    loop_timer_free(shell->timer);
    rollout_clear(&shell->rollout);
    json_decref(shell->options);
    json_decref(shell->output);
    json_decref(shell->error);
    g_free(shell->hosts);
    g_free(shell);
}

/* ---- the end ---- */

static enum step_result shell_result(const struct shell_step *shell)
{
    if (shell->unknown)
        return RESULT_UNKNOWN;
    bool whole = shell->rollout.failed == 0 && shell->rollout.started == shell->count;
    if (shell->stop_code != 0 && !whole)
        return shell->stop_code == ERROR_TIMEOUT ? RESULT_TIMED_OUT : RESULT_CANCELLED;
    return whole ? RESULT_OK : RESULT_FAILED;
}

static void shell_sum_up(struct shell_step *shell)
{
    if (shell->count <= 1 || !shell->error)
        return;
    g_autofree char *text =
        g_strdup_printf("%zu of %zu hosts failed, %zu not started; first: %s", shell->rollout.failed, shell->count,
                        shell->count - shell->rollout.started, json_get_string(shell->error, "message", ""));
    json_set_string(shell->error, "message", text);
}

/* A host on which nothing ran: the record has a line for each host of the step. */
static void shell_tell_apart(struct exec *exec, const char *name, enum step_result result, const char *reason)
{
    static const char *const nothing[] = {"code", "error", "stopped"};
    json_t *event = exec_event(exec);

    json_object_set_new(event, "try", json_integer(exec->try_number));
    json_set_string(event, "host", name);
    json_set_string(event, "result", step_result_name(result));
    if (reason)
        json_set_string(event, "reason", reason);
    for (size_t i = 0; i < G_N_ELEMENTS(nothing); i++)
        json_object_set_new(event, nothing[i], json_null());
    json_object_set_new(event, "duration_ms", json_integer(0));
    journal_add(exec->journal, "host", event);
}

static void shell_tell_not_started(const struct shell_step *shell)
{
    for (size_t i = shell->rollout.started; i < shell->count; i++)
        shell_tell_apart(shell->exec, json_get_string(shell->hosts[i].host, "name", ""), RESULT_NOT_REACHED, NULL);
}

static void shell_end(struct shell_step *shell)
{
    struct exec *exec = shell->exec;

    shell_tell_not_started(shell);
    shell_sum_up(shell);
    struct step_outcome outcome = {.result = shell_result(shell), .error = shell->error, .output = shell->output};
    exec->shell = NULL;
    exec_step_ended(exec, &outcome);
    exec_shell_free(shell);
}

/* ---- one host ---- */

static json_t *shell_kept(const struct shell_step *shell, const json_t *result, const char *stream)
{
    const json_t *text = json_object_get(result, stream);

    return text ? json_text_value(json_string_value(text), MIN(json_string_length(text), shell->keep_bytes))
                : json_string("");
}

static void shell_keep_output(struct shell_step *shell, const char *name, const json_t *result)
{
    json_t *code = json_object_get(result, "code");

    if (!result)
        return;
    json_t *kept = json_object();
    json_object_set_new(kept, "stdout", shell_kept(shell, result, "stdout"));
    json_object_set_new(kept, "stderr", shell_kept(shell, result, "stderr"));
    json_object_set_new(kept, "code", code ? json_incref(code) : json_null());
    json_object_set_new(json_object_get(shell->output, "hosts"), name, kept);
}

static void shell_host_failed(struct shell_step *shell, const char *name, const GError *error)
{
    shell->rollout.failed++;
    if (errors_of(error) == ERROR_LOST && !json_get_bool(shell->exec->step, "idempotent", false))
        shell->unknown = true;
    if (!shell->error)
        shell->error = exec_error_json(error, name);
}

static void shell_host_done(void *arg, json_t *result, const GError *error)
{
    struct shell_host *host = arg;
    struct shell_step *shell = host->shell;
    const char *name = json_get_string(host->host, "name", "");

    g_clear_pointer(&host->op, op_unref);
    shell->rollout.ended++;
    shell_keep_output(shell, name, result);
    if (error)
        shell_host_failed(shell, name, error);
    shell_fill(shell);
}

static void shell_host_start(struct shell_step *shell, struct shell_host *host)
{
    const json_t *step = shell->exec->step;
    const json_t *text = json_object_get(step, "text");
    json_t *argv = json_object_get(step, "argv");
    struct command_request request = {
        .host = host->host,
        .argv = argv,
        .script = argv ? NULL : json_string_value(text),
        .script_length = argv ? 0 : json_string_length(text),
        .shell = argv ? NULL : json_get_string(step, "language", "sh"),
        .options = shell->options,
        .exit_is_error = true,
        .whole_step = !argv,
    };

    host->op = op_new(shell_host_done, host);
    struct op *op = op_ref(host->op);
    command_start(shell->exec, &request, op);
    op_unref(op);
}

/* A command may end while it is started: only the outermost call goes on. */
static void shell_fill(struct shell_step *shell)
{
    if (shell->filling)
        return;
    shell->filling = true;
    while (shell->stop_code == 0 && rollout_may_start(&shell->rollout))
        shell_host_start(shell, &shell->hosts[shell->rollout.started++]);
    shell->filling = false;
    if (shell->rollout.started == shell->rollout.ended)
        shell_end(shell);
}

/* ---- start and stop ---- */

static void shell_stop(struct shell_step *shell, int code)
{
    shell->stop_code = code;
    shell->filling = true;
    for (size_t i = 0; i < shell->rollout.started; i++)
        if (shell->hosts[i].op)
            op_cancel(shell->hosts[i].op, code);
    shell->filling = false;
    shell_fill(shell);
}

static void shell_timed_out(void *arg)
{
    shell_stop(arg, ERROR_TIMEOUT);
}

void exec_shell_interrupt(struct exec *exec, int code)
{
    shell_stop(exec->shell, code);
}

static char *param_text(const json_t *value)
{
    return json_is_object(value) || json_is_array(value) ? json_text(value) : json_scalar_text(value);
}

static void shell_add_variables(json_t *env, const char *prefix, const json_t *values)
{
    const char *name;
    json_t *value;

    json_object_foreach ((json_t *)values, name, value) {
        g_autofree char *upper = g_ascii_strup(name, -1);
        g_autofree char *variable = g_strconcat(prefix, upper, NULL);
        g_autofree char *text = param_text(value);
        json_object_set_new(env, variable, json_string_nocheck(text));
    }
}

static json_t *shell_options(const struct exec *exec)
{
    const char *sudo = json_get_string(exec->step, "sudo", NULL);
    json_int_t timeout_ms = json_get_integer(exec->step, "command_timeout_ms", 0);
    json_t *options = json_object(), *env = json_object();

    if (!json_object_get(exec->step, "argv")) {
        shell_add_variables(env, "PARAM_", json_object_get(exec->options.job, "params"));
        shell_add_variables(env, "INPUT_", json_path(exec->step, "approval.inputs"));
    }
    json_object_set_new(options, "env", env);
    if (timeout_ms > 0)
        json_object_set_new(options, "timeout_ms", json_integer(timeout_ms));
    if (sudo)
        json_object_set_new(options, "sudo", strcmp(sudo, "true") == 0 ? json_true() : json_string(sudo));
    return options;
}

/* {NAME: {"reason","output"}}: hosts on which an earlier run has done this step, and it is not done again. */
static json_t *shell_done(const struct exec *exec)
{
    return json_object_get(json_object_get(exec->step, "done"), "hosts");
}

/* They are as good as run: later steps read what they said then. */
static bool shell_leave_out(struct shell_step *shell, GError **error)
{
    struct exec *exec = shell->exec;
    g_autoptr(json_t) names = hosts_select_done(&exec->hosts, exec->step, error);
    size_t i;
    json_t *name;

    json_array_foreach (names, i, name) {
        const json_t *done = json_object_get(shell_done(exec), json_string_value(name));
        json_t *output = json_object_get(done, "output");
        shell_tell_apart(exec, json_string_value(name), RESULT_SKIPPED, json_get_string(done, "reason", NULL));
        if (json_is_object(output))
            json_object_set(json_object_get(shell->output, "hosts"), json_string_value(name), output);
    }
    return names != NULL;
}

/* The step's hosts, each admitted, before anything starts. */
static json_t *shell_names(struct exec *exec, GError **error)
{
    const char *filter = json_get_string(exec->step, "hosts", NULL);

    if (!filter && !json_object_get(exec->step, "host_names")) {
        errors_set(error, ERROR_INVALID, "a shell step needs `hosts`: which hosts it runs on");
        return NULL;
    }
    g_autoptr(json_t) names = hosts_select(&exec->hosts, exec->step, error);
    if (!names)
        return NULL;
    if (json_array_size(names) == 0 && json_object_size(shell_done(exec)) == 0) {
        errors_set(error, ERROR_NOT_IN_INVENTORY, "no host of this run matches '%s'", filter ? filter : "");
        return NULL;
    }
    return hosts_within_limit(&exec->hosts, json_array_size(names), error) ? g_steal_pointer(&names) : NULL;
}

static bool shell_admit(struct shell_step *shell, const json_t *names, GError **error)
{
    size_t i;
    json_t *name;

    shell->hosts = g_new0(struct shell_host, json_array_size(names));
    json_array_foreach (names, i, name) {
        shell->hosts[i].shell = shell;
        if (!(shell->hosts[i].host = hosts_admit(&shell->exec->hosts, json_string_value(name), error)))
            return false;
        shell->count++;
    }
    return true;
}

static struct shell_step *shell_new(struct exec *exec, GError **error)
{
    g_autoptr(json_t) names = shell_names(exec, error);

    if (!names)
        return NULL;
    struct shell_step *shell = g_new0(struct shell_step, 1);
    shell->exec = exec;
    rollout_init(&shell->rollout, exec->step, json_array_size(names));
    shell->keep_bytes = LIMIT_STEP_OUTPUT_BYTES / 2 / MAX(1, json_array_size(names));
    shell->options = shell_options(exec);
    shell->output = json_pack("{s:{}}", "hosts");
    shell->timer = loop_timer_new(exec->options.loop, shell_timed_out, shell);
    if (!shell_admit(shell, names, error) || !shell_leave_out(shell, error))
        g_clear_pointer(&shell, exec_shell_free);
    return shell;
}

void exec_shell_start(struct exec *exec)
{
    g_autoptr(GError) error = NULL;
    struct shell_step *shell = exec->shell = shell_new(exec, &error);

    if (!shell) {
        g_autoptr(json_t) object = exec_error_json(error, NULL);
        struct step_outcome outcome = {.result = RESULT_FAILED, .error = object};
        exec_step_ended(exec, &outcome);
        return;
    }
    int64_t timeout_ms = json_get_integer(exec->step, "timeout_ms", DEFAULT_STEP_TIMEOUT_MS);
    loop_timer_start(shell->timer, (uint64_t)MAX(1, timeout_ms), 0);
    shell_fill(shell);
}
