/* runner_child: see runner_child.h. */
#include "cli/runner_child.h"
#include "cli/config_flags.h"
#include "core/log.h"
#include "core/wire.h"
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define BACKOFF_FIRST_MS 100
#define BACKOFF_MOST_MS  10000
/* A runner that lived so long was fine: its end is news, not the next of a row. */
#define HEALTHY_MS 30000

struct runner_child {
    struct loop *loop;
    struct loop_child *child; /* NULL: between two lives */
    struct loop_timer *restart;
    char **environment;
    char *program, *socket_path, *token_path, *config_path; /* config_path may be NULL */
    uint64_t started_ms, backoff_ms;
    bool draining;
    void (*ended)(void *arg);
    void *ended_arg;
};

/* The file that runs now; the link when an upgrade has removed that file. */
static char *own_program(void)
{
    char *path = g_file_read_link("/proc/self/exe", NULL);
    if (path != NULL && access(path, X_OK) == 0)
        return path;
    g_free(path);
    return g_strdup("/proc/self/exe");
}

static void start(struct runner_child *runner);

static void on_restart(void *arg)
{
    start(arg);
}

static void restart_later(struct runner_child *runner)
{
    bool healthy = loop_now_ms(runner->loop) - runner->started_ms >= HEALTHY_MS;
    if (healthy)
        runner->backoff_ms = 0;
    loop_timer_start(runner->restart, runner->backoff_ms, 0);
    runner->backoff_ms = CLAMP(runner->backoff_ms * 2, BACKOFF_FIRST_MS, BACKOFF_MOST_MS);
}

static void runner_exited(void *arg, int status, int term_signal)
{
    struct runner_child *runner = arg;
    loop_child_free(g_steal_pointer(&runner->child));
    if (runner->draining) {
        runner->ended(runner->ended_arg);
        return;
    }
    g_autofree char *how =
        term_signal != 0 ? g_strdup_printf("signal %d", term_signal) : g_strdup_printf("exit status %d", status);
    log_error("the runner ended and is started again", "how", how, NULL);
    restart_later(runner);
}

static void start(struct runner_child *runner)
{
    const char *argv[] = {runner->program,
                          "runner",
                          "--socket",
                          runner->socket_path,
                          "--token-file",
                          runner->token_path,
                          NULL,
                          NULL,
                          NULL};
    if (runner->config_path != NULL) {
        argv[6] = "--config";
        argv[7] = runner->config_path;
    }
    const struct loop_child_options options = {.argv = argv,
                                               .env = (const char *const *)runner->environment,
                                               .stdin_fd = LOOP_FD_NULL,
                                               .stdout_fd = STDOUT_FILENO,
                                               .stderr_fd = STDERR_FILENO,
                                               .die_with_parent = true,
                                               .on_exit = runner_exited,
                                               .arg = runner};
    g_autoptr(GError) error = NULL;
    runner->started_ms = loop_now_ms(runner->loop);
    runner->child = loop_child_new(runner->loop, &options, &error);
    if (runner->child != NULL)
        return;
    log_error("the runner cannot be started", "error", error->message, NULL);
    restart_later(runner);
}

/* The file in use as an absolute path: the runner reads its own keys from it. */
static char *config_path_of(const struct config *config)
{
    return g_file_test(config_file(config), G_FILE_TEST_EXISTS) ? g_canonicalize_filename(config_file(config), NULL)
                                                                : NULL;
}

struct runner_child *runner_child_new(struct loop *loop, const struct cli_call *call, const struct config *config,
                                      const char *data_folder)
{
    struct runner_child *runner = g_new0(struct runner_child, 1);
    runner->loop = loop;
    runner->restart = loop_timer_new(loop, on_restart, runner);
    runner->environment = config_flags_environment(call);
    runner->program = own_program();
    runner->socket_path = g_build_filename(data_folder, WIRE_SOCKET_NAME, NULL);
    runner->token_path = g_build_filename(data_folder, WIRE_TOKEN_NAME, NULL);
    runner->config_path = config_path_of(config);
    start(runner);
    return runner;
}

void runner_child_drain(struct runner_child *runner, void (*ended)(void *arg), void *arg)
{
    if (runner != NULL) {
        runner->draining = true;
        runner->ended = ended;
        runner->ended_arg = arg;
        loop_timer_stop(runner->restart);
        if (runner->child != NULL && loop_child_kill(runner->child, SIGTERM))
            return;
    }
    ended(arg);
}

void runner_child_free(struct runner_child *runner)
{
    if (runner == NULL)
        return;
    if (runner->child != NULL)
        loop_child_kill(runner->child, SIGKILL);
    loop_child_free(runner->child);
    loop_timer_free(runner->restart);
    g_strfreev(runner->environment);
    g_free(runner->program);
    g_free(runner->socket_path);
    g_free(runner->token_path);
    g_free(runner->config_path);
    g_free(runner);
}
