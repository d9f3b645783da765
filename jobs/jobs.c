/* jobs: puts the control plane together, in the order in which its parts need each other, and takes it apart again. */
#include "jobs/jobs.h"
#include "core/crypto.h"
#include "core/errors.h"
#include "core/log.h"
#include "jobs/approval.h"
#include "jobs/catalog.h"
#include "jobs/delivery.h"
#include "jobs/feed.h"
#include "jobs/jobs_status.h"
#include "jobs/outbox.h"
#include "jobs/retention.h"
#include "jobs/run.h"
#include "jobs/schedule.h"
#include "jobs/token.h"

static void catalog_changed(void *arg)
{
    struct jobs *jobs = arg;
    if (jobs->schedules) /* not while jobs_new() is at work */
        schedule_catalog_changed(jobs);
}

/* The order matters: what recovers runs comes before what makes new ones. */
static bool build(struct jobs *jobs, GError **error)
{
    if (!(jobs->store = store_open(jobs->loop, jobs->data_folder, error)))
        return false;
    g_autoptr(GError) problem = NULL;
    jobs->admin_token = token_bootstrap(jobs->store, jobs->data_folder, &problem);
    if (problem) {
        g_propagate_error(error, g_steal_pointer(&problem));
        return false;
    }
    jobs->feed = feed_new();
    jobs->http = http_client_new(jobs->loop);
    return (jobs->catalog = catalog_new(jobs->loop, jobs->config, jobs->data_folder, catalog_changed, jobs, error)) &&
           (jobs->tokens = token_service_new(jobs, error)) && (jobs->outbox = outbox_service_new(jobs, error)) &&
           (jobs->runs = run_service_new(jobs, error)) && (jobs->approvals = approval_service_new(jobs, error)) &&
           (jobs->deliveries = delivery_service_new(jobs, error)) &&
           (jobs->schedules = schedule_service_new(jobs, error)) && (jobs->status = jobs_status_new(jobs, error)) &&
           (jobs->retention = retention_service_new(jobs));
}

struct jobs *jobs_new(struct loop *loop, struct config *config, GError **error)
{
    struct jobs *jobs = g_new0(struct jobs, 1);
    jobs->loop = loop;
    jobs->config = config;
    jobs->data_folder = g_strdup(config_string(config, "data"));
    const char *base_url = config_string(config, "base_url");
    g_autofree char *local = g_strdup_printf("http://%s", config_string(config, "listen"));
    jobs_set_base_url(jobs, base_url ? base_url : local);
    if (build(jobs, error))
        return jobs;
    jobs_free(jobs);
    return NULL;
}

void jobs_set_base_url(struct jobs *jobs, const char *url)
{
    g_free(jobs->base_url);
    jobs->base_url = g_strdup(url);
    for (size_t length = strlen(jobs->base_url); length > 0 && jobs->base_url[length - 1] == '/'; length--)
        jobs->base_url[length - 1] = '\0';
}

void jobs_forget_admin_token(struct jobs *jobs)
{
    if (jobs->admin_token)
        crypto_wipe(jobs->admin_token, strlen(jobs->admin_token));
    g_clear_pointer(&jobs->admin_token, g_free);
}

/* The store goes first: what was queued is written, and its callbacks come while their owners are alive. */
void jobs_free(struct jobs *jobs)
{
    if (!jobs)
        return;
    jobs->draining = true;
    if (jobs->store)
        store_close(jobs->store);
    retention_service_free(jobs->retention);
    jobs_status_free(jobs->status);
    schedule_service_free(jobs->schedules);
    delivery_service_free(jobs->deliveries);
    approval_service_free(jobs->approvals);
    run_service_free(jobs->runs);
    outbox_service_free(jobs->outbox);
    token_service_free(jobs->tokens);
    catalog_free(jobs->catalog);
    http_client_free(jobs->http);
    feed_free(jobs->feed);
    jobs_forget_admin_token(jobs);
    g_free(jobs->data_folder);
    g_free(jobs->base_url);
    g_free(jobs);
}

/* --- drain ---------------------------------------------------------------------------------------------------------
 */

struct drain {
    void (*drained)(void *arg);
    void *arg;
};

static bool nothing_job(struct store_tx *tx, void *arg, GError **error)
{
    (void)tx, (void)arg, (void)error;
    return true;
}

static void drain_done(void *arg, const GError *error)
{
    struct drain *drain = arg;
    if (error)
        log_warn("the last writes failed", "error", error->message, NULL);
    drain->drained(drain->arg);
    g_free(drain);
}

/* Writes are done in order of priority: when one in the background was, every other that was asked for before is on
 * disk. */
void jobs_drain(struct jobs *jobs, void (*drained)(void *arg), void *arg)
{
    jobs->draining = true;
    struct drain *drain = g_new(struct drain, 1);
    *drain = (struct drain){drained, arg};
    store_write(jobs->store, STORE_BACKGROUND, nothing_job, drain_done, drain);
}
