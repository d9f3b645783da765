/* input_prompt: see input_prompt.h. */
#include "cli/input_prompt.h"
#include "cli/print.h"
#include "cli/terminal.h"
#include "jobs/approval_inputs.h"

const json_t *input_prompt_next(const json_t *asks, const json_t *values)
{
    size_t index;
    json_t *ask;
    json_array_foreach (asks, index, ask) {
        if (!json_object_get(values, json_get_string(ask, "name", "")))
            return ask;
    }
    return NULL;
}

void input_prompt_print(const json_t *ask, FILE *out)
{
    const json_t *choices = json_object_get(ask, "choices"), *fallback = json_object_get(ask, "default");
    const char *description = json_get_string(ask, "description", NULL);
    g_autofree char *about = terminal_clean_line(description ? description : "");
    fprintf(out, "%s", json_get_string(ask, "name", "?"));
    if (*about)
        fprintf(out, " (%s)", about);
    if (json_is_array(choices)) {
        g_autofree char *list = print_value_text(choices);
        fprintf(out, ", one of %s", list);
    } else {
        fprintf(out, ", %s", json_get_string(ask, "type", "string"));
    }
    if (fallback && !json_is_null(fallback)) {
        g_autofree char *text = print_value_text(fallback);
        fprintf(out, " [%s]", text);
    }
    fprintf(out, ": ");
    fflush(out);
}

bool input_prompt_take(const json_t *ask, const char *line, const json_t *inventory, json_t *values, FILE *out)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) given = *line ? json_string(line) : NULL;
    json_t *value = *line && !given ? NULL : approval_input_value(ask, given, inventory, &error);
    if (value) {
        json_object_set_new(values, json_get_string(ask, "name", ""), value);
        return true;
    }
    g_autofree char *problem = terminal_clean_line(error ? error->message : "that is not UTF-8");
    fprintf(out, "%s\n", problem);
    return false;
}
