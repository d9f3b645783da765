/* exec_server: see exec_server.h. The request, its log as it grows, and Ctrl-C: once cancels the run and waits for its
 * end, twice leaves it. */
#include "cli/exec_server.h"
#include "cli/client.h"
#include "cli/exec_view.h"
#include "cli/live.h"
#include "cli/terminal.h"
#include "core/clock.h"
#include "core/errors.h"
#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool exec_asks_server(const struct cli_call *call)
{
    const char *server = g_getenv("HIKESHI_SERVER");
    return !cli_given(call, "inventory") && (cli_given(call, "server") || (server && *server));
}

/* ---- the request ---- */

json_t *exec_argv(const struct cli_call *call, GError **error)
{
    json_t *argv = json_array();
    for (size_t i = 1; cli_argument(call, i) != NULL; i++)
        json_array_append_new(argv, json_stringn_nocheck(cli_argument(call, i), strlen(cli_argument(call, i))));
    if (json_array_size(argv) > 0)
        return argv;
    json_decref(argv);
    errors_set(error, ERROR_USAGE, "say what to run: hikeshi hosts exec %s -- uptime", cli_argument(call, 0));
    return NULL;
}

static bool check_options(const struct cli_call *call, GError **error)
{
    static const char *const ours[] = {"stdin", "identity", "known-hosts", "user", "config"};
    for (size_t i = 0; i < G_N_ELEMENTS(ours); i++) {
        if (!cli_given(call, ours[i]))
            continue;
        errors_set(error, ERROR_USAGE,
                   "--%s is for hosts that are reached from here, not by a server (give --inventory FILE for that)",
                   ours[i]);
        return false;
    }
    for (size_t i = 0; cli_argument(call, i) != NULL; i++) {
        if (g_utf8_validate(cli_argument(call, i), -1, NULL))
            continue;
        errors_set(error, ERROR_USAGE, "a server takes words in UTF-8 only; word %zu is not", i + 1);
        return false;
    }
    return true;
}

