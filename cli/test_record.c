/* test_record: see test_record.h. A file that exists keeps its text: people have written comments there. */
#include "cli/test_record.h"
#include "core/clock.h"
#include "core/errors.h"
#include "core/wire.h"
#include "core/yaml_write.h"
#include "jobs/casefile.h"
#include "runner/mask.h"
#include <string.h>

/* ---- the file ---- */

/* The number of cases in a text, or -1 with the first problem as the error. */
static int count_cases(const char *path, const char *text, GError **error)
{
    g_autoptr(finding_list) findings = finding_list_new();
    g_autoptr(json_t) file = casefile_parse(path, text, strlen(text), findings);
    if (file != NULL)
        return (int)json_array_size(json_object_get(file, "cases"));
    g_autofree char *message = finding_to_text(finding_at(findings, 0));
    errors_set(error, ERROR_USAGE, "%s", message);
    return -1;
}

bool test_record_possible(const char *path, GError **error)
{
    g_autofree char *text = NULL, *folder = g_path_get_dirname(path);
    if (!g_str_has_suffix(path, CASEFILE_SUFFIX)) {
        errors_set(error, ERROR_USAGE, "--record: the name of a test file ends in " CASEFILE_SUFFIX ", not '%s'", path);
        return false;
    }
    if (!g_file_test(folder, G_FILE_TEST_IS_DIR)) {
        errors_set(error, ERROR_USAGE, "--record: there is no folder '%s'", folder);
        return false;
    }
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return true;
    return g_file_get_contents(path, &text, NULL, error) && count_cases(path, text, error) >= 0;
}

/* ---- the case ---- */

static bool is_empty(const json_t *value)
{
    return value == NULL || json_is_null(value) ||
           ((json_is_object(value) || json_is_array(value)) && json_object_size(value) + json_array_size(value) == 0);
}

static void set_unless_empty(json_t *object, const char *key, json_t *value)
{
    if (!is_empty(value))
        json_object_set(object, key, value);
}

static json_t *texts_of_notes(const json_t *run)
{
    json_t *texts = json_array(), *note;
    size_t i;
    json_array_foreach (json_object_get(run, "notes"), i, note)
        json_array_append(texts, json_object_get(note, "text"));
    return texts;
}

static json_t *results_of_steps(const json_t *run)
{
    json_t *results = json_object(), *step;
    size_t i;
    json_array_foreach (json_object_get(run, "steps"), i, step)
        if (json_is_string(json_object_get(step, "result")))
            json_object_set(results, json_get_string(step, "id", ""), json_object_get(step, "result"));
    return results;
}

/* What was told to others, without where and when. */
static json_t *told(const json_t *run, const char *list, const char *const *kept)
{
    json_t *all = json_array();
    size_t i;
    json_t *item;
    json_array_foreach (json_object_get(run, list), i, item) {
        json_t *one = json_object();
        for (const char *const *key = kept; *key; key++)
            set_unless_empty(one, *key, json_object_get(item, *key));
        json_array_append_new(all, one);
    }
    return all;
}

static json_t *expectations(const json_t *run)
{
    static const char *const of_message[] = {"channel", "text", NULL}, *const of_incident[] = {"action", "key",
                                                                                               "title",  "severity",
                                                                                               "labels", NULL};
    json_t *expect = json_object();
    g_autoptr(json_t) steps = results_of_steps(run), notes = texts_of_notes(run);
    g_autoptr(json_t) messages = told(run, "messages", of_message), incidents = told(run, "incidents", of_incident);
    json_object_set(expect, "state", json_object_get(run, "state"));
    set_unless_empty(expect, "verified", json_object_get(run, "verified"));
    set_unless_empty(expect, "steps", steps);
    set_unless_empty(expect, "data", json_object_get(run, "data"));
    set_unless_empty(expect, "notes", notes);
    set_unless_empty(expect, "messages", messages);
    set_unless_empty(expect, "incidents", incidents);
    return expect;
}

