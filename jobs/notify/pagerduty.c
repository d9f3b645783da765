/* pagerduty: one note on the PagerDuty incident, created once and then edited as the runs go on (an incident takes
 * 2,000 notes).
 *
 * It also resolves the incident, when a verified run may (PUT /incidents/{id}).
 *
 * REST API: POST and PUT /incidents/{id}/notes, GET to find a note that was made but not recorded because we died
 * between: its first line says that it is ours. The From header is the email of a PagerDuty user. */
#include "core/errors.h"
#include "jobs/notify/notify.h"
#include "jobs/notify/pagerduty_text.h"
#include "jobs/settings.h"
#include <string.h>

#define TIMEOUT_MS 10000

struct settings {
    char **token;
    char *from, *api;
};

/* Looks for our note when its id is not known, then edits or creates it. */
enum stage { STAGE_FIND, STAGE_EDIT, STAGE_CREATE, STAGE_RESOLVE };

struct notify_call {
    const struct settings *settings;
    struct http_client *http;
    struct http_call *request;
    enum stage stage;
    char *incident_url, *notes_url, *marker, *content, *note;
    notify_done_fn done;
    void *arg;
};

static void settings_free(void *arg)
{
    struct settings *settings = arg;
    settings_secrets_free(settings->token);
    g_free(settings->from);
    g_free(settings->api);
    g_free(settings);
}

static bool check(struct settings *settings, const char *owner, const struct yaml_node *node, GError **error)
{
    if (!settings->token || !*settings->token || !settings->from || !strchr(settings->from, '@')) {
        errors_set(error, ERROR_CONFIG, "line %d: %s needs 'token', and 'from', the email address of a PagerDuty user",
                   node->line, owner);
        return false;
    }
    if (!settings->api)
        settings->api = g_strdup("https://api.pagerduty.com");
    if (!g_str_has_prefix(settings->api, "https://") && !g_str_has_prefix(settings->api, "http://")) {
        errors_set(error, ERROR_CONFIG, "line %d: %s: 'api' must be a URL", node->line, owner);
        return false;
    }
    if (strpbrk(settings->from, "\r\n")) {
        errors_set(error, ERROR_CONFIG, "line %d: %s: 'from' must be one line", node->line, owner);
        return false;
    }
    return true;
}

static void *configure(const char *owner, const struct yaml_node *node, GError **error)
{
    static const char *const known[] = {"token", "from", "api", NULL};
    struct settings *settings = g_new0(struct settings, 1);
    if (settings_check_keys(owner, node, known, error) &&
        settings_secrets(owner, node, "token", &settings->token, error) &&
        settings_text(owner, node, "from", &settings->from, error) &&
        settings_text(owner, node, "api", &settings->api, error) && check(settings, owner, node, error))
        return settings;
    settings_free(settings);
    return NULL;
}

static void call_free(struct notify_call *call)
{
    g_free(call->incident_url);
    g_free(call->notes_url);
    g_free(call->marker);
    g_free(call->content);
    g_free(call->note);
    g_free(call);
}

static void finish(struct notify_call *call, const struct notify_result *result)
{
    call->done(call->arg, result);
    call_free(call);
}

static char *note_body(const char *content)
{
    g_autoptr(json_t) body = json_pack("{s:{s:s}}", "note", "content", content);
    return json_text(body);
}

static char *resolve_body(void)
{
    g_autoptr(json_t) body =
        json_pack("{s:{s:s, s:s}}", "incident", "type", "incident_reference", "status", "resolved");
    return json_text(body);
}

static char *url_of(const struct notify_call *call)
{
    g_autofree char *note = call->note ? g_uri_escape_string(call->note, NULL, FALSE) : NULL;
    if (call->stage == STAGE_RESOLVE)
        return g_strdup(call->incident_url);
    return call->stage == STAGE_EDIT ? g_strconcat(call->notes_url, "/", note, NULL) : g_strdup(call->notes_url);
}

static void on_answer(void *arg, const struct http_response *response, const GError *error);

