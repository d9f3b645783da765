/* command: see command.h. The order is the point: the `command` event is acknowledged (and with it the step's start)
 * before a byte goes to the host, so that a crash at any moment leaves a record of what may have run. */
#include "runner/command.h"

#include "core/errors.h"
#include "core/limits.h"
#include "runner/output.h"

#include <string.h>

/* The intent shows what runs; more than this of it says nothing more to a reader. */
#define COMMAND_SHOWN_BYTES LIMIT_ARGV_BYTES
/* Linux takes 128 KiB in one word. */
#define COMMAND_WORDS_BYTES (128 * 1024)

struct command {
    struct exec *exec;
    GList link;         /* in exec->commands */
    struct op *op;      /* the caller's */
    struct op *running; /* ssh_run's, once sent */
    struct journal_wait *wait;
    struct output output;
    const json_t *host;
    const json_t *step; /* that started it, and in which try */
    int64_t try_number;
    int does; /* as in the request */
    json_t *argv, *options, *content;
    char *script, *shell, *path, *marker;
    size_t script_length;
    bool exit_is_error, whole_step;
    int64_t started_ms;
};

static void command_free(struct command *command)
{
    g_queue_unlink(&command->exec->commands, &command->link);
    journal_wait_cancel(command->wait);
    output_clear(&command->output);
    op_on_cancel(command->op, NULL, NULL);
    op_unref(command->op);
    if (command->running)
        op_unref(command->running);
    json_decref(command->argv);
    json_decref(command->options);
    json_decref(command->content);
    g_free(command->script);
    g_free(command->shell);
    g_free(command->path);
    g_free(command->marker);
    g_free(command);
}

static const char *command_host_name(const struct command *command)
{
    return json_get_string(command->host, "name", "");
}

static bool command_checked(const struct command *command)
{
    return (command->does == COMMAND_RUNS || command->does == COMMAND_LOCAL) &&
           json_get_bool(command->options, "check", true);
}

/* ---- the end ---- */

static GError *command_exit_error(const struct command *command, const json_t *result)
{
    const char *signal_name = json_get_string(result, "signal", NULL);
    json_int_t code = json_get_integer(result, "code", -1);
    const char *hint = json_get_string(result, "hint", NULL);

    if (signal_name)
        return g_error_new(HIKESHI_ERROR, ERROR_SIGNAL, "the command on %s was ended by signal %s",
                           command_host_name(command), signal_name);
    if (code != 0)
        return g_error_new(HIKESHI_ERROR, ERROR_EXIT, "exit code %" JSON_INTEGER_FORMAT " on %s%s%s", code,
                           command_host_name(command), hint ? ": " : "", hint ? hint : "");
    return NULL;
}

/* How an error of ssh_run reads in a `host` event. */
static const char *command_result_name(const struct command *command, const GError *error)
{
    switch (errors_of(error)) {
    case ERROR_TIMEOUT:
        return "timed_out";
    case ERROR_CANCELLED:
        return "cancelled";
    case ERROR_LOST:
        return json_get_bool(command->step, "idempotent", false) ? "failed" : "unknown";
    default:
        return "failed";
    }
}

/* ssh.h: the message of a stopped command says whether that was confirmed. */
static json_t *command_stopped(const GError *error)
{
    if (!error)
        return json_null();
    if (strstr(error->message, "could not confirm that it stopped"))
        return json_false();
    return strstr(error->message, "; stopped on ") ? json_true() : json_null();
}

static void command_tell_end(struct command *command, const json_t *result, const GError *error)
{
    static const char *const told[] = {"code", "signal", "truncated"};
    json_t *event = json_object();

    /* Its own step and try, not those under way: a command that was told to stop may outlive both. */
    json_set_string(event, "step", json_get_string(command->step, "id", ""));
    json_object_set_new(event, "try", json_integer(command->try_number));
    json_set_string(event, "host", command_host_name(command));
    json_set_string(event, "result", error ? command_result_name(command, error) : "ok");
    for (size_t i = 0; i < G_N_ELEMENTS(told); i++)
        json_object_set_new(event, told[i], exec_or_null(json_object_get(result, told[i])));
    json_object_set_new(event, "error", error ? exec_error_json(error, command_host_name(command)) : json_null());
    json_object_set_new(event, "duration_ms",
                        json_integer((json_int_t)loop_now_ms(command->exec->options.loop) - command->started_ms));
    json_object_set_new(event, "stopped", command_stopped(error));
    journal_add(command->exec->journal, "host", event);
}

