/* catalog_tree: which entries of a commit matter and are safe, and which version of each is in service. */
#include "jobs/catalog_tree.h"
#include "core/limits.h"
#include "jobs/catalog_file.h"
#include <string.h>

#define MODULES "hikeshi/lib"

/* Life */

static void entry_free(void *data)
{
    struct catalog_entry *entry = data;
    catalog_file_unref(entry->current);
    catalog_file_unref(entry->served);
    g_free(entry->served_commit);
    g_free(entry);
}

struct catalog_tree *catalog_tree_new(const char *commit)
{
    struct catalog_tree *tree = g_new0(struct catalog_tree, 1);
    g_atomic_ref_count_init(&tree->references);
    tree->commit = g_strdup(commit);
    tree->entries = g_ptr_array_new_with_free_func(entry_free);
    tree->findings = finding_list_new();
    return tree;
}

struct catalog_tree *catalog_tree_ref(struct catalog_tree *tree)
{
    g_atomic_ref_count_inc(&tree->references);
    return tree;
}

void catalog_tree_unref(struct catalog_tree *tree)
{
    if (tree == NULL || !g_atomic_ref_count_dec(&tree->references))
        return;
    g_free(tree->commit);
    g_ptr_array_unref(tree->entries);
    finding_list_free(tree->findings);
    g_free(tree);
}

static int compare_entries(const void *left, const void *right)
{
    const struct catalog_entry *a = *(struct catalog_entry *const *)left, *b = *(struct catalog_entry *const *)right;
    return strcmp(a->current->path, b->current->path);
}

