/* pagerduty: webhooks v3 (developer.pagerduty.com, "Webhooks Overview", "Verifying Signatures"). Signed with
 * HMAC-SHA256 over the raw body, one v1= value for each secret that lives; nothing that is signed but occurred_at tells
 * the time. */
#include "core/clock.h"
#include "core/crypto.h"
#include "core/errors.h"
#include "core/limits.h"
#include "jobs/settings.h"
#include "jobs/sources/fields.h"
#include "jobs/sources/pagerduty_alerts.h"
#include "jobs/sources/sources.h"
#include <string.h>

/* PagerDuty tries for 48 hours; what is older than that and an hour for clocks was recorded and sent again by somebody.
 */
#define MAX_AGE_MS ((int64_t)49 * 3600 * 1000)
/* More signatures than anybody has secrets: a header made to cost time. */
#define MAX_SIGNATURES 16
/* 2027-01-15T08:00:00.000Z */
#define TIME_DIGITS 17
/* Of the body's hash: each byte stands in the database twice. */
#define KEY_BYTES 16

struct settings {
    char **secrets;
    char **api_token; /* NULL: alerts are not fetched */
    char *api;
};

static void settings_free(void *arg)
{
    struct settings *settings = arg;
    settings_secrets_free(settings->secrets);
    settings_secrets_free(settings->api_token);
    g_free(settings->api);
    g_free(settings);
}

static bool read_settings(struct settings *settings, const char *owner, const struct yaml_node *node, GError **error)
{
    static const char *const known[] = {"secrets", "api_token", "api", NULL};
    if (!settings_check_keys(owner, node, known, error) ||
        !settings_secrets(owner, node, "secrets", &settings->secrets, error) ||
        !settings_secrets(owner, node, "api_token", &settings->api_token, error) ||
        !settings_text(owner, node, "api", &settings->api, error))
        return false;
    if (!settings->secrets || !*settings->secrets) {
        errors_set(error, ERROR_CONFIG, "line %d: %s needs 'secrets', a list of the webhook subscriptions' secrets",
                   node->line, owner);
        return false;
    }
    if (!settings->api)
        settings->api = g_strdup("https://api.pagerduty.com");
    if (!g_str_has_prefix(settings->api, "https://") && !g_str_has_prefix(settings->api, "http://")) {
        errors_set(error, ERROR_CONFIG, "line %d: %s: 'api' must be a URL", node->line, owner);
        return false;
    }
    while (g_str_has_suffix(settings->api, "/"))
        settings->api[strlen(settings->api) - 1] = '\0';
    return true;
}

static void *configure(const char *owner, const struct yaml_node *node, GError **error)
{
    struct settings *settings = g_new0(struct settings, 1);
    if (read_settings(settings, owner, node, error))
        return settings;
    settings_free(settings);
    return NULL;
}

/* --- signature --- */

