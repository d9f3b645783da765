/* test_file: see test_file.h. */
#include "cli/test_file.h"
#include "cli/place.h"
#include "cli/test_case.h"
#include "core/errors.h"
#include "core/limits.h"
#include "jobs/casefile.h"
#include <string.h>
#include <sys/stat.h>

struct test_files {
    char *only;
    GHashTable *sets; /* "ROOT\nFOLDER" → struct catalog_set */
};

static void unref_set(void *set)
{
    catalog_set_unref(set);
}

struct test_files *test_files_new(const char *only)
{
    struct test_files *files = g_new0(struct test_files, 1);
    files->only = g_strdup(only);
    files->sets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, unref_set);
    return files;
}

void test_files_free(struct test_files *files)
{
    if (files == NULL)
        return;
    g_hash_table_unref(files->sets);
    g_free(files->only);
    g_free(files);
}

/* ---- one file ---- */

/* Errors among the findings for `file` (NULL: all of them) become problems; returns how many. */
static size_t add_findings(json_t *problems, const struct finding_list *findings, const char *file)
{
    size_t errors = 0;
    for (size_t i = 0; i < finding_count(findings); i++) {
        const struct finding *finding = finding_at(findings, i);
        if (finding->level != FINDING_ERROR || (file != NULL && strcmp(finding->file, file) != 0))
            continue;
        g_autofree char *text = finding_to_text(finding);
        test_problem(problems, "%s", text);
        errors++;
    }
    return errors;
}

static json_t *read_cases(const char *path, json_t *problems)
{
    g_autofree char *text = NULL;
    gsize length;
    g_autoptr(GError) error = NULL;
    g_autoptr(finding_list) findings = finding_list_new();
    if (!g_file_get_contents(path, &text, &length, &error)) {
        test_problem(problems, "%s", error->message);
        return NULL;
    }
    if (length > LIMIT_YAML_BYTES) {
        test_problem(problems, "%s is larger than %d bytes", path, LIMIT_YAML_BYTES);
        return NULL;
    }
    json_t *cases = casefile_parse(path, text, length, findings);
    add_findings(problems, findings, NULL);
    return cases;
}

static const struct catalog_set *load_set(struct test_files *files, const char *root, const char *folder,
                                          json_t *problems)
{
    g_autofree char *key = g_strdup_printf("%s\n%s", root, folder);
    struct catalog_set *set = g_hash_table_lookup(files->sets, key);
    g_autoptr(GError) error = NULL;
    if (set != NULL)
        return set;
    set = catalog_read_folder(root, folder, &error);
    if (set != NULL)
        g_hash_table_insert(files->sets, g_steal_pointer(&key), set);
    else
        test_problem(problems, "%s", error->message);
    return set;
}

static const struct runbook *runbook_at(const struct catalog_set *set, const char *path)
{
    for (guint i = 0; i < set->runbooks->len; i++) {
        const struct runbook *runbook = set->runbooks->pdata[i];
        if (strcmp(runbook->path, path) == 0 && !runbook->document)
            return runbook;
    }
    return NULL;
}

/* The folder whose files have ids relative to it: runbooks/ of the repository, or where the tests stand without one. */
static char *folder_of_runbooks(const struct place *place)
{
    g_autofree char *runbooks = g_build_filename(place->root, "runbooks", NULL);
    return g_strdup(g_file_test(runbooks, G_FILE_TEST_IS_DIR) ? "runbooks" : place->folder);
}

/* `runbook: ID`, `runbook: ./FILE.md`, or nothing: FILE.md beside FILE.test.yaml. *ret_path: the file, for findings. */
static const struct runbook *find_runbook(struct test_files *files, const char *path, const struct place *place,
                                          const char *named, const struct catalog_set **ret_set, json_t *problems)
{
    bool by_id = named != NULL && !g_str_has_suffix(named, ".md");
    g_autofree char *stem = g_strndup(path, strlen(path) - strlen(CASEFILE_SUFFIX));
    g_autofree char *beside = g_strconcat(stem, ".md", NULL), *folder = g_path_get_dirname(path);
    g_autofree char *file = named != NULL ? g_build_filename(folder, named, NULL) : g_strdup(beside);
    struct place at = {0};
    g_autoptr(GError) error = NULL;
    const struct runbook *runbook = NULL;
    if (by_id) {
        g_autofree char *runbooks = folder_of_runbooks(place);
        *ret_set = load_set(files, place->root, runbooks, problems);
        runbook = *ret_set != NULL ? catalog_set_runbook(*ret_set, named) : NULL;
        if (*ret_set != NULL && runbook == NULL && add_findings(problems, (*ret_set)->findings, NULL) == 0)
            test_problem(problems, "there is no runbook '%s' in %s/%s", named, place->root, runbooks);
    } else if (place_find(file, &at, &error)) {
        *ret_set = load_set(files, at.root, at.folder, problems);
        runbook = *ret_set != NULL ? runbook_at(*ret_set, at.path) : NULL;
        if (*ret_set != NULL && add_findings(problems, (*ret_set)->findings, at.path) > 0)
            runbook = NULL;
        else if (*ret_set != NULL && runbook == NULL)
            test_problem(problems, "'%s' is no runbook", file);
    } else {
        test_problem(problems, "%s", error->message);
    }
    place_clear(&at);
    return runbook;
}

