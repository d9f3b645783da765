/* runbook_api: see runbook_api.h. Everything here is in memory: answers come at once. */
#include "jobs/runbook_api.h"
#include "core/errors.h"
#include "jobs/call.h"
#include "jobs/catalog.h"
#include <string.h>

enum { LIST_DEFAULT = 100, LIST_MAXIMUM = 1000 };

static int64_t limit_of(const json_t *request)
{
    return MAX(call_integer(request, "limit", LIST_DEFAULT, LIST_MAXIMUM), 1);
}

static void answer_page(json_t *items, json_t *next, op_done_fn done, void *arg)
{
    g_autoptr(json_t) page = call_page(items, next);
    done(arg, page, NULL);
}

static json_t *texts(char **list)
{
    json_t *array = json_array();
    for (; list != NULL && *list != NULL; list++)
        json_array_append_new(array, json_string(*list));
    return array;
}

static json_t *triggers_of(const struct runbook *runbook)
{
    json_t *ids = json_array();
    for (guint i = 0; runbook->triggers != NULL && i < runbook->triggers->len; i++)
        json_array_append_new(ids, json_string(((const struct trigger *)runbook->triggers->pdata[i])->id));
    return ids;
}

static json_t *summary(const struct runbook *runbook)
{
    json_t *object = json_object();
    json_set_string(object, "id", runbook->id);
    json_set_string(object, "kind", runbook->document ? "document" : "runbook");
    json_set_string(object, "title", runbook->title);
    json_set_string(object, "owner", runbook->owner);
    json_set_string(object, "severity", runbook->severity);
    json_set_string(object, "repository", runbook->repository);
    json_set_string(object, "path", runbook->path);
    json_set_string(object, "commit", runbook->commit);
    json_object_set_new(object, "covers", texts(runbook->covers));
    json_object_set_new(object, "triggers", triggers_of(runbook));
    return object;
}

static bool wanted(const struct runbook *runbook, const char *kind, const char *owner, const char *after)
{
    return (kind == NULL || strcmp(kind, runbook->document ? "document" : "runbook") == 0) &&
           (owner == NULL || g_strcmp0(owner, runbook->owner) == 0) &&
           (after == NULL || strcmp(runbook->id, after) > 0);
}

void runbook_list(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    (void)actor;
    const GPtrArray *all = catalog_current(jobs->catalog)->runbooks; /* by id */
    const char *kind = call_string(request, "kind"), *owner = call_string(request, "owner");
    const char *after = call_string(request, "after"), *last = NULL;
    int64_t left = limit_of(request);
    json_t *items = json_array();
    for (guint i = 0; i < all->len; i++) {
        const struct runbook *runbook = all->pdata[i];
        if (!wanted(runbook, kind, owner, after))
            continue;
        if (left-- == 0) {
            answer_page(items, json_string(last), done, arg);
            return;
        }
        json_array_append_new(items, summary(runbook));
        last = runbook->id;
    }
    answer_page(items, NULL, done, arg);
}

/* Documents have no aliases and are not started: catalog_set_runbook() leaves them out. */
static const struct runbook *find(const struct catalog_set *set, const char *id)
{
    const struct runbook *runbook = catalog_set_runbook(set, id);
    for (guint i = 0; runbook == NULL && i < set->runbooks->len; i++)
        if (strcmp(((const struct runbook *)set->runbooks->pdata[i])->id, id) == 0)
            runbook = set->runbooks->pdata[i];
    return runbook;
}

void runbook_get(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    (void)actor;
    g_autoptr(GError) error = NULL;
    const char *id = call_need_string(request, "id", &error);
    const struct runbook *runbook = id != NULL ? find(catalog_current(jobs->catalog), id) : NULL;
    if (id != NULL && runbook == NULL)
        errors_set(&error, ERROR_NOT_FOUND, "no runbook or document '%s' is in service", id);
    g_autoptr(json_t) object = runbook != NULL ? runbook_to_json(runbook) : NULL;
    done(arg, object, error);
}

static bool level_from_name(const char *name, enum finding_level *ret_level)
{
    static const char *const names[] = {
        [FINDING_NOTE] = "note", [FINDING_WARNING] = "warning", [FINDING_ERROR] = "error"};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (strcmp(names[i], name) != 0)
            continue;
        *ret_level = (enum finding_level)i;
        return true;
    }
    return false;
}

void runbook_findings(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    (void)actor;
    const struct finding_list *findings = catalog_current(jobs->catalog)->findings;
    const char *name = call_string(request, "level");
    enum finding_level least = FINDING_NOTE;
    if (name != NULL && !level_from_name(name, &least)) {
        g_autoptr(GError) error = NULL;
        errors_set(&error, ERROR_INVALID, "unknown level '%s': note, warning or error", name);
        done(arg, NULL, error);
        return;
    }
    int64_t left = limit_of(request);
    size_t count = finding_count(findings), i = (size_t)call_integer(request, "after", 0, G_MAXINT32);
    json_t *items = json_array();
    for (; i < count && left > 0; i++) {
        if (finding_at(findings, i)->level < least)
            continue;
        json_array_append_new(items, finding_to_json(finding_at(findings, i)));
        left--;
    }
    g_autofree char *next = i < count ? g_strdup_printf("%zu", i) : NULL;
    answer_page(items, next != NULL ? json_string(next) : NULL, done, arg);
}

void repository_list(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    (void)request, (void)actor;
    answer_page(catalog_status(jobs->catalog), NULL, done, arg);
}

void repository_fetch(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    catalog_poll(jobs->catalog, NULL);
    repository_list(jobs, request, actor, done, arg);
}
