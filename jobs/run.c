/* run: how runs come to be: from a trigger or a person (from an earlier run: run_again.c). What happens to them then is
 * in run_queue.c (leases), run_events.c (what runners say), run_control.c (cancel, resolve) and approval.c. */
#include "core/clock.h"
#include "core/crypto.h"
#include "core/errors.h"
#include "jobs/incident_view.h"
#include "jobs/job.h"
#include "jobs/outbox.h"
#include "jobs/run_again.h"
#include "jobs/run_allow.h"
#include "jobs/run_private.h"

static void worker_gone(void *arg, const char *worker)
{
    struct run_service *service = arg;
    run_queue_worker_gone(service->queue, worker);
    run_leases_lose_worker(service->leases, worker);
}

struct run_service *run_service_new(struct jobs *jobs, GError **error)
{
    struct run_service *service = g_new0(struct run_service, 1);
    service->jobs = jobs;
    service->workers = run_workers_new(jobs->loop, worker_gone, service);
    service->log = run_log_new(jobs, error);
    service->leases = service->log ? run_leases_new(jobs, service->workers, error) : NULL;
    if (!service->leases) {
        run_service_free(service);
        return NULL;
    }
    service->queue = run_queue_new(jobs, service->workers, service->leases);
    return service;
}

void run_service_free(struct run_service *service)
{
    if (!service)
        return;
    run_queue_free(service->queue);
    run_leases_free(service->leases);
    run_log_free(service->log);
    run_workers_free(service->workers);
    g_free(service);
}

/* Pins the runbook: equal plans are stored once, under their digest. g_free. */
static char *pin_plan(struct store_tx *tx, const struct runbook *runbook, const struct run_start *start, GError **error)
{
    g_autoptr(json_t) plan = job_plan(runbook, start->set);
    if (!run_again_apply(plan, start->done, error))
        return NULL;
    g_autofree char *text = json_text(plan);
    char *digest = crypto_sha256_hex(text, strlen(text));
    if (!store_exec(tx, SQL_PLAN_ADD, NULL, error, "ss", digest, text))
        g_clear_pointer(&digest, g_free);
    return digest;
}

static bool insert_steps(struct store_tx *tx, const char *run, const struct runbook *runbook, bool suppressed,
                         GError **error)
{
    for (guint i = 0; i < runbook->steps->len; i++) {
        const struct step *step = runbook->steps->pdata[i];
        if (!store_exec(tx, SQL_STEP_INSERT, NULL, error, "sissisbss", run, (int64_t)i, step->id, step->title,
                        (int64_t)step->line, step->effect_read ? "read" : "write",
                        (int)(step->idempotent || step->effect_read), suppressed ? "done" : "pending",
                        suppressed ? "not_reached" : NULL))
            return false;
    }
    return true;
}

static char *start_sentence(const struct runbook *runbook, const struct run_start *start, const char *suppressed)
{
    if (suppressed)
        return g_strdup_printf("\"%s\" was not started: %s", runbook->title, suppressed);
    if (g_strcmp0(start->trigger_kind, "manual") != 0 && g_strcmp0(start->trigger_kind, "link") != 0)
        return g_strdup_printf("\"%s\" is queued by its trigger %s", runbook->title,
                               start->trigger_id ? start->trigger_id : start->trigger_kind);
    return g_strdup_printf("\"%s\" is queued by %s%s%s", runbook->title, start->requested_name, start->why ? ": " : "",
                           start->why ? start->why : "");
}

static bool tell_start(struct store_tx *tx, const char *run, const struct runbook *runbook,
                       const struct run_start *start, const char *suppressed, GError **error)
{
    const char *state = suppressed ? "suppressed" : "queued";
    g_autofree char *text = start_sentence(runbook, start, suppressed);
    g_autoptr(json_t) row = json_pack("{s:s, s:i, s:s?}", "id", run, "attempt", 0, "incident", start->incident);
    json_t *body = json_pack("{s:s, s:s?, s:s}", "state", state, "reason", suppressed, "text", text);
    if (!run_record(tx, row, "run", NULL, body, error) || !run_tell(tx, row, "run", start->requested_name, text, error))
        return false;
    if (!suppressed)
        return true;
    g_autoptr(json_t) detail =
        json_pack("{s:s, s:s, s:s, s:s}", "state", state, "reason", suppressed, "title", runbook->title, "text", text);
    return outbox_add(tx, "run_ended", start->incident, run, detail, error);
}