/* Output that was cut may end within a secret, which nothing would recognise any more: that end goes, too. */
static json_t *command_kept(const struct command *command, json_t *result)
{
    static const char *const streams[] = {"stdout", "stderr"};
    const struct mask *mask = command->exec->mask;

    if (mask_is_empty(mask) || !json_get_bool(result, "truncated", false))
        return json_incref(result);
    json_t *kept = json_copy(result);
    for (size_t i = 0; i < G_N_ELEMENTS(streams); i++) {
        const json_t *text = json_object_get(result, streams[i]);
        const char *bytes = json_string_value(text) ? json_string_value(text) : "";
        size_t length = json_string_length(text);
        length -= mask_held(mask, bytes, length);
        json_object_set_new(kept, streams[i], json_stringn_nocheck(bytes, length));
    }
    return kept;
}

static void command_end(struct command *command, json_t *result, const GError *error)
{
    json_t *kept = command_kept(command, result);
    g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
    struct op *op = op_ref(command->op);
    struct exec *exec = command->exec;
    bool exit_is_error = command->exit_is_error;

    if (!failure && command_checked(command))
        failure = command_exit_error(command, result);
    output_finish(&command->output);
    command_tell_end(command, result, failure);
    command_free(command);
    if (!error && !exit_is_error)
        g_clear_error(&failure);
    op_done(op, kept, g_steal_pointer(&failure));
    op_unref(op);
    exec_command_ended(exec);
}

static void command_ran(void *arg, json_t *result, const GError *error)
{
    command_end(arg, result, error);
}

/* ---- on the way ---- */

static void command_output(void *arg, const char *stream, const char *bytes, size_t length)
{
    struct command *command = arg;

    output_add(&command->output, stream, bytes, length);
}

static void command_password(void *arg, const char *password)
{
    struct command *command = arg;

    mask_add(command->exec->mask, password, strlen(password));
}

static const char *command_sudo(const struct command *command)
{
    const json_t *sudo = json_object_get(command->options, "sudo");

    return json_is_true(sudo) ? "root" : json_string_value(sudo);
}

static void command_run(struct command *command, struct op *op)
{
    const json_t *options = command->options;
    const json_t *input = json_object_get(options, "stdin");
    struct ssh_command request = {
        .host = command->host,
        .inventory = json_object_get(command->exec->options.job, "inventory"),
        .argv = command->argv,
        .script = command->script,
        .script_length = command->script_length,
        .shell = command->shell,
        .stdin_bytes = json_string_value(input),
        .stdin_length = json_string_length(input),
        .env = json_object_get(options, "env"),
        .cwd = json_get_string(options, "cwd", NULL),
        .sudo = command_sudo(command),
        .pty = json_get_bool(options, "pty", false),
        .timeout_ms = json_get_integer(options, "timeout_ms", 0),
        .max_output = (size_t)MAX(0, json_get_integer(options, "max_output", 0)),
        .marker = command->marker,
        .hide = mask_finds_json(command->exec->mask, command->argv),
        .on_output = command_output,
        .on_password = command_password,
        .arg = command,
    };

    const struct world *world = &command->exec->world;
    if (command->does == COMMAND_LOCAL) {
        world->local(world->arg, &request, op);
        return;
    }
    const char *step = command->whole_step ? json_get_string(command->step, "id", "") : NULL;
    world->run(world->arg, step, &request, op);
}

static void release_json(void *value)
{
    json_decref(value);
}

static void command_transfer(struct command *command, struct op *op)
{
    const json_t *options = command->options;
    const char *mode = json_get_string(options, "mode", NULL);
    const struct world *world = &command->exec->world;
    struct ssh_transfer_request request = {
        .host = command->host,
        .inventory = json_object_get(command->exec->options.job, "inventory"),
        .path = command->path,
        .sudo = command_sudo(command),
        .sha256 = json_get_string(options, "sha256", NULL),
        .mode = mode ? (int)g_ascii_strtoull(mode, NULL, 8) : -1,
        .verify = json_get_bool(options, "verify", false),
        .max_bytes = (size_t)MAX(0, json_get_integer(options, "max_bytes", 0)),
        .hide = mask_finds_json(command->exec->mask, command->content),
        .marker = command->marker,
        .timeout_ms = json_get_integer(options, "timeout_ms", 0),
    };

    if (command->does == COMMAND_UPLOADS)
        request.content =
            g_bytes_new_with_free_func(json_string_value(command->content), json_string_length(command->content),
                                       release_json, json_incref(command->content));
    world->transfer(world->arg, &request, op);
    g_clear_pointer(&request.content, g_bytes_unref);
}

static void command_send(void *arg)
{
    struct command *command = arg;

    command->wait = NULL;
    command->running = op_new(command_ran, command);
    /* The world may end the op before it returns, which frees the command. */
    struct op *running = op_ref(command->running);
    if (command->does == COMMAND_RUNS || command->does == COMMAND_LOCAL)
        command_run(command, running);
    else
        command_transfer(command, running);
    op_unref(running);
}

static void command_cancel(void *arg, int code)
{
    struct command *command = arg;

    if (command->running) {
        op_cancel(command->running, code);
        return;
    }
    g_autoptr(GError) error =
        g_error_new(HIKESHI_ERROR, code, "the command was not sent to %s: %s", command_host_name(command),
                    code == ERROR_TIMEOUT ? "the time is over" : "cancelled");
    command_end(command, NULL, error);
}

