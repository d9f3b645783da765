/* changes: see changes.h. Subjects are paired by what they are called, else, within a file, by being the only one of
 * their type that went and the only one that came: that is a rename. */
#include "jobs/coverage/changes.h"
#include <string.h>

const char *const change_names[] = {"added", "modified", "renamed", "deleted", "uncovered"};
const char *const start_names[] = {NULL, "suggest", "auto"};

const struct subject *subject_change_subject(const struct subject_change *change)
{
    return (change->now ? change->now : change->before)->subject;
}

const struct document *document_change_document(const struct document_change *change)
{
    return change->now ? change->now : change->before;
}

struct comparing {
    struct changes *changes;
    const struct coverage *now, *before;
    const struct past *past;
    GHashTable *old_files; /* file now, as reported → file then; only of what changed */
    GHashTable *before_by; /* lookup text → GPtrArray of const struct subject_answer* of before, not paired yet */
    GPtrArray *came;       /* struct subject_answer* of now that have no partner */
    GHashTable *left;      /* struct subject_answer* of before that have no partner */
};

/* ---- the files ---- */

/* Files are compared by the names that are reported, which both coverages share. */
static void map_files(struct comparing *comparing)
{
    g_autoptr(GHashTable) reported = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < comparing->before->inputs->len; i++) {
        const struct input *input = comparing->before->inputs->pdata[i];
        g_hash_table_insert(reported, input->path, input->file);
    }
    for (guint i = 0; i < comparing->now->inputs->len; i++) {
        const struct input *input = comparing->now->inputs->pdata[i];
        if (!past_touches(comparing->past, input))
            continue;
        g_autofree char *path = past_path(comparing->past, input->path);
        const char *file = path ? g_hash_table_lookup(reported, path) : NULL;
        if (file)
            g_hash_table_insert(comparing->old_files, input->file, (char *)file);
    }
}

static const char *old_file(const struct comparing *comparing, const char *file)
{
    const char *old = g_hash_table_lookup(comparing->old_files, file);
    return old ? old : file;
}

/* ---- subjects ---- */

static void add_subject(struct changes *changes, enum change_kind kind, const struct subject_answer *now,
                        const struct subject_answer *before)
{
    struct subject_change change = {kind, now, before};
    g_ptr_array_add(changes->subjects, g_memdup2(&change, sizeof change));
}

static char *lookup_text(const struct subject *subject, const char *file)
{
    return g_strdup_printf("%s\n%s", subject->key, file);
}

static void offer(struct comparing *comparing, char *text, const struct subject_answer *answer)
{
    GPtrArray *list = g_hash_table_lookup(comparing->before_by, text);
    if (list) {
        g_free(text);
    } else {
        list = g_ptr_array_new();
        g_hash_table_insert(comparing->before_by, text, list);
    }
    g_ptr_array_add(list, (void *)answer);
}

/* The first of these that has no partner yet; it has one now. */
static const struct subject_answer *take(struct comparing *comparing, const char *text)
{
    GPtrArray *list = g_hash_table_lookup(comparing->before_by, text);
    while (list && list->len) {
        const struct subject_answer *answer = g_ptr_array_steal_index(list, 0);
        if (g_hash_table_remove(comparing->left, answer))
            return answer;
    }
    return NULL;
}

static void pair(struct comparing *comparing, const struct subject_answer *now, const struct subject_answer *before)
{
    const struct subject *a = before->subject, *b = now->subject;
    bool same = a == b || g_strcmp0(a->digest, b->digest) == 0;
    bool moved = strcmp(a->key, b->key) != 0 || strcmp(a->file, b->file) != 0;
    if (moved || !same)
        add_subject(comparing->changes, moved ? CHANGE_RENAMED : CHANGE_MODIFIED, now, before);
    else if (before->by->len && !now->by->len)
        add_subject(comparing->changes, CHANGE_UNCOVERED, now, before);
}

