/* route: see route.h. */
#include "web/route.h"
#include <string.h>

/* Compares one literal segment with one that may hold %XX. */
static bool same_segment(const char *literal, size_t literal_length, const char *raw, size_t raw_length)
{
    if (memchr(raw, '%', raw_length) == NULL)
        return literal_length == raw_length && memcmp(literal, raw, raw_length) == 0;
    g_autofree char *decoded = g_uri_unescape_segment(raw, raw + raw_length, NULL);
    return decoded != NULL && strlen(decoded) == literal_length && memcmp(decoded, literal, literal_length) == 0;
}

/* The pattern's {name...} takes what is left of the path, less the literal tail that the pattern still has. */
static bool take_rest(const char *tail, const char *value, size_t *ret_length)
{
    size_t length = strlen(value), tail_length = strlen(tail);
    if (length <= tail_length || strcmp(value + length - tail_length, tail) != 0)
        return false;
    *ret_length = length - tail_length;
    return true;
}

bool route_matches(const char *pattern, const char *raw_path, struct route_params *ret_params)
{
    ret_params->count = 0;
    while (*pattern == '/' && *raw_path == '/') {
        pattern++, raw_path++;
        size_t wanted = strcspn(pattern, "/"), given = strcspn(raw_path, "/");
        if (*pattern != '{') {
            if (!same_segment(pattern, wanted, raw_path, given))
                return false;
        } else {
            size_t name_length = strcspn(pattern + 1, ".}");
            bool rest = pattern[1 + name_length] == '.';
            if (given == 0 || ret_params->count == ROUTE_PARAMS ||
                (rest && !take_rest(pattern + wanted, raw_path, &given)))
                return false;
            size_t i = ret_params->count++;
            ret_params->items[i].name = pattern + 1;
            ret_params->items[i].name_length = name_length;
            ret_params->items[i].value = raw_path;
            ret_params->items[i].value_length = given;
        }
        pattern += wanted;
        raw_path += given;
    }
    return *pattern == '\0' && *raw_path == '\0';
}

static bool method_means(const char *method, const char *route_method)
{
    return strcmp(method, route_method) == 0 || (strcmp(method, "HEAD") == 0 && strcmp(route_method, "GET") == 0);
}

const struct web_route *route_find(const struct web_route *const *tables, bool runner, const char *method,
                                   const char *raw_path, struct route_params *ret_params, char **ret_allow)
{
    g_autoptr(GString) allow = NULL;
    *ret_allow = NULL;
    for (; *tables != NULL; tables++) {
        for (const struct web_route *route = *tables; route->method != NULL; route++) {
            if ((route->role == ROLE_RUNNER) != runner || !route_matches(route->path, raw_path, ret_params))
                continue;
            if (method_means(method, route->method))
                return route;
            if (allow == NULL)
                allow = g_string_new(NULL);
            g_string_append_printf(allow, "%s%s%s", allow->len > 0 ? ", " : "", route->method,
                                   strcmp(route->method, "GET") == 0 ? ", HEAD" : "");
        }
    }
    if (allow != NULL)
        *ret_allow = g_strdup(allow->str);
    return NULL;
}

static char *decode(const char *raw, size_t length)
{
    char *value = g_uri_unescape_segment(raw, raw + length, NULL); /* NULL for %00 and bad escapes */
    if (value != NULL && !g_utf8_validate(value, -1, NULL))
        g_clear_pointer(&value, g_free);
    return value;
}

char *route_param(const struct route_params *params, const char *name)
{
    for (size_t i = 0; i < params->count; i++)
        if (strlen(name) == params->items[i].name_length &&
            memcmp(name, params->items[i].name, params->items[i].name_length) == 0)
            return decode(params->items[i].value, params->items[i].value_length);
    return NULL;
}

bool route_params_to_json(const struct route_params *params, json_t *request)
{
    for (size_t i = 0; i < params->count; i++) {
        g_autofree char *name = g_strndup(params->items[i].name, params->items[i].name_length);
        g_autofree char *value = decode(params->items[i].value, params->items[i].value_length);
        if (value == NULL)
            return false;
        json_object_set_new(request, name, json_string(value));
    }
    return true;
}

bool route_role_allows(enum role have, enum role need)
{
    if (have == ROLE_RUNNER || need == ROLE_RUNNER)
        return have == need;
    return have >= need;
}
