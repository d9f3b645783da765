/* lease: see lease.h. The run starts at once and its events gather here; none is sent before the confirmation was
 * answered, and nothing takes effect before its event was acknowledged, so an unconfirmed job does nothing. */
#include "runner/lease.h"

#include "core/clock.h"
#include "core/errors.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/wire.h"
#include "runner/batch.h"
#include "runner/exec.h"

#include <string.h>

#define REQUEST_TIMEOUT_MS 10000
#define RETRY_FIRST_MS     50
#define RETRY_MOST_MS      2000

struct lease {
    struct lease_options options;
    const char *id, *run; /* in the job */
    int64_t attempt;
    struct exec *exec; /* NULL: no job could be made of it, or it has left */
    struct batch batch;
    struct uplink_call *call; /* confirm or events: one at a time */
    uint64_t sent_ms;         /* when */
    int64_t retry_ms;
    bool confirmed, fenced;
    bool left;  /* the exec is done */
    bool ended; /* options.ended was called */
    struct loop_timer *send, *deadline;
};

static void lease_send(void *arg);

/* ---- the end ---- */

static void lease_end_if_done(struct lease *lease)
{
    bool nothing_left = lease->fenced || (lease->confirmed && batch_empty(&lease->batch));

    if (!lease->left || !nothing_left || lease->ended)
        return;
    lease->ended = true;
    lease->options.ended(lease->options.arg, lease);
}

static void lease_end_soon(void *arg)
{
    lease_end_if_done(arg);
}

/* The run is, or will soon be, somebody else's. */
static void lease_fence(struct lease *lease, const char *why)
{
    if (lease->fenced)
        return;
    lease->fenced = true;
    log_warn("a run is given up", "run", lease->run, "lease", lease->id, "why", why, NULL);
    g_clear_pointer(&lease->call, uplink_call_cancel);
    loop_timer_stop(lease->send);
    loop_timer_stop(lease->deadline);
    if (lease->exec && !lease->left) {
        exec_fence(lease->exec);
        return;
    }
    /* From the loop: whoever called may still hold the lease. */
    loop_timer_free(lease->send);
    lease->send = loop_timer_new(lease->options.loop, lease_end_soon, lease);
    loop_timer_start(lease->send, 0, 0);
}

static void lease_over(void *arg)
{
    lease_fence(arg, "the lease could not be renewed in time");
}

static void lease_extend(struct lease *lease, uint64_t sent_ms, int64_t lease_ms, int64_t margin_ms)
{
    uint64_t now_ms = loop_now_ms(lease->options.loop);
    uint64_t end_ms = sent_ms + (uint64_t)MAX(0, lease_ms - margin_ms);

    loop_timer_start(lease->deadline, end_ms > now_ms ? end_ms - now_ms : 0, 0);
}

void lease_cancel(struct lease *lease, const char *reason)
{
    if (lease->exec && !lease->left)
        exec_cancel(lease->exec, reason);
}

void lease_renewed(struct lease *lease, uint64_t sent_ms, const json_t *answer)
{
    if (lease->fenced)
        return;
    if (!json_is_object(answer)) {
        lease_fence(lease, "the server says that it is not ours any more");
        return;
    }
    const char *cancel = json_get_string(answer, "cancel", NULL);
    lease_extend(lease, sent_ms, json_get_integer(answer, "lease_ms", LEASE_MS), LEASE_MARGIN_MS);
    if (cancel)
        lease_cancel(lease, cancel);
}

/* ---- requests ---- */

static const char *answer_detail(json_t *body, const GError *error)
{
    return error ? error->message : json_get_string(body, "detail", json_get_string(body, "title", "no reason given"));
}

static void lease_send_in(struct lease *lease, int64_t after_ms)
{
    if (!loop_timer_active(lease->send) && !lease->call && !lease->fenced)
        loop_timer_start(lease->send, (uint64_t)after_ms, 0);
}

/* What answers mean that are not 200: 409 and other refusals are final, the rest is tried again until the deadline. */
static void lease_refused(struct lease *lease, int status, json_t *body, const GError *error)
{
    if (status >= 400 && status < 500) {
        lease_fence(lease, answer_detail(body, error));
        return;
    }
    log_debug("the server cannot be told about a run, trying again", "run", lease->run, "why",
              answer_detail(body, error), NULL);
    loop_timer_start(lease->send, (uint64_t)lease->retry_ms, 0);
    lease->retry_ms = MIN(lease->retry_ms * 2, RETRY_MOST_MS);
}

static void lease_confirm_answered(void *arg, int status, json_t *body, const GError *error)
{
    struct lease *lease = arg;

    lease->call = NULL;
    if (status != 200) {
        lease_refused(lease, status, body, error);
        return;
    }
    lease->confirmed = true;
    lease->retry_ms = RETRY_FIRST_MS;
    lease_extend(lease, lease->sent_ms, json_get_integer(body, "lease_ms", LEASE_MS), LEASE_MARGIN_MS);
    if (batch_empty(&lease->batch))
        lease_end_if_done(lease);
    else
        lease_send(lease);
}

