/* approval_inputs: see approval_inputs.h. What a value must look like is params.c. */
#include "jobs/approval_inputs.h"
#include "core/errors.h"
#include "core/finding.h"
#include "jobs/runbook.h"
#include <string.h>

static const json_t *present(const json_t *value)
{
    return value && !json_is_null(value) ? value : NULL;
}

/* Borrows everything from `ask`. */
static struct param declared(const json_t *ask)
{
    const json_t *minimum = present(json_object_get(ask, "minimum")),
                 *maximum = present(json_object_get(ask, "maximum"));
    return (struct param){
        .name = (char *)json_get_string(ask, "name", "?"),
        .type = param_type_named(json_get_string(ask, "type", NULL)),
        .input = true,
        .required = json_get_bool(ask, "required", true),
        .fallback = (json_t *)present(json_object_get(ask, "default")),
        .has_minimum = minimum != NULL,
        .has_maximum = maximum != NULL,
        .minimum = json_number_value(minimum),
        .maximum = json_number_value(maximum),
        .min_length = json_get_integer(ask, "min_length", -1),
        .max_length = json_get_integer(ask, "max_length", -1),
        .pattern = (char *)json_get_string(ask, "pattern", NULL),
        .choices = json_object_get(ask, "choices"),
    };
}

json_t *approval_input_value(const json_t *ask, const json_t *given, const json_t *inventory, GError **error)
{
    const struct param param = declared(ask);
    const json_t *value = present(given) ? given : param.fallback;
    if (value)
        return param_convert(&param, value, inventory, error);
    if (!param.required)
        return json_null();
    errors_set(error, ERROR_INVALID, "input '%s' is missing", param.name);
    return NULL;
}

static bool check_names(const json_t *asks, const json_t *given, GError **error)
{
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)given, name, value) {
        if (json_find(asks, "name", name))
            continue;
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        size_t index;
        json_t *ask;
        json_array_foreach (asks, index, ask)
            g_ptr_array_add(names, (char *)json_get_string(ask, "name", ""));
        g_ptr_array_add(names, NULL);
        const char *nearest = finding_nearest(name, (const char *const *)names->pdata);
        errors_set(error, ERROR_INVALID, "input '%s' is not asked for%s%s%s", name, nearest ? ", did you mean '" : "",
                   nearest ? nearest : "", nearest ? "'?" : "");
        return false;
    }
    return true;
}

json_t *approval_inputs_bind(const json_t *asks, const json_t *given, const json_t *inventory, GError **error)
{
    g_autoptr(json_t) bound = json_object();
    size_t index;
    json_t *ask;
    if (!check_names(asks, given, error))
        return NULL;
    json_array_foreach (asks, index, ask) {
        const char *name = json_get_string(ask, "name", "");
        json_t *value = approval_input_value(ask, json_object_get(given, name), inventory, error);
        if (!value)
            return NULL;
        json_object_set_new(bound, name, value);
    }
    return g_steal_pointer(&bound);
}
