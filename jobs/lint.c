/* lint: walks folders, parses what is there, and compares names across files. */
#include "jobs/lint.h"
#include "core/errors.h"
#include "core/hostfilter.h"
#include "core/limits.h"
#include "jobs/inventory.h"
#include "jobs/lua_scan.h"
#include "jobs/policy.h"
#include "jobs/runbook.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define INVENTORY   "hikeshi/inventory.yaml"
#define TEAMS       "hikeshi/teams.yaml"
#define MODULES     "hikeshi/lib"
#define MAX_FOLDERS 64 /* deep */

/* One repository: what its files may refer to. NULL inventory or policies: the file is absent (or broken, and said so).
 */
struct repository {
    char *root;
    json_t *inventory, *policies;
    GHashTable *modules; /* "net.dns" */
    GHashTable *ids;     /* id or alias → path */
    bool has_policies;   /* the teams file was read, or is absent: its names can be compared */
};

struct lint {
    struct lint_result *result;
    lint_lua_fn check_lua;
    GHashTable *repositories; /* root → struct repository* */
    GHashTable *seen;         /* files: one given twice is linted once */
    /* the file at hand */
    struct repository *repository;
    const char *display; /* its path as the caller will read it */
    const struct runbook *runbook;
    guint step; /* index */
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

static void say(struct lint *lint, const char *rule, enum finding_level level, int line, const char *suggestion,
                const char *format, ...) G_GNUC_PRINTF(6, 7);
static void say(struct lint *lint, const char *rule, enum finding_level level, int line, const char *suggestion,
                const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    finding_add(lint->result->findings, rule, level, lint->display, line, 1, suggestion, "%s", message);
}

/* Borrowed from `names`, or NULL. */
static const char *nearest_of(const char *word, GPtrArray *names)
{
    g_ptr_array_add(names, NULL);
    return finding_nearest(word, (const char *const *)names->pdata);
}

static GPtrArray *keys_of(const json_t *object)
{
    GPtrArray *names = g_ptr_array_new();
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)object, key, value)
        g_ptr_array_add(names, (char *)key);
    return names;
}

/* ---- Lua ------------------------------------------------------------------------------------------------------- */

/* The message without the "file:line: " that a finding has in columns of its own. */
static const char *bare_message(const char *message, const char *file)
{
    size_t length = strlen(file);
    if (strncmp(message, file, length) != 0 || message[length] != ':')
        return message;
    const char *rest = message + length + 1;
    rest += strspn(rest, "0123456789");
    return g_str_has_prefix(rest, ": ") ? rest + 2 : message;
}

static void check_lua(struct lint *lint, const char *text, int line, bool expression)
{
    int at = line;
    g_autofree char *message = lint->check_lua(text, lint->display, line, expression, &at);
    if (message)
        say(lint, "lua-syntax", FINDING_ERROR, at, NULL, "%s", bare_message(message, lint->display));
}

static void mention_param(struct lint *lint, const char *name, int line)
{
    if (runbook_param(lint->runbook, name))
        return;
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    for (guint i = 0; i < lint->runbook->params->len; i++)
        g_ptr_array_add(names, ((struct param *)lint->runbook->params->pdata[i])->name);
    const char *suggestion = nearest_of(name, names);
    say(lint, "unknown-name", FINDING_ERROR, line, suggestion, "there is no param '%s'", name);
}

static void mention_step(struct lint *lint, const char *name, int line)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    for (guint i = 0; i < lint->runbook->steps->len; i++) {
        const struct step *step = lint->runbook->steps->pdata[i];
        g_ptr_array_add(names, step->id);
        if (strcmp(step->id, name) != 0)
            continue;
        if (i >= lint->step)
            say(lint, "step-order", FINDING_WARNING, line, NULL, "the step '%s' has not run yet here", name);
        return;
    }
    const char *suggestion = nearest_of(name, names);
    say(lint, "unknown-name", FINDING_ERROR, line, suggestion, "there is no step '%s'", name);
}

static void mention_host(struct lint *lint, const char *name, int line)
{
    if (!lint->repository->inventory || inventory_find(lint->repository->inventory, name))
        return;
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    size_t index;
    json_t *host;
    json_array_foreach (lint->repository->inventory, index, host)
        g_ptr_array_add(names, (char *)json_get_string(host, "name", ""));
    const char *suggestion = nearest_of(name, names);
    say(lint, "unknown-name", FINDING_ERROR, line, suggestion, "the inventory has no host '%s'", name);
}

