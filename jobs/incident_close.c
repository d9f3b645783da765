/* incident_close: see incident_close.h. */
#include "jobs/incident_close.h"
#include "core/clock.h"
#include "core/json.h"
#include "jobs/incident.h"

static char *left_to_do(const json_t *row, const json_t *standing)
{
    json_int_t runs = json_get_integer(standing, "unended", 0), alerts = json_get_integer(standing, "unverified", 0);
    if (runs > 0)
        return g_strdup_printf("%" JSON_INTEGER_FORMAT " other %s under way", runs,
                               runs == 1 ? "run of it is" : "runs of it are");
    if (alerts > 0 && json_get_string(row, "alert", NULL))
        return g_strdup_printf("%" JSON_INTEGER_FORMAT " firing %s without a verified run", alerts,
                               alerts == 1 ? "alert is" : "alerts are");
    return NULL;
}

bool incident_close_by_run(struct store_tx *tx, const json_t *row, GError **error)
{
    const char *incident = json_get_string(row, "incident", NULL), *run = json_get_string(row, "id", NULL);
    g_autoptr(json_t) standing = NULL;
    int64_t asked = 0;
    if (!incident || !json_get_bool(row, "resolves_bool", false))
        return true;
    if (!store_get(tx, SQL_INCIDENT_STANDING, &standing, error, "s", incident))
        return false;
    if (!standing || json_is_integer(json_object_get(standing, "resolved_at")))
        return true;
    g_autofree char *left = left_to_do(row, standing);
    if (!left && !store_exec(tx, SQL_OUTBOX_RESOLVE, &asked, error, "ssi", incident, run, clock_now_ms()))
        return false;
    g_autofree char *why =
        left    ? g_strdup(left)
        : asked ? NULL
                : g_strdup_printf("no channel can resolve incidents of '%s'", json_get_string(standing, "source", "?"));
    g_autofree char *text = why ? g_strdup_printf("is verified, but the incident stays open: %s", why)
                                : g_strdup("is verified: its sender is asked to resolve the incident");
    g_autofree char *sentence = g_strdup_printf("\"%s\" %s", json_get_string(row, "title", "?"), text);
    return incident_timeline_add(tx, incident, "run", "hikeshi", sentence, run, error);
}
