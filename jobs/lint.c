/* lint: walks folders, has their files checked on several threads, and compares ids across them. */
#include "jobs/lint.h"
#include "core/errors.h"
#include "core/parallel.h"
#include "jobs/casefile.h"
#include "jobs/inventory.h"
#include "jobs/lint_private.h"
#include "jobs/policy.h"
#include <string.h>
#include <sys/stat.h>

#define INVENTORY   "hikeshi/inventory.yaml"
#define TEAMS       "hikeshi/teams.yaml"
#define MODULES     "hikeshi/lib"
#define MAX_FOLDERS 64 /* deep */

/* One call of lint_paths(). */
struct linting {
    const struct lint_options *options;
    struct lint_result *result;
    GHashTable *repositories;   /* root → struct repository* */
    GHashTable *folders;        /* folder → struct repository*, borrowed */
    GHashTable *seen;           /* files: one given twice is linted once */
    struct repository *entered; /* last read, while its modules are listed */
    GPtrArray *files, *tests;   /* struct task*; tests come last: they name runbooks by id */
};

/* One file to check, and what came of it. */
struct task {
    bool (*check)(struct lint *lint, const char *path, GError **error);
    char *path, *display;
    struct repository *repository;
    const struct lint_options *options;
    struct lint_result result;
    GPtrArray *ids;
    GError *error;
};

static void repository_free(struct repository *repository)
{
    g_free(repository->root);
    json_decref(repository->inventory);
    json_decref(repository->policies);
    g_hash_table_unref(repository->modules);
    g_hash_table_unref(repository->ids);
    g_free(repository);
}

/* Paths in findings are as people can open them from where they stand. */
static char *display_path(const char *path)
{
    g_autofree char *here = g_get_current_dir();
    size_t length = strlen(here);
    bool below = strncmp(path, here, length) == 0 && path[length] == '/';
    return g_strdup(below ? path + length + 1 : path);
}

/* ---- tasks ----------------------------------------------------------------------------------------------------- */

static void task_free(void *data)
{
    struct task *task = data;
    g_free(task->path);
    g_free(task->display);
    lint_result_clear(&task->result);
    g_ptr_array_unref(task->ids);
    g_clear_error(&task->error);
    g_free(task);
}

typedef bool (*check_fn)(struct lint *lint, const char *path, GError **error);
static void add_task(struct linting *linting, GPtrArray *to, struct repository *repository, const char *path,
                     check_fn check)
{
    struct task *task = g_new(struct task, 1);
    *task = (struct task){.check = check,
                          .path = g_strdup(path),
                          .display = display_path(path),
                          .repository = repository,
                          .options = linting->options,
                          .result = {.findings = finding_list_new()},
                          .ids = g_ptr_array_new_with_free_func(g_free)};
    g_ptr_array_add(to, task);
}

static void run_task(void *arg, guint index)
{
    struct task *task = ((GPtrArray *)arg)->pdata[index];
    struct lint lint = {.options = task->options,
                        .result = &task->result,
                        .repository = task->repository,
                        .display = task->display,
                        .ids = task->ids};
    task->check(&lint, task->path, &task->error);
}

static void claim_ids(struct linting *linting, const struct task *task)
{
    for (guint i = 0; i < task->ids->len; i++) {
        const char *id = task->ids->pdata[i], *other = g_hash_table_lookup(task->repository->ids, id);
        if (other)
            finding_add(linting->result->findings, "duplicate", FINDING_ERROR, task->display, 1, 1, NULL,
                        "the id '%s' belongs to %s already", id, other);
        else
            g_hash_table_insert(task->repository->ids, g_strdup(id), g_strdup(task->display));
    }
}

