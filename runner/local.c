/* local: see local.h. */
#include "runner/local.h"

#include "core/errors.h"
#include "core/limits.h"
#include "core/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Between asking to end and ending; and how often to look whether the group is gone. */
enum { KILL_AFTER_MS = 300, LOOK_MS = 50, LOOKS = 20 };

struct stream {
    struct local *local;
    const char *name;
    int fd; /* -1: closed */
    struct loop_poll *poll;
    GByteArray *kept;
};

struct local_pool {
    struct loop *loop;
    GQueue running; /* struct local */
};

struct local {
    struct local_pool *pool;
    GList link;
    struct loop *loop;
    struct op *op;
    struct loop_child *child; /* NULL: it has exited */
    pid_t group;
    struct stream out, err;
    int input_fd;
    struct loop_poll *input_poll;
    GByteArray *input;
    size_t max_output;
    bool truncated;
    struct loop_timer *timer;
    int stop_code; /* 0: runs */
    int looks;
    int status, term_signal;
    uint64_t started_ms;
    void (*on_output)(void *arg, const char *stream, const char *bytes, size_t length);
    void *arg;
};

/* ---- the end ---- */

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void stream_close(struct stream *stream)
{
    g_clear_pointer(&stream->poll, loop_poll_free);
    close_fd(&stream->fd);
}

static void input_close(struct local *local)
{
    g_clear_pointer(&local->input_poll, loop_poll_free);
    close_fd(&local->input_fd);
}

static void local_free(struct local *local)
{
    g_queue_unlink(&local->pool->running, &local->link);
    loop_child_free(local->child);
    stream_close(&local->out);
    stream_close(&local->err);
    input_close(local);
    loop_timer_free(local->timer);
    g_byte_array_unref(local->out.kept);
    g_byte_array_unref(local->err.kept);
    g_byte_array_unref(local->input);
    g_free(local);
}

static json_t *local_result(const struct local *local)
{
    json_t *result = json_object();
    bool killed = local->term_signal != 0;
    const char *name = killed ? sigabbrev_np(local->term_signal) : NULL;

    json_set_string(result, "host", WIRE_LOCAL_HOST);
    json_object_set_new(result, "code", killed ? json_null() : json_integer(local->status));
    json_set_string(result, "signal", name);
    json_object_set_new(result, "stdout", json_text_value((const char *)local->out.kept->data, local->out.kept->len));
    json_object_set_new(result, "stderr", json_text_value((const char *)local->err.kept->data, local->err.kept->len));
    json_object_set_new(result, "duration_ms",
                        json_integer((json_int_t)(loop_now_ms(local->loop) - local->started_ms)));
    json_object_set_new(result, "truncated", json_boolean(local->truncated));
    return result;
}

static void local_end(struct local *local, GError *error)
{
    struct op *op = local->op;
    json_t *result = local_result(local);

    op_on_cancel(op, NULL, NULL);
    local_free(local);
    op_done(op, result, error);
    op_unref(op);
}

static bool group_is_gone(const struct local *local)
{
    return kill(-local->group, 0) != 0 && errno == ESRCH;
}

static void end_stopped(struct local *local)
{
    bool gone = group_is_gone(local);

    local_end(local,
              g_error_new(HIKESHI_ERROR, local->stop_code, "%s; %s " WIRE_LOCAL_HOST,
                          local->stop_code == ERROR_TIMEOUT ? "the command timed out" : "the command was cancelled",
                          gone ? "stopped on" : "could not confirm that it stopped on"));
}

/* ---- streams ---- */

static void keep(struct stream *stream, const char *bytes, size_t length)
{
    struct local *local = stream->local;
    size_t room = local->max_output - MIN(local->max_output, stream->kept->len);

    local->truncated = local->truncated || length > room;
    g_byte_array_append(stream->kept, (const guint8 *)bytes, (guint)MIN(length, room));
    if (local->on_output && !op_abandoned(local->op))
        local->on_output(local->arg, stream->name, bytes, MIN(length, room));
}

