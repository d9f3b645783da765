/* catalog: which commit of each repository is in service. Fetching is catalog_fetch.c's, reading catalog_read.c's; here
 * is when each happens, and the switch. */
#include "jobs/catalog.h"
#include "core/clock.h"
#include "core/crypto.h"
#include "core/errors.h"
#include "core/log.h"
#include "core/secret.h"
#include "jobs/catalog_read.h"
#include "jobs/catalog_repository.h"
#include "jobs/catalog_set.h"
#include "jobs/catalog_url.h"
#include "jobs/field.h"
#include <errno.h>
#include <string.h>

#define INVENTORY_PATH "hikeshi/inventory.yaml"
#define TEAMS_PATH     "hikeshi/teams.yaml"
#define RUNBOOKS_PATH  "runbooks"

/* `rules` of the configuration. */
struct rules {
    char *repository, *inventory, *teams;
};

/* One reading of all mirrors: filled on the loop, worked on off it, taken on the loop. It borrows names and settings
 * from the catalog, which therefore is freed only after it. */
struct reading {
    struct catalog *catalog;
    const struct rules *rules;
    size_t count;
    struct repository_reading {
        const struct catalog_repository *repository;
        struct catalog_tree *tree; /* in: previous; out: current */
        char *error;
    } * repositories;
    struct catalog_set *set; /* out; NULL: nothing changed */
};

struct catalog {
    struct loop *loop;
    GPtrArray *repositories; /* struct catalog_repository * */
    GPtrArray *trees;        /* struct catalog_tree * or NULL, same order */
    struct rules rules;
    struct catalog_set *current;
    struct reading *reading; /* under way, or NULL */
    bool read_again;
    bool freed; /* as soon as the reading is over */
    void (*changed)(void *arg);
    void *arg;
};

/* Reading and switching */

static struct reading *reading_new(struct catalog *catalog)
{
    struct reading *reading = g_new0(struct reading, 1);
    reading->catalog = catalog;
    reading->rules = &catalog->rules;
    reading->count = catalog->repositories->len;
    reading->repositories = g_new0(struct repository_reading, reading->count);
    for (size_t i = 0; i < reading->count; i++) {
        struct catalog_tree *tree = g_ptr_array_index(catalog->trees, i);
        reading->repositories[i].repository = g_ptr_array_index(catalog->repositories, i);
        reading->repositories[i].tree = tree != NULL ? catalog_tree_ref(tree) : NULL;
    }
    return reading;
}

static void reading_free(struct reading *reading)
{
    for (size_t i = 0; i < reading->count; i++) {
        catalog_tree_unref(reading->repositories[i].tree);
        g_free(reading->repositories[i].error);
    }
    g_free(reading->repositories);
    catalog_set_unref(reading->set);
    g_free(reading);
}

/* True when the repository has another commit than before. */
static bool read_repository(const struct reading *reading, struct repository_reading *item)
{
    const struct catalog_repository_settings *settings = &item->repository->settings;
    struct catalog_layout layout = {settings->path, reading->rules->inventory, reading->rules->teams};
    g_autoptr(GError) error = NULL;
    struct catalog_tree *tree =
        catalog_read_mirror(item->repository->mirror, settings->branch, &layout, item->tree, &error);
    if (error != NULL)
        item->error = g_strdup(error->message);
    if (tree == NULL || tree == item->tree) { /* what was read before stays in service */
        catalog_tree_unref(tree);
        return false;
    }
    catalog_tree_unref(item->tree);
    item->tree = tree;
    return true;
}

static struct catalog_set *make_set(const struct reading *reading)
{
    g_autofree struct catalog_part *parts = g_new0(struct catalog_part, reading->count + 1);
    for (size_t i = 0; i < reading->count; i++)
        parts[i] = (struct catalog_part){reading->repositories[i].repository->name, reading->repositories[i].tree};
    struct catalog_set_options options = {
        .parts = parts,
        .count = reading->count,
        .prefix = reading->count > 1,
        .rules_repository = reading->rules->repository,
        .inventory = reading->rules->inventory,
        .teams = reading->rules->teams,
    };
    return catalog_set_new(&options);
}