/* The findings do not depend on which thread was faster: results are taken in the files' order. */
static bool run_tasks(struct linting *linting, GPtrArray *tasks, GError **error)
{
    parallel_each(tasks->len, run_task, tasks);
    for (guint i = 0; i < tasks->len; i++) {
        struct task *task = tasks->pdata[i];
        struct lint_result *sums = linting->result, *one = &task->result;
        if (task->error) {
            g_propagate_error(error, g_steal_pointer(&task->error));
            return false;
        }
        finding_append(sums->findings, one->findings);
        sums->runbooks += one->runbooks;
        sums->documents += one->documents;
        sums->steps += one->steps;
        sums->tests += one->tests;
        claim_ids(linting, task);
    }
    return true;
}

/* ---- folders --------------------------------------------------------------------------------------------------- */

static int by_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Calls fn for every regular file below `folder` that ends in `suffix`, in order of names; hidden ones and links are
 * left alone. */
typedef bool (*file_fn)(struct linting *linting, const char *path, GError **error);
static bool walk(struct linting *linting, const char *folder, const char *suffix, int depth, file_fn fn, GError **error)
{
    g_autoptr(GError) problem = NULL;
    g_autoptr(GDir) dir = g_dir_open(folder, 0, &problem);
    if (!dir) {
        errors_set(error, ERROR_IO, "%s", problem->message);
        return false;
    }
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    for (const char *name; (name = g_dir_read_name(dir));)
        g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, by_text);
    for (guint i = 0; i < names->len; i++) {
        const char *name = names->pdata[i];
        g_autofree char *path = g_build_filename(folder, name, NULL);
        struct stat info;
        if (*name == '.' || lstat(path, &info) != 0)
            continue;
        if (S_ISDIR(info.st_mode) && depth < MAX_FOLDERS && !walk(linting, path, suffix, depth + 1, fn, error))
            return false;
        if (S_ISREG(info.st_mode) && g_str_has_suffix(name, suffix) && !fn(linting, path, error))
            return false;
    }
    return true;
}

/* ---- repositories ---------------------------------------------------------------------------------------------- */

static bool is_root(const char *folder)
{
    g_autofree char *git = g_build_filename(folder, ".git", NULL);
    g_autofree char *settings = g_build_filename(folder, "hikeshi", NULL);
    return g_file_test(git, G_FILE_TEST_EXISTS) || g_file_test(settings, G_FILE_TEST_IS_DIR);
}

/* The nearest folder at or above this one that looks like a repository's root, else this one. */
static char *find_root(const char *start)
{
    g_autofree char *folder = g_strdup(start);
    while (!is_root(folder)) {
        char *parent = g_path_get_dirname(folder);
        bool top = strcmp(parent, folder) == 0;
        g_free(folder);
        folder = parent;
        if (top)
            return g_strdup(start);
    }
    return g_steal_pointer(&folder);
}

typedef json_t *(*settings_fn)(const char *path, const char *text, size_t length, struct finding_list *findings);

/* *ret_absent: there is no such file. */
static json_t *read_settings(struct linting *linting, const char *root, const char *name, settings_fn parse,
                             bool *ret_absent)
{
    g_autofree char *path = g_build_filename(root, name, NULL);
    size_t length;
    g_autofree char *text = NULL;
    *ret_absent = !g_file_get_contents(path, &text, &length, NULL);
    if (*ret_absent)
        return NULL;
    g_autoptr(finding_list) findings = finding_list_new();
    json_t *parsed = parse(name, text, length, findings);
    g_autofree char *display = display_path(path);
    struct lint lint = {.result = linting->result, .display = display};
    lint_take(&lint, findings);
    return parsed;
}

static bool note_module(struct linting *linting, const char *path, GError **error G_GNUC_UNUSED)
{
    struct repository *repository = linting->entered;
    g_autofree char *modules = g_build_filename(repository->root, MODULES, NULL);
    char *name = g_strndup(path + strlen(modules) + 1, strlen(path) - strlen(modules) - 1 - strlen(".lua"));
    g_hash_table_add(repository->modules, g_strdelimit(name, "/", '.'));
    add_task(linting, linting->files, repository, path, lint_module);
    return true;
}

