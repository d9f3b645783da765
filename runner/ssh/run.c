/* run: ssh_run(): one command on one host, from the queue to its result. What was sent is stopped before its op ends
 * early. */
#include "core/crypto.h"
#include "core/errors.h"
#include "core/limits.h"
#include "runner/ssh/pool.h"
#include "runner/ssh/session.h"
#include "runner/ssh/stop.h"
#include "runner/ssh/sudo.h"
#include "runner/ssh/wrap.h"
#include <string.h>

enum state { QUEUED, RUNNING, STOPPING };

/* A login shell can be slow to start: the command may come to life after a look found nothing. As long as its channel
 * is open, look again, so many times, so long apart; when it broke, and cannot tell any more, some times. */
enum { STOP_LOOKS = 6, LOST_LOOKS = 3, STOP_PAUSE_MS = 400 };

struct run {
    struct ssh_pool *pool;
    struct ssh_target *target;
    struct op *op;
    struct ssh_task task;
    struct ssh_request request;
    struct ssh_session *session; /* of the channel; only compared */
    struct ssh_channel *channel;
    struct ssh_wrapped wrapped;
    struct ssh_sudo *password; /* NULL: sudo is given none */
    enum state state;
    bool pty, sudo, sent, truncated;
    char *marker;
    GByteArray *output[2];
    size_t max_output;
    int64_t timeout_ms;
    uint64_t started_ms;
    struct loop_timer *timer; /* the command's time; when stopping, until the next look */
    struct ssh_stop *stop;    /* a look under way */
    int stop_code;            /* ERROR_TIMEOUT, ERROR_CANCELLED or ERROR_LOST */
    int looks;
    void (*on_output)(void *arg, const char *stream, const char *bytes, size_t length);
    void (*on_sent)(void *arg);
    void (*on_password)(void *arg, const char *password);
    void *arg;
};

static void run_free(struct run *run)
{
    ssh_pool_remove_task(run->pool, &run->task);
    ssh_pool_request_cancel(&run->request);
    if (run->channel != NULL)
        ssh_channel_detach(run->channel);
    ssh_stop_cancel(run->stop);
    ssh_sudo_free(run->password);
    loop_timer_free(run->timer);
    g_free(run->marker);
    ssh_wrapped_clear(&run->wrapped);
    g_byte_array_unref(run->output[0]);
    g_byte_array_unref(run->output[1]);
    ssh_target_unref(run->target);
    op_unref(run->op);
    g_free(run);
}

/* The run is gone before the op's owner hears of it: it may start the next command, or free the pool. */
static void run_end(struct run *run, json_t *result, GError *error)
{
    struct op *op = op_ref(run->op);
    op_on_cancel(op, NULL, NULL);
    run_free(run);
    op_done(op, result, error);
    op_unref(op);
}

/* As the host sent it; whoever makes text for people of it says what is not UTF-8. */
static json_t *stream_value(const GByteArray *bytes)
{
    return json_stringn_nocheck(bytes->len ? (const char *)bytes->data : "", bytes->len);
}

static json_t *result_of(const struct run *run, const struct ssh_channel_end *end)
{
    json_t *result = json_object();
    json_set_string(result, "host", run->target->name);
    bool exited = end != NULL && end->outcome == SSH_CHANNEL_EXITED;
    json_object_set_new(result, "code", exited && end->signal == NULL ? json_integer(end->code) : json_null());
    json_set_string(result, "signal", exited ? end->signal : NULL);
    json_object_set_new(result, "stdout", stream_value(run->output[0]));
    json_object_set_new(result, "stderr", stream_value(run->output[1]));
    uint64_t now = loop_now_ms(ssh_pool_loop(run->pool));
    json_object_set_new(result, "duration_ms", json_integer(run->sent ? (json_int_t)(now - run->started_ms) : 0));
    json_object_set_new(result, "truncated", json_boolean(run->truncated));
    return result;
}

static void run_failed(void *arg, const GError *error)
{
    run_end(arg, NULL, g_error_copy(error));
}

/* ---- ending early ---- */

static char *early_text(const struct run *run, int code)
{
    if (code == ERROR_LOST)
        return g_strdup_printf("the connection to %s was lost after the command was sent: it may have run",
                               run->target->label);
    return g_strdup(code == ERROR_TIMEOUT ? "the command timed out" : "the command was cancelled");
}

static void end_stopped(struct run *run, bool confirmed)
{
    json_t *result = result_of(run, NULL);
    json_object_set_new(result, "stopped", json_boolean(confirmed));
    g_autofree char *text = early_text(run, run->stop_code);
    run_end(run, result,
            g_error_new(HIKESHI_ERROR, run->stop_code, "%s; %s %s", text,
                        confirmed ? "stopped on" : "could not confirm that it stopped on", run->target->name));
}