/* Sends the request of the call's stage. */
static void ask(struct notify_call *call)
{
    const struct settings *settings = call->settings;
    g_autofree char *authorization = g_strconcat("Authorization: Token token=", settings->token[0], NULL);
    g_autofree char *from = g_strconcat("From: ", settings->from, NULL);
    const char *const headers[] = {authorization, "Accept: application/vnd.pagerduty+json;version=2",
                                   "Content-Type: application/json", from, NULL};
    g_autofree char *url = url_of(call);
    g_autofree char *body = call->stage == STAGE_FIND      ? NULL
                            : call->stage == STAGE_RESOLVE ? resolve_body()
                                                           : note_body(call->content);
    static const char *const methods[] = {"GET", "PUT", "POST", "PUT"};
    const struct http_request request = {.method = methods[call->stage],
                                         .url = url,
                                         .headers = headers,
                                         .body = body,
                                         .body_length = body ? strlen(body) : 0,
                                         .timeout_ms = TIMEOUT_MS};
    call->request = http_client_send(call->http, &request, on_answer, call);
}

static const char *find_note(const struct notify_call *call, const json_t *answer)
{
    size_t i;
    json_t *note;
    json_array_foreach (json_object_get(answer, "notes"), i, note) {
        const char *content = json_get_string(note, "content", NULL);
        if (content && g_str_has_prefix(content, call->marker))
            return json_get_string(note, "id", NULL);
    }
    return NULL;
}

static void on_found(struct notify_call *call, const json_t *answer)
{
    call->note = g_strdup(find_note(call, answer));
    call->stage = call->note ? STAGE_EDIT : STAGE_CREATE;
    ask(call);
}

static void on_answer(void *arg, const struct http_response *response, const GError *error)
{
    struct notify_call *call = arg;
    g_autoptr(GString) text = g_string_new(NULL);
    struct notify_result result = notify_judge(response, error, text);
    g_autoptr(json_t) answer =
        result.outcome == NOTIFY_SENT ? json_parse(response->body, response->body_length, "answer", NULL) : NULL;
    call->request = NULL;
    if (result.outcome == NOTIFY_SENT && call->stage == STAGE_FIND) {
        on_found(call, answer);
        return;
    }
    if (result.outcome == NOTIFY_SENT && call->stage != STAGE_RESOLVE)
        result.remote = call->stage == STAGE_CREATE ? json_path_string(answer, "note.id") : call->note;
    if (result.outcome == NOTIFY_DEAD && call->stage == STAGE_EDIT && response->status == 404) {
        result.outcome = NOTIFY_RETRY; /* somebody removed the note: make another, if the incident is still there */
        result.remote = "";
    }
    finish(call, &result);
}

static struct notify_call *send_message(void *arg, struct http_client *http, const struct notify_message *message,
                                        notify_done_fn done, void *done_arg)
{
    const struct settings *settings = arg;
    struct notify_call *call = g_new0(struct notify_call, 1);
    g_autofree char *key = g_uri_escape_string(json_get_string(message->incident, "key", ""), NULL, FALSE);
    call->settings = settings;
    call->http = http;
    call->done = done;
    call->arg = done_arg;
    call->incident_url = g_strdup_printf("%s/incidents/%s", settings->api, key);
    call->notes_url = g_strconcat(call->incident_url, "/notes", NULL);
    call->marker = pagerduty_text_marker(message->incident);
    call->content = pagerduty_text(message);
    call->note = g_strdup(message->remote);
    call->stage = strcmp(message->event, "resolve") == 0 ? STAGE_RESOLVE : call->note ? STAGE_EDIT : STAGE_FIND;
    ask(call);
    return call;
}

static void cancel(struct notify_call *call)
{
    http_call_cancel(call->request);
    call_free(call);
}

const struct notify_kind notify_pagerduty = {
    .name = "pagerduty",
    .source_kind = "pagerduty",
    .live = true,
    .resolves = true,
    .max_flying = 4,
    .configure = configure,
    .settings_free = settings_free,
    .send = send_message,
    .cancel = cancel,
};
