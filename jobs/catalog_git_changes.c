/* catalog_git_changes: see the header. Submodules are opened beside their parent, and their objects lent to it, so that
 * one catalog_git_read() reads every old blob. */
#include "jobs/catalog_git_changes.h"
#include "core/errors.h"
#include "core/limits.h"
#include "jobs/catalog_git_private.h"
#include <string.h>

struct catalog_git *catalog_git_open_checkout(const char *path, GError **error)
{
    catalog_git_start();
    git_repository *repository = NULL;
    int result = git_repository_open_ext(&repository, path, 0, NULL);
    if (result == GIT_ENOTFOUND) {
        errors_set(error, ERROR_INVALID, "'%s' is in no Git repository", path);
        return NULL;
    }
    if (result < 0) {
        g_autofree char *message = catalog_git_message();
        errors_set(error, ERROR_INVALID, "cannot open the Git repository of '%s': %s", path, message);
        return NULL;
    }
    const char *folder = git_repository_workdir(repository);
    if (!folder) {
        errors_set(error, ERROR_INVALID, "'%s' is in a bare Git repository, which has no files", path);
        git_repository_free(repository);
        return NULL;
    }
    struct catalog_git *git = catalog_git_take(repository);
    size_t length = strlen(folder);
    git->folder = g_strndup(folder, length > 1 && folder[length - 1] == '/' ? length - 1 : length);
    return git;
}

const char *catalog_git_folder(const struct catalog_git *git)
{
    return git->folder;
}

bool catalog_git_is_shallow(const struct catalog_git *git)
{
    return git_repository_is_shallow(git->repository) == 1;
}

static git_tree *tree_of(git_repository *repository, const git_oid *id)
{
    git_commit *commit = NULL;
    git_tree *tree = NULL;
    if (git_commit_lookup(&commit, repository, id) == 0 && git_commit_tree(&tree, commit) < 0)
        tree = NULL;
    git_commit_free(commit);
    return tree;
}

bool catalog_git_has(struct catalog_git *git, const char *commit, const char *path)
{
    git_oid id;
    git_tree_entry *entry = NULL;
    git_tree *tree = git_oid_fromstr(&id, commit) == 0 ? tree_of(git->repository, &id) : NULL;
    bool found = tree && (!*path || git_tree_entry_bypath(&entry, tree, path) == 0);
    git_tree_entry_free(entry);
    git_tree_free(tree);
    return found;
}

/* ---- what changed ---- */

void catalog_change_free(struct catalog_change *change)
{
    if (!change)
        return;
    g_free(change->path);
    g_free(change->old_path);
    g_free(change->old_blob);
    g_free(change->unknown);
    g_free(change);
}

/* Where the changes of one repository go. */
struct gathering {
    struct catalog_git *git; /* who reads the blobs */
    GPtrArray *changes;
    int depth;
};

static bool gather(struct gathering *gathering, git_repository *repository, git_tree *before, const char *prefix);

static char *path_of(const char *prefix, const git_diff_file *file)
{
    return g_strconcat(prefix, file->path, NULL);
}

static void add_unknown(struct gathering *gathering, const char *path, const char *reason)
{
    struct catalog_change *change = g_new0(struct catalog_change, 1);
    change->kind = CATALOG_MODIFIED;
    change->path = g_strdup(path);
    change->old_path = g_strdup(path);
    change->unknown = g_strdup(reason);
    g_ptr_array_add(gathering->changes, change);
}

/* The submodule's objects can be read through the parent from now on. */
static void lend_objects(struct catalog_git *git, git_repository *submodule)
{
    git_odb *odb = NULL;
    g_autofree char *objects = g_build_filename(git_repository_commondir(submodule), "objects", NULL);
    if (git_repository_odb(&odb, git->repository) == 0)
        git_odb_add_disk_alternate(odb, objects);
    git_odb_free(odb);
}

/* One submodule; `was` is NULL when the commit had none at this path, `is` false when there is none now. */
static void gather_submodule(struct gathering *gathering, git_repository *parent, const char *path, const git_oid *was,
                             bool is, const char *prefix)
{
    g_autofree char *folder = g_build_filename(git_repository_workdir(parent), path, NULL);
    g_autofree char *told = g_strconcat(prefix, path, NULL), *inner = g_strconcat(told, "/", NULL);
    git_repository *repository = NULL;
    git_tree *before = NULL;
    bool open = is && gathering->depth < LIMIT_FOLDER_DEPTH && git_repository_open(&repository, folder) == 0;
    if (open && was && !(before = tree_of(repository, was))) {
        add_unknown(gathering, told, "a submodule whose former commit is not in this clone");
    } else if (open) {
        gathering->depth++;
        lend_objects(gathering->git, repository);
        if (!gather(gathering, repository, before, inner))
            add_unknown(gathering, told, "a submodule that cannot be compared with its former commit");
        gathering->depth--;
    } else if (was) {
        add_unknown(gathering, told, is ? "a submodule that is not checked out" : "a submodule that was removed");
    }
    git_tree_free(before);
    git_repository_free(repository);
}

