/* transfer: see transfer.h. */
#include "runner/ssh/transfer.h"
#include "core/errors.h"
#include "core/limits.h"
#include <string.h>

/* How long a host may take to say how the last request ended, or to remove what we left. */
enum { GIVE_UP_MS = 3 * 1000 };

/* Where systems keep the server that sudo is to start; `sh` because sudoers may name no path for all of them. */
static const char find_server[] =
    "for f in /usr/lib/openssh/sftp-server /usr/libexec/openssh/sftp-server /usr/lib/ssh/sftp-server "
    "/usr/libexec/sftp-server /usr/lib/sftp-server /usr/local/libexec/sftp-server; do "
    "test -x $f && exec $f; done; echo no sftp-server on this host >&2; exit 127";

static void transfer_free(struct transfer *t)
{
    ssh_pool_remove_task(t->pool, &t->task);
    ssh_pool_request_cancel(&t->request);
    ssh_sftp_free(t->sftp);
    ssh_sudo_free(t->password);
    loop_timer_free(t->timer);
    ssh_wrapped_clear(&t->wrapped);
    ssh_target_unref(t->target);
    g_clear_error(&t->error);
    g_free(t->path);
    op_unref(t->op);
    t->kind->free(t);
    g_free(t);
}

/* Gone before the op's owner hears of it: it may free the pool. */
void transfer_end(struct transfer *t, json_t *result, GError *error)
{
    struct op *op = op_ref(t->op);
    op_on_cancel(op, NULL, NULL);
    transfer_free(t);
    op_done(op, result, error);
    op_unref(op);
}

/* Ends it with `error`, which is taken, and what is known of the file; as `lost` when that is not known. */
static void end_standing(struct transfer *t, GError *error)
{
    bool lost = false;
    g_autofree char *text = t->begun && t->kind->standing ? t->kind->standing(t, &lost) : NULL;
    int code = lost && error->code != ERROR_TIMEOUT && error->code != ERROR_CANCELLED ? ERROR_LOST : error->code;
    GError *whole = g_error_new(HIKESHI_ERROR, code, "%s%s%s", error->message, text ? "; " : "", text ? text : "");
    g_error_free(error);
    transfer_end(t, NULL, whole);
}

void transfer_give_out(struct transfer *t)
{
    end_standing(t, g_steal_pointer(&t->error));
}

void transfer_fail(struct transfer *t, int code, const char *format, ...)
{
    if (t->error != NULL)
        return;
    va_list arguments;
    va_start(arguments, format);
    t->error = g_error_new_valist(HIKESHI_ERROR, code, format, arguments);
    va_end(arguments);
    if (t->sftp != NULL && t->begun && t->kind->give_up != NULL && t->kind->give_up(t))
        loop_timer_start(t->timer, GIVE_UP_MS, 0);
    else
        transfer_give_out(t);
}

static void cancelled(void *arg, int code)
{
    struct transfer *t = arg;
    transfer_fail(t, code, "the %s of '%s' %s on %s", t->kind->noun, t->path,
                  code == ERROR_TIMEOUT ? "timed out" : "was cancelled", t->target->label);
}

static void overdue(void *arg)
{
    struct transfer *t = arg;
    if (t->error != NULL)
        transfer_give_out(t);
    else
        cancelled(t, ERROR_TIMEOUT);
}

static void aborted(void *arg)
{
    struct transfer *t = arg;
    end_standing(t, g_error_new(HIKESHI_ERROR, ERROR_CANCELLED, "the runner closed its connection to %s during the %s",
                                t->target->label, t->kind->noun));
}

/* ---- the conversation ---- */

static void sftp_ready(void *arg)
{
    struct transfer *t = arg;
    t->begun = true;
    t->kind->begin(t);
}

static void sftp_answered(void *arg, const struct ssh_sftp_answer *answer)
{
    struct transfer *t = arg;
    t->kind->answered(t, answer);
}

static void sftp_room(void *arg)
{
    struct transfer *t = arg;
    if (t->kind->room != NULL)
        t->kind->room(t);
}

/* The server's channel closed though we had not finished. */
static void ended_by_itself(struct transfer *t, const struct ssh_channel_end *end, const char *said)
{
    GError *refusal = t->password ? ssh_sudo_refusal(t->password, t->target, said, strlen(said)) : NULL;
    if (refusal != NULL) {
        end_standing(t, refusal);
        return;
    }
    const char *hint = t->wrapped.exec ? ssh_sudo_hint(said, strlen(said)) : NULL;
    g_autofree char *words = g_utf8_make_valid(said, -1);
    const char *reason = end->reason ? end->reason : *g_strstrip(words) ? words : "it closed at once";
    const char *advice = hint ? hint
                         : t->wrapped.exec
                             ? "check that sudo may start its sftp-server"
                             : "check that its sshd has an sftp subsystem (Subsystem sftp in sshd_config)";
    end_standing(t, g_error_new(HIKESHI_ERROR, ERROR_CHANNEL, "%s has no SFTP for us: %s; %s", t->target->label, reason,
                                advice));
}