static struct repository *read_repository(struct linting *linting, const char *root, GError **error)
{
    struct repository *repository = g_new0(struct repository, 1);
    repository->root = g_strdup(root);
    repository->modules = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    repository->ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_hash_table_insert(linting->repositories, repository->root, repository);
    bool absent;
    repository->inventory = read_settings(linting, root, INVENTORY, inventory_parse, &absent);
    repository->policies = read_settings(linting, root, TEAMS, policy_parse, &absent);
    repository->has_policies = absent || repository->policies;
    linting->entered = repository;
    g_autofree char *modules = g_build_filename(root, MODULES, NULL);
    bool fine = !g_file_test(modules, G_FILE_TEST_IS_DIR) || walk(linting, modules, ".lua", 0, note_module, error);
    return fine ? repository : NULL;
}

/* The repository of a folder; NULL: its modules cannot be listed. */
static struct repository *enter_repository(struct linting *linting, const char *folder, GError **error)
{
    struct repository *repository = g_hash_table_lookup(linting->folders, folder);
    if (repository)
        return repository;
    g_autofree char *root = find_root(folder);
    repository = g_hash_table_lookup(linting->repositories, root);
    if (!repository)
        repository = read_repository(linting, root, error);
    if (repository)
        g_hash_table_insert(linting->folders, g_strdup(folder), repository);
    return repository;
}

/* ---- paths ----------------------------------------------------------------------------------------------------- */

static bool add_file(struct linting *linting, GPtrArray *to, const char *path, check_fn check, GError **error)
{
    if (!g_hash_table_add(linting->seen, g_strdup(path)))
        return true;
    g_autofree char *folder = g_path_get_dirname(path);
    struct repository *repository = enter_repository(linting, folder, error);
    if (repository)
        add_task(linting, to, repository, path, check);
    return repository != NULL;
}

static bool add_markdown(struct linting *linting, const char *path, GError **error)
{
    return add_file(linting, linting->files, path, lint_markdown, error);
}

static bool add_cases(struct linting *linting, const char *path, GError **error)
{
    return add_file(linting, linting->tests, path, lint_test_file, error);
}

static bool add_path(struct linting *linting, const char *given, GError **error)
{
    g_autofree char *path = g_canonicalize_filename(given, NULL);
    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        errors_set(error, ERROR_NOT_FOUND, "there is no file or folder '%s'", given);
        return false;
    }
    if (!g_file_test(path, G_FILE_TEST_IS_DIR))
        return (g_str_has_suffix(path, CASEFILE_SUFFIX) ? add_cases : add_markdown)(linting, path, error);
    if (!enter_repository(linting, path, error))
        return false;
    g_autofree char *runbooks = g_build_filename(path, "runbooks", NULL);
    bool whole = is_root(path) && g_file_test(runbooks, G_FILE_TEST_IS_DIR);
    return walk(linting, whole ? runbooks : path, ".md", 0, add_markdown, error) &&
           walk(linting, path, CASEFILE_SUFFIX, 0, add_cases, error);
}

bool lint_paths(const char *const *paths, const struct lint_options *options, struct lint_result *ret, GError **error)
{
    *ret = (struct lint_result){.findings = finding_list_new()};
    struct linting linting = {
        .options = options,
        .result = ret,
        .repositories = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)repository_free),
        .folders = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
        .seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
        .files = g_ptr_array_new_with_free_func(task_free),
        .tests = g_ptr_array_new_with_free_func(task_free),
    };
    bool fine = true;
    for (size_t i = 0; paths[i] && fine; i++)
        fine = add_path(&linting, paths[i], error);
    fine = fine && run_tasks(&linting, linting.files, error) && run_tasks(&linting, linting.tests, error);
    finding_sort(ret->findings);
    g_ptr_array_unref(linting.files);
    g_ptr_array_unref(linting.tests);
    g_hash_table_unref(linting.repositories);
    g_hash_table_unref(linting.folders);
    g_hash_table_unref(linting.seen);
    if (!fine)
        lint_result_clear(ret);
    return fine;
}

void lint_result_clear(struct lint_result *result)
{
    g_clear_pointer(&result->findings, finding_list_free);
}
