/* uplink: see uplink.h. */
#include "runner/uplink.h"

#include "core/crypto.h"
#include "core/limits.h"

#include <string.h>

struct uplink {
    struct http_client *client;
    char *socket_path, *authorization;
    GQueue calls; /* struct uplink_call */
};

struct uplink_call {
    struct uplink *uplink;
    struct http_call *http;
    GList link;
    uplink_done_fn done;
    void *arg;
};

struct uplink *uplink_new(struct loop *loop, const char *socket_path, const char *token)
{
    struct uplink *uplink = g_new0(struct uplink, 1);

    uplink->client = http_client_new(loop);
    uplink->socket_path = g_strdup(socket_path);
    uplink->authorization = g_strdup_printf("Authorization: Bearer %s", token);
    g_queue_init(&uplink->calls);
    return uplink;
}

static void call_free(struct uplink_call *call)
{
    g_queue_unlink(&call->uplink->calls, &call->link);
    g_free(call);
}

void uplink_free(struct uplink *uplink)
{
    if (!uplink)
        return;
    struct uplink_call *call;
    while ((call = g_queue_peek_head(&uplink->calls)))
        uplink_call_cancel(call);
    http_client_free(uplink->client);
    crypto_wipe(uplink->authorization, strlen(uplink->authorization));
    g_free(uplink->authorization);
    g_free(uplink->socket_path);
    g_free(uplink);
}

static void call_answered(void *arg, const struct http_response *response, const GError *error)
{
    struct uplink_call *call = arg;
    uplink_done_fn done = call->done;
    void *done_arg = call->arg;
    g_autoptr(GError) problem = NULL;
    g_autoptr(json_t) body = NULL;

    call_free(call);
    if (response && response->body_length > 0)
        body = json_parse(response->body, response->body_length, "the server's answer", &problem);
    done(done_arg, response && !problem ? response->status : 0, body, error ? error : problem);
}

struct uplink_call *uplink_post(struct uplink *uplink, const char *path, const char *body, size_t length,
                                int64_t timeout_ms, uplink_done_fn done, void *arg)
{
    g_autofree char *url = g_strconcat("http://localhost", path, NULL);
    const char *const headers[] = {uplink->authorization, "Content-Type: application/json", NULL};
    const struct http_request request = {
        .method = "POST",
        .url = url,
        .unix_socket = uplink->socket_path,
        .headers = headers,
        .body = body,
        .body_length = length,
        .timeout_ms = timeout_ms,
        .max_body = LIMIT_JOB_BYTES,
    };
    struct uplink_call *call = g_new0(struct uplink_call, 1);

    *call = (struct uplink_call){.uplink = uplink, .link = {.data = call}, .done = done, .arg = arg};
    g_queue_push_tail_link(&uplink->calls, &call->link);
    call->http = http_client_send(uplink->client, &request, call_answered, call);
    return call;
}

void uplink_call_cancel(struct uplink_call *call)
{
    if (!call)
        return;
    http_call_cancel(call->http);
    call_free(call);
}