/* The submodules of the index, and those that are no longer in it. */
static void gather_submodules(struct gathering *gathering, git_repository *repository, git_tree *before,
                              const char *prefix)
{
    git_index *index = NULL;
    git_diff *gone = NULL;
    if (git_repository_index(&index, repository) < 0)
        return;
    for (size_t i = 0; i < git_index_entrycount(index); i++) {
        const git_index_entry *entry = git_index_get_byindex(index, i);
        git_tree_entry *old = NULL;
        if (entry->mode != GIT_FILEMODE_COMMIT)
            continue;
        bool was = before && git_tree_entry_bypath(&old, before, entry->path) == 0 &&
                   git_tree_entry_type(old) == GIT_OBJECT_COMMIT;
        gather_submodule(gathering, repository, entry->path, was ? git_tree_entry_id(old) : NULL, true, prefix);
        git_tree_entry_free(old);
    }
    bool fine = git_diff_tree_to_index(&gone, repository, before, index, NULL) == 0;
    for (size_t i = 0; fine && i < git_diff_num_deltas(gone); i++) {
        const git_diff_delta *delta = git_diff_get_delta(gone, i);
        if (delta->status == GIT_DELTA_DELETED && delta->old_file.mode == GIT_FILEMODE_COMMIT)
            gather_submodule(gathering, repository, delta->old_file.path, &delta->old_file.id, false, prefix);
    }
    git_diff_free(gone);
    git_index_free(index);
}

static bool is_file(const git_diff_file *file)
{
    return file->mode == GIT_FILEMODE_BLOB || file->mode == GIT_FILEMODE_BLOB_EXECUTABLE;
}

static bool was_there(const git_diff_delta *delta)
{
    return delta->status != GIT_DELTA_ADDED && delta->status != GIT_DELTA_UNTRACKED &&
           delta->status != GIT_DELTA_COPIED;
}

static void gather_file(struct gathering *gathering, const git_diff_delta *delta, const char *prefix)
{
    struct catalog_change *change = g_new0(struct catalog_change, 1);
    bool was = was_there(delta), is = delta->status != GIT_DELTA_DELETED;
    change->kind = !was                                 ? CATALOG_ADDED
                   : !is                                ? CATALOG_DELETED
                   : delta->status == GIT_DELTA_RENAMED ? CATALOG_RENAMED
                                                        : CATALOG_MODIFIED;
    change->path = is ? path_of(prefix, &delta->new_file) : NULL;
    change->old_path = was ? path_of(prefix, &delta->old_file) : NULL;
    change->old_blob = was && is_file(&delta->old_file) ? catalog_git_hex(&delta->old_file.id) : NULL;
    g_ptr_array_add(gathering->changes, change);
}

/* An untracked repository is told as a folder; what it holds is another history's. */
static bool counts(const git_diff_delta *delta)
{
    bool foreign = delta->status == GIT_DELTA_UNTRACKED && g_str_has_suffix(delta->new_file.path, "/");
    return !foreign && delta->status != GIT_DELTA_UNMODIFIED && delta->status != GIT_DELTA_IGNORED;
}

static bool gather(struct gathering *gathering, git_repository *repository, git_tree *before, const char *prefix)
{
    git_diff_options options;
    git_diff_find_options find;
    git_diff *diff = NULL;
    git_diff_options_init(&options, GIT_DIFF_OPTIONS_VERSION);
    git_diff_find_options_init(&find, GIT_DIFF_FIND_OPTIONS_VERSION);
    options.flags = GIT_DIFF_INCLUDE_UNTRACKED | GIT_DIFF_RECURSE_UNTRACKED_DIRS | GIT_DIFF_INCLUDE_TYPECHANGE;
    options.ignore_submodules = GIT_SUBMODULE_IGNORE_ALL; /* gather_submodules(): libgit2's own lookup leaks in 1.5 */
    find.flags = GIT_DIFF_FIND_RENAMES | GIT_DIFF_FIND_FOR_UNTRACKED;
    bool fine = git_diff_tree_to_workdir_with_index(&diff, repository, before, &options) == 0 &&
                git_diff_find_similar(diff, &find) == 0;
    for (size_t i = 0; fine && i < git_diff_num_deltas(diff); i++)
        if (counts(git_diff_get_delta(diff, i)))
            gather_file(gathering, git_diff_get_delta(diff, i), prefix);
    git_diff_free(diff);
    if (fine)
        gather_submodules(gathering, repository, before, prefix);
    return fine;
}

GPtrArray *catalog_git_changes(struct catalog_git *git, const char *commit, GError **error)
{
    struct gathering gathering = {git, g_ptr_array_new_with_free_func((GDestroyNotify)catalog_change_free), 0};
    git_oid id;
    git_tree *before = git_oid_fromstr(&id, commit) == 0 ? tree_of(git->repository, &id) : NULL;
    if (!before || !gather(&gathering, git->repository, before, "")) {
        g_autofree char *message = catalog_git_message();
        errors_set(error, ERROR_INVALID, "cannot compare '%s' with commit %s: %s", git->folder, commit, message);
        g_clear_pointer(&gathering.changes, g_ptr_array_unref);
    }
    git_tree_free(before);
    return gathering.changes;
}