/* False: nothing more is there now, or for ever. */
static bool stream_read(struct stream *stream)
{
    char bytes[16384];
    ssize_t got = read(stream->fd, bytes, sizeof bytes);

    if (got > 0)
        keep(stream, bytes, (size_t)got);
    else if (got == 0 || (errno != EAGAIN && errno != EINTR))
        stream_close(stream);
    return got > 0;
}

static void on_readable(void *arg, int events)
{
    (void)events;
    stream_read(arg);
}

static void on_writable(void *arg, int events)
{
    struct local *local = arg;
    ssize_t wrote = write(local->input_fd, local->input->data, local->input->len);

    (void)events;
    if (wrote > 0)
        g_byte_array_remove_range(local->input, 0, (guint)wrote);
    if (local->input->len == 0 || (wrote < 0 && errno != EAGAIN && errno != EINTR))
        input_close(local);
}

/* What it left in the pipes; what its children write later is nobody's. */
static void on_exit_of(void *arg, int status, int term_signal)
{
    struct local *local = arg;

    local->status = status;
    local->term_signal = term_signal;
    loop_child_free(g_steal_pointer(&local->child));
    while (local->out.fd >= 0 && stream_read(&local->out))
        ;
    while (local->err.fd >= 0 && stream_read(&local->err))
        ;
    if (local->stop_code == 0)
        local_end(local, NULL);
    else if (group_is_gone(local))
        end_stopped(local); /* else the timer looks again */
}

/* ---- stopping ---- */

static void on_time(void *arg)
{
    struct local *local = arg;

    if (local->stop_code == 0) {
        local->stop_code = ERROR_TIMEOUT;
        kill(-local->group, SIGTERM);
        loop_timer_start(local->timer, KILL_AFTER_MS, LOOK_MS);
        return;
    }
    kill(-local->group, SIGKILL);
    if ((!local->child && group_is_gone(local)) || ++local->looks >= LOOKS)
        end_stopped(local);
}

static void local_cancel(void *arg, int code)
{
    struct local *local = arg;

    if (local->stop_code != 0)
        return;
    local->stop_code = code;
    kill(-local->group, SIGTERM);
    loop_timer_start(local->timer, KILL_AFTER_MS, LOOK_MS);
}

/* ---- the start ---- */

static char **words_of(const json_t *argv)
{
    g_autoptr(GStrvBuilder) words = g_strv_builder_new();
    size_t i;
    json_t *word;

    json_array_foreach (argv, i, word)
        g_strv_builder_add(words, json_string_value(word));
    return g_strv_builder_end(words);
}

/* The runner's own environment holds what steps must not see. */
static char **environment_of(const json_t *env)
{
    static const char *const inherited[] = {"PATH", "HOME", "USER", "TZ"};
    char **list = g_environ_setenv(NULL, "LANG", "C.UTF-8", TRUE);
    const char *name;
    json_t *value;

    for (size_t i = 0; i < G_N_ELEMENTS(inherited); i++)
        if (g_getenv(inherited[i]))
            list = g_environ_setenv(list, inherited[i], g_getenv(inherited[i]), TRUE);
    json_object_foreach ((json_t *)env, name, value)
        list = g_environ_setenv(list, name, json_string_value(value), TRUE);
    return list;
}

static struct local *local_new(struct local_pool *pool, const struct ssh_command *command, struct op *op)
{
    struct local *local = g_new0(struct local, 1);
    struct loop *loop = pool->loop;

