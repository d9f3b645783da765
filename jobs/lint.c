/* lint: walks folders, parses what is there, and compares names across files. */
#include "core/errors.h"
#include "core/limits.h"
#include "jobs/casefile.h"
#include "jobs/inventory.h"
#include "jobs/lint_private.h"
#include "jobs/policy.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define INVENTORY   "hikeshi/inventory.yaml"
#define TEAMS       "hikeshi/teams.yaml"
#define MODULES     "hikeshi/lib"
#define MAX_FOLDERS 64 /* deep */

static void repository_free(struct repository *repository)
{
    g_free(repository->root);
    json_decref(repository->inventory);
    json_decref(repository->policies);
    g_hash_table_unref(repository->modules);
    g_hash_table_unref(repository->ids);
    g_free(repository);
}

void lint_say(struct lint *lint, const char *rule, enum finding_level level, int line, int column,
              const char *suggestion, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    finding_add(lint->result->findings, rule, level, lint->display, line, column, suggestion, "%s", message);
}

const char *lint_nearest(const char *word, GPtrArray *names)
{
    g_ptr_array_add(names, NULL);
    return finding_nearest(word, (const char *const *)names->pdata);
}

/* ---- files ----------------------------------------------------------------------------------------------------- */

char *lint_read_file(const char *path, size_t *ret_length, GError **error)
{
    char *text = NULL;
    g_autoptr(GError) problem = NULL;
    if (g_file_get_contents(path, &text, ret_length, &problem))
        return text;
    errors_set(error, g_error_matches(problem, G_FILE_ERROR, G_FILE_ERROR_NOENT) ? ERROR_NOT_FOUND : ERROR_IO, "%s",
               problem->message);
    return NULL;
}

/* Paths in findings are as people can open them from where they stand. */
static char *display_path(const char *path)
{
    g_autofree char *here = g_get_current_dir();
    size_t length = strlen(here);
    bool below = strncmp(path, here, length) == 0 && path[length] == '/';
    return g_strdup(below ? path + length + 1 : path);
}

/* Appends findings with the path as the caller knows it. */
void lint_take(struct lint *lint, const struct finding_list *from)
{
    for (size_t i = 0; i < finding_count(from); i++) {
        const struct finding *finding = finding_at(from, i);
        finding_add(lint->result->findings, finding->rule, finding->level, lint->display, finding->line,
                    finding->column, finding->suggestion, "%s", finding->message);
    }
}

const char *lint_relative_path(const struct repository *repository, const char *path)
{
    size_t length = strlen(repository->root);
    return strncmp(path, repository->root, length) == 0 && path[length] == '/' ? path + length + 1 : path;
}

static bool lint_markdown(struct lint *lint, const char *path, GError **error)
{
    size_t length;
    bool good;
    g_autofree char *text = lint_read_file(path, &length, error);
    if (!text)
        return false;
    g_autoptr(finding_list) findings = finding_list_new();
    g_autoptr(runbook_t) runbook =
        runbook_read(lint_relative_path(lint->repository, path), text, length, findings, &good);
    lint_take(lint, findings);
    if (runbook->document && good) {
        lint->result->documents++;
        return true;
    }
    lint->result->runbooks++;
    if (good)
        lint_check_runbook(lint, runbook);
    else
        lint_check_broken(lint, runbook);
    return true;
}

static bool lint_module(struct lint *lint, const char *path, GError **error)
{
    size_t length;
    g_autofree char *text = lint_read_file(path, &length, error);
    if (!text)
        return false;
    if (length > LIMIT_MODULE_BYTES) {
        lint_say(lint, "too-large", FINDING_ERROR, 1, 1, NULL, "the module is larger than %d bytes",
                 LIMIT_MODULE_BYTES);
        return true;
    }
    lint_check_syntax(lint, text, 1, false);
    lint_check_globals(lint, text, 1);
    return true;
}

static int by_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Calls fn for every regular file below `folder` that ends in `suffix`, in order of names; hidden ones and links are
 * left alone. */
typedef bool (*file_fn)(struct lint *lint, const char *path, GError **error);
static bool walk(struct lint *lint, const char *folder, const char *suffix, int depth, file_fn fn, GError **error)
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
        if (S_ISDIR(info.st_mode) && depth < MAX_FOLDERS && !walk(lint, path, suffix, depth + 1, fn, error))
            return false;
        if (S_ISREG(info.st_mode) && g_str_has_suffix(name, suffix) && !fn(lint, path, error))
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