const struct catalog_entry *catalog_tree_entry(const struct catalog_tree *tree, const char *path)
{
    size_t low = 0, high = tree->entries->len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct catalog_entry *entry = g_ptr_array_index(tree->entries, middle);
        int order = strcmp(path, entry->current->path);
        if (order == 0)
            return entry;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* Choosing */

/* True when `path` is `folder` or stands below it. */
static bool is_below(const char *path, const char *folder)
{
    size_t length = strlen(folder);
    if (strcmp(folder, ".") == 0)
        return true;
    return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* Folders that tools keep for themselves (.git, .github) hold no runbooks. */
static bool is_hidden(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    return name[0] == '.' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0; /* those two are to be reported */
}

/* Whether something that matters could be in this folder. */
static bool folder_matters(const struct catalog_layout *layout, const char *path)
{
    return (is_below(path, layout->runbooks) && !is_hidden(path)) || is_below(layout->runbooks, path) ||
           is_below(path, MODULES) || is_below(MODULES, path) || is_below(layout->inventory, path) ||
           is_below(layout->teams, path);
}

static bool file_matters(const struct catalog_layout *layout, const char *path, enum catalog_file_kind *ret_kind)
{
    if (strcmp(path, layout->inventory) == 0)
        *ret_kind = CATALOG_INVENTORY;
    else if (strcmp(path, layout->teams) == 0)
        *ret_kind = CATALOG_TEAMS;
    else if (is_below(path, MODULES) && g_str_has_suffix(path, ".lua"))
        *ret_kind = CATALOG_MODULE;
    else if (is_below(path, layout->runbooks) && g_str_has_suffix(path, ".md"))
        *ret_kind = CATALOG_RUNBOOK;
    else
        return false;
    return true;
}

/* A tree can be written by hand: its names may be anything but NUL. */
static const char *unsafe_name(const char *path)
{
    if (strlen(path) > LIMIT_CATALOG_PATH_BYTES)
        return "the path is too long";
    if (!g_utf8_validate(path, -1, NULL))
        return "the name is not UTF-8";
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    if (g_strv_length(parts) > LIMIT_CATALOG_FOLDER_DEPTH)
        return "the folders are nested too deeply";
    for (char **part = parts; *part != NULL; part++)
        if (**part == '\0' || strcmp(*part, ".") == 0 || strcmp(*part, "..") == 0)
            return "the path has an empty part, '.' or '..'";
    for (const char *at = path; *at != '\0'; at++)
        if (g_ascii_iscntrl(*at) || *at == '\\')
            return "the name has a backslash or control character";
    return NULL;
}

static void skip(struct catalog_tree *tree, const char *rule, const char *path, const char *why)
{
    g_autofree char *shown = g_utf8_make_valid(path, -1);
    g_strdelimit(shown, "\n\r\t", '?');
    finding_add(tree->findings, rule, FINDING_WARNING, shown, 0, 0, NULL, "skipped: %s", why);
}

static void add_candidate(struct catalog_tree *tree, enum catalog_file_kind kind, const char *path, const char *blob)
{
    if (tree->entries->len == LIMIT_CATALOG_FILES) {
        if (!tree->cut)
            finding_add(tree->findings, "file-count", FINDING_ERROR, path, 0, 0, NULL,
                        "more than %d files: this and the following ones are not read", LIMIT_CATALOG_FILES);
        tree->cut = true;
        return;
    }
    /* A file that waits to be read: finish() replaces it. */
    struct catalog_file *file = g_new0(struct catalog_file, 1);
    g_atomic_ref_count_init(&file->references);
    file->kind = kind;
    file->path = g_strdup(path);
    file->blob = g_strdup(blob);
    struct catalog_entry *entry = g_new0(struct catalog_entry, 1);
    entry->current = file;
    g_ptr_array_add(tree->entries, entry);
}

bool catalog_tree_offer(struct catalog_tree *tree, const struct catalog_layout *layout, const char *path,
                        enum catalog_entry_kind kind, const char *blob)
{
    enum catalog_file_kind file_kind;
    bool matters = kind == CATALOG_ENTRY_FILE     ? file_matters(layout, path, &file_kind)
                   : kind == CATALOG_ENTRY_FOLDER ? folder_matters(layout, path)
                                                  : file_matters(layout, path, &file_kind) ||
                                                        (folder_matters(layout, path) && strchr(path, '.') == NULL);
    if (!matters)
        return false;
    const char *why = unsafe_name(path);
    if (why != NULL)
        skip(tree, "unsafe-name", path, why);
    else if (kind == CATALOG_ENTRY_SYMLINK)
        skip(tree, "symlink", path, "symbolic links are not followed");
    else if (kind == CATALOG_ENTRY_SUBMODULE)
        skip(tree, "submodule", path, "submodules are not read");
    else if (kind == CATALOG_ENTRY_FOLDER)
        return true;
    else
        add_candidate(tree, file_kind, path, blob);
    return false;
}

/* Reading */

struct last_good {
    const struct catalog_reader *reader;
    const struct catalog_file *broken;
    struct catalog_entry *entry;
};

static bool try_version(void *arg, const char *commit, const char *blob)
{
    struct last_good *search = arg;
    struct catalog_file *file = catalog_file_read(search->broken->kind, search->broken->path, blob, search->reader);
    if (!catalog_file_good(file)) {
        catalog_file_unref(file);
        return true;
    }
    search->entry->served = file;
    search->entry->served_commit = g_strdup(commit);
    return false;
}

/* The current version when it is good, else what was in service before, else (after a start) what the history has. */
static void choose_served(struct catalog_tree *tree, const struct catalog_tree *previous, struct catalog_entry *entry,
                          const struct catalog_reader *reader)
{
    if (catalog_file_good(entry->current)) {
        entry->served = catalog_file_ref(entry->current);
        entry->served_commit = g_strdup(tree->commit);
        return;
    }
    const struct catalog_entry *before = previous != NULL ? catalog_tree_entry(previous, entry->current->path) : NULL;
    if (before != NULL && before->served != NULL) {
        entry->served = catalog_file_ref(before->served);
        entry->served_commit = g_strdup(before->served_commit);
    } else if (previous == NULL && reader->history != NULL) {
        struct last_good search = {reader, entry->current, entry};
        reader->history(reader->arg, entry->current->path, try_version, &search);
    }
}

static void read_entry(struct catalog_tree *tree, const struct catalog_tree *previous, struct catalog_entry *entry,
                       const struct catalog_reader *reader)
{
    struct catalog_file *candidate = entry->current;
    const struct catalog_entry *before = previous != NULL ? catalog_tree_entry(previous, candidate->path) : NULL;
    if (before != NULL && before->current->blob != NULL && g_strcmp0(before->current->blob, candidate->blob) == 0 &&
        before->current->kind == candidate->kind) {
        entry->current = catalog_file_ref(before->current);
    } else {
        entry->current = catalog_file_read(candidate->kind, candidate->path, candidate->blob, reader);
        tree->parsed++;
    }
    catalog_file_unref(candidate);
    choose_served(tree, previous, entry, reader);
}

void catalog_tree_finish(struct catalog_tree *tree, const struct catalog_tree *previous,
                         const struct catalog_reader *reader)
{
    for (guint i = 0; i < tree->entries->len; i++)
        read_entry(tree, previous, g_ptr_array_index(tree->entries, i), reader);
    g_ptr_array_sort(tree->entries, compare_entries);
}
