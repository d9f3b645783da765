/* bind_http: HTTP requests. The runner sends them; this checks what is asked for and what came back. */
#include "core/errors.h"
#include "core/limits.h"
#include "lua/bind.h"
#include "lua/call.h"
#include "lua/options.h"
#include "lua/raise.h"
#include "lua/value.h"

#include <lauxlib.h>
#include <string.h>

/* @class HttpOptions
 * Options of `http.get` and `http.post`.
 * @field headers? table<string, string|number|boolean> names and values
 * @field body? string bytes
 * @field json? any a value instead of `body`; sets `Content-Type: application/json` unless `headers` do
 * @field timeout? Duration of the whole exchange; `"30s"`
 * @field check? boolean `false`: a status of 400 or more does not raise
 * @field max_bytes? integer of the answer; 8 MiB at most and by default */

/* @class RequestOptions : HttpOptions
 * Options of `http.request`: those of `http.get`, and two more.
 * @field url string `http://` or `https://`
 * @field method? "GET"|"HEAD"|"POST"|"PUT"|"PATCH"|"DELETE" `"GET"` */

/* @class Answer
 * What an HTTP server answered.
 * @field status integer
 * @field headers table<string, string> names are in small letters
 * @field body string
 * @field duration_ms integer */

static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", NULL};
#define REQUEST_OPTIONS                                                                                                \
    {.name = "headers", .kind = OPTION_MAP}, {.name = "body", .kind = OPTION_BYTES},                                   \
        {.name = "json", .kind = OPTION_JSON}, {.name = "timeout", .key = "timeout_ms", .kind = OPTION_DURATION},      \
        {.name = "check", .kind = OPTION_BOOL},                                                                        \
    {                                                                                                                  \
        .name = "max_bytes", .kind = OPTION_COUNT, .max = LIMIT_LUA_JSON_BYTES                                         \
    }
static const struct option short_options[] = {REQUEST_OPTIONS, {.name = NULL}};
static const struct option request_options[] = {REQUEST_OPTIONS,
                                                {.name = "method", .kind = OPTION_CHOICE, .choices = methods},
                                                {.name = "url", .kind = OPTION_TEXT},
                                                {.name = NULL}};

enum { CHECKED = 1, HTTP_MESSAGE_BYTES = 1024 };

/* After the service: the answer, or a raised error. Only the runner can say what of URL and answer may be shown. */
static int finish_request(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    const GError *error = call_error(L);
    json_t *result = call_result(L);
    if (error)
        return raise_error(L, errors_of(error), NULL, NULL, "%s", error->message);
    int code = (int)json_get_integer(result, "status", 0);
    char shown[HTTP_MESSAGE_BYTES];
    g_strlcpy(shown, json_get_string(result, "shown", ""), sizeof shown);
    json_object_del(result, "shown"); /* the runner's, for this message only */
    if (code >= 400 && (context & CHECKED))
        return raise_error(L, ERROR_HTTP, NULL, result, "%s", shown);
    value_push(L, result, VALUE_NULL_AS_NIL);
    return 1;
}

/* json becomes the body, and says so in a header unless the caller does. */
static void take_json(lua_State *L, json_t *request, const char *function)
{
    json_t *value = json_object_get(request, "json"), *headers = json_object_get(request, "headers"), *header;
    const char *name;
    bool typed = false;
    if (!value)
        return;
    if (json_object_get(request, "body"))
        raise_misuse(L, "%s takes 'body' or 'json', not both", function);
    json_object_foreach (headers, name, header)
        typed = typed || g_ascii_strcasecmp(name, "content-type") == 0;
    if (!headers) {
        headers = json_object();
        json_object_set_new(request, "headers", headers);
    }
    if (!typed)
        json_object_set_new(headers, "Content-Type", json_string("application/json"));
    char *text = json_text(value);
    json_object_set_new(request, "body", json_string(text));
    g_free(text);
    json_object_del(request, "json");
}

/* Sends what is in the box at `box`; the options are read already. */
static int send_request(lua_State *L, int box, const char *function)
{
    json_t **slot = lua_touserdata(L, box);
    const char *url = json_get_string(*slot, "url", "");
    if (!g_str_has_prefix(url, "http://") && !g_str_has_prefix(url, "https://"))
        return raise_misuse(L, "%s needs a URL that begins with http:// or https://", function);
    take_json(L, *slot, function);
    bool check = json_get_bool(*slot, "check", true);
    json_object_del(*slot, "check");
    return call_service(L, "http", g_steal_pointer(slot), check ? CHECKED : 0, finish_request);
}

/* http.get and http.post: the URL is the first argument. */
static int request_to(lua_State *L, const char *method, const char *function)
{
    lua_settop(L, 2);
    json_t **box = value_box(L); /* 3 */
    *box = json_object();
    if (lua_type(L, 1) != LUA_TSTRING || strlen(lua_tostring(L, 1)) != lua_rawlen(L, 1))
        return raise_misuse(L, "%s needs a URL as its first argument", function);
    json_object_set_new(*box, "url", json_stringn_nocheck(lua_tostring(L, 1), lua_rawlen(L, 1)));
    json_object_set_new(*box, "method", json_string(method));
    options_read(L, 2, short_options, function, *box);
    return send_request(L, 3, function);
}

/* http.request(opts) → answer
 * Sends a request from the runner's machine and waits for the answer. Certificates are verified, redirects are not
 * followed: the answer has `headers.location`. `runner.http` of the runner's configuration says which servers may be
 * reached; without it link-local and cloud metadata addresses raise `not_allowed`. The run's log has method and URL,
 * without its user and query. `json.decode(answer.body)` reads JSON.
 * @param opts RequestOptions
 * @return Answer answer
 * @raise http (a status of 400 or more; the answer is the error's `result`), unavailable, timeout, too_large,
 * not_allowed, invalid
 * @example
 *     http.request{method = "PUT", url = "https://lb.example.com/pools/web", json = {drain = params.host}} */
static int http_request(lua_State *L)
{
    lua_settop(L, 1);
    if (lua_type(L, 1) != LUA_TTABLE)
        return raise_misuse(L, "http.request needs a table like {url = \"https://…\", method = \"POST\"}");
    json_t **box = value_box(L); /* 2 */
    *box = json_object();
    options_read(L, 1, request_options, "http.request", *box);
    return send_request(L, 2, "http.request");
}

/* http.get(url [, opts]) → answer
 * The same with the method GET.
 * @param url string
 * @param opts? HttpOptions
 * @return Answer answer
 * @raise http, unavailable, timeout, too_large, not_allowed, invalid
 * @example
 *     local health = json.decode(http.get("https://shop.example.com/health").body) */
static int http_get(lua_State *L)
{
    return request_to(L, "GET", "http.get");
}

/* http.post(url [, opts]) → answer
 * The same with the method POST.
 * @param url string
 * @param opts? HttpOptions
 * @return Answer answer
 * @raise http, unavailable, timeout, too_large, not_allowed, invalid
 * @example
 *     http.post("https://chat.example.com/hooks/ops", {json = {text = "restarting " .. params.host}}) */
static int http_post(lua_State *L)
{
    return request_to(L, "POST", "http.post");
}

static const struct binding bindings[] = {
    {"request", http_request}, {"get", http_get}, {"post", http_post}, {NULL, NULL}};
const struct bind_table bind_http = {BIND_TABLE, "http", bindings};
