/* lint_test: a file of cases, and the runbook that it is about. */
#include "jobs/casefile.h"
#include "jobs/lint_private.h"
#include <string.h>

/* The file of `runbook: ID`: as its runbook said, or where one of that id would stand. g_free; NULL: not found. */
static char *file_of_id(const struct lint *lint, const char *id)
{
    const char *known = g_hash_table_lookup(lint->repository->ids, id);
    if (known)
        return g_strdup(known);
    static const char *const folders[] = {"runbooks", "."};
    for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *name = g_strconcat(id, ".md", NULL);
        g_autofree char *path = g_build_filename(lint->repository->root, folders[i], name, NULL);
        if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
            return g_steal_pointer(&path);
    }
    return NULL;
}

/* `runbook: ./FILE.md`, or FILE.md beside FILE.test.yaml. */
static char *file_of_name(const char *path, const char *named)
{
    g_autofree char *folder = g_path_get_dirname(path), *base = g_path_get_basename(path);
    g_autofree char *stem = g_strndup(base, strlen(base) - strlen(CASEFILE_SUFFIX));
    g_autofree char *beside = g_strconcat(stem, ".md", NULL);
    g_autofree char *file = g_build_filename(folder, named ? named : beside, NULL);
    return g_file_test(file, G_FILE_TEST_IS_REGULAR) ? g_steal_pointer(&file) : NULL;
}

static void check_cases(struct lint *lint, const json_t *cases, const char *file)
{
    size_t length;
    bool good;
    g_autofree char *text = lint_read_file(file, &length, NULL);
    g_autoptr(finding_list) of_runbook = finding_list_new(), findings = finding_list_new();
    if (!text)
        return;
    g_autoptr(runbook_t) runbook =
        runbook_read(lint_relative_path(lint->repository, file), text, length, of_runbook, &good);
    if (!good) /* said where it stands */
        return;
    casefile_check(cases, lint->display, runbook, lint->repository->inventory, findings);
    lint_take(lint, findings);
}

bool lint_test_file(struct lint *lint, const char *path, GError **error)
{
    size_t length;
    g_autofree char *text = lint_read_file(path, &length, error);
    if (!text)
        return false;
    g_autoptr(finding_list) findings = finding_list_new();
    g_autoptr(json_t) cases = casefile_parse(lint->display, text, length, findings);
    lint_take(lint, findings);
    lint->result->tests++;
    if (!cases)
        return true;
    const char *named = json_get_string(cases, "runbook", NULL);
    bool by_id = named && !g_str_has_suffix(named, ".md");
    g_autofree char *file = by_id ? file_of_id(lint, named) : file_of_name(path, named);
    if (file)
        check_cases(lint, cases, file);
    else
        lint_say(lint, "test-file", FINDING_ERROR, 1, 1, "name it with 'runbook: ID'", "there is no runbook %s%s%s",
                 named ? "'" : "beside this file", named ? named : "", named ? "'" : "");
    return true;
}
