/* lint_private: what the parts of lint share: lint.c (paths and repositories), lint_file.c (one file),
 * lint_runbook.c (one runbook among the
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

/* One file at hand. Files are checked on several threads, each into a result of its own: of what they share, the
 * options and the repository, a check changes nothing. */
struct lint {
    const struct lint_options *options;
    struct lint_result *result;
    struct repository *repository;
    const char *display; /* the file's path as the caller will read it */
    GPtrArray *ids;      /* ids and aliases that the file claims */
    const struct runbook *runbook;
    guint step;        /* index */
    GPtrArray *tokens; /* GArray* of lua_lex(), a step each; NULL for shell */
    GHashTable *params_used;
    bool params_computed; /* params[x]: any may be used */
    struct data_flow data;
};

/* lint_file.c */
void lint_say(struct lint *lint, const char *rule, enum finding_level level, int line, int column,
              const char *suggestion, const char *format, ...) G_GNUC_PRINTF(7, 8);
/* Appends findings with the path as the caller knows it. */
void lint_take(struct lint *lint, const struct finding_list *from);
/* Borrowed from `names`, or NULL. */
const char *lint_nearest(const char *word, GPtrArray *names);
char *lint_read_file(const char *path, size_t *ret_length, GError **error);
const char *lint_relative_path(const struct repository *repository, const char *path);
bool lint_markdown(struct lint *lint, const char *path, GError **error);
bool lint_module(struct lint *lint, const char *path, GError **error);

/* lint_runbook.c */
void lint_check_runbook(struct lint *lint, const struct runbook *runbook);
/* A file with errors: only what does not depend on what could not be read. */
void lint_check_broken(struct lint *lint, const struct runbook *runbook);

/* lint_lua.c */
void lint_check_syntax(struct lint *lint, const char *text, int line, bool expression);
/* The rest reads the tokens of lua_lex(). Names that are neither declared nor of the API. */
void lint_check_globals(struct lint *lint, const GArray *tokens);
/* Params, hosts, steps and the like that the text mentions. */
void lint_check_names(struct lint *lint, const GArray *tokens);
/* The text reaches hosts or other systems: it could change something. */
bool lint_lua_reaches_out(const GArray *tokens);
/* The text ends in a finish() or fail() that nothing guards. */
bool lint_lua_always_ends(const GArray *tokens);

/* lint_test.c */
bool lint_test_file(struct lint *lint, const char *path, GError **error);

#endif
