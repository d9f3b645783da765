/* alertmanager: webhooks of Prometheus Alertmanager, payload version 4 (prometheus.io, "webhook_config"). No signature:
 * basic or bearer. A group is an incident; repeats and HA peers send the same again, which the dedup key catches. */
#include "core/clock.h"
#include "core/crypto.h"
#include "core/errors.h"
#include "core/limits.h"
#include "jobs/settings.h"
#include "jobs/sources/fields.h"
#include "jobs/sources/sources.h"
#include <string.h>

struct settings {
    char **bearers;
    char *username;
    char **passwords;
};

static void settings_free(void *arg)
{
    struct settings *settings = arg;
    settings_secrets_free(settings->bearers);
    settings_secrets_free(settings->passwords);
    g_free(settings->username);
    g_free(settings);
}

static void *configure(const char *owner, const struct yaml_node *node, GError **error)
{
    static const char *const known[] = {"bearer", "username", "password", NULL};
    struct settings *settings = g_new0(struct settings, 1);
    if (!settings_check_keys(owner, node, known, error) ||
        !settings_secrets(owner, node, "bearer", &settings->bearers, error) ||
        !settings_text(owner, node, "username", &settings->username, error) ||
        !settings_secrets(owner, node, "password", &settings->passwords, error)) {
        settings_free(settings);
        return NULL;
    }
    if (!settings->username != !settings->passwords || (!settings->bearers && !settings->username)) {
        errors_set(error, ERROR_CONFIG, "line %d: %s needs 'bearer', or 'username' and 'password'", node->line, owner);
        settings_free(settings);
        return NULL;
    }
    return settings;
}

static bool any_equal(char **secrets, const char *given, size_t length)
{
    bool equal = false;
    for (char **secret = secrets; secret && *secret; secret++)
        equal |= settings_secret_equal(*secret, given, length);
    return equal;
}

static bool check_basic(const struct settings *settings, const char *encoded)
{
    gsize length = 0;
    g_autofree guchar *text = g_base64_decode(encoded, &length);
    const char *colon = text ? memchr(text, ':', length) : NULL;
    if (!colon || !settings->username)
        return false;
    size_t user_length = (size_t)(colon - (const char *)text);
    bool user = settings_secret_equal(settings->username, (const char *)text, user_length);
    return any_equal(settings->passwords, colon + 1, length - user_length - 1) && user;
}

static bool authenticate(const struct source *source, const struct source_request *request)
{
    const struct settings *settings = source->settings;
    const char *value = request->header(request->arg, "authorization");
    if (!value)
        return false;
    if (g_ascii_strncasecmp(value, "Bearer ", 7) == 0)
        return any_equal(settings->bearers, value + 7, strlen(value + 7));
    if (g_ascii_strncasecmp(value, "Basic ", 6) == 0)
        return check_basic(settings, value + 6);
    return false;
}

/* Users may replace the whole body (`payload:`), so a missing version means: not ours to read. */
static bool well_formed(const json_t *body)
{
    return g_strcmp0(json_get_string(body, "version", NULL), "4") == 0 && json_get_string(body, "groupKey", NULL) &&
           json_is_array(json_object_get(body, "alerts"));
}

