/* files: see files.h. Hidden files and folders are left out; links are skipped with a reason, because a link may lead
 * out of the repository. */
#include "jobs/coverage/files.h"
#include "core/errors.h"
#include "core/limits.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- places ---- */

/* The nearest folder from `path` up that holds .git, else `path` itself. g_free. */
static char *repository_of(const char *path)
{
    g_autofree char *at = g_strdup(path);
    for (;;) {
        g_autofree char *git = g_build_filename(at, ".git", NULL), *up = g_path_get_dirname(at);
        if (g_file_test(git, G_FILE_TEST_EXISTS))
            return g_steal_pointer(&at);
        if (strcmp(up, at) == 0)
            return g_strdup(path);
        g_free(at);
        at = g_steal_pointer(&up);
    }
}

/* The path with links resolved as far as it is there. g_free. */
static char *real_path(const char *path, bool *ret_gone)
{
    char *real = realpath(path, NULL);
    *ret_gone = real == NULL;
    if (real) {
        char *copy = g_strdup(real);
        free(real);
        return copy;
    }
    bool gone;
    g_autofree char *up = g_path_get_dirname(path), *name = g_path_get_basename(path);
    g_autofree char *above = strcmp(up, path) != 0 ? real_path(up, &gone) : g_strdup(up);
    return g_build_filename(above, name, NULL);
}

struct place *place_new(const char *path, bool may_be_gone, GError **error)
{
    g_autofree char *absolute = g_canonicalize_filename(path, NULL);
    struct stat status;
    bool gone = stat(absolute, &status) != 0;
    if (gone && !(may_be_gone && errno == ENOENT)) {
        errors_set(error, ERROR_INVALID, "cannot read '%s': %s", path, g_strerror(errno));
        return NULL;
    }
    struct place *place = g_new0(struct place, 1);
    place->path = real_path(absolute, &place->gone);
    if (place->gone && !gone) { /* it is there without a name: /dev/fd/63 of <(helm template …) */
        g_free(place->path);
        place->path = g_strdup(absolute);
        place->gone = false;
    }
    place->folder = gone || S_ISDIR(status.st_mode);
    g_autofree char *folder = place->folder ? g_strdup(place->path) : g_path_get_dirname(place->path);
    place->root = repository_of(folder);
    return place;
}

void place_free(struct place *place)
{
    if (!place)
        return;
    g_free(place->path);
    g_free(place->root);
    g_free(place);
}

const char *place_relative(const struct place *place, const char *path)
{
    size_t length = strlen(place->root);
    if (strncmp(path, place->root, length) != 0)
        return path;
    return path[length] == '/' ? path + length + 1 : path + length;
}

/* ---- what is wanted ---- */

static bool has_suffix(const struct files *files, const char *name)
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

bool files_include(const struct files *files, const struct place *place, const char *path)
{
    size_t length = strlen(place->path);
    if (strncmp(path, place->path, length) != 0 || (path[length] && path[length] != '/'))
        return false;
    if (!place->folder || !path[length]) /* named by hand; a path that is gone may have been a file */
        return !path[length];
    for (const char *at = path + length; *at; at += strcspn(at, "/")) {
        at++;
        g_autofree char *so_far = g_strndup(path, (size_t)(at - path) + strcspn(at, "/"));
        if (*at == '.' || ignored(files, place_relative(place, so_far)))
            return false;
    }
    return has_suffix(files, path);
}

/* ---- the walk ---- */

struct walk {
    const struct files *files;
    const struct place *place;
};

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void visit(const struct walk *walk, const char *path, int depth);

static void visit_folder(const struct walk *walk, const char *path, int depth)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    GDir *folder = g_dir_open(path, 0, &error);
    if (!folder) {
        walk->files->skip(walk->files->arg, path, place_relative(walk->place, path), error->message);
        return;
    }
    for (const char *name; (name = g_dir_read_name(folder));)
        if (*name != '.')
            g_ptr_array_add(names, g_strdup(name));
    g_dir_close(folder);
    g_ptr_array_sort(names, by_name); /* the same order on every machine */
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *child = g_build_filename(path, names->pdata[i], NULL);
        visit(walk, child, depth + 1);
    }
}

static void visit(const struct walk *walk, const char *path, int depth)
{
    const struct files *files = walk->files;
    const char *relative = place_relative(walk->place, path);
    struct stat status;
    if (ignored(files, relative) || lstat(path, &status) != 0)
        return;
    if (S_ISDIR(status.st_mode)) {
        if (depth < LIMIT_FOLDER_DEPTH)
            visit_folder(walk, path, depth);
        else
            files->skip(files->arg, path, relative, "folders are nested too deep");
    } else if (has_suffix(files, path)) {
        if (S_ISLNK(status.st_mode))
            files->skip(files->arg, path, relative, "a symbolic link");
        else if (S_ISREG(status.st_mode))
            files->file(files->arg, path, relative);
    }
}

void files_each(const struct files *files, const struct place *place)
{
    struct walk walk = {files, place};
    if (place->gone)
        return;
    if (place->folder)
        visit_folder(&walk, place->path, 0);
    else
        files->file(files->arg, place->path, place_relative(place, place->path));
}
