/* hikeshi runner: the data plane: a supervisor and its workers. The supervisor touches neither jobs nor keys; each
 * worker is this program again, as `hikeshi runner-worker`.
 *
 * SIGTERM or SIGINT drains: no new jobs; what runs has RUNNER_DRAIN_MS to end, then it is cancelled. */
#include "cli/commands.h"
#include "cli/config_flags.h"
#include "core/crypto.h"
#include "core/descriptors.h"
#include "core/errors.h"
#include "core/log.h"
#include "core/secret.h"
#include "runner/settings.h"
#include "runner/supervisor.h"
#include "runner/worker.h"
#include <signal.h>
#include <unistd.h>

#define HEARTBEAT_FD 3

static void start_log(const struct config *config, const char *process)
{
    enum log_level level = LOG_LEVEL_INFO;
    (void)log_level_from_name(config_string(config, "log.level"), &level);
    log_init(process, level,
             g_strcmp0(config_string(config, "log.format"), "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
}

/* --- what both have: a loop that two signals drain ---------------------------------------------------------------- */

struct process {
    struct loop *loop;
    struct loop_signal *terminate, *interrupt;
    void (*drain)(struct process *process);
    struct supervisor *supervisor;
    struct worker *worker;
    bool draining;
};

static void on_signal(void *arg, int signum)
{
    (void)signum;
    struct process *process = arg;
    /* A terminal's Ctrl-C reaches every process of the group, and the parent passes it on: once is enough. */
    if (!process->draining)
        process->drain(process);
    process->draining = true;
}

static void on_ended(void *arg)
{
    struct process *process = arg;
    loop_stop(process->loop);
}

static void process_init(struct process *process, void (*drain)(struct process *process))
{
    signal(SIGPIPE, SIG_IGN);
    descriptors_raise_limit();
    *process = (struct process){.loop = loop_new(), .drain = drain};
    process->terminate = loop_signal_new(process->loop, SIGTERM, on_signal, process);
    process->interrupt = loop_signal_new(process->loop, SIGINT, on_signal, process);
}

static void process_clear(struct process *process)
{
    supervisor_free(process->supervisor);
    worker_free(process->worker);
    loop_signal_free(process->terminate);
    loop_signal_free(process->interrupt);
    loop_free(process->loop);
}

/* --- runner ------------------------------------------------------------------------------------------------------- */

static void drain_supervisor(struct process *process)
{
    supervisor_drain(process->supervisor);
}

/* The file that runs now; the link when an upgrade has removed that file. */
static char *own_program(void)
{
    char *path = g_file_read_link("/proc/self/exe", NULL);
    if (path != NULL && access(path, X_OK) == 0)
        return path;
    g_free(path);
    return g_strdup("/proc/self/exe");
}

static bool option_required(const struct cli_call *call, const char *option, GError **error)
{
    if (cli_given(call, option))
        return true;
    errors_set(error, ERROR_USAGE, "--%s is missing", option);
    return false;
}

static int runner_run(struct cli_call *call)
{
    g_autoptr(GError) error = NULL;
    if (!option_required(call, "socket", &error) || !option_required(call, "token-file", &error))
        return cli_fail(call, &error);
    g_autoptr(config_t) config = config_flags_load(call, &error);
    g_autoptr(reach_t) reach = config != NULL ? settings_reach(config, &error) : NULL; /* here, not in each worker */
    if (reach == NULL)
        return cli_fail(call, &error);
    start_log(config, "runner");
    g_autofree char *program = own_program();
    g_auto(GStrv) env = config_flags_environment(call);
    const char *argv[] = {program,
                          "runner-worker",
                          "--socket",
                          cli_value(call, "socket"),
                          "--token-file",
                          cli_value(call, "token-file"),
                          NULL,
                          NULL,
                          NULL};
    if (cli_given(call, "config")) {
        argv[6] = "--config";
        argv[7] = cli_value(call, "config");
    }
    struct process process;
    process_init(&process, drain_supervisor);
    const struct supervisor_options options = {.loop = process.loop,
                                               .argv = argv,
                                               .env = (const char *const *)env,
                                               .most = settings_workers(config),
                                               .ended = on_ended,
                                               .arg = &process};
    process.supervisor = supervisor_new(&options);
    loop_run(process.loop);
    process_clear(&process);
    return 0;
}

/* --- runner-worker ------------------------------------------------------------------------------------------------ */

static void drain_worker(struct process *process)
{
    worker_drain(process->worker);
}

static int worker_run(struct cli_call *call)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *token = NULL, *name = NULL;
    if (!option_required(call, "socket", &error) || !option_required(call, "token-file", &error))
        return cli_fail(call, &error);
    g_autoptr(config_t) config = config_flags_load(call, &error);
    g_autofree char *reference = g_strconcat("file:", cli_value(call, "token-file"), NULL);
    g_autoptr(reach_t) reach = config != NULL ? settings_reach(config, &error) : NULL;
    if (reach == NULL || (token = secret_resolve(reference, &error)) == NULL)
        return cli_fail(call, &error);
    start_log(config, "worker");
    name = settings_name(config);
    const struct ssh_settings ssh = settings_ssh(config);
    struct process process;
    process_init(&process, drain_worker);
    const struct worker_options options = {.loop = process.loop,
                                           .socket_path = cli_value(call, "socket"),
                                           .token = token,
                                           .runner = name,
                                           .slots = config_integer(config, "runner.slots"),
                                           .ssh = &ssh,
                                           .exec = config_bool(config, "runner.exec"),
                                           .reach = reach,
                                           .heartbeat_fd = HEARTBEAT_FD,
                                           .drained = on_ended,
                                           .arg = &process};
    process.worker = worker_new(&options);
    secret_free(g_steal_pointer(&token));
    loop_run(process.loop);
    process_clear(&process);
    return 0;
}

static const struct cli_option options[] = {
    {.name = "socket", .value = "PATH", .help = "the server's socket, DATA/runner.sock"},
    {.name = "token-file", .value = "PATH", .help = "file of the runner's token, DATA/runner-token"},
    CLI_OPTION_END,
};

const struct cli_command cmd_runner = {
    .name = "runner",
    .arguments = "",
    .summary = "execute the runs of a server on this machine",
    .details =
        "`hikeshi serve` starts one by itself. Start it on its own, with `serve --no-runner`, to run it as another\n"
        "user: it holds the SSH keys, the server does not. docs/runner.md says how.\n\n"
        "SIGTERM takes no new runs and waits 10 s for those that run; then it cancels them.",
    .options = options,
    .more_options = config_flags_options,
    .run = runner_run,
};

const struct cli_command cmd_runner_worker = {
    .name = "runner-worker",
    .arguments = "",
    .summary = "one worker process of a runner; `hikeshi runner` starts it",
    .options = options,
    .more_options = config_flags_options,
    .hidden = true,
    .run = worker_run,
};