static void lease_events_answered(void *arg, int status, json_t *body, const GError *error)
{
    struct lease *lease = arg;
    int64_t acked = json_get_integer(body, "acked", 0);

    lease->call = NULL;
    if (status != 200) {
        lease_refused(lease, status, body, error);
        return;
    }
    lease->retry_ms = RETRY_FIRST_MS;
    batch_acknowledge(&lease->batch, acked);
    /* First: a cancel or fence in this answer must overtake the command that the acknowledgement would send. */
    lease_renewed(lease, lease->sent_ms, body);
    if (lease->exec && !lease->left)
        exec_acknowledge(lease->exec, acked);
    if (!batch_empty(&lease->batch))
        lease_send_in(lease, 0);
    lease_end_if_done(lease);
}

static void lease_post(struct lease *lease, const char *path, const char *body, uplink_done_fn done)
{
    lease->sent_ms = loop_now_ms(lease->options.loop);
    lease->call = uplink_post(lease->options.uplink, path, body, strlen(body), REQUEST_TIMEOUT_MS, done, lease);
}

static void lease_confirm(struct lease *lease)
{
    g_autoptr(json_t) request = json_pack("{s:s, s:s, s:I, s:s}", "lease", lease->id, "run", lease->run, "attempt",
                                          (json_int_t)lease->attempt, "worker", lease->options.worker);
    g_autofree char *body = json_text(request);

    lease_post(lease, WIRE_CONFIRM_PATH, body, lease_confirm_answered);
}

static void lease_send_events(struct lease *lease)
{
    g_autoptr(json_t) head =
        json_pack("{s:s, s:s, s:I}", "lease", lease->id, "run", lease->run, "attempt", (json_int_t)lease->attempt);
    g_autofree char *text = json_text(head);
    g_autofree char *events = batch_text(&lease->batch);

    text[strlen(text) - 1] = '\0'; /* the events are text already: no second object for them */
    g_autofree char *body = g_strconcat(text, ",\"events\":", events, "}", NULL);
    lease_post(lease, WIRE_EVENTS_PATH, body, lease_events_answered);
}

/* Sends what is next, unless a request is under way: its answer calls again. */
static void lease_send(void *arg)
{
    struct lease *lease = arg;

    if (lease->call || lease->fenced)
        return;
    loop_timer_stop(lease->send);
    if (!lease->confirmed)
        lease_confirm(lease);
    else if (!batch_empty(&lease->batch))
        lease_send_events(lease);
}

/* ---- the run ---- */

static void lease_keep(struct lease *lease, json_t *event)
{
    bool now = batch_add(&lease->batch, event);

    bool backing_off = lease->retry_ms > RETRY_FIRST_MS;
    if (!lease->confirmed || lease->call || lease->fenced || backing_off)
        return;
    if (now)
        loop_timer_start(lease->send, 0, 0); /* at the end of this turn, with what else it brings */
    else
        lease_send_in(lease, BATCH_LINGER_MS);
}

static void lease_event(void *arg, json_t *event)
{
    lease_keep(arg, event);
}

static void lease_left(void *arg)
{
    struct lease *lease = arg;

    lease->left = true;
    lease_end_if_done(lease);
}

/* A job that this runner cannot execute ends, with the reason, rather than come back for ever. */
static void lease_reject(struct lease *lease, const GError *error)
{
    g_autoptr(json_t) start =
        json_pack("{s:I, s:I, s:s}", "seq", (json_int_t)1, "at", (json_int_t)clock_now_ms(), "kind", "run_start");
    g_autoptr(json_t) end =
        json_pack("{s:I, s:I, s:s, s:s, s:s, s:n, s:s}", "seq", (json_int_t)2, "at", (json_int_t)clock_now_ms(), "kind",
                  "run_end", "state", "failed", "reason", "step_failed", "verified", "message", error->message);

    lease->left = true;
    lease_keep(lease, start);
    lease_keep(lease, end);
}

static void lease_execute(struct lease *lease)
{
    g_autoptr(GError) error = NULL;
    const struct exec_options options = {
        .loop = lease->options.loop,
        .world = lease->options.world,
        .job = lease->options.job,
        .emit = lease_event,
        .finished = lease_left,
        .arg = lease,
    };

    lease->exec = exec_new(&options, &error);
    if (lease->exec)
        exec_start(lease->exec);
    else
        lease_reject(lease, error);
}

struct lease *lease_new(const struct lease_options *options)
{
    struct lease *lease = g_new0(struct lease, 1);

    lease->options = *options;
    json_incref(options->job);
    lease->id = json_get_string(options->job, "lease", "");
    lease->run = json_get_string(options->job, "run", "");
    lease->attempt = json_get_integer(options->job, "attempt", 0);
    lease->retry_ms = RETRY_FIRST_MS;
    lease->send = loop_timer_new(options->loop, lease_send, lease);
    lease->deadline = loop_timer_new(options->loop, lease_over, lease);
    batch_init(&lease->batch);
    /* Nothing of an unconfirmed job takes effect: no margin is needed. */
    lease_extend(lease, loop_now_ms(options->loop), json_get_integer(options->job, "lease_ms", WIRE_CONFIRM_MS), 0);
    lease_confirm(lease);
    lease_execute(lease);
    return lease;
}

void lease_free(struct lease *lease)
{
    if (!lease)
        return;
    uplink_call_cancel(lease->call);
    exec_free(lease->exec);
    loop_timer_free(lease->send);
    loop_timer_free(lease->deadline);
    batch_clear(&lease->batch);
    json_decref(lease->options.job);
    g_free(lease);
}

const char *lease_id(const struct lease *lease)
{
    return lease->id;
}

bool lease_confirmed(const struct lease *lease)
{
    return lease->confirmed && !lease->fenced;
}
