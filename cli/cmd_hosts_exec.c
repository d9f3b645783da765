/* hikeshi hosts exec: one command on many hosts from this terminal, now: without a runbook, a record or an approval. */
#include "cli/cmd_hosts.h"
#include "cli/fleet.h"
#include "cli/live.h"
#include "cli/local_inventory.h"
#include "cli/print.h"
#include "cli/ssh_options.h"
#include "cli/terminal.h"
#include "core/clock.h"
#include "core/crypto.h"
#include "core/errors.h"
#include "core/host_names.h"
#include "core/limits.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_AT_ONCE_EXEC 32
#define STDIN_BYTES          (16 * 1024 * 1024)

struct exec {
    const json_t *inventory;
    json_t *argv;
    GBytes *input; /* NULL = none */
    const char *sudo;
    int64_t timeout_ms;
    struct live *live;  /* NULL with --json */
    GPtrArray *talkers; /* struct talker*: for the pool's life */
    GPtrArray *failed;  /* names; borrowed */
    bool unknown;       /* something may still run */
    size_t hosts;
};

struct talker {
    struct exec *exec;
    const json_t *name;
};

/* ---- one host ---- */

static void tell(struct exec *exec, json_t *event)
{
    live_event(exec->live, event);
    json_decref(event);
}

static void on_output(void *arg, const char *stream, const char *bytes, size_t length)
{
    const struct talker *talker = arg;
    if (talker->exec->live != NULL)
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
    if (exec->live != NULL)
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

static json_t *error_json(const GError *error)
{
    return error ? json_pack("{s:s, s:s}", "code", errors_code(errors_of(error)), "message", error->message)
                 : json_null();
}

static void print_result(const json_t *host, const json_t *result, const GError *error)
{
    static const char *const kept[] = {"code", "signal", "duration_ms", "truncated"};
    static const char *const streams[] = {"stdout", "stderr"};
    g_autoptr(json_t) line = json_pack("{s:O}", "host", json_object_get(host, "name"));
    for (size_t i = 0; i < G_N_ELEMENTS(kept); i++) {
        json_t *value = json_object_get(result, kept[i]);
        json_object_set_new(line, kept[i], value ? json_incref(value) : json_null());
    }
    for (size_t i = 0; i < G_N_ELEMENTS(streams); i++) {
        const json_t *text = json_object_get(result, streams[i]);
        json_object_set_new(line, streams[i],
                            json_text_value(text ? json_string_value(text) : "", json_string_length(text)));
    }
    json_object_set_new(line, "error", error_json(error));
    print_json_line(line);
}

static void tell_end(struct exec *exec, const json_t *host, const json_t *result, const GError *error)
{
    if (json_get_bool(result, "truncated", false))
        tell(exec, json_pack("{s:s, s:O, s:s, s:s}", "kind", "output", "host", json_object_get(host, "name"), "stream",
                             "err", "text", "(more output was left out)\n"));
    tell(exec, json_pack("{s:s, s:O, s:s, s:o}", "kind", "host", "host", json_object_get(host, "name"), "result",
                         error ? "failed" : "ok", "error", error_json(error)));
}

static bool ended(void *arg, const json_t *host, const json_t *result, const GError *error)
{
    struct exec *exec = arg;
    g_autoptr(GError) failure = failure_of(result, error);
    if (exec->live != NULL)
        tell_end(exec, host, result, failure);
    else
        print_result(host, result, failure);
    if (failure == NULL)
        return true;
    g_ptr_array_add(exec->failed, (char *)(uintptr_t)json_get_string(host, "name", ""));
    exec->unknown |= errors_of(failure) == ERROR_LOST || strstr(failure->message, "could not confirm") != NULL;
    return false;
}

/* ---- the whole ---- */

static void append_names(GString *text, const char *what, const GPtrArray *names)
{
    g_autofree char *folded = host_names_fold(names);
    g_string_append_printf(text, ", %u %s: %s", names->len, what, folded);
}

static void print_summary(const struct exec *exec, const struct fleet_outcome *outcome)
{
    g_autoptr(GPtrArray) left = g_ptr_array_new();
    size_t index, bad = exec->failed->len + json_array_size(outcome->not_started);
    json_t *name;
    json_array_foreach (outcome->not_started, index, name)
        g_ptr_array_add(left, (char *)(uintptr_t)json_string_value(name));
    if (exec->live == NULL || bad == 0 || exec->hosts == 1 || outcome->left)
        return;
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_printf(text, "%zu of %zu hosts ok", exec->hosts - bad, exec->hosts);
    if (exec->failed->len > 0)
        append_names(text, "failed", exec->failed);
    if (left->len > 0)
        append_names(text, "not started", left);
    g_autofree char *line = terminal_clean_line(text->str);
    fflush(stdout);
    fprintf(stderr, "%s\n", line);
}

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
    exec->hosts = json_array_size(hosts);
    exec->talkers = g_ptr_array_new_with_free_func(g_free);
    exec->failed = g_ptr_array_new();
    fleet_run(&options, &outcome);
    live_free(exec->live); /* prints what is left */
    print_summary(exec, &outcome);
    bool bad = outcome.failed > 0 || outcome.cancelled || json_array_size(outcome.not_started) > 0;
    g_ptr_array_unref(exec->talkers);
    g_ptr_array_unref(exec->failed);
    json_decref(outcome.not_started);
    return outcome.left || exec->unknown ? errors_exit_status(ERROR_LOST) : bad ? 1 : 0;
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

static json_t *read_argv(const struct cli_call *call, GError **error)
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
    return (exec->argv = read_argv(call, error)) != NULL && read_input(call, &exec->input, error);
}

static int execute(struct cli_call *call, const struct config *config, const json_t *inventory, const json_t *hosts)
{
    g_autoptr(GError) error = NULL;
    struct exec exec = {.inventory = inventory};
    g_autoptr(json_t) rollout = read_rollout(call, &error);
    int status;
    if (rollout == NULL || !read_options(call, &exec, &error)) {
        status = cli_fail(call, &error);
    } else {
        struct ssh_options ssh;
        ssh_options_read(call, config, &ssh);
        exec.live = cli_wants_json(call) ? NULL : live_new(stdout);
        status = run(&exec, &ssh.settings, hosts, rollout);
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
    g_autoptr(config_t) config = config_load(cli_value(call, "config"), NULL, &error);
    g_autoptr(json_t) inventory = config ? local_inventory(call, &error) : NULL;
    g_autoptr(json_t) hosts = inventory ? local_inventory_select(inventory, cli_argument(call, 0), &error) : NULL;
    return hosts ? execute(call, config, inventory, hosts) : cli_fail(call, &error);
}

const struct cli_option cmd_hosts_exec_options[] = {
    {.name = "at-once", .value = "N", .help = "hosts at a time (default: 32)"},
    {.name = "canary", .value = "N", .help = "so many hosts first; the others only when all of these are fine"},
    {.name = "stop-after", .value = "N", .help = "failures after which no more hosts start (default: none)"},
    {.name = "max-percent", .value = "N", .help = "the same in percent of the hosts"},
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