/* What the tape has under the names of no host stands under keys of its own. */
static void set_answers(json_t *one, const struct test_record *record)
{
    g_autoptr(json_t) hosts = json_copy(record->hosts), secrets = json_object();
    const char *name;
    json_t *reference;
    json_object_del(hosts, WIRE_LOCAL_HOST);
    json_object_del(hosts, WIRE_HTTP_HOST);
    json_object_foreach (json_object_get(record->job, "secrets"), name, reference)
        json_set_string(secrets, name, MASK_TEXT); /* as it stands in the answers */
    set_unless_empty(one, "secrets", secrets);
    set_unless_empty(one, "hosts", hosts);
    set_unless_empty(one, "exec", json_object_get(record->hosts, WIRE_LOCAL_HOST));
    set_unless_empty(one, "http", json_object_get(record->hosts, WIRE_HTTP_HOST));
}

static json_t *case_of(const struct test_record *record)
{
    json_t *one = json_object();
    g_autoptr(json_t) expect = expectations(record->run);
    g_autofree char *now = clock_format(record->started_ms);
    json_object_set_new(one, "name",
                        json_sprintf("%s, as recorded %s", json_get_string(record->run, "state", "unknown"), now));
    json_set_string(one, "now", now);
    set_unless_empty(one, "alert", json_object_get(record->job, "alert"));
    set_unless_empty(one, "incident", json_object_get(record->job, "incident"));
    set_unless_empty(one, "params", (json_t *)record->given);
    set_answers(one, record);
    set_unless_empty(one, "approvals", record->approvals);
    json_object_set(one, "expect", expect);
    return one;
}

/* "runbook: …\n", or nothing when the names say it. */
static char *runbook_line(const struct test_record *record)
{
    g_autofree char *full = g_canonicalize_filename(record->path, NULL), *folder = g_path_get_dirname(full);
    g_autofree char *home = g_path_get_dirname(record->runbook_path), *base = g_path_get_basename(record->runbook_path);
    g_autofree char *stem = g_strndup(full, strlen(full) - strlen(CASEFILE_SUFFIX)),
                    *beside = g_strconcat(stem, ".md", NULL);
    g_autoptr(json_t) line = json_object();
    if (strcmp(beside, record->runbook_path) == 0)
        return g_strdup("");
    if (strcmp(folder, home) == 0)
        json_object_set_new(line, "runbook", json_sprintf("./%s", base));
    else
        json_set_string(line, "runbook", record->runbook_id);
    return yaml_write(line);
}

static char *indented(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    GString *out = g_string_new(NULL);
    for (char **line = lines; *line != NULL; line++)
        if (**line != '\0' || line[1] != NULL)
            g_string_append_printf(out, "%s%s\n", **line != '\0' ? "  " : "", *line);
    return g_string_free(out, FALSE);
}

/* The new text of the file, which is read again before it is written: what cannot be tested must not be recorded. */
static char *text_with(const struct test_record *record, const char *before, GError **error)
{
    g_autoptr(json_t) list = json_pack("[o]", case_of(record));
    g_autofree char *yaml = yaml_write(list), *item = indented(yaml), *head = runbook_line(record);
    g_autofree char *text = NULL;
    int count = before != NULL ? count_cases(record->path, before, error) : 0;
    if (count < 0)
        return NULL;
    if (before != NULL)
        text = g_strconcat(before, g_str_has_suffix(before, "\n") ? "\n" : "\n\n", item, NULL);
    else
        text = g_strconcat(head, "cases:\n", item, NULL);
    g_autoptr(GError) problem = NULL;
    if (count_cases(record->path, text, &problem) == count + 1)
        return g_steal_pointer(&text);
    errors_set(error, ERROR_INVALID, "the case cannot be added to '%s': %s", record->path,
               problem != NULL ? problem->message : "'cases' must be the last key, with items like \"  - name: …\"");
    return NULL;
}

bool test_record_write(const struct test_record *record, GError **error)
{
    g_autofree char *before = NULL;
    if (g_file_test(record->path, G_FILE_TEST_EXISTS) && !g_file_get_contents(record->path, &before, NULL, error))
        return false;
    g_autofree char *text = text_with(record, before, error);
    return text != NULL && g_file_set_contents(record->path, text, -1, error);
}
