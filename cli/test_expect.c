/* test_expect: one function for each key of a case's `expect`. */
#include "cli/test_case.h"
#include "core/text_diff.h"
#include "core/yaml_write.h"
#include <string.h>

void test_problem(json_t *problems, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    json_array_append_new(problems, json_text_value(text, strlen(text)));
}

static char *plain(const json_t *value)
{
    return value == NULL || json_is_null(value) ? g_strdup("nothing") : yaml_write_flow(value);
}

/* The error of the first step that has one, as "step 'look' (runbooks/disk.md:23): message"; "" without. */
static char *first_error(const json_t *run)
{
    size_t i;
    json_t *step;
    json_array_foreach (json_object_get(run, "steps"), i, step) {
        const json_t *error = json_object_get(step, "error");
        if (!json_is_object(error))
            continue;
        const char *file = json_get_string(error, "file", NULL);
        g_autofree char *place =
            file ? g_strdup_printf(" (%s:%d)", file, (int)json_get_integer(error, "line", 0)) : g_strdup("");
        return g_strdup_printf("step '%s'%s: %s", json_get_string(step, "id", ""), place,
                               json_get_string(error, "message", ""));
    }
    return g_strdup("");
}

static void expect_state(const json_t *wanted, const json_t *run, json_t *problems)
{
    const char *state = json_get_string(run, "state", ""), *reason = json_get_string(run, "reason", NULL);
    if (strcmp(json_string_value(wanted), state) == 0)
        return;
    g_autofree char *error = first_error(run);
    test_problem(problems, "the run should end as %s, and is %s%s%s%s%s%s", json_string_value(wanted), state,
                 reason ? " (" : "", reason ? reason : "", reason ? ")" : "", *error ? "\n" : "", error);
}

static void expect_reason(const json_t *wanted, const json_t *run, json_t *problems)
{
    const char *reason = json_get_string(run, "reason", NULL);
    if (g_strcmp0(json_string_value(wanted), reason) != 0)
        test_problem(problems, "the reason should be %s, and is %s", json_string_value(wanted),
                     reason ? reason : "none");
}

static void expect_verified(const json_t *wanted, const json_t *run, json_t *problems)
{
    const json_t *got = json_object_get(run, "verified");
    g_autofree char *should = json_text(wanted), *is = json_text(got);
    if (!json_equal(wanted, got))
        test_problem(problems, "verified should be %s, and is %s", should, is);
}

static const json_t *step_of(const json_t *run, const char *id)
{
    return json_find(json_object_get(run, "steps"), "id", id);
}

static void expect_steps(const json_t *wanted, const json_t *run, json_t *problems)
{
    const char *id;
    json_t *result;
    json_object_foreach ((json_t *)wanted, id, result) {
        const json_t *step = step_of(run, id);
        const char *got = json_get_string(step, "result", json_get_string(step, "state", "pending"));
        const char *message = json_get_string(json_object_get(step, "error"), "message", NULL);
        if (strcmp(json_string_value(result), got) != 0)
            test_problem(problems, "step '%s' should be %s, and is %s%s%s", id, json_string_value(result), got,
                         message ? ": " : "", message ? message : "");
    }
}

/* 91 and 91.0 are the same number. */
static bool same_value(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b))
        return json_number_value(a) == json_number_value(b);
    return json_equal(a, b);
}

static void expect_data(const json_t *wanted, const json_t *run, json_t *problems)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)wanted, key, value) {
        const json_t *got = json_path(run, "data");
        got = json_object_get(got, key);
        if (same_value(value, got))
            continue;
        g_autofree char *should = plain(value), *is = plain(got);
        test_problem(problems, "data.%s should be %s, and is %s", key, should, is);
    }
}

/* ---- lists of which some are expected ---- */

static char *all_of(const json_t *list, const char *key)
{
    GString *text = g_string_new(NULL);
    size_t i;
    json_t *item;
    json_array_foreach (list, i, item) {
        g_autofree char *line = plain(key ? json_object_get(item, key) : item);
        g_string_append_printf(text, "\n  %s", line);
    }
    if (text->len == 0)
        g_string_append(text, " none");
    return g_string_free(text, FALSE);
}

static void expect_notes(const json_t *wanted, const json_t *run, json_t *problems)
{
    const json_t *notes = json_object_get(run, "notes");
    size_t i, k;
    json_t *text, *note;
    json_array_foreach (wanted, i, text) {
        bool found = false;
        json_array_foreach (notes, k, note)
            found = found || json_equal(json_object_get(note, "text"), text);
        if (found)
            continue;
        g_autofree char *all = all_of(notes, "text");
        test_problem(problems, "there should be the note\n  %s\nand the notes are%s", json_string_value(text), all);
    }
}

static bool has_all(const json_t *report, const json_t *wanted)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)wanted, key, value)
        if (!same_value(value, json_object_get(report, key)))
            return false;
    return true;
}

/* Each map of `wanted` is part of one of the run's list. */
static void expect_some(const json_t *wanted, const json_t *run, const char *list, const char *one_of_them,
                        json_t *problems)
{
    const json_t *got = json_object_get(run, list);
    size_t i, k;
    json_t *one, *item;
    json_array_foreach (wanted, i, one) {
        bool found = false;
        json_array_foreach (got, k, item)
            found = found || has_all(item, one);
        if (found)
            continue;
        g_autofree char *should = plain(one), *all = all_of(got, NULL);
        test_problem(problems, "there should be %s with\n  %s\nand the %s are%s", one_of_them, should, list, all);
    }
}

static void expect_reports(const json_t *wanted, const json_t *run, json_t *problems)
{
    expect_some(wanted, run, "reports", "a report", problems);
}

static void expect_messages(const json_t *wanted, const json_t *run, json_t *problems)
{
    expect_some(wanted, run, "messages", "a message", problems);
}

static void expect_incidents(const json_t *wanted, const json_t *run, json_t *problems)
{
    expect_some(wanted, run, "incidents", "an incident", problems);
}

static void expect_error(const json_t *wanted, const json_t *run, json_t *problems)
{
    g_autofree char *error = first_error(run);
    if (strstr(error, json_string_value(wanted)) == NULL)
        test_problem(problems, "an error should say '%s', and %s%s", json_string_value(wanted),
                     *error ? "the first is\n  " : "there is none", error);
}

static const struct {
    const char *key;
    void (*compare)(const json_t *wanted, const json_t *run, json_t *problems);
} keys[] = {
    {"state", expect_state},     {"reason", expect_reason},     {"verified", expect_verified},
    {"steps", expect_steps},     {"data", expect_data},         {"notes", expect_notes},
    {"reports", expect_reports}, {"messages", expect_messages}, {"incidents", expect_incidents},
    {"error", expect_error},
};

void test_expect(const json_t *expect, const json_t *run, json_t *problems)
{
    if (json_object_get(expect, "state") == NULL) {
        g_autoptr(json_t) succeeded = json_string("succeeded");
        expect_state(succeeded, run, problems);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        const json_t *wanted = json_object_get(expect, keys[i].key);
        if (wanted != NULL)
            keys[i].compare(wanted, run, problems);
    }
}
