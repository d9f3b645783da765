/* hikeshi hosts exec: one command on many hosts from this terminal, now: without a runbook, a record or an approval. */
#include "cli/cmd_hosts.h"
#include "cli/exec_server.h"
#include "cli/exec_view.h"
#include "cli/fleet.h"
#include "cli/local_inventory.h"
#include "cli/ssh_options.h"
#include "core/clock.h"
#include "core/crypto.h"
#include "core/errors.h"
#include "core/limits.h"
#include "jobs/inventory.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STDIN_BYTES (16 * 1024 * 1024)

struct exec {
    const json_t *inventory;
    json_t *argv;
    GBytes *input; /* NULL = none */
    const char *sudo;
    int64_t timeout_ms;
    struct exec_view *view;
    GPtrArray *talkers; /* struct talker*: for the pool's life */
};

struct talker {
    struct exec *exec;
    const json_t *name;
};

/* ---- one host ---- */

static void tell(struct exec *exec, json_t *event)
{
    exec_view_event(exec->view, event);
    json_decref(event);
}

static void on_output(void *arg, const char *stream, const char *bytes, size_t length)
{
    const struct talker *talker = arg;
    tell(talker->exec, json_pack("{s:s, s:O, s:s, s:o}", "kind", "output", "host", talker->name, "stream", stream,
                                 "text", json_text_value(bytes, length)));
}

static void start(void *arg, struct ssh_pool *pool, const json_t *host, struct op *op)
{
    struct exec *exec = arg;
    struct talker *talker = g_new(struct talker, 1);
    gsize length = 0;
    const char *input = exec->input ? g_bytes_get_data(exec->input, &length) : NULL;
    *talker = (struct talker){exec, json_object_get(host, "name")};
    g_ptr_array_add(exec->talkers, talker);
    const struct ssh_command command = {.host = host,
                                        .inventory = exec->inventory,
                                        .argv = exec->argv,
                                        .stdin_bytes = input,
                                        .stdin_length = length,
                                        .sudo = exec->sudo,
                                        .timeout_ms = exec->timeout_ms,
                                        .on_output = on_output,
                                        .arg = talker};
    tell(exec, json_pack("{s:s, s:O}", "kind", "command", "host", talker->name));
    ssh_run(pool, &command, op);
}

/* A command that ran and failed is an error here, as in a step. */
static GError *failure_of(const json_t *result, const GError *error)
{
    const char *signal_name = json_get_string(result, "signal", NULL);
    json_int_t code = json_get_integer(result, "code", 0);
    if (error != NULL)
        return g_error_copy(error);
    if (signal_name != NULL)
        return g_error_new(HIKESHI_ERROR, ERROR_SIGNAL, "ended by signal %s", signal_name);
    return code != 0 ? g_error_new(HIKESHI_ERROR, ERROR_EXIT, "exit code %d", (int)code) : NULL;
}

static bool ended(void *arg, const json_t *host, const json_t *result, const GError *error)
{
    static const char *const told[] = {"code", "signal", "duration_ms", "truncated"};
    struct exec *exec = arg;
    g_autoptr(GError) failure = failure_of(result, error);
    json_t *event = json_pack("{s:s, s:O, s:s}", "kind", "host", "host", json_object_get(host, "name"), "result",
                              failure ? "failed" : "ok");
    for (size_t i = 0; i < G_N_ELEMENTS(told); i++)
        json_object_set(event, told[i], json_object_get(result, told[i]));
    if (failure != NULL)
        json_object_set_new(
            event, "error",
            json_pack("{s:s, s:s}", "code", errors_code(errors_of(failure)), "message", failure->message));
    tell(exec, event);
    return failure == NULL;
}

/* ---- the whole ---- */

static int run(struct exec *exec, const struct ssh_settings *ssh, const json_t *hosts, const json_t *rollout)
{
    struct fleet_outcome outcome;
    const struct fleet_options options = {.command = "hosts exec",
                                          .ssh = ssh,
                                          .hosts = hosts,
                                          .rollout = rollout,
                                          .start = start,
                                          .ended = ended,
                                          .arg = exec};
    size_t index;
    json_t *name;
    exec->talkers = g_ptr_array_new_with_free_func(g_free);
    fleet_run(&options, &outcome);
    json_array_foreach (outcome.not_started, index, name)
        tell(exec, json_pack("{s:s, s:O, s:s}", "kind", "host", "host", name, "result", "not_reached"));
    exec_view_end(exec->view, !outcome.left);
    g_ptr_array_unref(exec->talkers);
    json_decref(outcome.not_started);
    if (outcome.left || exec_view_unknown(exec->view))
        return errors_exit_status(ERROR_LOST);
    return exec_view_failed(exec->view) || outcome.cancelled ? 1 : 0;
}

/* ---- the command line ---- */

static bool read_number(const struct cli_call *call, const char *option, const char *key, gint64 fallback,
                        json_t *rollout, GError **error)
{
    gint64 number = fallback;
    if (!cli_integer(call, option, 1, 1000000, &number, error))
        return false;
    if (number > 0)
        json_object_set_new(rollout, key, json_integer(number));
    return true;
}

