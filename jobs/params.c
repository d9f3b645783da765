/* params: values for a runbook's params: given, taken from the incident (`from`), or defaults; converted and checked.
 */
#include "core/clock.h"
#include "core/errors.h"
#include "core/regex.h"
#include "jobs/inventory.h"
#include "jobs/runbook_parse.h"
#include <math.h>
#include <string.h>

#define MAX_EXACT 9007199254740992.0 /* 2^53: whole numbers that a double holds exactly */

static const char *noun(const struct param *param)
{
    return param->input ? "input" : "param";
}

static json_t *wrong(const struct param *param, const json_t *value, const char *wanted, GError **error)
{
    g_autofree char *text = json_text(value);
    errors_set(error, ERROR_INVALID, "%s '%s' must be %s, not %s", noun(param), param->name, wanted, text);
    return NULL;
}

static bool in_bounds(const struct param *param, double number, GError **error)
{
    char limit[G_ASCII_DTOSTR_BUF_SIZE];
    if (param->has_minimum && number < param->minimum) {
        errors_set(error, ERROR_INVALID, "%s '%s' must be at least %s", noun(param), param->name,
                   g_ascii_formatd(limit, sizeof limit, "%.15g", param->minimum));
        return false;
    }
    if (param->has_maximum && number > param->maximum) {
        errors_set(error, ERROR_INVALID, "%s '%s' must be at most %s", noun(param), param->name,
                   g_ascii_formatd(limit, sizeof limit, "%.15g", param->maximum));
        return false;
    }
    return true;
}

static json_t *convert_string(const struct param *param, const json_t *value, GError **error)
{
    if (json_is_array(value) || json_is_object(value))
        return wrong(param, value, "text", error);
    g_autofree char *text = json_scalar_text(value);
    int64_t length = g_utf8_strlen(text, -1);
    /* The checks below, and the people who approve, would see only what stands before it. */
    if (json_is_string(value) && strlen(text) != json_string_length(value)) {
        errors_set(error, ERROR_INVALID, "%s '%s' must not hold a NUL character", noun(param), param->name);
        return NULL;
    }
    if (param->min_length >= 0 && length < param->min_length) {
        errors_set(error, ERROR_INVALID, "%s '%s' must have at least %" G_GINT64_FORMAT " characters", noun(param),
                   param->name, param->min_length);
        return NULL;
    }
    if (param->max_length >= 0 && length > param->max_length) {
        errors_set(error, ERROR_INVALID, "%s '%s' must have at most %" G_GINT64_FORMAT " characters", noun(param),
                   param->name, param->max_length);
        return NULL;
    }
    g_autoptr(GRegex) regex = param->pattern ? regex_new(param->pattern, true, error) : NULL;
    if (param->pattern && !regex)
        return NULL;
    if (regex && !regex_matches(regex, text)) {
        errors_set(error, ERROR_INVALID, "%s '%s' must match %s", noun(param), param->name, param->pattern);
        return NULL;
    }
    return json_is_string(value) ? json_incref((json_t *)value) : json_string(text);
}

/* A number in text, "1e3" and "0x1f" included for numbers but no "inf". */
static bool parse_number(const json_t *value, double *ret)
{
    if (json_is_number(value)) {
        *ret = json_number_value(value);
        return isfinite(*ret);
    }
    const char *text = json_string_value(value);
    if (!text || !*text || g_ascii_isspace(*text))
        return false;
    char *end;
    *ret = g_ascii_strtod(text, &end);
    return *end == '\0' && isfinite(*ret);
}

static json_t *convert_integer(const struct param *param, const json_t *value, GError **error)
{
    gint64 integer;
    const char *text = json_string_value(value);
    if (json_is_integer(value))
        integer = json_integer_value(value);
    else if (json_is_real(value) && floor(json_real_value(value)) == json_real_value(value) &&
             fabs(json_real_value(value)) <= MAX_EXACT)
        integer = (gint64)json_real_value(value);
    else if (!text || !g_ascii_string_to_signed(text, 10, INT64_MIN, INT64_MAX, &integer, NULL))
        return wrong(param, value, "a whole number", error);
    return in_bounds(param, (double)integer, error) ? json_integer(integer) : NULL;
}

