/* catalog_tree: one repository at one commit, read and parsed: immutable, reference counted, for any thread. Knows no
 * Git: it is offered entries, and reads them through a function, so that a mirror and a working tree go the same way.
 */
#ifndef JOBS_CATALOG_TREE_H
#define JOBS_CATALOG_TREE_H

#include "core/finding.h"
#include "core/json.h"
#include "jobs/catalog_git.h"
#include "jobs/runbook.h"

/* Which files of a repository matter. Paths without leading or trailing slash. */
struct catalog_layout {
    const char *runbooks;  /* folder; "." = the whole repository */
    const char *inventory; /* "hikeshi/inventory.yaml" */
    const char *teams;
};

enum catalog_file_kind { CATALOG_RUNBOOK, CATALOG_MODULE, CATALOG_INVENTORY, CATALOG_TEAMS };

/* One version of one file, parsed once. Shared by all trees that have it. */
struct catalog_file {
    gatomicrefcount references;
    enum catalog_file_kind kind;
    char *path, *blob;
    struct runbook *runbook; /* CATALOG_RUNBOOK */
    json_t *value;           /* the others: array of hosts, teams and policies, a module's text */
    struct finding_list *findings;
};
struct catalog_file *catalog_file_ref(struct catalog_file *file);
void catalog_file_unref(struct catalog_file *file);
bool catalog_file_good(const struct catalog_file *file); /* it has a runbook or value */

/* A path of the tree: the version in the commit, and the one in service. */
struct catalog_entry {
    struct catalog_file *current;
    struct catalog_file *served; /* the same, or the last good one, or NULL */
    char *served_commit;
};

struct catalog_tree {
    gatomicrefcount references;
    char *commit;
    GPtrArray *entries;            /* struct catalog_entry*, sorted by path */
    struct finding_list *findings; /* about entries that are not read at all */
    bool cut;                      /* LIMIT_CATALOG_FILES was reached */
    size_t parsed;                 /* how many files were parsed for this tree: the others were shared */
};
struct catalog_tree *catalog_tree_ref(struct catalog_tree *tree);
void catalog_tree_unref(struct catalog_tree *tree);
const struct catalog_entry *catalog_tree_entry(const struct catalog_tree *tree, const char *path);

/* Where the bytes come from. */
struct catalog_reader {
    void *arg;
    char *(*read)(void *arg, const char *path, const char *blob, size_t maximum, size_t *ret_length, GError **error);
    /* Earlier versions of a file, newest first; may be NULL. */
    void (*history)(void *arg, const char *path, bool (*fn)(void *arg, const char *commit, const char *blob),
                    void *fn_arg);
};

/* Building: new, offer each entry, finish. */
struct catalog_tree *catalog_tree_new(const char *commit); /* NULL: a working tree */
/* As catalog_entry_fn. Unsafe entries become findings. */
bool catalog_tree_offer(struct catalog_tree *tree, const struct catalog_layout *layout, const char *path,
                        enum catalog_entry_kind kind, const char *blob);
/* Parses what `previous` (maybe NULL) does not have. */
void catalog_tree_finish(struct catalog_tree *tree, const struct catalog_tree *previous,
                         const struct catalog_reader *reader);

#endif
