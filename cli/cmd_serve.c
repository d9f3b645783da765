/* hikeshi serve: the control plane: configuration, loop, jobs, web, the local runner; and an orderly end.
 *
 * SIGTERM or SIGINT drains: no new connections, leases or deliveries; the runner finishes what it holds; then
 * everything closes. A second one, or DRAIN_MS, ends it at once: what runs is then found again at the next start.
 * SIGHUP fetches the repositories. */
#include "cli/commands.h"
#include "cli/config_flags.h"
#include "cli/runner_child.h"
#include "core/descriptors.h"
#include "core/errors.h"
#include "core/log.h"
#include "jobs/catalog.h"
#include "jobs/jobs.h"
#include "web/web.h"
#include <signal.h>
#include <stdio.h>

#define DRAIN_MS 15000

struct serve {
    struct loop *loop;
    struct config *config;
    struct jobs *jobs;
    struct web *web;
    struct runner_child *runner; /* NULL with no_runner */
    struct loop_signal *terminate, *interrupt, *hangup;
    struct loop_timer *deadline;
    bool draining, runner_ended, jobs_drained;
};

/* --- the end
 * ------------------------------------------------------------------------------------------------------------ */

static void stop_when_drained(struct serve *serve)
{
    if (serve->runner_ended && serve->jobs_drained)
        loop_stop(serve->loop);
}

static void on_runner_ended(void *arg)
{
    struct serve *serve = arg;
    serve->runner_ended = true;
    stop_when_drained(serve);
}

static void on_jobs_drained(void *arg)
{
    struct serve *serve = arg;
    serve->jobs_drained = true;
    stop_when_drained(serve);
}

static void on_deadline(void *arg)
{
    struct serve *serve = arg;
    log_warn("not everything ended in time; stopping now", NULL);
    loop_stop(serve->loop);
}

static void on_terminate(void *arg, int signum)
{
    (void)signum;
    struct serve *serve = arg;
    if (serve->draining) {
        loop_stop(serve->loop);
        return;
    }
    serve->draining = true;
    log_info("draining", NULL);
    loop_timer_start(serve->deadline, DRAIN_MS, 0);
    web_drain(serve->web);
    jobs_drain(serve->jobs, on_jobs_drained, serve);
    runner_child_drain(serve->runner, on_runner_ended, serve);
}

static void on_hangup(void *arg, int signum)
{
    (void)signum;
    struct serve *serve = arg;
    log_info("fetching the repositories", NULL);
    catalog_poll(serve->jobs->catalog, NULL);
}

/* --- the start
 * ---------------------------------------------------------------------------------------------------------- */

static void start_log(const struct config *config)
{
    enum log_level level = LOG_LEVEL_INFO;
    (void)log_level_from_name(config_string(config, "log.level"), &level);
    log_init("serve", level,
             g_strcmp0(config_string(config, "log.format"), "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
}

/* The one time that the first token can be read on a screen. */
static void announce(struct serve *serve)
{
    g_autofree char *address = web_address(serve->web);
    g_autofree char *url = g_strdup_printf("http://%s", address);
    if (config_string(serve->config, "base_url") == NULL)
        jobs_set_base_url(serve->jobs, url); /* with the port that was really taken */
    if (serve->jobs->admin_token != NULL) {
        printf("admin token, shown only now (kept in %s/admin-token): %s\n", serve->jobs->data_folder,
               serve->jobs->admin_token);
        jobs_forget_admin_token(serve->jobs);
    }
    printf("listening on %s\n", url);
    fflush(stdout);
}

static bool serve_start(struct serve *serve, const struct cli_call *call, GError **error)
{
    serve->config = config_flags_load(call, error);
    if (serve->config == NULL)
        return false;
    start_log(serve->config);
    descriptors_raise_limit();
    signal(SIGPIPE, SIG_IGN);
    serve->loop = loop_new();
    serve->jobs = jobs_new(serve->loop, serve->config, error);
    if (!serve->jobs && errors_of(*error) == ERROR_CONFIG)
        g_prefix_error(error, "%s: ", config_file(serve->config));
    serve->web = serve->jobs != NULL ? web_new(serve->jobs, error) : NULL;
    if (serve->web == NULL)
        return false;
    serve->terminate = loop_signal_new(serve->loop, SIGTERM, on_terminate, serve);
    serve->interrupt = loop_signal_new(serve->loop, SIGINT, on_terminate, serve);
    serve->hangup = loop_signal_new(serve->loop, SIGHUP, on_hangup, serve);
    serve->deadline = loop_timer_new(serve->loop, on_deadline, serve);
    announce(serve);
    if (!config_bool(serve->config, "no_runner"))
        serve->runner = runner_child_new(serve->loop, call, serve->config, serve->jobs->data_folder);
    return true;
}

static void serve_clear(struct serve *serve)
{
    runner_child_free(serve->runner);
    web_free(serve->web); /* before what its routes ask */
    jobs_free(serve->jobs);
    loop_signal_free(serve->terminate);
    loop_signal_free(serve->interrupt);
    loop_signal_free(serve->hangup);
    loop_timer_free(serve->deadline);
    if (serve->loop != NULL)
        loop_free(serve->loop);
    config_free(serve->config);
}

static int serve_run(struct cli_call *call)
{
    struct serve serve = {0};
    g_autoptr(GError) error = NULL;
    bool started = serve_start(&serve, call, &error);
    if (started)
        loop_run(serve.loop);
    serve_clear(&serve);
    return started ? 0 : cli_fail(call, &error);
}

const struct cli_command cmd_serve = {
    .name = "serve",
    .arguments = "",
    .summary = "run the server: webhooks, runs, approvals, schedules, API",
    .details = "Without configuration, `hikeshi serve --repo DIR` serves the runbooks of DIR on 127.0.0.1:8460 with a\n"
               "database in ./data, and starts a runner beside itself. The first start prints an admin token.\n\n"
               "SIGTERM drains and ends; a second one ends at once. SIGHUP fetches the repositories.",
    .more_options = config_flags_options,
    .run = serve_run,
};
