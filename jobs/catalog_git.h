/* catalog_git: the only adapter of libgit2: fetching into a bare mirror, and reading one commit of it. Knows no
 * runbook.
 *
 * Reading is for any thread, each with its own catalog_git. Fetching blocks without limit: only in a process of its
 * own. */
#ifndef JOBS_CATALOG_GIT_H
#define JOBS_CATALOG_GIT_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

struct catalog_git;

/* Opens a bare mirror. NULL without error when there is none yet. ERROR_GIT. */
struct catalog_git *catalog_git_open(const char *mirror, GError **error);
void catalog_git_free(struct catalog_git *git);

/* The commit of a branch, or of HEAD when branch is NULL, as hex (g_free). NULL without error when the mirror has none.
 */
char *catalog_git_commit(struct catalog_git *git, const char *branch, GError **error);

enum catalog_entry_kind { CATALOG_ENTRY_FILE, CATALOG_ENTRY_FOLDER, CATALOG_ENTRY_SYMLINK, CATALOG_ENTRY_SUBMODULE };

/* One entry of a tree. `path` is as the tree has it: it may hold "..", a slash in a name, or bytes that are not UTF-8.
 * For a folder true means: go in. */
typedef bool (*catalog_entry_fn)(void *arg, const char *path, enum catalog_entry_kind kind, const char *blob);
bool catalog_git_walk(struct catalog_git *git, const char *commit, catalog_entry_fn fn, void *arg, GError **error);

/* A blob's bytes, NUL-terminated (g_free). ERROR_TOO_LARGE before anything is read when it has more than `maximum`. */
char *catalog_git_read(struct catalog_git *git, const char *blob, size_t maximum, size_t *ret_length, GError **error);

/* The versions of a file that differ from the one in `commit`, newest first, at most LIMIT_CATALOG_HISTORY_COMMITS
 * back. Each commit looked at takes one from *budget. fn returns false to stop. Errors end the walk: the history is a
 * help, not a promise. */
void catalog_git_history(struct catalog_git *git, const char *commit, const char *path, int *budget,
                         bool (*fn)(void *arg, const char *commit, const char *blob), void *arg);

struct catalog_fetch {
    const char *mirror, *url;
    const char *branch;                /* NULL: the one that the remote's HEAD names */
    const char *user, *token;          /* HTTPS; token is the value. SSH: user when the URL has none. May be NULL */
    const char *identity, *passphrase; /* SSH: path of a private key, NULL = agent; the passphrase's value or NULL */
    const char *known_hosts;           /* path */
};
/* Makes the mirror's branch and HEAD what the remote's are, forced. Creates the mirror. ERROR_GIT with one line of
 * text; ERROR_HOST_KEY and ERROR_AUTH for SSH. */
bool catalog_git_fetch(const struct catalog_fetch *fetch, GError **error);

#endif
