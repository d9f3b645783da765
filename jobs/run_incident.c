/* Why a delivery: it is on disk with the event, worked on later and at least once, applied once, explained rule by
 * rule, and may be replayed, as if a sender had sent it. */
#include "jobs/run_incident.h"
#include "core/clock.h"
#include "jobs/call.h"
#include "jobs/run_private.h"
#include "jobs/sources/sources.h"
#include <string.h>

/* Keys of one repository say nothing about those of another. */
static char *scoped_key(const json_t *row, const char *key)
{
    const char *repository = json_get_string(row, "repository", NULL);
    return repository && *repository ? g_strdup_printf("%s:%s", repository, key) : g_strdup(key);
}

/* The step's labels, and where the incident is from. */
static json_t *labels_of(const json_t *row, const json_t *event)
{
    const json_t *given = json_object_get(event, "labels");
    json_t *labels = json_is_object(given) ? json_copy((json_t *)given) : json_object();
    const char *repository = json_get_string(row, "repository", NULL);
    if (!json_object_get(labels, "team") && json_get_string(row, "owner", NULL))
        json_object_set(labels, "team", json_object_get(row, "owner"));
    json_object_set(labels, "runbook", json_object_get(row, "runbook"));
    if (repository)
        json_set_string(labels, "repository", repository);
    return labels;
}

/* An incident that a run opens may start other runs; what those open starts none: no chain is longer than that. */
static bool may_start(struct store_tx *tx, const json_t *row, bool *ret, GError **error)
{
    g_autoptr(json_t) incident = NULL;
    const char *id = json_get_string(row, "incident", NULL);
    if (id && !store_get(tx, SQL_INCIDENT_GET, &incident, error, "s", id))
        return false;
    *ret = g_strcmp0(json_get_string(incident, "source", NULL), SOURCE_RUNBOOK) != 0;
    return true;
}

static char *sentence(const json_t *row, const json_t *event, bool opens)
{
    const char *severity = json_get_string(event, "severity", NULL);
    g_autofree char *of = severity ? g_strdup_printf(" (%s)", severity) : g_strdup("");
    return g_strdup_printf("\"%s\" %s the incident '%s'%s%s%s", json_get_string(row, "title", "?"),
                           opens ? "opens" : "resolves", json_get_string(event, "key", ""), of, opens ? ": " : "",
                           opens ? json_get_string(event, "title", "") : "");
}

bool run_incident_tell(struct store_tx *tx, const json_t *row, const json_t *event, GError **error)
{
    const char *key = call_need_string(event, "key", error), *run = json_get_string(row, "id", "");
    const char *action = key ? call_need_string(event, "action", error) : NULL;
    bool starts;
    if (!action || !may_start(tx, row, &starts, error))
        return false;
    g_autofree char *scoped = scoped_key(row, key), *text = sentence(row, event, strcmp(action, "open") == 0);
    g_autofree char *dedup_key =
        g_strdup_printf("%s:%" JSON_INTEGER_FORMAT ":%" JSON_INTEGER_FORMAT, run, json_get_integer(row, "attempt", 0),
                        json_get_integer(event, "seq", 0));
    g_autoptr(json_t) body =
        json_pack("{s:s, s:s, s:O?, s:O?, s:o, s:s, s:O?, s:s, s:s}", "action", action, "key", scoped, "title",
                  json_object_get(event, "title"), "severity", json_object_get(event, "severity"), "labels",
                  labels_of(row, event), "run", run, "step", json_object_get(event, "step"), "runbook",
                  json_get_string(row, "runbook", ""), "starts", starts ? "changes" : "never");
    g_autofree char *bytes = json_text(body);
    return store_exec(tx, SQL_DELIVERY_ADD, NULL, error, "ssiBs", SOURCE_RUNBOOK, dedup_key, clock_now_ms(), bytes,
                      strlen(bytes), "received") &&
           run_tell(tx, row, "incident", NULL, text, error);
}
