/* lint_file: one file of a repository: a runbook or document, or a module. Several are read at a time: nothing here is
 * shared but what lint_private.h says. */
#include "core/errors.h"
#include "core/limits.h"
#include "core/lua_lex.h"
#include "jobs/lint_private.h"
#include <string.h>

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

bool lint_markdown(struct lint *lint, const char *path, GError **error)
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

/* Names that the standard library has taken. */
static void check_module_name(struct lint *lint, const char *path)
{
    static const char hidden[] = "hikeshi/lib/hikeshi/";
    const char *name = lint_relative_path(lint->repository, path);
    if (!g_str_has_prefix(name, hidden))
        return;
    g_autofree char *module = g_strndup(name + strlen("hikeshi/lib/"), strlen(name) - strlen("hikeshi/lib/.lua"));
    lint_say(lint, "duplicate", FINDING_ERROR, 1, 1, "move it out of hikeshi/lib/hikeshi",
             "names that begin with 'hikeshi.' are those of the standard library: '%s' cannot be required",
             g_strdelimit(module, "/", '.'));
}

bool lint_module(struct lint *lint, const char *path, GError **error)
{
    size_t length;
    g_autofree char *text = lint_read_file(path, &length, error);
    if (!text)
        return false;
    check_module_name(lint, path);
    if (length > LIMIT_MODULE_BYTES) {
        lint_say(lint, "too-large", FINDING_ERROR, 1, 1, NULL, "the module is larger than %d bytes",
                 LIMIT_MODULE_BYTES);
        return true;
    }
    g_autoptr(GArray) tokens = lua_lex(text, 1);
    lint_check_syntax(lint, text, 1, false);
    lint_check_globals(lint, tokens);
    return true;
}
