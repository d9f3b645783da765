/* past_tree: see past_tree.h. The working tree and not the commit alone is what is copied, because what charts are
 * built of is often not in Git: dependencies that CI has fetched. There are no links in the copy, so that nothing is
 * written through one. */
#include "jobs/coverage/past_tree.h"
#include "core/errors.h"
#include "core/limits.h"
#include "jobs/coverage/render.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

struct copying {
    const char *from, *to; /* the repository and its copy */
    int files;
};

static bool copy_folder(struct copying *copying, const char *relative, int depth, GError **error);

static bool copy_file(struct copying *copying, const char *from, const char *to, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) failure = NULL;
    gsize length;
    if (++copying->files > LIMIT_CATALOG_FILES) {
        errors_set(error, ERROR_TOO_LARGE, "'%s' has more than %d files: too many to render as they were",
                   copying->from, LIMIT_CATALOG_FILES);
        return false;
    }
    if (!g_file_get_contents(from, &text, &length, NULL))
        return true; /* nobody can render it either */
    if (g_file_set_contents_full(to, text, (gssize)length, G_FILE_SET_CONTENTS_NONE, 0600, &failure))
        return true;
    errors_set(error, ERROR_IO, "cannot copy '%s': %s", from, failure->message);
    return false;
}

static bool copy_entry(struct copying *copying, const char *relative, int depth, GError **error)
{
    g_autofree char *from = g_build_filename(copying->from, relative, NULL),
                    *to = g_build_filename(copying->to, relative, NULL);
    struct stat status;
    if (lstat(from, &status) != 0)
        return true;
    if (S_ISDIR(status.st_mode))
        return depth >= LIMIT_FOLDER_DEPTH || copy_folder(copying, relative, depth + 1, error);
    /* a link to a file becomes the file */
    bool regular = stat(from, &status) == 0 && S_ISREG(status.st_mode) && status.st_size <= LIMIT_MANIFEST_BYTES;
    return !regular || copy_file(copying, from, to, error);
}

static bool copy_folder(struct copying *copying, const char *relative, int depth, GError **error)
{
    g_autofree char *from = g_build_filename(copying->from, relative, NULL),
                    *to = g_build_filename(copying->to, relative, NULL);
    g_autoptr(GDir) folder = g_dir_open(from, 0, NULL);
    bool fine = true;
    if (g_mkdir_with_parents(to, 0700) != 0) {
        errors_set(error, ERROR_IO, "cannot make the folder '%s': %s", to, g_strerror(errno));
        return false;
    }
    for (const char *name; fine && folder && (name = g_dir_read_name(folder));) {
        g_autofree char *child = *relative ? g_build_filename(relative, name, NULL) : g_strdup(name);
        fine = strcmp(name, ".git") == 0 || copy_entry(copying, child, depth, error);
    }
    return fine;
}

static void remove_tree(const char *path)
{
    struct stat status;
    if (lstat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
        g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
        for (const char *name; folder && (name = g_dir_read_name(folder));) {
            g_autofree char *child = g_build_filename(path, name, NULL);
            remove_tree(child);
        }
    }
    g_remove(path);
}

/* First what is there only now goes, then what was there comes. */
static void take_back(const struct past *past, const char *copy)
{
    for (guint i = 0; i < past->changes->len; i++) {
        const struct catalog_change *change = past->changes->pdata[i];
        g_autofree char *path = change->path && !change->unknown ? g_build_filename(copy, change->path, NULL) : NULL;
        if (path)
            g_unlink(path);
    }
    for (guint i = 0; i < past->changes->len; i++) {
        const struct catalog_change *change = past->changes->pdata[i];
        size_t length;
        g_autofree char *text = change->old_blob
                                    ? catalog_git_read(past->git, change->old_blob, LIMIT_MANIFEST_BYTES, &length, NULL)
                                    : NULL;
        if (!text)
            continue;
        g_autofree char *path = g_build_filename(copy, change->old_path, NULL), *folder = g_path_get_dirname(path);
        g_mkdir_with_parents(folder, 0700);
        g_file_set_contents_full(path, text, (gssize)length, G_FILE_SET_CONTENTS_NONE, 0600, NULL);
    }
}

/* Places of the repository stand in the copy, others where they are. */
static char **places_of(const struct past *past, const struct scan *scan, enum input_kind kind, const char *copy)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    for (guint i = 0; i < scan->places->len; i++) {
        const struct scan_place *entry = scan->places->pdata[i];
        bool ours = strcmp(entry->place->root, catalog_git_folder(past->git)) == 0;
        const char *below = place_relative(entry->place, entry->place->path);
        g_autofree char *path = ours ? g_build_filename(copy, below, NULL) : g_strdup(entry->place->path);
        if (entry->kind == kind)
            g_strv_builder_add(builder, path);
    }
    return g_strv_builder_end(builder);
}

static bool wants_digest(const void *arg, const struct input *input)
{
    (void)arg, (void)input;
    return true;
}

/* What was read in the copy is told as if it stood in the repository. */
static void move_home(const struct past *past, struct input *input, const char *copy)
{
    if (strcmp(input->root, copy) != 0)
        return;
    input->root = g_intern_string(catalog_git_folder(past->git));
    g_free(input->path);
    input->path = g_build_filename(input->root, input->file, NULL);
}

static GPtrArray *read_copy(const struct past *past, const struct scan *scan, const struct coverage_settings *settings,
                            const char *copy, GError **error)
{
    g_auto(GStrv) manifests = places_of(past, scan, INPUT_MANIFEST, copy),
                  runbooks = places_of(past, scan, INPUT_DOCUMENT, copy);
    struct scan_paths paths = {manifests, NULL, runbooks};
    g_autoptr(scan_t) old = scan_new(&paths, settings, true, error);
    if (!old)
        return NULL;
    render_scan(old, settings);
    inputs_read(old->inputs, &settings->rules, wants_digest, NULL);
    for (guint i = 0; i < old->inputs->len; i++)
        move_home(past, old->inputs->pdata[i], copy);
    return g_ptr_array_ref(old->inputs);
}

GPtrArray *past_tree_inputs(const struct past *past, const struct scan *scan, const struct coverage_settings *settings,
                            GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autofree char *made = g_dir_make_tmp("hikeshi-past-XXXXXX", &failure);
    if (!made) {
        errors_set(error, ERROR_IO, "%s", failure->message);
        return NULL;
    }
    g_autofree char *copy = g_canonicalize_filename(made, NULL), *mark = g_build_filename(copy, ".git", NULL);
    struct copying copying = {catalog_git_folder(past->git), copy, 0};
    GPtrArray *inputs = NULL;
    if (copy_folder(&copying, "", 0, error)) {
        take_back(past, copy);
        g_mkdir(mark, 0700); /* the copy is a repository: paths are relative to it */
        inputs = read_copy(past, scan, settings, copy, error);
    }
    remove_tree(copy);
    return inputs;
}