/* Every host is tried unless somebody says otherwise, as one does who only looks. */
static json_t *read_rollout(const struct cli_call *call, GError **error)
{
    g_autoptr(json_t) rollout = json_pack("{s:s}", "effect", "read");
    if (read_number(call, "at-once", "at_once", DEFAULT_AT_ONCE_EXEC, rollout, error) &&
        read_number(call, "canary", "canary", 0, rollout, error) &&
        read_number(call, "stop-after", "stop_after", 0, rollout, error) &&
        read_number(call, "max-percent", "max_percent", 0, rollout, error))
        return g_steal_pointer(&rollout);
    return NULL;
}

static bool read_input(const struct cli_call *call, GBytes **ret, GError **error)
{
    *ret = NULL;
    if (!cli_given(call, "stdin"))
        return true;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    guint8 piece[65536];
    ssize_t got;
    while ((got = read(STDIN_FILENO, piece, sizeof piece)) > 0 && bytes->len <= STDIN_BYTES)
        g_byte_array_append(bytes, piece, (guint)got);
    if (got < 0 || bytes->len > STDIN_BYTES) {
        errors_set(error, ERROR_USAGE, "--stdin: standard input cannot be read, or is over %d MiB",
                   STDIN_BYTES / 1024 / 1024);
        return false;
    }
    *ret = g_byte_array_free_to_bytes(g_steal_pointer(&bytes));
    return true;
}

static bool read_options(const struct cli_call *call, struct exec *exec, GError **error)
{
    const char *timeout = cli_value(call, "timeout");
    if (timeout != NULL && !clock_duration_parse(timeout, &exec->timeout_ms, error))
        return false;
    exec->sudo = cli_given(call, "sudo-user") ? cli_value(call, "sudo-user") : cli_given(call, "sudo") ? "root" : NULL;
    return (exec->argv = exec_argv(call, error)) != NULL && read_input(call, &exec->input, error);
}

static bool check_most(const struct cli_call *call, const json_t *hosts, GError **error)
{
    gint64 most = (gint64)json_array_size(hosts);
    if (!cli_integer(call, "max-hosts", 1, 1000000, &most, error))
        return false;
    if ((gint64)json_array_size(hosts) <= most)
        return true;
    errors_set(error, ERROR_USAGE, "'%s' is %zu hosts, more than --max-hosts allows", cli_argument(call, 0),
               json_array_size(hosts));
    return false;
}

static int execute(struct cli_call *call, const struct config *config, const json_t *inventory, const json_t *hosts)
{
    g_autoptr(GError) error = NULL;
    struct exec exec = {.inventory = inventory};
    g_autoptr(json_t) rollout = read_rollout(call, &error);
    int status;
    if (rollout == NULL || !read_options(call, &exec, &error) || !check_most(call, hosts, &error)) {
        status = cli_fail(call, &error);
    } else {
        struct ssh_options ssh;
        ssh_options_read(call, config, &ssh);
        exec.view = exec_view_new(cli_wants_json(call));
        status = run(&exec, &ssh.settings, hosts, rollout);
        exec_view_free(exec.view);
        ssh_options_clear(&ssh);
    }
    json_decref(exec.argv);
    g_clear_pointer(&exec.input, g_bytes_unref);
    return status;
}

int cmd_hosts_exec(struct cli_call *call)
{
    g_autoptr(GError) error = NULL;
    crypto_init();
    if (exec_asks_server(call))
        return exec_on_server(call);
    g_autoptr(config_t) config = config_load(cli_value(call, "config"), NULL, &error);
    g_autoptr(json_t) inventory = config ? local_inventory(call, &error) : NULL;
    g_autoptr(json_t) hosts = inventory ? inventory_select(inventory, cli_argument(call, 0), &error) : NULL;
    return hosts ? execute(call, config, inventory, hosts) : cli_fail(call, &error);
}

const struct cli_option cmd_hosts_exec_options[] = {
    {.name = "at-once", .value = "N", .help = "hosts at a time (default: 32)"},
    {.name = "canary", .value = "N", .help = "so many hosts first; the others only when all of these are fine"},
    {.name = "stop-after", .value = "N", .help = "failures after which no more hosts start (default: none)"},
    {.name = "max-percent", .value = "N", .help = "the same in percent of the hosts"},
    {.name = "max-hosts", .value = "N", .help = "refuse a FILTER that is more hosts (default on a server: 50)"},
    {.name = "reason", .value = "TEXT", .help = "on a server: kept with the run"},
    {.name = "timeout", .value = "DURATION", .help = "stop the command on a host after this time"},
    {.name = "sudo", .help = "as root, by sudo -n"},
    {.name = "sudo-user", .value = "NAME", .help = "as this user, by sudo -n"},
    {.name = "stdin", .help = "give what stands on standard input to the command on each host"},
    CLI_OPTION_INVENTORY,
    CLI_OPTION_SSH,
    CLI_OPTION_JSON,
    CLI_OPTION_CLIENT,
    CLI_OPTION_END,
};
