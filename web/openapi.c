/* openapi: see openapi.h. What the tables do not know (the shapes of answers) is in docs/api.md. */
#include "web/openapi.h"
#include "jobs/token.h"
#include <string.h>

static json_t *parameter(const char *name, const char *in, bool required)
{
    return json_pack("{s:s, s:s, s:b, s:{s:s}}", "name", name, "in", in, "required", required, "schema", "type",
                     "string");
}

/* "/runs/{id}" and "/runbooks/{id...}" → "{id}" both times: OpenAPI has no other form. Adds the parameters on the way.
 */
static char *path_of(const struct web_route *route, json_t *parameters)
{
    GString *path = g_string_new(NULL);
    for (const char *p = route->path; *p != '\0'; p++) {
        if (*p != '{') {
            g_string_append_c(path, *p);
            continue;
        }
        size_t length = strcspn(p + 1, ".}");
        g_autofree char *name = g_strndup(p + 1, length);
        g_string_append_printf(path, "{%s}", name);
        json_array_append_new(parameters, parameter(name, "path", true));
        p += strcspn(p, "}");
    }
    return g_string_free(path, FALSE);
}

static void add_query(const struct web_route *route, json_t *parameters)
{
    g_auto(GStrv) names = g_strsplit(route->query != NULL ? route->query : "", " ", -1);
    for (char **name = names; *name != NULL; name++)
        if (**name != '\0')
            json_array_append_new(parameters, parameter(*name, "query", false));
    if (route->once)
        json_array_append_new(parameters, parameter("Idempotency-Key", "header", false));
}

static json_t *request_body(const struct web_route *route)
{
    json_t *properties = json_object(), *required = json_array();
    g_auto(GStrv) keys = g_strsplit(route->body, " ", -1);
    for (char **key = keys; *key != NULL; key++) {
        size_t length = strlen(*key);
        if (length == 0)
            continue;
        bool needed = (*key)[length - 1] == '!';
        if (needed) {
            (*key)[length - 1] = '\0';
            json_array_append_new(required, json_string(*key));
        }
        json_object_set_new(properties, *key, json_object());
    }
    return json_pack("{s:b, s:{s:{s:{s:s, s:o, s:o}}}}", "required", json_array_size(required) > 0, "content",
                     "application/json", "schema", "type", "object", "properties", properties, "required", required);
}

static json_t *operation(const struct web_route *route, json_t *parameters)
{
    char status[16];
    g_snprintf(status, sizeof status, "%d", route->success);
    json_t *described = json_pack("{s:s, s:o, s:{s:{s:s}, s:{s:s}}}", "summary", route->help, "parameters", parameters,
                                  "responses", status, "description", "done", "default", "description",
                                  "problem+json (RFC 9457) with a stable code");
    if (route->body != NULL)
        json_object_set_new(described, "requestBody", request_body(route));
    if (route->role == ROLE_NONE) {
        json_object_set_new(described, "security", json_array());
    } else {
        json_object_set_new(described, "security", json_pack("[{s:[]}]", "token"));
        json_object_set_new(described, "x-role", json_string(role_name(route->role)));
    }
    return described;
}

json_t *openapi_describe(const struct web_route *const *tables)
{
    json_t *paths = json_object();
    for (; *tables != NULL; tables++) {
        for (const struct web_route *route = *tables; route->method != NULL; route++) {
            if (route->role == ROLE_RUNNER)
                continue;
            json_t *parameters = json_array();
            g_autofree char *path = path_of(route, parameters), *method = g_ascii_strdown(route->method, -1);
            add_query(route, parameters);
            json_t *item = json_object_get(paths, path);
            if (item == NULL) {
                item = json_object();
                json_object_set_new(paths, path, item);
            }
            json_object_set_new(item, method, operation(route, parameters));
        }
    }
    return json_pack("{s:s, s:{s:s, s:s}, s:o, s:{s:{s:{s:s, s:s}}}}", "openapi", "3.1.0", "info", "title", "hikeshi",
                     "version", HIKESHI_VERSION, "paths", paths, "components", "securitySchemes", "token", "type",
                     "http", "scheme", "bearer");
}
