/* lint_private: what the parts of lint share: lint.c (files and repositories), lint_runbook.c (one runbook among the
 * others), lint_lua.c (its Lua), lint_test.c (files of cases). */
#ifndef JOBS_LINT_PRIVATE_H
#define JOBS_LINT_PRIVATE_H

#include "jobs/lint.h"
#include "jobs/runbook.h"

/* One repository: what its files may refer to. NULL inventory or policies: the file is absent (or broken, and said so).
 */
struct repository {
    char *root;
    json_t *inventory, *policies;
    GHashTable *modules; /* "net.dns" */
    GHashTable *ids;     /* id or alias → path */
    bool has_policies;   /* the teams file was read, or is absent: its names can be compared */
};

/* What the steps so far have left in `data`. */
struct data_flow {
    GHashTable *set; /* names */
    bool unknown;    /* something computed was set: any name may be there */
};

struct lint {
    const struct lint_options *options;
    struct lint_result *result;
    GHashTable *repositories; /* root → struct repository* */
    GHashTable *seen;         /* files: one given twice is linted once */
    /* the file at hand */
    struct repository *repository;
    const char *display; /* its path as the caller will read it */
    const struct runbook *runbook;
    guint step; /* index */
    GHashTable *params_used;
    bool params_computed; /* params[x]: any may be used */
    struct data_flow data;
};

/* lint.c */
void lint_say(struct lint *lint, const char *rule, enum finding_level level, int line, int column,
              const char *suggestion, const char *format, ...) G_GNUC_PRINTF(7, 8);
/* Appends findings with the path as the caller knows it. */
void lint_take(struct lint *lint, const struct finding_list *from);
/* Borrowed from `names`, or NULL. */
const char *lint_nearest(const char *word, GPtrArray *names);
char *lint_read_file(const char *path, size_t *ret_length, GError **error);
const char *lint_relative_path(const struct repository *repository, const char *path);

/* lint_runbook.c */
void lint_check_runbook(struct lint *lint, const struct runbook *runbook);
/* A file with errors: only what does not depend on what could not be read. */
void lint_check_broken(struct lint *lint, const struct runbook *runbook);

/* lint_lua.c */
void lint_check_syntax(struct lint *lint, const char *text, int line, bool expression);
/* Names that are neither declared nor of the API. */
void lint_check_globals(struct lint *lint, const char *text, int line);
/* Params, hosts, steps and the like that the text mentions. */
void lint_check_names(struct lint *lint, const char *text, int line);
/* The text reaches hosts or other systems: it could change something. */
bool lint_lua_reaches_out(const char *text);
/* The text ends in a finish() or fail() that nothing guards. */
bool lint_lua_always_ends(const char *text);

/* lint_test.c */
bool lint_test_file(struct lint *lint, const char *path, GError **error);

#endif
