/* catalog_view: see catalog_view.h. */
#include "jobs/catalog_view.h"
#include "core/errors.h"
#include "jobs/call.h"
#include "jobs/inventory.h"
#include <string.h>

/* --- runbooks and documents -----------------------------------------------------------------------------------------
 */

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

json_t *catalog_view_runbooks(const struct catalog_set *set, const json_t *request, GError **error)
{
    (void)error;
    const char *kind = call_string(request, "kind"), *owner = call_string(request, "owner");
    const char *after = call_string(request, "after");
    int64_t limit = call_limit(request);
    json_t *items = json_array();
    for (guint i = 0; i < set->runbooks->len && json_array_size(items) <= (size_t)limit; i++) { /* by id */
        const struct runbook *runbook = set->runbooks->pdata[i];
        if (wanted(runbook, kind, owner, after))
            json_array_append_new(items, summary(runbook));
    }
    return call_page_cut(items, limit, "id");
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

json_t *catalog_view_runbook(const struct catalog_set *set, const json_t *request, GError **error)
{
    const char *id = call_need_string(request, "id", error);
    const struct runbook *runbook = id != NULL ? find(set, id) : NULL;
    if (id != NULL && runbook == NULL)
        errors_set(error, ERROR_NOT_FOUND, "no runbook or document '%s' is in service", id);
    return runbook != NULL ? runbook_to_json(runbook) : NULL;
}

/* --- findings
 * ---------------------------------------------------------------------------------------------------------- */

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

json_t *catalog_view_findings(const struct catalog_set *set, const json_t *request, GError **error)
{
    const char *name = call_string(request, "level");
    enum finding_level least = FINDING_NOTE;
    if (name != NULL && !level_from_name(name, &least)) {
        errors_set(error, ERROR_INVALID, "unknown level '%s': note, warning or error", name);
        return NULL;
    }
    size_t limit = (size_t)call_limit(request), count = finding_count(set->findings);
    size_t i = (size_t)call_integer(request, "after", 0, G_MAXINT32);
    json_t *items = json_array();
    for (; i < count && json_array_size(items) < limit; i++)
        if (finding_at(set->findings, i)->level >= least)
            json_array_append_new(items, finding_to_json(finding_at(set->findings, i)));
    g_autofree char *next = i < count ? g_strdup_printf("%zu", i) : NULL;
    return call_page(items, next != NULL ? json_string(next) : NULL);
}

/* --- hosts
 * ------------------------------------------------------------------------------------------------------------- */

static json_t *host_view(const json_t *host)
{
    json_t *copy = json_copy((json_t *)(uintptr_t)host);
    json_object_del(copy, "identity");
    json_object_del(copy, "password");
    json_object_del(copy, "sudo_password");
    return copy;
}

json_t *catalog_view_hosts(const struct catalog_set *set, const json_t *request, GError **error)
{
    g_autoptr(json_t) hosts = inventory_filter(set->inventory, call_string(request, "filter"), NULL, error);
    if (hosts == NULL)
        return NULL;
    const char *after = call_string(request, "after");
    int64_t limit = call_limit(request);
    size_t index;
    json_t *items = json_array(), *host;
    json_array_foreach (hosts, index, host) {
        if (json_array_size(items) > (size_t)limit)
            break;
        if (after == NULL || strcmp(json_get_string(host, "name", ""), after) > 0)
            json_array_append_new(items, host_view(host));
    }
    return call_page_cut(items, limit, "name");
}

json_t *catalog_view_host(const struct catalog_set *set, const json_t *request, GError **error)
{
    const char *id = call_need_string(request, "id", error);
    const json_t *host = id != NULL ? inventory_find(set->inventory, id) : NULL;
    if (id != NULL && host == NULL)
        errors_set(error, ERROR_NOT_FOUND, "the inventory has no host '%s'", id);
    return host != NULL ? host_view(host) : NULL;
}
