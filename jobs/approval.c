/* approval: requests as people see them, and the clock that says no when nobody answers. Asking is in
 * approval_request.c, deciding in approval_decide.c. */
#include "jobs/approval.h"
#include "core/clock.h"
#include "core/errors.h"
#include "core/log.h"
#include "jobs/approval_private.h"
#include "jobs/call.h"
#include "jobs/outbox.h"
#include "jobs/run.h"
#include "jobs/view.h"

enum { LOOK_AGAIN_MS = 30 * 1000 }; /* a wall clock that was set: deadlines are looked at again at least so often */

/* --- views ---------------------------------------------------------------------------------------------------------
 */

static json_t *decisions_view(const json_t *rows)
{
    json_t *decisions = json_array();
    size_t index;
    json_t *row;
    json_array_foreach (rows, index, row)
        json_array_append_new(decisions, json_pack("{s:o, s:o, s:o, s:o, s:o}", "by", view_value(row, "by_name"), "via",
                                                   view_value(row, "via"), "at", view_time(row, "at"), "verdict",
                                                   view_value(row, "verdict"), "reason", view_value(row, "reason")));
    return decisions;
}

static json_t *view_of(struct store_tx *tx, const struct catalog_set *set, const json_t *row, GError **error)
{
    static const char *const same[] = {"id",     "run",   "incident", "runbook",   "step",         "title",
                                       "policy", "state", "digest",   "step_text", "requested_by", NULL};
    g_autoptr(json_t) decisions = NULL;
    if (!store_list(tx, SQL_DECISIONS_OF, &decisions, error, "s", json_get_string(row, "id", NULL)))
        return NULL;
    json_t *view = json_object();
    view_copy(view, row, same);
    json_object_set_new(view, "asked_at", view_time(row, "asked_at"));
    json_object_set_new(view, "expires_at", view_time(row, "expires_at"));
    json_object_set_new(view, "decided_at", view_time(row, "decided_at"));
    json_object_set_new(view, "params", view_value(row, "params_json"));
    json_object_set_new(view, "hosts", view_value(row, "hosts_json"));
    json_object_set_new(view, "shows", view_value(row, "shows_json"));
    json_t *asks = json_object_get(row, "asks_json");
    json_object_set_new(view, "asks", json_is_array(asks) ? json_incref(asks) : json_array());
    json_object_set_new(view, "inputs", view_value(row, "inputs_json"));
    json_object_set_new(view, "commit", view_value(row, "commit_id"));
    bool met;
    json_object_set_new(view, "need",
                        approval_count(set ? json_object_get(set->policies, "teams") : NULL,
                                       json_object_get(row, "policy_json"), decisions, &met));
    json_object_set_new(view, "decisions", decisions_view(decisions));
    return view;
}

json_t *approval_view(struct store_tx *tx, const struct catalog_set *set, const char *id, GError **error)
{
    g_autoptr(json_t) row = NULL;
    if (!store_get(tx, SQL_APPROVAL_GET, &row, error, "s", id))
        return NULL;
    if (row)
        return view_of(tx, set, row, error);
    errors_set(error, ERROR_NOT_FOUND, "there is no approval '%s'", id);
    return NULL;
}

static bool get_job(struct store_tx *tx, struct call *call, GError **error)
{
    const char *id = call_need_string(call->request, "id", error);
    call->result = id ? approval_view(tx, call->set, id, error) : NULL;
    return call->result != NULL;
}

void approval_get(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_read(jobs, request, actor, get_job, done, arg);
}

static json_t *list_shape(struct store_tx *tx, const struct call *call, const json_t *row, GError **error)
{
    return view_of(tx, call->set, row, error);
}

/* Newest first; ?state= ?run= ?limit= ?after=. */
static bool list_job(struct store_tx *tx, struct call *call, GError **error)
{
    static const char *const states[] = {
#define APPROVAL_STATE(NAME, name) name,
#include "jobs/approval_states.def"
        "all", NULL};
    const json_t *request = call->request;
    const char *state;
    g_autoptr(json_t) rows = NULL;
    if (!call_choice(request, "state", states, &state, error))
        return false;
    return store_list(tx, SQL_APPROVAL_LIST, &rows, error, "sssi", g_strcmp0(state, "all") == 0 ? NULL : state,
                      call_string(request, "run"), call_string(request, "after"), call_limit(request) + 1) &&
           call_list(tx, call, rows, list_shape, error);
}

void approval_list(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_read(jobs, request, actor, list_job, done, arg);
}

/* --- expiry --------------------------------------------------------------------------------------------------------
 */

struct approval_service {
    struct jobs *jobs;
    struct loop_timer *timer;
    bool working, again; /* an expiry job is under way; something changed meanwhile */
    int64_t next;        /* the next deadline, wall clock; 0 = none */
    bool expired;        /* the job under way ended something */
};

static bool find_next(struct store_tx *tx, int64_t *ret_next, GError **error)
{
    g_autoptr(json_t) row = NULL;
    if (!store_get(tx, SQL_APPROVAL_NEXT, &row, error, ""))
        return false;
    *ret_next = json_get_integer(row, "expires_at", 0);
    return true;
}

static bool expire_job(struct store_tx *tx, void *arg, GError **error)
{
    struct approval_service *service = arg;
    g_autoptr(json_t) due = NULL;
    service->expired = false;
    if (!store_list(tx, SQL_APPROVAL_DUE, &due, error, "i", clock_now_ms()))
        return false;
    size_t index;
    json_t *row;
    json_array_foreach (due, index, row) {
        if (!approval_expire(tx, row, error))
            return false;
        service->expired = true;
    }
    return find_next(tx, &service->next, error);
}

static void start(struct approval_service *service);

static void arm(struct approval_service *service)
{
    if (!service->next) {
        loop_timer_stop(service->timer);
        return;
    }
    int64_t left_ms = CLAMP(service->next - clock_now_ms(), 0, LOOK_AGAIN_MS);
    loop_timer_start(service->timer, (uint64_t)left_ms, 0);
}

static void expire_done(void *arg, const GError *error)
{
    struct approval_service *service = arg;
    service->working = false;
    if (error) {
        log_error("cannot expire approvals", "error", error->message, NULL);
        loop_timer_start(service->timer, LOOK_AGAIN_MS, 0);
        return;
    }
    if (service->expired) {
        run_queue_kick(service->jobs);
        outbox_kick(service->jobs);
    }
    if (service->again)
        start(service);
    else
        arm(service);
}

/* Looks for deadlines that are over, and for the next one. */
static void start(struct approval_service *service)
{
    service->again = service->working;
    if (service->working)
        return;
    service->working = true;
    store_write(service->jobs->store, STORE_NORMAL, expire_job, expire_done, service);
}

static void due(void *arg)
{
    start(arg);
}

void approval_kick(struct jobs *jobs)
{
    start(jobs->approvals);
}

static bool next_job(struct store_tx *tx, void *arg, GError **error)
{
    struct approval_service *service = arg;
    return find_next(tx, &service->next, error);
}

struct approval_service *approval_service_new(struct jobs *jobs, GError **error)
{
    struct approval_service *service = g_new0(struct approval_service, 1);
    service->jobs = jobs;
    service->timer = loop_timer_new(jobs->loop, due, service);
    if (!store_sync(jobs->store, next_job, service, error)) {
        approval_service_free(service);
        return NULL;
    }
    arm(service);
    return service;
}

void approval_service_free(struct approval_service *service)
{
    if (!service)
        return;
    loop_timer_free(service->timer);
    g_free(service);
}
