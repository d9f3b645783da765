/* run_plan: see run_plan.h. */
#include "cli/run_plan.h"
#include "cli/print.h"
#include "cli/terminal.h"
#include "core/clock.h"
#include "core/errors.h"
#include "runner/hosts.h"
#include <string.h>

static json_t *plan_step_new(const struct hosts *hosts, const json_t *step)
{
    static const char *const kept[] = {"id",     "title",  "language", "file",    "line",     "when",
                                       "effect", "sudo",   "shows",    "approve", "on_error", "text",
                                       "verify", "always", "handler",  "attempts"};
    g_autoptr(GError) error = NULL;
    json_t *made = json_object(), *names = json_null();
    for (size_t i = 0; i < G_N_ELEMENTS(kept); i++) {
        json_t *value = json_object_get(step, kept[i]);
        json_object_set_new(made, kept[i], value ? json_incref(value) : json_null());
    }
    json_object_set_new(made, "wait_ms", json_integer(json_get_integer(step, "wait_ms", 0)));
    json_object_set_new(made, "timeout_ms", json_integer(json_get_integer(step, "timeout_ms", 0)));
    if (json_get_string(step, "hosts", NULL) || json_get_string(step, "approve", NULL))
        names = hosts_select(hosts, step, &error);
    json_object_set_new(made, "hosts", names ? names : json_null());
    json_set_string(made, "error", error ? error->message : NULL);
    return made;
}

json_t *run_plan_new(const json_t *job)
{
    json_t *plan = json_object(), *steps = json_array(), *step;
    struct hosts hosts;
    size_t index;
    hosts_init(&hosts, job);
    json_array_foreach (json_object_get(job, "steps"), index, step)
        if (strcmp(json_get_string(step, "state", ""), "done") != 0)
            json_array_append_new(steps, plan_step_new(&hosts, step));
    hosts_clear(&hosts);
    json_object_set(plan, "runbook", json_path(job, "runbook.id"));
    json_object_set(plan, "title", json_path(job, "runbook.title"));
    json_object_set(plan, "params", json_object_get(job, "params"));
    json_object_set_new(plan, "steps", steps);
    return plan;
}

bool run_plan_good(const json_t *plan)
{
    size_t index;
    json_t *step;
    json_array_foreach (json_object_get(plan, "steps"), index, step) {
        if (json_get_string(step, "error", NULL))
            return false;
    }
    return true;
}

static void print_line(FILE *out, const char *name, const char *value)
{
    g_autofree char *safe = terminal_clean_line(value);
    fprintf(out, "  %s%s:%s %s\n", terminal_style(out, STYLE_DIM), name, terminal_style(out, STYLE_RESET), safe);
}

static void print_value(FILE *out, const char *name, const json_t *value)
{
    bool empty_list = json_is_array(value) && json_array_size(value) == 0;
    if (!value || json_is_null(value) || json_is_false(value) || empty_list)
        return;
    g_autofree char *text = print_value_text(value);
    print_line(out, name, text);
}

void run_plan_print_text(const char *text, FILE *out)
{
    g_autofree char *safe = terminal_clean(text, strlen(text), TERMINAL_PLAIN);
    g_auto(GStrv) lines = g_strsplit(g_strchomp(safe), "\n", -1);
    for (size_t i = 0; lines[i]; i++)
        fprintf(out, "    %s\n", lines[i]);
}

static void print_step(const json_t *step, FILE *out)
{
    static const char *const shown[] = {"when", "approve", "shows", "sudo", "verify", "always", "handler"};
    g_autofree char *id = terminal_clean_line(json_get_string(step, "id", ""));
    g_autofree char *title = terminal_clean_line(json_get_string(step, "title", ""));
    json_int_t wait_ms = json_get_integer(step, "wait_ms", 0);
    const json_t *hosts = json_object_get(step, "hosts");
    fprintf(out, "\n%s%s%s  %s (%s, %s)\n", terminal_style(out, STYLE_BOLD), id, terminal_style(out, STYLE_RESET),
            title, json_get_string(step, "language", ""), json_get_string(step, "effect", "write"));
    if (wait_ms > 0) {
        g_autofree char *wait = clock_duration_format(wait_ms);
        print_line(out, "waits", wait);
    }
    if (json_get_integer(step, "attempts", 1) > 1)
        print_value(out, "attempts", json_object_get(step, "attempts"));
    if (strcmp(json_get_string(step, "on_error", "stop"), "stop") != 0)
        print_value(out, "on_error", json_object_get(step, "on_error"));
    for (size_t i = 0; i < G_N_ELEMENTS(shown); i++)
        print_value(out, shown[i], json_object_get(step, shown[i]));
    if (json_is_array(hosts) && json_array_size(hosts) == 0)
        print_line(out, "hosts", "(none matches)");
    else
        print_value(out, "hosts", hosts);
    if (json_get_string(step, "error", NULL))
        print_line(out, "error", json_get_string(step, "error", NULL));
    run_plan_print_text(json_get_string(step, "text", ""), out);
}

void run_plan_print(const json_t *plan, const char *headline, FILE *out)
{
    g_autofree char *title = terminal_clean_line(json_get_string(plan, "title", ""));
    const char *name;
    size_t index;
    json_t *value;
    fprintf(out, "%s%s%s (%s)\n", terminal_style(out, STYLE_BOLD), title, terminal_style(out, STYLE_RESET), headline);
    json_object_foreach (json_object_get(plan, "params"), name, value)
        print_value(out, name, value);
    json_array_foreach (json_object_get(plan, "steps"), index, value)
        print_step(value, out);
}