    *local = (struct local){.pool = pool,
                            .link = {.data = local},
                            .loop = loop,
                            .op = op_ref(op),
                            .out = {.local = local, .name = "out", .fd = -1, .kept = g_byte_array_new()},
                            .err = {.local = local, .name = "err", .fd = -1, .kept = g_byte_array_new()},
                            .input_fd = -1,
                            .input = g_byte_array_new(),
                            .max_output = command->max_output ? command->max_output : LIMIT_OUTPUT_BYTES,
                            .started_ms = loop_now_ms(loop),
                            .on_output = command->on_output,
                            .arg = command->arg};
    if (command->stdin_length > 0)
        g_byte_array_append(local->input, (const guint8 *)command->stdin_bytes, (guint)command->stdin_length);
    local->timer = loop_timer_new(loop, on_time, local);
    g_queue_push_tail_link(&pool->running, &local->link);
    return local;
}

static void watch(struct local *local, int out, int err, int input)
{
    struct stream *const streams[] = {&local->out, &local->err};
    const int fds[] = {out, err};

    for (size_t i = 0; i < G_N_ELEMENTS(streams); i++) {
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
        streams[i]->fd = fds[i];
        streams[i]->poll = loop_poll_new(local->loop, fds[i], on_readable, streams[i]);
        loop_poll_set(streams[i]->poll, LOOP_READ);
    }
    fcntl(input, F_SETFL, O_NONBLOCK);
    local->input_fd = input;
    local->input_poll = loop_poll_new(local->loop, input, on_writable, local);
    loop_poll_set(local->input_poll, LOOP_WRITE);
}

/* All of them, or none. */
static bool open_pipes(int pipes[][2], size_t count, GError **error)
{
    for (size_t i = 0; i < count; i++) {
        if (pipe2(pipes[i], O_CLOEXEC) == 0)
            continue;
        errors_set(error, ERROR_IO, "cannot make a pipe to the program: %s", g_strerror(errno));
        while (i-- > 0) {
            close(pipes[i][0]);
            close(pipes[i][1]);
        }
        return false;
    }
    return true;
}

static bool local_start(struct local *local, const struct ssh_command *command, GError **error)
{
    int pipes[3][2];
    g_auto(GStrv) words = words_of(command->argv), env = environment_of(command->env);

    if (!open_pipes(pipes, G_N_ELEMENTS(pipes), error))
        return false;
    const int *input = pipes[0], *out = pipes[1], *err = pipes[2];
    const struct loop_child_options options = {.argv = (const char *const *)words,
                                               .env = (const char *const *)env,
                                               .cwd = command->cwd,
                                               .stdin_fd = input[0],
                                               .stdout_fd = out[1],
                                               .stderr_fd = err[1],
                                               .own_group = true,
                                               .die_with_parent = true,
                                               .on_exit = on_exit_of,
                                               .arg = local};
    local->child = loop_child_new(local->loop, &options, error);
    close(input[0]);
    close(out[1]);
    close(err[1]);
    watch(local, out[0], err[0], input[1]);
    if (local->child)
        local->group = loop_child_pid(local->child);
    return local->child != NULL;
}

void local_run(struct local_pool *pool, const struct ssh_command *command, struct op *op)
{
    struct local *local = local_new(pool, command, op);
    g_autoptr(GError) error = NULL;

    if (!local_start(local, command, &error)) {
        local_free(local);
        op_done(op, NULL, g_steal_pointer(&error));
        op_unref(op);
        return;
    }
    op_on_cancel(op, local_cancel, local);
    if (command->timeout_ms > 0)
        loop_timer_start(local->timer, (uint64_t)command->timeout_ms, 0);
}

struct local_pool *local_pool_new(struct loop *loop)
{
    struct local_pool *pool = g_new0(struct local_pool, 1);

    pool->loop = loop;
    g_queue_init(&pool->running);
    return pool;
}

void local_pool_free(struct local_pool *pool)
{
    struct local *local;

    if (!pool)
        return;
    while ((local = g_queue_peek_head(&pool->running))) {
        struct op *op = local->op;
        kill(-local->group, SIGKILL);
        op_on_cancel(op, NULL, NULL);
        local_free(local);
        op_unref(op);
    }
    g_free(pool);
}
