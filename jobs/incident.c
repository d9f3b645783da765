/* incident: what is read about incidents: lists, one in the product's shape, its timeline. Changes: incident_update.c.
 */
#include "jobs/incident.h"
#include "core/clock.h"
#include "core/errors.h"
#include "core/limits.h"
#include "jobs/call.h"
#include "jobs/incident_view.h"
#include "jobs/view.h"
#include <string.h>

/* Timeline entries shown with an incident: a run makes a handful, an incident that flaps for days makes thousands. */
#define TIMELINE_SHOWN 2000

bool incident_timeline_add(struct store_tx *tx, const char *incident, const char *kind, const char *actor,
                           const char *text, const char *run, GError **error)
{
    return store_exec(tx, SQL_TIMELINE_ADD, NULL, error, "sissss", incident, clock_now_ms(), kind, actor, text, run);
}

/* --- shapes --- */

static json_t *alert_shape(const json_t *row)
{
    static const char *const same[] = {"id", "status", "name", "url", "opening", NULL};
    json_t *alert = json_object();
    view_copy(alert, row, same);
    json_object_set(alert, "labels", json_object_get(row, "labels_json"));
    json_object_set(alert, "annotations", json_object_get(row, "annotations_json"));
    json_object_set_new(alert, "starts_at", view_time(row, "starts_at"));
    json_object_set_new(alert, "ends_at", view_time(row, "ends_at"));
    return alert;
}

static json_t *incident_shape(const json_t *row)
{
    static const char *const same[] = {"id",       "source",  "key",  "opening", "title", "status",
                                       "severity", "service", "team", "url",     NULL};
    static const char *const times[] = {"opened_at", "acknowledged_at", "resolved_at", NULL};
    json_t *incident = json_object();
    view_copy(incident, row, same);
    json_object_set(incident, "labels", json_object_get(row, "labels_json"));
    for (const char *const *key = times; *key; key++)
        json_object_set_new(incident, *key, view_time(row, *key));
    return incident;
}

static json_t *shape_all(const json_t *rows, json_t *(*shape)(const json_t *row))
{
    json_t *items = json_array();
    size_t i;
    json_t *row;
    json_array_foreach ((json_t *)rows, i, row)
        json_array_append_new(items, shape(row));
    return items;
}

static json_t *document_shape(const json_t *row)
{
    return json_pack("{s:O, s:O, s:O}", "path", json_object_get(row, "path"), "by", json_object_get(row, "covered_by"),
                     "url", json_object_get(row, "url"));
}

static json_t *timeline_shape(const json_t *row)
{
    static const char *const same[] = {"kind", "actor", "text", "run", NULL};
    json_t *entry = json_object();
    view_copy(entry, row, same);
    json_object_set_new(entry, "at", view_time(row, "at"));
    return entry;
}

static json_t *run_shape(const json_t *row)
{
    return json_incref(json_object_get(row, "id"));
}

/* --- one incident --- */

json_t *incident_load_brief(struct store_tx *tx, const char *id, GError **error)
{
    g_autoptr(json_t) row = NULL, alerts = NULL, documents = NULL;
    if (!store_get(tx, SQL_INCIDENT_GET, &row, error, "s", id) ||
        !store_list(tx, SQL_ALERT_LIST, &alerts, error, "si", id, (int64_t)LIMIT_ALERTS_PER_INCIDENT) ||
        !store_list(tx, SQL_DOCUMENT_LIST, &documents, error, "s", id))
        return NULL;
    if (!row) {
        errors_set(error, ERROR_NOT_FOUND, "there is no incident '%s'", id);
        return NULL;
    }
    json_t *incident = incident_shape(row);
    json_object_set_new(incident, "alerts", shape_all(alerts, alert_shape));
    json_object_set_new(incident, "documents", shape_all(documents, document_shape));
    return incident;
}

json_t *incident_load(struct store_tx *tx, const char *id, GError **error)
{
    g_autoptr(json_t) incident = incident_load_brief(tx, id, error);
    g_autoptr(json_t) timeline = NULL, runs = NULL;
    if (!incident || !store_list(tx, SQL_TIMELINE_LIST, &timeline, error, "si", id, (int64_t)TIMELINE_SHOWN) ||
        !store_list(tx, SQL_INCIDENT_RUNS, &runs, error, "s", id))
        return NULL;
    json_object_set_new(incident, "timeline", shape_all(timeline, timeline_shape));
    json_object_set_new(incident, "runs", shape_all(runs, run_shape));
    return g_steal_pointer(&incident);
}

/* --- the API --- */

static json_t *list_shape(struct store_tx *tx, const struct call *call, const json_t *row, GError **error)
{
    (void)tx, (void)call, (void)error;
    json_t *item = incident_shape(row);
    json_object_set(item, "firing", json_object_get(row, "firing"));
    return item;
}

static bool list_job(struct store_tx *tx, struct call *call, GError **error)
{
    static const char *const statuses[] = {"triggered", "acknowledged", "resolved", NULL};
    const json_t *request = call->request;
    const char *status;
    g_autoptr(json_t) rows = NULL;
    return call_choice(request, "status", statuses, &status, error) &&
           store_list(tx, SQL_INCIDENT_LIST, &rows, error, "sssssi", status, call_string(request, "source"),
                      call_string(request, "severity"), call_string(request, "team"), call_string(request, "after"),
                      call_limit(request) + 1) &&
           call_list(tx, call, rows, list_shape, error);
}

void incident_list(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_read(jobs, request, actor, list_job, done, arg);
}

static bool get_job(struct store_tx *tx, struct call *call, GError **error)
{
    const char *id = call_need_string(call->request, "id", error);
    call->result = id ? incident_load(tx, id, error) : NULL;
    return call->result != NULL;
}

void incident_get(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_read(jobs, request, actor, get_job, done, arg);
}