static const char *fingerprint(const json_t *alert, char **ret_made)
{
    const char *given = json_get_string(alert, "fingerprint", NULL);
    *ret_made = NULL;
    if (given && *given && strlen(given) <= 64)
        return given;
    g_autofree char *labels = json_text(json_object_get(alert, "labels"));
    *ret_made = crypto_sha256_hex(labels, strlen(labels));
    (*ret_made)[16] = '\0';
    return *ret_made;
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* (groupKey, sorted fingerprints, status, startsAt): what makes a notification the same as another. */
static char *dedup_key(const struct source *source, const struct source_request *request, const json_t *body)
{
    (void)source;
    (void)request;
    if (!well_formed(body))
        return NULL;
    g_autoptr(GPtrArray) parts = g_ptr_array_new_with_free_func(g_free);
    size_t i;
    json_t *alert;
    json_array_foreach (json_object_get(body, "alerts"), i, alert) {
        g_autofree char *made = NULL;
        const char *id = fingerprint(alert, &made);
        g_ptr_array_add(parts, g_strdup_printf("%s %s %s", id, json_get_string(alert, "status", ""),
                                               json_get_string(alert, "startsAt", "")));
    }
    g_ptr_array_sort(parts, compare_text);
    g_ptr_array_add(parts, NULL);
    g_autofree char *alerts = g_strjoinv("\n", (char **)parts->pdata);
    g_autofree char *text = g_strconcat(json_get_string(body, "groupKey", ""), "\n",
                                        json_get_string(body, "status", ""), "\n", alerts, NULL);
    return crypto_sha256_hex(text, strlen(text));
}

static json_t *read_alert(const json_t *alert)
{
    g_autofree char *made = NULL;
    const char *id = fingerprint(alert, &made);
    bool resolved = g_strcmp0(json_get_string(alert, "status", NULL), "resolved") == 0;
    json_t *labels = fields_labels(json_object_get(alert, "labels"));
    json_t *result = json_object();
    json_object_set_new(result, "id", json_string(id));
    json_object_set_new(result, "status", json_string(resolved ? "resolved" : "firing"));
    json_object_set_new(result, "name", fields_line(json_get_string(labels, "alertname", "alert")));
    json_object_set_new(result, "labels", labels);
    json_object_set_new(result, "annotations", fields_labels(json_object_get(alert, "annotations")));
    json_object_set_new(result, "starts_at", fields_time(alert, "startsAt"));
    json_object_set_new(result, "ends_at", resolved ? fields_time(alert, "endsAt") : json_null());
    json_object_set_new(result, "url", fields_line(json_get_string(alert, "generatorURL", NULL)));
    return result;
}

/* A sentence for people: the common summary, else the alert's name with what the group is about. */
static json_t *title_of(const json_t *body, const json_t *common, size_t count)
{
    const char *summary = json_path_string(body, "commonAnnotations.summary");
    if (summary && *summary)
        return fields_line(summary);
    g_autoptr(GString) text = g_string_new(json_get_string(common, "alertname", NULL));
    if (!text->len)
        g_string_append_printf(text, "%zu alerts", count);
    const char *name, *between = " (";
    json_t *value;
    json_object_foreach (json_object_get(body, "groupLabels"), name, value) {
        if (!json_is_string(value) || strcmp(name, "alertname") == 0)
            continue;
        g_string_append_printf(text, "%s%s=%s", between, name, json_string_value(value));
        between = ", ";
    }
    if (between[0] == ',')
        g_string_append_c(text, ')');
    return fields_line(text->str);
}

static json_t *first_start(const json_t *alerts)
{
    json_int_t first = 0;
    size_t i;
    json_t *alert;
    json_array_foreach ((json_t *)alerts, i, alert) {
        json_int_t at = json_get_integer(alert, "starts_at", 0);
        if (at > 0 && (!first || at < first))
            first = at;
    }
    return first ? json_integer(first) : json_null();
}

static json_t *read_group(const json_t *body, int64_t received_ms)
{
    json_t *alerts = json_array();
    size_t i;
    json_t *alert;
    json_array_foreach (json_object_get(body, "alerts"), i, alert)
        if (json_is_object(alert) && i < LIMIT_ALERTS_PER_INCIDENT)
            json_array_append_new(alerts, read_alert(alert));
    g_autoptr(json_t) common = fields_common_labels(alerts);
    g_autofree char *key = fields_key(json_get_string(body, "groupKey", ""));
    json_t *update = json_object();
    bool complete = json_get_integer(body, "truncatedAlerts", 0) == 0 && i <= LIMIT_ALERTS_PER_INCIDENT;
    json_object_set_new(update, "key", json_string(key));
    json_object_set_new(update, "title", title_of(body, common, json_array_size(alerts)));
    json_object_set_new(update, "status", json_string("derived"));
    json_object_set_new(update, "service",
                        fields_line(json_get_string(common, "service", json_get_string(common, "job", NULL))));
    json_object_set_new(update, "url", fields_line(json_get_string(body, "externalURL", NULL)));
    json_object_set_new(update, "at", json_integer(received_ms));
    json_object_set_new(update, "opened_at", first_start(alerts));
    json_object_set_new(update, "starts", json_string("changes"));
    json_object_set_new(update, "same_incident", json_false());
    json_object_set_new(update, "alerts_complete", json_boolean(complete));
    json_object_set_new(update, "alerts", alerts);
    return update;
}

static bool normalise(const struct source *source, const json_t *body, int64_t received_ms, struct source_reading *ret,
                      GError **error)
{
    (void)source;
    if (!well_formed(body)) {
        errors_set(error, ERROR_PARSE, "not an Alertmanager notification: it needs version \"4\", groupKey and alerts");
        return false;
    }
    ret->event = g_strdup(g_strcmp0(json_get_string(body, "status", NULL), "resolved") == 0 ? "resolved" : "firing");
    if (json_array_size(json_object_get(body, "alerts")) == 0)
        ret->note = g_strdup("the group has no alerts");
    else
        ret->update = read_group(body, received_ms);
    return true;
}

/* Alertmanager retries 5xx only; a 4xx, 429 among them, ends the flush, which comes again at the next group interval.
 */
const struct source_kind source_alertmanager = {
    .name = "alertmanager",
    .accepted_status = 200,
    .unauthorised_status = 401,
    .malformed_status = 400,
    .busy_status = 503,
    .configure = configure,
    .settings_free = settings_free,
    .authenticate = authenticate,
    .dedup_key = dedup_key,
    .normalise = normalise,
};
