/* call: see call.h. Nothing here knows a resource: what a route needs stands in its table line. */
#include "web/call.h"
#include "core/errors.h"
#include "core/finding.h"
#include "core/limits.h"
#include "core/log.h"
#include "jobs/token.h"
#include <string.h>

#define IDEMPOTENCY_KEY_CHARS 255

/* --- answers
 * ------------------------------------------------------------------------------------------------------------ */

void web_call_fail(struct server_request *request, const GError *error)
{
    int code = errors_of(error);
    if (errors_http_status(code) == 500)
        log_error("a request failed", "method", server_method(request), "path", server_path(request), "error",
                  error->message, NULL);
    const char *const retry[] = {"Retry-After: 1", NULL}, *const bearer[] = {"WWW-Authenticate: Bearer", NULL};
    server_answer_error(request, error,
                        code == ERROR_BUSY || code == ERROR_UNAVAILABLE ? retry
                        : code == ERROR_UNAUTHENTICATED                 ? bearer
                                                                        : NULL);
}

G_GNUC_PRINTF(3, 4)
static void refuse(struct server_request *request, int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autoptr(GError) error = g_error_new_valist(HIKESHI_ERROR, code, format, arguments);
    va_end(arguments);
    web_call_fail(request, error);
}

/* --- the request object
 * --------------------------------------------------------------------------------------------------- */

/* Names the first query parameter that the route does not have: a filter with a typing error must not list everything.
 */
static bool check_query(const struct web_route *route, const json_t *query, GError **error)
{
    g_auto(GStrv) known = g_strsplit(route->query != NULL ? route->query : "", " ", -1);
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)query, name, value) {
        if (g_strv_contains((const char *const *)known, name))
            continue;
        const char *nearest = finding_nearest(name, (const char *const *)known);
        errors_set(error, ERROR_INVALID, "unknown query parameter '%s'%s%s%s", name,
                   nearest != NULL ? ", did you mean '" : "", nearest != NULL ? nearest : "",
                   nearest != NULL ? "'?" : "");
        return false;
    }
    return true;
}

static bool add_body(const struct web_call *call, json_t *request, GError **error)
{
    size_t length = 0;
    const char *text = server_body(call->request, &length);
    if (length == 0 || call->route->body == NULL)
        return true;
    g_autoptr(json_t) body = json_parse(text, length, "body", error);
    if (body == NULL)
        return false;
    if (!json_is_object(body)) {
        errors_set(error, ERROR_INVALID, "the body must be a JSON object");
        return false;
    }
    json_object_set(request, "body", body);
    return true;
}

static bool add_idempotency_key(const struct web_call *call, json_t *request, GError **error)
{
    const char *key = server_header(call->request, "Idempotency-Key");
    if (key == NULL || !call->route->once)
        return true;
    size_t length = strlen(key);
    bool printable = length > 0 && length <= IDEMPOTENCY_KEY_CHARS;
    for (size_t i = 0; printable && i < length; i++)
        printable = g_ascii_isprint(key[i]);
    if (!printable) {
        errors_set(error, ERROR_INVALID, "Idempotency-Key must be 1 to %d printable ASCII characters",
                   IDEMPOTENCY_KEY_CHARS);
        return false;
    }
    json_object_set_new(request, "idempotency_key", json_string(key));
    return true;
}

json_t *web_call_request(const struct web_call *call, GError **error)
{
    g_autoptr(json_t) request = server_query_json(call->request);
    if (!check_query(call->route, request, error) || !add_body(call, request, error) ||
        !add_idempotency_key(call, request, error))
        return NULL;
    if (!route_params_to_json(&call->params, request)) {
        errors_set(error, ERROR_INVALID, "the path is malformed");
        return NULL;
    }
    return g_steal_pointer(&request);
}

/* --- asking jobs/
 * --------------------------------------------------------------------------------------------------------- */

struct asked {
    struct server_request *request;
    int success;
};

void web_call_answer(struct server_request *request, int success, json_t *result, const GError *error)
{
    if (error != NULL)
        web_call_fail(request, error);
    else if (result == NULL)
        server_answer(request, 204, NULL, NULL, "", 0);
    else
        server_answer_json(request, success, result);
}

static void answered(void *arg, json_t *result, const GError *error)
{
    struct asked *asked = arg;
    web_call_answer(asked->request, asked->success, result, error);
    server_request_unref(asked->request);
    g_free(asked);
}