/* The nearest folder at or above `path` that looks like a repository's root, else `path`'s own folder. */
static char *find_root(const char *path)
{
    g_autofree char *start = g_file_test(path, G_FILE_TEST_IS_DIR) ? g_strdup(path) : g_path_get_dirname(path);
    g_autofree char *folder = g_strdup(start);
    while (!is_root(folder)) {
        char *parent = g_path_get_dirname(folder);
        bool top = strcmp(parent, folder) == 0;
        g_free(folder);
        folder = parent;
        if (top)
            return g_steal_pointer(&start);
    }
    return g_steal_pointer(&folder);
}

typedef json_t *(*settings_fn)(const char *path, const char *text, size_t length, struct finding_list *findings);

/* *ret_absent: there is no such file. */
static json_t *read_settings(struct lint *lint, const char *root, const char *name, settings_fn parse, bool *ret_absent)
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
    lint->display = display;
    lint_take(lint, findings);
    return parsed;
}

static bool note_module(struct lint *lint, const char *path, GError **error)
{
    g_autofree char *folder = g_build_filename(lint->repository->root, MODULES, NULL);
    char *name = g_strndup(path + strlen(folder) + 1, strlen(path) - strlen(folder) - 1 - strlen(".lua"));
    bool hidden = g_str_has_prefix(name, "hikeshi/");
    g_hash_table_add(lint->repository->modules, g_strdelimit(name, "/", '.'));
    g_autofree char *display = display_path(path);
    lint->display = display;
    if (hidden)
        lint_say(lint, "duplicate", FINDING_ERROR, 1, 1, "move it out of hikeshi/lib/hikeshi",
                 "names that begin with 'hikeshi.' are those of the standard library: '%s' cannot be required", name);
    return lint_module(lint, path, error);
}

static bool enter_repository(struct lint *lint, const char *path, GError **error)
{
    g_autofree char *root = find_root(path);
    lint->repository = g_hash_table_lookup(lint->repositories, root);
    if (lint->repository)
        return true;
    struct repository *repository = g_new0(struct repository, 1);
    repository->root = g_strdup(root);
    repository->modules = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    repository->ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_hash_table_insert(lint->repositories, repository->root, repository);
    lint->repository = repository;
    bool absent;
    repository->inventory = read_settings(lint, root, INVENTORY, inventory_parse, &absent);
    repository->policies = read_settings(lint, root, TEAMS, policy_parse, &absent);
    repository->has_policies = absent || repository->policies;
    g_autofree char *modules = g_build_filename(root, MODULES, NULL);
    return !g_file_test(modules, G_FILE_TEST_IS_DIR) || walk(lint, modules, ".lua", 0, note_module, error);
}

static bool enter_file(struct lint *lint, const char *path, file_fn fn, GError **error)
{
    if (!g_hash_table_add(lint->seen, g_strdup(path)))
        return true;
    if (!enter_repository(lint, path, error))
        return false;
    g_autofree char *display = display_path(path);
    lint->display = display;
    return fn(lint, path, error);
}

static bool lint_file(struct lint *lint, const char *path, GError **error)
{
    return enter_file(lint, path, lint_markdown, error);
}

static bool lint_cases(struct lint *lint, const char *path, GError **error)
{
    return enter_file(lint, path, lint_test_file, error);
}

static bool lint_path(struct lint *lint, const char *given, GError **error)
{
    g_autofree char *path = g_canonicalize_filename(given, NULL);
    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        errors_set(error, ERROR_NOT_FOUND, "there is no file or folder '%s'", given);
        return false;
    }
    if (!g_file_test(path, G_FILE_TEST_IS_DIR))
        return g_str_has_suffix(path, CASEFILE_SUFFIX) ? lint_cases(lint, path, error) : lint_file(lint, path, error);
    if (!enter_repository(lint, path, error))
        return false;
    g_autofree char *runbooks = g_build_filename(path, "runbooks", NULL);
    bool whole = is_root(path) && g_file_test(runbooks, G_FILE_TEST_IS_DIR);
    /* Tests after all runbooks: they name them by id. */
    return walk(lint, whole ? runbooks : path, ".md", 0, lint_file, error) &&
           walk(lint, path, CASEFILE_SUFFIX, 0, lint_cases, error);
}

bool lint_paths(const char *const *paths, const struct lint_options *options, struct lint_result *ret, GError **error)
{
    *ret = (struct lint_result){.findings = finding_list_new()};
    struct lint lint = {
        .options = options,
        .result = ret,
        .repositories = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)repository_free),
        .seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
    };
    bool fine = true;
    for (size_t i = 0; paths[i] && fine; i++)
        fine = lint_path(&lint, paths[i], error);
    finding_sort(ret->findings);
    g_hash_table_unref(lint.repositories);
    g_hash_table_unref(lint.seen);
    if (!fine)
        lint_result_clear(ret);
    return fine;
}

void lint_result_clear(struct lint_result *result)
{
    g_clear_pointer(&result->findings, finding_list_free);
}
