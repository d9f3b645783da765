/* catalog_git: reading commits, with libgit2 1.5 (Debian 12) to 1.9 (Debian 13). See the header. */
#include "core/errors.h"
#include "core/limits.h"
#include "jobs/catalog_git_private.h"
#include <string.h>

void catalog_git_start(void)
{
    static gsize started;
    if (g_once_init_enter(&started)) {
        git_libgit2_init();
        /* The owner of a local repository is checked by who may read it; libgit2's own check fails with a misleading
         * text. */
        git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
        git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
        g_once_init_leave(&started, 1);
    }
}

char *catalog_git_message(void)
{
    const git_error *last = git_error_last();
    if (last == NULL || last->message == NULL)
        return g_strdup("it was cancelled");
    char *message = g_utf8_make_valid(last->message, -1);
    return g_strchomp(g_strdelimit(message, "\r\n", ' '));
}

void catalog_git_fail(GError **error, const char *what, const char *subject)
{
    g_autofree char *message = catalog_git_message();
    errors_set(error, ERROR_GIT, "%s '%s': %s", what, subject, message);
}

struct catalog_git *catalog_git_take(git_repository *repository)
{
    struct catalog_git *git = g_new0(struct catalog_git, 1);
    git->repository = repository;
    return git;
}

struct catalog_git *catalog_git_open(const char *mirror, GError **error)
{
    catalog_git_start();
    git_repository *repository;
    int result = git_repository_open_bare(&repository, mirror);
    if (result < 0) {
        if (result != GIT_ENOTFOUND)
            catalog_git_fail(error, "cannot open the mirror", mirror);
        return NULL;
    }
    return catalog_git_take(repository);
}

void catalog_git_free(struct catalog_git *git)
{
    if (git == NULL)
        return;
    git_repository_free(git->repository);
    g_free(git->folder);
    g_free(git);
}

char *catalog_git_hex(const git_oid *id)
{
    char text[GIT_OID_HEXSZ + 1];
    return g_strdup(git_oid_tostr(text, sizeof text, id));
}

char *catalog_git_commit(struct catalog_git *git, const char *branch, GError **error)
{
    g_autofree char *name = branch != NULL ? g_strconcat("refs/heads/", branch, NULL) : g_strdup("HEAD");
    git_oid id;
    int result = git_reference_name_to_id(&id, git->repository, name);
    if (result == 0)
        return catalog_git_hex(&id);
    if (result != GIT_ENOTFOUND)
        catalog_git_fail(error, "cannot read the branch", name);
    return NULL;
}

static git_commit *lookup_commit(struct catalog_git *git, const char *hex)
{
    git_oid id;
    git_commit *commit = NULL;
    if (git_oid_fromstr(&id, hex) < 0 || git_commit_lookup(&commit, git->repository, &id) < 0)
        return NULL;
    return commit;
}

static enum catalog_entry_kind kind_of(const git_tree_entry *entry)
{
    switch (git_tree_entry_filemode(entry)) {
    case GIT_FILEMODE_TREE:
        return CATALOG_ENTRY_FOLDER;
    case GIT_FILEMODE_LINK:
        return CATALOG_ENTRY_SYMLINK;
    case GIT_FILEMODE_COMMIT:
        return CATALOG_ENTRY_SUBMODULE;
    default:
        return CATALOG_ENTRY_FILE;
    }
}

/* Depth is bounded by who answers `fn`: it sees the path grow. */
static bool walk_tree(git_repository *repository, const git_tree *tree, const char *prefix, catalog_entry_fn fn,
                      void *arg)
{
    for (size_t i = 0; i < git_tree_entrycount(tree); i++) {
        const git_tree_entry *entry = git_tree_entry_byindex(tree, i);
        g_autofree char *path = g_strconcat(prefix, git_tree_entry_name(entry), NULL);
        g_autofree char *blob = catalog_git_hex(git_tree_entry_id(entry));
        enum catalog_entry_kind kind = kind_of(entry);
        if (!fn(arg, path, kind, blob) || kind != CATALOG_ENTRY_FOLDER)
            continue;
        git_tree *below = NULL;
        if (git_tree_lookup(&below, repository, git_tree_entry_id(entry)) < 0)
            return false;
        g_autofree char *folder = g_strconcat(path, "/", NULL);
        bool fine = walk_tree(repository, below, folder, fn, arg);
        git_tree_free(below);
        if (!fine)
            return false;
    }
    return true;
}

