/* params_option: -p NAME=VALUE and -i NAME=VALUE as JSON. */
#include "cli/cli.h"
#include "core/errors.h"
#include "core/limits.h"
#include <string.h>

static char *read_value_file(const char *option, const char *name, const char *path, GError **error)
{
    g_autoptr(GError) problem = NULL;
    char *text = NULL;
    size_t length;
    if (!g_file_get_contents(path, &text, &length, &problem)) {
        errors_set(error, ERROR_USAGE, "%s '%s': %s", option, name, problem->message);
        return NULL;
    }
    if (length > LIMIT_API_BODY_BYTES || !g_utf8_validate_len(text, length, NULL)) {
        errors_set(error, ERROR_USAGE, "%s '%s': '%s' is not UTF-8 text of at most %d bytes", option, name, path,
                   LIMIT_API_BODY_BYTES);
        g_free(text);
        return NULL;
    }
    if (length && text[length - 1] == '\n')
        text[length - 1] = '\0';
    return text;
}

static bool add_value(json_t *values, const char *option, const char *given, GError **error)
{
    const char *equals = strchr(given, '=');
    if (!equals || equals == given) {
        errors_set(error, ERROR_USAGE, "--%s takes NAME=VALUE, not '%s'", option, given);
        return false;
    }
    g_autofree char *name = g_strndup(given, (gsize)(equals - given));
    const char *value = equals + 1;
    if (json_object_get(values, name)) {
        errors_set(error, ERROR_USAGE, "the %s '%s' is given twice", option, name);
        return false;
    }
    bool file = *value == '@' && value[1] != '@';
    g_autofree char *text = file ? read_value_file(option, name, value + 1, error) : g_strdup(value + (*value == '@'));
    if (text && !g_utf8_validate(text, -1, NULL)) {
        errors_set(error, ERROR_USAGE, "the %s '%s' is not UTF-8", option, name);
        return false;
    }
    if (text)
        json_object_set_new(values, name, json_string(text));
    return text != NULL;
}

static json_t *named_values(const struct cli_call *call, const char *option, GError **error)
{
    g_autoptr(json_t) values = json_object();
    GPtrArray *given = cli_values(call, option);
    for (guint i = 0; given && i < given->len; i++) {
        if (!add_value(values, option, given->pdata[i], error))
            return NULL;
    }
    return g_steal_pointer(&values);
}

json_t *cli_params(const struct cli_call *call, GError **error)
{
    return named_values(call, "param", error);
}

json_t *cli_inputs(const struct cli_call *call, GError **error)
{
    return named_values(call, "input", error);
}
