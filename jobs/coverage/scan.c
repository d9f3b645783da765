/* scan: see scan.h. */
#include "jobs/coverage/scan.h"
#include <string.h>

static const char *const yaml[] = {".yaml", ".yml", NULL};
static const char *const markdown[] = {".md", NULL};
static const char *const *const suffixes[] = {[INPUT_MANIFEST] = yaml, [INPUT_DOCUMENT] = markdown};

struct scanning {
    struct scan *scan;
    enum input_kind kind;
    GHashTable *seen; /* absolute paths */
};

static void on_file(void *arg, const char *path, const char *relative)
{
    struct scanning *scanning = arg;
    if (g_hash_table_add(scanning->seen, g_strdup(path)))
        g_ptr_array_add(scanning->scan->inputs, input_new(scanning->kind, relative, path));
}

static void on_skip(void *arg, const char *path, const char *relative, const char *reason)
{
    struct scanning *scanning = arg;
    if (!g_hash_table_add(scanning->seen, g_strdup(path)))
        return;
    struct input *input = input_new(scanning->kind, relative, path);
    input->skipped = g_strdup(reason);
    g_ptr_array_add(scanning->scan->inputs, input);
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
        struct scanning scanning = {scan, entry->kind, seen};
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

bool scan_includes(const struct scan *scan, const struct coverage_settings *settings, const char *path,
                   enum input_kind *ret_kind, const char **ret_relative)
{
    for (guint i = 0; i < scan->places->len; i++) {
        const struct scan_place *entry = scan->places->pdata[i];
        struct files files = {.ignore = settings->ignore, .suffixes = suffixes[entry->kind]};
        if (!files_include(&files, entry->place, path))
            continue;
        *ret_kind = entry->kind;
        *ret_relative = place_relative(entry->place, path);
        return true;
    }
    return false;
}
