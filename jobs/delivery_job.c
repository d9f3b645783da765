#include "jobs/delivery_job.h"
#include "core/clock.h"
#include "core/errors.h"
#include "jobs/incident.h"
#include "jobs/incident_update.h"
#include "jobs/incident_view.h"
#include "jobs/run.h"
#include <string.h>

/* Rules that may be evaluated inside a transaction; a few milliseconds. */
#define MATCH_IN_STORE 500
/* Runs that are inserted in one store job. */
#define STARTS_PER_JOB 20

void delivery_job_clear(struct delivery_job *job)
{
    source_reading_clear(&job->reading);
    g_free(job->dead);
    g_free(job->lacking);
    json_decref(job->change);
    json_decref(job->incident);
    json_decref(job->stopped);
    match_plan_free(job->plan);
    if (job->set)
        catalog_set_unref(job->set);
    *job = (struct delivery_job){0};
}

void delivery_job_read(struct delivery_job *job, const char *body, size_t length)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) value = NULL;
    if (!job->source)
        job->dead = g_strdup("the source is no longer configured");
    else if (!(value = json_parse(body, length, "body", &error)) ||
             !job->source->kind->normalise(job->source, value, job->received_ms, &job->reading, &error))
        job->dead = g_strdup(error->message);
}

static void reset(struct delivery_job *job)
{
    g_clear_pointer(&job->change, json_decref);
    g_clear_pointer(&job->incident, json_decref);
    g_clear_pointer(&job->stopped, json_decref);
    g_clear_pointer(&job->plan, match_plan_free);
    job->next_start = job->next_chunk = 0;
    job->started = job->ended = false;
    job->due_ms = 0;
}

static bool end(struct store_tx *tx, struct delivery_job *job, const char *state, const char *note,
                const json_t *explain, GError **error)
{
    job->ended = true;
    return store_exec(tx, SQL_DELIVERY_END, NULL, error, "isissj", job->seq, state, clock_now_ms(), job->reading.event,
                      note, explain);
}

/* --- runs that a resolve stops --- */

static const struct trigger *find_trigger(const struct catalog_set *set, const json_t *row)
{
    const char *id = json_get_string(row, "runbook", ""), *wanted = json_get_string(row, "trigger_id", "");
    const struct runbook *runbook = set ? catalog_set_runbook(set, id) : NULL;
    for (guint i = 0; runbook && runbook->triggers && i < runbook->triggers->len; i++) {
        const struct trigger *trigger = runbook->triggers->pdata[i];
        if (strcmp(trigger->id, wanted) == 0)
            return trigger;
    }
    return NULL;
}

static bool stop_runs(struct store_tx *tx, struct delivery_job *job, GError **error)
{
    g_autoptr(json_t) rows = NULL;
    size_t i;
    json_t *row;
    job->stopped = json_array();
    if (!json_get_bool(job->change, "resolved", false))
        return true;
    if (!store_list(tx, SQL_INCIDENT_RUNS_UNENDED, &rows, error, "s", json_get_string(job->incident, "id", NULL)))
        return false;
    json_array_foreach (rows, i, row) {
        const struct trigger *trigger = find_trigger(job->set, row);
        if (!trigger || !trigger->cancel_on_resolve)
            continue;
        const char *id = json_get_string(row, "id", NULL);
        bool running;
        if (!run_stop(tx, id, "incident_resolved", "is cancelled: the incident is resolved", &running, error))
            return false;
        json_array_append_new(
            job->stopped, json_pack("{s:s, s:s, s:b}", "run", id, "reason", "incident_resolved", "running", running));
    }
    return true;
}

/* --- apply --- */

/* True in *ret when another delivery brought the same event: the header that tells deliveries apart is not signed. */
static bool same_event(struct store_tx *tx, const struct delivery_job *job, bool *ret, char **ret_note, GError **error)
{
    g_autoptr(json_t) other = NULL;
    *ret = false;
    if (!job->reading.event_key)
        return true;
    if (!store_get(tx, SQL_DELIVERY_SAME_EVENT, &other, error, "ssi", job->source->name, job->reading.event_key,
                   job->seq))
        return false;
    *ret = other != NULL;
    if (other)
        *ret_note =
            g_strdup_printf("the same event as delivery %" JSON_INTEGER_FORMAT, json_get_integer(other, "seq", 0));
    return true;
}

