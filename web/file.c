/* file: see file.h. Bytes of hosts are hostile: whatever they are, the answer is an attachment without a type. */
#include "web/file.h"

#include "core/filename.h"
#include "jobs/run_file.h"
#include "web/call.h"

#include <string.h>

char *file_disposition(const char *name)
{
    g_autofree char *safe = filename_safe(name), *letters = g_strdup(safe);
    g_autofree char *encoded = g_uri_escape_bytes((const guint8 *)safe, strlen(safe), NULL);

    for (char *at = letters; *at; at++)
        if (!g_ascii_isalnum(*at) && !strchr("._-", *at))
            *at = '_';
    return g_strdup_printf("Content-Disposition: attachment; filename=\"%s\"; filename*=UTF-8''%s", letters, encoded);
}

static void answered(void *arg, json_t *result, const GError *error)
{
    struct server_request *request = arg;

    if (error != NULL) {
        web_call_fail(request, error);
    } else {
        const json_t *content = json_object_get(result, "content");
        g_autofree char *disposition = file_disposition(json_get_string(result, "name", ""));
        const char *const headers[] = {disposition, "Content-Security-Policy: sandbox; default-src 'none'", NULL};
        server_answer(request, 200, "application/octet-stream", headers, json_string_value(content),
                      json_string_length(content));
    }
    server_request_unref(request);
}

void file_serve(struct web_call *call)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) request = web_call_request(call, &error);

    if (request == NULL)
        web_call_fail(call->request, error);
    else
        run_file(call->web->jobs, request, call->actor, answered, server_request_ref(call->request));
}