/* ---- the start ---- */

static size_t words_bytes(const json_t *argv)
{
    size_t total = 0, i;
    json_t *word;

    json_array_foreach (argv, i, word)
        total += json_string_length(word);
    return total;
}

/* What does not fit is left away; the last word then says how much that is. */
static json_t *shown_words(const json_t *argv)
{
    json_t *words = json_array();
    size_t i, shown = 0, total = words_bytes(argv);
    json_t *word;

    json_array_foreach (argv, i, word) {
        if (shown + json_string_length(word) > COMMAND_SHOWN_BYTES)
            break;
        shown += json_string_length(word);
        json_array_append_new(words, json_text_value(json_string_value(word), json_string_length(word)));
    }
    if (shown < total) {
        g_autofree char *rest = g_strdup_printf("(%zu bytes more)", total - shown);
        json_array_append_new(words, json_string(rest));
    }
    return words;
}

/* What is about to be done, for the `command` event. */
static void command_show(const struct command *command, json_t *event)
{
    if (command->does == COMMAND_UPLOADS) {
        json_object_set_new(event, "upload", json_text_value(command->path, strlen(command->path)));
        json_object_set_new(event, "bytes", json_integer((json_int_t)json_string_length(command->content)));
    } else if (command->does == COMMAND_DOWNLOADS) {
        json_object_set_new(event, "download", json_text_value(command->path, strlen(command->path)));
    } else if (command->argv) {
        json_object_set_new(event, "argv", shown_words(command->argv));
    } else {
        size_t length = MIN(command->script_length, COMMAND_SHOWN_BYTES);
        g_autofree char *shown = mask_cut_bytes(command->exec->mask, command->script, length, &length);
        json_object_set_new(event, "script", json_text_value(shown, length));
    }
}

static int64_t command_tell_intent(struct command *command)
{
    json_t *event = exec_event(command->exec);

    json_set_string(event, "host", command_host_name(command));
    command_show(command, event);
    json_set_string(event, "sudo", command_sudo(command));
    json_set_string(event, "marker", command->marker);
    return journal_add(command->exec->journal, "command", event);
}

static char *command_marker(const struct exec *exec)
{
    const json_t *job = exec->options.job;

    return g_strdup_printf("%s.%" JSON_INTEGER_FORMAT ".%" G_GINT64_FORMAT, json_get_string(job, "run", "run"),
                           json_get_integer(job, "attempt", 1), journal_last(exec->journal) + 1);
}

void command_start(struct exec *exec, const struct command_request *request, struct op *op)
{
    if (words_bytes(request->argv) > COMMAND_WORDS_BYTES) {
        op_done(op, NULL,
                g_error_new(HIKESHI_ERROR, ERROR_TOO_LARGE, "the words of a command are over 128 KiB: use stdin"));
        return;
    }
    if (exec->asked == PLAN_FENCED) { /* its intent would never be acknowledged */
        op_done(op, NULL, g_error_new(HIKESHI_ERROR, ERROR_CANCELLED, "the run was given up: nothing new is sent"));
        return;
    }
    struct command *command = g_new0(struct command, 1);
    *command = (struct command){
        .exec = exec,
        .link = {.data = command},
        .op = op_ref(op),
        .host = request->host,
        .step = exec->step,
        .try_number = exec->try_number,
        .does = (int)request->does,
        .argv = json_incref(request->argv),
        .options = json_incref(request->options),
        .content = json_incref(request->content),
        .path = g_strdup(request->path),
        .script = g_memdup2(request->script, request->script_length),
        .script_length = request->script_length,
        .shell = g_strdup(request->shell),
        .exit_is_error = request->exit_is_error,
        .whole_step = request->whole_step,
        .marker = command_marker(exec),
        .started_ms = (int64_t)loop_now_ms(exec->options.loop),
    };
    g_queue_push_tail_link(&exec->commands, &command->link);
    output_init(&command->output, exec, command_host_name(command));
    op_on_cancel(op, command_cancel, command);
    command->wait = journal_wait(exec->journal, command_tell_intent(command), command_send, command);
}

void command_cancel_all(struct exec *exec, int code)
{
    GPtrArray *ops = g_ptr_array_new_with_free_func((GDestroyNotify)op_unref);

    for (GList *at = exec->commands.head; at; at = at->next)
        g_ptr_array_add(ops, op_ref(((struct command *)at->data)->op));
    for (guint i = 0; i < ops->len; i++)
        op_cancel(ops->pdata[i], code); /* may end it, which changes the queue */
    g_ptr_array_unref(ops);
}

void command_abandon_all(struct exec *exec)
{
    struct command *command;

    while ((command = g_queue_peek_head(&exec->commands))) {
        if (command->running)
            op_abandon(command->running);
        command_free(command);
    }
}