static json_t *explain_plain(const struct delivery_job *job, const char *note)
{
    return json_pack("{s:s?, s:s?, s:[]}", "event", job->reading.event, "note", note, "rules");
}

/* Deliveries that mean nothing for an incident end here. *ret_ended says so. */
static bool end_early(struct store_tx *tx, struct delivery_job *job, GError **error)
{
    g_autofree char *note = NULL;
    bool same = false;
    if (!job->dead && !same_event(tx, job, &same, &note, error))
        return false;
    if (!job->dead && !same && job->reading.update)
        return true;
    const char *why = job->dead ? job->dead : same ? note : job->reading.note;
    g_autoptr(json_t) explain = explain_plain(job, why);
    if (!job->dead && !same &&
        !store_exec(tx, SQL_DELIVERY_APPLIED, NULL, error, "issnns", job->seq, job->reading.event,
                    job->reading.event_key, why))
        return false;
    return end(tx, job, job->dead ? "dead" : "processed", why, explain, error);
}

bool delivery_job_apply(struct store_tx *tx, struct delivery_job *job, GError **error)
{
    g_autoptr(json_t) stored = NULL;
    reset(job);
    if (!store_get(tx, SQL_DELIVERY_STATE, &stored, error, "i", job->seq))
        return false;
    if (g_strcmp0(json_get_string(stored, "state", NULL), "received") != 0) {
        job->ended = true; /* somebody else did it, or retention took it */
        return true;
    }
    if (!end_early(tx, job, error))
        return false;
    if (job->ended)
        return true;
    const json_t *before = json_object_get(stored, "applied_json");
    if (!incident_update_apply(tx, job->source->name, job->reading.update, job->rules,
                               json_is_object(before) ? before : NULL, &job->change, error))
        return false;
    const char *incident = json_get_string(job->change, "incident", NULL);
    if (!store_exec(tx, SQL_DELIVERY_APPLIED, NULL, error, "isssjs", job->seq, job->reading.event,
                    job->reading.event_key, incident, job->change, json_get_string(job->change, "note", NULL)))
        return false;
    if (!incident) {
        const char *why = json_get_string(job->change, "note", NULL);
        g_autoptr(json_t) nothing = explain_plain(job, why);
        return end(tx, job, "processed", why, nothing, error);
    }
    job->incident = incident_load_brief(tx, incident, error);
    if (!job->incident || !stop_runs(tx, job, error))
        return false;
    if (delivery_match_cost(job->set, job->incident) > MATCH_IN_STORE)
        return true;
    delivery_job_match(job);
    return delivery_job_start(tx, job, error);
}

void delivery_job_match(struct delivery_job *job)
{
    job->plan = delivery_match(job->set, job->incident, job->change);
}

/* --- start and end --- */

static bool start_one(struct store_tx *tx, struct delivery_job *job, const struct match_start *start, GError **error)
{
    json_t *entry = json_array_get(job->plan->rules, start->rule);
    g_autofree char *id = NULL;
    const struct run_start run = {.repository = start->runbook->repository ? start->runbook->repository : "",
                                  .runbook = start->runbook->id,
                                  .trigger_kind = "incident",
                                  .trigger_id = start->trigger->id,
                                  .start_key = start->start_key,
                                  .incident = json_get_string(job->incident, "id", NULL),
                                  .alert = json_get_string(start->alert, "id", NULL),
                                  .requested_kind = "source",
                                  .requested_name = job->source->name,
                                  .params = start->params,
                                  .incident_snapshot = start->incident,
                                  .alert_snapshot = start->alert,
                                  .stopped = job->stopped,
                                  .set = job->plan->set};
    if (!run_insert(tx, start->runbook, &run, &id, error))
        return false;
    json_set_string(entry, "outcome", id ? "started" : "started_before");
    json_set_string(entry, "run", id);
    job->started = job->started || id != NULL;
    return true;
}