static void mention_filter(struct lint *lint, const char *text, int line)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(hostfilter) filter = hostfilter_parse(text, &error);
    if (!filter)
        say(lint, "host-filter", FINDING_ERROR, line, NULL, "%s", error->message);
}

static void mention_secret(struct lint *lint, const char *name, int line)
{
    if (!g_strv_contains((const char *const *)lint->runbook->secrets, name))
        say(lint, "unknown-name", FINDING_ERROR, line, "list it under 'secrets' in the front matter",
            "the secret '%s' is not listed", name);
}

static void mention_module(struct lint *lint, const char *name, int line)
{
    if (!g_hash_table_contains(lint->repository->modules, name))
        say(lint, "unknown-name", FINDING_ERROR, line, NULL, "there is no module '%s' in " MODULES, name);
}

static void mention_concat(struct lint *lint, const char *name G_GNUC_UNUSED, int line)
{
    say(lint, "filter-concat", FINDING_ERROR, line, "give a table: hosts{role=\"web\", env=params.env}",
        "a host filter must not be put together with '..'");
}

static void on_mention(void *arg, enum lua_mention mention, const char *name, int line)
{
    static void (*const functions[])(struct lint * lint, const char *name, int line) = {
        [LUA_PARAM] = mention_param,          [LUA_STEP] = mention_step,     [LUA_HOST] = mention_host,
        [LUA_FILTER] = mention_filter,        [LUA_SECRET] = mention_secret, [LUA_MODULE] = mention_module,
        [LUA_FILTER_CONCAT] = mention_concat,
    };
    functions[mention](arg, name, line);
}

/* ---- one runbook ----------------------------------------------------------------------------------------------- */

static void check_filter(struct lint *lint, const char *filter, int line)
{
    /* With params, what it matches is known only when the run starts. */
    if (!filter || strchr(filter, '$') || !lint->repository->inventory)
        return;
    g_autoptr(json_t) hosts = inventory_filter(lint->repository->inventory, filter, NULL, NULL);
    if (hosts && json_array_size(hosts) == 0)
        say(lint, "no-hosts", FINDING_WARNING, line, NULL, "no host of the inventory matches '%s'", filter);
}

static void check_policy(struct lint *lint, const struct step *step)
{
    const json_t *policies = json_object_get(lint->repository->policies, "policies");
    if (!step->approve || !lint->repository->has_policies || json_object_get(policies, step->approve))
        return;
    g_autoptr(GPtrArray) names = keys_of(policies);
    const char *suggestion = nearest_of(step->approve, names);
    say(lint, "unknown-name", FINDING_ERROR, step->line - 1, suggestion ? suggestion : "policies stand in " TEAMS,
        "there is no policy '%s'", step->approve);
}

static void check_step(struct lint *lint, const struct step *step)
{
    lint->result->steps++;
    check_filter(lint, step->hosts, step->line - 1);
    check_policy(lint, step);
    if (step->language == STEP_LUA) {
        check_lua(lint, step->text, step->line, false);
        lua_scan(step->text, step->line, on_mention, lint);
    }
    if (step->when) {
        check_lua(lint, step->when, step->line - 1, true);
        lua_scan(step->when, step->line - 1, on_mention, lint);
    }
}

static void check_schedules(struct lint *lint)
{
    for (guint i = 0; i < lint->runbook->triggers->len && lint->repository->inventory; i++) {
        const struct trigger *trigger = lint->runbook->triggers->pdata[i];
        g_autoptr(GError) error = NULL;
        if (trigger->kind != TRIGGER_SCHEDULE)
            continue;
        g_autoptr(json_t) params =
            runbook_bind_params(lint->runbook, trigger->params, NULL, lint->repository->inventory, NULL, &error);
        if (!params)
            say(lint, "params", FINDING_ERROR, trigger->line, NULL, "this schedule cannot start: %s", error->message);
    }
}

