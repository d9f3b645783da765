/* webhook: a signed POST for other programs: {"id","event","at","incident","run","detail"}.
 *
 * X-Hikeshi-Signature: v1=HEX is HMAC-SHA256 over "ID.TIMESTAMP." and the raw body, with X-Hikeshi-Delivery as ID and
 * X-Hikeshi-Timestamp (unix seconds) as TIMESTAMP: a receiver refuses old timestamps and known ids, so nothing that was
 * recorded can be sent again. */
#include "core/clock.h"
#include "core/crypto.h"
#include "core/errors.h"
#include "jobs/notify/notify.h"
#include "jobs/settings.h"
#include <string.h>

#define TIMEOUT_MS 10000

struct settings {
    char *url;
    char **secrets; /* signed with each, so that a secret can be changed without losing messages */
};

struct notify_call {
    struct http_call *http;
    notify_done_fn done;
    void *arg;
};

static void settings_free(void *arg)
{
    struct settings *settings = arg;
    settings_secrets_free(settings->secrets);
    g_free(settings->url);
    g_free(settings);
}

static void *configure(const char *owner, const struct yaml_node *node, GError **error)
{
    static const char *const known[] = {"url", "secret", NULL};
    struct settings *settings = g_new0(struct settings, 1);
    if (settings_check_keys(owner, node, known, error) && settings_text(owner, node, "url", &settings->url, error) &&
        settings_secrets(owner, node, "secret", &settings->secrets, error)) {
        bool is_url = settings->url &&
                      (g_str_has_prefix(settings->url, "https://") || g_str_has_prefix(settings->url, "http://"));
        if (is_url && settings->secrets && *settings->secrets)
            return settings;
        errors_set(error, ERROR_CONFIG, "line %d: %s needs 'url' (http or https) and 'secret'", node->line, owner);
    }
    settings_free(settings);
    return NULL;
}

static char *make_body(const struct notify_message *message)
{
    g_autofree char *at = clock_format(clock_now_ms());
    g_autoptr(json_t) body = json_object();
    json_set_string(body, "id", message->id);
    json_set_string(body, "event", message->event);
    json_set_string(body, "at", at);
    json_object_set_new(body, "incident", message->incident ? json_incref((json_t *)message->incident) : json_null());
    json_object_set_new(body, "run", message->run ? json_incref((json_t *)message->run) : json_null());
    json_object_set_new(body, "detail", message->detail ? json_incref((json_t *)message->detail) : json_null());
    return json_text(body);
}

static char *make_signature(const struct settings *settings, const char *id, const char *timestamp, const char *body)
{
    g_autofree char *covered = g_strconcat(id, ".", timestamp, ".", body, NULL);
    GString *header = g_string_new("X-Hikeshi-Signature: ");
    for (char **secret = settings->secrets; *secret; secret++) {
        uint8_t mac[32];
        crypto_hmac_sha256(*secret, strlen(*secret), covered, strlen(covered), mac);
        g_autofree char *hex = crypto_hex(mac, sizeof mac);
        g_string_append_printf(header, "%sv1=%s", secret == settings->secrets ? "" : ",", hex);
    }
    return g_string_free(header, FALSE);
}

static void on_answer(void *arg, const struct http_response *response, const GError *error)
{
    struct notify_call *call = arg;
    g_autoptr(GString) text = g_string_new(NULL);
    struct notify_result result = notify_judge(response, error, text);
    call->done(call->arg, &result);
    g_free(call);
}

static struct notify_call *send_message(void *arg, struct http_client *http, const struct notify_message *message,
                                        notify_done_fn done, void *done_arg)
{
    const struct settings *settings = arg;
    struct notify_call *call = g_new0(struct notify_call, 1);
    g_autofree char *body = make_body(message);
    g_autofree char *timestamp = g_strdup_printf("%" G_GINT64_FORMAT, clock_now_ms() / 1000);
    g_autofree char *signature = make_signature(settings, message->id, timestamp, body);
    g_autofree char *id_header = g_strconcat("X-Hikeshi-Delivery: ", message->id, NULL);
    g_autofree char *time_header = g_strconcat("X-Hikeshi-Timestamp: ", timestamp, NULL);
    const char *const headers[] = {"Content-Type: application/json", id_header, time_header, signature, NULL};
    const struct http_request request = {.method = "POST",
                                         .url = settings->url,
                                         .headers = headers,
                                         .body = body,
                                         .body_length = strlen(body),
                                         .timeout_ms = TIMEOUT_MS,
                                         .max_body = 64 * 1024};
    call->done = done;
    call->arg = done_arg;
    call->http = http_client_send(http, &request, on_answer, call);
    return call;
}

static void cancel(struct notify_call *call)
{
    http_call_cancel(call->http);
    g_free(call);
}

const struct notify_kind notify_webhook = {
    .name = "webhook",
    .max_flying = 4,
    .configure = configure,
    .settings_free = settings_free,
    .send = send_message,
    .cancel = cancel,
};