/* By name and file first: a name may stand in several files. */
static void pair_by_name(struct comparing *comparing)
{
    const GPtrArray *before = comparing->before->subjects, *now = comparing->now->subjects;
    g_autoptr(GPtrArray) rest = g_ptr_array_new();
    for (guint i = 0; i < before->len; i++) {
        const struct subject_answer *answer = before->pdata[i];
        g_hash_table_add(comparing->left, (void *)answer);
        offer(comparing, lookup_text(answer->subject, answer->subject->file), answer);
        offer(comparing, g_strdup(answer->subject->key), answer);
    }
    for (guint i = 0; i < now->len; i++) {
        const struct subject_answer *answer = now->pdata[i];
        g_autofree char *text = lookup_text(answer->subject, old_file(comparing, answer->subject->file));
        const struct subject_answer *partner = take(comparing, text);
        if (partner)
            pair(comparing, answer, partner);
        else
            g_ptr_array_add(rest, (void *)answer);
    }
    for (guint i = 0; i < rest->len; i++) {
        const struct subject_answer *answer = rest->pdata[i], *partner = take(comparing, answer->subject->key);
        if (partner)
            pair(comparing, answer, partner);
        else
            g_ptr_array_add(comparing->came, (void *)answer);
    }
}

/* "Deployment\ndeploy/checkout.yaml": where a rename is looked for. */
static char *slot_of(const struct subject *subject, const char *file)
{
    return g_strdup_printf("%s\n%s", subject->type ? subject->type : "alert", file);
}

static void slot_add(GHashTable *slots, char *slot, const struct subject_answer *answer)
{
    /* the second one makes it nobody's */
    g_hash_table_insert(slots, slot, g_hash_table_contains(slots, slot) ? NULL : (void *)answer);
}

static void pair_renamed(struct comparing *comparing)
{
    g_autoptr(GHashTable) went = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) came = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GHashTableIter iter;
    gpointer answer, value;
    g_hash_table_iter_init(&iter, comparing->left);
    while (g_hash_table_iter_next(&iter, &answer, NULL)) {
        const struct subject *subject = ((struct subject_answer *)answer)->subject;
        slot_add(went, slot_of(subject, subject->file), answer);
    }
    for (guint i = 0; i < comparing->came->len; i++) {
        const struct subject *subject = ((struct subject_answer *)comparing->came->pdata[i])->subject;
        slot_add(came, slot_of(subject, old_file(comparing, subject->file)), comparing->came->pdata[i]);
    }
    g_hash_table_iter_init(&iter, came);
    for (gpointer slot; g_hash_table_iter_next(&iter, &slot, &value);) {
        struct subject_answer *before = value ? g_hash_table_lookup(went, slot) : NULL;
        if (!before)
            continue;
        add_subject(comparing->changes, CHANGE_RENAMED, value, before);
        g_ptr_array_remove(comparing->came, value);
        g_hash_table_remove(comparing->left, before);
    }
}

static gint by_key(gconstpointer a, gconstpointer b)
{
    const struct subject *x = subject_change_subject(*(struct subject_change *const *)a),
                         *y = subject_change_subject(*(struct subject_change *const *)b);
    int order = strcmp(x->key, y->key);
    if (order == 0)
        order = strcmp(x->file, y->file);
    return order ? order : x->line - y->line;
}

static void compare_subjects(struct comparing *comparing)
{
    pair_by_name(comparing);
    pair_renamed(comparing);
    for (guint i = 0; i < comparing->came->len; i++)
        add_subject(comparing->changes, CHANGE_ADDED, comparing->came->pdata[i], NULL);
    GHashTableIter iter;
    gpointer answer;
    g_hash_table_iter_init(&iter, comparing->left);
    while (g_hash_table_iter_next(&iter, &answer, NULL))
        add_subject(comparing->changes, CHANGE_DELETED, NULL, answer);
    g_ptr_array_sort(comparing->changes->subjects, by_key);
}

/* ---- documents ---- */

static void add_document(struct changes *changes, enum change_kind kind, const struct document *now,
                         const struct document *before)
{
    struct document_change change = {kind, now, before};
    g_ptr_array_add(changes->documents, g_memdup2(&change, sizeof change));
}

static gint by_file(gconstpointer a, gconstpointer b)
{
    return strcmp(document_change_document(*(struct document_change *const *)a)->file,
                  document_change_document(*(struct document_change *const *)b)->file);
}

static void compare_documents(struct comparing *comparing)
{
    g_autoptr(GHashTable) gone = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < comparing->before->documents->len; i++) {
        const struct document *document = ((struct document_answer *)comparing->before->documents->pdata[i])->document;
        g_hash_table_insert(gone, document->file, (void *)document);
    }
    for (guint i = 0; i < comparing->now->documents->len; i++) {
        const struct document *document = ((struct document_answer *)comparing->now->documents->pdata[i])->document;
        const struct document *before = g_hash_table_lookup(gone, old_file(comparing, document->file));
        if (!before)
            add_document(comparing->changes, CHANGE_ADDED, document, NULL);
        else if (strcmp(before->file, document->file) != 0)
            add_document(comparing->changes, CHANGE_RENAMED, document, before);
        else if (before != document && g_strcmp0(before->digest, document->digest) != 0)
            add_document(comparing->changes, CHANGE_MODIFIED, document, before);
        if (before)
            g_hash_table_remove(gone, before->file);
    }
    GHashTableIter iter;
    gpointer document;
    g_hash_table_iter_init(&iter, gone);
    while (g_hash_table_iter_next(&iter, NULL, &document))
        add_document(comparing->changes, CHANGE_DELETED, NULL, document);
    g_ptr_array_sort(comparing->changes->documents, by_file);
}

