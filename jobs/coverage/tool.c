/* tool: see tool.h. */
#include "jobs/coverage/tool.h"
#include "core/errors.h"
#include "core/limits.h"
#include "core/loop.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct batch {
    struct loop *loop;
    struct tool_run *const *runs;
    size_t count, next, going;
    char **environment;
};

enum { OUTPUT, ERRORS, PIPES };

/* One program at work. */
struct process {
    struct batch *batch;
    struct tool_run *run;
    struct loop_child *child;
    struct loop_timer *deadline;
    int fds[PIPES];
    struct loop_poll *polls[PIPES];
    GString *texts[PIPES];
    const char *stopped; /* why it was killed */
};

static const size_t ceilings[] = {[OUTPUT] = LIMIT_MANIFEST_BYTES, [ERRORS] = LIMIT_TOOL_ERROR_BYTES};

static void start_more(struct batch *batch);

static void stop(struct process *process, const char *why)
{
    if (!process->stopped)
        process->stopped = why;
    loop_child_kill(process->child, SIGKILL);
}

/* Reads what is there. A program that talks too much on standard error is only not listened to. */
static void drain(struct process *process, int which)
{
    char buffer[16 * 1024];
    ssize_t got = 0;
    while (process->fds[which] >= 0 && (got = read(process->fds[which], buffer, sizeof buffer)) > 0) {
        size_t room = ceilings[which] - process->texts[which]->len;
        g_string_append_len(process->texts[which], buffer, (gssize)MIN((size_t)got, room));
        if ((size_t)got > room && which == OUTPUT) {
            stop(process, "it printed more than 8 MiB");
            return;
        }
    }
    if (got == 0 && process->polls[which])
        loop_poll_set(process->polls[which], 0);
}

static void on_output(void *arg, int events)
{
    (void)events;
    drain(arg, OUTPUT);
}

static void on_errors(void *arg, int events)
{
    (void)events;
    drain(arg, ERRORS);
}

static void process_free(struct process *process)
{
    loop_child_free(process->child);
    loop_timer_free(process->deadline);
    for (int i = 0; i < PIPES; i++) {
        loop_poll_free(process->polls[i]);
        if (process->fds[i] >= 0)
            close(process->fds[i]);
        if (process->texts[i])
            g_string_free(process->texts[i], TRUE);
    }
    g_free(process);
}

/* The first line that says something. g_free. */
static char *first_line(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    g_auto(GStrv) lines = g_strsplit(valid, "\n", -1);
    for (char **line = lines; *line; line++)
        if (*g_strstrip(*line))
            return g_strdup(*line);
    return NULL;
}

static void on_exit_of_tool(void *arg, int status, int term_signal)
{
    struct process *process = arg;
    struct batch *batch = process->batch;
    for (int i = 0; i < PIPES; i++)
        drain(process, i);
    char *said = first_line(process->texts[ERRORS]->str);
    if (process->stopped)
        process->run->problem = g_strdup(process->stopped);
    else if (term_signal)
        process->run->problem = g_strdup_printf("it was ended by signal %d", term_signal);
    else if (status != 0)
        process->run->problem = said ? g_strdup(said) : g_strdup_printf("it ended with status %d", status);
    else
        process->run->output = g_steal_pointer(&process->texts[OUTPUT]);
    g_free(said);
    process_free(process);
    batch->going--;
    start_more(batch);
}

static void on_deadline(void *arg)
{
    stop(arg, "it took longer than 60 s");
}

static bool open_pipes(struct process *process, int *ret_write)
{
    for (int i = 0; i < PIPES; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0)
            return false;
        process->fds[i] = ends[0];
        ret_write[i] = ends[1];
        if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0)
            return false;
    }
    return true;
}

static bool launch(struct process *process, const int *write_ends, GError **error)
{
    struct loop *loop = process->batch->loop;
    struct loop_child_options options = {
        .argv = process->run->argv,
        .env = (const char *const *)process->batch->environment,
        .stdin_fd = LOOP_FD_NULL,
        .stdout_fd = write_ends[OUTPUT],
        .stderr_fd = write_ends[ERRORS],
        .die_with_parent = true,
        .own_group = true,
        .on_exit = on_exit_of_tool,
        .arg = process,
    };
    process->child = loop_child_new(loop, &options, error);
    if (!process->child)
        return false;
    process->deadline = loop_timer_new(loop, on_deadline, process);
    loop_timer_start(process->deadline, LIMIT_RENDER_MS, 0);
    process->polls[OUTPUT] = loop_poll_new(loop, process->fds[OUTPUT], on_output, process);
    process->polls[ERRORS] = loop_poll_new(loop, process->fds[ERRORS], on_errors, process);
    for (int i = 0; i < PIPES; i++)
        loop_poll_set(process->polls[i], LOOP_READ);
    return true;
}

static void start(struct batch *batch, struct tool_run *run)
{
    struct process *process = g_new0(struct process, 1);
    g_autoptr(GError) error = NULL;
    int write_ends[PIPES] = {-1, -1};
    process->batch = batch;
    process->run = run;
    for (int i = 0; i < PIPES; i++) {
        process->fds[i] = -1;
        process->texts[i] = g_string_new(NULL);
    }
    if (!open_pipes(process, write_ends))
        errors_set(&error, ERROR_IO, "cannot start '%s': %s", run->argv[0], g_strerror(errno));
    bool started = !error && launch(process, write_ends, &error);
    for (int i = 0; i < PIPES; i++)
        if (write_ends[i] >= 0)
            close(write_ends[i]);
    batch->going += started;
    if (started)
        return;
    run->problem = g_strdup(error->message);
    process_free(process);
}

static void start_more(struct batch *batch)
{
    while (batch->next < batch->count && batch->going < g_get_num_processors())
        start(batch, batch->runs[batch->next++]);
    if (batch->going == 0)
        loop_stop(batch->loop);
}

/* Just what a program needs to run: templates that read the environment find no token in it. Go's HTTP client takes a
 * proxy that nobody listens on, and Git no transport but files. */
static char **environment_new(void)
{
    static const char *const kept[] = {"PATH", "HOME", "TMPDIR", "LANG"};
    static const char *const given[] = {"HTTP_PROXY=http://127.0.0.1:9", "HTTPS_PROXY=http://127.0.0.1:9",
                                        "GIT_ALLOW_PROTOCOL=file", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C.UTF-8"};
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    for (size_t i = 0; i < G_N_ELEMENTS(kept); i++) {
        g_autofree char *pair = g_getenv(kept[i]) ? g_strconcat(kept[i], "=", g_getenv(kept[i]), NULL) : NULL;
        if (pair)
            g_strv_builder_add(builder, pair);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(given); i++)
        g_strv_builder_add(builder, given[i]);
    return g_strv_builder_end(builder);
}

static void on_begin(void *arg)
{
    start_more(arg);
}

void tools_run(struct tool_run *const *runs, size_t count)
{
    if (count == 0)
        return;
    struct batch batch = {loop_new(), runs, count, 0, 0, environment_new()};
    loop_post(batch.loop, on_begin, &batch);
    loop_run(batch.loop);
    loop_free(batch.loop);
    g_strfreev(batch.environment);
}

void tool_run_clear(struct tool_run *run)
{
    if (run->output)
        g_string_free(run->output, TRUE);
    g_free(run->problem);
    run->output = NULL;
    run->problem = NULL;
}

bool tool_is_there(const char *name)
{
    g_autofree char *path = g_find_program_in_path(name);
    return path != NULL;
}
