/* catalog_api: see catalog_api.h. Everything here is in memory: answers come at once. */
#include "jobs/catalog_api.h"
#include "jobs/call.h"
#include "jobs/catalog_view.h"

/* A view of the catalog in service, as a jobs_fn. */
#define VIEW(name, view)                                                                                               \
    void name(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)               \
    {                                                                                                                  \
        (void)actor;                                                                                                   \
        g_autoptr(GError) error = NULL;                                                                                \
        g_autoptr(json_t) answer = view(catalog_current(jobs->catalog), request, &error);                              \
        done(arg, answer, error);                                                                                      \
    }
VIEW(runbook_list, catalog_view_runbooks)
VIEW(runbook_get, catalog_view_runbook)
VIEW(catalog_findings, catalog_view_findings)
VIEW(host_list, catalog_view_hosts)
VIEW(host_get, catalog_view_host)

void repository_list(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    (void)request, (void)actor;
    g_autoptr(json_t) page = call_page(catalog_status(jobs->catalog), NULL);
    done(arg, page, NULL);
}

void repository_fetch(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    catalog_poll(jobs->catalog, NULL);
    repository_list(jobs, request, actor, done, arg);
}