/* Off the loop. */
static void reading_work(void *arg)
{
    struct reading *reading = arg;
    bool changed = false;
    for (size_t i = 0; i < reading->count; i++)
        changed |= read_repository(reading, &reading->repositories[i]);
    if (changed)
        reading->set = make_set(reading);
}

static void log_switch(const struct repository_reading *item, const struct catalog_tree *before)
{
    if (item->error != NULL)
        log_error("repository not read", "repository", item->repository->name, "error", item->error, NULL);
    if (item->tree == NULL || item->tree == before)
        return;
    g_autofree char *files = g_strdup_printf("%u", item->tree->entries->len);
    g_autofree char *parsed = g_strdup_printf("%zu", item->tree->parsed);
    log_info("commit in service", "repository", item->repository->name, "commit", item->tree->commit, "files", files,
             "parsed", parsed, NULL);
}

/* What an author broke is worth a line where the operator looks; all of it is at GET /api/v1/findings. */
static void log_errors(const struct finding_list *findings)
{
    enum { SHOWN = 10 };
    size_t errors = 0;
    for (size_t i = 0; i < finding_count(findings); i++) {
        const struct finding *finding = finding_at(findings, i);
        if (finding->level != FINDING_ERROR || ++errors > SHOWN)
            continue;
        g_autofree char *text = finding_to_text(finding);
        log_warn("a file has an error: its last good version, if any, stays in service", "finding", text, NULL);
    }
    if (errors > SHOWN)
        log_warn("more errors: see 'hikeshi runbooks findings'", NULL);
}

/* On the loop: takes what the reading made. Returns whether the set was switched. */
static bool take(struct catalog *catalog, struct reading *reading)
{
    for (size_t i = 0; i < reading->count; i++) {
        struct repository_reading *item = &reading->repositories[i];
        struct catalog_tree *before = g_ptr_array_index(catalog->trees, i);
        log_switch(item, before);
        g_ptr_array_index(catalog->trees, i) = g_steal_pointer(&item->tree);
        catalog_tree_unref(before);
    }
    if (reading->set == NULL)
        return false;
    log_errors(reading->set->findings);
    struct catalog_set *before = catalog->current;
    catalog->current = g_steal_pointer(&reading->set);
    catalog_set_unref(before);
    return true;
}

static void read_mirrors(struct catalog *catalog);
static void destroy(struct catalog *catalog);

static void reading_done(void *arg)
{
    struct reading *reading = arg;
    struct catalog *catalog = reading->catalog;
    catalog->reading = NULL;
    if (catalog->freed) {
        reading_free(reading);
        destroy(catalog);
        return;
    }
    bool switched = take(catalog, reading);
    reading_free(reading);
    if (switched && catalog->changed != NULL)
        catalog->changed(catalog->arg);
    if (catalog->read_again)
        read_mirrors(catalog);
}

static void read_mirrors(struct catalog *catalog)
{
    catalog->read_again = catalog->reading != NULL;
    if (catalog->read_again)
        return;
    catalog->reading = reading_new(catalog);
    loop_work(catalog->loop, reading_work, reading_done, catalog->reading);
}

static void on_fetched(void *arg, struct catalog_repository *repository)
{
    (void)repository;
    read_mirrors(arg);
}

/* Life */

static bool read_rules(struct catalog *catalog, struct config *config, GError **error)
{
    static const struct field fields[] = {
        {"repository", FIELD_STRING, .offset = offsetof(struct rules, repository)},
        {"inventory", FIELD_STRING, .offset = offsetof(struct rules, inventory)},
        {"teams", FIELD_STRING, .offset = offsetof(struct rules, teams)},
        {0},
    };
    struct rules *rules = &catalog->rules;
    rules->inventory = g_strdup(INVENTORY_PATH);
    rules->teams = g_strdup(TEAMS_PATH);
    const struct yaml_node *tree = config_tree(config, "rules");
    if (tree == NULL)
        return true;
    g_autoptr(finding_list) findings = finding_list_new();
    struct field_reader reader = {config_file(config), findings, NULL};
    bool known = !field_read_map(&reader, tree, "rules", fields, rules) || rules->repository == NULL;
    for (guint i = 0; !known && i < catalog->repositories->len; i++)
        known = strcmp(((struct catalog_repository *)g_ptr_array_index(catalog->repositories, i))->name,
                       rules->repository) == 0;
    if (!known)
        field_error(&reader, "unknown-repository", yaml_get(tree, "repository"), NULL, "there is no repository '%s'",
                    rules->repository);
    if (finding_count(findings) == 0)
        return true;
    g_autofree char *text = finding_to_text(finding_at(findings, 0));
    errors_set(error, ERROR_CONFIG, "%s", text);
    return false;
}