/* The runbook's file, as people can open it from where they stand. g_free. */
static char *display_path(const char *root, const char *path)
{
    g_autofree char *full = g_build_filename(root, path, NULL), *here = g_get_current_dir();
    size_t length = strlen(here);
    bool below = strncmp(full, here, length) == 0 && full[length] == '/';
    return g_strdup(below ? full + length + 1 : full);
}

static void run_cases(const struct test_files *files, const json_t *cases, const struct runbook *runbook,
                      const struct catalog_set *set, const struct place *place, json_t *result)
{
    struct test_coverage *coverage = test_coverage_new(runbook);
    json_t *results = json_object_get(result, "cases"), *spec;
    g_autofree char *file = display_path(place->root, runbook->path);
    size_t i;
    json_array_foreach (json_object_get(cases, "cases"), i, spec) {
        const struct test_case_options options = {.spec = spec, .runbook = runbook, .set = set, .coverage = coverage};
        if (files->only == NULL || strstr(json_get_string(spec, "name", ""), files->only) != NULL)
            json_array_append_new(results, test_case_run(&options));
    }
    json_object_set_new(result, "coverage", test_coverage_json(coverage));
    json_set_string(json_object_get(result, "coverage"), "file", file);
    test_coverage_free(coverage);
}

json_t *test_files_run(struct test_files *files, const char *path)
{
    int64_t started_us = g_get_monotonic_time();
    json_t *result = json_pack("{s:s, s:n, s:[], s:[], s:n}", "file", path, "runbook", "problems", "cases", "coverage");
    json_t *problems = json_object_get(result, "problems");
    g_autoptr(json_t) cases = read_cases(path, problems);
    g_autoptr(finding_list) findings = finding_list_new();
    const struct catalog_set *set = NULL;
    const struct runbook *runbook = NULL;
    struct place place = {0};
    if (cases != NULL && place_find(path, &place, NULL))
        runbook = find_runbook(files, path, &place, json_get_string(cases, "runbook", NULL), &set, problems);
    if (runbook != NULL) {
        json_set_string(result, "runbook", runbook->path);
        casefile_check(cases, path, runbook, set->inventory, findings);
        if (add_findings(problems, findings, NULL) == 0)
            run_cases(files, cases, runbook, set, &place, result);
    }
    place_clear(&place);
    json_object_set_new(result, "duration_ms", json_integer((g_get_monotonic_time() - started_us) / 1000));
    return result;
}

/* ---- finding files ---- */

static int by_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool walk(const char *folder, int depth, GPtrArray *found, GError **error)
{
    g_autoptr(GError) problem = NULL;
    g_autoptr(GDir) dir = g_dir_open(folder, 0, &problem);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    if (dir == NULL) {
        errors_set(error, ERROR_USAGE, "%s", problem->message);
        return false;
    }
    for (const char *name; (name = g_dir_read_name(dir)) != NULL;)
        if (*name != '.')
            g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, by_text);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path =
            strcmp(folder, ".") == 0 ? g_strdup(names->pdata[i]) : g_build_filename(folder, names->pdata[i], NULL);
        struct stat info;
        if (lstat(path, &info) != 0)
            continue;
        if (S_ISDIR(info.st_mode) && depth < LIMIT_FOLDER_DEPTH && !walk(path, depth + 1, found, error))
            return false;
        if (S_ISREG(info.st_mode) && g_str_has_suffix(path, CASEFILE_SUFFIX))
            g_ptr_array_add(found, g_steal_pointer(&path));
    }
    return true;
}

GPtrArray *test_files_find(const char *const *paths, GError **error)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    for (; *paths != NULL; paths++) {
        if (g_file_test(*paths, G_FILE_TEST_IS_DIR)) {
            if (!walk(*paths, 0, found, error))
                return NULL;
        } else if (g_file_test(*paths, G_FILE_TEST_EXISTS) && g_str_has_suffix(*paths, CASEFILE_SUFFIX)) {
            g_ptr_array_add(found, g_strdup(*paths));
        } else {
            errors_set(error, ERROR_USAGE, "there is no folder or *" CASEFILE_SUFFIX " file '%s'", *paths);
            return NULL;
        }
    }
    return g_steal_pointer(&found);
}