/* A look that found nothing is believed when nothing can come to life any more. */
static bool looked_enough(const struct run *run)
{
    return run->channel == NULL && (run->stop_code != ERROR_LOST || run->looks >= LOST_LOOKS);
}

static void looked(void *arg, enum ssh_stop_outcome outcome)
{
    struct run *run = arg;
    run->stop = NULL;
    run->looks++;
    if (outcome == SSH_STOP_NONE_LEFT && looked_enough(run))
        end_stopped(run, true);
    else if (outcome == SSH_STOP_NONE_LEFT && run->looks < STOP_LOOKS)
        loop_timer_start(run->timer, STOP_PAUSE_MS, 0);
    else
        end_stopped(run, false);
}

static void look(struct run *run)
{
    loop_timer_stop(run->timer);
    if (run->stop == NULL)
        run->stop = ssh_stop_start(run->pool, run->target, run->channel ? run->session : NULL, run->marker, run->sudo,
                                   ssh_sudo_password(run->password), looked, run);
}

static void run_stop(struct run *run, int code)
{
    if (run->state == STOPPING)
        return;
    if (!run->sent) {
        g_autofree char *text = early_text(run, code);
        GError *error =
            g_error_new(HIKESHI_ERROR, code, "%s before it was sent; it did not start on %s", text, run->target->name);
        run_end(run, NULL, error);
        return;
    }
    run->state = STOPPING;
    run->stop_code = code;
    look(run);
}

/* Stopping or the command's own end closed the channel; what it left behind is a look's to tell. */
static void ended_while_stopping(struct run *run, const struct ssh_channel_end *end)
{
    if (end->outcome == SSH_CHANNEL_LOST)
        run->session = NULL;
    look(run);
}

static void timed_out(void *arg)
{
    struct run *run = arg;
    if (run->state == STOPPING)
        look(run);
    else
        run_stop(run, ERROR_TIMEOUT);
}

static void cancelled(void *arg, int code)
{
    run_stop(arg, code);
}

static void aborted(void *arg)
{
    struct run *run = arg;
    GError *error =
        run->sent
            ? g_error_new(HIKESHI_ERROR, ERROR_LOST,
                          "the runner closed its connection to %s; could not confirm that the command stopped on %s",
                          run->target->label, run->target->name)
            : g_error_new(HIKESHI_ERROR, ERROR_CANCELLED,
                          "the runner closed its connection to %s before the command was sent", run->target->label);
    run_end(run, NULL, error);
}

/* ---- the channel ---- */

static void channel_sent(void *arg)
{
    struct run *run = arg;
    run->sent = true;
    run->started_ms = loop_now_ms(ssh_pool_loop(run->pool));
    if (run->timeout_ms > 0)
        loop_timer_start(run->timer, (uint64_t)run->timeout_ms, 0);
    if (run->on_sent != NULL && !op_abandoned(run->op))
        run->on_sent(run->arg);
}

static void keep_output(struct run *run, bool is_stderr, const char *bytes, size_t length)
{
    GByteArray *kept = run->output[is_stderr];
    size_t room = run->max_output - kept->len;
    if (length > room) {
        run->truncated = true;
        length = room;
    }
    if (length == 0)
        return;
    g_byte_array_append(kept, (const guint8 *)bytes, (guint)length);
    if (run->on_output != NULL && !op_abandoned(run->op)) /* a stopping run may outlive its owner */
        run->on_output(run->arg, is_stderr ? "err" : "out", bytes, length);
}

static void keep_terminal_output(void *arg, const char *bytes, size_t length)
{
    keep_output(arg, false, bytes, length);
}

static struct ssh_sudo_terminal terminal_of(struct run *run)
{
    return (struct ssh_sudo_terminal){run->channel, run->wrapped.input, keep_terminal_output, run};
}

static void channel_output(void *arg, bool is_stderr, const char *bytes, size_t length)
{
    struct run *run = arg;
    const struct ssh_sudo_terminal terminal = terminal_of(run);
    if (run->password != NULL && run->pty && !is_stderr)
        ssh_sudo_terminal_output(run->password, &terminal, bytes, length);
    else
        keep_output(run, is_stderr, bytes, length);
}

static void ended_exited(struct run *run, const struct ssh_channel_end *end)
{
    const struct ssh_sudo_terminal terminal = terminal_of(run);
    const GByteArray *said = run->output[!run->pty];
    const char *text = said->len ? (const char *)said->data : "";
    if (run->password != NULL && run->pty)
        ssh_sudo_terminal_end(run->password, &terminal);
    GError *refusal = run->password ? ssh_sudo_refusal(run->password, run->target, text, said->len) : NULL;
    json_t *result = result_of(run, end);
    const char *hint = run->sudo && end->code == 1 ? ssh_sudo_hint(text, said->len) : NULL;
    if (hint != NULL)
        json_set_string(result, "hint", hint);
    run_end(run, result, refusal);
}

