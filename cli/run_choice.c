/* run_choice: see run_choice.h. */
#include "cli/run_choice.h"
#include "core/errors.h"
#include "core/finding.h"
#include "core/limits.h"
#include <string.h>

static ssize_t find_step(const json_t *job, const char *option, const char *id, GError **error)
{
    g_autoptr(GPtrArray) ids = g_ptr_array_new();
    size_t i;
    json_t *step;
    json_array_foreach (json_object_get(job, "steps"), i, step) {
        if (strcmp(json_get_string(step, "id", ""), id) == 0)
            return (ssize_t)i;
        g_ptr_array_add(ids, (char *)json_get_string(step, "id", ""));
    }
    g_ptr_array_add(ids, NULL);
    const char *nearest = finding_nearest(id, (const char *const *)ids->pdata);
    errors_set(error, ERROR_USAGE, "--%s: the runbook has no step '%s'%s%s%s", option, id,
               nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    return -1;
}

static void leave_out(json_t *step)
{
    json_set_string(step, "state", "done");
    json_set_string(step, "result", "skipped");
}

static bool choose_from(const struct cli_call *call, json_t *job, GError **error)
{
    const char *from = cli_value(call, "from-step");
    ssize_t first = from ? find_step(job, "from-step", from, error) : 0;
    for (ssize_t i = 0; i < first; i++)
        leave_out(json_array_get(json_object_get(job, "steps"), (size_t)i));
    return first >= 0;
}

static bool choose_steps(const struct cli_call *call, json_t *job, GError **error)
{
    GPtrArray *chosen = cli_values(call, "step");
    size_t i;
    json_t *step;
    for (guint k = 0; chosen && k < chosen->len; k++)
        if (find_step(job, "step", chosen->pdata[k], error) < 0)
            return false;
    json_array_foreach (json_object_get(job, "steps"), i, step)
        if (chosen && !g_ptr_array_find_with_equal_func(chosen, json_get_string(step, "id", ""), g_str_equal, NULL))
            leave_out(step);
    return true;
}

/* The object itself, or the `data` of what `hikeshi run --json` printed. */
static bool read_data(const struct cli_call *call, json_t *job, GError **error)
{
    const char *path = cli_value(call, "data");
    g_autofree char *text = NULL;
    gsize length;
    if (!path)
        return true;
    if (!g_file_get_contents(path, &text, &length, NULL) || length > LIMIT_JOB_BYTES) {
        errors_set(error, ERROR_USAGE, "--data: '%s' cannot be read, or is too large", path);
        return false;
    }
    g_autoptr(json_t) value = json_parse(text, length, path, error);
    if (!value)
        return false;
    json_t *data = json_is_string(json_object_get(value, "runbook")) ? json_object_get(value, "data") : value;
    if (json_is_object(data)) {
        json_object_set(job, "data", data);
        return true;
    }
    errors_set(error, ERROR_USAGE, "--data: '%s' holds no JSON object", path);
    return false;
}

bool run_choice_apply(const struct cli_call *call, json_t *job, GError **error)
{
    if (cli_given(call, "step") && cli_given(call, "from-step")) {
        errors_set(error, ERROR_USAGE, "--step and --from-step exclude each other");
        return false;
    }
    return choose_from(call, job, error) && choose_steps(call, job, error) && read_data(call, job, error);
}
