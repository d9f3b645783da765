/* place: see place.h. */
#include "cli/place.h"
#include "cli/terminal.h"
#include "core/errors.h"
#include <stdio.h>
#include <string.h>

void place_clear(struct place *place)
{
    g_free(place->root);
    g_free(place->folder);
    g_free(place->path);
}

static bool is_root(const char *folder)
{
    g_autofree char *git = g_build_filename(folder, ".git", NULL), *own = g_build_filename(folder, "hikeshi", NULL);
    return g_file_test(git, G_FILE_TEST_EXISTS) || g_file_test(own, G_FILE_TEST_IS_DIR);
}

bool place_find(const char *file, struct place *ret, GError **error)
{
    g_autofree char *full = g_canonicalize_filename(file, NULL), *own = g_path_get_dirname(full);
    if (!g_file_test(full, G_FILE_TEST_IS_REGULAR)) {
        errors_set(error, ERROR_USAGE, "there is no file '%s'", file);
        return false;
    }
    g_autofree char *root = g_strdup(own);
    while (!is_root(root) && strcmp(root, "/") != 0) {
        char *up = g_path_get_dirname(root);
        g_free(root);
        root = up;
    }
    if (!is_root(root)) {
        g_free(root);
        root = g_strdup(own);
    }
    size_t skip = strlen(root) + (strcmp(root, "/") != 0);
    ret->path = g_strdup(full + skip);
    ret->folder = g_path_get_dirname(ret->path);
    ret->root = g_steal_pointer(&root);
    return true;
}

/* What is wrong with the file; warnings too. Returns how many are errors. */
static size_t print_findings(const struct catalog_set *set, const char *path)
{
    size_t errors = 0;
    for (size_t i = 0; i < finding_count(set->findings); i++) {
        const struct finding *finding = finding_at(set->findings, i);
        bool shared = g_str_has_suffix(finding->file, ".yaml");
        if (g_strcmp0(finding->file, path) != 0 && !shared)
            continue;
        g_autofree char *text = finding_to_text(finding), *line = terminal_clean_line(text);
        fprintf(stderr, "%s\n", line);
        errors += finding->level == FINDING_ERROR;
    }
    return errors;
}

static const struct runbook *find_runbook(const struct catalog_set *set, const char *path)
{
    for (guint i = 0; i < set->runbooks->len; i++) {
        const struct runbook *runbook = set->runbooks->pdata[i];
        if (strcmp(runbook->path, path) == 0)
            return runbook;
    }
    return NULL;
}

const struct runbook *place_load(const struct place *place, struct catalog_set **ret_set, GError **error)
{
    *ret_set = catalog_read_folder(place->root, place->folder, error);
    if (*ret_set == NULL)
        return NULL;
    const struct runbook *runbook = find_runbook(*ret_set, place->path);
    if (print_findings(*ret_set, place->path) > 0)
        errors_set(error, ERROR_PARSE, "'%s' was not run", place->path);
    else if (runbook == NULL || runbook->document)
        errors_set(error, ERROR_INVALID, "'%s' has no steps: it is a document", place->path);
    else
        return runbook;
    return NULL;
}