static void lost(struct transfer *t)
{
    GError *error = g_error_new(HIKESHI_ERROR, ERROR_CONNECT, "the connection to %s broke during the %s of '%s'",
                                t->target->label, t->kind->noun, t->path);
    if (t->begun)
        end_standing(t, error);
    else
        ssh_pool_request_again(t->pool, &t->request, NULL, error);
}

static void sftp_ended(void *arg, const struct ssh_channel_end *end, const char *said)
{
    struct transfer *t = arg;
    GError *error = NULL;
    if (t->error != NULL) {
        transfer_give_out(t);
        return;
    }
    switch (end->outcome) {
    case SSH_CHANNEL_LOST:
        g_clear_pointer(&t->sftp, ssh_sftp_free);
        lost(t);
        return;
    case SSH_CHANNEL_CROWDED:
        g_clear_pointer(&t->sftp, ssh_sftp_free);
        errors_set(&error, ERROR_CHANNEL, "%s opens no channel for files: %s. Check MaxSessions of its sshd",
                   t->target->label, end->reason);
        ssh_pool_request_again(t->pool, &t->request, t->session, error);
        return;
    case SSH_CHANNEL_REFUSED:
    case SSH_CHANNEL_EXITED:
        ended_by_itself(t, end, said);
    }
}

/* ---- the start ---- */

static void request_ready(void *arg, struct ssh_session *session)
{
    struct transfer *t = arg;
    const struct ssh_sftp_callbacks callbacks = {
        .ready = sftp_ready, .answered = sftp_answered, .room = sftp_room, .ended = sftp_ended, .arg = t};
    t->session = session;
    t->started_ms = loop_now_ms(ssh_pool_loop(t->pool));
    if (t->timeout_ms > 0)
        loop_timer_start(t->timer, (uint64_t)t->timeout_ms, 0);
    g_autoptr(GBytes) first = t->password        ? ssh_sudo_input(t->password, t->wrapped.header, t->wrapped.input)
                              : t->wrapped.input ? g_bytes_ref(t->wrapped.input)
                                                 : NULL;
    t->sftp = ssh_sftp_new(session, t->wrapped.exec, first, &callbacks);
}

static void request_failed(void *arg, const GError *error)
{
    transfer_end(arg, NULL, g_error_copy(error));
}

static void password_known(void *arg, const GError *error)
{
    struct transfer *t = arg;
    if (error != NULL)
        request_failed(t, error);
    else
        ssh_pool_request(t->pool, t->target, &t->request);
}

/* The sudo form: a server of another user's. */
static bool wrap_server(struct transfer *t, const struct ssh_transfer_request *request, GError **error)
{
    if (request->sudo == NULL)
        return true;
    g_autoptr(json_t) argv = json_pack("[s, s, s]", "/bin/sh", "-c", find_server);
    const struct ssh_command command = {
        .argv = argv, .sudo = request->sudo, .sudo_asks = ssh_sudo_asks(t->pool, t->target), .marker = request->marker};
    return ssh_wrap(&command, &t->wrapped, error);
}

static bool check(const struct ssh_transfer_request *request, GError **error)
{
    if (*request->path == '\0')
        errors_set(error, ERROR_INVALID, "the path is empty");
    else if (g_str_has_suffix(request->path, "/"))
        errors_set(error, ERROR_INVALID, "'%s' names a folder: say the file's name too", request->path);
    else
        return true;
    return false;
}

void transfer_start(struct transfer *t, const struct transfer_kind *kind, struct ssh_pool *pool,
                    const struct ssh_transfer_request *request, struct op *op)
{
    GError *error = NULL;
    t->kind = kind;
    t->pool = pool;
    t->op = op_ref(op);
    t->path = g_strdup(request->path);
    t->timeout_ms = request->timeout_ms;
    t->timer = loop_timer_new(ssh_pool_loop(pool), overdue, t);
    t->task = (struct ssh_task){aborted, t};
    t->request = (struct ssh_request){.ready = request_ready, .failed = request_failed, .arg = t};
    ssh_pool_add_task(pool, &t->task);
    if (!check(request, &error) ||
        (t->target = ssh_pool_target(pool, request->host, request->inventory, &error)) == NULL ||
        !wrap_server(t, request, &error)) {
        transfer_end(t, NULL, error);
        return;
    }
    op_on_cancel(op, cancelled, t);
    if (t->wrapped.header != NULL)
        t->password = ssh_sudo_new(pool, t->target, request->marker, password_known, t);
    else
        ssh_pool_request(pool, t->target, &t->request);
}

json_t *transfer_result(const struct transfer *t, const char *path, size_t bytes, uint32_t mode, char *sha256)
{
    json_t *result = json_object();
    g_autofree char *octal = g_strdup_printf("%04o", mode & 07777);
    uint64_t now = loop_now_ms(ssh_pool_loop(t->pool));
    json_set_string(result, "host", t->target->name);
    json_object_set_new(result, "path", json_text_value(path, strlen(path)));
    json_object_set_new(result, "bytes", json_integer((json_int_t)bytes));
    json_set_string(result, "mode", octal);
    json_set_string(result, "sha256", sha256);
    json_object_set_new(result, "duration_ms", json_integer((json_int_t)(now - t->started_ms)));
    g_free(sha256);
    return result;
}
