/* params_option: -p NAME=VALUE as JSON. */
#include "cli/cli.h"
#include "core/errors.h"
#include "core/limits.h"
#include <string.h>

static char *read_value_file(const char *name, const char *path, GError **error)
{
    g_autoptr(GError) problem = NULL;
    char *text = NULL;
    size_t length;
    if (!g_file_get_contents(path, &text, &length, &problem)) {
        errors_set(error, ERROR_USAGE, "param '%s': %s", name, problem->message);
        return NULL;
    }
    if (length > LIMIT_API_BODY_BYTES || !g_utf8_validate_len(text, length, NULL)) {
        errors_set(error, ERROR_USAGE, "param '%s': '%s' is not UTF-8 text of at most %d bytes", name, path,
                   LIMIT_API_BODY_BYTES);
        g_free(text);
        return NULL;
    }
    if (length && text[length - 1] == '\n')
        text[length - 1] = '\0';
    return text;
}

static bool add_param(json_t *params, const char *given, GError **error)
{
    const char *equals = strchr(given, '=');
    if (!equals || equals == given) {
        errors_set(error, ERROR_USAGE, "a param is given as NAME=VALUE, not '%s'", given);
        return false;
    }
    g_autofree char *name = g_strndup(given, (gsize)(equals - given));
    const char *value = equals + 1;
    if (json_object_get(params, name)) {
        errors_set(error, ERROR_USAGE, "the param '%s' is given twice", name);
        return false;
    }
    bool file = *value == '@' && value[1] != '@';
    g_autofree char *text = file ? read_value_file(name, value + 1, error) : g_strdup(value + (*value == '@'));
    if (text && !g_utf8_validate(text, -1, NULL)) {
        errors_set(error, ERROR_USAGE, "the param '%s' is not UTF-8", name);
        return false;
    }
    if (text)
        json_object_set_new(params, name, json_string(text));
    return text != NULL;
}

json_t *cli_params(const struct cli_call *call, GError **error)
{
    g_autoptr(json_t) params = json_object();
    GPtrArray *given = cli_values(call, "param");
    for (guint i = 0; given && i < given->len; i++) {
        if (!add_param(params, given->pdata[i], error))
            return NULL;
    }
    return g_steal_pointer(&params);
}