static void claim_id(struct lint *lint, const char *id)
{
    const char *other = g_hash_table_lookup(lint->repository->ids, id);
    if (other)
        say(lint, "duplicate", FINDING_ERROR, 1, NULL, "the id '%s' belongs to %s already", id, other);
    else
        g_hash_table_insert(lint->repository->ids, g_strdup(id), g_strdup(lint->display));
}

static void check_runbook(struct lint *lint, const struct runbook *runbook)
{
    lint->runbook = runbook;
    claim_id(lint, runbook->id);
    for (char **alias = runbook->aliases; *alias; alias++)
        claim_id(lint, *alias);
    check_filter(lint, runbook->hosts, 1);
    check_schedules(lint);
    for (lint->step = 0; lint->step < runbook->steps->len; lint->step++)
        check_step(lint, runbook->steps->pdata[lint->step]);
}

/* ---- files ----------------------------------------------------------------------------------------------------- */

static char *read_file(const char *path, size_t *ret_length, GError **error)
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
static void take_findings(struct lint *lint, const struct finding_list *from)
{
    for (size_t i = 0; i < finding_count(from); i++) {
        const struct finding *finding = finding_at(from, i);
        finding_add(lint->result->findings, finding->rule, finding->level, lint->display, finding->line,
                    finding->column, finding->suggestion, "%s", finding->message);
    }
}

static const char *relative_path(const struct repository *repository, const char *path)
{
    size_t length = strlen(repository->root);
    return strncmp(path, repository->root, length) == 0 && path[length] == '/' ? path + length + 1 : path;
}

static bool lint_markdown(struct lint *lint, const char *path, GError **error)
{
    size_t length;
    g_autofree char *text = read_file(path, &length, error);
    if (!text)
        return false;
    g_autoptr(finding_list) findings = finding_list_new();
    g_autoptr(runbook_t) runbook = runbook_parse(relative_path(lint->repository, path), text, length, findings);
    take_findings(lint, findings);
    if (runbook && runbook->document) {
        lint->result->documents++;
    } else {
        lint->result->runbooks++;
        if (runbook)
            check_runbook(lint, runbook);
    }
    return true;
}

static bool lint_module(struct lint *lint, const char *path, GError **error)
{
    size_t length;
    g_autofree char *text = read_file(path, &length, error);
    if (!text)
        return false;
    if (length > LIMIT_MODULE_BYTES)
        say(lint, "too-large", FINDING_ERROR, 1, NULL, "the module is larger than %d bytes", LIMIT_MODULE_BYTES);
    else
        check_lua(lint, text, 1, false);
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
    take_findings(lint, findings);
    return parsed;
}

static bool note_module(struct lint *lint, const char *path, GError **error)
{
    g_autofree char *folder = g_build_filename(lint->repository->root, MODULES, NULL);
    char *name = g_strndup(path + strlen(folder) + 1, strlen(path) - strlen(folder) - 1 - strlen(".lua"));
    g_hash_table_add(lint->repository->modules, g_strdelimit(name, "/", '.'));
    g_autofree char *display = display_path(path);
    lint->display = display;
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

static bool lint_file(struct lint *lint, const char *path, GError **error)
{
    if (!g_hash_table_add(lint->seen, g_strdup(path)))
        return true;
    if (!enter_repository(lint, path, error))
        return false;
    g_autofree char *display = display_path(path);
    lint->display = display;
    return lint_markdown(lint, path, error);
}

static bool lint_path(struct lint *lint, const char *given, GError **error)
{
    g_autofree char *path = g_canonicalize_filename(given, NULL);
    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        errors_set(error, ERROR_NOT_FOUND, "there is no file or folder '%s'", given);
        return false;
    }
    if (!g_file_test(path, G_FILE_TEST_IS_DIR))
        return lint_file(lint, path, error);
    if (!enter_repository(lint, path, error))
        return false;
    g_autofree char *runbooks = g_build_filename(path, "runbooks", NULL);
    bool whole = is_root(path) && g_file_test(runbooks, G_FILE_TEST_IS_DIR);
    return walk(lint, whole ? runbooks : path, ".md", 0, lint_file, error);
}

bool lint_paths(const char *const *paths, lint_lua_fn check, struct lint_result *ret, GError **error)
{
    *ret = (struct lint_result){.findings = finding_list_new()};
    struct lint lint = {
        .result = ret,
        .check_lua = check,
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
