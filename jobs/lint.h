/* lint: everything that can be said about a folder of runbooks without a server: what the parser finds, and what only
 * the files together show: unknown policies, hosts, params, steps, modules; Lua that does not compile. */
#ifndef JOBS_LINT_H
#define JOBS_LINT_H

#include "core/finding.h"
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

/* Checks Lua without running it; lua_check_syntax() of lua/, which jobs/ does not know. NULL = fine, else a message
 * (g_free). */
typedef char *(*lint_lua_fn)(const char *text, const char *file, int line, bool expression, int *ret_line);

struct lint_result {
    struct finding_list *findings; /* sorted; files as reached from the paths given */
    size_t runbooks, documents, steps;
};

/* Lints files and folders (every *.md below; a repository's root means its runbooks/ folder, with inventory, teams and
 * modules). The repository of a file is the nearest folder above with .git or hikeshi/. False: a path cannot be read
 * (ERROR_IO, ERROR_NOT_FOUND). */
bool lint_paths(const char *const *paths, lint_lua_fn check_lua, struct lint_result *ret, GError **error);
void lint_result_clear(struct lint_result *result);

#endif
