/* stop: see stop.h. What runs on the host is stop.sh. */
#include "runner/ssh/stop.h"
#include "core/embed.h"
#include "core/errors.h"
#include "core/secret.h"
#include "runner/ssh/wrap.h"
#include <string.h>

extern const struct embedded_file ssh_scripts[];

/* The script needs two seconds at most on a host that answers; the other session may be stuck behind a command's open.
 */
enum { SHARED_MS = 5 * 1000, WHOLE_MS = 20 * 1000, MAX_ANSWER_BYTES = 64 * 1024 };

struct ssh_stop {
    struct ssh_pool *pool;
    struct ssh_target *target;
    struct ssh_session *own; /* NULL while the shared one is used */
    struct ssh_channel *channel;
    struct ssh_wrapped wrapped;
    GString *answer;
    struct loop_timer *patience; /* with the shared session */
    struct loop_timer *deadline;
    enum ssh_stop_outcome outcome;
    void (*done)(void *arg, enum ssh_stop_outcome outcome);
    void *arg;
};

void ssh_stop_cancel(struct ssh_stop *stop)
{
    if (stop == NULL)
        return;
    if (stop->channel != NULL)
        ssh_channel_detach(stop->channel);
    ssh_session_close(stop->own);
    loop_timer_free(stop->patience);
    loop_timer_free(stop->deadline);
    ssh_wrapped_clear(&stop->wrapped);
    g_string_free(stop->answer, TRUE);
    ssh_target_unref(stop->target);
    g_free(stop);
}

static void finish(struct ssh_stop *stop, enum ssh_stop_outcome outcome)
{
    void (*done)(void *, enum ssh_stop_outcome) = stop->done;
    void *arg = stop->arg;
    ssh_stop_cancel(stop);
    done(arg, outcome);
}

static void overdue(void *arg)
{
    finish(arg, SSH_STOP_UNKNOWN);
}

static void output(void *arg, bool is_stderr, const char *bytes, size_t length)
{
    struct ssh_stop *stop = arg;
    if (!is_stderr && stop->answer->len + length <= MAX_ANSWER_BYTES)
        g_string_append_len(stop->answer, bytes, (gssize)length);
}

static enum ssh_stop_outcome outcome_of(const char *answer)
{
    if (strstr(answer, "hikeshi-stop: none\n") != NULL)
        return SSH_STOP_NONE_LEFT;
    return strstr(answer, "hikeshi-stop: left ") != NULL ? SSH_STOP_SOME_LEFT : SSH_STOP_UNKNOWN;
}

static void use_own_session(void *arg);

static void ended(void *arg, const struct ssh_channel_end *end)
{
    struct ssh_stop *stop = arg;
    stop->channel = NULL;
    if (end->outcome == SSH_CHANNEL_EXITED)
        finish(stop, outcome_of(stop->answer->str));
    else if (stop->own == NULL)
        use_own_session(stop);
    else
        finish(stop, SSH_STOP_UNKNOWN);
}

static void start_on(struct ssh_stop *stop, struct ssh_session *session)
{
    const struct ssh_channel_request request = {
        .exec = stop->wrapped.exec, .input = stop->wrapped.input, .output = output, .ended = ended, .arg = stop};
    stop->channel = ssh_channel_start(session, &request);
}

static void own_ready(void *arg)
{
    struct ssh_stop *stop = arg;
    start_on(stop, stop->own);
}

static void own_closed(void *arg, const GError *error)
{
    (void)error; /* a second connection was a favour: what counts is that we could not look */
    finish(arg, SSH_STOP_UNKNOWN);
}

/* The shared session is gone, full or stuck. */
static void use_own_session(void *arg)
{
    struct ssh_stop *stop = arg;
    loop_timer_stop(stop->patience);
    if (stop->channel != NULL)
        ssh_channel_detach(g_steal_pointer(&stop->channel));
    const struct ssh_session_options callbacks = {.ready = own_ready, .closed = own_closed, .arg = stop};
    stop->own = ssh_pool_new_session(stop->pool, stop->target, &callbacks, NULL);
    if (stop->own == NULL)
        loop_timer_start(stop->deadline, 0, 0);
}

struct ssh_stop *ssh_stop_start(struct ssh_pool *pool, struct ssh_target *target, struct ssh_session *session,
                                const char *marker, bool sudo, const char *password,
                                void (*done)(void *arg, enum ssh_stop_outcome outcome), void *arg)
{
    struct ssh_stop *stop = g_new0(struct ssh_stop, 1);
    stop->pool = pool;
    stop->target = ssh_target_ref(target);
    stop->answer = g_string_new(NULL);
    stop->done = done;
    stop->arg = arg;
    stop->patience = loop_timer_new(ssh_pool_loop(pool), use_own_session, stop);
    stop->deadline = loop_timer_new(ssh_pool_loop(pool), overdue, stop);
    loop_timer_start(stop->deadline, WHOLE_MS, 0);
    /* In the script, not in the environment: the search must not find itself. */
    const char *end = g_str_has_suffix(marker, ".") ? "" : ":"; /* all that begin so, or this one alone */
    g_autofree char *quoted = g_shell_quote(password ? password : "");
    char *script = g_strdup_printf("m=%s=%s%s s=%s word=%s\n%s", SSH_MARKER_VARIABLE, marker, end,
                                   !sudo      ? ""
                                   : password ? "as_root"
                                              : "'sudo -n'",
                                   quoted, (const char *)ssh_scripts[0].bytes);
    const struct ssh_command command = {.script = script, .script_length = strlen(script)};
    GError *error = NULL;
    if (!ssh_wrap(&command, &stop->wrapped, &error))
        g_error("the stop script cannot be sent: %s", error->message);
    secret_free(script);
    if (session != NULL && ssh_session_is_ready(session)) {
        loop_timer_start(stop->patience, SHARED_MS, 0);
        start_on(stop, session);
    } else {
        use_own_session(stop);
    }
    return stop;
}