/* ---- the whole ---- */

struct changes *changes_new(const struct coverage *now, struct coverage *before, struct past *past, const char *since)
{
    struct changes *changes = g_new0(struct changes, 1);
    changes->since = g_strdup(since);
    changes->base = g_strdup(past->base);
    changes->past = past;
    changes->before = before;
    changes->subjects = g_ptr_array_new_with_free_func(g_free);
    changes->documents = g_ptr_array_new_with_free_func(g_free);
    changes->automation = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) old_files = g_hash_table_new(g_str_hash, g_str_equal),
                          before_by =
                              g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref),
                          left = g_hash_table_new(NULL, NULL);
    g_autoptr(GPtrArray) came = g_ptr_array_new();
    struct comparing comparing = {changes, now, before, past, old_files, before_by, came, left};
    map_files(&comparing);
    compare_subjects(&comparing);
    compare_documents(&comparing);
    changes_compare_automation(changes, now);
    return changes;
}

void changes_free(struct changes *changes)
{
    if (!changes)
        return;
    g_free(changes->since);
    g_free(changes->base);
    coverage_free(changes->before);
    past_free(changes->past);
    g_ptr_array_unref(changes->subjects);
    g_ptr_array_unref(changes->documents);
    g_ptr_array_unref(changes->automation);
    g_free(changes);
}

/* ---- only what was touched ---- */

static bool is_orphaned(const struct changes *changes, const struct document *document)
{
    for (guint i = 0; i < changes->before->documents->len; i++) {
        const struct document_answer *answer = changes->before->documents->pdata[i];
        if (answer->document == document)
            return !answer->orphan;
    }
    return false;
}

static void narrow_subjects(struct coverage *coverage, const struct changes *changes)
{
    g_autoptr(GHashTable) touched = g_hash_table_new(NULL, NULL);
    for (guint i = 0; i < changes->subjects->len; i++)
        g_hash_table_add(touched, (void *)((struct subject_change *)changes->subjects->pdata[i])->now);
    GPtrArray *kept = g_ptr_array_new_with_free_func((GDestroyNotify)subject_answer_free);
    memset(coverage->counts, 0, sizeof coverage->counts);
    for (guint i = 0; i < coverage->subjects->len; i++) {
        struct subject_answer *answer = coverage->subjects->pdata[i];
        if (!g_hash_table_contains(touched, answer)) {
            subject_answer_free(answer);
            continue;
        }
        coverage->counts[answer->subject->kind].all++;
        coverage->counts[answer->subject->kind].covered += answer->by->len > 0;
        g_ptr_array_add(kept, answer);
    }
    g_ptr_array_set_free_func(coverage->subjects, NULL);
    g_ptr_array_unref(coverage->subjects);
    coverage->subjects = kept;
}

/* What could not be rendered hides what the change does to it. */
static bool is_news(const struct past *past, const struct input *input)
{
    return input->rendered || past_touches(past, input);
}

void changes_narrow(struct coverage *coverage, bool keep_skipped)
{
    const struct changes *changes = coverage->changes;
    g_autoptr(GHashTable) touched = g_hash_table_new(NULL, NULL);
    for (guint i = 0; i < changes->documents->len; i++)
        g_hash_table_add(touched, (void *)((struct document_change *)changes->documents->pdata[i])->now);
    for (guint i = coverage->documents->len; i-- > 0;) {
        const struct document_answer *answer = coverage->documents->pdata[i];
        if (!g_hash_table_contains(touched, answer->document) &&
            !(answer->orphan && is_orphaned(changes, answer->document)))
            g_ptr_array_remove_index(coverage->documents, i);
    }
    for (guint i = coverage->skipped->len; !keep_skipped && i-- > 0;)
        if (!is_news(changes->past, coverage->skipped->pdata[i]))
            g_ptr_array_remove_index(coverage->skipped, i);
    narrow_subjects(coverage, changes);
}
