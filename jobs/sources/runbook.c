/* runbook: incidents that runbooks open and resolve (incidents.open, incidents.resolve). The server writes these
 * deliveries itself, in the transaction of the event that says so (run_incident.c): nobody can send one, and the
 * configuration has no such source. */
#include "core/errors.h"
#include "jobs/sources/sources.h"
#include <string.h>

/* What the timeline says about who did it. */
static json_t *actor_of(const json_t *body)
{
    g_autofree char *text = g_strdup_printf("runbook %s", json_get_string(body, "runbook", "?"));
    return json_string(text);
}

static bool normalise(const struct source *source, const json_t *body, int64_t received_ms, struct source_reading *ret,
                      GError **error)
{
    (void)source;
    const char *action = json_get_string(body, "action", ""), *key = json_get_string(body, "key", NULL);
    bool opens = strcmp(action, "open") == 0;
    if (!key || (!opens && strcmp(action, "resolve") != 0)) {
        errors_set(error, ERROR_INVALID, "it opens and resolves nothing");
        return false;
    }
    ret->event = g_strdup(action);
    ret->update =
        json_pack("{s:s, s:s, s:I, s:s, s:o, s:b, s:b}", "key", key, "status", opens ? "triggered" : "resolved", "at",
                  (json_int_t)received_ms, "starts", json_get_string(body, "starts", "never"), "actor", actor_of(body),
                  "keeps_status", opens, "known_only", !opens);
    if (!opens)
        return true;
    json_set_string(ret->update, "title", json_get_string(body, "title", key));
    json_set_string(ret->update, "severity", json_get_string(body, "severity", NULL));
    json_object_set_new(ret->update, "severity_explicit",
                        json_boolean(json_get_string(body, "severity", NULL) != NULL));
    json_object_set(ret->update, "labels", json_object_get(body, "labels"));
    return true;
}

const struct source_kind source_runbook = {.name = SOURCE_RUNBOOK, .normalise = normalise};
