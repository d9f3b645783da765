/* fresh_history: see fresh_history.h. */
#include "jobs/coverage/fresh_history.h"
#include "jobs/catalog_git_changes.h"
#include <string.h>

struct repository {
    struct catalog_git *git; /* NULL: no repository, or none that can be read */
    GHashTable *times;       /* path in the repository → int64_t* seconds, NULL = not known */
};

struct fresh_history {
    GHashTable *repositories; /* root → struct repository* */
    GHashTable *files;        /* name as reported (borrowed) → root (interned) */
    bool cut;
};

static void repository_free(void *data)
{
    struct repository *repository = data;
    catalog_git_free(repository->git);
    g_hash_table_unref(repository->times);
    g_free(repository);
}

static struct repository *repository_of(struct fresh_history *history, const char *root)
{
    struct repository *repository = g_hash_table_lookup(history->repositories, root);
    if (repository)
        return repository;
    repository = g_new0(struct repository, 1);
    repository->git = catalog_git_open_checkout(root, NULL);
    repository->times = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    if (repository->git && strcmp(catalog_git_folder(repository->git), root) != 0)
        g_clear_pointer(&repository->git, catalog_git_free); /* it is not this folder's own */
    g_hash_table_insert(history->repositories, (char *)root, repository);
    return repository;
}

static void add_file(struct fresh_history *history, GHashTable *roots, const char *file)
{
    const char *root = g_hash_table_lookup(roots, file);
    if (root && g_hash_table_insert(history->files, (char *)file, (char *)root))
        g_hash_table_insert(repository_of(history, root)->times, g_strdup(file), NULL);
}

/* Subjects that something covers, and what covers them: the walk ends when each of these is dated. */
static void add_files(struct fresh_history *history, const struct coverage *coverage)
{
    g_autoptr(GHashTable) roots = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < coverage->inputs->len; i++) {
        const struct input *input = coverage->inputs->pdata[i];
        g_hash_table_insert(roots, input->file, (char *)input->root);
    }
    for (guint i = 0; i < coverage->subjects->len; i++) {
        const struct subject_answer *answer = coverage->subjects->pdata[i];
        for (guint j = 0; j < answer->by->len; j++)
            add_file(history, roots, g_array_index(answer->by, struct coverage_by, j).document->file);
        if (answer->by->len)
            add_file(history, roots, answer->subject->file);
    }
}

struct fresh_history *fresh_history_new(const struct coverage *coverage)
{
    struct fresh_history *history = g_new0(struct fresh_history, 1);
    history->repositories = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, repository_free);
    history->files = g_hash_table_new(g_str_hash, g_str_equal);
    add_files(history, coverage);
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, history->repositories);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        struct repository *repository = value;
        bool cut = false;
        if (repository->git)
            catalog_git_last_changes(repository->git, repository->times, &cut);
        history->cut |= cut;
    }
    return history;
}

void fresh_history_free(struct fresh_history *history)
{
    g_hash_table_unref(history->repositories);
    g_hash_table_unref(history->files);
    g_free(history);
}

static const struct repository *holder_of(const struct fresh_history *history, const char *file)
{
    const char *root = g_hash_table_lookup(history->files, file);
    return root ? g_hash_table_lookup(history->repositories, root) : NULL;
}

int64_t fresh_history_seconds(const struct fresh_history *history, const char *file)
{
    const struct repository *repository = holder_of(history, file);
    const int64_t *seconds = repository ? g_hash_table_lookup(repository->times, file) : NULL;
    return seconds ? *seconds : 0;
}

bool fresh_history_is_dirty(const struct fresh_history *history, const char *file)
{
    const struct repository *repository = holder_of(history, file);
    return repository && repository->git && catalog_git_is_dirty(repository->git, file);
}

bool fresh_history_is_cut(const struct fresh_history *history)
{
    return history->cut;
}