static void free_tree(void *tree)
{
    catalog_tree_unref(tree);
}

static void destroy(struct catalog *catalog)
{
    g_clear_pointer(&catalog->repositories, g_ptr_array_unref);
    g_clear_pointer(&catalog->trees, g_ptr_array_unref);
    catalog_set_unref(catalog->current);
    g_free(catalog->rules.repository);
    g_free(catalog->rules.inventory);
    g_free(catalog->rules.teams);
    g_free(catalog);
}

static bool start(struct catalog *catalog, struct config *config, const char *data_folder, GError **error)
{
    g_autofree char *mirrors = g_build_filename(data_folder, "repositories", NULL);
    catalog->repositories = catalog_repositories_new(catalog->loop, config, data_folder, error);
    if (catalog->repositories == NULL || !read_rules(catalog, config, error))
        return false;
    if (g_mkdir_with_parents(mirrors, 0700) != 0) {
        errors_set(error, ERROR_IO, "cannot create '%s': %s", mirrors, g_strerror(errno));
        return false;
    }
    g_ptr_array_set_size(catalog->trees, (gint)catalog->repositories->len);
    struct reading *reading = reading_new(catalog);
    reading_work(reading);
    if (reading->set == NULL)
        reading->set = make_set(reading); /* nothing fetched yet: an empty set */
    take(catalog, reading);
    reading_free(reading);
    return true;
}

struct catalog *catalog_new(struct loop *loop, struct config *config, const char *data_folder,
                            void (*changed)(void *arg), void *arg, GError **error)
{
    struct catalog *catalog = g_new0(struct catalog, 1);
    catalog->loop = loop;
    catalog->changed = changed;
    catalog->arg = arg;
    catalog->trees = g_ptr_array_new_with_free_func(free_tree);
    if (!start(catalog, config, data_folder, error)) {
        destroy(catalog);
        return NULL;
    }
    for (guint i = 0; i < catalog->repositories->len; i++) {
        struct catalog_repository *repository = g_ptr_array_index(catalog->repositories, i);
        repository->fetched = on_fetched;
        repository->arg = catalog;
        catalog_repository_fetch(repository);
    }
    return catalog;
}

void catalog_free(struct catalog *catalog)
{
    if (catalog == NULL)
        return;
    for (guint i = 0; i < catalog->repositories->len; i++)
        catalog_repository_stop(g_ptr_array_index(catalog->repositories, i));
    catalog->freed = true;
    if (catalog->reading == NULL)
        destroy(catalog);
}

struct catalog_set *catalog_current(struct catalog *catalog)
{
    return catalog->current;
}

/* Asking */

static struct catalog_repository *find(struct catalog *catalog, const char *name)
{
    for (guint i = 0; i < catalog->repositories->len; i++) {
        struct catalog_repository *repository = g_ptr_array_index(catalog->repositories, i);
        if (strcmp(repository->name, name) == 0)
            return repository;
    }
    return NULL;
}

void catalog_poll(struct catalog *catalog, const char *repository)
{
    for (guint i = 0; i < catalog->repositories->len; i++) {
        struct catalog_repository *each = g_ptr_array_index(catalog->repositories, i);
        if (repository == NULL || strcmp(each->name, repository) == 0)
            catalog_repository_fetch(each);
    }
}