static bool add_documents(struct store_tx *tx, const struct delivery_job *job, GError **error)
{
    const char *incident = json_get_string(job->incident, "id", NULL);
    const char *severity = NULL, *owner = NULL;
    size_t i;
    json_t *document;
    json_array_foreach (job->plan->documents, i, document) {
        const char *own = json_get_string(document, "severity", NULL);
        if (own && (!severity || strcmp(own, severity) < 0)) /* SEV1 before SEV2 */
            severity = own;
        owner = owner ? owner : json_get_string(document, "owner", NULL);
        if (!store_exec(tx, SQL_DOCUMENT_ADD, NULL, error, "sssn", incident, json_get_string(document, "path", ""),
                        json_get_string(document, "by", "")))
            return false;
    }
    /* What the sender and its labels do not say, the documents that cover the incident do. */
    return store_exec(tx, SQL_INCIDENT_DEFAULTS, NULL, error, "sss", incident, severity, owner);
}

static bool tell(struct store_tx *tx, const struct delivery_job *job, GError **error)
{
    const char *incident = json_get_string(job->incident, "id", NULL);
    size_t i;
    json_t *text;
    json_array_foreach (job->plan->tells, i, text)
        if (!incident_timeline_add(tx, incident, "trigger", "hikeshi", json_string_value(text), NULL, error))
            return false;
    return true;
}

static json_t *explain(const struct delivery_job *job, const char *note)
{
    json_t *result = explain_plain(job, note);
    json_object_set(result, "incident", json_object_get(job->incident, "id"));
    json_object_set(result, "change", job->change);
    json_object_set(result, "rules", job->plan->rules);
    json_object_set_new(result, "omitted", json_integer((json_int_t)job->plan->omitted));
    return result;
}

static const char *nothing_starts(const struct delivery_job *job)
{
    if (json_array_size(job->plan->rules))
        return NULL;
    if (g_strcmp0(json_get_string(job->change, "starts", NULL), "never") == 0)
        return "this event starts nothing";
    if (g_strcmp0(json_get_string(job->incident, "status", NULL), "resolved") == 0)
        return "the incident is resolved";
    return job->set && job->set->runbooks->len ? "nothing new, or no runbook has a trigger for incidents"
                                               : "no runbook is in service";
}

static bool finish(struct store_tx *tx, struct delivery_job *job, GError **error)
{
    const char *told = json_get_string(job->change, "note", NULL);
    const char *note = told ? told : nothing_starts(job);
    if (!add_documents(tx, job, error) || !tell(tx, job, error))
        return false;
    if (job->lacking && job->tries == 0) {
        g_autofree char *why =
            g_strdup_printf("alerts could not be fetched (%s): matched without, to be tried once more", job->lacking);
        g_autoptr(json_t) so_far = explain(job, why);
        job->due_ms = clock_now_ms() + job->retry_ms;
        job->ended = true;
        return store_exec(tx, SQL_DELIVERY_LATER, NULL, error, "iisj", job->seq, job->due_ms, why, so_far);
    }
    g_autofree char *lacking = job->lacking ? g_strdup_printf("alerts could not be fetched: %s", job->lacking) : NULL;
    g_autoptr(json_t) rules = explain(job, lacking ? lacking : note);
    return end(tx, job, "processed", lacking ? lacking : note, rules, error);
}

bool delivery_job_start(struct store_tx *tx, struct delivery_job *job, GError **error)
{
    const GPtrArray *starts = job->plan->starts;
    guint from = job->next_start, to = MIN(from + STARTS_PER_JOB, starts->len);
    job->started = job->ended = false;
    job->next_chunk = to;
    for (guint i = from; i < to; i++)
        if (!start_one(tx, job, starts->pdata[i], error))
            return false;
    return to < starts->len || finish(tx, job, error);
}
