/* catalog_set: see the header. Runbooks are shared with the trees; a set owns only what differs: id, repository,
 * commit. */
#include "jobs/catalog_set.h"
#include <string.h>

struct set {
    struct catalog_set public; /* first: callers hold its address */
    gatomicrefcount references;
    GPtrArray *trees;    /* keep the parsed files alive */
    GHashTable *by_id;   /* id or alias → struct runbook * (borrowed) */
    json_t *all_modules; /* {repository: {path: text}} */
};

struct catalog_set *catalog_set_ref(struct catalog_set *set)
{
    g_atomic_ref_count_inc(&((struct set *)set)->references);
    return set;
}

/* Frees what set_runbook() made; the rest belongs to the tree's file. */
static void copy_free(void *data)
{
    struct runbook *runbook = data;
    g_free(runbook->id);
    g_free(runbook->repository);
    g_free(runbook->commit);
    g_free(runbook);
}

void catalog_set_unref(struct catalog_set *public)
{
    struct set *set = (struct set *)public;
    if (set == NULL || !g_atomic_ref_count_dec(&set->references))
        return;
    g_hash_table_unref(set->by_id);
    g_ptr_array_unref(public->runbooks);
    json_decref(public->inventory);
    json_decref(public->policies);
    json_decref(public->modules);
    json_decref(public->commits);
    json_decref(set->all_modules);
    finding_list_free(public->findings);
    g_ptr_array_unref(set->trees);
    g_free(set);
}

const struct runbook *catalog_set_runbook(const struct catalog_set *set, const char *id)
{
    return g_hash_table_lookup(((const struct set *)set)->by_id, id);
}

json_t *catalog_set_modules(const struct catalog_set *set, const char *repository)
{
    json_t *modules = json_object_get(((const struct set *)set)->all_modules, repository != NULL ? repository : "");
    return modules != NULL ? modules : set->modules;
}

/* Building */

struct building {
    struct set *set;
    const struct catalog_set_options *options;
    const struct catalog_part *part; /* at the moment */
};

static char *prefixed(const struct building *building, const char *text)
{
    return building->options->prefix ? g_strconcat(building->part->name, ":", text, NULL) : g_strdup(text);
}

static void add_findings(struct building *building, const struct finding_list *from)
{
    for (size_t i = 0; i < finding_count(from); i++) {
        const struct finding *finding = finding_at(from, i);
        g_autofree char *file = prefixed(building, finding->file);
        finding_add(building->set->public.findings, finding->rule, finding->level, file, finding->line, finding->column,
                    finding->suggestion, "%s", finding->message);
    }
}

static void add_runbook(struct building *building, const struct catalog_entry *entry)
{
    struct runbook *copy = g_memdup2(entry->served->runbook, sizeof *copy);
    copy->id = prefixed(building, copy->id);
    copy->repository = g_strdup(building->part->name);
    copy->commit = g_strdup(entry->served_commit);
    g_ptr_array_add(building->set->public.runbooks, copy);
}

static void add_part(struct building *building)
{
    struct catalog_tree *tree = building->part->tree;
    struct catalog_set *set = &building->set->public;
    g_ptr_array_add(building->set->trees, catalog_tree_ref(tree));
    json_set_string(set->commits, building->part->name, tree->commit);
    add_findings(building, tree->findings);
    json_t *modules = json_object();
    for (guint i = 0; i < tree->entries->len; i++) {
        const struct catalog_entry *entry = g_ptr_array_index(tree->entries, i);
        add_findings(building, entry->current->findings);
        if (entry->served != NULL && entry->served->kind == CATALOG_RUNBOOK)
            add_runbook(building, entry);
        else if (entry->served != NULL && entry->served->kind == CATALOG_MODULE)
            json_object_set(modules, entry->served->path, entry->served->value);
    }
    json_object_set_new(building->set->all_modules, building->part->name, modules);
    if (set->modules == NULL)
        set->modules = json_incref(modules);
}

