/* past: see past.h. */
#include "jobs/coverage/past.h"
#include "core/errors.h"
#include <string.h>

static char *absolute(const struct past *past, const char *path)
{
    return g_build_filename(catalog_git_folder(past->git), path, NULL);
}

static void remember(struct past *past, struct catalog_change *change)
{
    if (change->path)
        g_hash_table_insert(past->by_path, absolute(past, change->path), change);
    if (change->old_path)
        g_hash_table_insert(past->by_old, absolute(past, change->old_path), change);
}

/* A folder that is gone must have been there: else it is a mistyped one. */
static bool check_places(const struct past *past, const struct scan *scan, GError **error)
{
    for (guint i = 0; i < scan->places->len; i++) {
        const struct place *place = ((struct scan_place *)scan->places->pdata[i])->place;
        if (!place->gone || (strcmp(place->root, catalog_git_folder(past->git)) == 0 &&
                             catalog_git_has(past->git, past->base, place_relative(place, place->path))))
            continue;
        errors_set(error, ERROR_INVALID, "cannot read '%s': it is not there, nor was it in commit %s", place->path,
                   past->base);
        return false;
    }
    return true;
}

struct past *past_new(const struct scan *scan, const char *revision, GError **error)
{
    const struct scan_place *first = scan->places->pdata[0];
    struct past *past = g_new0(struct past, 1);
    past->by_path = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    past->by_old = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    past->git = catalog_git_open_checkout(first->place->root, error);
    if (past->git)
        past->base = catalog_git_merge_base(past->git, revision, error);
    if (past->base && check_places(past, scan, error))
        past->changes = catalog_git_changes(past->git, past->base, error);
    if (!past->changes) {
        past_free(past);
        return NULL;
    }
    for (guint i = 0; i < past->changes->len; i++)
        remember(past, past->changes->pdata[i]);
    return past;
}

void past_free(struct past *past)
{
    if (!past)
        return;
    g_hash_table_unref(past->by_path);
    g_hash_table_unref(past->by_old);
    g_clear_pointer(&past->changes, g_ptr_array_unref);
    catalog_git_free(past->git);
    g_free(past->base);
    g_free(past);
}

bool past_touches(const struct past *past, const struct input *input)
{
    return input->path && g_hash_table_contains(past->by_path, input->path);
}

char *past_path(const struct past *past, const char *path)
{
    const struct catalog_change *change = g_hash_table_lookup(past->by_path, path);
    if (!change)
        return g_strdup(path);
    return change->old_path ? absolute(past, change->old_path) : NULL;
}

/* One is the other or stands above it. */
static bool related(const char *a, const char *b)
{
    size_t length = MIN(strlen(a), strlen(b));
    return strncmp(a, b, length) == 0 && strchr("/", a[length]) && strchr("/", b[length]);
}

void past_add_unknown(const struct past *past, struct scan *scan)
{
    for (guint i = 0; i < past->changes->len; i++) {
        const struct catalog_change *change = past->changes->pdata[i];
        g_autofree char *path = change->unknown ? absolute(past, change->path) : NULL;
        for (guint j = 0; path && j < scan->places->len; j++) {
            const struct scan_place *entry = scan->places->pdata[j];
            if (!related(entry->place->path, path))
                continue;
            struct input *input = input_new(entry->kind, entry->place->root, place_relative(entry->place, path));
            input->skipped = g_strdup(change->unknown);
            g_ptr_array_add(scan->inputs, input);
            break;
        }
    }
}

/* The file of a change as it was; NULL when the scan would not have read it. */
static struct input *old_input(const struct past *past, const struct scan *scan,
                               const struct coverage_settings *settings, const struct catalog_change *change)
{
    g_autofree char *path = absolute(past, change->old_path);
    struct input *input = scan_input(scan, settings, path);
    if (!input)
        return NULL;
    g_autoptr(GError) error = NULL;
    size_t length;
    g_autofree char *text =
        catalog_git_read(past->git, change->old_blob, input_max_bytes(input->kind), &length, &error);
    if (text)
        input_parse(input, text, length, &settings->rules, true);
    else
        input->skipped = g_strdup(error->message);
    return input;
}

GPtrArray *past_inputs(const struct past *past, const struct scan *scan, const struct coverage_settings *settings)
{
    GPtrArray *inputs = g_ptr_array_new_with_free_func((GDestroyNotify)input_unref);
    for (guint i = 0; i < scan->inputs->len; i++)
        if (!past_touches(past, scan->inputs->pdata[i]))
            g_ptr_array_add(inputs, input_ref(scan->inputs->pdata[i]));
    for (guint i = 0; i < past->changes->len; i++) {
        const struct catalog_change *change = past->changes->pdata[i];
        struct input *input = change->old_blob ? old_input(past, scan, settings, change) : NULL;
        if (input)
            g_ptr_array_add(inputs, input);
    }
    return inputs;
}
