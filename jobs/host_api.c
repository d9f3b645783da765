/* host_api: see host_api.h. */
#include "jobs/host_api.h"
#include "core/errors.h"
#include "jobs/call.h"
#include "jobs/catalog.h"
#include "jobs/inventory.h"
#include <string.h>

enum { LIST_DEFAULT = 200, LIST_MAXIMUM = 2000 };

static json_t *view(const json_t *host)
{
    json_t *copy = json_copy((json_t *)(uintptr_t)host);
    json_object_del(copy, "identity");
    return copy;
}

/* The hosts after a name, up to a limit; sets *ret_next to the last one's name when there are more. */
static json_t *page_of(const json_t *hosts, const char *after, int64_t limit, const char **ret_next)
{
    json_t *items = json_array();
    size_t index;
    json_t *host;
    *ret_next = NULL;
    json_array_foreach (hosts, index, host) {
        const char *name = json_get_string(host, "name", "");
        if (after != NULL && strcmp(name, after) <= 0)
            continue;
        if (json_array_size(items) == (size_t)limit) {
            *ret_next = json_get_string(json_array_get(items, (size_t)limit - 1), "name", "");
            break;
        }
        json_array_append_new(items, view(host));
    }
    return items;
}

void host_list(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    (void)actor;
    g_autoptr(GError) error = NULL;
    const json_t *inventory = catalog_current(jobs->catalog)->inventory;
    g_autoptr(json_t) hosts = inventory_filter(inventory, call_string(request, "filter"), NULL, &error);
    if (hosts == NULL) {
        done(arg, NULL, error);
        return;
    }
    const char *next = NULL;
    int64_t limit = MAX(call_integer(request, "limit", LIST_DEFAULT, LIST_MAXIMUM), 1);
    json_t *items = page_of(hosts, call_string(request, "after"), limit, &next);
    g_autoptr(json_t) page = call_page(items, next != NULL ? json_string(next) : NULL);
    done(arg, page, NULL);
}

void host_get(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    (void)actor;
    g_autoptr(GError) error = NULL;
    const char *id = call_need_string(request, "id", &error);
    const json_t *host = id != NULL ? inventory_find(catalog_current(jobs->catalog)->inventory, id) : NULL;
    if (id != NULL && host == NULL)
        errors_set(&error, ERROR_NOT_FOUND, "the inventory has no host '%s'", id);
    g_autoptr(json_t) found = host != NULL ? view(host) : NULL;
    done(arg, found, error);
}