bool catalog_git_walk(struct catalog_git *git, const char *commit, catalog_entry_fn fn, void *arg, GError **error)
{
    git_commit *object = lookup_commit(git, commit);
    git_tree *tree = NULL;
    bool fine = object != NULL && git_commit_tree(&tree, object) == 0 && walk_tree(git->repository, tree, "", fn, arg);
    if (!fine)
        catalog_git_fail(error, "cannot read the commit", commit);
    git_tree_free(tree);
    git_commit_free(object);
    return fine;
}

char *catalog_git_read(struct catalog_git *git, const char *blob, size_t maximum, size_t *ret_length, GError **error)
{
    git_oid id;
    git_odb *odb = NULL;
    git_blob *object = NULL;
    char *bytes = NULL;
    size_t size;
    git_object_t type;
    if (git_oid_fromstr(&id, blob) < 0 || git_repository_odb(&odb, git->repository) < 0 ||
        git_odb_read_header(&size, &type, odb, &id) < 0) {
        catalog_git_fail(error, "cannot read the blob", blob);
    } else if (size > maximum) {
        errors_set(error, ERROR_TOO_LARGE, "%zu bytes; at most %zu are read", size, maximum);
    } else if (git_blob_lookup(&object, git->repository, &id) < 0) {
        catalog_git_fail(error, "cannot read the blob", blob);
    } else {
        *ret_length = (size_t)git_blob_rawsize(object);
        bytes = g_malloc(*ret_length + 1);
        memcpy(bytes, git_blob_rawcontent(object), *ret_length);
        bytes[*ret_length] = '\0';
    }
    git_blob_free(object);
    git_odb_free(odb);
    return bytes;
}

/* The blob of a file in a commit; false when it has none. */
static bool blob_at(git_repository *repository, const git_oid *commit_id, const char *path, git_oid *ret)
{
    git_commit *commit = NULL;
    git_tree *tree = NULL;
    git_tree_entry *entry = NULL;
    bool found = git_commit_lookup(&commit, repository, commit_id) == 0 && git_commit_tree(&tree, commit) == 0 &&
                 git_tree_entry_bypath(&entry, tree, path) == 0 && kind_of(entry) == CATALOG_ENTRY_FILE;
    if (found)
        git_oid_cpy(ret, git_tree_entry_id(entry));
    git_tree_entry_free(entry);
    git_tree_free(tree);
    git_commit_free(commit);
    return found;
}

void catalog_git_history(struct catalog_git *git, const char *commit, const char *path, int *budget,
                         bool (*fn)(void *arg, const char *commit, const char *blob), void *arg)
{
    git_revwalk *walk = NULL;
    git_oid id, blob, previous;
    if (git_oid_fromstr(&id, commit) < 0 || !blob_at(git->repository, &id, path, &previous) ||
        git_revwalk_new(&walk, git->repository) < 0)
        return;
    git_revwalk_sorting(walk, GIT_SORT_TOPOLOGICAL | GIT_SORT_TIME);
    bool more = git_revwalk_push(walk, &id) == 0;
    for (int i = 0; more && i<LIMIT_CATALOG_HISTORY_COMMITS && * budget> 0 && git_revwalk_next(&id, walk) == 0; i++) {
        (*budget)--;
        if (!blob_at(git->repository, &id, path, &blob) || git_oid_equal(&blob, &previous))
            continue;
        git_oid_cpy(&previous, &blob);
        g_autofree char *at = catalog_git_hex(&id), *version = catalog_git_hex(&blob);
        more = fn(arg, at, version);
    }
    git_revwalk_free(walk);
}
