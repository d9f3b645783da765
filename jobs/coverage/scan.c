/* scan: see scan.h. */
#include "jobs/coverage/scan.h"
#include <string.h>

static const char *const yaml[] = {".yaml", ".yml", NULL};
static const char *const markdown[] = {".md", ".test.yaml", NULL};
static const char *const *const suffixes[] = {[INPUT_MANIFEST] = yaml, [INPUT_DOCUMENT] = markdown};

/* Tests stand beside the runbooks that they run. */
static enum input_kind kind_of(const struct scan_place *place, const char *path)
{
    bool test = place->kind == INPUT_DOCUMENT && g_str_has_suffix(path, ".test.yaml");
    return test ? INPUT_TEST : place->kind;
}

struct scanning {
    struct scan *scan;
    const struct scan_place *place;
    GHashTable *seen; /* absolute paths */
};

static struct input *add_input(struct scanning *scanning, const char *path, const char *relative)
{
    const struct scan_place *place = scanning->place;
    if (!g_hash_table_add(scanning->seen, g_strdup(path)))
        return NULL;
    struct input *input = input_new(kind_of(place, path), place->place->root, relative);
    g_ptr_array_add(scanning->scan->inputs, input);
    return input;
}

static void on_file(void *arg, const char *path, const char *relative)
{
    add_input(arg, path, relative);
}

static void on_skip(void *arg, const char *path, const char *relative, const char *reason)
{
    struct input *input = add_input(arg, path, relative);
    if (input)
        input->skipped = g_strdup(reason);
}

static void scan_place_free(void *data)
{
    struct scan_place *place = data;
    place_free(place->place);
    g_free(place);
}

static bool add_places(struct scan *scan, char *const *paths, enum input_kind kind, bool may_be_gone, GError **error)
{
    for (char *const *path = paths; path && *path; path++) {
        struct place *place = place_new(*path, may_be_gone, error);
        if (!place)
            return false;
        struct scan_place entry = {place, kind};
        g_ptr_array_add(scan->places, g_memdup2(&entry, sizeof entry));
    }
    return true;
}

struct scan *scan_new(const struct scan_paths *paths, const struct coverage_settings *settings, bool may_be_gone,
                      GError **error)
{
    struct scan *scan = g_new0(struct scan, 1);
    scan->places = g_ptr_array_new_with_free_func(scan_place_free);
    scan->inputs = g_ptr_array_new_with_free_func((GDestroyNotify)input_unref);
    if (!add_places(scan, paths->manifests, INPUT_MANIFEST, may_be_gone, error) ||
        !add_places(scan, paths->alerts, INPUT_MANIFEST, may_be_gone, error) ||
        !add_places(scan, paths->runbooks, INPUT_DOCUMENT, may_be_gone, error)) {
        scan_free(scan);
        return NULL;
    }
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < scan->places->len; i++) {
        const struct scan_place *entry = scan->places->pdata[i];
        struct scanning scanning = {scan, entry, seen};
        struct files files = {settings->ignore, suffixes[entry->kind], on_file, on_skip, &scanning};
        files_each(&files, entry->place);
    }
    return scan;
}

void scan_free(struct scan *scan)
{
    if (!scan)
        return;
    g_ptr_array_unref(scan->places);
    g_ptr_array_unref(scan->inputs);
    g_free(scan);
}

struct input *scan_input(const struct scan *scan, const struct coverage_settings *settings, const char *path)
{
    for (guint i = 0; i < scan->places->len; i++) {
        const struct scan_place *entry = scan->places->pdata[i];
        struct files files = {.ignore = settings->ignore, .suffixes = suffixes[entry->kind]};
        if (files_include(&files, entry->place, path))
            return input_new(kind_of(entry, path), entry->place->root, place_relative(entry->place, path));
    }
    return NULL;
}
