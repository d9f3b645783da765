/* files: see files.h. Hidden folders are left out; links are skipped with a reason, because a
 * link may lead out of the repository. */
#include "jobs/coverage/files.h"
#include "core/errors.h"
#include "core/limits.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static bool wanted(const struct files *files, const char *name)
{
    for (const char *const *suffix = files->suffixes; *suffix; suffix++)
        if (g_str_has_suffix(name, *suffix))
            return true;
    return false;
}

static bool ignored(const struct files *files, const char *relative)
{
    g_autofree char *name = g_path_get_basename(relative);
    for (guint i = 0; i < files->ignore->len; i++)
        if (g_pattern_spec_match_string(files->ignore->pdata[i], relative) ||
            g_pattern_spec_match_string(files->ignore->pdata[i], name))
            return true;
    return false;
}

static const char *relative_to(const struct files *files, const char *path)
{
    size_t length = strlen(files->root);
    if (strncmp(path, files->root, length) == 0 && path[length] == '/')
        return path + length + 1;
    return path;
}

static void visit_file(struct files *files, const char *path, const char *relative, const struct stat *status)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    gsize length;
    if (!g_hash_table_add(files->seen, g_strdup(path)))
        return;
    if ((size_t)status->st_size > files->max_bytes) {
        g_autofree char *reason = g_strdup_printf("larger than %zu KiB", files->max_bytes / 1024);
        files->skip(files->arg, relative, reason);
    } else if (!g_file_get_contents(path, &text, &length, &error)) {
        files->skip(files->arg, relative, error->message);
    } else {
        files->file(files->arg, relative, text, length);
    }
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void visit(struct files *files, const char *path, int depth);

static void visit_folder(struct files *files, const char *path, int depth)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    GDir *folder = g_dir_open(path, 0, &error);
    if (!folder) {
        files->skip(files->arg, relative_to(files, path), error->message);
        return;
    }
    for (const char *name; (name = g_dir_read_name(folder));)
        if (*name != '.')
            g_ptr_array_add(names, g_strdup(name));
    g_dir_close(folder);
    g_ptr_array_sort(names, by_name); /* the same order on every machine */
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *child = g_build_filename(path, names->pdata[i], NULL);
        visit(files, child, depth + 1);
    }
}

static void visit(struct files *files, const char *path, int depth)
{
    const char *relative = relative_to(files, path);
    struct stat status;
    if (ignored(files, relative) || lstat(path, &status) != 0)
        return;
    if (S_ISDIR(status.st_mode)) {
        if (depth < LIMIT_FOLDER_DEPTH)
            visit_folder(files, path, depth);
        else
            files->skip(files->arg, relative, "folders are nested too deep");
    } else if (wanted(files, path)) {
        if (S_ISLNK(status.st_mode))
            files->skip(files->arg, relative, "a symbolic link");
        else if (S_ISREG(status.st_mode))
            visit_file(files, path, relative, &status);
    }
}

/* The folder above `path` (or itself) that holds .git, else the folder itself: absolute. g_free. */
static char *files_root(const char *path)
{
    g_autofree char *absolute = g_canonicalize_filename(path, NULL);
    char *at = g_file_test(absolute, G_FILE_TEST_IS_DIR) ? g_strdup(absolute) : g_path_get_dirname(absolute);
    char *start = g_strdup(at);
    for (;;) {
        g_autofree char *git = g_build_filename(at, ".git", NULL);
        if (g_file_test(git, G_FILE_TEST_EXISTS)) {
            g_free(start);
            return at;
        }
        char *up = g_path_get_dirname(at);
        bool top = strcmp(up, at) == 0;
        g_free(at);
        at = up;
        if (top)
            break;
    }
    g_free(at);
    return start;
}

bool files_each(struct files *files, char *const *paths, GError **error)
{
    for (char *const *path = paths; path && *path; path++) {
        g_autofree char *absolute = g_canonicalize_filename(*path, NULL);
        struct stat status;
        if (stat(absolute, &status) != 0) {
            errors_set(error, ERROR_INVALID, "cannot read '%s': %s", *path, g_strerror(errno));
            return false;
        }
        g_autofree char *root = files_root(absolute);
        files->root = root;
        if (S_ISDIR(status.st_mode))
            visit_folder(files, absolute, 0);
        else
            visit_file(files, absolute, relative_to(files, absolute),
                       &status); /* named by hand: any suffix, never ignored */
        files->root = NULL;
    }
    return true;
}
