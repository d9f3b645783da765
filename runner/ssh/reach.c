/* reach: ssh_reach() and ssh_scan_key(): a connection of their own each, because a warm one proves nothing about now.
 */
#include "core/errors.h"
#include "runner/ssh/hostkey.h"
#include "runner/ssh/pool.h"

struct reach {
    struct ssh_pool *pool;
    struct ssh_target *target;
    struct ssh_session *session;
    struct op *op;
    struct ssh_task task;
};

/* Gone before the op's owner hears of it: it may free the pool. */
static void reach_end(struct reach *reach, json_t *result, GError *error)
{
    struct op *op = reach->op;
    op_on_cancel(op, NULL, NULL);
    ssh_pool_remove_task(reach->pool, &reach->task);
    ssh_session_close(reach->session);
    ssh_target_unref(reach->target);
    g_free(reach);
    op_done(op, result, error);
    op_unref(op);
}

static void reached(void *arg)
{
    struct reach *reach = arg;
    json_t *result = json_pack("{s:s,s:I,s:s}", "host", reach->target->name, "latency_ms",
                               (json_int_t)ssh_session_connect_ms(reach->session), "fingerprint",
                               ssh_session_fingerprint(reach->session));
    reach_end(reach, result, NULL);
}

static void closed(void *arg, const GError *error)
{
    reach_end(arg, NULL, g_error_copy(error));
}

static void cancelled(void *arg, int code)
{
    struct reach *reach = arg;
    reach_end(reach, NULL, g_error_new(HIKESHI_ERROR, code, "connecting to %s was given up", reach->target->label));
}

static void aborted(void *arg)
{
    cancelled(arg, ERROR_CANCELLED);
}

static const char *verdict_name(enum known_hosts_verdict verdict)
{
    static const char *const names[] = {[KNOWN_HOSTS_MATCH] = "match",
                                        [KNOWN_HOSTS_UNKNOWN] = "unknown",
                                        [KNOWN_HOSTS_CHANGED] = "changed",
                                        [KNOWN_HOSTS_REVOKED] = "revoked"};
    return names[verdict];
}

static void scanned(void *arg, const uint8_t *key, size_t length)
{
    struct reach *reach = arg;
    GError *error = NULL;
    const struct known_hosts *known = ssh_pool_known_hosts(reach->pool, &error);
    if (known == NULL) {
        reach_end(reach, NULL, error);
        return;
    }
    int line = 0;
    g_autofree char *stands = NULL;
    enum known_hosts_verdict verdict = ssh_hostkey_verdict(reach->target, known, key, length, &line, &stands);
    g_autofree char *type = ssh_hostkey_type(key, length);
    g_autofree char *fingerprint = known_hosts_fingerprint(key, length);
    g_autofree char *encoded = g_base64_encode(key, length);
    json_t *result = json_pack("{s:s,s:s,s:s,s:s,s:s}", "host", reach->target->name, "type", type, "fingerprint",
                               fingerprint, "key", encoded, "verdict", verdict_name(verdict));
    json_set_string(result, "known_fingerprint", stands);
    json_object_set_new(result, "known_line", line ? json_integer(line) : json_null());
    reach_end(reach, result, NULL);
}

static void reach_start(struct ssh_pool *pool, const json_t *host, const json_t *inventory, struct op *op, bool scan)
{
    GError *error = NULL;
    struct ssh_target *target = ssh_pool_target(pool, host, inventory, &error);
    if (target == NULL) {
        op_done(op, NULL, error);
        return;
    }
    struct reach *reach = g_new0(struct reach, 1);
    reach->pool = pool;
    reach->target = target;
    reach->op = op_ref(op);
    reach->task = (struct ssh_task){aborted, reach};
    ssh_pool_add_task(pool, &reach->task);
    const struct ssh_session_options callbacks = {
        .scanned = scan ? scanned : NULL, .ready = reached, .closed = closed, .arg = reach};
    reach->session = ssh_pool_new_session(pool, target, &callbacks, &error);
    if (reach->session == NULL)
        reach_end(reach, NULL, error);
    else
        op_on_cancel(op, cancelled, reach);
}

void ssh_reach(struct ssh_pool *pool, const json_t *host, const json_t *inventory, struct op *op)
{
    reach_start(pool, host, inventory, op, false);
}

void ssh_scan_key(struct ssh_pool *pool, const json_t *host, const json_t *inventory, struct op *op)
{
    reach_start(pool, host, inventory, op, true);
}