/* The served value of the inventory or teams file. Borrowed, or NULL. */
static json_t *rules_value(const struct catalog_set_options *options, const char *path)
{
    for (size_t i = 0; i < options->count; i++) {
        const struct catalog_part *part = &options->parts[i];
        if (part->tree == NULL ||
            (options->rules_repository != NULL && strcmp(part->name, options->rules_repository) != 0))
            continue;
        const struct catalog_entry *entry = catalog_tree_entry(part->tree, path);
        if (entry != NULL)
            return entry->served != NULL ? entry->served->value
                                         : NULL; /* broken from the start: nobody else stands in */
    }
    return NULL;
}

static void add_rules(struct set *set, const struct catalog_set_options *options)
{
    json_t *inventory = rules_value(options, options->inventory), *policies = rules_value(options, options->teams);
    set->public.inventory = inventory != NULL ? json_incref(inventory) : json_array();
    set->public.policies = policies != NULL ? json_incref(policies) : json_pack("{s:{}, s:{}}", "teams", "policies");
}

static int compare_runbooks(const void *left, const void *right)
{
    const struct runbook *a = *(struct runbook *const *)left, *b = *(struct runbook *const *)right;
    int order = strcmp(a->id, b->id);
    if (order == 0)
        order = strcmp(a->repository, b->repository);
    return order != 0 ? order : strcmp(a->path, b->path);
}

/* A name that two runbooks claim goes to the first; a document has no name that anything could be started by. */
static bool claim(struct set *set, struct runbook *runbook, const char *id, const char *what, bool prefix)
{
    const struct runbook *other = g_hash_table_lookup(set->by_id, id);
    if (other == NULL) {
        g_hash_table_insert(set->by_id, g_strdup(id), runbook);
        return true;
    }
    if (other == runbook)
        return true;
    g_autofree char *file =
        prefix ? g_strconcat(runbook->repository, ":", runbook->path, NULL) : g_strdup(runbook->path);
    finding_add(set->public.findings, "duplicate-id", FINDING_ERROR, file, 1, 0, NULL, "%s '%s' is taken by '%s'", what,
                id, other->path);
    return false;
}

/* Ids first, so that an alias never hides one. Runbooks whose id is taken are not in service. */
static void index_runbooks(struct set *set, bool prefix)
{
    GPtrArray *runbooks = set->public.runbooks;
    g_ptr_array_sort(runbooks, compare_runbooks);
    for (guint i = 0; i < runbooks->len; i++) {
        struct runbook *runbook = g_ptr_array_index(runbooks, i);
        if (!runbook->document && !claim(set, runbook, runbook->id, "the id", prefix))
            g_ptr_array_remove_index(runbooks, i--);
    }
    for (guint i = 0; i < runbooks->len; i++) {
        struct runbook *runbook = g_ptr_array_index(runbooks, i);
        for (char **alias = runbook->document ? NULL : runbook->aliases; alias != NULL && *alias != NULL; alias++) {
            g_autofree char *name = prefix ? g_strconcat(runbook->repository, ":", *alias, NULL) : g_strdup(*alias);
            claim(set, runbook, name, "the alias", prefix);
        }
    }
}

struct catalog_set *catalog_set_new(const struct catalog_set_options *options)
{
    struct set *set = g_new0(struct set, 1);
    g_atomic_ref_count_init(&set->references);
    set->trees = g_ptr_array_new_with_free_func((GDestroyNotify)catalog_tree_unref);
    set->by_id = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    set->all_modules = json_object();
    set->public.runbooks = g_ptr_array_new_with_free_func(copy_free);
    set->public.findings = finding_list_new();
    set->public.commits = json_object();
    for (size_t i = 0; i < options->count; i++) {
        struct building building = {set, options, &options->parts[i]};
        if (building.part->tree != NULL)
            add_part(&building);
        else
            json_set_string(set->public.commits, building.part->name, NULL);
    }
    if (set->public.modules == NULL)
        set->public.modules = json_object();
    add_rules(set, options);
    index_runbooks(set, options->prefix);
    finding_sort(set->public.findings);
    return &set->public;
}
