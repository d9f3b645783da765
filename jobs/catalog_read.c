/* catalog_read: walks a mirror or a folder, and offers what it meets to a catalog_tree. */
#include "jobs/catalog_read.h"
#include "core/errors.h"
#include "core/limits.h"
#include "jobs/catalog_git.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A mirror */

struct mirror_reading {
    struct catalog_git *git;
    struct catalog_tree *tree;
    const struct catalog_layout *layout;
    int history_budget;
};

static bool offer(void *arg, const char *path, enum catalog_entry_kind kind, const char *blob)
{
    struct mirror_reading *reading = arg;
    return catalog_tree_offer(reading->tree, reading->layout, path, kind, blob);
}

static char *read_blob(void *arg, const char *path, const char *blob, size_t maximum, size_t *ret_length,
                       GError **error)
{
    (void)path;
    struct mirror_reading *reading = arg;
    return catalog_git_read(reading->git, blob, maximum, ret_length, error);
}

static void read_history(void *arg, const char *path, bool (*fn)(void *arg, const char *commit, const char *blob),
                         void *fn_arg)
{
    struct mirror_reading *reading = arg;
    catalog_git_history(reading->git, reading->tree->commit, path, &reading->history_budget, fn, fn_arg);
}

static struct catalog_tree *read_commit(struct catalog_git *git, const char *commit,
                                        const struct catalog_layout *layout, const struct catalog_tree *previous,
                                        GError **error)
{
    struct mirror_reading reading = {git, catalog_tree_new(commit), layout, LIMIT_CATALOG_HISTORY_LOOKUPS};
    if (!catalog_git_walk(git, commit, offer, &reading, error)) {
        catalog_tree_unref(reading.tree);
        return NULL;
    }
    const struct catalog_reader reader = {&reading, read_blob, read_history};
    catalog_tree_finish(reading.tree, previous, &reader);
    return reading.tree;
}

struct catalog_tree *catalog_read_mirror(const char *mirror, const char *branch, const struct catalog_layout *layout,
                                         struct catalog_tree *previous, GError **error)
{
    struct catalog_git *git = catalog_git_open(mirror, error);
    if (git == NULL)
        return NULL;
    g_autofree char *commit = catalog_git_commit(git, branch, error);
    struct catalog_tree *tree = NULL;
    if (commit != NULL && previous != NULL && strcmp(commit, previous->commit) == 0)
        tree = catalog_tree_ref(previous);
    else if (commit != NULL)
        tree = read_commit(git, commit, layout, previous, error);
    catalog_git_free(git);
    return tree;
}

/* A working tree */

static char *read_file(void *arg, const char *path, const char *blob, size_t maximum, size_t *ret_length,
                       GError **error)
{
    (void)blob;
    g_autofree char *full = g_build_filename((const char *)arg, path, NULL);
    int fd = open(full, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        errors_set(error, ERROR_IO, "cannot read the file: %s", fd < 0 ? g_strerror(errno) : "not a regular file");
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    char *text = g_malloc(maximum + 2);
    size_t used = 0;
    ssize_t got = 0;
    while (used <= maximum && (got = read(fd, text + used, maximum + 1 - used)) > 0)
        used += (size_t)got;
    close(fd);
    if (got < 0)
        errors_set(error, ERROR_IO, "cannot read the file: %s", g_strerror(errno));
    else if (used > maximum)
        errors_set(error, ERROR_TOO_LARGE, "%" G_GINT64_FORMAT " bytes; at most %zu are read", (gint64)status.st_size,
                   maximum);
    if (got < 0 || used > maximum) {
        g_free(text);
        return NULL;
    }
    text[used] = '\0';
    *ret_length = used;
    return text;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* The folder's names, sorted, as Git would give them. NULL with errno. */
static GPtrArray *list_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return NULL;
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && strcmp(entry->d_name, ".git") != 0)
            g_ptr_array_add(names, g_strdup(entry->d_name));
    closedir(dir);
    g_ptr_array_sort(names, compare_names);
    return names;
}

/* What Git would not hold (sockets, devices) is not offered. */
static bool kind_of_file(const char *path, enum catalog_entry_kind *ret)
{
    struct stat status;
    if (lstat(path, &status) != 0)
        return false;
    *ret = S_ISLNK(status.st_mode)   ? CATALOG_ENTRY_SYMLINK
           : S_ISDIR(status.st_mode) ? CATALOG_ENTRY_FOLDER
                                     : CATALOG_ENTRY_FILE;
    return S_ISLNK(status.st_mode) || S_ISDIR(status.st_mode) || S_ISREG(status.st_mode);
}

static bool walk_folder(struct catalog_tree *tree, const struct catalog_layout *layout, const char *root,
                        const char *prefix, GError **error)
{
    g_autofree char *folder = g_build_filename(root, prefix, NULL);
    g_autoptr(GPtrArray) names = list_folder(folder);
    if (names == NULL) {
        errors_set(error, ERROR_IO, "cannot read the folder '%s': %s", folder, g_strerror(errno));
        return false;
    }
    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        g_autofree char *path = *prefix != '\0' ? g_strconcat(prefix, "/", name, NULL) : g_strdup(name);
        g_autofree char *full = g_build_filename(root, path, NULL);
        enum catalog_entry_kind kind;
        if (!kind_of_file(full, &kind) || !catalog_tree_offer(tree, layout, path, kind, NULL))
            continue;
        if (!walk_folder(tree, layout, root, path, error))
            return false;
    }
    return true;
}

struct catalog_tree *catalog_read_working_tree(const char *folder, const struct catalog_layout *layout, GError **error)
{
    struct catalog_tree *tree = catalog_tree_new(NULL);
    if (!walk_folder(tree, layout, folder, "", error)) {
        catalog_tree_unref(tree);
        return NULL;
    }
    const struct catalog_reader reader = {(void *)folder, read_file, NULL};
    catalog_tree_finish(tree, NULL, &reader);
    return tree;
}
