/* An alert's details stand in body.details or body.cef_details.details: an object whose scalars are labels.
 * Alertmanager's integration puts whole alerts as text into the details `firing` and `resolved`; each of them is an
 * alert of its own here. */
#include "jobs/sources/pagerduty_alerts.h"
#include "core/crypto.h"
#include "core/limits.h"
#include "jobs/sources/fields.h"
#include <string.h>

/* --- Alertmanager's text --- */

enum part { PART_NONE, PART_LABELS, PART_ANNOTATIONS };

/* One alert as it is read, line after line. */
struct blob {
    json_t *labels, *annotations;
    char *url;
    enum part part;
    char *name;     /* of the entry that is read */
    GString *value; /* may go on over several lines */
};

static void entry_end(struct blob *blob)
{
    if (blob->name) {
        json_t *to = blob->part == PART_ANNOTATIONS ? blob->annotations : blob->labels;
        fields_label_set(to, blob->name, blob->value->str);
    }
    g_clear_pointer(&blob->name, g_free);
    g_string_truncate(blob->value, 0);
}

static void blob_end(struct blob *blob, json_t *alerts, const char *id, const char *status, json_t *starts_at)
{
    entry_end(blob);
    if (json_object_size(blob->labels) && json_array_size(alerts) < LIMIT_ALERTS_PER_INCIDENT) {
        g_autofree char *labels = json_text(blob->labels);
        g_autofree char *hash = crypto_sha256_hex(labels, strlen(labels));
        g_autofree char *own = g_strdup_printf("%s-%.12s", id, hash);
        json_t *alert = json_object();
        json_object_set_new(alert, "id", json_string(own));
        json_object_set_new(alert, "status", json_string(status));
        json_object_set_new(alert, "name", fields_line(json_get_string(blob->labels, "alertname", "alert")));
        json_object_set(alert, "labels", blob->labels);
        json_object_set(alert, "annotations", blob->annotations);
        json_object_set(alert, "starts_at", starts_at);
        json_object_set_new(alert, "ends_at", json_null());
        json_object_set_new(alert, "url", fields_line(blob->url));
        json_array_append_new(alerts, alert);
    }
    json_decref(blob->labels);
    json_decref(blob->annotations);
    g_clear_pointer(&blob->url, g_free);
    blob->labels = json_object();
    blob->annotations = json_object();
    blob->part = PART_NONE;
}

/* " - name = value" begins an entry; other lines belong to the value before them. */
static void blob_line(struct blob *blob, const char *line)
{
    const char *equals = strstr(line, " = ");
    if (g_str_has_prefix(line, "Annotations:")) {
        entry_end(blob);
        blob->part = PART_ANNOTATIONS;
    } else if (g_str_has_prefix(line, "Source: ")) {
        entry_end(blob);
        g_free(blob->url);
        blob->url = g_strdup(line + strlen("Source: "));
        blob->part = PART_NONE;
    } else if (g_str_has_prefix(line, " - ") && equals && blob->part != PART_NONE) {
        entry_end(blob);
        blob->name = g_strndup(line + 3, (gsize)MAX(equals - line - 3, 0));
        g_string_assign(blob->value, equals + 3);
    } else if (blob->name) {
        g_string_append_printf(blob->value, "\n%s", line);
    }
}

void pagerduty_alerts_from_text(json_t *alerts, const char *text, const char *id, const char *status, json_t *starts_at)
{
    struct blob blob = {.labels = json_object(), .annotations = json_object(), .value = g_string_new(NULL)};
    g_auto(GStrv) lines = g_strsplit(text, "\n", 20000);
    for (char **line = lines; *line; line++) {
        g_strchomp(*line);
        if (g_str_has_prefix(*line, "Labels:")) {
            blob_end(&blob, alerts, id, status, starts_at);
            blob.part = PART_LABELS;
        } else {
            blob_line(&blob, *line);
        }
    }
    blob_end(&blob, alerts, id, status, starts_at);
    json_decref(blob.labels);
    json_decref(blob.annotations);
    g_string_free(blob.value, TRUE);
}

/* --- one alert of the API --- */

static const json_t *details_of(const json_t *alert)
{
    const json_t *details = json_path(alert, "body.details");
    const json_t *cef = json_path(alert, "body.cef_details.details");
    if (json_is_object(details) && json_object_size(details))
        return details;
    return json_is_object(cef) ? cef : details;
}

static json_t *plain_alert(const json_t *alert, const json_t *details, const char *id, const char *status,
                           json_t *starts_at)
{
    json_t *labels = fields_labels(json_object_get(details, "labels"));
    g_autoptr(json_t) top = fields_labels(json_is_object(details) ? details : NULL);
    const char *name;
    json_t *value;
    json_object_foreach (top, name, value)
        fields_label_set(labels, name, json_string_value(value));
    const char *severity = json_get_string(alert, "severity", NULL);
    const char *summary = json_get_string(alert, "summary", NULL);
    if (severity)
        fields_label_set(labels, "severity", severity);
    json_t *annotations = json_object();
    if (summary)
        fields_label_set(annotations, "summary", summary);
    if (json_is_string(details))
        fields_label_set(annotations, "description", json_string_value(details));
    json_t *result = json_object();
    json_object_set_new(result, "id", json_string(id));
    json_object_set_new(result, "status", json_string(status));
    json_object_set_new(result, "name", fields_line(json_get_string(labels, "alertname", summary ? summary : "alert")));
    json_object_set_new(result, "labels", labels);
    json_object_set_new(result, "annotations", annotations);
    json_object_set(result, "starts_at", starts_at);
    json_object_set_new(result, "ends_at", json_null());
    json_object_set_new(result, "url", fields_line(json_get_string(alert, "html_url", NULL)));
    return result;
}

static void read_alert(json_t *alerts, const json_t *alert)
{
    const char *id = json_get_string(alert, "id", NULL);
    if (!id || !*id || strlen(id) > 64 || json_array_size(alerts) >= LIMIT_ALERTS_PER_INCIDENT)
        return;
    bool resolved = g_strcmp0(json_get_string(alert, "status", NULL), "resolved") == 0;
    const char *status = resolved ? "resolved" : "firing";
    const json_t *details = details_of(alert);
    g_autoptr(json_t) starts_at = fields_time(alert, "created_at");
    const char *firing = json_get_string(details, "firing", NULL);
    const char *over = json_get_string(details, "resolved", NULL);
    size_t before = json_array_size(alerts);
    if (firing)
        pagerduty_alerts_from_text(alerts, firing, id, status, starts_at);
    if (over)
        pagerduty_alerts_from_text(alerts, over, id, "resolved", starts_at);
    if (json_array_size(alerts) == before)
        json_array_append_new(alerts, plain_alert(alert, details, id, status, starts_at));
}

bool pagerduty_alerts_add(json_t *alerts, const json_t *answer)
{
    const json_t *list = json_object_get(answer, "alerts");
    if (!json_is_array(list))
        return false;
    size_t i;
    json_t *alert;
    json_array_foreach ((json_t *)list, i, alert)
        read_alert(alerts, alert);
    return true;
}
