/* catalog_git_times: when files last changed: one walk back through the history for all of them together. */
#include "core/limits.h"
#include "jobs/catalog_git_changes.h"
#include "jobs/catalog_git_private.h"
#include <string.h>

struct timing {
    git_repository *repository;
    GHashTable *paths, *folders; /* folders: those that hold paths; no other is looked into */
    guint missing;               /* how many paths have no time yet */
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

static GHashTable *folders_of(GHashTable *paths)
{
    GHashTable *folders = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GHashTableIter iter;
    gpointer path;
    g_hash_table_iter_init(&iter, paths);
    while (g_hash_table_iter_next(&iter, &path, NULL))
        for (const char *slash = path; (slash = strchr(slash, '/')); slash++)
            g_hash_table_add(folders, g_strndup(path, (size_t)(slash - (const char *)path)));
    return folders;
}

static void take_time(struct timing *timing, const char *changed)
{
    gpointer path, time;
    if (!g_hash_table_lookup_extended(timing->paths, changed, &path, &time) || time)
        return;
    int64_t *seconds = g_new(int64_t, 1);
    *seconds = timing->seconds;
    g_hash_table_insert(timing->paths, g_strdup(path), seconds);
    timing->missing--;
}

static bool compare_trees(struct timing *timing, const git_tree *before, const git_tree *now, const char *prefix);

/* Folders that differ, and that hold paths. `before` is NULL when it was no folder. */
static bool compare_folders(struct timing *timing, const git_tree_entry *before, const git_tree_entry *now,
                            const char *path)
{
    git_tree *old = NULL, *new = NULL;
    bool was = before && git_tree_entry_type(before) == GIT_OBJECT_TREE;
    g_autofree char *prefix = g_strconcat(path, "/", NULL);
    bool fine = git_tree_lookup(&new, timing->repository, git_tree_entry_id(now)) == 0 &&
                (!was || git_tree_lookup(&old, timing->repository, git_tree_entry_id(before)) == 0) &&
                compare_trees(timing, old, new, prefix);
    git_tree_free(old);
    git_tree_free(new);
    return fine;
}

/* libgit2's own diff of trees costs a hundred times as much: it looks at all that there is. */
static bool compare_trees(struct timing *timing, const git_tree *before, const git_tree *now, const char *prefix)
{
    bool fine = true;
    for (size_t i = 0; fine && i < git_tree_entrycount(now); i++) {
        const git_tree_entry *entry = git_tree_entry_byindex(now, i);
        const git_tree_entry *old = before ? git_tree_entry_byname(before, git_tree_entry_name(entry)) : NULL;
        if (old && git_oid_equal(git_tree_entry_id(old), git_tree_entry_id(entry)))
            continue;
        g_autofree char *path = g_strconcat(prefix, git_tree_entry_name(entry), NULL);
        if (git_tree_entry_type(entry) != GIT_OBJECT_TREE)
            take_time(timing, path);
        else if (g_hash_table_contains(timing->folders, path))
            fine = compare_folders(timing, old, entry, path);
    }
    return fine;
}

/* What a commit changed against its parent. False: the parent is not here, so that nothing can be said. */
static bool time_commit(struct timing *timing, git_commit *commit)
{
    git_commit *parent = NULL;
    git_tree *tree = NULL, *before = NULL;
    /* Where a shallow history ends, libgit2 from 1.7 on shows a commit without parents, before that one whose parent is
     * not there. */
    bool first = git_commit_parentcount(commit) == 0 && !timing->shallow;
    timing->seconds = git_commit_time(commit);
    bool fine = (first || (git_commit_parent(&parent, commit, 0) == 0 && git_commit_tree(&before, parent) == 0)) &&
                git_commit_tree(&tree, commit) == 0 && compare_trees(timing, before, tree, "");
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
    g_autoptr(GHashTable) folders = folders_of(paths);
    struct timing timing = {
        git->repository, paths, folders, count_present(git->repository, paths), catalog_git_is_shallow(git), 0};
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