/* "sha256=" and 64 hex digits, as GitHub and Gitea send it. */
static bool signature_matches(const char *signature, const char *secret, const char *body, size_t length)
{
    uint8_t mac[32];
    crypto_hmac_sha256(secret, strlen(secret), body, length, mac);
    g_autofree char *hex = crypto_hex(mac, sizeof mac);
    g_autofree char *expected = g_strconcat("sha256=", hex, NULL);
    return strlen(signature) == strlen(expected) && crypto_equal(signature, expected, strlen(expected));
}

bool catalog_takes_push(struct catalog *catalog, const char *repository)
{
    const struct catalog_repository *found = find(catalog, repository);
    return found != NULL && found->settings.push_secret != NULL;
}

bool catalog_push(struct catalog *catalog, const char *repository, const char *signature, const char *body,
                  size_t length)
{
    if (!catalog_takes_push(catalog, repository) || signature == NULL)
        return false;
    struct catalog_repository *found = find(catalog, repository);
    g_autoptr(GError) error = NULL;
    char *secret = secret_resolve(found->settings.push_secret, &error);
    if (secret == NULL)
        log_error("push webhook refused", "repository", repository, "error", error->message, NULL);
    bool matches = secret != NULL && *secret != '\0' && signature_matches(signature, secret, body, length);
    secret_free(secret);
    if (matches)
        catalog_repository_fetch(found);
    return matches;
}

struct counts {
    int runbooks, documents, findings;
};

static struct counts count(const struct catalog_tree *tree)
{
    struct counts counts = {0};
    for (guint i = 0; tree != NULL && i < tree->entries->len; i++) {
        const struct catalog_entry *entry = g_ptr_array_index(tree->entries, i);
        const struct runbook *runbook = entry->served != NULL ? entry->served->runbook : NULL;
        counts.runbooks += runbook != NULL && !runbook->document;
        counts.documents += runbook != NULL && runbook->document;
        counts.findings += (int)finding_count(entry->current->findings);
    }
    counts.findings += tree != NULL ? (int)finding_count(tree->findings) : 0;
    return counts;
}

static json_t *status_of(const struct catalog_repository *repository, const struct catalog_tree *tree)
{
    struct counts counts = count(tree);
    g_autofree char *url = catalog_url_public(repository->settings.url);
    g_autofree char *fetched = repository->fetched_at_ms > 0 ? clock_format(repository->fetched_at_ms) : NULL;
    json_t *status = json_object();
    json_set_string(status, "name", repository->name);
    json_set_string(status, "url", url);
    json_set_string(status, "branch", repository->settings.branch);
    json_set_string(status, "path", repository->settings.path);
    json_set_string(status, "commit", tree != NULL ? tree->commit : NULL);
    json_set_string(status, "fetched_at", fetched);
    json_set_string(status, "error", repository->error);
    json_object_set_new(status, "fetching", json_boolean(repository->child != NULL));
    json_object_set_new(status, "runbooks", json_integer(counts.runbooks));
    json_object_set_new(status, "documents", json_integer(counts.documents));
    json_object_set_new(status, "findings", json_integer(counts.findings));
    return status;
}

json_t *catalog_status(struct catalog *catalog)
{
    json_t *list = json_array();
    for (guint i = 0; i < catalog->repositories->len; i++)
        json_array_append_new(
            list, status_of(g_ptr_array_index(catalog->repositories, i), g_ptr_array_index(catalog->trees, i)));
    return list;
}

/* Without Git */

struct catalog_set *catalog_read_folder(const char *folder, const char *runbooks_path, GError **error)
{
    struct catalog_layout layout = {runbooks_path != NULL ? runbooks_path : RUNBOOKS_PATH, INVENTORY_PATH, TEAMS_PATH};
    struct catalog_tree *tree = catalog_read_working_tree(folder, &layout, error);
    if (tree == NULL)
        return NULL;
    struct catalog_part part = {"local", tree};
    struct catalog_set_options options = {.parts = &part, .count = 1, .inventory = INVENTORY_PATH, .teams = TEAMS_PATH};
    struct catalog_set *set = catalog_set_new(&options);
    catalog_tree_unref(tree);
    return set;
}