/* `resolve: verified` of the trigger that started it. */
static bool resolves(const struct runbook *runbook, const struct run_start *start)
{
    for (guint i = 0; start->incident && i < runbook->triggers->len; i++) {
        const struct trigger *trigger = runbook->triggers->pdata[i];
        if (g_strcmp0(trigger->id, start->trigger_id) == 0 && trigger->kind == TRIGGER_INCIDENT)
            return trigger->resolve_verified;
    }
    return false;
}

static bool insert_row(struct store_tx *tx, const char *id, const struct runbook *runbook,
                       const struct run_start *start, const struct run_guard *guard, const char *plan,
                       int64_t *ret_inserted, GError **error)
{
    bool suppressed = guard->suppressed != NULL;
    return store_exec(tx, SQL_RUN_INSERT, ret_inserted, error, "ssssssssssssssjssssisisb", id, start->repository,
                      start->runbook, runbook->title, runbook->owner, runbook->commit ? runbook->commit : "",
                      runbook->path, start->trigger_kind, start->trigger_id, start->start_key, start->incident,
                      start->alert, start->requested_kind, start->requested_name, start->params, plan,
                      suppressed ? "suppressed" : "queued", guard->suppressed, start->rerun_of, clock_now_ms(),
                      guard->key, guard->limit, runbook->limits.lock, (int)resolves(runbook, start));
}

static bool insert(struct store_tx *tx, const struct runbook *runbook, const struct run_start *start,
                   const struct run_guard *guard, char **ret_id, GError **error)
{
    g_autofree char *id = crypto_id("run");
    g_autofree char *plan = pin_plan(tx, runbook, start, error);
    int64_t inserted = 0;
    if (!plan || !insert_row(tx, id, runbook, start, guard, plan, &inserted, error))
        return false;
    if (!inserted)
        return true; /* the key was taken: this start has happened */
    if (!store_exec(tx, SQL_CONTEXT_ADD, NULL, error, "sjj", id, start->incident_snapshot, start->alert_snapshot) ||
        !insert_steps(tx, id, runbook, guard->suppressed != NULL, error) ||
        !tell_start(tx, id, runbook, start, guard->suppressed, error) ||
        !run_guard_replace(tx, runbook, start, guard, id, error))
        return false;
    *ret_id = g_steal_pointer(&id);
    return true;
}

bool run_insert(struct store_tx *tx, const struct runbook *runbook, const struct run_start *start, char **ret_id,
                GError **error)
{
    *ret_id = NULL;
    struct run_guard guard;
    if (!run_guard_check(tx, runbook, start, &guard, error))
        return false;
    bool ok = insert(tx, runbook, start, &guard, ret_id, error);
    g_free(guard.key);
    return ok;
}

/* --- the API -------------------------------------------------------------------------------------------------------
 */

void run_start_after(struct call *call)
{
    run_stopped_all(call->jobs, call->stopped);
    run_queue_kick(call->jobs);
    outbox_kick(call->jobs);
}

void run_not_in_service(const struct catalog_set *set, const char *id, GError **error)
{
    bool broken = set && set->findings && finding_count_level(set->findings, FINDING_ERROR) > 0;
    errors_set(error, ERROR_NOT_FOUND, "there is no runbook '%s' in service%s", id,
               broken ? "; some files have errors: see 'hikeshi runbooks findings'" : "");
}

static const struct runbook *find_runbook(const struct call *call, const char *id, GError **error)
{
    const struct runbook *runbook = call->set ? catalog_set_runbook(call->set, id) : NULL;
    if (!runbook)
        run_not_in_service(call->set, id, error);
    return runbook;
}

/* A repeated Idempotency-Key answers with the run it made, if it asks for the same. */
static char *same_start(struct store_tx *tx, const struct run_start *start, GError **error)
{
    g_autoptr(json_t) row = NULL;
    if (!store_get(tx, SQL_RUN_BY_START_KEY, &row, error, "s", start->start_key))
        return NULL;
    if (row && g_strcmp0(json_get_string(row, "runbook", NULL), start->runbook) == 0 &&
        g_strcmp0(json_get_string(row, "repository", NULL), start->repository) == 0 &&
        json_equal(json_object_get(row, "params_json"), start->params))
        return g_strdup(json_get_string(row, "id", NULL));
    errors_set(error, ERROR_CONFLICT, "the Idempotency-Key was used for a different request");
    return NULL;
}

