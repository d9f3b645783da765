/* catalog_git_times: when files last changed: one walk back through the history for all of them together. */
#include "core/limits.h"
#include "jobs/catalog_git_changes.h"
#include "jobs/catalog_git_private.h"

struct timing {
    git_repository *repository;
    GHashTable *paths;
    guint missing; /* how many have no time yet */
    bool shallow;
    int64_t seconds; /* of the commit at hand */
};

/* Paths that HEAD does not have would be looked for until the first commit. */
static guint count_present(git_repository *repository, GHashTable *paths)
{
    git_object *tree = NULL;
    GHashTableIter iter;
    gpointer path;
    guint count = 0;
    if (git_revparse_single(&tree, repository, "HEAD^{tree}") < 0)
        return 0;
    g_hash_table_iter_init(&iter, paths);
    while (g_hash_table_iter_next(&iter, &path, NULL)) {
        git_tree_entry *entry = NULL;
        count += git_tree_entry_bypath(&entry, (git_tree *)tree, path) == 0;
        git_tree_entry_free(entry);
    }
    git_object_free(tree);
    return count;
}

static int on_delta(const git_diff_delta *delta, float progress, void *payload)
{
    (void)progress;
    struct timing *timing = payload;
    gpointer path, time;
    if (delta->status == GIT_DELTA_DELETED ||
        !g_hash_table_lookup_extended(timing->paths, delta->new_file.path, &path, &time) || time)
        return 0;
    int64_t *seconds = g_new(int64_t, 1);
    *seconds = timing->seconds;
    g_hash_table_insert(timing->paths, g_strdup(path), seconds);
    timing->missing--;
    return 0;
}

/* What a commit changed against its parent. False: the parent is not here, so that nothing can be said. */
static bool time_commit(struct timing *timing, git_commit *commit)
{
    git_commit *parent = NULL;
    git_tree *tree = NULL, *before = NULL;
    git_diff *diff = NULL;
    git_diff_options options;
    git_diff_options_init(&options, GIT_DIFF_OPTIONS_VERSION);
    options.flags = GIT_DIFF_SKIP_BINARY_CHECK;
    /* Where a shallow history ends, libgit2 from 1.7 on shows a commit without parents, before that one whose parent is
     * not there. */
    bool first = git_commit_parentcount(commit) == 0 && !timing->shallow;
    bool fine = (first || (git_commit_parent(&parent, commit, 0) == 0 && git_commit_tree(&before, parent) == 0)) &&
                git_commit_tree(&tree, commit) == 0 &&
                git_diff_tree_to_tree(&diff, timing->repository, before, tree, &options) == 0;
    timing->seconds = git_commit_time(commit);
    if (fine)
        git_diff_foreach(diff, on_delta, NULL, NULL, NULL, timing);
    git_diff_free(diff);
    git_tree_free(before);
    git_tree_free(tree);
    git_commit_free(parent);
    return fine;
}

static bool step(struct timing *timing, const git_oid *id)
{
    git_commit *commit = NULL;
    bool fine = git_commit_lookup(&commit, timing->repository, id) == 0 &&
                (git_commit_parentcount(commit) > 1 || time_commit(timing, commit));
    git_commit_free(commit);
    return fine;
}

void catalog_git_last_changes(struct catalog_git *git, GHashTable *paths, bool *ret_cut)
{
    struct timing timing = {git->repository, paths, count_present(git->repository, paths), catalog_git_is_shallow(git),
                            0};
    git_revwalk *walk = NULL;
    git_oid id;
    bool fine = git_revwalk_new(&walk, git->repository) == 0 && git_revwalk_push_head(walk) == 0;
    git_revwalk_sorting(walk, GIT_SORT_TIME);
    for (int i = 0; fine && timing.missing && i < LIMIT_COVERAGE_HISTORY_COMMITS; i++)
        fine = git_revwalk_next(&id, walk) == 0 && step(&timing, &id);
    git_revwalk_free(walk);
    *ret_cut = timing.shallow && timing.missing > 0;
}

bool catalog_git_is_dirty(struct catalog_git *git, const char *path)
{
    unsigned status;
    return git_status_file(&status, git->repository, path) < 0 ||
           (status != GIT_STATUS_CURRENT && status != GIT_STATUS_IGNORED);
}