static json_t *convert_number(const struct param *param, const json_t *value, GError **error)
{
    double number;
    if (!parse_number(value, &number))
        return wrong(param, value, "a number", error);
    if (!in_bounds(param, number, error))
        return NULL;
    return json_is_integer(value) ? json_incref((json_t *)value) : json_real(number);
}

static json_t *convert_boolean(const struct param *param, const json_t *value, GError **error)
{
    const char *text = json_string_value(value);
    if (json_is_true(value) || g_strcmp0(text, "true") == 0)
        return json_true();
    if (json_is_false(value) || g_strcmp0(text, "false") == 0)
        return json_false();
    return wrong(param, value, "true or false", error);
}

static json_t *convert_choice(const struct param *param, const json_t *value, GError **error)
{
    size_t index;
    json_t *choice;
    g_autofree char *given = json_is_array(value) || json_is_object(value) ? NULL : json_scalar_text(value);
    json_array_foreach (param->choices, index, choice) {
        g_autofree char *text = json_scalar_text(choice);
        if (given && strcmp(text, given) == 0)
            return json_incref(choice);
    }
    g_autofree char *all = json_text(param->choices);
    g_autofree char *wanted = g_strdup_printf("one of %s", all);
    return wrong(param, value, wanted, error);
}

static json_t *convert_host(const struct param *param, const json_t *value, const json_t *inventory, GError **error)
{
    const char *text = json_string_value(value);
    if (!text || !*text)
        return wrong(param, value, "a host", error);
    if (!inventory) {
        g_autofree char *name = inventory_host_text(text);
        return *name ? json_string(name) : wrong(param, value, "a host", error);
    }
    const json_t *host = inventory_find(inventory, text);
    if (host)
        return json_incref(json_object_get(host, "name"));
    errors_set(error, ERROR_INVALID, "%s '%s': the inventory has no host '%s'", noun(param), param->name, text);
    return NULL;
}

/* Text such as "10m", or seconds; seconds in the result, because Lua counts in seconds. */
static json_t *convert_duration(const struct param *param, const json_t *value, GError **error)
{
    int64_t ms;
    double seconds;
    const char *text = json_string_value(value);
    if (json_is_number(value))
        seconds = json_number_value(value);
    else if (text && clock_duration_parse(text, &ms, NULL))
        seconds = (double)ms / 1000;
    else
        return wrong(param, value, "a duration such as 30s or 10m", error);
    if (!(seconds >= 0) || seconds > MAX_EXACT)
        return wrong(param, value, "a duration such as 30s or 10m", error);
    if (!in_bounds(param, seconds, error))
        return NULL;
    return floor(seconds) == seconds ? json_integer((json_int_t)seconds) : json_real(seconds);
}

json_t *param_convert(const struct param *param, const json_t *value, const json_t *inventory, GError **error)
{
    switch (param->type) {
    case PARAM_STRING:
        return convert_string(param, value, error);
    case PARAM_INTEGER:
        return convert_integer(param, value, error);
    case PARAM_NUMBER:
        return convert_number(param, value, error);
    case PARAM_BOOLEAN:
        return convert_boolean(param, value, error);
    case PARAM_CHOICE:
        return convert_choice(param, value, error);
    case PARAM_HOST:
        return convert_host(param, value, inventory, error);
    case PARAM_DURATION:
        return convert_duration(param, value, error);
    }
    return wrong(param, value, "of a known type", error);
}