static void ended_lost(struct run *run)
{
    if (!run->sent) {
        GError *error = g_error_new(HIKESHI_ERROR, ERROR_CONNECT,
                                    "the connection to %s broke before the command was sent", run->target->label);
        run->state = QUEUED;
        ssh_pool_request_again(run->pool, &run->request, NULL, error);
        return;
    }
    run->session = NULL;
    run_stop(run, ERROR_LOST);
}

static void channel_ended(void *arg, const struct ssh_channel_end *end)
{
    struct run *run = arg;
    run->channel = NULL;
    if (run->state == STOPPING) {
        ended_while_stopping(run, end);
        return;
    }
    GError *error = NULL;
    switch (end->outcome) {
    case SSH_CHANNEL_EXITED:
        ended_exited(run, end);
        return;
    case SSH_CHANNEL_CROWDED:
        errors_set(&error, ERROR_CHANNEL, "%s opens no channel for commands: %s. Check MaxSessions of its sshd",
                   run->target->label, end->reason);
        run->state = QUEUED;
        ssh_pool_request_again(run->pool, &run->request, run->session, error);
        return;
    case SSH_CHANNEL_REFUSED:
        run_end(run, NULL,
                g_error_new(HIKESHI_ERROR, ERROR_CHANNEL,
                            "%s refused the command%s: %s. Check ForceCommand, and command= in authorized_keys",
                            run->target->label, run->pty ? " or its terminal (pty)" : "", end->reason));
        return;
    case SSH_CHANNEL_LOST:
        ended_lost(run);
    }
}

static void run_ready(void *arg, struct ssh_session *session)
{
    struct run *run = arg;
    bool direct = run->wrapped.direct != NULL && ssh_session_leads_groups(session);
    bool hold = run->password != NULL && run->pty;
    g_autoptr(GBytes) input = NULL;
    if (hold)
        ssh_sudo_terminal_begin(run->password);
    else if (run->password != NULL)
        input = ssh_sudo_input(run->password, run->wrapped.header, run->wrapped.input);
    else if (run->wrapped.input != NULL)
        input = g_bytes_ref(run->wrapped.input);
    const struct ssh_channel_request request = {.exec = direct ? run->wrapped.direct : run->wrapped.exec,
                                                .pty = run->pty,
                                                .input = input,
                                                .hold = hold,
                                                .sent = channel_sent,
                                                .output = channel_output,
                                                .ended = channel_ended,
                                                .arg = run};
    run->state = RUNNING;
    run->session = session;
    run->channel = ssh_channel_start(session, &request);
}

static void password_known(void *arg, const GError *error)
{
    struct run *run = arg;
    if (error != NULL) {
        run_failed(run, error);
        return;
    }
    if (run->on_password != NULL && !op_abandoned(run->op))
        run->on_password(run->arg, ssh_sudo_password(run->password));
    ssh_pool_request(run->pool, run->target, &run->request);
}

void ssh_run(struct ssh_pool *pool, const struct ssh_command *command, struct op *op)
{
    GError *error = NULL;
    struct ssh_wrapped wrapped = {0};
    g_autofree char *marker = command->marker ? g_strdup(command->marker) : crypto_id("cmd");
    struct ssh_command marked = *command;
    marked.marker = marker;
    struct ssh_target *target = ssh_pool_target(pool, command->host, command->inventory, &error);
    marked.sudo_asks = target != NULL && command->sudo != NULL && ssh_sudo_asks(pool, target);
    if (target == NULL || !ssh_wrap(&marked, &wrapped, &error)) {
        ssh_target_unref(target);
        op_done(op, NULL, error);
        return;
    }
    struct run *run = g_new0(struct run, 1);
    run->pool = pool;
    run->target = target;
    run->op = op_ref(op);
    run->wrapped = wrapped;
    run->pty = command->pty;
    run->sudo = command->sudo != NULL;
    run->marker = g_steal_pointer(&marker);
    run->max_output = command->max_output ? command->max_output : LIMIT_OUTPUT_BYTES;
    run->timeout_ms = command->timeout_ms;
    run->on_output = command->on_output;
    run->on_sent = command->on_sent;
    run->on_password = command->on_password;
    run->arg = command->arg;
    run->output[0] = g_byte_array_new();
    run->output[1] = g_byte_array_new();
    run->timer = loop_timer_new(ssh_pool_loop(pool), timed_out, run);
    run->task = (struct ssh_task){aborted, run};
    run->request = (struct ssh_request){.ready = run_ready, .failed = run_failed, .arg = run};
    ssh_pool_add_task(pool, &run->task);
    op_on_cancel(op, cancelled, run);
    if (marked.sudo_asks)
        run->password = ssh_sudo_new(pool, run->target, run->marker, password_known, run);
    else
        ssh_pool_request(pool, run->target, &run->request);
}
