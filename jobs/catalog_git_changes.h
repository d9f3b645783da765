/* catalog_git_changes: a checkout (a repository with its files) compared with its own history. Part of the libgit2
 * adapter.
 *
 * Every failure is ERROR_INVALID with one line that says what to do: what is wrong is what the user asked for or how
 * the repository was cloned. */
#ifndef JOBS_CATALOG_GIT_CHANGES_H
#define JOBS_CATALOG_GIT_CHANGES_H

#include "jobs/catalog_git.h"
#include <stdint.h>

/* The checkout that holds a file or folder. Freed with catalog_git_free(). */
struct catalog_git *catalog_git_open_checkout(const char *path, GError **error);
/* Its folder: absolute, symbolic links resolved, no slash at the end. */
const char *catalog_git_folder(const struct catalog_git *git);
/* History was cut off when it was cloned. */
bool catalog_git_is_shallow(const struct catalog_git *git);

/* The commit at which HEAD left `revision` (their merge base), as hex; g_free. */
char *catalog_git_merge_base(struct catalog_git *git, const char *revision, GError **error);

enum catalog_change_kind { CATALOG_ADDED, CATALOG_MODIFIED, CATALOG_RENAMED, CATALOG_DELETED };

/* A file that differs between a commit and the working tree. */
struct catalog_change {
    enum catalog_change_kind kind;
    char *path;     /* now; NULL when deleted */
    char *old_path; /* in the commit; NULL when added */
    char *old_blob; /* for catalog_git_read(); NULL when added, or when it was no regular file */
    char *unknown;  /* NULL, or why nothing can be said: a submodule whose old commit is not here */
};
void catalog_change_free(struct catalog_change *change);

/* What changed from `commit` to the files as they are, committed or not; files that Git ignores and untracked
 * repositories do not count. Submodules are looked into. GPtrArray of struct catalog_change*, freed with it. */
GPtrArray *catalog_git_changes(struct catalog_git *git, const char *commit, GError **error);
/* Whether a commit has a file or folder of this path. */
bool catalog_git_has(struct catalog_git *git, const char *commit, const char *path);

/* When each of `paths` (keys: relative paths) was last changed in HEAD's history. The values become int64_t* seconds
 * since 1970, owned by the table; NULL stays with paths that HEAD does not have, and with those whose last change is
 * not found within LIMIT_COVERAGE_HISTORY_COMMITS or (*ret_cut) is hidden by a shallow clone. Merges count for nothing:
 * what they bring was changed by the commits they merge. */
void catalog_git_last_changes(struct catalog_git *git, GHashTable *paths, bool *ret_cut);
/* The file differs from HEAD's, or is not in it. */
bool catalog_git_is_dirty(struct catalog_git *git, const char *path);

#endif