bool run_start_and_view(struct store_tx *tx, struct call *call, const struct runbook *runbook, struct run_start *start,
                        GError **error)
{
    const char *key = call_string(call->request, "idempotency_key");
    g_autofree char *start_key = key ? g_strdup_printf("request:%s:%s", call->actor.name, key) : NULL;
    g_autofree char *id = NULL;
    start->start_key = start_key;
    start->repository = runbook->repository;
    start->runbook = runbook->id;
    start->requested_kind = call->actor.kind;
    start->requested_name = call->actor.name;
    start->why = call_string(call->request, "reason");
    start->set = call->set;
    start->stopped = call->stopped = json_array();
    if (!run_insert(tx, runbook, start, &id, error))
        return false;
    if (!id && !(id = same_start(tx, start, error)))
        return false;
    call->result = run_view(tx, call->jobs->base_url, id, error);
    return call->result != NULL;
}

static json_t *alert_of(const json_t *incident, const char *id)
{
    return json_find(json_object_get(incident, "alerts"), "id", id);
}

/* What the request says the run is for: {"incident","alert"}, as steps will see them. New reference. */
static json_t *read_context(struct store_tx *tx, const struct call *call, GError **error)
{
    const char *id = call_string(call->request, "incident"), *alert_id = call_string(call->request, "alert");
    if (!id && alert_id) {
        errors_set(error, ERROR_INVALID, "'alert' is one of an incident: 'incident' is missing");
        return NULL;
    }
    g_autoptr(json_t) incident = id ? incident_load_brief(tx, id, error) : NULL;
    if (id && !incident)
        return NULL;
    json_t *alert = alert_id ? alert_of(incident, alert_id) : NULL;
    if (alert_id && !alert) {
        errors_set(error, ERROR_NOT_FOUND, "the incident '%s' has no alert '%s'", id, alert_id);
        return NULL;
    }
    return json_pack("{s:O*, s:O*}", "incident", incident, "alert", alert);
}

static bool read_given(const struct call *call, json_t **ret_given, GError **error)
{
    json_t *given = json_object_get(json_object_get(call->request, "body"), "params");
    if (given && !json_is_object(given) && !json_is_null(given)) {
        errors_set(error, ERROR_INVALID, "'params' is not an object");
        return false;
    }
    *ret_given = json_is_object(given) ? json_incref(given) : json_object();
    return true;
}

static bool start_job(struct store_tx *tx, struct call *call, GError **error)
{
    const char *id = call_need_string(call->request, "runbook", error);
    const struct runbook *runbook = id ? find_runbook(call, id, error) : NULL;
    g_autoptr(json_t) given = NULL, context = runbook ? read_context(tx, call, error) : NULL;
    if (!context || !read_given(call, &given, error))
        return false;
    json_t *incident = json_object_get(context, "incident"), *alert = json_object_get(context, "alert");
    const struct trigger *trigger;
    if (!run_allow(call->set, runbook, TRIGGER_MANUAL, incident != NULL, &call->actor, &trigger, error))
        return false;
    g_autoptr(json_t) params =
        runbook_bind_params(runbook, given, incident ? context : NULL, call->set->inventory, NULL, error);
    if (!params)
        return false;
    struct run_start start = {.trigger_kind = "manual",
                              .trigger_id = trigger ? trigger->id : NULL,
                              .incident = json_get_string(incident, "id", NULL),
                              .alert = json_get_string(alert, "id", NULL),
                              .incident_snapshot = incident,
                              .alert_snapshot = alert,
                              .params = params};
    return run_start_and_view(tx, call, runbook, &start, error);
}

void run_start_request(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_write(jobs, request, actor, start_job, run_start_after, done, arg);
}

static bool start_link_job(struct store_tx *tx, struct call *call, GError **error)
{
    const char *id = call_need_string(call->request, "runbook", error);
    const struct runbook *runbook = id ? find_runbook(call, id, error) : NULL;
    const struct trigger *trigger = NULL;
    g_autoptr(json_t) given = NULL;
    if (!runbook || !run_allow(call->set, runbook, TRIGGER_LINK, false, &call->actor, &trigger, error) ||
        !read_given(call, &given, error))
        return false;
    if (!trigger) {
        errors_set(error, ERROR_NOT_FOUND, "no link starts the runbook '%s'", id);
        return false;
    }
    g_autoptr(json_t) params = runbook_bind_params(runbook, given, NULL, call->set->inventory, NULL, error);
    struct run_start start = {.trigger_kind = "link", .trigger_id = trigger->id, .params = params};
    return params && run_start_and_view(tx, call, runbook, &start, error);
}

void run_start_link(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_write(jobs, request, actor, start_link_job, run_start_after, done, arg);
}