void web_call_ask(struct web_call *call)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) request = web_call_request(call, &error);
    if (error != NULL) {
        web_call_fail(call->request, error);
        return;
    }
    struct asked *asked = g_new(struct asked, 1);
    *asked = (struct asked){.request = server_request_ref(call->request), .success = call->route->success};
    static const struct actor nobody = {.kind = "system", .name = "nobody", .role = ROLE_NONE, .via = "api"};
    call->route->fn(call->web->jobs, request, call->actor != NULL ? call->actor : &nobody, answered, asked);
}

/* Its body may come: whoever sends it is known, but for webhooks (hooks.c) and the open routes, which need none. */
static void admit(struct web_call *call)
{
    if (call->route->admit != NULL)
        call->route->admit(call);
    else if (call->route->role == ROLE_NONE)
        server_admit(call->request, LIMIT_OPEN_BODY_BYTES, &call->web->open_bodies);
    else if (call->route->role == ROLE_RUNNER)
        server_admit(call->request, LIMIT_RUNNER_BODY_BYTES, NULL);
    else
        server_admit(call->request, LIMIT_API_BODY_BYTES, &call->web->api_bodies);
}

static void run_route(struct web_call *call)
{
    if (call->route->raw != NULL)
        call->route->raw(call);
    else
        web_call_ask(call);
}

/* --- who asks
 * ------------------------------------------------------------------------------------------------------------- */

/* The token of "Authorization: Bearer TOKEN" (RFC 6750). */
const char *web_call_bearer(const struct web_call *call)
{
    const char *header = server_header(call->request, "Authorization");
    if (header == NULL || g_ascii_strncasecmp(header, "bearer ", 7) != 0)
        return NULL;
    header += 7;
    while (*header == ' ')
        header++;
    return *header != '\0' ? header : NULL;
}

static void authorise(struct web_call *call);

static void call_free(struct web_call *call)
{
    server_request_unref(call->request);
    g_free(call);
}

static void refreshed(void *arg)
{
    struct web_call *call = arg;
    if (!server_request_gone(call->request))
        authorise(call);
    call_free(call);
}

/* Another process (`hikeshi token create`) may have made the token: the table is read again before a 401. */
static void refresh_then_authorise(const struct web_call *call)
{
    struct web_call *later = g_memdup2(call, sizeof *call);
    server_request_ref(later->request);
    later->refreshed = true;
    token_refresh(call->web->jobs, refreshed, later);
}

static void authorise(struct web_call *call)
{
    const char *bearer = web_call_bearer(call);
    call->actor = bearer != NULL ? token_actor(call->web->jobs, bearer) : NULL;
    if (call->actor == NULL) {
        if (bearer == NULL)
            refuse(call->request, ERROR_UNAUTHENTICATED, "this needs an API token: Authorization: Bearer TOKEN");
        else if (!call->refreshed)
            refresh_then_authorise(call);
        else
            refuse(call->request, ERROR_UNAUTHENTICATED, "the API token is unknown, expired or revoked");
        return;
    }
    if (route_role_allows(call->actor->role, call->route->role))
        call->next(call);
    else
        refuse(call->request, ERROR_FORBIDDEN, "this needs the role %s; the token '%s' has %s",
               role_name(call->route->role), call->actor->name, role_name(call->actor->role));
}

/* --- the servers' handlers
 * -------------------------------------------------------------------------------------------------- */

static void dispatch(struct web *web, struct server_request *request, bool runner, web_raw_fn next)
{
    struct web_call call = {.web = web, .request = request, .next = next};
    g_autofree char *allow = NULL;
    call.route = route_find(web_routes, runner, server_method(request), server_raw_path(request), &call.params, &allow);
    if (call.route == NULL && allow == NULL) {
        refuse(request, ERROR_NOT_FOUND, "there is nothing at '%s'", server_path(request));
    } else if (call.route == NULL) {
        g_autofree char *header = g_strconcat("Allow: ", allow, NULL);
        g_autofree char *detail = g_strdup_printf("'%s' takes %s", server_path(request), allow);
        server_answer_problem(request, errors_http_status(ERROR_METHOD_NOT_ALLOWED),
                              errors_code(ERROR_METHOD_NOT_ALLOWED), detail, (const char *const[]){header, NULL});
    } else if (call.route->role == ROLE_NONE) {
        next(&call);
    } else {
        authorise(&call);
    }
}

void web_call_public(void *arg, struct server_request *request)
{
    dispatch(arg, request, false, run_route);
}

void web_call_runner(void *arg, struct server_request *request)
{
    dispatch(arg, request, true, run_route);
}

void web_admit_public(void *arg, struct server_request *request)
{
    dispatch(arg, request, false, admit);
}

void web_admit_runner(void *arg, struct server_request *request)
{
    dispatch(arg, request, true, admit);
}
