/* lint: everything that can be said about a folder of runbooks without a server: what the parser finds, and what only
 * the files together show: unknown policies, hosts, params, steps, modules; Lua that does not compile; steps that never
 * run; tests of nothing. */
#ifndef JOBS_LINT_H
#define JOBS_LINT_H

#include "core/finding.h"
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

/* What jobs/ does not know itself. */
struct lint_options {
    /* Checks Lua without running it: lua_check_syntax() of lua/. NULL = fine, else a message (g_free). */
    char *(*check_lua)(const char *text, const char *file, int line, bool expression, int *ret_line);
    /* The globals of a step: lua_global_names() of lua/. NULL-terminated. */
    const char *const *lua_globals;
    /* The modules that the program brings along: lua_module_names() of lua/. NULL-terminated. */
    const char *const *lua_modules;
    /* Names of the alert rules that exist, NULL-terminated; NULL: not known, triggers are not compared. */
    const char *const *alerts;
};

struct lint_result {
    struct finding_list *findings; /* sorted; files as reached from the paths given */
    size_t runbooks, documents, steps, tests;
};

/* Lints files and folders (every *.md and *.test.yaml below; a repository's root means its runbooks/ folder, with
 * inventory, teams and modules, and tests anywhere below the root). The repository of a file is the nearest folder
 * above with .git or hikeshi/. False: a path cannot be read (ERROR_IO, ERROR_NOT_FOUND). */
bool lint_paths(const char *const *paths, const struct lint_options *options, struct lint_result *ret, GError **error);
void lint_result_clear(struct lint_result *result);

#endif