/* The one value that all of the incident's firing alerts (all alerts when none fires) have at `path`. */
static const json_t *common_value(const json_t *incident, const char *path, bool *ret_ambiguous)
{
    const json_t *alerts = json_object_get(incident, "alerts"), *common = NULL;
    size_t index;
    json_t *alert;
    bool any_firing = false, first = true;
    json_array_foreach (alerts, index, alert)
        any_firing = any_firing || g_strcmp0(json_get_string(alert, "status", NULL), "firing") == 0;
    json_array_foreach (alerts, index, alert) {
        if (any_firing && g_strcmp0(json_get_string(alert, "status", NULL), "firing") != 0)
            continue;
        const json_t *value = json_path(alert, path);
        if (!first && (!value != !common || (value && !json_equal(value, common)))) {
            *ret_ambiguous = true;
            return NULL;
        }
        common = value;
        first = false;
    }
    return common;
}

/* The value of a rooted path, or NULL: absent, or different between alerts. */
static const json_t *look_up(const json_t *context, const char *from, bool *ret_ambiguous)
{
    const json_t *alert = json_object_get(context, "alert"), *value;
    if (g_str_has_prefix(from, "alert.") && !json_is_object(alert))
        value = common_value(json_object_get(context, "incident"), from + strlen("alert."), ret_ambiguous);
    else
        value = json_path(context, from);
    bool empty = json_is_string(value) && json_string_length(value) == 0;
    return empty ? NULL : value;
}

static bool check_names(const struct runbook *runbook, const json_t *given, GError **error)
{
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)given, name, value) {
        if (runbook_param(runbook, name))
            continue;
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        for (guint i = 0; i < runbook->params->len; i++)
            g_ptr_array_add(names, ((struct param *)runbook->params->pdata[i])->name);
        g_ptr_array_add(names, NULL);
        const char *nearest = finding_nearest(name, (const char *const *)names->pdata);
        if (nearest)
            errors_set(error, ERROR_INVALID, "there is no param '%s', did you mean '%s'?", name, nearest);
        else
            errors_set(error, ERROR_INVALID, "there is no param '%s'", name);
        return false;
    }
    return true;
}

/* Where one param's value comes from. Borrowed; NULL without error: it has none and needs none. */
static const json_t *choose(const struct param *param, const json_t *given, const json_t *context,
                            const char **ret_reason, GError **error)
{
    const json_t *value = json_object_get(given, param->name);
    if (value && !json_is_null(value))
        return value;
    bool ambiguous = false, from = param->from && json_is_object(context);
    value = from ? look_up(context, param->from, &ambiguous) : NULL;
    if (value)
        return value;
    if (ambiguous) {
        *ret_reason = "ambiguous_param";
        errors_set(error, ERROR_INVALID, "%s '%s': the alerts differ in '%s'", noun(param), param->name, param->from);
        return NULL;
    }
    if (param->fallback)
        return param->fallback;
    if (!param->required && !from)
        return NULL;
    *ret_reason = "missing_param";
    if (from)
        errors_set(error, ERROR_INVALID, "%s '%s' is missing: there is no '%s'", noun(param), param->name, param->from);
    else
        errors_set(error, ERROR_INVALID, "%s '%s' is missing", noun(param), param->name);
    return NULL;
}

json_t *runbook_bind_params(const struct runbook *runbook, const json_t *given, const json_t *context,
                            const json_t *inventory, const char **ret_reason, GError **error)
{
    const char *reason = "invalid_param";
    g_autoptr(json_t) bound = json_object();
    g_autoptr(GError) problem = NULL;
    check_names(runbook, given, &problem);
    for (guint i = 0; i < runbook->params->len && !problem; i++) {
        const struct param *param = runbook->params->pdata[i];
        const json_t *value = choose(param, given, context, &reason, &problem);
        if (value)
            json_object_set_new(bound, param->name, param_convert(param, value, inventory, &problem));
    }
    if (ret_reason)
        *ret_reason = problem ? reason : NULL;
    if (!problem)
        return g_steal_pointer(&bound);
    g_propagate_error(error, g_steal_pointer(&problem));
    return NULL;
}
