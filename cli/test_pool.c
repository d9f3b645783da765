/* test_pool: see test_pool.h. */
#include "cli/test_pool.h"
#include "cli/print.h"
#include "cli/test_file.h"
#include "core/errors.h"
#include "core/loop.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NONE G_MAXUINT

struct pool {
    const struct test_pool_options *options;
    struct loop *loop;
    json_t **results; /* by file; NULL until it comes */
    guint next;       /* file to hand out */
    guint told;       /* files whose result the caller has */
    guint running;    /* workers that have not exited */
};

struct worker {
    struct pool *pool;
    struct loop_child *child;
    struct loop_poll *poll;
    int to, from; /* pipes; -1 closed */
    guint file;   /* under way, or NONE */
    GString *line;
};

static void start_worker(struct pool *pool);

/* ---- results ---- */

static void take_result(struct pool *pool, guint file, json_t *result)
{
    pool->results[file] = result;
    for (; pool->told < pool->options->files->len && pool->results[pool->told] != NULL; pool->told++) {
        pool->options->result(pool->options->arg, pool->results[pool->told]);
        json_decref(pool->results[pool->told]);
    }
}

static json_t *lost_result(const struct pool *pool, guint file, const char *how)
{
    return json_pack("{s:s, s:n, s:[s], s:[], s:i}", "file", (const char *)pool->options->files->pdata[file], "runbook",
                     "problems", how, "cases", "duration_ms", 0);
}

/* ---- one worker ---- */

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Small lines into an empty pipe: this never waits. */
static void hand_out(struct worker *worker)
{
    struct pool *pool = worker->pool;
    worker->file = NONE;
    if (pool->next >= pool->options->files->len) {
        close_fd(&worker->to); /* and it ends */
        return;
    }
    worker->file = pool->next++;
    g_autoptr(json_t) path = json_string_nocheck(pool->options->files->pdata[worker->file]);
    g_autofree char *text = json_text(path), *line = g_strconcat(text, "\n", NULL);
    if (write(worker->to, line, strlen(line)) < 0)
        g_debug("the worker is gone: its exit tells"); /* EPIPE */
}

static void take_line(struct worker *worker)
{
    g_autoptr(GError) error = NULL;
    json_t *result = json_parse(worker->line->str, worker->line->len, "result", &error);
    guint file = worker->file;
    g_string_truncate(worker->line, 0);
    if (result == NULL)
        result = lost_result(worker->pool, file, error->message);
    take_result(worker->pool, file, result);
    hand_out(worker);
}

static void on_readable(void *arg, int events)
{
    (void)events;
    struct worker *worker = arg;
    char bytes[16384];
    ssize_t got = read(worker->from, bytes, sizeof bytes);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    for (ssize_t i = 0; i < got; i++) {
        if (bytes[i] != '\n')
            g_string_append_c(worker->line, bytes[i]);
        else if (worker->file != NONE)
            take_line(worker);
    }
    if (got <= 0)
        loop_poll_set(worker->poll, 0); /* its exit follows */
}

static void worker_free(struct worker *worker)
{
    loop_child_free(worker->child);
    loop_poll_free(worker->poll);
    close_fd(&worker->to);
    close_fd(&worker->from);
    g_string_free(worker->line, TRUE);
    g_free(worker);
}

static void on_exit_of(void *arg, int status, int term_signal)
{
    struct worker *worker = arg;
    struct pool *pool = worker->pool;
    on_readable(worker, LOOP_READ); /* what it said last */
    if (worker->file != NONE) {
        g_autofree char *how = term_signal != 0
                                   ? g_strdup_printf("the test process was ended by signal %d", term_signal)
                                   : g_strdup_printf("the test process ended with status %d", status);
        take_result(pool, worker->file, lost_result(pool, worker->file, how));
    }
    worker_free(worker);
    pool->running--;
    if (pool->next < pool->options->files->len)
        start_worker(pool);
    else if (pool->running == 0)
        loop_stop(pool->loop);
}

static void start_worker(struct pool *pool)
{
    const char *argv[] = {"/proc/self/exe", "test-worker", NULL, NULL, NULL};
    int to[2], from[2];
    g_autoptr(GError) error = NULL;
    if (pool->options->only != NULL) {
        argv[2] = "--case";
        argv[3] = pool->options->only;
    }
    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0)
        g_error("cannot make a pipe: %s", g_strerror(errno));
    fcntl(from[0], F_SETFL, O_NONBLOCK);
    struct worker *worker = g_new0(struct worker, 1);
    *worker = (struct worker){.pool = pool, .to = to[1], .from = from[0], .file = NONE, .line = g_string_new(NULL)};
    const struct loop_child_options options = {.argv = argv,
                                               .stdin_fd = to[0],
                                               .stdout_fd = from[1],
                                               .stderr_fd = STDERR_FILENO,
                                               .die_with_parent = true,
                                               .on_exit = on_exit_of,
                                               .arg = worker};
    worker->child = loop_child_new(pool->loop, &options, &error);
    close(to[0]);
    close(from[1]);
    if (worker->child == NULL)
        g_error("%s", error->message);
    worker->poll = loop_poll_new(pool->loop, worker->from, on_readable, worker);
    loop_poll_set(worker->poll, LOOP_READ);
    pool->running++;
    hand_out(worker);
}

void test_pool_run(const struct test_pool_options *options)
{
    struct pool pool = {.options = options};
    signal(SIGPIPE, SIG_IGN);
    pool.results = g_new0(json_t *, options->files->len + 1);
    pool.loop = loop_new();
    for (guint i = 0; i < options->workers && pool.next < options->files->len; i++)
        start_worker(&pool);
    if (pool.running > 0)
        loop_run(pool.loop);
    loop_free(pool.loop);
    g_free(pool.results);
}

/* ---- the child's side ---- */

int test_pool_worker(const char *only)
{
    struct test_files *files = test_files_new(only);
    char *line = NULL;
    size_t size = 0;
    for (ssize_t got; (got = getline(&line, &size, stdin)) > 0;) {
        g_autofree char *wrapped = g_strdup_printf("[%s]", line);
        g_autoptr(json_t) path = json_parse(wrapped, strlen(wrapped), "request", NULL);
        g_autoptr(json_t) result = test_files_run(files, json_string_value(json_array_get(path, 0)));
        print_json_line(result);
    }
    free(line);
    test_files_free(files);
    return 0;
}