static bool hex_decode(const char *text, size_t length, uint8_t ret[32])
{
    if (length != 64)
        return false;
    for (size_t i = 0; i < 32; i++) {
        int high = g_ascii_xdigit_value(text[2 * i]), low = g_ascii_xdigit_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        ret[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* The v1 values of "v1=HEX, v2=…, v1=HEX"; other versions are for others. */
static size_t read_signatures(const char *header, uint8_t ret[MAX_SIGNATURES][32])
{
    size_t count = 0;
    while (*header && count < MAX_SIGNATURES) {
        header += strspn(header, " \t,");
        size_t length = strcspn(header, ",");
        const char *end = header + length;
        while (end > header && (end[-1] == ' ' || end[-1] == '\t'))
            end--;
        if (g_str_has_prefix(header, "v1=") && hex_decode(header + 3, (size_t)(end - header) - 3, ret[count]))
            count++;
        header += length;
    }
    return count;
}

static bool authenticate(const struct source *source, const struct source_request *request)
{
    const struct settings *settings = source->settings;
    uint8_t given[MAX_SIGNATURES][32], expected[32];
    const char *header = request->header(request->arg, "x-pagerduty-signature");
    size_t count = header ? read_signatures(header, given) : 0;
    bool match = false;
    for (char **secret = settings->secrets; count && *secret; secret++) {
        crypto_hmac_sha256(*secret, strlen(*secret), request->body, request->body_length, expected);
        for (size_t i = 0; i < count; i++)
            match |= crypto_equal(expected, given[i], sizeof expected);
    }
    return match;
}

/* The digits of the time in the body, as far as there are any. Keys that begin with it stand side by side in the
 * database's index, which makes intake much faster than hashes alone do. It need not be the right time: the same body
 * has the same. */
static void copy_time(const char *body, size_t length, char ret[TIME_DIGITS + 1])
{
    static const char name[] = "\"occurred_at\"";
    const char *end = body + length, *at = memmem(body, length, name, sizeof name - 1);
    size_t count = 0;
    for (at = at ? at + sizeof name - 1 : end; at < end && count < TIME_DIGITS && *at != ','; at++)
        if (g_ascii_isdigit(*at))
            ret[count++] = *at;
    ret[count] = '\0';
}

/* The bytes that are signed. X-Webhook-Id is not: whoever recorded a delivery could have it stored again under any id.
 * A redelivery with other bytes is stored, and recognised by its event's id when it is worked on. */
static char *dedup_key(const struct source *source, const struct source_request *request, const json_t *body)
{
    (void)source;
    (void)body;
    char time[TIME_DIGITS + 1];
    uint8_t hash[32];
    copy_time(request->body, request->body_length, time);
    crypto_sha256(request->body, request->body_length, hash);
    g_autofree char *hex = crypto_hex(hash, KEY_BYTES);
    return g_strconcat(time, ":", hex, NULL);
}

/* --- events --- */

struct event {
    const char *type;
    const char *text; /* what the timeline says, followed by who; NULL: a change of status speaks for itself */
    bool starts;      /* may start runs */
    bool fetch;       /* alerts may have changed: fetch them */
    bool reopens;
};
static const struct event events[] = {
    {"incident.triggered", NULL, true, true, false},
    {"incident.reopened", NULL, true, true, true},
    {"incident.unacknowledged", NULL, false, false, false},
    {"incident.acknowledged", NULL, false, false, false},
    {"incident.resolved", NULL, false, false, false},
    {"incident.priority_updated", "priority changed", true, true, false},
    {"incident.service_updated", "service changed", true, true, false},
    {"incident.escalated", "escalated", false, false, false},
    {"incident.delegated", "delegated to another escalation policy", false, false, false},
    {"incident.reassigned", "reassigned", false, false, false},
    {"incident.incident_type.changed", "incident type changed", false, false, false},
    {"incident.conference_bridge.updated", "conference bridge updated", false, false, false},
    {"incident.custom_field_values.updated", "custom fields updated", false, false, false},
    {"incident.responder.added", "responder added", false, false, false},
    {"incident.responder.replied", "responder replied", false, false, false},
    {"incident.status_update_published", "status update published", false, false, false},
    {"incident.workflow.started", "workflow started", false, false, false},
    {"incident.workflow.completed", "workflow completed", false, false, false},
    {"incident.action_invocation.created", "automation action started", false, false, false},
    {"incident.action_invocation.updated", "automation action updated", false, false, false},
    {"incident.action_invocation.terminated", "automation action ended", false, false, false},
    {"incident.role.assigned", "role assigned", false, false, false},
    {"incident.role.unassigned", "role unassigned", false, false, false},
    {"incident.task.created", "task created", false, false, false},
    {"incident.task.updated", "task updated", false, false, false},
    {"incident.task.completed", "task completed", false, false, false},
    {"incident.annotated", "note added", false, false, false},
};

static const struct event *event_by_type(const char *type)
{
    for (size_t i = 0; i < G_N_ELEMENTS(events); i++)
        if (strcmp(events[i].type, type) == 0)
            return &events[i];
    return NULL;
}

/* What the event's data adds to its sentence. */
static const char *detail_of(const json_t *data)
{
    static const char *const paths[] = {"content", "message", "state", "summary", "role.name", "user.summary", NULL};
    const char *found = NULL;
    for (const char *const *path = paths; *path && !found; path++)
        found = json_path_string(data, *path);
    return found;
}

static json_t *text_of(const struct event *event, const json_t *data, bool is_incident)
{
    const char *detail = is_incident ? NULL : detail_of(data);
    if (!event->text)
        return json_null();
    g_autofree char *text = g_strconcat(event->text, detail ? ": " : NULL, detail, NULL);
    return fields_line(text);
}

static json_t *status_of(const json_t *incident)
{
    static const char *const known[] = {"triggered", "acknowledged", "resolved", NULL};
    const char *status = json_get_string(incident, "status", NULL);
    return status && g_strv_contains(known, status) ? json_string(status) : json_null();
}

static void set_incident(json_t *update, const json_t *incident)
{
    const char *priority = json_path_string(incident, "priority.summary");
    const char *severity = priority ? priority : json_get_string(incident, "urgency", NULL);
    const char *reopened = json_get_string(incident, "reopened_at", NULL);
    json_object_set_new(update, "title", fields_line(json_get_string(incident, "title", NULL)));
    json_object_set_new(update, "status", status_of(incident));
    json_object_set_new(update, "severity", fields_line(severity));
    json_object_set_new(update, "severity_explicit", json_boolean(priority != NULL));
    json_object_set_new(update, "service", fields_line(json_path_string(incident, "service.summary")));
    json_object_set_new(update, "url", fields_line(json_get_string(incident, "html_url", NULL)));
    json_object_set_new(update, "opened_at", fields_time(incident, reopened ? "reopened_at" : "created_at"));
}

/* The update of one incident event. `data` is the incident, or something that has an `incident`. */
static json_t *read_event(const json_t *envelope, const struct event *event, int64_t occurred_ms)
{
    const json_t *data = json_object_get(envelope, "data");
    bool is_incident = g_strcmp0(json_get_string(data, "type", NULL), "incident") == 0;
    const json_t *incident = is_incident ? data : json_object_get(data, "incident");
    const char *key = json_get_string(incident, "id", NULL);
    if (!key || !*key || strlen(key) > 64)
        return NULL;
    json_t *update = json_object();
    json_object_set_new(update, "key", json_string(key));
    set_incident(update, incident);
    if (!is_incident) /* a reference: it has a summary and no title, and nothing about the state */
        json_object_set_new(update, "title", fields_line(json_get_string(incident, "summary", NULL)));
    json_object_set_new(update, "at", json_integer(occurred_ms));
    json_object_set_new(update, "reopens", json_boolean(event->reopens));
    json_object_set_new(update, "starts", json_string(event->starts ? "always" : "never"));
    json_object_set_new(update, "fetch_from", event->fetch ? json_integer(0) : json_null());
    json_object_set_new(update, "same_incident", json_true());
    json_object_set_new(update, "alerts_complete", json_false());
    json_object_set_new(update, "actor", fields_line(json_path_string(envelope, "agent.summary")));
    json_object_set_new(update, "text", text_of(event, data, is_incident));
    return update;
}

static bool is_own_note(const json_t *envelope)
{
    const char *content = json_path_string(envelope, "data.content");
    return content && g_str_has_prefix(content, PAGERDUTY_NOTE_MARKER);
}

static bool check_time(const json_t *envelope, int64_t received_ms, int64_t *ret_occurred_ms, GError **error)
{
    const char *text = json_get_string(envelope, "occurred_at", NULL);
    if (!text || !clock_parse(text, ret_occurred_ms, NULL)) {
        errors_set(error, ERROR_PARSE, "the event has no readable occurred_at");
        return false;
    }
    if (received_ms - *ret_occurred_ms > MAX_AGE_MS) {
        errors_set(error, ERROR_INVALID,
                   "the event is older than PagerDuty delivers (occurred_at %s): refused as a replay", text);
        return false;
    }
    return true;
}

static bool normalise(const struct source *source, const json_t *body, int64_t received_ms, struct source_reading *ret,
                      GError **error)
{
    (void)source;
    const json_t *envelope = json_object_get(body, "event");
    const char *id = json_get_string(envelope, "id", NULL), *type = json_get_string(envelope, "event_type", NULL);
    int64_t occurred_ms = 0;
    if (!id || !*id || !type) {
        errors_set(error, ERROR_PARSE, "not a PagerDuty v3 webhook: it needs event.id and event.event_type");
        return false;
    }
    ret->event = g_strndup(type, 100);
    if (!check_time(envelope, received_ms, &occurred_ms, error))
        return false;
    ret->event_key = fields_key(id);
    const struct event *event = event_by_type(type);
    if (strcmp(type, "pagey.ping") == 0)
        ret->note = g_strdup("PagerDuty's test event: the connection works");
    else if (!event)
        ret->note = g_strdup_printf("unknown event '%s'", ret->event);
    else if (is_own_note(envelope))
        ret->note = g_strdup("hikeshi's own note");
    else if (!(ret->update = read_event(envelope, event, occurred_ms)))
        ret->note = g_strdup("the event names no incident");
    return true;
}

/* --- alerts over REST: pages of `limit` from `offset`, as long as the answer says `more` --- */

#define PAGE 100 /* the most that PagerDuty gives */

static bool enrich_request(const struct source *source, const json_t *update, char **ret_url, char ***ret_headers)
{
    const struct settings *settings = source->settings;
    const char *key = json_get_string(update, "key", NULL);
    json_int_t from = json_get_integer(update, "fetch_from", -1);
    if (!settings->api_token || !key || from < 0 || g_strcmp0(json_get_string(update, "status", NULL), "resolved") == 0)
        return false;
    g_autofree char *escaped = g_uri_escape_string(key, NULL, FALSE);
    g_autofree char *authorization = g_strconcat("Authorization: Token token=", settings->api_token[0], NULL);
    *ret_url = g_strdup_printf("%s/incidents/%s/alerts?limit=%d&offset=%" JSON_INTEGER_FORMAT, settings->api, escaped,
                               PAGE, from);
    *ret_headers = g_new0(char *, 4);
    (*ret_headers)[0] = g_steal_pointer(&authorization);
    (*ret_headers)[1] = g_strdup("Accept: application/vnd.pagerduty+json;version=2");
    (*ret_headers)[2] = g_strdup("Content-Type: application/json");
    return true;
}

static bool enrich_merge(const struct source *source, json_t *update, const json_t *answer)
{
    (void)source;
    json_int_t from = json_get_integer(update, "fetch_from", 0), limit = json_get_integer(answer, "limit", PAGE);
    if (from == 0)
        json_object_set_new(update, "alerts", json_array());
    json_t *alerts = json_object_get(update, "alerts");
    if (!pagerduty_alerts_add(alerts, answer))
        return false;
    bool more = json_get_bool(answer, "more", false);
    /* A page without alerts that promises more is no reason to ask for ever. */
    bool go_on = more && json_array_size(json_object_get(answer, "alerts")) > 0 &&
                 json_array_size(alerts) < LIMIT_ALERTS_PER_INCIDENT;
    from += limit > 0 && limit < PAGE ? limit : PAGE;
    json_object_set_new(update, "fetch_from", go_on ? json_integer(from) : json_null());
    json_object_set_new(update, "alerts_complete", json_boolean(!more));
    return true;
}

/* PagerDuty disables a subscription after three deliveries that it drops (any 4xx but 429): only a bad signature is
 * refused, everything else is accepted and kept. */
const struct source_kind source_pagerduty = {
    .name = "pagerduty",
    .accepted_status = 202,
    .unauthorised_status = 403,
    .malformed_status = 202,
    .busy_status = 503,
    .keep_malformed = true,
    .signs_body = true,
    .configure = configure,
    .settings_free = settings_free,
    .authenticate = authenticate,
    .dedup_key = dedup_key,
    .normalise = normalise,
    .enrich_request = enrich_request,
    .enrich_merge = enrich_merge,
};