static bool add_numbers(const struct cli_call *call, json_t *body, GError **error)
{
    static const struct {
        const char *option, *key;
    } numbers[] = {
        {"at-once", "at_once"},         {"canary", "canary"},       {"stop-after", "stop_after"},
        {"max-percent", "max_percent"}, {"max-hosts", "max_hosts"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        gint64 number = 0;
        if (!cli_integer(call, numbers[i].option, 1, 1000000, &number, error))
            return false;
        if (number > 0)
            json_object_set_new(body, numbers[i].key, json_integer(number));
    }
    return true;
}

static json_t *request_body(const struct cli_call *call, GError **error)
{
    const char *timeout = cli_value(call, "timeout");
    int64_t timeout_ms = 0;
    json_t *argv = check_options(call, error) ? exec_argv(call, error) : NULL;
    if (!argv)
        return NULL;
    g_autoptr(json_t) body = json_pack("{s:s, s:o}", "hosts", cli_argument(call, 0), "argv", argv);
    if ((timeout && !clock_duration_parse(timeout, &timeout_ms, error)) || !add_numbers(call, body, error))
        return NULL;
    if (timeout)
        json_object_set_new(body, "timeout_ms", json_integer(timeout_ms));
    if (cli_given(call, "sudo"))
        json_object_set_new(body, "sudo", json_true());
    if (cli_given(call, "sudo-user"))
        json_set_string(body, "sudo", cli_value(call, "sudo-user"));
    if (cli_given(call, "reason"))
        json_set_string(body, "reason", cli_value(call, "reason"));
    return g_steal_pointer(&body);
}

/* ---- Ctrl-C ---- */

/* The thread that waits for signals, as long as the process lives. */
struct watch {
    struct client *client; /* its own */
    char *run;
};

static void signals_of(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
}

static void wait_for_signal(void)
{
    sigset_t set;
    int signum;
    signals_of(&set);
    sigwait(&set, &signum);
}

static void *watch_signals(void *arg)
{
    struct watch *watch = arg;
    g_autoptr(GError) error = NULL;
    g_autofree char *path = client_path("/runs/", watch->run, "/cancel");
    wait_for_signal();
    fprintf(stderr,
            "\nhikeshi hosts exec: cancelling, and waiting until hosts confirm that it stopped; once more to leave\n");
    json_decref(client_post(watch->client, path, NULL, &error));
    if (error)
        fprintf(stderr, "hikeshi hosts exec: cannot cancel: %s\n", error->message);
    wait_for_signal();
    fprintf(stderr, "\nhikeshi hosts exec: left; what runs on hosts goes on: hikeshi runs show %s\n", watch->run);
    _exit(errors_exit_status(ERROR_LOST));
}

/* Before any other thread is there. */
static void hold_signals(void)
{
    sigset_t set;
    signals_of(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static bool watch_start(const struct cli_call *call, const char *run, GError **error)
{
    struct watch *watch = g_new0(struct watch, 1);
    watch->client = client_new(call, error);
    watch->run = g_strdup(run);
    if (watch->client) {
        g_thread_unref(g_thread_new("signals", watch_signals, watch));
        return true;
    }
    g_free(watch->run);
    g_free(watch);
    return false;
}

/* ---- the log ---- */

static bool on_event(void *arg, const char *event, const json_t *data)
{
    const char *approval = json_get_string(data, "approval", NULL);
    if (strcmp(event, "end") == 0)
        return false;
    if (strcmp(event, "step") == 0 && approval) {
        g_autofree char *safe = terminal_clean_line(approval);
        fprintf(stderr, "hikeshi hosts exec: waits for approval: hikeshi approvals show %s\n", safe);
    }
    exec_view_event(arg, data);
    return true;
}

/* Why, when no host says it. */
static void tell_why(const json_t *run)
{
    const char *why = json_path_string(json_array_get(json_object_get(run, "steps"), 0), "error.message");
    if (!why)
        why = json_get_string(run, "message", json_get_string(run, "reason", NULL));
    g_autofree char *line = g_strdup_printf("hikeshi hosts exec: %s%s%s", json_get_string(run, "state", "?"),
                                            why ? ": " : "", why ? why : "");
    g_autofree char *safe = terminal_clean_line(line);
    fprintf(stderr, "%s\n", safe);
}

/* The run as it ended, or NULL. */
static json_t *follow(struct client *client, const char *run, struct exec_view *view, GError **error)
{
    g_autofree char *log = client_path("/runs/", run, "/log"), *path = client_path("/runs/", run, "");
    return client_stream(client, log, on_event, view, error) ? client_get(client, path, error) : NULL;
}

static int finish(const json_t *run, struct exec_view *view)
{
    int status = run_exit_status(json_get_string(run, "state", NULL));
    exec_view_end(view, true);
    if (status != 0 && !exec_view_failed(view))
        tell_why(run);
    return exec_view_unknown(view) ? errors_exit_status(ERROR_LOST) : status;
}

int exec_on_server(struct cli_call *call)
{
    g_autoptr(GError) error = NULL;
    hold_signals();
    g_autoptr(json_t) body = request_body(call, &error);
    g_autoptr(client_t) client = body ? client_new(call, &error) : NULL;
    g_autoptr(json_t) run = client ? client_post(client, "/hosts/exec", body, &error) : NULL;
    const char *id = json_get_string(run, "id", "");
    if (!run || !watch_start(call, id, &error))
        return cli_fail(call, &error);
    g_autofree char *safe = terminal_clean_line(id);
    fprintf(stderr, "hikeshi hosts exec: %s\n", safe);
    struct exec_view *view = exec_view_new(cli_wants_json(call));
    g_autoptr(json_t) ended = follow(client, id, view, &error);
    int status = ended ? finish(ended, view) : cli_fail(call, &error);
    exec_view_free(view);
    return status;
}
