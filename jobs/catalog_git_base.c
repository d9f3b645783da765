/* catalog_git_base: where HEAD left another revision. In a shallow clone by a search of our own: libgit2 before 1.7
 * does not know where such a history ends, and fails at the first commit that is not there, although the answer may be.
 */
#include "core/errors.h"
#include "core/limits.h"
#include "jobs/catalog_git_changes.h"
#include "jobs/catalog_git_private.h"
#include <string.h>

#define DEEPER "fetch the whole history (actions/checkout: fetch-depth: 0)"

static bool resolve(struct catalog_git *git, const char *revision, git_oid *ret)
{
    git_object *object = NULL, *commit = NULL;
    bool found = git_revparse_single(&object, git->repository, revision) == 0 &&
                 git_object_peel(&commit, object, GIT_OBJECT_COMMIT) == 0;
    if (found)
        git_oid_cpy(ret, git_object_id(commit));
    git_object_free(commit);
    git_object_free(object);
    return found;
}

/* ---- the history that is there ---- */

struct search {
    git_repository *repository;
    GSequence *waiting; /* git_commit*, latest first */
    GHashTable *seen;   /* hex */
};

static gint latest_first(gconstpointer a, gconstpointer b, gpointer data)
{
    (void)data;
    git_time_t left = git_commit_time(a), right = git_commit_time(b);
    return (left < right) - (left > right);
}

static void search_init(struct search *search, git_repository *repository)
{
    search->repository = repository;
    search->waiting = g_sequence_new((GDestroyNotify)git_commit_free);
    search->seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

static void search_clear(struct search *search)
{
    g_sequence_free(search->waiting);
    g_hash_table_unref(search->seen);
}

static void search_add(struct search *search, const git_oid *id)
{
    git_commit *commit = NULL;
    if (g_hash_table_size(search->seen) < LIMIT_COVERAGE_HISTORY_COMMITS &&
        git_commit_lookup(&commit, search->repository, id) == 0) {
        if (g_hash_table_add(search->seen, catalog_git_hex(id)))
            g_sequence_insert_sorted(search->waiting, g_steal_pointer(&commit), latest_first, NULL);
        git_commit_free(commit);
    }
}

/* The latest commit that waits, its parents waiting now; false at the end. */
static bool search_next(struct search *search, git_oid *ret)
{
    GSequenceIter *first = g_sequence_get_begin_iter(search->waiting);
    if (g_sequence_iter_is_end(first))
        return false;
    git_commit *commit = NULL;
    git_commit_dup(&commit, g_sequence_get(first));
    g_sequence_remove(first);
    for (unsigned i = 0; i < git_commit_parentcount(commit); i++)
        search_add(search, git_commit_parent_id(commit, i));
    git_oid_cpy(ret, git_commit_id(commit));
    git_commit_free(commit);
    return true;
}

static bool visible_base(git_repository *repository, const git_oid *head, const git_oid *other, git_oid *ret)
{
    struct search ours, theirs;
    bool found = false;
    search_init(&ours, repository);
    search_init(&theirs, repository);
    search_add(&ours, head);
    search_add(&theirs, other);
    while (search_next(&ours, ret))
        continue;
    while (!found && search_next(&theirs, ret)) {
        g_autofree char *hex = catalog_git_hex(ret);
        found = g_hash_table_contains(ours.seen, hex);
    }
    search_clear(&ours);
    search_clear(&theirs);
    return found;
}

/* ---- the base ---- */

char *catalog_git_merge_base(struct catalog_git *git, const char *revision, GError **error)
{
    git_oid head, other, base;
    bool shallow = catalog_git_is_shallow(git);
    if (!resolve(git, "HEAD", &head)) {
        errors_set(error, ERROR_INVALID, "the repository '%s' has no commit yet", git->folder);
        return NULL;
    }
    if (!resolve(git, revision, &other)) {
        errors_set(error, ERROR_INVALID, "there is no revision '%s' in '%s'%s", revision, git->folder,
                   shallow ? "; its history is cut short: " DEEPER : "");
        return NULL;
    }
    int result = !shallow ? git_merge_base(&base, git->repository, &other, &head)
                 : visible_base(git->repository, &head, &other, &base) ? 0
                                                                       : GIT_ENOTFOUND;
    if (result == 0)
        return catalog_git_hex(&base);
    if (shallow)
        errors_set(error, ERROR_INVALID, "where HEAD left '%s' is not in this clone, its history is cut short: " DEEPER,
                   revision);
    else if (result == GIT_ENOTFOUND)
        errors_set(error, ERROR_INVALID, "HEAD and '%s' have no commit in common", revision);
    else
        errors_set(error, ERROR_INVALID, "cannot find where HEAD left '%s'", revision);
    return NULL;
}
